using System.Net;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Health;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Control;

/// <summary>
/// Every change of a server goes through here: it steps the state machine, publishes the result to the shards and
/// writes the
/// line that HAProxy would write. Control thread only.
/// </summary>
public sealed partial class ServerOperations(
    BalancerState state, IReadOnlyList<ServerRuntime> servers, Action<int, int, string> log,
        Action<int> shutdownSessions, Action changed)
{
    private const int Emergency = 0, Alert = 1, Notice = 5;

    /// <summary>All servers.</summary>
    public IReadOnlyList<ServerRuntime> Servers => servers;

    /// <summary>Sets the state that holds before the first check, and fills all slots.</summary>
    public void Begin(long now)
    {
        foreach (var s in servers)
        {
            var admin =
                s.Config.Disabled ? AdminFlags.ConfiguredMaintenance | AdminFlags.ForcedMaintenance : AdminFlags.None;
            if (s.Address is null && (s.Fqdn ?? s.Service) is not null)
            {
                admin |= AdminFlags.ResolutionMaintenance;
            }

            s.Health.Begin(now, admin);
            Restore(s, now);
        }

        foreach (var s in servers)
        {
            BeginTracking(s, now);
            Publish(s, now, quiet: true);
        }

        foreach (var p in servers.Select(s => s.Backend).Distinct())
        {
            p.HadServer = p.Active + p.Backups > 0;
        }

        changed();
    }

    /// <summary>A check ended.</summary>
    public void OnCheck(ServerRuntime s, CheckStatus status, int code, string info, long duration, long now)
    {
        if (s.Health.InMaintenance || !s.CheckEnabled)
        {
            return;
        }

        bool news = s.CheckStatus != status;
        s.CheckStatus = status;
        s.CheckResult = status.Result();
        s.CheckCode = code;
        s.CheckInfo = info;
        s.CheckDuration = duration;
        int before = s.Health.Health;
        bool stopping = IsStopping(s);
        var effect = s.Health.OnCheck(s.CheckResult, now);
        string reason = Reason(s);
        if (s.Backend.Config.LogHealthChecks && (news || before != s.Health.Health || effect != HealthEffect.None))
        {
            string how = s.CheckResult switch
            {
                CheckResult.Failed => "failed",
                CheckResult.ConditionallyPassed => "conditionally succeeded",
                _ => "succeeded",
            };
            log(
                s.Backend.Config.Index, Notice,
                    $"Health check for {Kind(s, false)}server {s.FullName} {how}{reason}, status: {Progress(s)}.");
            reason = "";
        }

        Apply(s, effect, reason, now, stopping);
    }

    /// <summary><c>set server … health</c>.</summary>
    public void Force(ServerRuntime s, OperationalState wanted, long now)
    {
        bool stopping = IsStopping(s);
        Apply(s, s.Health.Force(wanted, now), ", changed from CLI", now, stopping);
    }

    /// <summary>Slowstart moves on.</summary>
    public void OnTick(ServerRuntime s, long now)
    {
        if (s.Health.State == OperationalState.Starting)
        {
            Apply(s, s.Health.OnTick(now), "", now);
            Publish(s, now);
        }
    }

    /// <summary>Maintenance by an operator.</summary>
    public void Maintain(ServerRuntime s, long now)
    {
        bool stopping = IsStopping(s);
        s.Health.ClearAdmin(AdminFlags.ForcedDrain, now);
        EnterMaintenance(s, AdminFlags.ForcedMaintenance, "", stopping, now);
        StopDrainOfTrackers(s, now, log: false);
    }

    /// <summary>Drain by an operator; ends maintenance.</summary>
    public void Drain(ServerRuntime s, long now)
    {
        bool drained = s.Health.Draining, maintained = s.Health.InMaintenance;
        s.Health.SetAdmin(AdminFlags.ForcedDrain, now);
        var effect = s.Health.ClearAdmin(AdminFlags.ForcedMaintenance, now);
        Publish(s, now);
        LeaveMaintenanceOfTrackers(s, now);
        if (effect == HealthEffect.WentUp)
        {
            Log(s, Notice, $"{Server(s)} is UP/DRAIN (leaving forced maintenance).");
            Log(s, Notice, $"{Server(s)} remains in forced drain mode.");
        }
        else if (!drained && !maintained)
        {
            Log(s, Notice, $"{Server(s)} enters drain state.{Online(s)}");
        }

        Backend(s, now);
        DrainTrackers(s, now);
    }

    /// <summary>Back to work, by an operator.</summary>
    public void Ready(ServerRuntime s, long now)
    {
        bool drained = s.Health.Draining;
        s.Health.ClearAdmin(AdminFlags.ForcedDrain, now);
        bool left =
            LeaveMaintenance(
                s, AdminFlags.ForcedMaintenance, "leaving forced maintenance", now);
        if (drained && !left)
        {
            Publish(s, now);
            string up = s.Health.State == OperationalState.Stopped ? "DOWN" : "UP";
            Log(s, Notice, $"{Server(s)} is {up} (leaving forced drain).");
            Backend(s, now);
        }

        StopDrainOfTrackers(s, now, log: !left);
    }

    /// <summary>Its name has no address any more.</summary>
    public void LoseAddress(ServerRuntime s, string why, long now)
    {
        if ((s.Health.Admin & AdminFlags.ResolutionMaintenance) != 0)
        {
            return;
        }

        s.Address = null;
        EnterMaintenance(s, AdminFlags.ResolutionMaintenance, $" ({why})", IsStopping(s), now);
    }

    /// <summary>Its name has an address again.</summary>
    public void GainAddress(ServerRuntime s, IPAddress address, string from, long now)
    {
        if (!address.Equals(s.Address))
        {
            string old = s.Address?.ToString() ?? "(none)";
            s.Address = address;
            Log(s, Notice, $"{s.FullName} changed its IP from {old} to {address} by {from}.");
            Publish(s, now);
        }

        if ((s.Health.Admin & AdminFlags.ResolutionMaintenance) != 0)
        {
            s.CheckStatus = s.CheckResult == CheckResult.Unknown ? CheckStatus.Initializing : s.CheckStatus;
            LeaveMaintenance(s, AdminFlags.ResolutionMaintenance, "resolves again", now);
            Log(s, Notice, $"{Server(s)} administratively READY thanks to valid DNS answer.");
        }
    }

    /// <summary>Weight, address, port or limit were changed on the runtime API.</summary>
    public void Publish(ServerRuntime s, long now, bool quiet = false)
    {
        ref var slot = ref state.Servers[s.Config.Index];
        int weight = s.EffectiveWeight(now);

        // A shard that looks while the address changes must not connect to half of the old and half of the new one.
        Volatile.Write(ref slot.Eligible, 0);
        slot.Weight = s.Backend.HasSlowStart ? weight : (weight + 15) / 16;
        slot.MapPort = s.Config.MapPort ? 1 : 0;
        slot.MaxConn = s.MaxConn;
        slot.Backup = s.Config.Backup ? 1 : 0;
        bool unix = s.Config.UnixPath is not null;
        if (!unix)
        {
            state.Servers.SetAddress(s.Config.Index, s.Address, s.Port);
        }

        Volatile.Write(ref slot.Eligible, s.Health.Usable && (unix || s.Address is not null) ? 1 : 0);
        if (!quiet)
        {
            changed();
        }
    }

    /// <summary>After a change of weight: does the backend still have a server?</summary>
    public void Backend(ServerRuntime s, long now)
    {
        var b = s.Backend;
        bool has = b.Active + b.Backups > 0;
        if (has == b.HadServer)
        {
            return;
        }

        if (has)
        {
            b.DownBefore += now - b.LastChange;
        }
        else
        {
            b.Downs++;
            Log(s, Emergency, $"backend {b.Config.Name} has no server available!");
        }

        b.HadServer = has;
        b.LastChange = now;
    }

    private void EnterMaintenance(ServerRuntime s, AdminFlags flag, string why, bool stopping, long now)
    {
        bool was = s.Health.InMaintenance;
        var effect = s.Health.SetAdmin(flag, now);
        if (was)
        {
            return;
        }

        Publish(s, now);
        if (effect == HealthEffect.WentDown)
        {
            if (s.Config.OnMarkedDown == "shutdown-sessions")
            {
                shutdownSessions(s.Config.Index);
            }

            Log(s, stopping ? Notice : Alert, $"{Server(s)} is going DOWN for maintenance{why}.{Left(s)}");
        }
        else
        {
            Log(s, Notice, $"{Server(s)} was DOWN and now enters maintenance{why}.");
        }

        Backend(s, now);
        MaintainTrackers(s, now);
    }

    private bool LeaveMaintenance(ServerRuntime s, AdminFlags flags, string why, long now)
    {
        bool was = s.Health.InMaintenance;
        s.Health.ClearAdmin(flags, now);
        if (!was || s.Health.InMaintenance)
        {
            return false;
        }

        s.Fresh = false;
        FollowAgain(s, now);
        Publish(s, now);
        string name = s.Fqdn is { } f && why == "resolves again" ? $" ('{f}')" : "";
        Log(s, Notice, $"{Server(s)}{name} is {Up(s)}/{(s.Health.Draining ? "DRAIN" : "READY")} ({why}).");
        Backend(s, now);
        LeaveMaintenanceOfTrackers(s, now);
        LeftMaintenance?.Invoke(s);
        return true;
    }

    /// <summary>Called when a server left maintenance: a check is due at once.</summary>
    public Action<ServerRuntime>? LeftMaintenance { get; set; }

    private void Apply(ServerRuntime s, HealthEffect effect, string reason, long now, bool stopping = false)
    {
        if (effect == HealthEffect.None)
        {
            return;
        }

        Publish(s, now);
        switch (effect)
        {
            case HealthEffect.WentDown:
                if (s.Config.OnMarkedDown == "shutdown-sessions")
                {
                    shutdownSessions(s.Config.Index);
                }

                Log(s, stopping ? Notice : Alert, $"{Server(s)} is DOWN{reason}.{Left(s)}");
                break;
            case HealthEffect.WentUp:
                if (s.Config.OnMarkedUp == "shutdown-backup-sessions" && !s.Config.Backup)
                {
                    foreach (var b in s.Backend.Servers.Where(b => b.Config.Backup))
                    {
                        shutdownSessions(b.Config.Index);
                    }
                }

                Log(s, Notice, $"{Server(s)} is UP{reason}.{Online(s)}");
                break;
            case HealthEffect.WentStopping:
                Log(s, Notice, $"{Server(s)} is stopping{reason}.{Online(s)}");
                break;
            case HealthEffect.WarmedUp:
                Log(s, Notice, $"{Server(s)} is UP{reason}.{Online(s)}");
                break;
        }

        Backend(s, now);
        Lead(s, effect, now);
    }

    /// <summary>It took no new sessions anyway: that it goes down is no alert then.</summary>
    private static bool IsStopping(ServerRuntime s) => s.Health.Draining || s.Health.State == OperationalState.Stopping;

    private static string Reason(ServerRuntime s)
    {
        string text = ", reason: " + s.CheckStatus.Description();
        if (s.CheckStatus.HasCode())
        {
            text += FormattableString.Invariant($", code: {s.CheckCode}");
        }

        if (s.CheckInfo.Length > 0)
        {
            text += $", info: \"{Printable(s.CheckInfo)}\"";
        }

        return s.CheckDuration < 0 ? text : text + FormattableString.Invariant($", check duration: {s.CheckDuration}ms");
    }

    /// <summary>What a check heard, as a line of a log can carry it: what is not printable becomes &lt;XX&gt;.</summary>
    private static string Printable(string info) => !info.Any(IsSpecial) ? info
        : string.Concat(info.Select(c => IsSpecial(c) ? $"<{(int)c:X2}>" : c.ToString()));

    private static bool IsSpecial(char c) => c is < ' ' or > '~' or '"' or '<';

    private static string Progress(ServerRuntime s) => s.Health.State == OperationalState.Stopped
        ? FormattableString.Invariant($"{s.Health.Health}/{s.Health.Rise} DOWN")
        : FormattableString.Invariant($"{s.Health.Health - s.Health.Rise + 1}/{s.Health.Fall} UP");

    private string Left(ServerRuntime s)
    {
        var c = state.Counters;
        long sessions = c.Sum(c.Server(s.Config.Index), Counter.SessionsCurrent);
        long queue = c.Sum(c.Backend(s.Backend.Config.Index), Counter.QueueCurrent);
        return FormattableString.Invariant($" {s.Backend.Active} active and {s.Backend.Backups} backup servers left.")
            + (s.Backend.Active == 0 && s.Backend.Backups > 0 ? " Running on backup." : "")
            + FormattableString.Invariant($" {sessions} sessions active, 0 requeued, {queue} remaining in queue.");
    }

    private string Online(ServerRuntime s)
    {
        var c = state.Counters;
        long queue = c.Sum(c.Backend(s.Backend.Config.Index), Counter.QueueCurrent);
        return FormattableString.Invariant($" {s.Backend.Active} active and {s.Backend.Backups} backup servers online.")
            + (s.Backend.Active == 0 && s.Backend.Backups > 0 ? " Running on backup." : "")
            + FormattableString.Invariant($" 0 sessions requeued, {queue} total in queue.");
    }

    private static string Kind(ServerRuntime s, bool capital) => s.Config.Backup ? capital ? "Backup " : "backup " : "";

    private static string Server(ServerRuntime s) => $"{Kind(s, true)}Server {s.FullName}";

    private void Log(ServerRuntime s, int level, string text) => log(s.Backend.Config.Index, level, text);
}
