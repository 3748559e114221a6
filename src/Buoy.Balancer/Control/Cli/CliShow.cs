using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Health;
using Buoy.Balancer.State;
using Buoy.Balancer.Stats;
using Buoy.Linux;

namespace Buoy.Balancer.Control.Cli;

/// <summary>The commands that read (management manual 9.3, "show …").</summary>
internal static class CliShow
{
    public static CliReply Version(CliContext c, string[] words) => new(c.Plane.Options.Version + "\n");

    public static CliReply Backend(CliContext c, string[] words) => new("# name\n" + string.Concat(
        c.Plane.Proxies.Where(p => p.Config.HasBackend).Select(p => p.Config.Name + "\n")));

    public static CliReply Level(CliContext c, string[] words) => new(LevelName(c.Session.Level) + "\n");

    public static CliReply Sockets(CliContext c, string[] words) => new("# socket lvl processes\n" + string.Concat(
        c.Plane.Cli.Sockets.Select(s => $"{s.Name} {s.Level} all\n")));

    public static CliReply Environment(CliContext c, string[] words)
    {
        if (words.Length > 2)
        {
            return System.Environment.GetEnvironmentVariable(words[2]) is { } value
                ? new CliReply($"{words[2]}={value}\n") : CliReply.Error("Variable not found");
        }

        var s = new StringBuilder();
        foreach (System.Collections.DictionaryEntry e in System.Environment.GetEnvironmentVariables())
        {
            s.Append(e.Key).Append('=').Append(e.Value).Append('\n');
        }

        return new CliReply(s.ToString());
    }

    public static CliReply Errors(CliContext c, string[] words)
    {
        if (words.Length > 2 && Find(c, words[2]) is null)
        {
            return CliReply.Error("No such proxy.");
        }

        var s = new StringBuilder("Total events captured on [");
        Logging.SessionLine.Date(s, DateTimeOffset.Now, TimeZoneInfo.Local);
        return new CliReply(s.Append("] : 0\n").ToString());
    }

    public static CliReply Info(CliContext c, string[] words)
    {
        var options = words.Skip(2).ToHashSet();
        return new CliReply(ProcessInfo.Print(
            c.Plane.Info.Items(c.Plane.Situation(), EventLoop.Now), options.Contains("typed"),
                options.Contains("json"), options.Contains("desc")));
    }

    /// <summary>show stat [domain proxy] [{iid|proxy} type sid] [typed|json] [up|no-maint].</summary>
    public static CliReply Stat(CliContext c, string[] words)
    {
        var rest = words.Skip(2).ToList();
        if (rest.Count > 0 && rest[0] == "domain")
        {
            if (rest.Count < 2 || rest[1] != "proxy")
            {
                return CliReply.Error("Invalid statistics domain.");
            }

            rest.RemoveRange(0, 2);
        }

        ProxyRuntime? only = null;
        int type = -1, sid = -1;
        if (rest.Count >= 3)
        {
            // Three words are always taken for proxy, type and server, as the original does.
            (type, sid) = (Configuration.Units.Atoi(rest[1]), Configuration.Units.Atoi(rest[2]));
            if (rest[0] != "-1" && (only = Find(c, rest[0])) is null)
            {
                if (!int.TryParse(rest[0], out _))
                {
                    return CliReply.Error("No such proxy.");
                }

                type = 0;
            }

            rest.RemoveRange(0, 3);
        }

        bool up = rest.Contains("up"), noMaintenance = rest.Contains("no-maint"), json =
            rest.Contains("json"), typed = rest.Contains("typed");
        var s = new StringBuilder(json ? "[" : typed ? "" : StatFormats.CsvHeader());
        foreach (var r in c.Plane.Statistics.Rows(EventLoop.Now, c.Session.Level >= CliLevel.Operator))
        {
            int bit = r.Type switch { StatObject.Frontend => 1, StatObject.Backend => 2, _ => 4 };
            if ((only is not null && r.Proxy.Index != only.Config.Index) || (type >= 0 && (type & bit) == 0)
                || (sid >= 0 && r.Type == StatObject.Server && r.Id != sid))
            {
                continue;
            }

            string status = r["status"] ?? "";
            if (r.Type == StatObject.Server
                && ((
                    up
                        && (
                            status.StartsWith("DOWN", StringComparison.Ordinal)
                                || status.StartsWith("MAINT", StringComparison.Ordinal)))
                    || (noMaintenance && status.StartsWith("MAINT", StringComparison.Ordinal))))
            {
                continue;
            }

            if (r.Type == StatObject.Backend && (up || noMaintenance))
            {
                // What is hidden is told in the backend's row.
                var p = c.Plane.Proxies[r.Proxy.Index];
                r["status"] = FormattableString.Invariant($"{status} ({p.Active + p.Backups}/{p.Servers.Count})");
            }

            if (json)
            {
                s.Append(s.Length > 1 ? "," : "");
                StatFormats.Json(s, r);
            }
            else if (typed)
            {
                StatFormats.Typed(s, r, rest.Contains("desc"));
            }
            else
            {
                StatFormats.Csv(s, r);
            }
        }

        return new CliReply(s.Append(json ? "]\n" : "").ToString());
    }

