using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Logging;
using Buoy.Balancer.State;
using Buoy.Balancer.Tests.Control;
using CsCheck;

namespace Buoy.Balancer.Tests.Logging;

public sealed class LoggingTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 2, 14, 2, 15, 67, TimeSpan.Zero);
    private static readonly SourcePlace Here = new("t", 1);

    private static BalancerConfig Config(
        LogFormatKind format, ProxyMode mode = ProxyMode.Tcp, Func<ProxyConfig, ProxyConfig>? more = null) =>
        new ModelBuilder("/nowhere", "/nowhere")
            .Proxy("fnt", ProxyKind.Frontend, p => (more ?? (x => x))(p with { LogFormat = format, Mode = mode }))
            .Proxy("bck", ProxyKind.Backend, null, ModelBuilder.Server("srv1", 80))
            .Build();

    private static SessionLog Log(string termination = "--") => new()
    {
        Frontend = 0, Bind = 0, Backend = 1, Server = 0, Client = new(IPAddress.Parse("10.0.1.2"), 33313),
        Local = new(IPAddress.Parse("10.0.1.1"), 443), Accepted = At, QueueMs = 0, ConnectMs = 1, TotalMs =
            5007, BytesToClient = 212,
        Termination = termination, BytesFromClient = 10, FrontendConnections = 3, ActiveConnections =
            4, BackendConnections = 2,
        ServerConnections = 1,
    };

    private static string Local(string format) =>
        At.ToLocalTime().ToString(format, System.Globalization.CultureInfo.InvariantCulture);

    [Fact]
    public void TcpLine_IsTheManuals() => Assert.Equal(
        $"10.0.1.2:33313 [{Local("dd/MMM/yyyy:HH:mm:ss.fff")}] fnt bck/srv1 0/1/5007 212 -- 4/3/2/1/0 0/0",
        SessionLine.Format(Config(LogFormatKind.Tcp), Log()));

    [Fact]
    public void TcpLine_WithoutServer_NamesNoServer() => Assert.Equal(
        $"10.0.1.2:33313 [{Local("dd/MMM/yyyy:HH:mm:ss.fff")}] fnt bck/<NOSRV> -1/-1/0 0 SC 4/3/2/1/+2 0/1",
        SessionLine.Format(Config(LogFormatKind.Tcp), Log("SC") with
        {
            Server = -1, QueueMs = -1, ConnectMs = -1, TotalMs = 0, BytesToClient = 0, Retries = 2, Redispatched =
                true, BackendQueue = 1,
        }));

    [Fact]
    public void HttpLine_IsTheManuals() => Assert.Equal(
        $"10.0.1.2:33313 [{Local("dd/MMM/yyyy:HH:mm:ss.fff")}] fnt bck/srv1 10/0/1/69/5007 200 212 " +
        "- - ---- 4/3/2/1/0 0/0 \"GET /a#22#01 HTTP/1.1\"",
        SessionLine.Format(Config(LogFormatKind.Http, ProxyMode.Http), Log("----") with
        {
            RequestMs = 10, ResponseMs = 69, Status = 200, Request = "GET /a\"\u0001 HTTP/1.1",
        }));

    [Fact]
    public void HttpLine_WithoutRequest_SaysBadRequest() => Assert.Contains(
        " fnt fnt/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 4/3/2/1/0 0/0 \"<BADREQ>\"",
        SessionLine.Format(Config(LogFormatKind.Http, ProxyMode.Http), Log("PR--") with
        {
            Backend = -1, Server = -1, RequestMs = -1, QueueMs = -1, ConnectMs = -1, ResponseMs = -1, TotalMs =
                0, Status = 400, BytesToClient = 0,
        }));

    [Theory]
    [InlineData(ProxyMode.Tcp, "TCP")]
    [InlineData(ProxyMode.Http, "HTTP")]
    public void DefaultLine_SaysFromWhereToWhere(ProxyMode mode, string name) => Assert.Equal(
        $"Connect from 10.0.1.2:33313 to 10.0.1.1:443 (fnt/{name})",
            SessionLine.Format(Config(LogFormatKind.None, mode), Log()));

    [Theory]
    [InlineData("", null, @"^<149>Nov  2 \d\d:02:15 haproxy\[7\]: hello\n$")]
    [InlineData("", "vm", @"^<149>Nov  2 \d\d:02:15 vm haproxy\[7\]: hello\n$")]
    [InlineData("local", "vm", @"^<149>Nov  2 \d\d:02:15 haproxy\[7\]: hello\n$")]
    [InlineData("rfc3164", "vm", @"^<149>Nov  2 \d\d:02:15 vm haproxy\[7\]: hello\n$")]
    [InlineData("rfc5424", null, @"^<149>1 2026-11-02T\d\d:02:15\.067000[+-]\d\d:\d\d - haproxy 7 - - hello\n$")]
    [InlineData("rfc5424", "vm", @"^<149>1 2026-11-02T\d\d:02:15\.067000[+-]\d\d:\d\d vm haproxy 7 - - hello\n$")]
    [InlineData("priority", null, "^<149>hello\n$")]
    [InlineData("short", null, "^<5>hello\n$")]
    [InlineData("timed", null, @"^<5>2026-11-02T\d\d:02:15\.067000[+-]\d\d:\d\d hello\n$")]
    [InlineData("iso", null, @"^2026-11-02T\d\d:02:15\.067000[+-]\d\d:\d\d hello\n$")]
    [InlineData("raw", null, "^hello\n$")]
    public void Header_OfEveryFormat_IsHaproxys(string format, string? host, string pattern)
    {
        var t =
            new LogTarget(
                new LogTargetConfig("/nowhere", format, 18, 7, 0, 1024, Here), new LogIdentity("haproxy", host, 7));
        Assert.Matches(pattern, t.Line(5, At, "hello"));
    }

    [Fact]
    public void Levels_AreLimitedAndRaised()
    {
        using var d = new Scratch();
        using var info = new LogListener(d["a"]);
        using var notice = new LogListener(d["b"]);
        var model = new ModelBuilder(d["a"], d["s"]);
        model.Logs.Add(new LogTargetConfig(d["b"], "raw", 16, 5, 3, 1024, Here));
        model.Logs[0] = model.Logs[0] with { Format = "short" };
        model.Logs.Add(new LogTargetConfig(d["b"], "short", 16, 5, 3, 1024, Here));
        using (var sink = new LogSink(model.Build(), new LogIdentity("t", null, 1)))
        {
            Assert.Empty(sink.Open());
            sink.Start();
            sink.Message(-1, 6, "info");
            sink.Message(-1, 1, "alert");
        }

        info.WaitFor("alert");
        notice.WaitFor("<3>alert");
        Assert.Equal(["<6>info\n", "<1>alert\n"], info.Lines);
        Assert.Equal(["alert\n", "<3>alert\n"], notice.Lines);
    }

    [Fact]
    public void Sessions_ThatAreNullOrNormal_AreLeftOutOnDemand()
    {
        using var d = new Scratch();
        using var log = new LogListener(d["a"]);
        var config = new ModelBuilder(d["a"], d["s"])
            .Proxy("f", ProxyKind.Frontend, p => p with { LogFormat = LogFormatKind.Tcp, DontLogNull = true })
            .Proxy("g", ProxyKind.Frontend, p => p with { LogFormat = LogFormatKind.Tcp, DontLogNormal = true })
                .Build();
        using (var sink = new LogSink(config, new LogIdentity("t", null, 1)))
        {
            sink.Open();
            sink.Start();
            sink.Session(Log() with { Backend = -1, Server = -1, BytesFromClient = 0 });
            sink.Session(Log() with { Frontend = 1, Backend = -1, Server = -1 });
            sink.Session(Log("cD") with { Frontend = 1, Backend = -1, Server = -1 });
            sink.Message(-1, 0, "end");
        }

        log.WaitFor("end");
        Assert.Contains(" cD ", Assert.Single(log.Lines, l => l.Contains("NOSRV")));
    }

    [Fact]
    public void Target_ThatDoesNotRead_LosesLinesAndBlocksNobody()
    {
        using var d = new Scratch();
        using var deaf = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        deaf.Bind(new UnixDomainSocketEndPoint(d["a"]));
        using var sink = new LogSink(new ModelBuilder(d["a"], d["s"]).Build(), new LogIdentity("t", null, 1));
        Assert.Empty(sink.Open());
        sink.Start();
        for (int i = 0; i < 5000; i++)
        {
            sink.Message(-1, 5, "line");
        }

        sink.Dispose();
        Assert.InRange(sink.Dropped, 1, 5000);
    }

    [Fact]
    public void Target_ThatComesBack_IsFoundAgain()
    {
        using var d = new Scratch();
        var config = new LogTargetConfig(d["a"], "raw", 16, 7, 0, 1024, Here);
        using var t = new LogTarget(config, new LogIdentity("t", null, 1));
        Assert.Null(t.Connect());
        Assert.False(t.Send(5, At, "lost", 0));
        using (var first = new LogListener(d["a"]))
        {
            Assert.False(t.Send(5, At, "too soon", 999));
            Assert.True(t.Send(5, At, "one", 1000));
            first.WaitFor("one");
        }

        File.Delete(d["a"]);
        Assert.False(t.Send(5, At, "lost", 2000));
        using var second = new LogListener(d["a"]);
        Assert.True(t.Send(5, At, "two", 3000));
        second.WaitFor("two");
    }

    [Fact]
    public void Udp_AndLongLines_AreSentAndCut()
    {
        using var s =
            new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 15000 };
        s.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using var t =
            new LogTarget(
                new LogTargetConfig(s.LocalEndPoint!.ToString()!, "raw", 16, 7, 0, 80, Here),
                    new LogIdentity("t", null, 1));
        Assert.Null(t.Connect());
        Assert.True(t.Send(5, At, new string('x', 500), 0));
        var buffer = new byte[1000];
        Assert.Equal(new string('x', 79) + "\n", Encoding.ASCII.GetString(buffer, 0, s.Receive(buffer)));
    }

    [Fact]
    public void Target_OfARingNobodyDeclared_LosesItsLines()
    {
        using var t =
            new LogTarget(new LogTargetConfig("ring@x", "raw", 16, 7, 0, 80, Here), new LogIdentity("t", null, 1));
        Assert.Null(t.Connect());
        Assert.False(t.Send(5, At, "lost", 0));
    }

    [Fact]
    public void Ring_ThatIsFull_KeepsTheNewest()
    {
        using var ring = new LogRing(new RingConfig { Name = "r", Size = 29, MaxLength = 10 });
        foreach (string m in (string[])["first", "second", "third", "a message that is too long", "last"])
        {
            ring.Write(Encoding.ASCII.GetBytes(m));
        }

        Assert.Equal("second\nthird\na message \nlast\n", ring.Dump());
    }

    [Theory]
    [InlineData("<134>Nov  2 14:02:15 h app[12]: hi", "rfc5424", "<134>1 2026-11-02T14:02:15-00:00 h app 12 - - hi")]
    [InlineData("<134>1 2026-11-02T14:02:15.067+01:00 h app 12 i [x@1 a=\"b\"] hi", "rfc3164", "<134>Nov  2 14:02:15 h app[12]: hi")]
    [InlineData("<134>1 2026-11-02T14:02:15.067+01:00 h app 12 i [x@1 a=\"b] \"] hi", "", "<134>1 2026-11-02T14:02:15.067+01:00 h app 12 i [x@1 a=\"b] \"] hi")]
    [InlineData("<134>Nov  2 14:02:15 h app[12]: hi", "", "<134>Nov  2 14:02:15 h app[12]: hi")]
    [InlineData("<134>hi", "", "<134>hi")]
    [InlineData("hi", "", "hi")]
    [InlineData("hi", "priority", "<152>hi")]
    [InlineData("<999>hi", "short", "<7>hi")]
    [InlineData("", "raw", "")]
    public void Syslog_InAnyForm_GoesOutInTheFormAskedFor(string message, string format, string expected)
    {
        var parsed = SyslogMessage.Parse(Encoding.ASCII.GetBytes(message));
        Assert.Equal(expected + "\n", parsed.Write(format, 19, parsed.Level, At));
    }

    private static readonly string[] Heads = ["", "<134>", "<13>1 ", "<1>Nov  2 14:02:15 "];

    [Fact]
    public void Syslog_OfAnyBytes_NeverThrows() => Check.Sample(
        Gen.Select(Gen.Int[0, 3].Select(i => Heads[i]), Gen.Byte.Array[0, 120]),
        t => SyslogMessage.Parse([.. Encoding.ASCII.GetBytes(t.Item1), .. t.Item2]).Write("rfc5424", 1, 5, At),
        iter: 3000, threads: 1);
}
