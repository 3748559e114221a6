using System.Buffers.Binary;
using Buoy.Membership;
using Buoy.Membership.Services;

namespace Buoy.Simulation;

/// <summary>A process on a node that uses a group. Each is new: no process id is used twice in a run.</summary>
internal sealed class GroupClient(uint id, SimulatedNode node, string group)
{
    /// <summary>Name of its connection, and process id.</summary>
    public uint Id { get; } = id;
    public SimulatedNode Node { get; } = node;
    public string Group { get; } = group;
    public GroupProcess Process => new(Node.Id, Id);

    /// <summary>Since when it wants to leave, has ended, or its node has; never: the end of time.</summary>
    public long LeavesAt { get; set; } = long.MaxValue;
    public long EndedAt { get; set; } = long.MaxValue;
    public long CrashedAt { get; set; } = long.MaxValue;

    /// <summary>It is to be in its group at the end.</summary>
    public bool Stays => Math.Min(LeavesAt, Math.Min(EndedAt, CrashedAt)) == long.MaxValue;

    /// <summary>Numbers of what it said, in order.</summary>
    public List<int> Said { get; } = [];
}

/// <summary>A client was told a change of its group.</summary>
internal sealed record GroupChanged(
    long At, GroupClient Client, GroupProcess[] Members, (GroupProcess Process, GroupReason Reason)[] Left,
    (GroupProcess Process, GroupReason Reason)[] Joined) : LogEntry(At);

/// <summary>A client was told a message. The number is -1 where the bytes are not what was said.</summary>
internal sealed record GroupSaid(long At, GroupClient Client, GroupProcess Sender, int Number) : LogEntry(At);

/// <summary>
/// Every member of the view has told its processes; the table of all groups as it is then. In a transitional configuration
/// messages of who left may be missing: only who is in it has the same.
/// </summary>
internal sealed record GroupsWhole(long At, RingId Ring, RingId Configuration, string Table) : LogEntry(At);

/// <summary>Who tracks quorum was told.</summary>
internal sealed record QuorumTold(long At, QuorumNotice Notice) : LogEntry(At);

/// <summary>
/// The services of one process of a node, driven as the daemon drives them: the program's own process groups and quorum
/// notices on the simulated ring.
/// </summary>
internal sealed class SimulatedServices : IProcessGroupSink
{
    private const int Tracker = 1;
    private readonly Simulation _simulation;
    private readonly SimulatedNode _node;
    private readonly ProcessGroups _groups;
    private readonly QuorumNotices _quorum;
    private readonly Dictionary<long, GroupClient> _clients = [];
    private readonly Dictionary<long, GroupClient> _leaving = [];
    private RingId _view;
    private bool _wasWhole;

    public SimulatedServices(Simulation simulation, SimulatedNode node)
    {
        (_simulation, _node) = (simulation, node);
        _groups = new ProcessGroups(node.Id, this);
        _quorum = new QuorumNotices((_, notice) => node.Log.Add(new QuorumTold(simulation.Now, notice)));
        _quorum.Track(Tracker);
    }

    /// <summary>Processes that are in a group, or ask to be, and have not ended.</summary>
    public IReadOnlyCollection<GroupClient> Clients => _clients.Values;

    /// <summary>The table of all groups as one line.</summary>
    public string Table => TableOf(_groups.Groups.Select(g => (g.Key, (IEnumerable<GroupProcess>)g.Value)));

    /// <summary>Groups and their processes as one line.</summary>
    public static string TableOf(IEnumerable<(string Group, IEnumerable<GroupProcess> Processes)> groups) =>
        string.Join("; ", groups.Select(g => $"{g.Group}: " + string.Join(' ', g.Processes.Select(Name))));

    /// <summary>A process as node.process.</summary>
    public static string Name(GroupProcess p) => $"{p.NodeId}.{p.ProcessId}";

    // ── From the ring ────────────────────────────────────────────────────────────────────────────────────────────

    public void OnView(ClusterView view)
    {
        _view = view.RingId;
        _groups.OnView(_simulation.Mutation.OverlooksLosses
            ? view with { Left = [], Members = [.. view.Members] } : view);
        _wasWhole = false;
        _quorum.OnView(view);
    }

