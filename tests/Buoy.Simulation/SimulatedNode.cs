using Buoy.Membership;
using Buoy.Membership.Links;
using Buoy.Membership.Quorum;
using Buoy.Membership.Totem;
using Buoy.Membership.Transport;

namespace Buoy.Simulation;

/// <summary>
/// A real node on a simulated host: core, quorum, links and envelope are the program's own; disk, clock and network belong
/// to the simulation. The clock of a node has an offset and drifts; only it is shown to the node.
/// </summary>
internal sealed partial class SimulatedNode
{
    private const byte Application = 0;
    private const byte Sync = 1;
    private const byte OfServices = 2;
    private const byte ExpectedVotes = 3;
    private readonly Simulation _simulation;
    private readonly Queue<Effect> _effects = new();
    private readonly Queue<LinkEffect> _linkEffects = new();
    private readonly HashSet<(RingId, ulong)> _originated = [];
    private readonly byte[] _plain = new byte[65536];
    private readonly MessageHandler _onContents;
    private Outbox _outbox = new PlainOutbox(gated: false);
    private ViewSync? _sync;
    private DatagramSeal? _seal;
    private ulong _incarnation;
    private bool _quorate;
    private long? _deadline;

    /// <summary>The links'; with an MTU that is given only their own timers move it.</summary>
    private long _linksDeadline;

    public SimulatedNode(Simulation simulation, uint id)
    {
        (_simulation, Id) = (simulation, id);
        _onContents = OnContents;
    }

    public uint Id { get; }
    public TotemCore? Core { get; private set; }
    public VoteQuorum? Quorum { get; private set; }
    public LinkMonitor? Links { get; private set; }
    public SimulatedServices? Services { get; private set; }
    public List<LogEntry> Log { get; } = [];
    public List<(int Link, Packet Datagram)> Inbox { get; } = [];

    /// <summary>Messages put in directly, as if an authentic datagram had carried them.</summary>
    public List<(uint From, ulong Incarnation, TotemMessage Message)> Injected { get; } = [];
    public ulong Disk { get; set; }
    public bool FailNextWrite { get; set; }
    public long PausedUntil { get; set; }
    public ulong Incarnation => _incarnation;
    public RingId Ring => Core?.InstalledRingId ?? default;

    /// <summary>The clock runs fast by so many millionths.</summary>
    public long Drift { get; set; }

    /// <summary>The clock is ahead by so much, ms.</summary>
    public long Offset { get; set; }

    /// <summary>Datagrams dropped, by reason.</summary>
    public SortedDictionary<string, long> Drops { get; } = [];

    /// <summary>The newest view and the verdict now; none before the first.</summary>
    public (ClusterView View, bool Quorate)? Standing { get; private set; }

    /// <summary>When this node must run next; cached, because it is asked for at every step of time.</summary>
    public long NextDeadline => Core is null ? long.MaxValue : Math.Max(PausedUntil, _deadline ??= Global(Math.Min(
        Math.Min(Core.NextDeadline, Quorum?.Deadline ?? long.MaxValue), _linksDeadline)));

    /// <summary>What this node's clock shows.</summary>
    public long Local(long now) => now + (now * Drift / 1_000_000) + Offset;

    private long Global(long local)
    {
        if (local == long.MaxValue || (Drift == 0 && Offset == 0))
        {
            return local;
        }

        long now = (local - Offset) * 1_000_000 / (1_000_000 + Drift);
        while (Local(now) < local)
        {
            now++;
        }

        while (Local(now - 1) >= local)
        {
            now--;
        }

        return now;
    }

    public void Start(long now)
    {
        var s = _simulation;
        _incarnation = ((ulong)(now + 1) << 8) + Id;
        _outbox = s.PackedContents > 0
            ? new PackedOutbox(s.PackedContents) : new PlainOutbox(gated: s.Quorum is not null);
        Services = s.HasServices ? new SimulatedServices(s, this) : null;
        Inbox.Clear();
        Injected.Clear();
        PausedUntil = 0;
        FailNextWrite = false;
        _seal = new DatagramSeal(
            s.Crypto, s.KeyOf(Id), "simulated", Id, _incarnation, s.Parameters.Token);
        Core = new TotemCore(
            s.Parameters, Id, _incarnation, s.Mutation.ForgetsDisk ? 0 : Disk, _outbox.Queue, n => s.Random.Next(n),
            s.Allowed);
        if (s.LinkCount > 1)
        {
            Links = new LinkMonitor();
            var parameters = new LinkParameters(1, s.Parameters.Token / 4, s.Parameters.Token / 2, 2, 2048);
            Links.Configure(Local(now), s.LinkMode, Enumerable.Range(0, s.LinkCount).ToDictionary(l => l, l =>
                parameters with { Priority = l }), s.Nodes.Select(n => n.Id).Where(id => id != Id), 1_000_000, 1500);
            for (int link = 0; link < s.LinkCount; link++)
            {
                Links.OnLocal(Local(now), link, true, 1500);
            }
        }

        _linksDeadline = Links?.NextDeadline ?? long.MaxValue;

        if (s.Quorum is { } settings)
        {
            Quorum = new VoteQuorum(settings, Id, s.VotesOf(Id), Local(now) + s.Parameters.Token);
            _sync = new ViewSync(Id, Quorum);
            _quorate = false;
            Standing = null;
        }

        Log.Add(new Started(now));
        Core.Start(Local(now));
        Perform(now);
    }

