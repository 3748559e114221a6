using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Buoy.Control;
using Buoy.Linux;
using Buoy.Membership;
using Buoy.Membership.Services;

namespace Buoy.Cluster.Host;

/// <summary>
/// What the daemon offers local processes beside the resources: process groups, cmap, quorum notifications, and the
/// calls of
/// the corosync tools. Its messages travel in the same total order as the cluster's own, behind them.
/// </summary>
internal sealed class DaemonServices : IServiceRequests, IProcessGroupSink, IDisposable
{
    /// <summary>First byte of what is ours on the total order; the cluster's own messages are JSON.</summary>
    private const byte Mark = 1;

    /// <summary>Second byte: a node is to end (corosync-cfgtool -k).</summary>
    private const byte Kill = 16;

    /// <summary>Bytes that wait for the ring at which clients are no longer read from, and are again.</summary>
    private const long PauseAbove = 2 << 20, ResumeBelow = 256 << 10;

    private const long RetryMs = 1;

    /// <summary>While somebody tracks a statistic, look at it this often, ms; as Corosync's stats map does.</summary>
    private const long TrackMs = 1000;

    private readonly EventLoop _loop;
    private readonly IClusterEngine _engine;
    private readonly Func<IEnumerable<KeyValuePair<string, MapValue>>> _fileKeys;
    private readonly Action<string> _kill;
    private readonly ServiceServer _server;
    private readonly ProcessGroups _groups;
    private readonly AvailabilityHost _availability;
    private readonly ConfigurationMap _map = new();
    private readonly ConfigurationMap _statistics = new();
    private readonly Queue<byte[]> _outbox = new();
    private readonly Dictionary<long, (ConfigurationMap Map, MapTracker Tracker)> _trackers = [];
    private readonly QuorumNotices _quorum;
    private readonly Dictionary<uint, int> _joins = [];
    private ClusterView? _view;
    private long _waiting;
    private bool _retrying;
    private bool _sending;
    private byte[] _changed = new byte[256];
    private IReadOnlyDictionary<string, long> _cleared = new Dictionary<string, long>();

    public DaemonServices(
        EventLoop loop, IClusterEngine engine, string runFolder, Func<IEnumerable<KeyValuePair<string, MapValue>>> fileKeys,
        Action<string> kill, Action<string> onProblem)
    {
        _loop = loop;
        _engine = engine;
        _fileKeys = fileKeys;
        _kill = kill;
        _groups = new ProcessGroups(engine.LocalNodeId, this);
        _quorum = new QuorumNotices(TellQuorum);
        _server = new ServiceServer(loop, Path.Combine(runFolder, ServiceProtocol.SocketName), this, onProblem);
        _availability = new AvailabilityHost(loop, _server, onProblem);
        loop.Schedule(TrackMs, Track);
    }

    /// <summary>Whether a message of the total order is for the services.</summary>
    public static bool Owns(ReadOnlySpan<byte> message) => message.Length > 1 && message[0] == Mark;

    /// <inheritdoc/>
    public void Dispose()
    {
        _availability.Dispose();
        _server.Dispose();
    }

    /// <summary>A new view.</summary>
    public void OnView(ClusterView view)
    {
        _view = view;
        foreach (uint id in view.Came)
        {
            _joins[id] = _joins.GetValueOrDefault(id) + 1;
        }

        _groups.OnView(view);
        _availability.OnQuorum(view.Quorate);
        _quorum.OnView(view);
        OnChange();
    }

    /// <summary>Another verdict on the same view.</summary>
    public void OnQuorum(bool quorate)
    {
        _availability.OnQuorum(quorate);
        _quorum.OnQuorum(quorate);
        OnChange();
    }

    private void OnChange()
    {
        if (_map.Trackers > 0)
        {
            RefreshMap();
        }
    }

    /// <summary>A message of the total order that <see cref="Owns"/> says is ours.</summary>
    public void OnMessage(uint sender, ReadOnlySpan<byte> message)
    {
        switch (message[1])
        {
            case Kill when message.Length == 6:
                if (BinaryPrimitives.ReadUInt32LittleEndian(message[2..]) == _engine.LocalNodeId)
                {
                    _kill($"node {sender} asked for the end of this node (corosync-cfgtool -k)");
                }

                break;
            default:
                _groups.OnMessage(sender, message);
                break;
        }

        if (_outbox.Count > 0)
        {
            Send();
        }
    }

