using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control;
using Buoy.Balancer.Health;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Stats;

/// <summary>One row: the columns that hold for its object, null where a column does not.</summary>
public sealed class StatRow(StatObject type, ProxyConfig proxy, int id)
{
    private readonly string?[] _values = new string?[StatFields.All.Count];

    /// <summary>What it is about.</summary>
    public StatObject Type => type;

    /// <summary>Its proxy.</summary>
    public ProxyConfig Proxy => proxy;

    /// <summary>The server's id, 0 for the others.</summary>
    public int Id => id;

    /// <summary>A column by position.</summary>
    public string? this[int position] => _values[position];

    /// <summary>A column by name.</summary>
    public string? this[string name]
    {
        get => _values[StatFields.Position[name]];
        set => _values[StatFields.Position[name]] = value;
    }

    /// <summary>Sets a number.</summary>
    public void Set(string name, long value) => this[name] = value.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Makes the rows of the statistics out of the counters and the servers' state. Control thread only.</summary>
public sealed class StatCollector(BalancerState state, IReadOnlyList<ProxyRuntime> proxies)
{
    private static readonly string[] Modules = [.. StatFields.All.Skip(StatFields.FirstOfModules).Select(f => f.Name)];

    /// <summary>All rows, in HAProxy's order: frontend, servers, backend of each proxy.</summary>
    /// <param name="now">ms.</param>
    /// <param name="details">Addresses, cookies and algorithms too: for operators and <c>show-legends</c>.</param>
    public IEnumerable<StatRow> Rows(long now, bool details)
    {
        foreach (var p in proxies)
        {
            if (p.Config.HasFrontend)
            {
                yield return Frontend(p, now);
            }

            foreach (var s in p.Servers)
            {
                yield return Server(s, now, details);
            }

            if (p.Config.HasBackend)
            {
                yield return Backend(p, now, details);
            }
        }
    }

    /// <summary>Remembers the largest numbers of sessions and moves the rates on: once a second.</summary>
    public void Tick(long now)
    {
        var c = state.Counters;
        foreach (var p in proxies)
        {
            int fe = c.Frontend(p.Config.Index), be = c.Backend(p.Config.Index);
            p.FrontendSessionsMax = Largest(p.FrontendSessionsMax, fe);
            p.BackendSessionsMax = Largest(p.BackendSessionsMax, be);
            p.FrontendRate.Tick(c.Sum(fe, Counter.SessionsTotal), now);
            p.ConnectionRate.Tick(c.Sum(fe, Counter.ConnectionsTotal), now);
            p.RequestRate.Tick(c.Sum(fe, Counter.Requests), now);
            p.BackendRate.Tick(c.Sum(be, Counter.SessionsTotal), now);
            foreach (var s in p.Servers)
            {
                s.SessionsMax = Largest(s.SessionsMax, c.Server(s.Config.Index));
                s.Rate.Tick(c.Sum(c.Server(s.Config.Index), Counter.SessionsTotal), now);
            }
        }
    }

    private StatRow Frontend(ProxyRuntime p, long now)
    {
        var c = state.Counters;
        int e = c.Frontend(p.Config.Index);
        bool http = p.Config.Mode == ProxyMode.Http;
        var r = Begin(StatObject.Frontend, p.Config, "FRONTEND", 0);
        p.FrontendSessionsMax = Largest(p.FrontendSessionsMax, e);
        r.Set("scur", c.Sum(e, Counter.SessionsCurrent));
        r.Set("smax", p.FrontendSessionsMax);
        r.Set("slim", p.MaxConn);
        r.Set("stot", c.Sum(e, Counter.SessionsTotal));
        Traffic(r, e);
        r.Set("ereq", c.Sum(e, Counter.RequestErrors));
        r["status"] = p.Stopped ? "STOP" : p.Paused ? "PAUSED" : "OPEN";
        r.Set("rate", p.FrontendRate.Read(c.Sum(e, Counter.SessionsTotal), now));
        r.Set("rate_lim", 0);
        r.Set("rate_max", p.FrontendRate.Max);
        r.Set("req_rate", p.RequestRate.Read(c.Sum(e, Counter.Requests), now));
        r.Set("req_rate_max", p.RequestRate.Max);
        r.Set("req_tot", c.Sum(e, Counter.Requests));
        r.Set("conn_rate", p.ConnectionRate.Read(c.Sum(e, Counter.ConnectionsTotal), now));
        r.Set("conn_rate_max", p.ConnectionRate.Max);
        r.Set("conn_tot", c.Sum(e, Counter.ConnectionsTotal));
        r.Set("dcon", c.Sum(e, Counter.DeniedConnections));
        r.Set("dses", c.Sum(e, Counter.DeniedSessions));
        if (http)
        {
            Responses(r, e);
            r.Set("intercepted", c.Sum(e, Counter.Intercepted));
            Zero(r, "cache_lookups", "cache_hits");
        }

        Zero(r, "comp_in", "comp_out", "comp_byp", "comp_rsp", "wrew", "eint");
        Zero(r, Modules);
        return r;
    }

