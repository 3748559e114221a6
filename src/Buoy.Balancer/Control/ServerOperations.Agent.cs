using Buoy.Balancer.Health;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Control;

/// <summary>What an agent says, applied; and what checks tell a server of itself.</summary>
public sealed partial class ServerOperations
{
    /// <summary>An agent was asked.</summary>
    public void OnAgent(ServerRuntime s, CheckReport report, long duration, long now)
    {
        if (s.Agent is not { Enabled: true } agent)
        {
            return;
        }

        var reply = report.Agent;
        switch (reply?.Admin)
        {
            case "maint" when !s.Health.Admin.HasFlag(AdminFlags.ForcedMaintenance):
                Maintain(s, now);
                break;
            case "drain" when !s.Health.Draining:
                Drain(s, now);
                break;
            case "ready":
                Ready(s, now);
                break;
        }

        if (reply?.Percent is { } percent)
        {
            s.UserWeight = (int)Math.Min(256, s.Config.Weight * (long)percent / 100);
            Publish(s, now);
            Backend(s, now);
            if (s.Health.Draining)
            {
                Log(s, Notice, $"{Server(s)} remains in forced drain mode.");
            }
        }

        if (reply?.MaxConn is { } most)
        {
            s.MaxConn = most;
            Publish(s, now);
        }

        bool news = agent.Status != report.Status;
        (agent.Status, agent.Info, agent.Duration) = (report.Status, report.Info, duration);
        int before = s.Health.AgentHealth;
        bool stopping = IsStopping(s);
        var effect = s.Health.OnAgent(report.Status == CheckStatus.L7Ok, report.Status == CheckStatus.L7Status, now);
        string reason = AgentReason(agent);
        if (s.Backend.Config.LogHealthChecks && report.Status.Result() != CheckResult.Neutral
            && (news || before != s.Health.AgentHealth))
        {
            string how = report.Status.Result() == CheckResult.Passed ? "succeeded" : "failed";
            string status = s.Health.AgentHealth > 0 ? "1/1 UP" : "0/1 DOWN";
            Log(s, Notice, $"Agent check for {Kind(s, false)}server {s.FullName} {how}{reason}, status: {status}.");
            reason = "";
        }

        Apply(s, effect, reason, now, stopping);
    }

    /// <summary>Errors of the traffic reached a server's limit (configuration manual 5.2 <c>observe</c>).</summary>
    public void OnErrors(ServerRuntime s, string last, long now)
    {
        if (s.Health.InMaintenance || !s.CheckEnabled || s.Health.State == OperationalState.Stopped)
        {
            return;
        }

        s.Observed++;
        if (s.Config.OnError != Configuration.ErrorAction.FastInter)
        {
            if (s.Config.OnError != Configuration.ErrorAction.FailCheck)
            {
                s.Health.Weaken(last: s.Config.OnError == Configuration.ErrorAction.MarkDown);
            }

            int limit = s.Config.ErrorLimit ?? TrafficObserver.DefaultLimit;
            OnCheck(s, CheckStatus.Analyzed, 0,
                FormattableString.Invariant($"Detected {limit} consecutive errors, last one was: {last}"), -1, now);
        }

        CheckSoon?.Invoke(s);
    }

    /// <summary>Called when a server's next check should not wait for the whole interval.</summary>
    public Action<ServerRuntime>? CheckSoon { get; set; }

    /// <summary><c>set server … agent up|down</c>.</summary>
    public void ForceAgent(ServerRuntime s, bool up, long now)
    {
        bool stopping = IsStopping(s);
        Apply(s, s.Health.OnAgent(up, !up, now), ", changed from CLI", now, stopping);
    }

    /// <summary>The header X-Haproxy-Server-State (configuration manual 4.2 <c>http-check send-state</c>).</summary>
    public string StateHeader(ServerRuntime s, string node)
    {
        var h = s.Health;
        string status = h.State == OperationalState.Stopped
            ? h.Health > 0 ? FormattableString.Invariant($"DOWN {h.Health}/{h.Rise}") : "DOWN"
            : (h.State == OperationalState.Stopping ? "NOLB" : "UP")
                + (h.Health < h.Full ? FormattableString.Invariant($" {h.Health - h.Rise + 1}/{h.Fall}") : "");
        var c = state.Counters;
        long sessions = c.Sum(c.Server(s.Config.Index), Counter.SessionsCurrent);
        long all = c.Sum(c.Backend(s.Backend.Config.Index), Counter.SessionsCurrent);
        long queue = c.Sum(c.Server(s.Config.Index), Counter.QueueCurrent);
        bool backups = s.Backend.Active == 0;
        int total = s.Backend.Servers.Where(o => o.Counts && o.Config.Backup == backups).Sum(o => o.UserWeight);
        int own = h.State is OperationalState.Stopped or OperationalState.Stopping || h.Draining ? 0 : s.UserWeight;
        return FormattableString.Invariant(
            $"{status}; address={s.Address}; port={s.Port}; name={s.FullName}; node={node}; ")
            + FormattableString.Invariant($"weight={own}/{total}; scur={sessions}/{all}; qcur={queue}");
    }

    private static string AgentReason(AgentState agent)
    {
        string text = ", reason: " + agent.Status.Description() + (agent.Status.HasCode() ? ", code: 0" : "");
        text += agent.Info.Length > 0 && agent.Status != CheckStatus.L7Timeout ? $", info: \"{Printable(agent.Info)}\"" : "";
        return text + FormattableString.Invariant($", check duration: {agent.Duration}ms");
    }
}