    public void Crash(long now)
    {
        Core = null;
        Quorum = null;
        Links = null;
        Standing = null;
        Services?.OnCrash();
        Services = null;
        _seal?.Dispose();
        Log.Add(new Ended(now));
    }

    public void Leave(long now)
    {
        Core!.Leave(Local(now));
        Perform(now);
        Crash(now);
    }

    public void Send(long now, byte[] payload, bool safe)
    {
        _outbox.Add(Application, payload, safe);
        if (PausedUntil <= now)
        {
            Core!.OnMessageQueued(Local(now));
            Perform(now);
        }
    }

    /// <summary>A message of the services, to be sent in this step or by <see cref="Flush"/>.</summary>
    public void SendOfServices(byte[] message)
    {
        if (_simulation.Mutation.LosesWaiting && Core!.State is not TotemState.Operational)
        {
            return;
        }

        _outbox.Add(OfServices, message, safe: false);
        Core!.OnMessageQueued(Local(_simulation.Now));
    }

    /// <summary>Somebody sets expected votes on this node for all (corosync-quorumtool -e).</summary>
    public void SetExpected(int votes)
    {
        if (Quorum!.RefusesExpected(votes) is null)
        {
            _outbox.Add(ExpectedVotes, BitConverter.GetBytes(votes), safe: false);
            Core!.OnMessageQueued(Local(_simulation.Now));
            Perform(_simulation.Now);
        }
    }

    /// <summary>Lets what was asked for from outside take effect.</summary>
    public void Flush(long now) => Perform(now);

    public void Reconfigure(long now, TotemParameters parameters)
    {
        if (Core is not null && PausedUntil <= now)
        {
            Core.Reconfigure(Local(now), parameters, _simulation.Allowed);
            Perform(now);
        }
    }

    /// <summary>A wake-up of the host: all that waits in the socket, then the deadlines.</summary>
    public void Turn(long now)
    {
        if (Core is null || PausedUntil > now)
        {
            return;
        }

        long local = Local(now);
        Core.BeginTurn(local);
        for (int i = 0; i < Inbox.Count && Core is not null; i++)
        {
            Open(now, local, Inbox[i].Link, Inbox[i].Datagram);
        }

        for (int i = 0; i < Injected.Count && Core is not null; i++)
        {
            var (from, incarnation, message) = Injected[i];
            Core.OnMessage(local, from, incarnation, message);
            Perform(now);
        }

        Inbox.Clear();
        Injected.Clear();
        Core!.EndDrain();
        if (Core.NextDeadline <= local)
        {
            Core.OnTimers(local);
        }

        if (Quorum is not null && Quorum.Deadline <= local)
        {
            Quorum.OnTimer(local);
            Judge(now);
        }

        if (Links is not null && _linksDeadline <= local)
        {
            Links.OnTimers(local);
            _linksDeadline = Links.NextDeadline;
        }

        Perform(now);
    }

    private void Open(long now, long local, int link, Packet datagram)
    {
        if (_seal!.Open(local, datagram.Bytes, _plain, out uint sender, out ulong incarnation, out int length) is { } drop)
        {
            Drops[drop] = Drops.GetValueOrDefault(drop) + 1;
            if (drop == "drop.authentication" && _simulation.Mutation.BelievesForgeries)
            {
                _simulation.OnAccepted(datagram);
            }

            if (drop == DatagramSeal.Superseded && MessageCodec.Decode(_plain.AsSpan(0, length)) is ProbeMessage probe
                && Core!.ProvesLife(local, probe))
            {
                _seal.OnProvenAlive(local, sender);
            }

            return;
        }

        _simulation.OnAccepted(datagram);
        if (LinkMessage.IsOne(_plain.AsSpan(0, length)))
        {
            if (Links is not null && LinkMessage.Decode(_plain.AsSpan(0, length)) is { } message && message.Link == link)
            {
                if (message.IsPong)
                {
                    Links.OnPong(local, sender, link, message.Number);
                    Perform(now);
                }
                else
                {
                    SendOnLink(link, sender, message with { IsPong = true });
                }
            }

            return;
        }

        Core!.OnMessage(local, sender, incarnation, datagram.Open(_plain.AsSpan(0, length)));
        Perform(now);
    }

