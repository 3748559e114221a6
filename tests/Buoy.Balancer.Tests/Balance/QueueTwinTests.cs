using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Tests.Engine;

namespace Buoy.Balancer.Tests.Balance;

/// <summary>Limits, queues, retries and kept connections as in the original.</summary>
public sealed class QueueTwinTests
{
    private static string Get(string target, string more = "") => $"GET {target} HTTP/1.1\r\nhost: h\r\n{more}\r\n";

    private static string Config(string lines, string servers) =>
        $"frontend f\n  bind 127.0.0.1:PORT\n  option httplog\n  default_backend b\nbackend b\n{lines}\n{servers}";

    private static int Column(Side side, string name, int column) => side.Cli("show stat").Split('\n')
        .Where(l => l.StartsWith($"b,{name},", StringComparison.Ordinal))
        .Sum(l => int.TryParse(l.Split(',')[column], CultureInfo.InvariantCulture, out int n) ? n : 0);

    /// <summary>A server that takes requests and never answers.</summary>
    private static Backend Silent() => new(s =>
    {
        var buffer = new byte[4096];
        while (s.Receive(buffer) > 0)
        {
        }
    });

    [Theory]
    [InlineData("fullconn 20", "minconn 1 maxconn 10")]
    [InlineData("fullconn 8", "minconn 2 maxconn 6")]
    [InlineData("fullconn 8", "minconn 3")]
    [InlineData("", "maxconn 2")]
    public void Limit_WithLoad_FollowsTheRamp(string backend, string options)
    {
        using var server = Silent();
        using var twin = new Twin(Config($"  {backend}", $"  server s1 127.0.0.1:{server.Port} {options}\n"));
        twin.Same(side =>
        {
            var held = new List<Socket>();
            var seen = new StringBuilder();
            for (int i = 1; i <= 14; i++)
            {
                var s = side.Open();
                held.Add(s);
                s.Send(Encoding.ASCII.GetBytes(Get("/")));
                Assert.True(
                    // Counted, and then at the server or in the queue.
                    SpinWait.SpinUntil(
                        () => Column(side, "BACKEND", 4) == i && Column(side, "s1", 4) + Column(side, "BACKEND", 2) == i,
                        TimeSpan.FromSeconds(15)), $"no stream {i} at {(side == twin.Ours ? "ours" : "the original")}: {side.Cli("show stat")}");
                seen.Append(CultureInfo.InvariantCulture, $"{Column(side, "s1", 4)} {Column(side, "BACKEND", 2)}\n");
            }

            held.ForEach(s => s.Dispose());
            return seen.ToString();
        });
    }

    [Theory]
    [InlineData("maxconn 1 maxqueue 1", "option redispatch")]
    [InlineData("maxconn 1", "option redispatch")]
    [InlineData("maxconn 2 maxqueue 2", "option redispatch")]
    [InlineData("maxconn 1 maxqueue 1", "")]
    public void MaxQueue_Reached_SendsPersistentOnesElsewhere(string options, string redispatch)
    {
        using var server = Silent();
        using var other = Silent();
        string servers = $"  server s1 127.0.0.1:{server.Port} cookie c1 {options}\n  server s2 127.0.0.1:{other.Port} cookie c2\n";
        using var twin = new Twin(Config($"  cookie A insert indirect\n  {redispatch}", servers));
        twin.Same(side =>
        {
            var held = new List<Socket>();
            var seen = new StringBuilder();
            for (int i = 1; i <= 6; i++)
            {
                var s = side.Open();
                held.Add(s);
                s.Send(Encoding.ASCII.GetBytes(Get("/", "cookie: A=c1\r\n")));
                bool settled = SpinWait.SpinUntil(
                    () => s.Available > 0
                        || Column(side, "s1", 4) + Column(side, "s1", 2) + Column(side, "s2", 4) == i, TimeSpan.FromSeconds(15));
                Assert.True(settled, "no stream");
                if (s.Available > 0)
                {
                    seen.Append(Encoding.ASCII.GetString(Harness.ReadExactly(s, 12))).Append('\n');
                    break;
                }

                seen.Append(CultureInfo.InvariantCulture, $"{Column(side, "s1", 4)} {Column(side, "s1", 2)} {Column(side, "s2", 4)}\n");
            }

            held.ForEach(s => s.Dispose());
            return seen.ToString();
        });
    }

