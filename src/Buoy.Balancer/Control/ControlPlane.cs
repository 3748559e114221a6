using System.Net;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Health;
using Buoy.Balancer.Logging;
using Buoy.Balancer.Resolvers;
using Buoy.Balancer.State;
using Buoy.Balancer.Stats;
using Buoy.Linux;

namespace Buoy.Balancer.Control;

/// <summary>
/// The control plane: one thread with one loop owns everything about servers (checks, names, the runtime API,
/// statistics) and
/// tells the shards through <see cref="ServerTable"/> and <see cref="IDataPlane.ServersChanged"/>.
/// <code>
///   new ControlPlane(…) → Prepare()            log sockets connected, stats sockets bound (privileges still held)
///                       → Start(dataPlane)     slots filled, thread runs: checks, resolutions, sockets answer
///                       → Stopping()           soft stop: the proxies are reported stopped, stats sockets close
///                       → Dispose()            thread ends, logs are flushed
/// </code>
/// </summary>
public sealed partial class ControlPlane : IDisposable
{
    private const int Warning = 4;
    private readonly EventLoop _loop = new();
    private readonly Thread _thread;
    private readonly LogSink _logs;
    private readonly HealthChecker _checker;
    private readonly ResolverService _resolvers;
    private readonly ServerOperations _operations;

    /// <summary>Those that are there, in order; by <see cref="ServerConfig.Index"/> also those that were deleted.</summary>
    private readonly List<ServerRuntime> _servers = [];
    private readonly List<ServerRuntime> _byIndex = [];
    private readonly List<ProxyRuntime> _proxies = [];
    private readonly Cli.CliServer _cli;
    private IDataPlane? _dataPlane;
    private bool _stopping;
    private bool _changed;
    private bool _started;

    /// <summary>Builds the runtime state; opens nothing.</summary>
    /// <param name="state">Configuration, counters and slots.</param>
    /// <param name="initialAddresses">What init-addr made of each server, by its index; null = none.</param>
    /// <param name="options">About the process.</param>
    public ControlPlane(BalancerState state, IReadOnlyList<IPAddress?> initialAddresses, ControlOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(initialAddresses.Count, state.Config.Servers.Count);
        State = state;
        Options = options;
        MaxConn = options.MaxConn;
        var g = state.Config.Global;
        string? host = g.LogSendHostname is { } h ? (h.Length > 0 ? h : Environment.MachineName) : null;
        _logs = new LogSink(state.Config, new LogIdentity(g.LogTag ?? "haproxy", host, options.Pid));
        foreach (var p in state.Config.Proxies)
        {
            var runtime = new ProxyRuntime(p);
            runtime.MaxConn = p.MaxConn > 0 ? p.MaxConn : options.MaxConn;
            _proxies.Add(runtime);
        }

        foreach (var s in state.Config.Servers)
        {
            var r = new ServerRuntime(s, _proxies[s.Proxy], initialAddresses[s.Index]);
            _servers.Add(r);
            _byIndex.Add(r);
            _proxies[s.Proxy].Servers.Add(r);
        }

        foreach (var s in _servers.Where(s => s.Config.Track is not null))
        {
            Track(s, s.Config.Track!);
        }

        _operations = new ServerOperations(
            state, _servers, Report, i => _dataPlane?.ShutdownSessions(i), () => _changed = true);
        _checker = new HealthChecker(_loop, state, (s, report, duration) =>
        {
            _operations.OnCheck(s, report.Status, report.Code, report.Info, duration, EventLoop.Now);
            Flush();
        }, (s, report, duration) =>
        {
            _operations.OnAgent(s, report, duration, EventLoop.Now);
            Flush();
        }, s => _operations.StateHeader(s, g.NodeName ?? Environment.MachineName))
        {
            Connections = s => state.Counters.Sum(state.Counters.Server(s.Config.Index), Counter.SessionsCurrent),
        };
        _operations.LeftMaintenance = s => _checker.CheckNow(s);
        _operations.CheckSoon = s => _checker.CheckWithin(s, s.Config.FastInter ?? s.Config.Inter);
        if (state.Observer is { } observer)
        {
            observer.Reached = OnErrors;
        }

        _resolvers = new ResolverService(_loop, OnResolved);
        foreach (var r in state.Config.Resolvers)
        {
            _resolvers.AddSection(r);
        }

        Statistics = new StatCollector(state, _proxies);
        Info = new ProcessInfo(state, options, g.NodeName ?? Environment.MachineName);
        _cli = new Cli.CliServer(_loop, this);
        Local = new StatsService(this);
        _thread = new Thread(_loop.Run) { Name = "buoy-control", IsBackground = true };
    }

