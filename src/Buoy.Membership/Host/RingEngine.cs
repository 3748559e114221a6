using System.Security.Cryptography;
using Buoy.Linux;
using Buoy.Membership.Configuration;
using Buoy.Membership.Links;
using Buoy.Membership.Quorum;
using Buoy.Membership.Totem;
using Buoy.Membership.Transport;

namespace Buoy.Membership.Host;

/// <summary>
/// Our ring as a cluster engine: the pure core, its quorum, and their host. One turn: measure own lateness, feed every
/// waiting datagram, then the deadlines; after each step its effects, in order. A view is given when every member of
/// the new
/// ring has said who it is (<see cref="SyncRecord"/>) on that ring.
/// </summary>
public sealed partial class RingEngine : IClusterEngine
{
    private const byte KindApplication = 0;
    private const byte KindSync = 1;
    private const byte KindExpectedVotes = 2;
    private const byte KindReload = 3;
    private const byte KindKeyReady = 4;
    private const byte KindQuorumRecord = 5;

    /// <summary>Copies of the last word: a lost Leave costs the others a token time-out.</summary>
    private const int LeaveCopies = 3;

    private readonly EventLoop _loop;
    private readonly RingOptions _options;
    private readonly RingTransport _transport;
    private readonly SendBatch _batch;
    private readonly Queue<Effect> _effects = new();
    private readonly SortedDictionary<string, long> _counters = new(StringComparer.Ordinal);
    private readonly byte[] _plain = new byte[65536];
    private readonly byte[] _sealed = new byte[65536 + 256];
    private readonly byte[] _encoded = new byte[65536];
    private readonly MessageAssembler _assembler = new();
    private readonly MessageHandler _onAssembled;
    private readonly LinkHandler _feed;
    private readonly ulong _incarnation;
    private CorosyncConfig _config;
    private NodeSettings? _self;
    private MessagePacker? _packer;
    private TotemCore? _core;
    private bool _silent;
    private VoteQuorum? _quorum;
    private DatagramSeal? _seal;
    private RingSeqFile? _seqFile;
    private IClusterEngineSink? _sink;
    private EventLoop.LoopTimer? _timer;
    private long _timerDue = long.MaxValue;
    private EventLoop.LoopTimer? _quorumTimer;
    private bool _performing;
    private bool _inTurn;
    private bool _disposed;

    // The synchronisation of the newest ring, and the last view given.
    private ViewSync? _sync;

    private RingEngine(EventLoop loop, RingOptions options)
    {
        _loop = loop;
        _options = options;
        _config = options.Config ?? CorosyncConfig.Load(options.ConfigPath);
        foreach (string warning in _config.Warnings)
        {
            options.Log(true, warning);
        }

        LocalNodeName = options.LocalName ?? Environment.MachineName;
        _firstKey = ReadKey(_config);
        Span<byte> random = stackalloc byte[4];
        RandomNumberGenerator.Fill(random);
        _incarnation = ((ulong)DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() << 20)
            | (BitConverter.ToUInt32(random) & 0xFFFFF);
        _transport = new RingTransport(loop, _config, options.Log) { Readable = () => Turn(timers: false) };
        _batch = new SendBatch(_transport);
        _onAssembled = OnAssembled;
        _feed = OnDatagram;
        Identify();
    }

    /// <summary>
    /// Reads configuration and key. Nothing is sent before <see cref="Start"/>. Throws <see
    /// cref="CorosyncConfigException"/>
    /// for the configuration, IOException for a file that cannot be read or a key that is too short.
    /// </summary>
    public static RingEngine Create(EventLoop loop, RingOptions options) => new(loop, options);

    /// <summary>The configuration in use.</summary>
    public CorosyncConfig Config => _config;

    /// <summary>Id of this node; 0 while no interface tells it (then no view was given yet).</summary>
    public uint LocalNodeId { get; private set; }

    /// <inheritdoc/>
    public string LocalNodeName { get; private set; }

    /// <inheritdoc/>
    public string ClusterName => _config.ClusterName;

    /// <inheritdoc/>
    public IReadOnlyList<(uint NodeId, string Name)> ConfiguredNodes => [.. _config.Nodes.Select(n => (n.NodeId,
        n.Name))];

    /// <inheritdoc/>
    public int TokenMs => _config.Totem.Token;

    /// <inheritdoc/>
    public void Start(IClusterEngineSink sink)
    {
        _sink = sink;
        Begin();
        DownCheck();
    }

