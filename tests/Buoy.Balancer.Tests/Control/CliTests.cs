using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control.Cli;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Tests.Control;

public sealed class CliTests
{
    private static readonly SourcePlace Here = new("h.cfg", 3);

    private static BalancerConfig Config(Scratch d, Func<ServerConfig, ServerConfig>? server = null) =>
        new ModelBuilder(d["log"], d["s"]).Socket(d["op"], "operator")
            .Proxy("fe", ProxyKind.Frontend, p => p with { DefaultBackend = 1 })
            .Proxy("b", ProxyKind.Backend, null, ModelBuilder.Server("s1", 81, server), ModelBuilder.Server("s2", 82))
                .Build();

    private static Socket Connect(string path)
    {
        var s = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 15000 };
        s.Connect(new UnixDomainSocketEndPoint(path));
        return s;
    }

    private static string Until(Socket s, string end)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        while (!text.ToString().EndsWith(end, StringComparison.Ordinal))
        {
            int n = s.Receive(buffer);
            Assert.NotEqual(0, n);
            text.Append(Encoding.UTF8.GetString(buffer, 0, n));
        }

        return text.ToString();
    }

    [Fact]
    public void Prompt_TurnsOnAndOff()
    {
        using var d = new Scratch();
        using var rig = new ControlRig(Config(d)).Start();
        using var s = Connect(d["s"]);
        s.Send("prompt\n"u8);
        Assert.Equal("\n> ", Until(s, "> "));
        s.Send("show backend;get weight b/s1\n"u8);
        Assert.Equal("# name\nb\n\n> 1 (initial 1)\n\n> ", Until(s, ")\n\n> "));
        s.Send("show cli lev"u8);
        s.Send("el\n"u8);
        Assert.Equal("admin\n\n> ", Until(s, "> "));
        s.Send("prompt\n"u8);
        Assert.Equal("\n", CliClient.ReadAll(s));
    }

    [Fact]
    public void Sessions_AboveTheLimit_WaitForAFreeOne()
    {
        using var d = new Scratch();
        using var rig = new ControlRig(Config(d)).Start();
        var held = Enumerable.Range(0, 10).Select(_ =>
        {
            var s = Connect(d["s"]);
            s.Send("prompt\n"u8);
            Until(s, "> ");
            return s;
        }).ToList();
        using var eleventh = Connect(d["s"]);
        eleventh.Send("get weight b/s1\n"u8);
        Assert.False(eleventh.Poll(TimeSpan.FromMilliseconds(200), SelectMode.SelectRead));
        held[3].Dispose();
        Assert.Equal("1 (initial 1)\n\n", CliClient.ReadAll(eleventh));
        held.ForEach(s => s.Dispose());
    }

    [Fact]
    public void Quit_EndsAtOnce()
    {
        using var d = new Scratch();
        using var rig = new ControlRig(Config(d)).Start();
        Assert.Equal("1 (initial 1)\n\n", CliClient.Ask(d["s"], "get weight b/s1;quit;get weight b/s2"));
    }

    [Fact]
    public void LastLine_WithoutItsEnd_IsAnsweredToo()
    {
        using var d = new Scratch();
        using var rig = new ControlRig(Config(d)).Start();
        using var s = Connect(d["s"]);
        s.Send("get weight b/s1"u8);
        s.Shutdown(SocketShutdown.Send);
        Assert.Equal("1 (initial 1)\n\n", CliClient.ReadAll(s));
    }

    [Fact]
    public void Line_LongerThanABuffer_EndsTheSession()
    {
        using var d = new Scratch();
        using var rig = new ControlRig(Config(d)).Start();
        using var s = Connect(d["s"]);
        bool ended = false;
        try
        {
            for (int i = 0; i < 64 && !ended; i++)
            {
                s.Send(new byte[4096]);
            }

            ended = s.Receive(new byte[1]) == 0;
        }
        catch (SocketException e) when (
            e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown or SocketError.ConnectionAborted)
        {
            ended = true;
        }

        Assert.True(ended);
        Assert.Contains("admin", CliClient.Ask(d["s"], "show cli level"));
    }

    [Fact]
    public void UnknownCommand_IsAnsweredWithNearOnes()
    {
        using var d = new Scratch();
        using var rig = new ControlRig(Config(d)).Start();
        string near = CliClient.Ask(d["s"], "sho stat");
        Assert.StartsWith("Unknown command, but maybe one of the following ones is a better match:\n", near);
        Assert.Contains("\n  show stat [desc|json|no-maint|typed|up]*: report counters for each proxy and server\n",
            near);
        Assert.EndsWith("  quit                                    : disconnect\n\n", near);
        string all = CliClient.Ask(d["s"], "zzzzzzzzz");
        Assert.StartsWith("Unknown command. Please enter one of the following commands only:\n", all);
        Assert.Equal(all.Split('\n')[1..], CliClient.Ask(d["s"], "help").Split('\n')[1..]);
        Assert.Equal(1 + 4 + 2, CliClient.Ask(d["s"], "help set server").Split('\n').Length);
    }

    [Theory]
    [InlineData("show stat", "show|stat")]
    [InlineData("a;b c ; ;d;", "a/b|c//d")]
    [InlineData(@"show\ stat \;x;y", "show stat|;x/y")]
    [InlineData("", "")]
    public void Line_IsSplitAtSemicolonsAndBlanks(string line, string expected) =>
        Assert.Equal(expected, string.Join('/', CliParser.Split(line).Select(w => string.Join('|', w))));

    [Fact]
    public void Commands_ReachTheShards()
    {
        using var d = new Scratch();
        using var rig = new ControlRig(Config(d, s => s with { OnMarkedDown = "shutdown-sessions" })).Start();
        ServerSlot Slot(int i) => rig.State.Servers[i];
        Assert.Equal((1, 1, 81), (Slot(0).Eligible, Slot(0).Weight, Slot(0).Port));
        CliClient.Ask(d["s"], "set server b/s1 weight 9");
        Assert.Equal((1, 9), (Slot(0).Eligible, Slot(0).Weight));
        CliClient.Ask(d["s"], "set server b/s1 state drain");
        Assert.Equal((1, 0), (Slot(0).Eligible, Slot(0).Weight));
        CliClient.Ask(d["s"], "set server b/s1 state maint");
        Assert.Equal(0, Slot(0).Eligible);
        Assert.Equal(1, Slot(1).Eligible);
        CliClient.Ask(d["s"], "set server b/s2 addr 127.0.0.7 port 99;set maxconn server b/s2 4");
        Assert.Equal((99, 4), (Slot(1).Port, Slot(1).MaxConn));
        CliClient.Ask(
            d["s"], "disable frontend fe;enable frontend fe;shutdown frontend fe;shutdown sessions server b/s2");
        Assert.Equal(
            ["shutdown 0", "frontend 0 False", "frontend 0 True", "frontend 0 False", "shutdown 1"],
            rig.Data.Take().Where(c => c != "changed"));
        Assert.Contains("changed", rig.Data.Take());
    }

    [Fact]
    public void Operator_MayClearMaximaButNotAll()
    {
        using var d = new Scratch();
        using var rig = new ControlRig(Config(d)).Start();
        Bump(rig.State.Counters, rig.State.Counters.Server(0));
        Assert.Contains("\nb,s1,0,0,0,5,,6,", CliClient.Ask(d["s"], "show stat"));
        Assert.Equal("\n", CliClient.Ask(d["op"], "clear counters"));
        Assert.Contains("\nb,s1,0,0,0,0,,6,", CliClient.Ask(d["s"], "show stat"));
        Assert.Equal("Permission denied\n\n", CliClient.Ask(d["op"], "clear counters all"));
        CliClient.Ask(d["s"], "clear counters all");
        Assert.Contains("\nb,s1,0,0,0,0,,0,", CliClient.Ask(d["s"], "show stat"));

        static unsafe void Bump(Counters c, int entity)
        {
            c.Block(1, entity)[(int)Counter.SessionsMax] = 5;
            c.Block(0, entity)[(int)Counter.SessionsTotal] = 2;
            c.Block(1, entity)[(int)Counter.SessionsTotal] = 4;
        }
    }

    [Fact]
    public void MaxConn_WithoutAWayToApplyIt_IsRefused()
    {
        using var d = new Scratch();
        using var rig = new ControlRig(Config(d)).Start();
        Assert.Equal("\n", CliClient.Ask(d["s"], "set maxconn frontend fe 5"));
        Assert.Contains("fe,FRONTEND,,,0,0,5,", CliClient.Ask(d["s"], "show stat"));
        Assert.Contains("maxconn 0 5", rig.Data.Take());
        Assert.Equal("\n", CliClient.Ask(d["s"], "set rate-limit connections global 7"));
        Assert.Equal("\n", CliClient.Ask(d["s"], "set rate-limit sessions global 9"));
        Assert.Contains("rate 7", rig.Data.Take());
        Assert.Contains("\nConnRateLimit: 7\n", CliClient.Ask(d["s"], "show info"));
    }

    [Fact]
    public void Prepare_ThatFails_SaysWhereAndWhy()
    {
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        int port = ((IPEndPoint)taken.LocalEndPoint!).Port;
        StatsSocketConfig[] sockets =
        [
            new("/nonexist/x", "admin", null, null, null, false, Here),
            new($"127.0.0.1:{port}", "admin", null, null, null, false, Here with { Line = 4 }),
        ];
        var config = new BalancerConfig
        {
            Global = new GlobalConfig { StatsSockets = sockets }, Proxies = [], Servers = [], Binds = [],
        };
        using var rig = new ControlRig(config);
        Assert.Equal(
            [
                "Binding [h.cfg:3] for frontend GLOBAL: " +
                    "cannot bind UNIX socket (No such file or directory) [/nonexist/x]",
                "Binding [h.cfg:4] for frontend GLOBAL: " +
                    $"cannot bind socket (Address already in use) for [127.0.0.1:{port}]",
            ],
            rig.Plane.Prepare());
    }

    [Fact]
    public void StatsSocket_HasItsModeAndServesTcpToo()
    {
        using var d = new Scratch();
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var model = new ModelBuilder(d["log"], d["s"]).Socket($"fd@{listener.Handle}", "user");
        using var rig = new ControlRig(model.Build()).Start();
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(d["s"]));
        }

        using var client =
            new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 15000 };
        client.Connect(listener.LocalEndPoint!);
        client.Send("show cli level\n"u8);
        Assert.Equal("user\n\n", CliClient.ReadAll(client));
    }

    [Fact]
    public void SlowStart_PublishesGrowingSixteenths()
    {
        using var d = new Scratch();
        using var log = new LogListener(d["log"]);
        using var rig = new ControlRig(Config(d, s => s with { SlowStart = 1000, Weight = 10 })).Start();
        CliClient.Ask(d["s"], "set server b/s1 state maint;set server b/s1 state ready");
        Assert.InRange(rig.State.Servers[0].Weight, 10, 160);
        Assert.Equal(16, rig.State.Servers[1].Weight);
        log.WaitFor("Server b/s1 is UP. 2 active");
        Assert.Equal(160, rig.State.Servers[0].Weight);
    }

    [Fact]
    public void Stopping_ReportsEveryProxyAndClosesTheSockets()
    {
        using var d = new Scratch();
        using var log = new LogListener(d["log"]);
        using var rig = new ControlRig(Config(d)).Start();
        rig.Plane.Stopping();
        log.WaitFor("Proxy b stopped");
        Assert.Equal(
            ["<132>Proxy fe stopped (cumulated conns: FE: 0, BE: 0).\n",
                "<132>Proxy b stopped (cumulated conns: FE: 0, BE: 0).\n"],
            log.Comparable());
        Assert.Throws<SocketException>(() => CliClient.Ask(d["s"], "show info"));
    }
}
