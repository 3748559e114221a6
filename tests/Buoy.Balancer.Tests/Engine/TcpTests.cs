using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine;
using Buoy.Balancer.State;
using Buoy.Linux;
using CsCheck;

namespace Buoy.Balancer.Tests.Engine;

public sealed class TcpTests
{
    [Fact]
    public void Pump_RandomSizesBothWays_ArriveUnchanged()
    {
        using var backend = Backend.Echo();
        using var h = new Harness([backend.Port]);
        Gen.Select(Gen.OneOf(Gen.Int[1, 300], Gen.Int[1, 200_000], Gen.Int[1, 3_000_000]), Gen.Int).Sample(
            (size, seed) =>
            {
                var data = new byte[size];
                new Random(seed).NextBytes(data);
                using var s = h.Connect();
                var sender = Harness.Spawn(() =>
                {
                    s.Send(data);
                    s.Shutdown(SocketShutdown.Send);
                });
                var back = Harness.ReadExactly(s, size);
                Assert.Equal(0, s.Receive(new byte[1]));
                sender.Join();
                return data.AsSpan().SequenceEqual(back);
            },
            iter: 60, threads: 1);
        Assert.Equal(0, h.Server(0, Counter.ConnectErrors));
    }

    [Fact]
    public void HalfClose_ByClient_ServerStillAnswers()
    {
        using var backend = new Backend(s =>
        {
            string got = Harness.ReadToEnd(s);
            s.Send(Encoding.ASCII.GetBytes("got " + got));
            s.Shutdown(SocketShutdown.Send);
        });
        using var h = new Harness([backend.Port]);
        using var c = h.Connect();
        c.Send("hello"u8);
        c.Shutdown(SocketShutdown.Send);
        Assert.Equal("got hello", Harness.ReadToEnd(c));
        var log = h.Logs.Next();
        Assert.Equal(("--", 5L, 9L, 0), (log.Termination, log.BytesFromClient, log.BytesToClient, log.Server));
    }

    [Fact]
    public void HalfClose_ByServer_ClientStillSends()
    {
        using var received = new BlockingCollection<string>();
        using var backend = new Backend(s =>
        {
            s.Send("bye"u8);
            s.Shutdown(SocketShutdown.Send);
            received.Add(Harness.ReadToEnd(s));
        });
        using var h = new Harness([backend.Port]);
        using var c = h.Connect();
        Assert.Equal("bye", Harness.ReadToEnd(c));
        c.Send("and thanks"u8);
        c.Shutdown(SocketShutdown.Send);
        Assert.True(received.TryTake(out string? got, 15_000));
        Assert.Equal("and thanks", got);
    }

    [Fact]
    public void BackPressure_SlowReader_BoundsWhatIsInFlight()
    {
        // What may be in flight: the balancer's own two kernel buffers at their largest, small ones at both ends, a
        // pipe.
        long bound = Largest("tcp_rmem") + Largest("tcp_wmem") + (4 << 20);
        long total = 3 * bound / 65536 * 65536;
        long sent = 0;
        using var backend = new Backend(s =>
        {
            s.SendBufferSize = 65536;
            var block = new byte[65536];
            for (long i = 0; i < total / block.Length; i++)
            {
                block.AsSpan().Fill((byte)i);
                Interlocked.Add(ref sent, s.Send(block));
            }
        });
        using var h = new Harness([backend.Port]);
        using var c = h.Connect(receiveBuffer: 65536);
        long read = 0;
        long worst = 0;
        while (read < total)
        {
            var got = Harness.ReadExactly(c, 65536);
            Assert.True(got[0] == (byte)(read / got.Length) && got[^1] == got[0]);
            read += got.Length;
            worst = Math.Max(worst, Interlocked.Read(ref sent) - read);
        }

        Assert.True(worst < bound, $"{worst} bytes in flight, at most {bound} expected");
        Assert.Equal(0, c.Receive(new byte[1]));
        Assert.True(h.Frontend(Counter.BytesSpliced) > 0);
    }

    private static long Largest(string sysctl) =>
        long.Parse(File.ReadAllText("/proc/sys/net/ipv4/" + sysctl).Split('\t')[2]);

    [Fact]
    public void ServerCloses_WhileClientKeepsSending_ResponseArrives()
    {
        using var backend = new Backend(s =>
        {
            s.Receive(new byte[10]);
            s.Send(new byte[100_000]);
            s.Close();
        });
        using var h = new Harness([backend.Port]);
        using var c = h.Connect();
        c.Send(new byte[10]);
        Assert.Equal(100_000, Harness.ReadExactly(c, 100_000).Length);
    }