    public static CliReply ServersState(CliContext c, string[] words)
    {
        if (!Backends(c, words, out var backends))
        {
            return CliReply.Error("Can't find backend.");
        }

        var s = new StringBuilder("1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state " +
            "srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health " +
            "srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl " +
            "srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n");
        long now = EventLoop.Now;
        foreach (var v in backends.SelectMany(b => b.Servers))
        {
            var h = v.Health;
            int check = !v.Config.Check ? v.Config.Disabled ? 8 : 0
                : 2 | (v.CheckEnabled ? 4 : 0) | (h.InMaintenance && !v.Fresh ? 8 : 0) | (v.CheckRunning ? 1 : 0);
            var agentAddress = v.Agent?.Address ?? v.Config.AgentSettings.Address;
            int agent = v.Agent is not { } a ? 0 : 18 | (a.Enabled ? 4 : 0) | (a.Running ? 1 : 0);
            s.Append(
                FormattableString.Invariant(
                    $"{v.Backend.Config.Id} {v.Backend.Config.Name} {v.Config.Id} {v.Config.Name} "));
            s.Append(
                FormattableString.Invariant(
                    $"{v.Address?.ToString() ?? "-"} {(int)h.State} {(int)h.Admin} {v.UserWeight} "));
            s.Append(
                FormattableString.Invariant($"{v.Config.Weight} {(now - h.LastChange) / 1000} {(int)v.CheckStatus} "));
            s.Append(
                FormattableString.Invariant(
                    $"{(int)v.CheckResult} {h.Health} {check} {agent} {(v.Backend.Config.ForcedId ? 1 : 0)} {(v.Config.ForcedId ? 1 : 0)} {v.Fqdn ?? "-"} {v.Port} {v.Service ?? "-"} 0 "));
            s.Append(FormattableString.Invariant($"{v.CheckPort} {v.CheckAddress?.ToString() ?? "-"} "));
            s.Append(FormattableString.Invariant($"{(agentAddress?.ToString() ?? "-")} {v.Agent?.Port ?? v.Config.AgentSettings.Port}\n"));
        }

        return new CliReply(s.ToString());
    }

    public static CliReply ServersConn(CliContext c, string[] words)
    {
        if (!Backends(c, words, out var backends))
        {
            return CliReply.Error("Can't find backend.");
        }

        var k = c.Plane.State.Counters;
        int shards = c.Plane.State.Shards;
        var s = new StringBuilder(FormattableString.Invariant(
            $"# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb ") +
            FormattableString.Invariant($"idle_lim idle_cur idle_per_thr[{shards}]\n"));
        foreach (var v in backends.SelectMany(b => b.Servers))
        {
            int e = k.Server(v.Config.Index);
            long used = k.Sum(e, Counter.SessionsCurrent), idle = k.Sum(e, Counter.IdleConnections);
            long most = Math.Max(v.SessionsMax, used);
            s.Append(
                FormattableString.Invariant(
                    $"{v.FullName} {v.Backend.Config.Id}/{v.Config.Id} {v.Address?.ToString() ?? "-"} {v.Port} "));
            s.Append(FormattableString.Invariant($"- 5000 {used} {most} {most} 0 {idle} -1 {idle}"));
            for (int i = 0; i < shards; i++)
            {
                s.Append(' ').Append(Idle(k, i, e));
            }

            s.Append('\n');
        }

        return new CliReply(s.ToString());
    }