    private void Perform(long now)
    {
        if (Core is null)
        {
            return;
        }

        _deadline = null;
        Core.TakeEffects(_effects);
        while (_effects.TryDequeue(out var effect))
        {
            switch (effect)
            {
                case SendTo e when e.NodeId == Id:
                    Core.OnOwnMessage(Local(now), e.Message);
                    break;
                case SendTo e:
                    Send(e.NodeId, e.Message, e.Again || e.Message is CommitTokenMessage);
                    break;
                case Broadcast e:
                    if (e.Message is RegularMessage { Encapsulated: null } m && m.SenderId == Id
                        && _originated.Add((m.RingId, m.Seq)))
                    {
                        Log.Add(new Originated(now, m));
                    }

                    Send(null, e.Message, e.Message is JoinMessage or ProbeMessage);
                    break;
                case Deliver e:
                    Log.Add(new Delivered(now, e.Message));
                    OnDelivered(e.Message);
                    break;
                case ConfigurationChange e:
                    Log.Add(new Configured(now, e, Disk));
                    OnConfigured(now, e);
                    break;
                case Note e:
                    Log.Add(new Noted(now, e.Text));
                    break;
                case PersistRingSeq when FailNextWrite && Core.State is TotemState.Commit:
                    FailNextWrite = false;
                    _effects.Clear();
                    Core.OnPersistFailed(Local(now));
                    break;
                case PersistRingSeq e:
                    Disk = Math.Max(Disk, e.Seq);
                    break;
            }

            Core.TakeEffects(_effects);
        }

        Links?.TakeEffects(_linkEffects);
        while (_linkEffects.TryDequeue(out var effect))
        {
            if (effect is SendPing ping)
            {
                SendOnLink(ping.Link, ping.NodeId, new LinkMessage(false, ping.Link, ping.Number));
            }
        }
    }

    // ── Views ────────────────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>Id of the configuration, regular or transitional, that messages are delivered in now.</summary>
    public RingId Configuration { get; private set; }

    private void OnConfigured(long now, ConfigurationChange change)
    {
        Configuration = change.Transitional ? change.ConfId : change.RingId;
        if (_sync?.OnConfiguration(change, $"n{Id}", "", 0, Core!.HasSaidGoodbye) is { } record)
        {
            _outbox.OnConfiguration();
            _outbox.AddUrgent(Sync, record.Encode());
            Core!.OnMessageQueued(Local(now));
        }
    }

    private void OnDelivered(RegularMessage message)
    {
        if (_sync is not null)
        {
            _outbox.OnContents(message.SenderId, message.Contents, _onContents);
        }
    }

    private void OnContents(uint sender, byte kind, ReadOnlySpan<byte> contents)
    {
        if (kind != Sync && !_sync!.IsSynced)
        {
            // The program drops it, which would be the loss of a message: nobody may send before the view.
            throw new InvalidOperationException($"a message of node {sender} reached node {Id} before its view");
        }

        if (kind == OfServices)
        {
            Services?.OnMessage(sender, contents);
        }
        else if (kind == ExpectedVotes)
        {
            Quorum!.SetExpected(BitConverter.ToInt32(contents));
            Judge(_simulation.Now);
        }
        else if (kind == Sync)
        {
            OnRecord(_simulation.Now, sender, contents);
        }
    }

    private void OnRecord(long now, uint sender, ReadOnlySpan<byte> record)
    {
        if (!_sync!.OnRecord(sender, record) || _sync.IsSynced
            || !(_sync.IsComplete || (_simulation.Mutation.ViewsEarly && _sync.Records.Count > 1)))
        {
            return;
        }

        var view = _sync.Install(Local(now));
        Standing = (view, Quorum!.Quorate || _simulation.Mutation.AlwaysQuorate);
        _quorate = Standing.Value.Quorate;
        Log.Add(new Viewed(now, view with { Quorate = _quorate }));
        _simulation.OnStanding();
        if (_simulation.Mutation.OpensForOldViews || _sync.LetsOut(Core!.InstalledRingId))
        {
            _outbox.Open();
            Core!.OnMessageQueued(Local(now));
        }

        Services?.OnView(view with { Quorate = _quorate });
    }

    private void Judge(long now)
    {
        if (Standing is { } standing && Quorum!.Quorate != _quorate)
        {
            _quorate = Quorum.Quorate;
            Standing = (standing.View, _quorate);
            Log.Add(new QuorumChanged(now, _quorate));
            Services?.OnQuorum(_quorate);
            _simulation.OnStanding();
        }
    }
}
