using System.Net;
using System.Net.Sockets;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Tests.Control;

/// <summary>Errors of the traffic and what they lead to: HAProxy with real traffic, ours told what the shards would
/// tell.</summary>
public sealed class ObserveTests
{
    [Theory]
    [InlineData("fail-check", "status: 2/3 UP", 1)]
    [InlineData("sudden-death", "status: 1/3 UP", 1)]
    [InlineData("mark-down", "backend b has no server available", 1)]
    public void Errors_AtTheLimit_AreLoggedTheSame(string action, string line, int failedChecks)
    {
        using var closed = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using var good = new TestServer();
        using var free = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        free.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int port = ((IPEndPoint)free.LocalEndPoint!).Port, dead = ((IPEndPoint)closed.LocalEndPoint!).Port;
        free.Dispose();
        using var pair = new ConfigPair(_ => $"""
            frontend f
              bind 127.0.0.1:{port}
              default_backend b
            backend b
              server s 127.0.0.1:{dead} check port {good.Port} inter 60s fastinter 50s fall 3 rise 2 observe layer4 error-limit 4 on-error {action}
            """);
        pair.WaitForBoth("status: 3/3 UP");
        using (var client = new TcpClient("127.0.0.1", port))
        {
            // One connection and three retries; the answer is the end.
            _ = client.GetStream().ReadByte();
        }

        for (int i = 0; i < 4; i++)
        {
            pair.Ours.State.Observer!.ConnectFailed(0, timedOut: false);
        }

        pair.WaitForBoth("Detected 4 consecutive errors, last one was: L4 unsuccessful connection");
        pair.WaitForBoth(line);
        string[][] lines = [.. Enumerable.Range(0, 2).Select(w => pair.Log[w].Lines.Select(ConfigPair.Comparable)
            .Where(l => l.Contains("b/s", StringComparison.Ordinal) && !l.Contains(" f b/s ", StringComparison.Ordinal)
                && !l.Contains("Connect from", StringComparison.Ordinal)).ToArray())];
        Assert.Equal(lines[0].Select(Idle), lines[1].Select(Idle));
        string[] rows = [.. pair.Ask("show stat b 4 1").Select(t => t.Split('\n')[1].Split(','))
            .Select(c => string.Join('|', c[17], c[21], c[22], c[36], c[37], c[45], c[56], c[65]))];
        Assert.Equal(rows[0], rows[1]);
        Assert.Equal(failedChecks.ToString(System.Globalization.CultureInfo.InvariantCulture), rows[1].Split('|')[1]);

        // The connection that failed is still there for HAProxy.
        static string Idle(string line) => line.Replace("1 sessions active", "0 sessions active", StringComparison.Ordinal);
    }

    [Fact]
    public void Observer_CountsOnlyConsecutiveErrorsOfItsLayer()
    {
        var model = new ModelBuilder("/nonexistent", "/nonexistent").Proxy("b", Balancer.Configuration.ProxyKind.Backend, null,
            ModelBuilder.Server("l4", 1, s => s with { Observe = Balancer.Configuration.ObserveMode.Layer4, ErrorLimit = 2 }),
            ModelBuilder.Server("l7", 1, s => s with { Observe = Balancer.Configuration.ObserveMode.Layer7, ErrorLimit = 2 }),
            ModelBuilder.Server("no", 1));
        var observer = TrafficObserver.For(model.Build(), room: 3)!;
        var reached = new List<string>();
        observer.Reached = (server, why) => reached.Add($"{server} {why}");
        observer.ConnectFailed(0, false);
        observer.Connected(0);
        observer.ConnectFailed(0, true);
        observer.Answered(0, 500);
        Assert.Empty(reached);
        observer.ConnectFailed(0, true);
        observer.Answered(1, 500);
        observer.Connected(1);
        observer.Answered(1, 503);
        observer.Answered(1, 500);
        observer.Answered(1, 404);
        observer.Answered(1, 501);
        observer.NoAnswer(1, "x");
        observer.NoAnswer(1, "y");
        observer.ConnectFailed(2, false);
        observer.ConnectFailed(2, false);
        observer.ConnectFailed(3, false);
        Assert.Equal(["0 L4 timeout", "1 Wrong http response", "1 y"], reached);
    }
}
