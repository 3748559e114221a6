using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Tests.Engine;

namespace Buoy.Balancer.Tests.Balance;

/// <summary>For the same input the same server as the original: per algorithm, hash and change of the farm.</summary>
public sealed class BalanceTwinTests
{
    private static string Get(string target, string more = "") => $"GET {target} HTTP/1.1\r\nhost: h\r\n{more}\r\n";

    private static string Config(string lines, string servers) =>
        $"frontend f\n  bind 127.0.0.1:PORT\n  default_backend b\nbackend b\n  http-reuse always\n{lines}\n{servers}";

    private static string[] Weights(params int[] weights) => [.. weights.Select(w => $"weight {w}")];

    [Theory]
    [InlineData("roundrobin", new[] { 1, 1, 1 }, 1)]
    [InlineData("roundrobin", new[] { 3, 2, 1 }, 1)]
    [InlineData("roundrobin", new[] { 10, 4, 7, 2 }, 2)]
    [InlineData("roundrobin", new[] { 6, 27, 21, 1, 4, 2 }, 1)]
    [InlineData("roundrobin", new[] { 100, 30, 7 }, 2)]
    [InlineData("roundrobin", new[] { 15, 6, 5 }, 1)]
    [InlineData("static-rr", new[] { 3, 2, 1 }, 1)]
    [InlineData("static-rr", new[] { 10, 4, 7, 2 }, 2)]
    [InlineData("static-rr", new[] { 2, 1, 7, 1, 2, 5, 19 }, 1)]
    [InlineData("url_param k", new[] { 3, 1, 2 }, 2)]
    public void Turns_AnyWeights_AreTheOriginals(string algorithm, int[] weights, int shards)
    {
        using var farm = new Farm(weights.Length);
        using var twin = new Twin(Config($"  balance {algorithm}", farm.Lines(Weights(weights))), shards);
        int turn = weights.Sum();
        twin.Same(s => string.Join(' ', s.Bodies(Enumerable.Repeat(Get("/"), turn + (turn / 2)))));
    }

    [Fact]
    public void RoundRobin_ManyConnectionsOnSeveralShards_IsOneSequence()
    {
        using var farm = new Farm(3);
        using var twin = new Twin(Config("  balance roundrobin", farm.Lines()), shards: 4);
        twin.Same(s => string.Join(' ', Enumerable.Range(0, 30).SelectMany(_ => s.Bodies([Get("/")]))));
    }