    /// <summary>Configuration, counters and slots.</summary>
    public BalancerState State { get; }

    /// <summary>About the process.</summary>
    public ControlOptions Options { get; }

    /// <summary>Where shards log.</summary>
    public ILogSink Logs => _logs;

    /// <summary>The rings of the configuration by name.</summary>
    internal IReadOnlyDictionary<string, LogRing> Rings => _logs.Rings;

    /// <summary>Answers the statistics page.</summary>
    public ILocalService Local { get; }

    internal StatCollector Statistics { get; }

    internal ProcessInfo Info { get; }

    internal ServerOperations Operations => _operations;

    internal IReadOnlyList<ProxyRuntime> Proxies => _proxies;

    internal IReadOnlyList<ServerRuntime> Servers => _servers;

    /// <summary>The server of that <see cref="ServerConfig.Index"/>, also one that was deleted.</summary>
    internal ServerRuntime ServerAt(int index) => _byIndex[index];

    internal ResolverService Resolvers => _resolvers;

    internal HealthChecker Checker => _checker;

    internal IDataPlane? DataPlane => _dataPlane;

    internal Cli.CliServer Cli => _cli;

    internal int MaxConn { get; set; }

    /// <summary>Per second, 0 = none.</summary>
    internal int ConnectionRateLimit { get; set; }

    /// <inheritdoc cref="ConnectionRateLimit"/>
    internal int SessionRateLimit { get; set; }

    /// <summary>Opens what needs privileges or paths outside the chroot: log targets and stats sockets.</summary>
    /// <returns>What failed, in HAProxy's words; empty = all well.</returns>
    public IReadOnlyList<string> Prepare() => [.. _logs.Open(), .. _cli.Bind()];

    /// <summary>
    /// In a worker: takes connections of the runtime API from the master over <paramref name="channel"/>;
    /// <paramref name="gone"/> is called on the control thread when the master has ended.
    /// </summary>
    public void AttachMaster(int channel, Action gone) => _loop.Post(() => _cli.AttachMaster(channel, gone));

    /// <summary>Fills the slots, starts the threads, the checks and the resolutions.</summary>
    public void Start(IDataPlane dataPlane)
    {
        _dataPlane = dataPlane;
        long now = EventLoop.Now;
        foreach (var p in _proxies)
        {
            p.LastChange = now;
        }

        _operations.Begin(now);
        Flush();
        _logs.Start();
        _loop.Post(Begin);
        _started = true;
        _thread.Start();
    }

    /// <summary>Soft stop: reports every proxy stopped and closes the stats sockets. From any thread.</summary>
    public void Stopping() => _loop.Post(() =>
    {
        if (_stopping)
        {
            return;
        }

        _stopping = true;
        _cli.StopListening();
        foreach (var p in _proxies.Where(p => p.Config.HasFrontend).Concat(_proxies.Where(p => !p.Config.HasFrontend)))
        {
            StopProxy(p);
        }
    });

    /// <summary>Ends the thread, closes everything, sends the log lines that wait.</summary>
    public void Dispose()
    {
        if (_started)
        {
            _loop.Stop();
            _thread.Join();
        }

        _checker.Dispose();
        _resolvers.Dispose();
        _cli.Dispose();
        _loop.Dispose();
        _logs.Dispose();
    }

    /// <summary>Runs on the control thread, from any.</summary>
    internal void Post(Action work) => _loop.Post(work);

    /// <summary>Tells the shards if something changed since the last time.</summary>
    internal void Flush()
    {
        if (_changed)
        {
            _changed = false;
            _dataPlane?.ServersChanged();
        }
    }

    /// <summary>Marks a proxy stopped for good, and says so.</summary>
    internal void StopProxy(ProxyRuntime p)
    {
        if (p.Stopped)
        {
            return;
        }

        p.Stopped = true;
        var c = State.Counters;
        long fe = c.Sum(c.Frontend(p.Config.Index), Counter.ConnectionsTotal);
        long be = c.Sum(c.Backend(p.Config.Index), Counter.SessionsTotal);
        Report(p.Config.Index, Warning, FormattableString.Invariant(
            $"Proxy {p.Config.Name} stopped (cumulated conns: FE: {fe}, BE: {be})."));
    }

    /// <summary>A message about a proxy: to its log targets and to the console.</summary>
    internal void Report(int proxy, int level, string text)
    {
        _logs.Message(proxy, level, text);
        Options.Notice?.Invoke(level, text);
    }