    [Theory]
    [InlineData("")]
    [InlineData("retry-on none")]
    [InlineData("retry-on empty-response")]
    [InlineData("retry-on junk-response 503")]
    [InlineData("retry-on response-timeout conn-failure 404")]
    [InlineData("retry-on all-retryable-errors")]
    [InlineData("retry-on all-retryable-errors", "option redispatch 1")]
    [InlineData("retry-on all-retryable-errors", "retries 1")]
    public void RetryOn_EachFailure_TriesAgainAsTheOriginal(string on, string more = "retries 2")
    {
        var hits = new ConcurrentDictionary<string, int>();
        using var server = new Backend(s =>
        {
            var buffer = new byte[65536];
            var text = new StringBuilder();
            for (int n; (n = s.Receive(buffer)) > 0;)
            {
                text.Append(Encoding.Latin1.GetString(buffer, 0, n));
                if (!text.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
                {
                    continue;
                }

                string path = text.ToString().Split(' ')[1];
                bool first = hits.AddOrUpdate(path, 1, (_, c) => c + 1) <= (path.Contains("twice") ? 2 : 1);
                text.Clear();
                string what = first ? path[1..path.IndexOf('?')] : "ok";
                if (what.StartsWith("empty", StringComparison.Ordinal))
                {
                    return;
                }

                if (what == "silent")
                {
                    s.Receive(buffer);
                    return;
                }

                string reply = what switch
                {
                    "junk" => "no http at all\r\n\r\n",
                    "half" => "HTTP/1.1 200 OK\r\ncontent",
                    "ok" => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
                    _ => $"HTTP/1.1 {what} X\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbad",
                };
                s.Send(Encoding.ASCII.GetBytes(reply));
                if (what is not "ok")
                {
                    return;
                }
            }
        });
        string servers = $"  server s1 127.0.0.1:{server.Port}\n  server s2 127.0.0.1:{server.Port}\n";
        using var twin = new Twin(Config($"  http-reuse never\n  timeout server 400ms\n  {on}\n  {more}", servers));
        twin.Same(side =>
        {
            var seen = new StringBuilder();
            var log = side == twin.Ours ? twin.OurLog : twin.HaproxyLog;
            foreach (string what in (string[])["empty", "empty-twice", "junk", "half", "silent", "503", "404", "500", "403", "200"])
            {
                foreach (string method in (string[])["GET", "POST"])
                {
                    string target = $"/{what}?{side.Port}{method}";
                    string reply = side.Exchange($"{method} {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n"
                        + (method == "POST" ? "content-length: 4\r\n\r\nbody" : "\r\n"));
                    var m = Regex.Match(log.WaitFor(target + " "), @"b/(\S+) \S+ (\d+) \d+ - - (\S+) \d+/\d+/\d+/\d+/(\S+) ");
                    seen.Append($"{method} {what}: {reply.Split('\r')[0]} {m.Groups[1]} {m.Groups[2]} {m.Groups[3]} {m.Groups[4]}\n");
                }
            }

            return seen.ToString();
        });
    }

    [Theory]
    [InlineData("  http-reuse always", "max-reuse 2")]
    [InlineData("  http-reuse always", "max-reuse 0")]
    [InlineData("  http-reuse always", "pool-max-conn 0")]
    [InlineData("  http-reuse never", "")]
    [InlineData("  http-reuse always", "")]
    [InlineData("  http-reuse always\n  option http-server-close", "")]
    [InlineData("  option http-server-close\n  option http-pretend-keepalive", "")]
    [InlineData("  balance roundrobin\n  option prefer-last-server", "")]
    [InlineData("  balance roundrobin\n  option prefer-last-server\n  http-reuse always", "")]
    public void KeptConnections_AreUsedAsOftenAsInTheOriginal(string lines, string options)
    {
        using var farm = new Farm(2, (name, head) =>
        {
            string body = name + "\n" + head;
            return $"HTTP/1.1 200 OK\r\ncontent-length: {body.Length}\r\n\r\n{body}";
        });
        using var twin = new Twin(Config(lines, farm.Lines(options, options)));
        twin.Same(side =>
        {
            var bodies = side.Bodies(Enumerable.Range(0, 9).Select(i => Get($"/{i}")));
            return string.Join('\n', bodies)
                + $"\nconnections {Column(side, "s1", 76)} {Column(side, "s2", 76)} reused {Column(side, "s1", 77)}";
        });
    }

    [Fact]
    public void PreferLastServer_WithoutReuse_StaysAtTheServer()
    {
        using var farm = new Farm(3);
        using var twin = new Twin(Config("  option prefer-last-server\n  http-reuse never", farm.Lines()));
        twin.Same(side => string.Join(' ', Enumerable.Range(0, 3).SelectMany(
            _ => side.Bodies(Enumerable.Repeat(Get("/"), 4)))));
    }

    [Fact]
    public void BufferRequest_BodyThatDoesNotCome_TimesOut()
    {
        using var farm = new Farm(1);
        using var twin = new Twin(Config(
            "  option http-buffer-request\n  timeout http-request 200ms", farm.Lines())
            .Replace("  option httplog", "  option httplog\n  timeout http-request 200ms"));
        twin.Same(side => side.Exchange("POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nhalf").Split('\r')[0]);
        twin.Same(side => side.Exchange(
            "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhalf").Split('\r')[0]);
    }
}