    public static TheoryData<string, string> Keys()
    {
        var data = new TheoryData<string, string>();
        foreach (string type in (string[])
            ["map-based", "map-based djb2", "map-based crc32 avalanche", "consistent", "consistent sdbm",
            "consistent djb2 avalanche", "consistent crc32"])
        {
            data.Add(type, "url_param user");
        }

        foreach (string algorithm in (string[])
            ["uri", "uri whole", "uri len 6", "uri depth 2", "uri depth 1 len 5", "uri path-only", "uri whole path-only depth 2",
            "url_param user check_post", "hdr(X-Key)", "hdr(X-Key) use_domain_only", "source"])
        {
            data.Add("map-based", algorithm);
            data.Add("consistent", algorithm);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public void Keys_HundredsOfThem_GoWhereTheOriginalSendsThem(string type, string algorithm)
    {
        using var farm = new Farm(6);
        string servers = farm.Lines("weight 3", "weight 1 id 17", "weight 4", "weight 2 id 4000", "weight 9 backup", "backup");
        using var twin = new Twin(
            Config($"  balance {algorithm}\n  hash-type {type}", servers), shards: 2);
        All(twin);
        twin.Tell("disable server b/s3");
        All(twin);
        twin.Tell("enable server b/s3");
        All(twin);
        if (type == "consistent")
        {
            twin.Tell("set weight b/s1 50%");
            twin.Tell("set weight b/s4 0");
            All(twin);
            twin.Tell("set weight b/s4 100%");
        }

        foreach (int down in (int[])[1, 2, 3, 4])
        {
            twin.Tell($"disable server b/s{down}");
        }

        All(twin);

        void All(Twin both)
        {
            if (algorithm == "source")
            {
                both.Same(s => string.Join(' ', Enumerable.Range(1, 60).Select(i =>
                {
                    using var c = s.Open($"127.0.{i % 5}.{i}");
                    return Side.Ask(c, Get("/")).Body;
                })));
                return;
            }

            both.Same(s => string.Join(' ', s.Bodies(Requests())));
        }
    }

    private static IEnumerable<string> Requests()
    {
        for (int i = 0; i < 40; i++)
        {
            yield return Get($"/dir{i}/sub{i % 7}/file?user=u{i}&x=1", $"X-Key: www.name{i}.example:8{i}\r\n");
        }

        foreach (string target in (string[])
            ["/", "//", "/a/b/c/d/e", "/?user=", "/?user", "/?x=1;user=a;b", "/?xuser=a&user=b", "/?user=a=b", "/?user=a?b&c",
            "/a?x?user=b", "http://h/a/b", "http://h/", "http://h/a/b/c?user=1", "/%41?user=%20", "/abcdefgh", "/?user=a+b"])
        {
            yield return Get(target);
        }

        foreach (string host in (string[])
            ["foo", "a.b", "a.b.c.d", ".a", "a.", "a..b", "1.2.3.4", "a.b:80", "WWW.Ab.Cd", "a, b.c.d", "x.y.z, q", "[::1]:80"])
        {
            yield return Get("/", $"x-key: {host}\r\n");
        }

        foreach (string body in (string[])["user=abc", "x=1&user=def&z", "x=1\r\nuser=abc", "user=", "user=a b", "xuser=1"])
        {
            yield return $"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: {body.Length}\r\n\r\n{body}";
        }
    }

    [Theory]
    [InlineData("leastconn", "", new[] { 1, 1, 1 })]
    [InlineData("leastconn", "", new[] { 3, 1, 2 })]
    [InlineData("first", "", new[] { 1, 1, 1 })]
    [InlineData("url_param k", "hash-type consistent crc32\n  hash-balance-factor 150", new[] { 1, 1, 1 })]
    [InlineData("url_param k", "hash-type consistent crc32\n  hash-balance-factor 120", new[] { 3, 1, 2 })]
    [InlineData("url_param k", "hash-type consistent\n  hash-balance-factor 200", new[] { 1, 2, 1, 3 })]
    public void Load_HeldConnections_DecideAsInTheOriginal(string algorithm, string more, int[] weights)
    {
        using var farm = new Farm(weights.Length, (name, head) =>
            head.Contains("/hold", StringComparison.Ordinal)
                ? $"HTTP/1.1 200 OK\r\nx: {name}\r\ncontent-length: 1\r\n\r\n"
                : $"HTTP/1.1 200 OK\r\ncontent-length: {name.Length}\r\n\r\n{name}");
        string[] options = [.. weights.Select((w, i) => $"weight {w}{(algorithm == "first" ? $" maxconn {3 + i} id {9 - i}" : "")}")];
        using var twin = new Twin(
            Config($"  option http-no-delay\n  http-reuse never\n  balance {algorithm}\n  {more}", farm.Lines(options)));
        twin.Same(side =>
        {
            var held = new List<Socket>();
            var seen = new StringBuilder();
            for (int i = 0; i < 24; i++)
            {
                if (i is 8 or 14)
                {
                    // The first server's sessions end, and with them its load.
                    CliShutdown(side, i == 8 ? "s1" : "s2");
                }

                if (algorithm == "first" && i >= 11)
                {
                    break;
                }

                var s = side.Open();
                held.Add(s);
                s.Send(Encoding.Latin1.GetBytes(Get($"/hold?k={i % 2}")));
                string head = Harness.ReadUntil(s, "\r\n\r\n");
                seen.Append(head.AsSpan(head.IndexOf("x: ", StringComparison.Ordinal) + 3, 2)).Append(' ');
            }

            held.ForEach(s => s.Dispose());
            return seen.ToString();
        });
    }

    private static void CliShutdown(Side side, string server)
    {
        side.Cli($"shutdown sessions server b/{server}");
        Assert.True(SpinWait.SpinUntil(() => Busy(side, server) == 0, TimeSpan.FromSeconds(15)), "sessions do not end");
    }

    private static int Busy(Side side, string server) => side.Cli("show stat").Split('\n')
        .Where(l => l.StartsWith($"b,{server},", StringComparison.Ordinal))
        .Sum(l => int.Parse(l.Split(',')[4], System.Globalization.CultureInfo.InvariantCulture));
}