    private StatRow Server(ServerRuntime s, long now, bool details)
    {
        var c = state.Counters;
        int e = c.Server(s.Config.Index);
        var h = s.Health;
        var r = Begin(StatObject.Server, s.Backend.Config, s.Config.Name, s.Config.Id);
        s.SessionsMax = Largest(s.SessionsMax, e);
        Queues(r, e);
        r.Set("scur", c.Sum(e, Counter.SessionsCurrent));
        r.Set("smax", s.SessionsMax);
        if (s.MaxConn > 0)
        {
            r.Set("slim", s.MaxConn);
        }

        r.Set("stot", c.Sum(e, Counter.SessionsTotal));
        Traffic(r, e, requests: false);
        Errors(r, e);
        r["status"] = Status(s);
        r.Set("weight", (Math.Max(0, s.UserWeight * h.Throttle(now)) + 15) / 16);
        r.Set("uweight", s.UserWeight);
        r.Set("act", s.Config.Backup ? 0 : 1);
        r.Set("bck", s.Config.Backup ? 1 : 0);
        r.Set("lastchg", (now - h.LastChange) / 1000);
        if (s.Tracked is { } tracked)
        {
            r["tracked"] = tracked.FullName;
        }

        if (s.CheckEnabled)
        {
            r.Set("chkfail", h.FailedChecks);
            r.Set("chkdown", h.Downs);
            r.Set("downtime", h.DownTime(now) / 1000);
        }

        if (h.State == OperationalState.Starting)
        {
            r.Set("throttle", 100 * h.Throttle(now) / 16);
        }

        r.Set("lbtot", c.Sum(e, Counter.Selected));
        r.Set("rate", s.Rate.Read(c.Sum(e, Counter.SessionsTotal), now));
        r.Set("rate_max", s.Rate.Max);
        if (s.CheckEnabled && !h.InMaintenance)
        {
            Check(r, s);
        }

        if (s.Agent is { Enabled: true } agent)
        {
            Agent(r, s, agent);
        }

        if (s.Backend.Config.Mode == ProxyMode.Http)
        {
            Responses(r, e);
            r.Set("req_tot", c.Sum(e, Counter.Requests));
        }

        r.Set("cli_abrt", c.Sum(e, Counter.ClientAborts));
        r.Set("srv_abrt", c.Sum(e, Counter.ServerAborts));
        LastSession(r, e, now);
        Times(r, e);
        if (details)
        {
            r["addr"] = EndPoint(s);
            if (s.Config.Cookie is { } cookie)
            {
                r["cookie"] = cookie;
            }
        }

        r.Set("connect", c.Sum(e, Counter.ConnectAttempts));
        r.Set("reuse", c.Sum(e, Counter.Reused));
        r.Set("srv_icur", c.Sum(e, Counter.IdleConnections));
        Zero(r, "idle_conn_cur", "wrew", "eint");
        r.Set("safe_conn_cur", c.Sum(e, Counter.IdleConnections));
        r.Set("used_conn_cur", c.Sum(e, Counter.SessionsCurrent));
        r.Set("need_conn_est", s.SessionsMax);
        Zero(r, "ssl_sess", "ssl_reused_sess", "ssl_failed_handshake");
        return r;
    }

    private static void Check(StatRow r, ServerRuntime s)
    {
        var h = s.Health;
        r["check_status"] = (s.CheckRunning ? "* " : "") + s.CheckStatus.Code();
        if (s.CheckStatus.HasCode())
        {
            r.Set("check_code", (uint)s.CheckCode);
        }

        if (s.CheckStatus != CheckStatus.Initializing && s.CheckDuration >= 0)
        {
            r.Set("check_duration", s.CheckDuration);
        }

        r["check_desc"] = s.CheckStatus.Description();
        r["last_chk"] = s.CheckInfo;
        if (s.Config.Observe != ObserveMode.None)
        {
            r.Set("hanafail", s.Observed);
        }

        r.Set("check_rise", h.Rise);
        r.Set("check_fall", h.Fall);
        r.Set("check_health", h.Health);
    }

