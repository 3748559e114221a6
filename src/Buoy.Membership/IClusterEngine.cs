namespace Buoy.Membership;

/// <summary>Ring id (Seq, Rep): names a ring for ever.</summary>
public readonly record struct RingId(ulong Seq, uint Rep)
{
    /// <summary>As corosync-quorumtool prints it: rep in hex, dot, seq in hex.</summary>
    public override string ToString() => $"{Rep:x}.{Seq:x}";
}

/// <summary>A member of a view.</summary>
/// <param name="NodeId">32-bit non-zero id.</param>
/// <param name="Name">From the node list; null where none is configured (the layer above learns it from the member).</param>
/// <param name="Joined">The view in which it came in, as the ring seq: the lowest has been there longest. The same on all members.</param>
public sealed record ViewMember(uint NodeId, string? Name, ulong Joined);

/// <summary>A regular configuration with its quorum: what the layers above work on.</summary>
/// <param name="RingId">The ring.</param>
/// <param name="Members">Ascending by id.</param>
/// <param name="Left">Members of the view before that are gone.</param>
/// <param name="Came">Members that were not in the view before.</param>
/// <param name="Quorate">Quorum in this view.</param>
/// <param name="FirstSign">Monotonic ms of the first sign of the change (a late token, a leave, a join): a failover's time zero.</param>
public sealed record ClusterView(
    RingId RingId, IReadOnlyList<ViewMember> Members, IReadOnlyList<uint> Left, IReadOnlyList<uint> Came, bool Quorate, long FirstSign);

/// <summary>
/// Membership, total order and quorum, whoever provides them: our ring, or the real Corosync. All calls and all callbacks
/// happen on the thread of the loop it was made with.
/// </summary>
public interface IClusterEngine : IDisposable
{
    /// <summary>Id of this node.</summary>
    uint LocalNodeId { get; }

    /// <summary>Name of this node: from the node list, else the host's name.</summary>
    string LocalNodeName { get; }

    /// <summary>cluster_name of corosync.conf.</summary>
    string ClusterName { get; }

    /// <summary>Ids and names of configured nodes; empty without a node list.</summary>
    IReadOnlyList<(uint NodeId, string Name)> ConfiguredNodes { get; }

    /// <summary>Effective token time-out, ms.</summary>
    int TokenMs { get; }

    /// <summary>Begins; the first view (at least this node alone) follows through <paramref name="sink"/>.</summary>
    void Start(IClusterEngineSink sink);

    /// <summary>
    /// Originates a message to all members, this node included, in agreed order. Any size up to 1 MB (fragmented by the
    /// engine). False: the queue is full, try again later.
    /// </summary>
    bool TrySend(ReadOnlySpan<byte> message);

    /// <summary>Clean leave: tells the others, who need not wait for the token time-out, and stops.</summary>
    void Leave();

    /// <summary>What the corosync tools show.</summary>
    EngineStatus Status { get; }

    /// <summary>Reads corosync.conf anew and takes what may change at run time; returns an error for people, or null.</summary>
    string? Reload();

    /// <summary>corosync-quorumtool -e; returns an error for people, or null.</summary>
    string? SetExpectedVotes(int votes);
}

/// <summary>Receiver of an engine's events, in total order with respect to each other.</summary>
public interface IClusterEngineSink
{
    /// <summary>A new regular configuration is installed. Messages that follow belong to it.</summary>
    void OnView(ClusterView view);

    /// <summary>Quorum changed without a change of the ring (expected votes, wait_for_all, a device).</summary>
    void OnQuorum(bool quorate);

    /// <summary>
    /// The ring has been silent for longer than it should be (a token is overdue), or is heard again. It may come to nothing; a
    /// view follows otherwise.
    /// </summary>
    void OnSilence(bool silent)
    {
    }

    /// <summary>A message, in the same order on every member. The memory is the receiver's only during the call.</summary>
    void OnMessage(uint sender, ReadOnlySpan<byte> payload);
}

/// <summary>State of ring and quorum for the tools.</summary>
public sealed record EngineStatus
{
    public required string Transport { get; init; }
    public required string State { get; init; }
    public required RingId RingId { get; init; }
    public required bool Quorate { get; init; }
    public required int ExpectedVotes { get; init; }
    public required int HighestExpected { get; init; }
    public required int TotalVotes { get; init; }
    public required int Quorum { get; init; }
    public required IReadOnlyList<string> Flags { get; init; }
    public required IReadOnlyList<(uint NodeId, string Name, int Votes, bool Present, string[] Addresses)> Nodes { get; init; }
    public required IReadOnlyList<(int LinkId, string Address, IReadOnlyList<(uint NodeId, string State)> Peers)> Links { get; init; }

    /// <summary>Bytes of data one packet carries to a peer over a link, where it is known.</summary>
    public IReadOnlyDictionary<(int LinkId, uint NodeId), int> LinkMtus { get; init; } =
        new Dictionary<(int, uint), int>();

    /// <summary>Drop reasons and other counters by name.</summary>
    public required IReadOnlyDictionary<string, long> Counters { get; init; }
}
