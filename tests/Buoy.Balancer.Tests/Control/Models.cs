using System.Net;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Tests.Control;

/// <summary>Builds small configurations by hand; each proxy's ids are HAProxy's.</summary>
internal sealed class ModelBuilder(string log, string socket)
{
    private static readonly SourcePlace Here = new("test.cfg", 1);
    private readonly List<ProxyConfig> _proxies = [];
    private readonly List<ServerConfig> _servers = [];
    private readonly List<BindConfig> _binds = [];
    private readonly List<ResolversConfig> _resolvers = [];
    private readonly List<StatsSocketConfig> _sockets =
        [new StatsSocketConfig(socket, "admin", 0x180, null, null, false, Here)];

    public List<LogTargetConfig> Logs { get; } = [new LogTargetConfig(log, "", 16, 7, 0, 1024, Here)];

    public ModelBuilder Socket(string path, string level)
    {
        _sockets.Add(new StatsSocketConfig(path, level, 0x180, null, null, false, Here));
        return this;
    }

    public ModelBuilder Proxy(
        string name, ProxyKind kind, Func<ProxyConfig, ProxyConfig>? more = null, params ServerConfig[] servers)
    {
        int index = _proxies.Count;
        var own = servers.Select((s, i) => s with { Index = _servers.Count + i, Proxy = index, Id = i + 1 }).ToArray();
        _servers.AddRange(own);
        BindConfig[] binds = kind == ProxyKind.Backend ? [] :
            [new BindConfig { Index = _binds.Count, Proxy = index, Text = "127.0.0.1:1", EndPoint =
                new(IPAddress.Loopback, 1), Place = Here }];
        _binds.AddRange(binds);
        var p = new ProxyConfig
        {
            Index = index, Id = index + 2, Name = name, Kind = kind, Mode = ProxyMode.Tcp, TcpCheckOption = true, Place = Here, Servers =
                own, Binds = binds,
            Logs = Logs, Timeouts = new TimeoutsConfig { Client = 20_000, Server = 20_000, Connect = 1000 },
        };
        _proxies.Add(more is null ? p : more(p));
        return this;
    }

    public ModelBuilder Resolvers(ResolversConfig section)
    {
        _resolvers.Add(section);
        return this;
    }

    public static ServerConfig Server(string name, int port, Func<ServerConfig, ServerConfig>? more = null)
    {
        var s = new ServerConfig
        {
            Index = 0, Proxy = 0, Id = 0, Name = name, Host = "127.0.0.1", Port = port, Address =
                IPAddress.Loopback, Place = Here,
        };
        return more is null ? s : more(s);
    }

    public static ServerConfig Named(string name, string host, int port, Func<ServerConfig, ServerConfig>? more = null)
    {
        var s = Server(name, port) with { Host = host, Address = null, IsName = true, Resolvers = "dns" };
        return more is null ? s : more(s);
    }

    public BalancerConfig Build() => new()
    {
        Global = new GlobalConfig { Logs = Logs, StatsSockets = _sockets, StatsTimeout = 30_000 },
        Proxies = _proxies, Servers = _servers, Binds = _binds, Resolvers = _resolvers,
    };
}

/// <summary>Our control plane on a fake data plane.</summary>
internal sealed class ControlRig : IDisposable
{
    private readonly ServerTable _table;
    private readonly Counters _counters;

    public ControlRig(BalancerConfig config, int maxConn = 9980, Func<ControlOptions, ControlOptions>? more = null)
    {
        int room = config.Servers.Count + ServerTable.Spare;
        _table = new ServerTable(room);
        _counters = new Counters(2, config.Proxies.Count, room, config.Binds.Count);
        State = new BalancerState(config, _counters, _table, 2);
        var options = new ControlOptions { Name = "HAProxy", MaxConn = maxConn };
        Plane =
            new ControlPlane(State, [.. config.Servers.Select(s => s.Address)], more is null ? options : more(options));
    }

    public BalancerState State { get; }
    public ControlPlane Plane { get; }
    public FakeDataPlane Data { get; } = new();

    public ControlRig Start()
    {
        Assert.Empty(Plane.Prepare());
        Plane.Start(Data);
        return this;
    }

    public void Dispose()
    {
        Plane.Dispose();
        _counters.Dispose();
        _table.Dispose();
    }
}

/// <summary>The installed HAProxy on a configuration of the test.</summary>
internal sealed class HaproxyRig : IDisposable
{
    private readonly System.Diagnostics.Process _process;

    public HaproxyRig(Scratch scratch, string socket, string config)
    {
        string program = Buoy.Tests.SharedData.RequireProgram("haproxy");
        string file = scratch["haproxy.cfg"];
        File.WriteAllText(file, config);
        _process =
            System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(program, ["-db", "-f", file])
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
        })!;
        _process.ErrorDataReceived += (_, _) => { };
        _process.BeginErrorReadLine();
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        bool up = SpinWait.SpinUntil(() => _process.HasExited || Listens(socket), TimeSpan.FromSeconds(15))
            && !_process.HasExited;
        if (!up)
        {
            Dispose();
        }

        Assert.True(up, "haproxy did not start on the test's configuration");
    }

    /// <summary>The socket's file is there a moment before anybody listens.</summary>
    private static bool Listens(string path)
    {
        using var s = new System.Net.Sockets.Socket(
            System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream,
            System.Net.Sockets.ProtocolType.Unspecified);
        try
        {
            s.Connect(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (System.Net.Sockets.SocketException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