    /// <inheritdoc/>
    public bool TrySend(ReadOnlySpan<byte> message)
    {
        if (_packer is null || _disposed)
        {
            return false;
        }

        bool taken = _packer.TryAdd(KindApplication, message);
        if (taken && _sync!.IsSynced)
        {
            _core!.OnMessageQueued(EventLoop.Now);
            Perform();
        }

        return taken;
    }

    /// <inheritdoc/>
    public void Leave()
    {
        if (_core is null || _disposed)
        {
            return;
        }

        _core.Leave(EventLoop.Now);
        _core.TakeEffects(_effects);
        foreach (var effect in _effects.OfType<Broadcast>().ToList())
        {
            for (int i = 0; i < LeaveCopies; i++)
            {
                Send(null, effect.Message, again: false);
            }
        }

        _effects.Clear();
        Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _timer?.Cancel();
            _transport.Dispose();
            _seal?.Dispose();
            _linkTimer?.Cancel();
            CryptographicOperations.ZeroMemory(_firstKey);
        }
    }

    /// <inheritdoc/>
    public string? SetExpectedVotes(int votes)
    {
        if (_quorum is null || _packer is null)
        {
            return "this node is not up yet";
        }

        if (votes < 1 || _quorum.RefusesExpected(votes) is not null)
        {
            return votes < 1 ? "expected votes must be 1 or more" : _quorum.RefusesExpected(votes);
        }

        if (!_packer.TryAdd(KindExpectedVotes, BitConverter.GetBytes(votes)))
        {
            return "too many messages wait; try again";
        }

        _core!.OnMessageQueued(EventLoop.Now);
        Perform();
        return null;
    }

    /// <inheritdoc/>
    public EngineStatus Status => RingStatus.Of(
        _config, _core, _quorum, _transport, _sync?.Records ?? [], LocalNodeId, LocalNodeName, _counters,
            _packer?.Waiting ?? 0, IpHeaders() + (_seal?.Overhead ?? 0));

    // ── Beginning ────────────────────────────────────────────────────────────────────────────────────────────────

    private void Identify()
    {
        (LocalNodeId, _self) = _transport.Identify(LocalNodeName);
        LocalNodeName = _self?.Name ?? LocalNodeName;
    }

    private void Begin()
    {
        if (_core is not null)
        {
            return;
        }

        if (LocalNodeId == 0)
        {
            Identify();
        }

        if (LocalNodeId == 0)
        {
            return;
        }

        string folder = _options.StateFolder ?? Environment.GetEnvironmentVariable("BUOY_STATE") ?? "/var/lib/corosync";
        _seqFile = new RingSeqFile(folder, LocalNodeId);
        _seal = new DatagramSeal(
            _config.Crypto, _firstKey, _config.ClusterName, LocalNodeId, _incarnation, _config.Totem.Token);
        CryptographicOperations.ZeroMemory(_firstKey);
        _transport.Use(_config, _self);
        _packer = new MessagePacker(MaxContents());
        bool alone = _config.Nodes.Count <= 1 && !_config.Quorum.TwoNode;
        _quorum = new VoteQuorum(
            _config.Quorum, LocalNodeId, _self?.Votes ?? _config.Quorum.DefaultVotes,
            alone ? 0 : EventLoop.Now + _config.Totem.Token, LoadExpected(folder));
        _sync = new ViewSync(LocalNodeId, _quorum);
        _core = new TotemCore(
            _config.Totem, LocalNodeId, _incarnation, _seqFile.Load(), _packer, RandomNumberGenerator.GetInt32,
                Allowed(_config));
        _transport.Check(_self);
        _core.Start(EventLoop.Now);
        Perform();
        OnLinkTimer();
    }

    private static NodeSet? Allowed(CorosyncConfig config) =>
        config.Nodes.Count > 0 && config.Nodes.All(n => n.NodeId != 0)
            ? NodeSet.Of(config.Nodes.Select(n => n.NodeId)) : null;

    /// <summary>Every downcheck ms while something is missing: the interface, a name, the id.</summary>
    private void DownCheck()
    {
        if (_disposed)
        {
            return;
        }

        if (_core is null)
        {
            _transport.Check(_self);
            Begin();
        }
        else if (!_transport.Settled)
        {
            _transport.Check(_self);
            OnLinkTimer();
        }

        _loop.Schedule(_config.DownCheck, DownCheck);
    }

    // ── Turns ────────────────────────────────────────────────────────────────────────────────────────────────────

    private void Turn(bool timers)
    {
        if (_disposed || _core is null || _inTurn)
        {
            return;
        }

        _inTurn = true;
        try
        {
            _core.BeginTurn(EventLoop.Now);
            _transport.Drain(_feed);
            if (_disposed)
            {
                return;
            }

            _core.EndDrain();
            if (timers || _core.NextDeadline <= EventLoop.Now)
            {
                _core.OnTimers(EventLoop.Now);
            }

            Perform();
        }
        finally
        {
            _inTurn = false;
        }
    }

    private void OnDatagram(int link, ReadOnlyMemory<byte> datagram, UdpEndpoint from)
    {
        if (_disposed || _options.Loses?.Invoke(link, from) == true)
        {
            return;
        }

        if (!_transport.IsListed(link, from))
        {
            Count("drop.unlisted-ip");
            WarnOnce("drop.unlisted-ip", from);
            return;
        }

        long now = EventLoop.Now;
        if (_seal!.Open(now, datagram.Span, _plain, out uint sender, out ulong incarnation, out int length) is { } drop)
        {
            // What came over several links is dropped but once; the counter tells both apart only where there is one link.
            Count(drop == "drop.replay" && _transport.Links.Count > 1 ? "drop.repeat" : drop);
            WarnOnce(drop, from);
            if (drop == DatagramSeal.Superseded && MessageCodec.Decode(_plain.AsSpan(0, length)) is ProbeMessage probe
                && _core!.ProvesLife(now, probe))
            {
                _seal.OnProvenAlive(now, sender);
            }

            return;
        }

        _transport.Learn(link, sender, from);
        if (LinkMessage.IsOne(_plain.AsSpan(0, length)))
        {
            OnLinkMessage(now, link, sender, _plain.AsSpan(0, length));
            return;
        }

        if (MessageCodec.Decode(_plain.AsSpan(0, length)) is not { } message)
        {
            Count("drop.malformed");
            return;
        }

        _core!.OnMessage(now, sender, incarnation, message);
        Perform();
    }

    private void Rearm()
    {
        long due = _core!.NextDeadline;
        if (due >= _timerDue || due == long.MaxValue)
        {
            return;
        }

        _timer?.Cancel();
        _timerDue = due;
        _timer = _loop.Schedule(due - EventLoop.Now, () =>
        {
            _timerDue = long.MaxValue;
            Turn(timers: true);
            if (!_disposed)
            {
                Rearm();
            }
        });
    }

    // ── Effects ──────────────────────────────────────────────────────────────────────────────────────────────────

    private void Perform()
    {
        if (_performing)
        {
            return;
        }

        _performing = true;
        try
        {
            _core!.TakeEffects(_effects);
            while (!_disposed && _effects.TryDequeue(out var effect))
            {
                Perform(effect);
                _core.TakeEffects(_effects);
            }

            if (!_disposed)
            {
                _batch.Flush(LocalNodeId);
            }
        }
        finally
        {
            _performing = false;
        }

        if (_disposed)
        {
            return;
        }

        if (_core.IsTokenOverdue != _silent)
        {
            _silent = !_silent;
            _sink!.OnSilence(_silent);
        }

        Rearm();
    }

    private void Perform(Effect effect)
    {
        switch (effect)
        {
            case SendTo e when e.NodeId == LocalNodeId:
                _core!.OnOwnMessage(EventLoop.Now, e.Message);
                break;
            case SendTo e:
                _batch.Flush(LocalNodeId);
                Send(e.NodeId, e.Message, e.Again);
                break;
            case Broadcast { Message: RegularMessage regular }:
                AddToBatch(regular);
                break;
            case Broadcast e:
                _batch.Flush(LocalNodeId);
                Send(null, e.Message, again: false);
                break;
            case PersistRingSeq e:
                Persist(e.Seq);
                break;
            case Deliver e:
                if (!_assembler.OnContents(e.Message.SenderId, e.Message.Contents, _onAssembled))
                {
                    Count("drop.pieces");
                }

                break;
            case ConfigurationChange e:
                OnConfigurationChange(e);
                break;
            case Note e:
                _options.Log(e.Warning, e.Text);
                break;
        }
    }

    private void AddToBatch(RegularMessage message)
    {
        int length = MessageCodec.Encode(message, _encoded);
        var room = _batch.Room(LocalNodeId, length + _seal!.Overhead);
        _batch.Add(LocalNodeId, _seal.Seal(_encoded.AsSpan(0, length), room));
    }

    private void Send(uint? node, TotemMessage message, bool again)
    {
        int length = MessageCodec.Encode(message, _encoded);
        length = _seal!.Seal(_encoded.AsSpan(0, length), _sealed);
        bool everywhere = again || message is JoinMessage or ProbeMessage or CommitTokenMessage;
        if (node is { } to)
        {
            _transport.SendTo(to, _sealed.AsSpan(0, length), length, everywhere);
        }
        else
        {
            _transport.Broadcast(LocalNodeId, _sealed.AsSpan(0, length), length, everywhere);
        }
    }

    private void Persist(ulong seq)
    {
        try
        {
            _seqFile!.Store(seq);
        }
        catch (Exception e) when ((e is IOException or UnauthorizedAccessException)
            && _core!.State is TotemState.Commit)
        {
            _options.Log(true, $"{_seqFile!.Path}: {e.Message} No ring can be formed before the ring seq is stored.");
            _effects.Clear();
            _core.OnPersistFailed(EventLoop.Now);
        }
    }

    // ── Views ────────────────────────────────────────────────────────────────────────────────────────────────────

    private void OnConfigurationChange(ConfigurationChange change)
    {
        var record = _sync!.OnConfiguration(
            change, LocalNodeName, _transport.Local, _config.ConfigVersion, _core!.HasSaidGoodbye);
        if (record is not null)
        {
            _assembler.Clear();
            _packer!.AddUrgent(KindSync, record.Encode());
            _core.OnMessageQueued(EventLoop.Now);
        }
    }

    private void OnAssembled(uint sender, byte kind, ReadOnlySpan<byte> message)
    {
        switch (kind)
        {
            case KindApplication when _sync!.IsSynced:
                _sink!.OnMessage(sender, message);
                break;
            case KindSync:
                OnSyncRecord(sender, message);
                break;
            case KindExpectedVotes when _sync!.IsSynced && message.Length == 4:
                int votes = BitConverter.ToInt32(message);
                ChangeQuorum(q => q.SetExpected(votes));
                break;
            case KindReload when _sync!.IsSynced:
                ReloadHere(sender);
                break;
            case KindQuorumRecord when _sync!.IsSynced:
                if (SyncRecord.DecodeQuorum(message) is { } record && record.NodeId == sender)
                {
                    ChangeQuorum(q => q.OnRecord(record));
                }

                break;
            case KindKeyReady when message.Length == 8:
                OnKeyReady(sender, BitConverter.ToUInt64(message));
                break;
            default:
                Count("drop.kind");
                break;
        }
    }

    private void OnSyncRecord(uint sender, ReadOnlySpan<byte> message)
    {
        if (!_sync!.OnRecord(sender, message))
        {
            Count("drop.sync-record");
            return;
        }

        if (_sync.IsSynced || !_sync.IsComplete || IsOutdated())
        {
            return;
        }

        var view = _sync.Install(EventLoop.Now);
        TrackExpected();
        ArmQuorumTimer();
        if (_sync.LetsOut(_core!.InstalledRingId))
        {
            _packer!.Open();
            _core.OnMessageQueued(EventLoop.Now);
        }

        _options.Log(false,
            $"ring {view.RingId}: {string.Join(' ', view.Members.Select(m => m.Name))}; left {Ids(view.Left)}, came "
            + $"{Ids(view.Came)}; votes {_quorum!.TotalVotes} of {_quorum.ExpectedVotes}, {(view.Quorate ? "" : "not ")}quorate; "
            + $"{EventLoop.Now - view.FirstSign} ms after the first sign");
        AnnounceKey();
        _sink!.OnView(view);
    }

    private static string Ids(IReadOnlyList<uint> ids) => ids.Count == 0 ? "nobody" : string.Join(',', ids);

    private void ArmQuorumTimer()
    {
        _quorumTimer?.Cancel();
        _quorumTimer = _quorum!.Deadline == long.MaxValue ? null : _loop.Schedule(
            _quorum.Deadline - EventLoop.Now, () =>
            {
                if (!_disposed)
                {
                    ChangeQuorum(static q => q.OnTimer(EventLoop.Now));
                    ArmQuorumTimer();
                }
            });
    }

    private void ChangeQuorum(Action<VoteQuorum> change)
    {
        bool was = _quorum!.Quorate;
        change(_quorum);
        TrackExpected();
        if (_quorum.Quorate != was)
        {
            _sink?.OnQuorum(_quorum.Quorate);
        }
    }

    /// <summary>The first datagram dropped for a reason that an operator should know of leaves a line.</summary>
    private void WarnOnce(string drop, UdpEndpoint from)
    {
        if (_counters.GetValueOrDefault(drop) == 1 && drop is not ("drop.own" or "drop.replay" or DatagramSeal.Superseded))
        {
            _options.Log(true, $"{from}: {drop[5..]}: such datagrams are dropped and counted as {drop}");
        }
    }

    private void Count(string name) => _counters[name] = _counters.GetValueOrDefault(name) + 1;
}
