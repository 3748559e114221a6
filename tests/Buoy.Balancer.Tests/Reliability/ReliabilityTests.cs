using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Tests.Engine;
using Buoy.Balancer.Tests.RealProcess;
using Buoy.Linux;

namespace Buoy.Balancer.Tests.Reliability;

/// <summary>What a bad day brings, done to a real process: it lives, says one clear line, and gives everything back.</summary>
public sealed class ReliabilityTests
{
    private const string Request = "POST /x HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0123456789";
    private const string Reply = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX: y\r\n\r\nhello world!";

    [Fact]
    public void Slowloris_HoldsNobodyElseUp()
    {
        int count = Victim.Long ? 3000 : 300;
        using var server = Backend.Http(_ => Reply);
        using var v = new Victim(Http(server.Port, "timeout http-request 1500ms"));
        Assert.Contains("hello world!", Victim.Get(v.HttpPort));
        v.Remember();
        var slow = new List<Socket>();
        for (int i = 0; i < count; i++)
        {
            var s = Victim.Connect(v.HttpPort);
            s.Send(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "[..(1 + (i % 30))]));
            slow.Add(s);
        }

        for (int i = 0; i < 20; i++)
        {
            Assert.Contains("hello world!", Victim.Get(v.HttpPort));
        }

        foreach (var s in slow)
        {
            Assert.StartsWith("HTTP/1.0 408", Harness.ReadToEnd(s).Replace("HTTP/1.1", "HTTP/1.0"));
            s.Dispose();
        }

        v.MustBeAsBefore();
    }

    [Fact]
    public void HalfClosed_BothWays_LosesNothing()
    {
        using var echo = Backend.Echo();
        using var http = Backend.Http(_ => Reply);
        using var v = new Victim(Tcp(echo.Port) + Http(http.Port));
        byte[] big = new byte[3_000_000];
        new Random(1).NextBytes(big);
        v.Remember();
        for (int i = 0; i < 8; i++)
        {
            using var s = Victim.Connect(v.TcpPort);
            var sender = Harness.Spawn(() =>
            {
                s.Send(big);
                s.Shutdown(SocketShutdown.Send);
            });
            byte[] back = Harness.ReadExactly(s, big.Length);
            sender.Join();
            Assert.Equal(big, back);
            Assert.Equal(0, s.Receive(new byte[1]));
        }

        using (var s = Victim.Connect(v.HttpPort))
        {
            s.Send(Encoding.ASCII.GetBytes(Request));
            s.Shutdown(SocketShutdown.Send);
            Assert.EndsWith("hello world!", Harness.ReadToEnd(s));
        }

        v.MustBeAsBefore();
    }

    [Fact]
    public void Resets_AtEveryByte_LeaveNothing()
    {
        int cut = 0;
        using var bad = new Backend(s =>
        {
            _ = s.Receive(new byte[4096]);
            int n = Interlocked.Increment(ref cut) % (Reply.Length + 1);
            s.Send(Encoding.ASCII.GetBytes(Reply[..n]));
            s.LingerState = new LingerOption(true, 0);
        });
        using var good = Backend.Http(_ => Reply);
        using var v = new Victim(Http(bad.Port, "retries 0") + Tcp(good.Port));
        _ = Victim.Get(v.HttpPort);
        v.Remember();
        for (int n = 0; n <= Request.Length; n++)
        {
            foreach (int port in (int[])[v.HttpPort, v.TcpPort])
            {
                using var s = Victim.Connect(port);
                s.Send(Encoding.ASCII.GetBytes(Request[..n]));
                s.LingerState = new LingerOption(true, 0);
            }
        }

        for (int n = 0; n <= Reply.Length; n++)
        {
            using var s = Victim.Connect(v.HttpPort);
            s.Send(Encoding.ASCII.GetBytes(Request));
            try
            {
                Harness.ReadToEnd(s);
            }
            catch (SocketException)
            {
                // The server's reset may come through.
            }
        }

        v.MustBeAsBefore();
    }

    [Fact]
    public void ManyConnections_AtOnce_AllServedAndGivenBack()
    {
        // A connection takes two descriptors here (both ends are this process) and two in the balancer.
        const int Spare = 1000;
        int count = Victim.Long ? 15_000 : 2000;
        try
        {
            ProcessControl.SetOpenFiles(Math.Max((2L * count) + Spare, ProcessControl.OpenFilesHardLimit()));
        }
        catch (LinuxException)
        {
            count = (int)Math.Min(count, (ProcessControl.OpenFilesHardLimit() - Spare) / 2);
            ProcessControl.SetOpenFiles(ProcessControl.OpenFilesHardLimit());
        }

        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(4096);
        _ = Serve(listener);
        using var v = new Victim(Tcp(((IPEndPoint)listener.LocalEndPoint!).Port), $"maxconn {count + 100}");
        v.Remember();
        for (int round = 0; round < 2; round++)
        {
            var open = new List<Socket>(count);
            for (int i = 0; i < count; i++)
            {
                open.Add(Victim.Connect(v.TcpPort));
                open[^1].Send("x"u8);
            }

            Assert.All(open, s => Assert.Equal(1, s.Receive(new byte[4])));
            Assert.Equal(count, v.Info("CurrConns"));
            open.ForEach(s => s.Dispose());
            v.MustBeAsBefore(Victim.Long ? 300 : 100);
            if (round == 0)
            {
                v.Remember();
            }
        }
    }

    [Fact]
    public void Servers_DyingUnderLoad_CostRequestsButNothingElse()
    {
        int rounds = Victim.Long ? 100 : 6;
        using var steady = Backend.Http(_ => Reply);
        int port = Harness.FreePort();
        using var v = new Victim($"""
            listen web
             mode http
             bind 127.0.0.1:HTTP
             option redispatch
             option http-server-close
             retries 3
             server a 127.0.0.1:{steady.Port} check inter 100ms
             server b 127.0.0.1:{port} check inter 100ms fall 1 rise 1

            """);
        v.Remember();
        bool stop = false;
        long good = 0, bad = 0;
        Thread[] clients = [.. Enumerable.Range(0, 4).Select(_ => Harness.Spawn(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                string answer = "";
                try
                {
                    answer = Victim.Get(v.HttpPort);
                }
                catch (SocketException)
                {
                    // A response that its server broke off.
                }

                Interlocked.Increment(ref answer.Contains("hello world!") ? ref good : ref bad);
            }
        }))];
        for (int i = 0; i < rounds; i++)
        {
            using (new Mortal(port))
            {
                v.Ask("show info");
                Assert.True(SpinWait.SpinUntil(() => Status(v) == "UP", 20_000));
            }

            Assert.True(SpinWait.SpinUntil(() => Status(v) == "DOWN", 20_000));
        }

