using System.Net.Sockets;
using System.Text.RegularExpressions;
using Buoy.Balancer.Tests.Balance;
using Buoy.Balancer.Tests.Engine;

namespace Buoy.Balancer.Tests.StickTables;

/// <summary>
/// What tracking counts and when, told by "show table" of the original and ours: every place where a rule can begin to track,
/// by every way in which a request can end.
/// </summary>
public sealed partial class TrackingTwinTests
{
    /// <summary>All counters but bytes: the original counts HTTP bytes as it keeps them, not as they are sent.</summary>
    private const string Counters = "gpt0,gpc0,gpc0_rate(10m),gpc1,gpc1_rate(10m),conn_cnt,conn_cur,conn_rate(10m),sess_cnt,"
        + "sess_rate(10m),http_req_cnt,http_req_rate(10m),http_err_cnt,http_err_rate(10m),http_fail_cnt,http_fail_rate(10m)";

    private static readonly string[] Places =
    [
        "tcp-request connection track-sc0 src table t", "tcp-request session track-sc0 src table t",
        "tcp-request content track-sc0 src table t", "http-request track-sc0 src table t",
        "http-response track-sc0 src table t", "http-request track-sc2 url table u\n  http-response track-sc1 status table i",
    ];

    private const string Rules = """
          http-request deny if { path /deny }
          http-request deny status 500 if { path /deny500 }
          http-request tarpit if { path /tarpit }
          http-request auth if { path /auth }
          http-request return status 404 if { path /return404 }
          http-request return status 500 if { path /return500 }
          http-request redirect location /x if { path /redirect }
          http-request reject if { path /reject }
          http-request silent-drop if { path /silent }
          http-request wait-for-body time 100ms if { path /wait }
          http-request sc-inc-gpc0(0) if { path /count }
          http-request sc-inc-gpc1(0) if { path /count }
          http-request sc-set-gpt0(0) 7 if { path /count }
          http-request sc-set-gpt0(0) url_param(n) if { path /tag }
          http-response sc-inc-gpc0(0) if { status 201 }
          http-response deny if { status 202 }
          http-response deny status 404 if { status 203 }
          http-response return status 500 if { status 204 }
          use_backend refused if { path /refused }
          use_backend none if { path /none }
          use_backend slow if { path /slow }
          default_backend b

        """;

    private static readonly string[] Requests =
    [
        "GET / HTTP/1.1\r\nhost: h\r\n\r\nGET /2 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n", Get("/deny"), Get("/deny500"),
        Get("/tarpit"), Get("/auth"), Get("/return404"), Get("/return500"), Get("/redirect"), Get("/reject"),
        "POST /wait HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nabc", Get("/count"), Get("/tag?n=42"), Get("/201"),
        Get("/202"), Get("/203"), Get("/204"), Get("/400"), Get("/404"), Get("/500"), Get("/501"), Get("/503"), Get("/505"),
        Get("/junk"), Get("/refused"), Get("/none"), Get("/slow"), "G@T / HTP/1.1\r\n\r\n",
    ];

    private static string Get(string path) => $"GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";

    private static string Answer(string name, string head)
    {
        string path = head.Split(' ')[1];
        return path == "/junk" ? "junk\r\n\r\n" : path == "/slow" ? ""
            : $"HTTP/1.1 {(path.Length == 4 ? path[1..] : "200")} X\r\ncontent-length: 0\r\n\r\n";
    }

    /// <summary>A table's entries when nothing is tracked any more.</summary>
    private static string Settled(Side side, string table)
    {
        string text = "";
        Assert.True(SpinWait.SpinUntil(() => !Tracked().IsMatch(text = side.Cli($"show table {table}")),
            TimeSpan.FromSeconds(10)), text);
        return Plain(text);
    }

    /// <summary>The connection that asked whether a side accepts is waited for, and no part of what follows.</summary>
    private static void Begin(Twin twin, string table)
    {
        foreach (var side in twin.Both)
        {
            string text = "";
            Assert.True(SpinWait.SpinUntil(() => (text = side.Cli($"show table {table}")).Contains("conn_cnt=1 "), TimeSpan.FromSeconds(10)),
                text);
            Settled(side, table);
            side.Cli($"clear table {table}");
        }
    }