    /// <summary>What <c>show info</c> asks beside the counters.</summary>
    internal ProcessInfo.Situation Situation() => new(
        _dataPlane?.ActiveConnections ?? 0,
        State.Config.Binds.Count(b => !_proxies[b.Proxy].Stopped && !_proxies[b.Proxy].Paused) + _cli.Listeners,
        _stopping, _logs.Dropped, _resolvers.Failed, MaxConn)
    {
        ConnectionRateLimit = ConnectionRateLimit, SessionRateLimit = SessionRateLimit,
    };

    /// <summary>Ties a server to the one it tracks, which the configuration is known to have.</summary>
    private void Track(ServerRuntime s, string track)
    {
        int slash = track.IndexOf('/');
        var backend = slash < 0 ? s.Backend : _proxies.First(p => p.Config.HasBackend && p.Config.Name == track[..slash]);
        s.Tracked = backend.Servers.First(o => o.Config.Name == track[(slash + 1)..]);
        s.Tracked.Trackers.Add(s);
    }

    /// <summary>A server joins the resolution of its name.</summary>
    internal bool Resolve(ServerRuntime s, string name)
    {
        if (s.Config.Resolvers is not { } section
                || _resolvers.Join(section, name, s.Config.ResolvePrefer == "ipv4") is not { } r)
        {
            return false;
        }

        if (s.Resolution is { } old)
        {
            _resolvers.Leave(old);
        }

        s.Fqdn = name;
        s.Resolution = r;
        return true;
    }

    private void OnErrors(int server, string last) => _loop.Post(() =>
    {
        _operations.OnErrors(_byIndex[server], last, EventLoop.Now);
        Flush();
    });

    private void Begin()
    {
        foreach (var s in _servers.Where(s => s.Fqdn is not null))
        {
            Resolve(s, s.Fqdn!);
        }

        foreach (var s in _servers.Where(s => s.Service is not null))
        {
            JoinService(s);
        }

        _checker.Start(_servers);
        _cli.Listen();
        Tick();
    }

    private void Tick()
    {
        long now = EventLoop.Now;
        Statistics.Tick(now);
        Info.Tick(now);
        foreach (var s in _servers)
        {
            _operations.OnTick(s, now);
        }

        Flush();
        _loop.Schedule(1000, Tick);
    }

    /// <summary>A round of a resolution ended: what does it mean for the servers of that name?</summary>
    private void OnResolved(Resolution r)
    {
        long now = EventLoop.Now;
        if (r.IsService)
        {
            Assign(r, now);
        }

        foreach (var s in _servers.Where(s => ReferenceEquals(s.Resolution, r)))
        {
            if (r.Status == ResolutionStatus.Valid)
            {
                Choose(s, r, now);
            }
            else if (r.HoldExpired(now))
            {
                _operations.LoseAddress(s, Why(r.Status), now);
            }
        }

        Flush();
    }

    /// <summary>
    /// The server keeps its address while it is among the answers; otherwise it takes the first that no other server
    /// of the same
    /// name and port in its backend has.
    /// </summary>
    private void Choose(ServerRuntime s, Resolution r, long now)
    {
        var addresses = r.Addresses.OrderBy(a => s.Config.ResolveNets.Any(n => n.Contains(a)) ? 0 : 1).ToList();
        var taken = s.Config.ResolveDuplicates ? [] : s.Backend.Servers
            .Where(
                o =>
                    o != s && ReferenceEquals(o.Resolution, r) && o.Port == s.Port && o.Address is not null
                        && !o.Health.InMaintenance)
            .Select(o => o.Address!).ToHashSet();
        var address = s.Address is { } current && addresses.Contains(current) && !taken.Contains(current)
            ? current : addresses.Find(a => !taken.Contains(a));
        if (address is null)
        {
            _operations.LoseAddress(s, "No IP for server ", now);
            return;
        }

        var from = _resolvers.AnsweredBy(r);
        if (!address.Equals(s.Address) && from is not null)
        {
            from.Counters.Updates++;
        }

        _operations.GainAddress(s, address, $"{r.Section.Name}/{from?.Name}", now);
    }

    private static string Why(ResolutionStatus status) => status switch
    {
        ResolutionStatus.Nx => "DNS NX status",
        ResolutionStatus.Refused => "DNS refused status",
        ResolutionStatus.Timeout => "DNS timeout status",
        _ => "unspecified DNS error",
    };
}
