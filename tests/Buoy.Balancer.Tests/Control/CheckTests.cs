using System.Net;
using System.Net.Sockets;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Tests.Control;

/// <summary>What each way to fail is called; HAProxy is asked too.</summary>
public sealed class CheckTests
{
    private static readonly string[] Modes = ["garbage", "close", "partial", "404", "304", "silent"];

    /// <summary>A server that misbehaves in one way.</summary>
    private sealed class BadServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly List<TcpClient> _kept = [];

        public BadServer(string mode)
        {
            _listener.Start();
            _ = Serve(mode);
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public void Dispose() => _listener.Stop();

        private async Task Serve(string mode)
        {
            try
            {
                while (true)
                {
                    var client = await _listener.AcceptTcpClientAsync();
                    _kept.Add(client);
                    await Answer(client, mode);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                _kept.ForEach(c => c.Dispose());
            }
        }

        private static async Task Answer(TcpClient client, string mode)
        {
            try
            {
                await client.GetStream().ReadAtLeastAsync(new byte[2000], 1, throwOnEndOfStream: false);
                string text = mode switch
                {
                    "garbage" => "hello there\r\n\r\n",
                    "partial" => "HTTP/1.0 200",
                    "404" => "HTTP/1.0 404 Not Found\r\n\r\n",
                    "304" => "HTTP/1.0 304\r\n\r\n",
                    _ => "",
                };
                await client.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes(text));
                if (mode != "silent")
                {
                    client.Dispose();
                }
            }
            catch (IOException)
            {
                client.Dispose();
            }
        }
    }

    [Fact]
    public void EveryFailure_IsNamedAsHaproxyDoes()
    {
        using var d = new Scratch();
        var servers = Modes.ToDictionary(m => m, m => new BadServer(m));
        string lines =
            string.Concat(servers.Select(s => $"  server {s.Key} 127.0.0.1:{s.Value.Port} check inter 400ms\n"));
        using var haproxy = new HaproxyRig(d, d["hs"], $"""
            global
              stats socket {d["hs"]} mode 600 level admin
            defaults
              timeout client 20s
              timeout server 20s
              timeout connect 1s
            backend h
              mode http
              option httpchk GET /x
            {lines}

            """);
        var model = new ModelBuilder(d["olog"], d["os"]).Proxy("h", ProxyKind.Backend, p => p with
            {
                Mode = ProxyMode.Http, Check = CheckKind.Http, HttpCheck = new HttpCheckConfig("GET", "/x", "HTTP/1.0"),
            },
            [.. servers.Select(
                s => ModelBuilder.Server(s.Key, s.Value.Port, c => c with { Check = true, Inter = 400 }))]);
        using var rig = new ControlRig(model.Build()).Start();
        Assert.Equal(Outcomes(d["hs"]), Outcomes(d["os"]));
        foreach (var s in servers.Values)
        {
            s.Dispose();
        }
    }

    /// <summary>name, status, check_status, code, info, description of every server once all have been
    /// checked.</summary>
    private static string[] Outcomes(string socket)
    {
        string[] Rows(string text) => [.. text.Split('\n').Where(l => l.StartsWith("h,", StringComparison.Ordinal))];
        string answer = CliClient.AskUntil(socket, "show stat h 4 -1",
            t =>
                Rows(t).Length == Modes.Length && Rows(t)
                    .All(r => !r.Contains(",INI,") && !r.Contains(",* ") && !r.Contains(" 1/3")));
        return [.. Rows(answer).Select(r => r.Split(','))
            .Select(c => string.Join('|', c[1], c[17], c[36], c[37], c[56], c[65]))];
    }
}