    private static string Plain(string text) => Regex.Replace(Regex.Replace(text, "0x[0-9a-f]+: ", ""), @"exp=[1-9]\d*", "exp=N");

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Counters_OfEveryOutcome_AreTheOriginals(int shards)
    {
        using var farm = new Farm(1, Answer);
        using var twin = new Twin(
            string.Concat(Places.Select((p, i) => $"frontend f{i}\n  bind 127.0.0.1:PORT{(i == 0 ? "" : i + 1)}\n  {p}\n{Rules}"))
            + $"backend b\n{farm.Lines()}backend refused\n  retries 0\n  server s 127.0.0.1:{Harness.FreePort()}\nbackend none\n"
            + $"backend slow\n  timeout server 100ms\n{farm.Lines()}backend t\n  stick-table type ip size 1k expire 1m store {Counters}\n"
            + $"backend u\n  stick-table type string len 20 size 1k expire 1m store {Counters}\n"
            + $"backend i\n  stick-table type integer size 1k expire 1m store {Counters}\n",
            shards, defaults: "  mode http\n  timeout tarpit 50ms\n");
        Begin(twin, "t");
        for (int i = 0; i < Places.Length; i++)
        {
            foreach (string request in Requests)
            {
                twin.Same(side =>
                {
                    string status = side.Exchange(request, port: side.Ports[i]).Split("\r\n")[0];
                    string tables = Settled(side, "t") + Settled(side, "u") + Settled(side, "i");
                    side.Cli("clear table t");
                    side.Cli("clear table u");
                    side.Cli("clear table i");
                    return $"{Places[i]}\n{request.Split("\r\n")[0]}\n{status}\n{tables}";
                });
            }
        }
    }

    [Fact]
    public void Connections_WhileTheyLast_AreCountedAsCurrent()
    {
        using var farm = new Farm(1);
        using var twin = new Twin($"""
            frontend f
              bind 127.0.0.1:PORT
              tcp-request connection track-sc0 src
              stick-table type ip size 10 store conn_cur,conn_cnt,sess_cnt
              http-request return status 200 content-type text/plain lf-string "%[sc0_conn_cur] %[sc0_trackers] %[src_conn_cur] %[src,table_trackers]"
            """);
        string Table(Side side) => Plain(side.Cli("show table f"));
        Begin(twin, "f");
        twin.Same(side =>
        {
            using var one = side.Open("127.0.0.7");
            using var two = side.Open("127.0.0.7");
            using var three = side.Open("127.0.0.8");
            string said = Side.Ask(one, Get("/").Replace("close", "keep-alive")).Body + "\n";
            said += Side.Ask(two, Get("/").Replace("close", "keep-alive")).Body + "\n";
            said += Side.Ask(three, Get("/").Replace("close", "keep-alive")).Body + "\n";
            said += side.Cli("clear table f key 127.0.0.7") + Table(side);
            return said;
        });
        twin.Same(side => Settled(side, "f"));
        twin.Same(side => side.Cli("clear table f key 127.0.0.7") + Settled(side, "f"));
    }

    [Fact]
    public void Rejections_OfConnectionAndSession_AreNoSessions()
    {
        using var twin = new Twin("""
            frontend f
              bind 127.0.0.1:PORT
              tcp-request connection track-sc0 src
              tcp-request connection reject if { src 127.0.0.2 }
              tcp-request session reject if { src 127.0.0.3 }
              tcp-request content reject if { src 127.0.0.4 }
              stick-table type ip size 10 store conn_cur,conn_cnt,sess_cnt,http_req_cnt,http_err_cnt
              http-request return status 200
            """);
        Begin(twin, "f");
        twin.Same(side =>
        {
            for (int i = 1; i <= 4; i++)
            {
                Try(side, $"127.0.0.{i}");
            }

            return Settled(side, "f");
        });
    }

    /// <summary>One request from an address. Whether a rejection is seen as an end or as a reset is a matter of time.</summary>
    private static void Try(Side side, string from)
    {
        try
        {
            side.Exchange(Get("/"), from);
        }
        catch (SocketException)
        {
            // Refused before the request was sent.
        }
    }

    [Fact]
    public void Tcp_TrackedStreams_CountTheirBytes()
    {
        using var echo = Backend.Named("hello");
        using var twin = new Twin($"""
            listen l
              bind 127.0.0.1:PORT
              tcp-request connection track-sc0 src
              tcp-request content track-sc1 src,ipmask(24)
              tcp-request content sc-inc-gpc0(1)
              stick-table type ip size 10 store conn_cur,conn_cnt,conn_rate(10m),sess_cnt,bytes_in_cnt,bytes_out_cnt,bytes_in_rate(10m),gpc0
              server s 127.0.0.1:{echo.Port}
            """, defaults: "  mode tcp\n");
        Begin(twin, "l");
        twin.Same(side => side.Exchange("", "127.0.0.5") + side.Exchange("", "127.0.0.6") + Settled(side, "l"));
    }

    [GeneratedRegex(" use=[1-9]")]
    private static partial Regex Tracked();
}
