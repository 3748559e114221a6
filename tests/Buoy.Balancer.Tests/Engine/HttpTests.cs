using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Tests.Engine;

public sealed class HttpTests
{
    private const string Hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

    private static string Path(string head) => head.Split(' ')[1];

    private static string Reply(string body) => $"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\n\r\n{body}";

    [Fact]
    public void KeepAlive_TwoRequests_ShareBothConnections()
    {
        using var backend = Backend.Http(h => Reply(Path(h)));
        using var h = new Harness([backend.Port], ProxyMode.Http);
        using var c = h.Connect();
        foreach (string path in new[] { "/a", "/bb", "/ccc" })
        {
            c.Send(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
            Assert.Equal($"HTTP/1.1 200 OK\r\ncontent-length: {path.Length}\r\n\r\n", Harness.ReadUntil(c, "\r\n\r\n"));
            Assert.Equal(path, Encoding.ASCII.GetString(Harness.ReadExactly(c, path.Length)));
        }

        Assert.Equal(1, backend.Connections);
        Assert.Equal(2, h.Server(0, Counter.Reused));
        Assert.Equal(3, h.Frontend(Counter.Requests));
        Assert.Equal(3, h.Backend(Counter.Http2xx));
    }

    [Fact]
    public void Pipelined_Requests_AreAnsweredInOrder()
    {
        using var backend = Backend.Http(h => Reply(Path(h)));
        using var h = new Harness([backend.Port], ProxyMode.Http);
        var requests = new StringBuilder();
        for (int i = 0; i < 50; i++)
        {
            requests.Append($"GET /{i:00} HTTP/1.1\r\nHost: x\r\n\r\n");
        }

        requests.Append("GET /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        string all = h.Exchange(requests.ToString());
        var bodies = all.Split("\r\n\r\n").Skip(1).Select(b => b.Split("HTTP/")[0]).ToArray();
        Assert.Equal(Enumerable.Range(0, 50).Select(i => $"/{i:00}").Append("/end"), bodies);
        Assert.EndsWith("connection: close\r\n\r\n/end", all);
    }

    [Fact]
    public void Request_InSingleBytes_IsUnderstood()
    {
        using var backend = Backend.Http(h => Reply(h.Replace("\r\n", "|")));
        using var h = new Harness(
            [backend.Port], ProxyMode.Http, backend: b => b with { ForwardFor = new("X-Forwarded-For", false, null) });
        using var c = h.Connect();
        foreach (byte b in "GET /x HTTP/1.1\r\nHOST:  x \r\nConnection: close, X-Foo\r\nX-Foo: 1\r\n\r\n"u8.ToArray())
        {
            c.Send([b]);
        }

        Assert.EndsWith(
            "\r\n\r\nGET /x HTTP/1.1|host: x|connection: X-Foo|x-foo: 1|x-forwarded-for: 127.0.0.1||",
            Harness.ReadToEnd(c));
    }

    [Fact]
    public void ChunkedBothWays_PassUnchanged()
    {
        const string Body = "5;ext=1\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n";
        using var backend = new Backend(s =>
        {
            string head = Harness.ReadUntil(s, "\r\n\r\n");
            Assert.Contains("transfer-encoding: chunked\r\n", head);
            var body = Harness.ReadExactly(s, Body.Length);
            s.Send(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
            s.Send(body);
            s.Send(Encoding.ASCII.GetBytes(Reply(Path(Harness.ReadUntil(s, "\r\n\r\n")))));
        });
        using var h = new Harness([backend.Port], ProxyMode.Http);
        string all = h.Exchange(
            "POST /1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + Body
            + "GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        Assert.Equal(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + Body
            + "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n/2", all);
        Assert.Equal(1, backend.Connections);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(65_000)]
    [InlineData(70_000)]
    [InlineData(5_000_000)]
    public void LargeBodies_BothWays_Arrive(int size)
    {
        var data = new byte[size];
        new Random(size).NextBytes(data);
        using var backend = new Backend(s =>
        {
            for (int i = 0; i < 2; i++)
            {
                Harness.ReadUntil(s, "\r\n\r\n");
                var body = Harness.ReadExactly(s, size);
                s.Send(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"));
                s.Send(body);
            }
        });
        using var h = new Harness([backend.Port], ProxyMode.Http);
        using var c = h.Connect();
        for (int i = 0; i < 2; i++)
        {
            c.Send(Encoding.ASCII.GetBytes($"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"));
            var sender = Harness.Spawn(() => c.Send(data));
            Harness.ReadUntil(c, "\r\n\r\n");
            Assert.True(Harness.ReadExactly(c, size).AsSpan().SequenceEqual(data));
            sender.Join();
        }

        Assert.Equal(1, backend.Connections);
    }

    [Fact]
    public void ResponseUntilClose_EndsWithClose()
    {
        using var backend = new Backend(s =>
        {
            Harness.ReadUntil(s, "\r\n\r\n");
            s.Send("HTTP/1.1 200 OK\r\n\r\n"u8);
            s.Send(new byte[300_000]);
        });
        using var h = new Harness([backend.Port], ProxyMode.Http);
        string all = h.Exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", all);
        Assert.Equal(300_000, all.Length - all.IndexOf("\r\n\r\n", StringComparison.Ordinal) - 4);
    }

    [Fact]
    public void Head_And304_HaveNoBody()
    {
        using var backend = Backend.Http(
            h => h.StartsWith("HEAD", StringComparison.Ordinal)
                ? "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
                : "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
        using var h = new Harness([backend.Port], ProxyMode.Http);
        string all = h.Exchange(
            "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        Assert.Equal(
            "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n"
            + "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\nconnection: close\r\n\r\n", all);
    }

    [Theory]
    [InlineData("GET / HT\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost : a\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n")]
    [InlineData("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n")]
    public void Request_Malformed_IsAnswered400AndNeverForwarded(string request)
    {
        using var backend = Backend.Http(_ => Hello);
        using var h = new Harness([backend.Port], ProxyMode.Http);
        Assert.StartsWith("HTTP/1.1 400 Bad request\r\n", h.Exchange(request));
        Assert.Equal(1, h.Frontend(Counter.RequestErrors));
        Assert.Equal(1, h.Frontend(Counter.Http4xx));
        Assert.Equal("PR--", h.Logs.Next().Termination);
        Assert.Equal(0, backend.Connections);
    }

    [Fact]
    public void ErrorFile_ReplacesBuiltInAnswer()
    {
        byte[] file = "HTTP/1.0 503 Mine\r\n\r\nsorry"u8.ToArray();
        using var h = new Harness(
            [Harness.FreePort()], ProxyMode.Http,
            backend: b => b with { Retries = 0, ErrorFiles = new Dictionary<int, byte[]> { [503] = file } });
        Assert.Equal("HTTP/1.0 503 Mine\r\n\r\nsorry", h.Exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        var log = h.Logs.Next();
        Assert.Equal(("SC--", 503, "GET / HTTP/1.1"), (log.Termination, log.Status, log.Request));
    }

    [Theory]
    [InlineData("request", "HTTP/1.1 408 Request Time-out", "cR--")]
    [InlineData("server", "HTTP/1.1 504 Gateway Time-out", "sH--")]
    [InlineData("junk", "HTTP/1.1 502 Bad Gateway", "PH--")]
    [InlineData("close", "HTTP/1.1 502 Bad Gateway", "SH--")]
    public void Exchange_ThatFails_IsAnsweredAndLogged(string how, string status, string termination)
    {
        using var backend = new Backend(s =>
        {
            Harness.ReadUntil(s, "\r\n\r\n");
            if (how == "junk")
            {
                s.Send("junk\r\n\r\n"u8);
            }

            if (how != "close")
            {
                s.Receive(new byte[1]);
            }
        });
        using var h = new Harness(
            [backend.Port], ProxyMode.Http,
            frontend: p => p with { Timeouts = p.Timeouts with { HttpRequest = how == "request" ? 60 : null } },
            backend: p => p with { Timeouts = p.Timeouts with { Server = how == "server" ? 60 : null } });
        string end = how == "request" ? "" : "\r\n";
        Assert.StartsWith(status, h.Exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + end));
        Assert.Equal(termination, h.Logs.Next().Termination);
        Assert.Equal(0, h.Backend(Counter.SessionsCurrent));
    }

    [Fact]
    public void KeepAliveTimeout_ClosesIdleConnectionSilently()
    {
        using var backend = Backend.Http(_ => Hello);
        using var h = new Harness(
            [backend.Port], ProxyMode.Http,
            frontend: p => p with { Timeouts = p.Timeouts with { HttpKeepAlive = 60 } });
        Assert.Equal(
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", h.Exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    }

    [Fact]
    public void Continue_IsPassedBeforeTheResponse()
    {
        using var backend = new Backend(s =>
        {
            Harness.ReadUntil(s, "\r\n\r\n");
            s.Send("HTTP/1.1 100 Continue\r\n\r\n"u8);
            Harness.ReadExactly(s, 3);
            s.Send(Encoding.ASCII.GetBytes(Hello));
        });
        using var h = new Harness([backend.Port], ProxyMode.Http);
        using var c = h.Connect();
        c.Send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"u8);
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", Harness.ReadUntil(c, "\r\n\r\n"));
        c.Send("abc"u8);
        Assert.Contains("200 OK", Harness.ReadUntil(c, "\r\n\r\n"));
    }

    [Fact]
    public void Upgrade_BecomesTunnel()
    {
        using var backend = new Backend(s =>
        {
            string head = Harness.ReadUntil(s, "\r\n\r\n");
            Assert.Contains("upgrade: echo\r\n", head);
            s.Send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi"u8);
            s.Send(Harness.ReadExactly(s, 4));
            Assert.Equal(0, s.Receive(new byte[1]));
            s.Send("end"u8);
        });
        using var h = new Harness([backend.Port], ProxyMode.Http);
        using var c = h.Connect();
        c.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"u8);
        Assert.Equal(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n",
            Harness.ReadUntil(c, "\r\n\r\n"));
        c.Send("ping"u8);
        c.Shutdown(SocketShutdown.Send);
        Assert.Equal("hiping" + "end", Harness.ReadToEnd(c));
    }

    [Theory]
    [InlineData(HttpReuse.Never, 4)]
    [InlineData(HttpReuse.Safe, 2)]
    [InlineData(HttpReuse.Always, 1)]
    public void Reuse_OverTwoClients_FollowsPolicy(HttpReuse reuse, int connections)
    {
        using var backend = Backend.Http(_ => Hello);
        using var h = new Harness([backend.Port], ProxyMode.Http, backend: b => b with { HttpReuse = reuse });
        for (int client = 0; client < 2; client++)
        {
            string all = h.Exchange(
                "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            Assert.Equal(2, all.Split("hello").Length - 1);
        }

        Assert.Equal(connections, backend.Connections);
    }

    [Fact]
    public void KeptServerConnections_AreNoMoreThanWereInUseAtOnce()
    {
        using var backend = Backend.Http(_ => Hello);
        using var h = new Harness([backend.Port], ProxyMode.Http);
        const int Clients = 4, Each = 50;
        var clients = Enumerable.Range(0, Clients).Select(_ => Harness.Spawn(() =>
        {
            for (int i = 0; i < Each; i++)
            {
                Assert.Contains("hello", h.Exchange("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
            }
        })).ToList();
        clients.ForEach(c => c.Join());
        SpinWait.SpinUntil(() => h.Server(0, Counter.SessionsCurrent) == 0, 15_000);

        // Each first request of a client has a connection of its own.
        Assert.Equal(Clients * Each, backend.Connections);
        Assert.InRange(h.Server(0, Counter.IdleConnections), 1, Clients);
    }

    [Fact]
    public void KeptServerConnection_ThatTheServerClosed_IsNotUsed()
    {
        using var closed = new BlockingCollection<int>();
        using var backend = new Backend(s =>
        {
            Harness.ReadUntil(s, "\r\n\r\n");
            s.Send(Encoding.ASCII.GetBytes(Hello));
            s.Close();
            closed.Add(1);
        });
        using var h = new Harness(
            [backend.Port], ProxyMode.Http, backend: b => b with { HttpReuse = HttpReuse.Always });
        using var c = h.Connect();
        for (int i = 0; i < 20; i++)
        {
            c.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8);
            Assert.Contains("200 OK", Harness.ReadUntil(c, "\r\n\r\n"));
            Harness.ReadExactly(c, 5);
            closed.Take();
            using var turned = new ManualResetEventSlim();
            h.Plane.Ping(turned.Set);
            Assert.True(turned.Wait(15_000));
        }

        Assert.Equal(20, backend.Connections);
    }

    [Fact]
    public void StopListening_KeptIdleClient_IsClosedAndBusyOneAfterItsResponse()
    {
        using var go = new ManualResetEventSlim();
        using var backend = Backend.Http(h =>
        {
            if (Path(h) == "/wait")
            {
                go.Wait();
            }

            return Hello;
        });
        using var h = new Harness([backend.Port], ProxyMode.Http);
        using var idle = h.Connect();
        idle.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8);
        Harness.ReadUntil(idle, "hello");
        using var busy = h.Connect();
        busy.Send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"u8);
        SpinWait.SpinUntil(() => h.Server(0, Counter.SessionsCurrent) == 1, 15_000);
        h.Plane.StopListening();
        Assert.Equal(0, idle.Receive(new byte[1]));
        go.Set();
        Assert.Contains("hello", Harness.ReadUntil(busy, "hello"));
    }

    [Fact]
    public void Queue_LongAndServerRefuses_EndsEveryoneWithoutDeepStack()
    {
        const int Waiting = 300;
        using var go = new ManualResetEventSlim();
        var backend = Backend.Http(_ =>
        {
            go.Wait();
            return "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        });
        using var h = new Harness(
            [backend.Port], ProxyMode.Http, backend: b => b with { Retries = 0 }, server: s => s with { MaxConn = 1 });
        var clients = Enumerable.Range(0, Waiting).Select(_ =>
        {
            var c = h.Connect();
            c.Send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"u8);
            return c;
        }).ToArray();
        SpinWait.SpinUntil(() => h.Backend(Counter.QueueCurrent) == Waiting - 1, 15_000);
        Assert.Equal(Waiting - 1, h.Backend(Counter.QueueMax));
        backend.StopAccepting();
        go.Set();
        var answers = clients.Select(c => Harness.ReadToEnd(c)[9..12]).CountBy(a => a).ToDictionary();
        Assert.Equal(1, answers["200"]);
        Assert.Equal(Waiting - 1, answers["503"]);
        Array.ForEach(clients, c => c.Dispose());
        backend.Dispose();
    }

    [Fact]
    public void ServerClose_ClosesServerKeepsClient()
    {
        using var backend = Backend.Http(h => Reply(h.Contains("connection: close") ? "told" : "not told"));
        using var h = new Harness(
            [backend.Port], ProxyMode.Http, frontend: f => f with { HttpConnection = HttpConnectionMode.ServerClose });
        string all = h.Exchange(
            "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        Assert.Equal(3, all.Split("told").Length);
        Assert.DoesNotContain("not told", all);
        Assert.Equal(2, backend.Connections);
    }

    [Fact]
    public void LocalService_AnswersWhatItMatches()
    {
        using var backend = Backend.Http(_ => Hello);
        using var h = new Harness([backend.Port], ProxyMode.Http, local: new EchoService());
        string all = h.Exchange(
            "POST /stats HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
            + "GET /other HTTP/1.1\r\nHost: x\r\n\r\n"
            + "POST /stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndefg");
        Assert.Equal("POST /stats abc|hello|POST /stats defg|", string.Concat(
            all.Split("\r\n\r\n").Skip(1).Select(b => b.Split("HTTP/")[0] + "|")));
        Assert.Equal(2, h.Frontend(Counter.Intercepted));
        Assert.Equal(1, h.Backend(Counter.SessionsTotal));
    }

    private sealed class EchoService : ILocalService
    {
        public bool Matches(int proxy, ReadOnlySpan<byte> target) => target.SequenceEqual("/stats"u8);

        public void Answer(LocalRequest request, Action<byte[], bool> reply)
        {
            string body = $"{request.Method} {request.Target} {Encoding.ASCII.GetString(request.Body)}";
            reply(Encoding.ASCII.GetBytes(Reply(body)), false);
        }
    }
}