        stop = true;
        Array.ForEach(clients, c => c.Join());
        Assert.True(good > rounds && bad < good, $"{good} good, {bad} bad");
        v.MustBeAsBefore();
        Assert.Contains("hello world!", Victim.Get(v.HttpPort));
    }

    [Fact]
    public void Descriptors_Exhausted_OneLineAndServiceReturns()
    {
        const int Limit = 90;
        using var echo = Backend.Echo();
        using var log = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 20_000 };
        string path = Path.Combine(Path.GetTempPath(), $"buoy-log{Guid.NewGuid():N}");
        log.Bind(new UnixDomainSocketEndPoint(path));
        try
        {
            using var v = new Victim(" log global\n" + Tcp(echo.Port), $"maxconn 1000\n ulimit-n {Limit}\n log {path} local0");
            using (var first = Victim.Connect(v.TcpPort))
            {
                Assert.Equal("x", Talk(first));
            }

            v.Remember();
            var open = Enumerable.Range(0, Limit).Select(_ => Victim.Connect(v.TcpPort)).ToList();
            string line = Line(log, "reached process FD limit");
            Assert.Contains("Please check 'ulimit-n' and restart.", line);
            open.ForEach(s => s.Dispose());
            v.MustBeAsBefore();

            // Those that were still in the listener's queue, and are gone already, may use it up for a moment once more.
            Assert.True(SpinWait.SpinUntil(() => Serves(v.TcpPort), 20_000), "it does not serve again");
            log.ReceiveTimeout = 1;
            Assert.DoesNotContain(Rest(log), l => l.Contains("FD limit"));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static bool Serves(int port)
    {
        try
        {
            using var s = Victim.Connect(port);
            return Talk(s) == "x";
        }
        catch (SocketException)
        {
            return false;
        }
    }

    [Fact]
    public void LogTarget_ThatHangs_HoldsNobodyUp()
    {
        int count = Victim.Long ? 20_000 : 1500;
        using var web = Backend.Http(_ => Reply);
        using var log = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        string path = Path.Combine(Path.GetTempPath(), $"buoy-log{Guid.NewGuid():N}");
        log.Bind(new UnixDomainSocketEndPoint(path));
        try
        {
            using var v = new Victim(
                " log global\n" + Http(web.Port, "option httplog"), $"log {path} local0");
            v.Remember();
            using (var s = Victim.Connect(v.HttpPort))
            {
                for (int i = 0; i < count; i++)
                {
                    s.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8);
                    Assert.EndsWith("hello world!", Harness.ReadUntil(s, "hello world!"));
                }
            }

            v.MustBeAsBefore();
            Assert.True(SpinWait.SpinUntil(() => v.Info("DroppedLogs") > 0, 20_000), "nothing was dropped: the target did not hang");
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Reload_EverySecondUnderLoad_RefusesAndResetsNothing()
    {
        int seconds = Victim.Long ? 60 : 5;
        using var stage = MasterStage.Ours();
        var p = stage.StartMaster();
        bool stop = false;
        long done = 0;
        var errors = new List<string>();
        Thread[] clients = [.. Enumerable.Range(0, 4).Select(i => Harness.Spawn(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                try
                {
                    using var s = i == 3 ? stage.ConnectUnix(isAbstract: true) : stage.Connect();
                    Assert.Equal("echo:x", MasterStage.Talk(s));
                    Interlocked.Increment(ref done);
                }
                catch (Exception e)
                {
                    lock (errors)
                    {
                        errors.Add(e.Message);
                    }

                    return;
                }
            }
        }))];
        var clock = Stopwatch.StartNew();
        for (int i = 1; i <= seconds; i++)
        {
            ProcessControl.Kill(p.Id, ProcessControl.SigUsr2);
            stage.WaitForLine("Loading success.", i + 1);
            long from = Interlocked.Read(ref done);

            // As fast as once a second, not faster; and there is traffic between any two.
            Assert.True(SpinWait.SpinUntil(
                () => errors.Count > 0 || (clock.ElapsedMilliseconds >= i * 1000 && Interlocked.Read(ref done) > from), 20_000));
        }

        stop = true;
        Array.ForEach(clients, c => c.Join());
        Assert.Empty(errors);
        Assert.True(SpinWait.SpinUntil(() => !stage.Master("show proc").Contains("old workers"), 20_000), "old workers stay");
        ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
        stage.End(p);
    }

    private static string Http(int port, string more = "") => $"""
        listen web
         mode http
         bind 127.0.0.1:HTTP
         option http-server-close
         {more}
         server s 127.0.0.1:{port}

        """;

    private static string Tcp(int port) => $"""
        listen raw
         mode tcp
         bind 127.0.0.1:TCP
         server s 127.0.0.1:{port}

        """;

    private static string Talk(Socket s)
    {
        s.Send("x"u8);
        byte[] buffer = new byte[4];
        return Encoding.ASCII.GetString(buffer, 0, s.Receive(buffer));
    }

    private static string Status(Victim v) =>
        v.Ask("show stat").Split('\n').First(l => l.StartsWith("web,b,", StringComparison.Ordinal)).Split(',')[17].Split(' ')[0];

    private static string Line(Socket log, string text)
    {
        byte[] buffer = new byte[8192];
        while (true)
        {
            string line = Encoding.UTF8.GetString(buffer, 0, log.Receive(buffer));
            if (line.Contains(text))
            {
                return line;
            }
        }
    }

    private static List<string> Rest(Socket log)
    {
        var lines = new List<string>();
        byte[] buffer = new byte[8192];
        while (log.Available > 0)
        {
            lines.Add(Encoding.UTF8.GetString(buffer, 0, log.Receive(buffer)));
        }

        return lines;
    }

    private static async Task Serve(Socket listener)
    {
        try
        {
            while (true)
            {
                _ = Echo(await listener.AcceptAsync());
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return;
        }
    }

    private static async Task Echo(Socket s)
    {
        byte[] buffer = new byte[16];
        try
        {
            for (int n; (n = await s.ReceiveAsync(buffer)) > 0;)
            {
                await s.SendAsync(buffer.AsMemory(0, n));
            }
        }
        catch (SocketException)
        {
            // Its client is gone.
        }

        s.Dispose();
    }

    /// <summary>A server on a given port that takes its connections with it when it dies.</summary>
    private sealed class Mortal : IDisposable
    {
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private readonly List<Socket> _open = [];
        private bool _dead;

        public Mortal(int port)
        {
            _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
            _listener.Listen(64);
            Harness.Spawn(Accept);
        }

        public void Dispose()
        {
            _listener.Dispose();
            lock (_open)
            {
                _dead = true;
                foreach (var s in _open)
                {
                    s.LingerState = new LingerOption(true, 0);
                    s.Dispose();
                }
            }
        }

        private void Accept()
        {
            try
            {
                while (true)
                {
                    var s = _listener.Accept();
                    lock (_open)
                    {
                        _open.Add(s);
                        if (_dead)
                        {
                            s.Dispose();
                        }
                    }

                    Harness.Spawn(() => Serve(s));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }

        private static void Serve(Socket s)
        {
            try
            {
                byte[] buffer = new byte[4096];
                while (s.Receive(buffer) > 0)
                {
                    s.Send(Encoding.ASCII.GetBytes(Reply));
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }
}