    public void OnQuorum(bool quorate)
    {
        if (!_simulation.Mutation.KeepsVerdicts)
        {
            _quorum.OnQuorum(quorate);
        }
    }

    public void OnMessage(uint sender, ReadOnlySpan<byte> message)
    {
        if (_simulation.Mutation.HearsItselfAtOnce && sender == _node.Id)
        {
            return;
        }

        _groups.OnMessage(sender, message);
        if (_simulation.Mutation.HearsTwice)
        {
            _groups.OnMessage(sender, message);
        }

        NoteWhole();
    }

    private void NoteWhole()
    {
        if (_groups.Whole && !_wasWhole)
        {
            _wasWhole = true;
            _node.Log.Add(new GroupsWhole(_simulation.Now, _view, _node.Configuration, Table));
        }
    }

    // ── From processes ───────────────────────────────────────────────────────────────────────────────────────────

    public void Join(GroupClient client)
    {
        _clients[client.Id] = client;
        Refuse(_groups.Join(client.Id, client.Group, client.Id));
    }

    public void Leave(GroupClient client)
    {
        client.LeavesAt = _simulation.Now;
        _clients.Remove(client.Id);
        _leaving[client.Id] = client;
        Refuse(_groups.Leave(client.Id));
    }

    public void End(GroupClient client)
    {
        client.EndedAt = _simulation.Now;
        _clients.Remove(client.Id);
        _groups.Gone(client.Id);
    }

    /// <summary>Says a number, followed by so many bytes that follow from it.</summary>
    public void Say(GroupClient client, int number, int more)
    {
        byte[] payload = new byte[8 + more];
        BinaryPrimitives.WriteInt32LittleEndian(payload, number);
        BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(4), more);
        Fill(payload.AsSpan(8), number);
        client.Said.Add(number);
        Refuse(_groups.Multicast(client.Id, payload));
    }

    /// <summary>The node's process ends, and all that spoke to it.</summary>
    public void OnCrash()
    {
        foreach (var client in _clients.Values.Concat(_leaving.Values))
        {
            client.CrashedAt = _simulation.Now;
        }
    }

    private static void Refuse(string? why)
    {
        if (why is not null)
        {
            throw new InvalidOperationException("a request that is in order was refused: " + why);
        }
    }

    private static void Fill(Span<byte> bytes, int number)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(number + (i * 7));
        }
    }

    // ── To processes ─────────────────────────────────────────────────────────────────────────────────────────────

    void IProcessGroupSink.Multicast(byte[] message)
    {
        _node.SendOfServices(message);
        if (_simulation.Mutation.HearsItselfAtOnce)
        {
            _groups.OnMessage(_node.Id, message);
            NoteWhole();
        }
    }

    void IProcessGroupSink.Deliver(long client, GroupProcess sender, ReadOnlySpan<byte> payload)
    {
        int number = -1;
        if (payload.Length >= 8 && BinaryPrimitives.ReadInt32LittleEndian(payload[4..]) == payload.Length - 8)
        {
            number = BinaryPrimitives.ReadInt32LittleEndian(payload);
            Span<byte> expected = new byte[payload.Length - 8];
            Fill(expected, number);
            number = expected.SequenceEqual(payload[8..]) ? number : -1;
        }

        _node.Log.Add(new GroupSaid(_simulation.Now, Of(client), sender, number));
    }

    void IProcessGroupSink.Changed(
        long client, IReadOnlyList<GroupProcess> members, IReadOnlyList<(GroupProcess Process, GroupReason Reason)> left,
        IReadOnlyList<(GroupProcess Process, GroupReason Reason)> joined)
    {
        if (!_simulation.Mutation.OmitsComing || joined.All(j => j.Reason is not GroupReason.NodeUp))
        {
            _node.Log.Add(new GroupChanged(_simulation.Now, Of(client), [.. members], [.. left], [.. joined]));
        }
    }

    private GroupClient Of(long client) => _clients.TryGetValue(client, out var c) ? c : _leaving[client];
}