    private static void Agent(StatRow r, ServerRuntime s, AgentState agent)
    {
        r["agent_status"] = (agent.Running ? "* " : "") + agent.Status.Code();
        if (agent.Status.HasCode())
        {
            r.Set("agent_code", 0);
        }

        r.Set("agent_duration", agent.Duration);
        r["agent_desc"] = agent.Status.Description();
        r["last_agt"] = agent.Info;
        r.Set("agent_rise", 1);
        r.Set("agent_fall", 1);
        r.Set("agent_health", s.Health.AgentHealth);
    }

    private StatRow Backend(ProxyRuntime p, long now, bool details)
    {
        var c = state.Counters;
        int e = c.Backend(p.Config.Index);
        var r = Begin(StatObject.Backend, p.Config, "BACKEND", 0);
        p.BackendSessionsMax = Largest(p.BackendSessionsMax, e);
        Queues(r, e);
        r.Set("scur", c.Sum(e, Counter.SessionsCurrent));
        r.Set("smax", p.BackendSessionsMax);
        r.Set("slim", FullConn(p));
        r.Set("stot", c.Sum(e, Counter.SessionsTotal));
        Traffic(r, e);
        Errors(r, e);
        bool up = p.Servers.Count == 0 || p.Active + p.Backups > 0;
        r["status"] = up ? "UP" : "DOWN";
        var used = p.Servers.Where(s => s.Counts && s.Config.Backup == (p.Active == 0)).ToList();
        r.Set("weight", used.Sum(s => (s.EffectiveWeight(now) + 15) / 16));
        r.Set("uweight", used.Sum(s => s.UserWeight));
        r.Set("act", p.Active);
        r.Set("bck", p.Backups);
        r.Set("chkdown", p.Downs);
        r.Set("lastchg", (now - p.LastChange) / 1000);
        if (p.Servers.Count > 0)
        {
            r.Set("downtime", p.DownTime(now) / 1000);
        }

        r.Set("lbtot", c.Sum(e, Counter.Selected));
        r.Set("rate", p.BackendRate.Read(c.Sum(e, Counter.SessionsTotal), now));
        r.Set("rate_max", p.BackendRate.Max);
        if (p.Config.Mode == ProxyMode.Http)
        {
            Responses(r, e);
            r.Set("req_tot", c.Sum(e, Counter.Requests));
            Zero(r, "cache_lookups", "cache_hits");
        }

        r.Set("cli_abrt", c.Sum(e, Counter.ClientAborts));
        r.Set("srv_abrt", c.Sum(e, Counter.ServerAborts));
        LastSession(r, e, now);
        Times(r, e);
        if (details)
        {
            r["algo"] = p.Config.Balance.Algorithm;
        }

        r.Set("connect", c.Sum(e, Counter.ConnectAttempts));
        r.Set("reuse", c.Sum(e, Counter.Reused));
        Zero(r, "comp_in", "comp_out", "comp_byp", "comp_rsp", "wrew", "eint");
        Zero(r, "agg_server_status", "agg_server_check_status", "agg_check_status");
        Zero(r, Modules);
        return r;
    }

    /// <summary>fullconn: a tenth of the sum of the maxconn of the frontends that lead here, at least 1.</summary>
    private long FullConn(ProxyRuntime p)
    {
        long sum =
            proxies.Where(
                f =>
                    f.Config.HasFrontend
                        && (f.Config.Index == p.Config.Index || f.Config.DefaultBackend == p.Config.Index))
            .Sum(f => (long)f.Config.MaxConn);
        return Math.Max(1, (sum + 9) / 10);
    }

    /// <summary>The column <c>status</c> of a server. One that tracks another shows that one's counters.</summary>
    public static string Status(ServerRuntime s)
    {
        var h = s.Health;
        if (h.InMaintenance)
        {
            return (h.Admin & AdminFlags.ForcedMaintenance) != 0 ? "MAINT"
                : (h.Admin & AdminFlags.InheritedMaintenance) != 0 ? $"MAINT (via {s.Tracked?.FullName})" : "MAINT (resolution)";
        }

        var root = s.Root;
        var counters = root.Health;
        bool agent = root.Agent is { Enabled: true };
        if (h.State == OperationalState.Stopped)
        {
            return agent && counters.AgentHealth == 0 ? "DOWN (agent)" : !root.CheckEnabled || counters.Health == 0 ? "DOWN"
                : FormattableString.Invariant($"DOWN {counters.Health}/{counters.Rise}");
        }

        string name = h.Draining ? agent && !root.CheckEnabled ? "DRAIN (agent)" : "DRAIN"
            : h.State == OperationalState.Stopping ? "NOLB" : "UP";
        if (!root.CheckEnabled)
        {
            return name == "UP" ? "no check" : name;
        }

        return counters.Health >= counters.Full ? name
            : FormattableString.Invariant($"{name} {counters.Health - counters.Rise + 1}/{counters.Fall}");
    }