    /// <summary>Answers the tools' calls that are the services'; null for those that are not.</summary>
    public ControlResponse? Handle(ControlRequest r)
    {
        string Argument(string name) => r.Arguments.GetValueOrDefault(name) ?? "";
        var map = Argument("map") == "stats" ? _statistics : _map;
        switch (r.Command)
        {
            case ControlCommand.MapList:
                RefreshMap();
                var list = map.Values
                    .Where(v => v.Key.StartsWith(Argument("prefix"), StringComparison.Ordinal))
                    .Select(v => new MapEntry(v.Key, v.Value.Type, v.Value.Text)).ToList();
                return new ControlResponse(ControlStatus.Ok, JsonSerializer.Serialize(list, ControlJson.Default.ListMapEntry));
            case ControlCommand.MapSet:
                RefreshMap();
                if (map == _statistics && Argument("key") is "stats.clear.totem" or "stats.clear.all")
                {
                    _cleared = _engine.Status.Counters;
                    return new ControlResponse(ControlStatus.Ok);
                }

                return Answer(map == _statistics
                    ? ClearsNothing(Argument("key")) : map.Set(Argument("key"), new MapValue(Argument("type"), Argument("value"))));
            case ControlCommand.MapDelete:
                RefreshMap();
                return Answer(map == _statistics ? MapStatus.Access : map.Delete(Argument("key")));
            case ControlCommand.GroupList:
                var processes = _groups.Groups.SelectMany(g => g.Value.Select(p =>
                    new GroupEntry(g.Key, p.ProcessId, p.NodeId))).ToList();
                return new ControlResponse(
                    ControlStatus.Ok, JsonSerializer.Serialize(processes, ControlJson.Default.ListGroupEntry));
            case ControlCommand.KillNode:
                if (!uint.TryParse(Argument("node"), CultureInfo.InvariantCulture, out uint node)
                    || _view?.Members.Any(m => m.NodeId == node) != true)
                {
                    return new ControlResponse(ControlStatus.NoSuchObject, "", "CS_ERR_NOT_EXIST");
                }

                byte[] kill = [Mark, Kill, 0, 0, 0, 0];
                BinaryPrimitives.WriteUInt32LittleEndian(kill.AsSpan(2), node);
                Multicast(kill);
                return new ControlResponse(ControlStatus.Ok);
            default:
                return null;
        }

        // Links, clients and lateness have no counters that could be cleared; asking for it is no error in the
        // original.
        static MapStatus ClearsNothing(string key) =>
            key is "stats.clear.knet" or "stats.clear.ipc" or "stats.clear.schedmiss" ? MapStatus.Ok : MapStatus.Access;

        static ControlResponse Answer(MapStatus status) => status switch
        {
            MapStatus.Ok => new ControlResponse(ControlStatus.Ok),
            MapStatus.NotExist => new ControlResponse(ControlStatus.NoSuchObject, "", "CS_ERR_NOT_EXIST"),
            MapStatus.Access => new ControlResponse(ControlStatus.Error, "", "CS_ERR_ACCESS"),
            MapStatus.Name => new ControlResponse(ControlStatus.Error, "", "CS_ERR_NAME_TOO_LONG"),
            _ => new ControlResponse(ControlStatus.Error, "", "CS_ERR_INVALID_PARAM"),
        };
    }

    /// <inheritdoc/>
    public string? OnRequest(long client, byte kind, ReadOnlySpan<byte> body)
    {
        switch (kind)
        {
            case ServiceProtocol.Join:
                return _groups.Join(client, Encoding.Latin1.GetString(body), _server.ProcessOf(client));
            case ServiceProtocol.Leave:
                return _groups.Leave(client);
            case ServiceProtocol.Multicast:
                return _groups.Multicast(client, body);
            case >= ServiceProtocol.Register and <= ServiceProtocol.End:
                return _availability.OnRequest(client, kind, body);
            case ServiceProtocol.TrackQuorum:
                _quorum.Track(client);
                return null;
            case ServiceProtocol.TrackMap when body.Length > 1 && !_trackers.ContainsKey(client):
                RefreshMap();
                string key = Encoding.UTF8.GetString(body[1..]);
                var map = key.StartsWith("stats.", StringComparison.Ordinal) ? _statistics : _map;
                var tracker = new MapTracker(key, body[0] != 0, (what, name, value) => _server.Send(
                    client, ServiceProtocol.MapChange, [(byte)what],
                    Encoding.UTF8.GetBytes($"{name}\0{value.Type}\0{value.Text}\0")));
                map.Add(tracker);
                _trackers[client] = (map, tracker);
                return null;
            default:
                return $"request {kind} is not understood";
        }
    }

