using Buoy.Membership;
using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>One line of a node's history.</summary>
internal abstract record LogEntry(long At);

/// <summary>The process began (again).</summary>
internal sealed record Started(long At) : LogEntry(At);

/// <summary>The process ended without a word, or left.</summary>
internal sealed record Ended(long At) : LogEntry(At);

/// <summary>A configuration change was delivered; for a regular one, what the disk held then.</summary>
internal sealed record Configured(long At, ConfigurationChange Change, ulong Stored) : LogEntry(At);

/// <summary>A message was delivered.</summary>
internal sealed record Delivered(long At, RegularMessage Message) : LogEntry(At);

/// <summary>A message was broadcast for the first time.</summary>
internal sealed record Originated(long At, RegularMessage Message) : LogEntry(At);

/// <summary>A real core on a simulated host: disk, clock and network belong to the simulation.</summary>
internal sealed class SimulatedNode(Simulation simulation, uint id)
{
    private readonly Queue<Effect> _effects = new();
    private readonly HashSet<(RingId, ulong)> _originated = [];
    private SimpleOutgoingQueue _outgoing = new();
    private ulong _incarnation;

    public uint Id { get; } = id;
    public TotemCore? Core { get; private set; }
    public List<LogEntry> Log { get; } = [];
    public List<(uint From, ulong Incarnation, TotemMessage Message)> Inbox { get; } = [];
    public ulong Disk { get; set; }
    public bool FailNextWrite { get; set; }
    public long PausedUntil { get; set; }
    public ulong Incarnation => _incarnation;
    public RingId Ring => Core?.InstalledRingId ?? default;

    public long NextDeadline => Core is null ? long.MaxValue : Math.Max(Core.NextDeadline, PausedUntil);

    public void Start(long now)
    {
        _incarnation = ((ulong)(now + 1) << 8) + Id;
        _outgoing = new SimpleOutgoingQueue();
        Inbox.Clear();
        PausedUntil = 0;
        FailNextWrite = false;
        Core = new TotemCore(
            simulation.Parameters, Id, _incarnation, simulation.Mutation.ForgetsDisk ? 0 : Disk, _outgoing,
            n => simulation.Random.Next(n), simulation.Allowed);
        Log.Add(new Started(now));
        Core.Start(now);
        Perform(now);
    }

    public void Crash(long now)
    {
        Core = null;
        Log.Add(new Ended(now));
    }

    public void Leave(long now)
    {
        Core!.Leave(now);
        Perform(now);
        Crash(now);
    }

    public void Send(long now, byte[] payload, bool safe)
    {
        _outgoing.Add(payload, safe);
        if (PausedUntil <= now)
        {
            Core!.OnMessageQueued(now);
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

        Core.BeginTurn(now);
        for (int i = 0; i < Inbox.Count && Core is not null; i++)
        {
            var (from, incarnation, message) = Inbox[i];
            Core.OnMessage(now, from, incarnation, message);
            Perform(now);
        }

        Inbox.Clear();
        Core!.EndDrain();
        if (Core.NextDeadline <= now)
        {
            Core.OnTimers(now);
        }

        Perform(now);
    }

    private void Perform(long now)
    {
        Core!.TakeEffects(_effects);
        while (_effects.TryDequeue(out var effect))
        {
            switch (effect)
            {
                case SendTo e when e.NodeId == Id:
                    Core.OnOwnMessage(now, e.Message);
                    break;
                case SendTo e:
                    simulation.Transmit(this, e.NodeId, e.Message);
                    break;
                case Broadcast e:
                    if (e.Message is RegularMessage { Encapsulated: null } m && m.SenderId == Id
                        && _originated.Add((m.RingId, m.Seq)))
                    {
                        Log.Add(new Originated(now, m));
                    }

                    simulation.TransmitToAll(this, e.Message);
                    break;
                case Deliver e:
                    Log.Add(new Delivered(now, e.Message));
                    break;
                case ConfigurationChange e:
                    Log.Add(new Configured(now, e, Disk));
                    break;
                case PersistRingSeq when FailNextWrite && Core.State is TotemState.Commit:
                    FailNextWrite = false;
                    _effects.Clear();
                    Core.OnPersistFailed(now);
                    break;
                case PersistRingSeq e:
                    Disk = Math.Max(Disk, e.Seq);
                    break;
            }

            Core.TakeEffects(_effects);
        }
    }
}
