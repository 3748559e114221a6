// The data plane with the configuration that bench-lb.sh gives to HAProxy, hard-built: TCP on 8001 and HTTP on 8002,
// both to 127.0.0.1:900. First argument: threads (default 1).
using System.Net;
using System.Runtime.InteropServices;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine;
using Buoy.Balancer.State;

// Used now, so that it is open: when descriptors are exhausted, it is too late.
var standardError = Console.Error;
standardError.WriteLine("bench host");
int threads = args.Length > 0 ? int.Parse(args[0]) : 1;
var place = new SourcePlace("bench", 1);
var timeouts = new TimeoutsConfig { Connect = 5000, Client = 60_000, Server = 60_000 };
var servers = new List<ServerConfig>();
var binds = new List<BindConfig>();
var proxies = new List<ProxyConfig>();
AddPair("t", ProxyMode.Tcp, 8001);
AddPair("h", ProxyMode.Http, 8002);
var config = new BalancerConfig
{
    Global = new GlobalConfig { NbThread = threads, MaxConn = 7000 },
    Proxies = proxies,
    Servers = servers,
    Binds = binds,
};
using var counters = new Counters(threads, proxies.Count, servers.Count, binds.Count);
using var table = new ServerTable(servers.Count);
foreach (var s in servers)
{
    table.SetAddress(s.Index, s.Address, s.Port);
    table[s.Index].Weight = 1;
    table[s.Index].Eligible = 1;
}

var state = new BalancerState(config, counters, table, threads);
using var plane = new DataPlane(state, new MessagesOnly(standardError), null);
var errors = plane.Bind();
foreach (var (proxy, bind, error) in errors)
{
    standardError.WriteLine($"{proxy.Name} {bind.Text}: {error}");
}

if (errors.Count > 0)
{
    return 1;
}

plane.Start();
using var ended = new ManualResetEventSlim();
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c =>
{
    c.Cancel = true;
    ended.Set();
});
ended.Wait();
return 0;

void AddPair(string suffix, ProxyMode mode, int port)
{
    var bind = new BindConfig
    {
        Index = binds.Count,
        Proxy = proxies.Count,
        Text = $"127.0.0.1:{port}",
        EndPoint = new IPEndPoint(IPAddress.Loopback, port),
        Place = place,
    };
    var server = new ServerConfig
    {
        Index = servers.Count,
        Proxy = proxies.Count + 1,
        Id = 1,
        Name = "s1",
        Host = "127.0.0.1",
        Port = 900,
        Address = IPAddress.Loopback,
        Place = place,
    };
    binds.Add(bind);
    servers.Add(server);
    proxies.Add(new ProxyConfig
    {
        Index = proxies.Count,
        Id = proxies.Count + 2,
        Name = "f" + suffix,
        Kind = ProxyKind.Frontend,
        Mode = mode,
        Place = place,
        Binds = [bind],
        Timeouts = timeouts,
        DefaultBackend = proxies.Count + 1,
    });
    proxies.Add(new ProxyConfig
    {
        Index = proxies.Count,
        Id = proxies.Count + 2,
        Name = "b" + suffix,
        Kind = ProxyKind.Backend,
        Mode = mode,
        Place = place,
        Servers = [server],
        Timeouts = timeouts,
        HttpReuse = HttpReuse.Always,
    });
}

internal sealed class MessagesOnly(TextWriter output) : ILogSink
{
    public bool Wants(int frontend) => false;

    public void Session(in SessionLog log)
    {
    }

    public void Message(int proxy, int level, string text) => output.WriteLine(text);
}
