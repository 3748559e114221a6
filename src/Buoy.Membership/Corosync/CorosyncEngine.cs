using System.Buffers.Binary;
using Buoy.Linux;
using Buoy.Linux.Corosync;
using Buoy.Membership.Quorum;

namespace Buoy.Membership.Corosync;

/// <summary>
/// The real Corosync as a cluster engine: order and membership from a process group (libcpg), the verdict from libquorum,
/// names from libcmap. What those do not give, and how it is bridged:
/// <list type="bullet">
/// <item>views agreed by all, with <see cref="ViewMember.Joined"/>: a record of each member on every change
/// (<see cref="CorosyncViews"/>)</item>
/// <item>a message belongs to a view: each carries its view's id; what a change overtook is sent again in the next</item>
/// <item>quorum at the view: libquorum speaks on a connection of its own, so a view waits for the verdict of its ring, and
/// what follows the view waits with it</item>
/// <item>safe delivery: libcpg has none ("not implemented"), and the interface asks for agreed only</item>
/// <item>a corosync that ends: nothing is known of the others any more, and they count this node as gone. The loop ends
/// with an <see cref="IOException"/>, as Pacemaker's daemons do; whoever started the daemon starts it again</item>
/// </list>
/// </summary>
public sealed class CorosyncEngine : IClusterEngine, ICpgSink
{
    private const byte KindApplication = 0;
    private const byte KindRecord = 1;

    /// <summary>Kind, view seq, view rep.</summary>
    private const int HeadSize = 13;

    /// <summary>Bytes that wait for corosync's flow control, beyond which the caller is told to try again.</summary>
    private const long MaxWaitingBytes = 8 << 20;

    /// <summary>While corosync says "try again", ask again after this long, ms.</summary>
    private const int RetryMs = 1;

    /// <summary>While corosync synchronises its ring nobody can join a group: ask again after this long, ms.</summary>
    private const int JoinRetryMs = 50;

    private readonly EventLoop _loop;
    private readonly CorosyncOptions _options;
    private readonly SortedDictionary<string, long> _counters = new(StringComparer.Ordinal);
    private readonly LinkedList<byte[]> _waiting = new();
    private readonly Queue<(uint Sender, byte[] Payload)> _held = new();
    private readonly List<byte[]> _overtaken = [];
    private readonly CorosyncViews _views;
    private CorosyncNodes _nodes;
    private CpgSession? _group;
    private QuorumSession? _quorum;
    private VoteQuorumSession? _votes;
    private IClusterEngineSink? _sink;
    private ClusterView? _heldView;
    private byte[]? _record;
    private long _waitingBytes;
    private bool _quorate;
    private bool _retrying;
    private bool _disposed;
    private int _fdOfGroup = -1;
    private int _fdOfQuorum = -1;
    private string _problem = "";

    private CorosyncEngine(EventLoop loop, CorosyncOptions options)
    {
        _loop = loop;
        _options = options;
        _nodes = ReadNodes() ?? throw new IOException(_problem);
        _group = CpgSession.TryOpen(this, out var status) ?? throw new IOException(Problem("libcpg", status));
        LocalNodeId = _group.LocalNodeId;
        LocalNodeName = _nodes.Nodes.FirstOrDefault(n => n.NodeId == LocalNodeId)?.Name
            ?? options.LocalName ?? Environment.MachineName;
        _views = new CorosyncViews(LocalNodeId, (uint)Environment.ProcessId, LocalNodeName);
    }

    /// <summary>
    /// Connects to the corosync of this node. Throws <see cref="IOException"/> where the libraries are missing or no
    /// corosync answers.
    /// </summary>
    public static CorosyncEngine Create(EventLoop loop, CorosyncOptions options) => new(loop, options);

    /// <inheritdoc/>
    public uint LocalNodeId { get; }

    /// <inheritdoc/>
    public string LocalNodeName { get; }

    /// <inheritdoc/>
    public string ClusterName => _nodes.ClusterName;