    public static CliReply Resolvers(CliContext c, string[] words)
    {
        var sections = c.Plane.Resolvers.Sections.Where(r => words.Length < 3 || r.Config.Name == words[2]).ToList();
        if (words.Length > 2 && sections.Count == 0)
        {
            return CliReply.Error("Can't find that resolvers section");
        }

        var s = new StringBuilder();
        foreach (var r in sections)
        {
            s.Append("Resolvers section ").Append(r.Config.Name).Append('\n');
            foreach (var n in r.NameServers)
            {
                s.Append(" nameserver ").Append(n.Name).Append(":\n");
                foreach (var (name, value) in n.Counters.All())
                {
                    s.Append(FormattableString.Invariant($"  {name + ":",-12} {value}\n"));
                }
            }
        }

        return new CliReply(s.ToString());
    }

    public static CliReply Pools(CliContext c, string[] words)
    {
        var g = GC.GetGCMemoryInfo();
        return new CliReply(FormattableString.Invariant(
            $"Dumping memory usage.\n  - Managed heap : {g.HeapSizeBytes} bytes, {g.TotalCommittedBytes} committed\n") +
            FormattableString.Invariant(
                $"Total: 1 pools, {g.TotalCommittedBytes} bytes allocated, {g.HeapSizeBytes} used.\n"));
    }

    public static CliReply Activity(CliContext c, string[] words)
    {
        var k = c.Plane.State.Counters;
        var s = new StringBuilder();
        s.Append(CultureInfo.InvariantCulture, $"thread_id: all (1..{c.Plane.State.Shards})\n");
        s.Append(
            CultureInfo.InvariantCulture, $"date_now: {DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0:F3}\n");
        foreach (var (name, counter) in ((string, Counter)[])[
            ("conns", Counter.ConnectionsTotal), ("sessions", Counter.SessionsTotal), ("requests", Counter.Requests)])
        {
            var shards = Enumerable.Range(0, c.Plane.State.Shards)
                .Select(i => c.Plane.Proxies.Sum(p => Cell(k, i, k.Frontend(p.Config.Index), counter))).ToList();
            s.Append(CultureInfo.InvariantCulture, $"{name}: {shards.Sum()} [ {string.Join(' ', shards)} ]\n");
        }

        return new CliReply(s.ToString());
    }

    /// <summary>A proxy by name or id.</summary>
    internal static ProxyRuntime? Find(CliContext c, string name) =>
        c.Plane.Proxies.FirstOrDefault(p => p.Config.Name == name)
        ?? (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            ? c.Plane.Proxies.FirstOrDefault(p => p.Config.Id == id) : null);

    private static bool Backends(CliContext c, string[] words, out IEnumerable<ProxyRuntime> found)
    {
        found = c.Plane.Proxies;
        if (words.Length < 4)
        {
            return true;
        }

        var one = c.Plane.Proxies.FirstOrDefault(p => p.Config.HasBackend && p.Config.Name == words[3])
            ?? (Find(c, words[3]) is { Config.HasBackend: true } p ? p : null);
        found = one is null ? [] : [one];
        return one is not null;
    }

    private static string LevelName(CliLevel l) =>
        l switch { CliLevel.Admin => "admin", CliLevel.Operator => "operator", _ => "user" };

    private static long Idle(Counters k, int shard, int entity) => Cell(k, shard, entity, Counter.IdleConnections);

    private static unsafe long Cell(Counters k, int shard, int entity, Counter counter) =>
        Volatile.Read(ref k.Block(shard, entity)[(int)counter]);
}