    /// <inheritdoc/>
    public void OnGone(long client)
    {
        _groups.Gone(client);
        _availability.OnGone(client);
        _quorum.Forget(client);
        if (_trackers.Remove(client, out var t))
        {
            t.Map.Remove(t.Tracker);
        }
    }

    /// <inheritdoc/>
    public void Multicast(byte[] message)
    {
        if (_outbox.Count == 0 && !_sending && _engine.TrySend(message))
        {
            return;
        }

        _outbox.Enqueue(message);
        _waiting += message.Length;
        _server.Pause(_waiting > PauseAbove);
        Retry();
    }

    /// <inheritdoc/>
    public void Deliver(long client, GroupProcess sender, ReadOnlySpan<byte> payload)
    {
        Span<byte> head = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(head, sender.NodeId);
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], sender.ProcessId);
        _server.Send(client, ServiceProtocol.Deliver, head, payload);
    }

    /// <inheritdoc/>
    public void Changed(
        long client, IReadOnlyList<GroupProcess> members, IReadOnlyList<(GroupProcess Process, GroupReason Reason)> left,
        IReadOnlyList<(GroupProcess Process, GroupReason Reason)> joined)
    {
        int size = 6 + (12 * (members.Count + left.Count + joined.Count));
        if (_changed.Length < size)
        {
            _changed = new byte[size * 2];
        }

        BinaryPrimitives.WriteUInt16LittleEndian(_changed, (ushort)members.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(_changed.AsSpan(2), (ushort)left.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(_changed.AsSpan(4), (ushort)joined.Count);
        int at = 6;
        foreach (var (process, reason) in members.Select(m => (m, GroupReason.None)).Concat(left).Concat(joined))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_changed.AsSpan(at), process.NodeId);
            BinaryPrimitives.WriteUInt32LittleEndian(_changed.AsSpan(at + 4), process.ProcessId);
            BinaryPrimitives.WriteUInt32LittleEndian(_changed.AsSpan(at + 8), (uint)reason);
            at += 12;
        }

        _server.Send(client, ServiceProtocol.Changed, _changed.AsSpan(0, size), default);
    }

    private void TellQuorum(long client, QuorumNotice notice)
    {
        byte[] body = new byte[13 + (4 * notice.Members.Count)];
        body[0] = (byte)(notice.Quorate ? 1 : 0);
        BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(1), notice.RingId.Seq);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(9), notice.RingId.Rep);
        for (int i = 0; i < notice.Members.Count; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(13 + (4 * i)), notice.Members[i]);
        }

        _server.Send(client, ServiceProtocol.Quorum, body, default);
    }

    private void RefreshMap()
    {
        var status = _engine.Status;
        _map.Refresh(_fileKeys().Concat(ConfigurationKeys.OfStatus(status, _engine.LocalNodeId, _joins))
            .Concat(_availability.Keys)
            .GroupBy(k => k.Key, StringComparer.Ordinal).Select(g => g.Last()));
        _statistics.Refresh(ConfigurationKeys.OfCounters(status, _cleared, _server.Clients));
    }

    private void Track()
    {
        if (_trackers.Count > 0)
        {
            RefreshMap();
        }

        _loop.Schedule(TrackMs, Track);
    }

    private void Send()
    {
        if (_sending)
        {
            return;
        }

        _sending = true;
        while (_outbox.TryPeek(out byte[]? next) && _engine.TrySend(next))
        {
            _outbox.Dequeue();
            _waiting -= next.Length;
        }

        _sending = false;
        if (_waiting < ResumeBelow)
        {
            _server.Pause(false);
        }

        Retry();
    }

    private void Retry()
    {
        if (_outbox.Count > 0 && !_retrying)
        {
            _retrying = true;
            _loop.Schedule(RetryMs, () =>
            {
                _retrying = false;
                Send();
            });
        }
    }
}
