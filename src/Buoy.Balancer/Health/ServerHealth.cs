namespace Buoy.Balancer.Health;

/// <summary>srv_op_state of <c>show servers state</c>.</summary>
public enum OperationalState
{
    /// <summary>Down.</summary>
    Stopped = 0,

    /// <summary>Up, its weight still growing (slowstart).</summary>
    Starting = 1,

    /// <summary>Up.</summary>
    Running = 2,

    /// <summary>Up, takes no new sessions but those of persistence.</summary>
    Stopping = 3,
}

/// <summary>srv_admin_state of <c>show servers state</c>: why an operator, the configuration or DNS took the server
/// out.</summary>
[Flags]
public enum AdminFlags
{
    None = 0,

    /// <summary>Put into maintenance on the runtime API.</summary>
    ForcedMaintenance = 0x01,

    /// <summary>The tracked server is in maintenance.</summary>
    InheritedMaintenance = 0x02,

    /// <summary>Maintenance by the keyword <c>disabled</c>.</summary>
    ConfiguredMaintenance = 0x04,

    /// <summary>Put into drain on the runtime API.</summary>
    ForcedDrain = 0x08,

    /// <summary>The tracked server drains.</summary>
    InheritedDrain = 0x10,

    /// <summary>Its name has no address.</summary>
    ResolutionMaintenance = 0x20,

    /// <summary>Its name was set on the runtime API.</summary>
    NameSet = 0x40,

    /// <summary>Every kind of maintenance; that of the configuration is a forced one, and only remembered.</summary>
    AnyMaintenance = ForcedMaintenance | InheritedMaintenance | ResolutionMaintenance,
}

/// <summary>What a step changed, for the host to publish and to log.</summary>
public enum HealthEffect
{
    None,

    /// <summary>Stopped → Starting or Running.</summary>
    WentUp,

    /// <summary>Starting, Running or Stopping → Stopped.</summary>
    WentDown,

    /// <summary>→ Stopping.</summary>
    WentStopping,

    /// <summary>Starting → Running: slowstart is over.</summary>
    WarmedUp,
}

/// <summary>
/// The health of one server: rise, fall and the operational state (configuration manual 5.2). Pure.
/// <code>
///            health = 0          0 &lt; health &lt; rise        rise … rise+fall-1
///            Stopped       →     Stopped, going up    →    Running (Starting while slowstart lasts)
///            Stopped       ←           failed: 0      ←    failed at rise
/// </code>
/// A server starts Running with health = rise: the first failed check takes it down, the first passed one makes it
/// full.
/// </summary>
public sealed partial class ServerHealth(int rise, int fall, int slowStart, bool hasCheck = true, bool hasAgent = false)
{
    /// <summary>Consecutive good checks that bring a server up.</summary>
    public int Rise { get; } = Math.Max(1, rise);

    /// <summary>Consecutive bad checks that take a server down.</summary>
    public int Fall { get; } = Math.Max(1, fall);

    /// <summary>Time in ms over which the weight grows after a start; 0 = at once.</summary>
    public int SlowStart { get; } = slowStart;

    /// <summary>The counter, 0 … <see cref="Full"/>.</summary>
    public int Health { get; private set; } = Math.Max(1, rise);

    /// <summary>Health of a server that nothing is wrong with.</summary>
    public int Full => Rise + Fall - 1;

    /// <summary>The state.</summary>
    public OperationalState State { get; private set; } = OperationalState.Running;

    /// <summary>Maintenance and drain.</summary>
    public AdminFlags Admin { get; private set; }

    /// <summary>Time in ms of the last change of state.</summary>
    public long LastChange { get; private set; }

    /// <summary>Failed checks, counted only while up.</summary>
    public long FailedChecks { get; private set; }

    /// <summary>Changes from up to down.</summary>
    public long Downs { get; private set; }

    /// <summary>Sum in ms of the times spent down before the last change.</summary>
    private long _downBefore;

