using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;
using CsCheck;

namespace Buoy.Balancer.Tests.Engine;

/// <summary>
/// Both ends behave as badly as they can; afterwards nothing is left over and the balancer still serves.
/// </summary>
public sealed class ChaosTests
{
    private const int Clients = 8;
    private const int Visits = 25;

    [Theory]
    [InlineData(ProxyMode.Tcp, 1)]
    [InlineData(ProxyMode.Tcp, 2)]
    [InlineData(ProxyMode.Http, 1)]
    [InlineData(ProxyMode.Http, 2)]
    public void BadEndsOnBothSides_LeaveNothingBehind(ProxyMode mode, int shards) =>
        Gen.Int[0, int.MaxValue - 1].Sample(seed => Round(mode, shards, seed), iter: 4, threads: 1);

    private static void Round(ProxyMode mode, int shards, int seed)
    {
        int next = seed;
        using var backend = new Backend(s => BadServer(s, new Random(Interlocked.Increment(ref next))));
        var timeouts = new TimeoutsConfig { Connect = 200, Client = 300, Server = 300, Queue = 300, HttpRequest = 300 };
        using var h = new Harness(
            [backend.Port, Harness.FreePort(), backend.Port], mode, shards,
            frontend: f => f with { Timeouts = timeouts },
            backend: b => b with
            {
                Timeouts = timeouts, Retries = 2, Redispatch = 1, HttpReuse = HttpReuse.Always,
            },
            server: s => s with { MaxConn = s.Index == 0 ? 3 : null });
        var clients = Enumerable.Range(0, Clients).Select(i => Harness.Spawn(() =>
        {
            var random = new Random(seed + i);
            for (int n = 0; n < Visits; n++)
            {
                BadClient(h, mode, random);
            }
        })).ToArray();
        for (int i = 0; i < 20; i++)
        {
            h.Slot(2).Eligible = i % 2;
            h.Plane.ServersChanged();
            h.Plane.ShutdownSessions(i % 3);
            using var turned = new ManualResetEventSlim();
            h.Plane.Ping(turned.Set);
            Assert.True(turned.Wait(15_000));
        }

        h.Slot(2).Eligible = 1;
        h.Plane.ServersChanged();
        Array.ForEach(clients, c => c.Join());

        // All were accepted, also those that the kernel still held when their client had gone, and all have ended.
        Assert.True(
            SpinWait.SpinUntil(
                () => h.Frontend(Counter.ConnectionsTotal) == Clients * Visits && h.Plane.ActiveConnections == 0,
                15_000),
            $"{h.Frontend(Counter.ConnectionsTotal)} accepted, {h.Plane.ActiveConnections} left");
        Assert.Equal(0, h.Frontend(Counter.SessionsCurrent));
        Assert.Equal(0, h.Backend(Counter.SessionsCurrent));
        Assert.Equal(0, h.Backend(Counter.QueueCurrent));
        Assert.All([0, 1, 2], s => Assert.Equal(0, h.Server(s, Counter.SessionsCurrent)));
    }

    private static void BadClient(Harness h, ProxyMode mode, Random random)
    {
        using var s = h.Connect();
        s.ReceiveTimeout = 2000;
        try
        {
            for (int n = random.Next(4); n >= 0; n--)
            {
                switch (random.Next(6))
                {
                    case 0 or 1:
                        s.Send(Message(mode, random));
                        break;
                    case 2:
                        s.Send(new byte[random.Next(1, 200_000)]);
                        break;
                    case 3:
                        s.Receive(new byte[random.Next(1, 100_000)]);
                        break;
                    case 4:
                        s.Shutdown(SocketShutdown.Send);
                        break;
                    default:
                        s.LingerState = new LingerOption(true, 0);
                        return;
                }
            }
        }
        catch (SocketException)
        {
            // The other side was quicker in ending it.
        }
    }

    private static byte[] Message(ProxyMode mode, Random random) => Encoding.ASCII.GetBytes(mode == ProxyMode.Tcp
        ? new string('m', random.Next(1, 5000))
        : random.Next(5) switch
        {
            0 => "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
            1 => "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + new string('b', random.Next(100_001)),
            2 => "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            3 => "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\nHost: x\r\n\r\n",
            _ => "GET / HTTP/1.1\r\nHo",
        });

    private static void BadServer(Socket s, Random random)
    {
        s.ReceiveTimeout = 2000;
        s.SendTimeout = 2000;
        var buffer = new byte[65536];
        for (int n = random.Next(6); n >= 0; n--)
        {
            switch (random.Next(9))
            {
                case 0:
                    s.LingerState = new LingerOption(true, 0);
                    return;
                case 1:
                    s.Shutdown(SocketShutdown.Send);
                    break;
                case 2:
                    s.Send(new byte[random.Next(1, 300_000)]);
                    break;
                case 3:
                    s.Send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"u8);
                    s.Send(new byte[random.Next(1, 200_001)]);
                    break;
                case 4:
                    s.Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"u8);
                    break;
                case 5:
                    s.Send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nraw"u8);
                    break;
                case 6:
                    s.Send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"u8);
                    break;
                default:
                    if (s.Receive(buffer) == 0)
                    {
                        return;
                    }

                    break;
            }
        }
    }
}