    /// <summary>address:port, as HAProxy prints it.</summary>
    public static string? EndPoint(ServerRuntime s) => s.Address switch
    {
        null => s.Config.UnixPath is null ? null : "unix",
        { AddressFamily: AddressFamily.InterNetworkV6 } a => FormattableString.Invariant($"[{a}]:{s.Port}"),
        IPAddress a => FormattableString.Invariant($"{a}:{s.Port}"),
    };

    private StatRow Begin(StatObject type, ProxyConfig p, string name, int sid)
    {
        var r = new StatRow(type, p, sid);
        r["pxname"] = p.Name;
        r["svname"] = name;
        r.Set("pid", 1);
        r.Set("iid", p.Id);
        r.Set("sid", sid);
        r.Set("type", (int)type);
        r["mode"] = p.Mode == ProxyMode.Http ? "http" : "tcp";
        return r;
    }

    private void Queues(StatRow r, int e)
    {
        r.Set("qcur", state.Counters.Sum(e, Counter.QueueCurrent));
        r.Set("qmax", state.Counters.Max(e, Counter.QueueMax));
    }

    private void Traffic(StatRow r, int e, bool requests = true)
    {
        r.Set("bin", state.Counters.Sum(e, Counter.BytesIn));
        r.Set("bout", state.Counters.Sum(e, Counter.BytesOut));
        if (requests)
        {
            r.Set("dreq", state.Counters.Sum(e, Counter.DeniedRequests));
        }

        r.Set("dresp", state.Counters.Sum(e, Counter.DeniedResponses));
    }

    private void Errors(StatRow r, int e)
    {
        r.Set("econ", state.Counters.Sum(e, Counter.ConnectErrors));
        r.Set("eresp", state.Counters.Sum(e, Counter.ResponseErrors));
        r.Set("wretr", state.Counters.Sum(e, Counter.Retries));
        r.Set("wredis", state.Counters.Sum(e, Counter.Redispatches));
    }

    private void Responses(StatRow r, int e)
    {
        for (int i = 1; i <= 5; i++)
        {
            r.Set(FormattableString.Invariant($"hrsp_{i}xx"), state.Counters.Sum(e, Counter.Http1xx + (i - 1)));
        }

        r.Set("hrsp_other", state.Counters.Sum(e, Counter.HttpOther));
    }

    private void LastSession(StatRow r, int e, long now)
    {
        long last = state.Counters.Max(e, Counter.LastSession);
        r.Set("lastsess", last == 0 ? -1 : Math.Max(0, (now / 1000) - last));
    }

    private void Times(StatRow r, int e)
    {
        var c = state.Counters;
        long n = Math.Max(1, c.Sum(e, Counter.TimedSessions));
        r.Set("qtime", c.Sum(e, Counter.QueueTimeSum) / n);
        r.Set("ctime", c.Sum(e, Counter.ConnectTimeSum) / n);
        r.Set("rtime", c.Sum(e, Counter.ResponseTimeSum) / n);
        r.Set("ttime", c.Sum(e, Counter.TotalTimeSum) / n);
        r.Set("qtime_max", c.Max(e, Counter.QueueTimeMax));
        r.Set("ctime_max", c.Max(e, Counter.ConnectTimeMax));
        r.Set("rtime_max", c.Max(e, Counter.ResponseTimeMax));
        r.Set("ttime_max", c.Max(e, Counter.TotalTimeMax));
    }

    /// <summary>
    /// The largest number at once lies between the largest of one shard and the sum over the shards; sums are sampled,
    /// so a peak
    /// spread over shards and shorter than the time between two samples is seen too low, never too high.
    /// </summary>
    private long Largest(long known, int e) => Math.Max(known, Math.Max(
        state.Counters.Max(e, Counter.SessionsMax), state.Counters.Sum(e, Counter.SessionsCurrent)));

    private static void Zero(StatRow r, params string[] names)
    {
        foreach (string n in names)
        {
            r[n] = "0";
        }
    }
}