    /// <summary>The agent's counter: 1 = it says up, or has said nothing; 0 = down.</summary>
    public int AgentHealth { get; private set; } = 1;

    /// <summary>An agent is asked: what it says counts beside the checks.</summary>
    public bool HasAgent { get; set; } = hasAgent;

    /// <summary>Checks are made.</summary>
    public bool HasCheck { get; set; } = hasCheck;

    /// <summary>In maintenance of any kind.</summary>
    public bool InMaintenance => (Admin & AdminFlags.AnyMaintenance) != 0;

    /// <summary>Told to drain.</summary>
    public bool Draining => (Admin & (AdminFlags.ForcedDrain | AdminFlags.InheritedDrain)) != 0;

    /// <summary>Connections may go there.</summary>
    public bool Usable => State != OperationalState.Stopped && !InMaintenance;

    /// <summary>Sum in ms of the times spent down, the current one included.</summary>
    public long DownTime(long now) => _downBefore + (State == OperationalState.Stopped ? now - LastChange : 0);

    /// <summary>How much of the weight holds, in sixteenths: 16 but in slowstart, which grows in steps of a
    /// second.</summary>
    public int Throttle(long now)
    {
        if (State != OperationalState.Starting || SlowStart <= 0)
        {
            return 16;
        }

        long slow = Math.Max(1, SlowStart / 1000), seconds = Math.Max(0, (now - LastChange) / 1000);
        return (int)Math.Clamp(((16 * seconds) + slow) / slow, 1, 16);
    }

    /// <summary>Time in ms until the next check is due after this one.</summary>
    public int NextInterval(int inter, int? fastInter, int? downInter) =>
        State == OperationalState.Stopped && Health == 0 ? downInter ?? inter
        : Health == Full ? inter
        : Health < Full && (State != OperationalState.Stopped || Health > 0) ? fastInter ?? inter
        : inter;

    /// <summary>Sets the time from which the first state counts.</summary>
    public void Begin(long now, AdminFlags admin)
    {
        LastChange = now;
        Admin = admin;
        if (InMaintenance)
        {
            State = OperationalState.Stopped;
            Health = 0;

            // A name without an address counts as a way down, the keyword "disabled" does not.
            Downs = (admin & AdminFlags.ResolutionMaintenance) != 0 ? 1 : 0;
        }
    }

    /// <summary>A check came to an end.</summary>
    public HealthEffect OnCheck(CheckResult result, long now)
    {
        if (InMaintenance || result is CheckResult.Unknown or CheckResult.Neutral)
        {
            return HealthEffect.None;
        }

        if (result == CheckResult.Failed)
        {
            if (State == OperationalState.Stopped)
            {
                Health = 0;
                return HealthEffect.None;
            }

            FailedChecks++;
            if (Health > Rise)
            {
                Health--;
                return HealthEffect.None;
            }

            Health = 0;
            return Enter(OperationalState.Stopped, now);
        }

        if (Health < Full)
        {
            Health++;
            if (Health < Rise)
            {
                return HealthEffect.None;
            }

            Health = Full;
        }

        if (result == CheckResult.ConditionallyPassed)
        {
            return !AgentAgrees || State is OperationalState.Stopping ? HealthEffect.None : Enter(OperationalState.Stopping, now);
        }

        return State is OperationalState.Stopped or OperationalState.Stopping && AgentAgrees ? EnterUp(now) : HealthEffect.None;
    }

    /// <summary>The next failed check is the last but one (<c>on-error sudden-death</c>), or the last (<c>mark-down</c>).</summary>
    public void Weaken(bool last) => Health = Math.Min(Health, last ? Rise : Rise + 1);