    /// <inheritdoc/>
    public IReadOnlyList<(uint NodeId, string Name)> ConfiguredNodes => [.. _nodes.Nodes.Select(n => (n.NodeId, n.Name))];

    /// <inheritdoc/>
    public int TokenMs => _nodes.TokenMs;

    /// <inheritdoc/>
    public void Start(IClusterEngineSink sink)
    {
        _sink = sink;
        Connect();
    }

    /// <inheritdoc/>
    public bool TrySend(ReadOnlySpan<byte> message)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(message.Length, Totem.MessagePacker.MaxMessage);
        if (_disposed || _waitingBytes + message.Length > MaxWaitingBytes)
        {
            return false;
        }

        _waiting.AddLast(message.ToArray());
        _waitingBytes += message.Length;
        Flush();
        return true;
    }

    /// <inheritdoc/>
    public void Leave()
    {
        if (_group is { } group && !_disposed)
        {
            // Where it does not go through, the end of the connection says the same.
            _ = group.Leave(_options.Group);
        }

        Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            Disconnect();
        }
    }

    /// <inheritdoc/>
    public string? Reload()
    {
        var status = CfgSession.ReloadConfig();
        if (status != CorosyncStatus.Ok)
        {
            return $"corosync did not reload its configuration: {CorosyncStatusText.Of(status)}";
        }

        _nodes = ReadNodes() ?? _nodes;
        return null;
    }

    /// <inheritdoc/>
    public string? SetExpectedVotes(int votes) =>
        _votes is null ? "corosync's quorum provider is not votequorum"
        : _votes.SetExpected((uint)votes) is var status && status == CorosyncStatus.Ok ? null
        : status == CorosyncStatus.InvalidParameter
            ? $"corosync refuses {votes} expected votes: fewer than are present, or quorum would be lost"
        : $"corosync did not set expected votes: {CorosyncStatusText.Of(status)}";

    /// <inheritdoc/>
    public EngineStatus Status
    {
        get
        {
            var own = _votes?.Info(0);
            uint[] present = [.. _views.ViewRecords.Select(r => r.Quorum.NodeId)];
            var nodes = _nodes.Nodes.Select(n => (n.NodeId, n.Name, n.Addresses)).Concat(
                _views.ViewRecords.Where(r => _nodes.Nodes.All(n => n.NodeId != r.Quorum.NodeId))
                    .Select(r => (r.Quorum.NodeId, r.Name, Addresses: Array.Empty<string>())));
            return new EngineStatus
            {
                Transport = _nodes.Transport,
                State = _views.Synced ? "operational" : "synchronising",
                RingId = _views.Ring,
                Quorate = _quorate,
                ExpectedVotes = own?.ExpectedVotes ?? 0,
                HighestExpected = own?.HighestExpected ?? 0,
                TotalVotes = own?.TotalVotes ?? 0,
                Quorum = own?.Quorum ?? 0,
                Flags = own?.Flags ?? [],
                Nodes =
                [
                    .. nodes.OrderBy(n => n.NodeId).Select(n => (
                        n.NodeId, n.Name, _votes?.Info(n.NodeId)?.Votes ?? 1, present.Contains(n.NodeId), n.Addresses)),
                ],
                Links = _nodes.Links(LocalNodeId, present),
                Counters = new SortedDictionary<string, long>(_counters, StringComparer.Ordinal)
                {
                    ["queue.waiting"] = _waiting.Count,
                },
            };
        }
    }

    // ── The connection ───────────────────────────────────────────────────────────────────────────────────────────

    private static string Problem(string library, CorosyncStatus status) =>
        $"corosync ({library}): {CorosyncStatusText.Of(status)}";

    private CorosyncNodes? ReadNodes()
    {
        using var map = CmapSession.TryOpen(statistics: false, out var status);
        _problem = map is null ? Problem("libcmap", status) : "";
        return map is null ? null : CorosyncNodes.Read(map);
    }

    private void Connect()
    {
        if (_disposed)
        {
            return;
        }

        _quorum ??= QuorumSession.TryOpen(out var opened) ?? throw new IOException(Problem("libquorum", opened));
        var status = _group!.Join(_options.Group);
        if (status == CorosyncStatus.TryAgain)
        {
            _loop.Schedule(JoinRetryMs, Connect);
            return;
        }

        if (status != CorosyncStatus.Ok)
        {
            throw new IOException(Problem("libcpg", status));
        }

        _votes = _quorum.HasProvider ? VoteQuorumSession.TryOpen(out _) : null;
        _nodes = ReadNodes() ?? _nodes;
        _loop.Add(_fdOfGroup = _group.Fd, PollEvents.Readable, _ => DispatchGroup());
        _loop.Add(_fdOfQuorum = _quorum.Fd, PollEvents.Readable, _ => DispatchQuorum());
        _options.Log(false, $"connected to corosync as node {LocalNodeId} ({LocalNodeName}) of '{ClusterName}'");
    }

    private void Disconnect()
    {
        _loop.Remove(_fdOfGroup);
        _loop.Remove(_fdOfQuorum);
        _fdOfGroup = _fdOfQuorum = -1;
        _group?.Dispose();
        _quorum?.Dispose();
        _votes?.Dispose();
        (_group, _quorum, _votes) = (null, null, null);
    }

    /// <summary>corosync ended, or put this process out.</summary>
    private static IOException Lost(CorosyncStatus status) => new(
        $"the connection to corosync is lost ({CorosyncStatusText.Of(status)}): nothing is known of the cluster any more");

    private void DispatchGroup()
    {
        if (_group is not { } group)
        {
            return;
        }

        var status = group.Dispatch();
        if (_disposed)
        {
            return;
        }

        if (status is not (CorosyncStatus.Ok or CorosyncStatus.TryAgain))
        {
            throw Lost(status);
        }

        if (_views.TakeRecord(Own()) is { } record)
        {
            _record = record;
        }

        Flush();
    }

    private void DispatchQuorum()
    {
        if (_quorum is not { } quorum)
        {
            return;
        }

        var status = quorum.Dispatch();
        if (status is not (CorosyncStatus.Ok or CorosyncStatus.TryAgain))
        {
            throw Lost(status);
        }

        if (_heldView is not null && HasVerdict)
        {
            FlushHeld();
        }
        else if (_heldView is null && _views.Synced && HasVerdict && Verdict != _quorate)
        {
            _quorate = Verdict;
            _sink!.OnQuorum(_quorate);
        }
    }

    // ── What the group tells ─────────────────────────────────────────────────────────────────────────────────────

    void ICpgSink.OnRing(uint rep, ulong seq, ReadOnlySpan<uint> members)
    {
        FlushHeld();
        _views.OnRing(EventLoop.Now, new RingId(seq, rep));
    }

    void ICpgSink.OnGroup(ReadOnlySpan<CpgAddress> members, ReadOnlySpan<CpgAddress> left, ReadOnlySpan<CpgAddress> joined)
    {
        FlushHeld();
        _views.OnGroup(EventLoop.Now, Members(members), Members(left));

        static List<GroupMember> Members(ReadOnlySpan<CpgAddress> from)
        {
            var list = new List<GroupMember>(from.Length);
            foreach (var a in from)
            {
                list.Add(new GroupMember(a.NodeId, a.ProcessId));
            }

            return list;
        }
    }

    void ICpgSink.OnDeliver(uint nodeId, uint processId, ReadOnlySpan<byte> message)
    {
        if (_disposed || message.Length < 1)
        {
            return;
        }

        switch (message[0])
        {
            case KindRecord:
                if (_views.OnRecord(nodeId, message[1..]) is { } view)
                {
                    OnView(view);
                }

                break;
            case KindApplication when message.Length >= HeadSize:
                bool mine = nodeId == LocalNodeId && processId == (uint)Environment.ProcessId;
                if (IsOfThisView(message))
                {
                    Deliver(nodeId, message[HeadSize..]);
                }
                else
                {
                    Count("overtaken");
                    if (mine)
                    {
                        _overtaken.Add(message[HeadSize..].ToArray());
                    }
                }

                break;
            default:
                Count("drop.kind");
                break;
        }
    }

    private bool IsOfThisView(ReadOnlySpan<byte> message) =>
        _views.Synced && BinaryPrimitives.ReadUInt64LittleEndian(message[1..]) == _views.View.Seq
        && BinaryPrimitives.ReadUInt32LittleEndian(message[9..]) == _views.View.Rep;

    private void Deliver(uint sender, ReadOnlySpan<byte> payload)
    {
        if (_heldView is not null)
        {
            _held.Enqueue((sender, payload.ToArray()));
        }
        else
        {
            _sink!.OnMessage(sender, payload);
        }
    }

    private void OnView(ClusterView view)
    {
        // What a change overtook goes before what waits.
        for (int i = _overtaken.Count - 1; i >= 0; i--)
        {
            _waiting.AddFirst(_overtaken[i]);
            _waitingBytes += _overtaken[i].Length;
        }

        _overtaken.Clear();
        _heldView = view;
        _ = _quorum!.Dispatch();
        if (HasVerdict)
        {
            FlushHeld();
        }
    }

    /// <summary>The verdict of the ring that the view stands on has come.</summary>
    private bool HasVerdict => _quorum is { } q && (!q.HasProvider || q.RingSeq == _views.Ring.Seq);

    private bool Verdict => _quorum is { } q && (!q.HasProvider || q.Quorate);

    private void FlushHeld()
    {
        if (_heldView is not { } view)
        {
            return;
        }

        _heldView = null;
        _quorate = Verdict;
        _options.Log(false,
            $"view {view.RingId} on corosync's ring {_views.Ring}: {string.Join(' ', view.Members.Select(m => m.Name))}; "
            + $"left {Ids(view.Left)}, came {Ids(view.Came)}; {(_quorate ? "" : "not ")}quorate; "
            + $"{EventLoop.Now - view.FirstSign} ms after the first sign");
        _sink!.OnView(view with { Quorate = _quorate });
        while (!_disposed && _held.TryDequeue(out var message))
        {
            _sink.OnMessage(message.Sender, message.Payload);
        }
    }

    private static string Ids(IReadOnlyList<uint> ids) => ids.Count == 0 ? "nobody" : string.Join(',', ids);

    private QuorumRecord Own() => new(LocalNodeId, 1, 0, _quorate, false);

    // ── Sending ──────────────────────────────────────────────────────────────────────────────────────────────────

    private bool CanSend => _group is not null && _views.Synced;

    /// <summary>Sends what waits, until corosync's flow control says no.</summary>
    private void Flush()
    {
        if (_group is null || _disposed)
        {
            return;
        }

        if (_record is { } record)
        {
            if (Multicast(KindRecord, record) != CorosyncStatus.Ok)
            {
                Retry();
                return;
            }

            _record = null;
        }

        while (CanSend && _waiting.First is { } first)
        {
            if (Multicast(KindApplication, first.Value) != CorosyncStatus.Ok)
            {
                Retry();
                return;
            }

            _waitingBytes -= first.Value.Length;
            _waiting.RemoveFirst();
        }
    }

    private void Retry()
    {
        if (!_retrying)
        {
            _retrying = true;
            _loop.Schedule(RetryMs, () =>
            {
                _retrying = false;
                Flush();
            });
        }
    }

    private CorosyncStatus Multicast(byte kind, ReadOnlySpan<byte> body)
    {
        Span<byte> head = stackalloc byte[HeadSize];
        head[0] = kind;
        BinaryPrimitives.WriteUInt64LittleEndian(head[1..], _views.View.Seq);
        BinaryPrimitives.WriteUInt32LittleEndian(head[9..], _views.View.Rep);
        var status = _group!.Multicast(kind == KindRecord ? head[..1] : head, body);
        if (status is not (CorosyncStatus.Ok or CorosyncStatus.TryAgain))
        {
            Count($"send.status-{(int)status}");
        }

        return status;
    }

    private void Count(string name) => _counters[name] = _counters.GetValueOrDefault(name) + 1;
}
