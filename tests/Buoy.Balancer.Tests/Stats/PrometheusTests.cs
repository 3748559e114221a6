using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;
using Buoy.Balancer.Tests.Control;

namespace Buoy.Balancer.Tests.Stats;

/// <summary>The exporter's text beside the original's: names, types, help, labels, and values that time does not move.</summary>
public sealed partial class PrometheusTests
{
    [Theory]
    [InlineData("/metrics")]
    [InlineData("/metrics?scope=frontend&scope=backend")]
    [InlineData("/metrics?scope=server&no-maint")]
    [InlineData("/metrics?scope=global")]
    [InlineData("/metrics?scope=")]
    [InlineData("/metrics?scope=*&scope=server")]
    [InlineData("/metrics?scope=server&scope=")]
    [InlineData("/metrics?scope=nonsense")]
    [InlineData("/metrics?other&extra-counters&scope=frontend")]
    [InlineData("/metrics?scope=sticktable")]
    public void Metrics_OfAConfiguration_AreTheOriginals(string target)
    {
        using var scratch = new Scratch();
        int port = FreePort();
        string text = $"""
            global
             maxconn 100
             nbthread 2
             stats socket {scratch["h.sock"]} mode 600 level admin
            defaults
             mode http
             maxconn 100
             timeout client 3s
             timeout server 3s
             timeout connect 3s
            frontend prom
             bind 127.0.0.1:{port}
             http-request use-service prometheus-exporter
            frontend ft
             mode tcp
             bind 127.0.0.1:{FreePort()}
             stick-table type ip size 1k
             default_backend bt
            backend bb
             stick-table type string len 6 size 20 store gpc0
             server s1 127.0.0.1:1 check inter 10s fall 1
             server s2 127.0.0.1:1 backup
             server s3 127.0.0.1:1 weight 7 maxconn 30
            backend bt
             mode tcp
             server t1 127.0.0.1:1 disabled weight 10

            """;
        using var original = new HaproxyRig(scratch, scratch["h.sock"], text);
        CliClient.AskUntil(scratch["h.sock"], "show stat bb 4 1", a => a.Contains("DOWN"));
        string file = scratch["ours.cfg"];
        File.WriteAllText(file, text.Replace(" http-request use-service prometheus-exporter\n", "")
            .Replace("h.sock", "o.sock"));
        var config = ConfigurationLoader.Load([file]).Config!;
        using var ours = new ControlRig(config, maxConn: 100).Start();
        CliClient.AskUntil(scratch["o.sock"], "show stat bb 4 1", a => a.Contains("DOWN"));
        string expected = Get(port, target);
        var answered = new ManualResetEventSlim();
        string said = "";
        ours.Plane.Local.Answer(
            new LocalRequest(0, "GET", target, [], [], null) { Service = "prometheus-exporter" },
            (bytes, _) =>
            {
                said = Encoding.UTF8.GetString(bytes);
                answered.Set();
            });
        Assert.True(answered.Wait(TimeSpan.FromSeconds(20)));
        Assert.Equal(Comparable(expected), Comparable(said));
    }

    private static string[] Comparable(string response)
    {
        int body = response.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        string[] head = [.. response[..body].Split("\r\n").Where(l => l.StartsWith("HTTP/") || l.StartsWith("content-type"))];
        return [.. head, .. response[(body + 4)..].Split('\n').Select(l => Moving().Replace(l, "$1 N"))];
    }

    private static string Get(int port, string target)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            ReceiveTimeout = 20_000,
        };
        socket.Connect(IPAddress.Loopback, port);
        socket.Send(Encoding.ASCII.GetBytes($"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        string all = CliClient.ReadAll(socket);
        int body = all.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        return all.Contains("chunked") ? all[..body] + Unchunked(all[body..]) : all;
    }

    private static string Unchunked(string body)
    {
        var s = new StringBuilder();
        while (true)
        {
            int line = body.IndexOf("\r\n", StringComparison.Ordinal);
            int length = Convert.ToInt32(body[..line], 16);
            if (length == 0)
            {
                return s.ToString();
            }

            s.Append(body.AsSpan(line + 2, length));
            body = body[(line + 2 + length + 2)..];
        }
    }

    private static int FreePort()
    {
        using var l = new TcpListener(IPAddress.Loopback, 0);
        l.Start();
        return ((IPEndPoint)l.LocalEndpoint).Port;
    }

    /// <summary>Values of the process, of the asking frontend, and those that time or the platform decides.</summary>
    [GeneratedRegex(
        @"^(haproxy_process_\w+|haproxy_\w+\{proxy=""prom"".*?\}|haproxy_\w+_(?:change|duration|need_connections|downtime)\w*\{.*?\}) .*$"
        + @"|^(haproxy_process_build_info).*$")]
    private static partial Regex Moving();
}