    [Fact]
    public void Refused_NoRetryLeft_ClosesAndCounts()
    {
        using var h = new Harness([Harness.FreePort()], backend: b => b with { Retries = 0 });
        using var c = h.Connect();
        Assert.Equal(0, c.Receive(new byte[1]));
        var log = h.Logs.Next();
        Assert.Equal("SC", log.Termination);
        Assert.Equal(1, h.Server(0, Counter.ConnectErrors));
        Assert.Equal(0, h.Server(0, Counter.SessionsCurrent));
    }

    [Fact]
    public void Refused_Redispatch_GoesToAnotherServer()
    {
        using var good = Backend.Named("good");
        using var h = new Harness(
            [Harness.FreePort(), good.Port], backend: b => b with { Retries = 1, Redispatch = -1 });
        for (int i = 0; i < 4; i++)
        {
            using var c = h.Connect();
            Assert.Equal("good", Harness.ReadToEnd(c));
        }

        Assert.True(h.Server(0, Counter.Redispatches) > 0);
        Assert.Equal(4, h.Server(1, Counter.Selected));
    }

    [Fact]
    public void Refused_Retry_ReachesServerThatComesBack()
    {
        int port = Harness.FreePort();
        using var h = new Harness(
            [port], backend: b => b with { Timeouts = b.Timeouts with { Connect = 50 }, Retries = 100 });
        using var c = h.Connect();
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        SpinWait.SpinUntil(() => h.Server(0, Counter.Retries) > 0, 15_000);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        listener.Listen();
        using var s = listener.Accept();
        s.Send("late"u8);
        s.Close();
        Assert.Equal("late", Harness.ReadToEnd(c));
        c.Close();
        Assert.True(h.Logs.Next().Retries > 0);
    }

    [Theory]
    [InlineData("client", "cD")]
    [InlineData("server", "sD")]
    [InlineData("tunnel", "cD")]
    public void Timeout_OfIdleConnection_ClosesIt(string which, string termination)
    {
        using var backend = Backend.Echo();
        TimeoutsConfig Set(TimeoutsConfig t) => which switch
        {
            "client" => t with { Client = 60 },
            "server" => t with { Server = 60 },
            _ => t with { Tunnel = 60 },
        };
        using var h = new Harness(
            [backend.Port], frontend: p => p with { Timeouts = Set(p.Timeouts) },
            backend: p => p with { Timeouts = Set(p.Timeouts) });
        using var c = h.Connect();
        c.Send("x"u8);
        Harness.ReadExactly(c, 1);
        Assert.Equal(0, c.Receive(new byte[1]));
        Assert.Equal(termination, h.Logs.Next().Termination);
    }