    /// <summary>The agent answered. Only "up" and "down" (passed, failed with <paramref name="down"/>) count: that it
    /// cannot be reached says nothing of the server.</summary>
    public HealthEffect OnAgent(bool up, bool down, long now)
    {
        if (!up && !down)
        {
            return HealthEffect.None;
        }

        AgentHealth = up ? 1 : 0;
        if (InMaintenance)
        {
            return HealthEffect.None;
        }

        if (down)
        {
            return State == OperationalState.Stopped ? HealthEffect.None : Enter(OperationalState.Stopped, now);
        }

        return State == OperationalState.Stopped && (!HasCheck || Health >= Rise) ? EnterUp(now) : HealthEffect.None;
    }

    /// <summary>No agent speaks against it.</summary>
    private bool AgentAgrees => !HasAgent || AgentHealth > 0;

    /// <summary>The runtime API's <c>set server … health</c>.</summary>
    public HealthEffect Force(OperationalState state, long now)
    {
        if (InMaintenance
                || (
                    state == OperationalState.Running
                        && State is not OperationalState.Stopped and not OperationalState.Stopping))
        {
            if (!InMaintenance)
            {
                Health = Full;
            }

            return HealthEffect.None;
        }

        Health = state == OperationalState.Stopped ? 0 : Full;
        AgentHealth = state == OperationalState.Running ? 1 : AgentHealth;
        return State == state ? HealthEffect.None
            : state == OperationalState.Running ? EnterUp(now)
            : Enter(state, now);
    }

    /// <summary>The tracked server went this way (<c>track</c>): so does this one.</summary>
    public HealthEffect Follow(OperationalState state, long now)
    {
        if (InMaintenance)
        {
            return HealthEffect.None;
        }

        bool up = state is OperationalState.Running or OperationalState.Starting;
        bool isUp = State is OperationalState.Running or OperationalState.Starting;
        return up ? isUp ? HealthEffect.None : EnterUp(now) : State == state ? HealthEffect.None : Enter(state, now);
    }

    /// <summary>Time passes: ends slowstart.</summary>
    public HealthEffect OnTick(long now) =>
        State == OperationalState.Starting && now - LastChange >= SlowStart ? EnterRunning() : HealthEffect.None;

    /// <summary>Sets maintenance or drain flags. Entering maintenance takes the server down.</summary>
    public HealthEffect SetAdmin(AdminFlags flags, long now)
    {
        bool was = InMaintenance;
        Admin |= flags;
        if (was || !InMaintenance)
        {
            return HealthEffect.None;
        }

        Health = 0;
        return State == OperationalState.Stopped ? HealthEffect.None : Enter(OperationalState.Stopped, now);
    }

    /// <summary>Removes flags. Leaving the last maintenance brings the server up with health = rise, to be proven by a
    /// check where there is one.</summary>
    public HealthEffect ClearAdmin(AdminFlags flags, long now)
    {
        bool was = InMaintenance;
        Admin &= ~flags;
        if (!was || InMaintenance)
        {
            return HealthEffect.None;
        }

        Health = HasCheck ? Rise : Health;
        AgentHealth = 1;
        return EnterUp(now);
    }

    /// <summary>"clear counters all".</summary>
    public void ClearCounters()
    {
        FailedChecks = 0;
        Downs = 0;
    }

    private HealthEffect EnterUp(long now) =>
        Enter(SlowStart > 0 ? OperationalState.Starting : OperationalState.Running, now);

    private HealthEffect EnterRunning()
    {
        State = OperationalState.Running;
        return HealthEffect.WarmedUp;
    }

    private HealthEffect Enter(OperationalState next, long now)
    {
        if (State == OperationalState.Stopped)
        {
            _downBefore += now - LastChange;
        }

        bool up = State == OperationalState.Stopped || State == OperationalState.Stopping;
        State = next;
        LastChange = now;
        switch (next)
        {
            case OperationalState.Stopped:
                Downs++;
                return HealthEffect.WentDown;
            case OperationalState.Stopping:
                return HealthEffect.WentStopping;
            default:
                return up ? HealthEffect.WentUp : HealthEffect.None;
        }
    }
}