    [Fact]
    public void Timeout_OfConnect_EndsWithSmallS()
    {
        using var full = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        full.Listen(0);
        var fillers = Enumerable.Range(0, 8).Select(_ =>
        {
            var s = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            try
            {
                s.Connect(full.LocalEndPoint!);
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
            {
                // Stays in the backlog, or knocks in vain: either way the queue is full.
            }

            return s;
        }).ToArray();
        using var h = new Harness(
            [((IPEndPoint)full.LocalEndPoint!).Port],
            backend: b => b with { Retries = 0, Timeouts = b.Timeouts with { Connect = 60 } });
        using var c = h.Connect();
        Assert.Equal(0, c.Receive(new byte[1]));
        Assert.Equal("sC", h.Logs.Next().Termination);
        Array.ForEach(fillers, f => f.Dispose());
    }

    [Fact]
    public void RoundRobin_EqualWeights_TurnsExactly()
    {
        var backends = "abc".Select(n => Backend.Named(n.ToString())).ToArray();
        using var h = new Harness([.. backends.Select(b => b.Port)]);
        var order = new StringBuilder();
        for (int i = 0; i < 9; i++)
        {
            using var c = h.Connect();
            order.Append(Harness.ReadToEnd(c));
        }

        Assert.Equal("abcabcabc", order.ToString());
        Array.ForEach(backends, b => b.Dispose());
    }

    [Fact]
    public void RoundRobin_ServerBecomesIneligible_IsLeftOut()
    {
        using var a = Backend.Named("a");
        using var b = Backend.Named("b");
        using var h = new Harness([a.Port, b.Port]);
        h.Slot(0).Eligible = 0;
        h.Plane.ServersChanged();
        for (int i = 0; i < 4; i++)
        {
            using var c = h.Connect();
            Assert.Equal("b", Harness.ReadToEnd(c));
        }

        h.Slot(1).Eligible = 0;
        h.Plane.ServersChanged();
        using var last = h.Connect();
        Assert.Equal(0, last.Receive(new byte[1]));
    }

    [Fact]
    public void Backup_OnlyWhenNoActiveIsLeft()
    {
        using var a = Backend.Named("a");
        using var b = Backend.Named("b");
        using var h = new Harness([a.Port, b.Port], server: s => s with { Backup = s.Index == 1 });
        using var c1 = h.Connect();
        Assert.Equal("a", Harness.ReadToEnd(c1));
        h.Slot(0).Eligible = 0;
        h.Plane.ServersChanged();
        using var c2 = h.Connect();
        Assert.Equal("b", Harness.ReadToEnd(c2));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void ServerMaxConn_Reached_NextWaitsUntilOneLeaves(int shards)
    {
        using var backend = Backend.Echo();
        using var h = new Harness([backend.Port], shards: shards, server: s => s with { MaxConn = 1 });
        using var first = h.Connect();
        first.Send("1"u8);
        Harness.ReadExactly(first, 1);
        for (int i = 0; i < 6; i++)
        {
            using var second = h.Connect();
            second.Send("2"u8);
            SpinWait.SpinUntil(() => h.Backend(Counter.QueueCurrent) == 1, 15_000);
            Assert.Equal(1, h.Backend(Counter.QueueCurrent));
            first.Shutdown(SocketShutdown.Both);
            Harness.ReadExactly(second, 1);
            Assert.Equal(0, h.Backend(Counter.QueueCurrent));
            second.Shutdown(SocketShutdown.Both);
            SpinWait.SpinUntil(() => h.Server(0, Counter.SessionsCurrent) == 0, 15_000);
            using var again = h.Connect();
            again.Send("1"u8);
            Harness.ReadExactly(again, 1);
            first.Dispose();
            again.Shutdown(SocketShutdown.Both);
            SpinWait.SpinUntil(() => h.Server(0, Counter.SessionsCurrent) == 0, 15_000);
            if (i == 0)
            {
                break;
            }
        }
    }

    [Fact]
    public void QueueTimeout_Passes_ClosesWithQueueState()
    {
        using var backend = Backend.Echo();
        using var h = new Harness(
            [backend.Port], backend: b => b with { Timeouts = b.Timeouts with { Queue = 60 } },
            server: s => s with { MaxConn = 1 });
        using var first = h.Connect();
        first.Send("1"u8);
        Harness.ReadExactly(first, 1);
        using var second = h.Connect();
        Assert.Equal(0, second.Receive(new byte[1]));
        Assert.Equal("sQ", h.Logs.Next().Termination);
    }

    [Fact]
    public void FrontendMaxConn_Reached_AcceptsAfterOneLeaves()
    {
        using var backend = Backend.Echo();
        using var h = new Harness([backend.Port], frontend: p => p with { MaxConn = 1 });
        using var first = h.Connect();
        first.Send("1"u8);
        Harness.ReadExactly(first, 1);
        using var second = h.Connect();
        second.Send("2"u8);
        first.Send("3"u8);
        Harness.ReadExactly(first, 1);
        Assert.Equal(1, h.Frontend(Counter.SessionsCurrent));
        Assert.Equal(0, second.Available);
        first.Close();
        Harness.ReadExactly(second, 1);
        Assert.Equal(1, h.Frontend(Counter.SessionsMax));
    }

    [Fact]
    public void StopListening_OpenConnectionsGoOn()
    {
        using var backend = Backend.Echo();
        using var h = new Harness([backend.Port], shards: 2);
        using var c = h.Connect();
        c.Send("1"u8);
        Harness.ReadExactly(c, 1);
        h.Plane.StopListening();
        Ping(h);
        var refused = Assert.Throws<SocketException>(() => h.Connect());
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        c.Send("2"u8);
        Harness.ReadExactly(c, 1);
        Assert.Equal(1, h.Plane.ActiveConnections);
        c.Close();
        SpinWait.SpinUntil(() => h.Plane.ActiveConnections == 0, 15_000);
        Assert.Equal(0, h.Plane.ActiveConnections);
    }

    [Fact]
    public void SetFrontend_DisabledAndEnabled_RefusesThenAccepts()
    {
        using var backend = Backend.Echo();
        using var h = new Harness([backend.Port], shards: 2);
        h.Plane.SetFrontend(0, false);
        Ping(h);
        Assert.Throws<SocketException>(() => h.Connect());
        h.Plane.SetFrontend(0, true);
        Ping(h);
        for (int i = 0; i < 8; i++)
        {
            using var c = h.Connect();
            c.Send("1"u8);
            Harness.ReadExactly(c, 1);
        }
    }

    [Fact]
    public void ShutdownSessions_OfServer_ClosesItsConnections()
    {
        using var backend = Backend.Echo();
        using var h = new Harness([backend.Port]);
        using var c = h.Connect();
        c.Send("1"u8);
        Harness.ReadExactly(c, 1);
        h.Plane.ShutdownSessions(0);
        Assert.Equal(0, c.Receive(new byte[1]));
        Assert.Equal("DD", h.Logs.Next().Termination);
    }

    [Fact]
    public void TwoShards_ManyConnections_AllServed()
    {
        using var backend = Backend.Echo();
        using var h = new Harness([backend.Port], shards: 2);
        Parallel.For(0, 100, i =>
        {
            using var c = h.Connect();
            var data = new byte[1000 + i];
            c.Send(data);
            Harness.ReadExactly(c, data.Length);
        });
        Assert.Equal(100, h.Frontend(Counter.SessionsTotal));
        SpinWait.SpinUntil(() => h.Frontend(Counter.SessionsCurrent) == 0, 15_000);
        Assert.Equal(0, h.Backend(Counter.SessionsCurrent));
        Assert.Equal(h.Frontend(Counter.BytesIn), h.Frontend(Counter.BytesOut));
    }

    [Theory]
    [InlineData("unix")]
    [InlineData("fd")]
    [InlineData("ipv6")]
    public void Listener_OfEachKind_Serves(string kind)
    {
        string path = Path.Combine(Path.GetTempPath(), $"buoy-{Guid.NewGuid():n}.sock");
        int port = Harness.FreePort();
        int six = Harness.FreePort();
        using var backend = Backend.Echo();
        using var h = new Harness([backend.Port], shards: 2, listener: b => kind switch
        {
            "unix" => b with { EndPoint = null, UnixPath = path },
            "fd" => b with { EndPoint = null, Fd = ListeningDescriptor(port) },
            _ => b with { EndPoint = new IPEndPoint(IPAddress.IPv6Loopback, six) },
        });
        EndPoint target = kind switch
        {
            "unix" => new UnixDomainSocketEndPoint(path),
            "fd" => new IPEndPoint(IPAddress.Loopback, port),
            _ => new IPEndPoint(IPAddress.IPv6Loopback, six),
        };
        for (int i = 0; i < 10; i++)
        {
            using var c = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
            c.ReceiveTimeout = 15_000;
            c.Connect(target);
            c.Send("x"u8);
            Harness.ReadExactly(c, 1);
        }

        Assert.Equal(10, h.Frontend(Counter.SessionsTotal));
        File.Delete(path);
    }

    /// <summary>As a parent would hand it down; the data plane closes it.</summary>
    private static unsafe int ListeningDescriptor(int port)
    {
        int fd = DataSyscalls.socket(DataSyscalls.AF_INET, DataSyscalls.SOCK_STREAM | DataSyscalls.SOCK_CLOEXEC, 0);
        SocketAddressBytes address;
        uint length = Sockets.Write(IPAddress.Loopback, port, &address);
        Assert.Equal(0, DataSyscalls.bind(fd, &address, length));
        Assert.Equal(0, DataSyscalls.listen(fd, 16));
        return fd;
    }

    [Fact]
    public void Bind_AddressInUse_TellsHAProxysWords()
    {
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        var end = (IPEndPoint)taken.LocalEndPoint!;
        var bind = new BindConfig
        {
            Index = 0, Proxy = 0, Text = end.ToString(), EndPoint = end, Place = new SourcePlace("x", 3),
        };
        var proxy = new ProxyConfig
        {
            Index = 0, Id = 2, Name = "fe", Kind = ProxyKind.Frontend, Mode = ProxyMode.Tcp,
            Place = new SourcePlace("x", 2), Binds = [bind],
        };
        var config = new BalancerConfig { Global = new(), Proxies = [proxy], Servers = [], Binds = [bind] };
        using var counters = new Counters(1, 1, 0, 1);
        using var table = new ServerTable(0);
        using var plane = new DataPlane(new BalancerState(config, counters, table, 1), new LogRecorder(), null);
        var error = Assert.Single(plane.Bind());
        Assert.Equal($"cannot bind socket (Address already in use) for [{end}]", error.Error);
    }

    [Fact]
    public void Dispose_WithOpenConnections_ClosesThemAndEndsThreads()
    {
        using var backend = Backend.Echo();
        var h = new Harness([backend.Port], shards: 2);
        using var c = h.Connect();
        c.Send("1"u8);
        Harness.ReadExactly(c, 1);
        h.Dispose();
        Assert.Equal(0, c.Receive(new byte[1]));
        Assert.Throws<SocketException>(() => h.Connect());
    }

    private static void Ping(Harness h)
    {
        using var answered = new ManualResetEventSlim();
        h.Plane.Ping(answered.Set);
        Assert.True(answered.Wait(15_000));
    }
}
