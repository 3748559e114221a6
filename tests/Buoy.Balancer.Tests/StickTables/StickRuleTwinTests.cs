using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Tests.Balance;
using Buoy.Balancer.Tests.Engine;

namespace Buoy.Balancer.Tests.StickTables;

/// <summary>stick rules on any sample, and the runtime API on tables with all kinds of data, as in the original.</summary>
public sealed class StickRuleTwinTests
{
    private static string Get(string path, string cookie = "", string more = "") =>
        $"GET {path} HTTP/1.1\r\nhost: h\r\n{(cookie.Length > 0 ? $"cookie: k={cookie}\r\n" : "")}{more}\r\n";

    /// <summary>Answers with its name, and a session of the path; /500 and the like with that status.</summary>
    private static string Answer(string name, string head)
    {
        string path = head.Split(' ')[1];
        string status = path.Length == 4 && char.IsAsciiDigit(path[1]) ? path[1..] : "200";
        return $"HTTP/1.1 {status} X\r\nx-session: {path[1..]}\r\ncontent-length: {name.Length}\r\n\r\n{name}";
    }

    /// <summary>Tells its name and reads to the end.</summary>
    private static void Say(Socket s, string name)
    {
        s.Send(Encoding.ASCII.GetBytes(name));
        s.Shutdown(SocketShutdown.Send);
        var buffer = new byte[256];
        while (s.Receive(buffer) > 0)
        {
        }
    }

    private static string Plain(string answer) => Regex.Replace(Regex.Replace(
        Regex.Replace(answer, "0x[0-9a-f]+: ", ""), @"exp=[1-9]\d*", "exp=N"), "server_key=127.0.0.1:[0-9]+", "server_key=ADDRESS");

    public static TheoryData<string, string> Rules => new()
    {
        { "type string", "stick on req.cook(k)" },
        { "type string len 3 expire 1m", "stick on req.cook(k)" },
        { "type integer expire 1m", "stick on req.cook(k)" },
        { "type binary len 4", "stick on req.cook(k)" },
        { "type binary", "stick match req.cook(k),sha1\n  stick store-request req.cook(k),sha1" },
        { "type ipv6", "stick on hdr(host)\n  stick on src" },
        { "type string", "stick on src" },
        { "type integer", "stick on src" },
        { "type string store conn_cnt,server_id srvkey name", "stick on url if { url_beg /a }\n  stick on req.cook(k)" },
        { "type string srvkey addr", "stick on url unless { url_beg /a } or FALSE" },
        { "type string", "stick store-response res.hdr(x-session)\n  stick match req.cook(k)" },
        { "type string", "stick store-response res.hdr(x-session) if { status 200 }\n  stick match req.cook(k),lower" },
        { "type integer", "stick store-response status\n  stick match url,word(1,/)" },
        { "type string", "stick on req.cook(k)\n  http-response deny if { res.hdr(x-session) b }\n  http-request deny if { url /c }" },
        { "type string", "stick store-request req.cook(k)\n  stick store-request url\n  stick store-response res.hdr(none)\n  "
            + "stick store-response res.hdr(x-session)\n  stick store-response status\n  stick match req.cook(k)" },
        { "type string", "stick on url,lower table other\n  stick on req.cook(k)" },
    };

    [Theory]
    [MemberData(nameof(Rules))]
    public void Stick_OnSamples_ChoosesAndStoresAsTheOriginal(string table, string rules)
    {
        using var farm = new Farm(3, Answer);
        using var twin = new Twin(
            "frontend f\n  bind 127.0.0.1:PORT\n  default_backend b\nbackend b\n  balance static-rr\n"
            + $"  stick-table {table} size 1k\n  {rules}\n{farm.Lines("", "id 7", "weight 2")}backend other\n  stick-table type string size 100\n");
        string[] requests =
        [
            Get("/a", "1"), Get("/b", "2"), Get("/a", "1"), Get("/A", "1"), Get("/c", "abcdefgh"), Get("/d", "abcdxyz"),
            Get("/d", "-5"), Get("/500", "5x"), Get("/404", "a"), Get("/a", "500"), Get("/x", "404"), Get("/200", "C"), Get("/e"),
            Get("/b", "2"), Get("/f", "A"),
        ];
        string Run(Side side) => string.Join('\n', requests.Select((r, i) =>
        {
            using var s = side.Open($"127.0.0.{1 + (i % 4)}");
            return r.Split(' ')[1] + " " + Side.Ask(s, r).Body;
        }));
        twin.Same(Run);
        twin.Same(s => Plain(s.Cli("show table b") + s.Cli("show table other")));
        twin.Tell("disable server b/s2");
        twin.Same(Run);
        twin.Same(s => Plain(s.Cli("show table b") + s.Cli("show table other")));
    }

    [Fact]
    public void Stick_SharedTable_KnowsServersByName()
    {
        using var farm = new Farm(2, (name, _) => $"HTTP/1.1 200 X\r\ncontent-length: {name.Length}\r\n\r\n{name}");
        using var twin = new Twin($"""
            frontend f
              bind 127.0.0.1:PORT
              use_backend two if {"{"} url /two {"}"}
              default_backend one
            backend one
              balance static-rr
              stick-table type string size 10 expire 1m
              stick on req.cook(k)
              server a 127.0.0.1:{farm[0]}
              server b 127.0.0.1:{farm[1]}
              server only 127.0.0.1:{farm[1]} backup
            backend two
              balance static-rr
              stick match req.cook(k) table one
              server c 127.0.0.1:{farm[0]}
              server b 127.0.0.1:{farm[1]}
              server a 127.0.0.1:{farm[0]}
            """);
        twin.Same(s => string.Join(' ', s.Bodies(
            [Get("/", "1"), Get("/", "2"), Get("/two", "2"), Get("/two", "1"), Get("/two", "2"), Get("/two", "1")])));
        twin.Tell("set table one key 3 data.server_id 2");
        twin.Same(s => string.Join(' ', s.Bodies([Get("/two", "3"), Get("/two", "3"), Get("/two", "9")])));
        twin.Same(s => Plain(s.Cli("show table one")));
    }

    [Fact]
    public void Stick_ServerThatDoesNotAnswer_IsNotStored()
    {
        using var mute = Backend.Http(_ => "junk\r\n\r\n");
        using var twin = new Twin($"""
            frontend f
              bind 127.0.0.1:PORT
              use_backend junk if {"{"} url /junk {"}"}
              default_backend b
            backend b
              retries 0
              stick-table type string size 10
              stick on url
              server s 127.0.0.1:{Harness.FreePort()}
            backend junk
              stick on url table b
              server s 127.0.0.1:{mute.Port}
            """);
        twin.Same(s => s.Exchange(Get("/x", more: "connection: close\r\n")).Split("\r\n")[0]
            + s.Exchange(Get("/junk", more: "connection: close\r\n")).Split("\r\n")[0] + s.Cli("show table b"));
    }

    [Theory]
    [InlineData("type string len 8", "stick on req.payload(0,4)", "010213330")]
    [InlineData("type string", "stick on req.rdp_cookie(user)\n  stick store-response src", "012345657")]
    [InlineData("type binary len 2", "stick on req.payload(1,2) if { req.payload(0,1) -m str k }\n  stick on src,ipmask(8)", "010212220")]
    public void Stick_OnBytesOfTcp_KeepsTheServerAsTheOriginal(string table, string rules, string groups)
    {
        using var one = new Backend(s => Say(s, "one"));
        using var two = new Backend(s => Say(s, "two"));
        using var twin = new Twin(
            "listen l\n  bind 127.0.0.1:PORT\n  balance static-rr\n  tcp-request inspect-delay 10s\n"
            + "  tcp-request content accept if { req.len ge 4 }\n"
            + $"  stick-table {table} size 100\n  {rules}\n"
            + $"  server a 127.0.0.1:{one.Port}\n  server b 127.0.0.1:{two.Port}\n", defaults: "  mode tcp\n");

        // A connection request of 29 bytes with a user's name of three letters.
        static string Rdp(string user) => "\u0003\0\0\u001d\u0018\u00e0\0\0\0\0\0Cookie: user=" + user + "\r\n";
        string[] payloads = ["kaXX1", "kbXX", "kaXX2", "xaXX", "kbXX", Rdp("ann"), Rdp("bob"), Rdp("ann"), "kaXX"];

        // Whose turn it is depends on the connection that asked whether a side accepts; who belongs together does not.
        foreach (var side in twin.Both)
        {
            side.Exchange("warm", "127.0.0.9");
        }

        twin.Tell("clear table l");
        twin.Same(side =>
        {
            string[] names = [.. payloads.Select(p => side.Exchange(p, "127.0.0.9"))];
            return string.Join(' ', names.Select((n, i) => n == names[groups.IndexOf(groups[i])]))
                + Regex.Replace(Plain(side.Cli("show table l")), "server_.*", "");
        });
    }

    [Fact]
    public void Api_AllKindsOfData_AnswersAsTheOriginal()
    {
        using var farm = new Farm(1);
        using var twin = new Twin($"""
            frontend f
              bind 127.0.0.1:PORT
              default_backend b
            backend b
            {farm.Lines()}
            backend t
              stick-table type ip size 2 nopurge store gpc0,conn_cnt,conn_rate(10m),bytes_in_cnt,http_fail_cnt,server_key,conn_cur
            backend e
              stick-table type ip size 10 expire 1m store gpt0
            backend g
              stick-table type ip size 10 store gpc(2),gpc_rate(2,10m),gpt(1),server_id
            backend s
              stick-table type string len 12 size 10 store sess_cnt
            """);
        foreach (string command in (string[])
            [
            "show table t", "set table t key 1.1.1.1", "set table t key 127.0.0.1 data.server_key foo", "set table t key 1.2.3.4",
            "set table t key 127.0.0.1 data.conn_rate 5 data.bytes_in_cnt 5000000000 data.gpc0 0x10",
            "set table t key 127.0.0.1 data.conn_cnt 1x", "set table t key 127.0.0.1 data.server_id 1", "show table t",
            "set table t key 127.0.0.1 data.conn_cnt -3 data.gpc0 4294967299 data.conn_cur 4", "show table t",
            "show table t data.conn_rate gt 4", "show table t data.conn_rate gt 4 data.gpc0", "show table t data.server_key eq 1",
            "show table t data.gpc0 ge 0 data.gpc0 lt 10 data.conn_cnt ge 0 data.conn_cur ge 0",
            "show table t data.gpc0 ge 0 data.gpc0 lt 10 data.conn_cnt ge 0 data.conn_cur ge 0 data.conn_cur ge 0",
            "show table t data.bytes_in_cnt ge 5000000000", "clear table t data.bytes_in_cnt lt 5000000000", "show table t",
            "set table t key 8.8.8.8", "show table e data.gpt0 eq 99999999999999999999", "set table e key 1.2.3.4 data.gpt0 4 data.gpt0",
            "set table e key 1.2.3.4 bar", "set table e foo 1.2.3.4", "show table e key 1.2.3.4 foo", "show table e data.gpt0 eq 4x",
            "clear table e data.gpt0 eq 4 foo", "show table e", "set table e key 1.2.3.4 data.gpt0 -1", "show table e data.gpt0 eq -1",
            "show table e data.gpt0 lt 0", "show table e data.gpt0 gt 4294967294", "show table e data.gpt0 gt -5", "show table",
            "clear table e key 1.2.3.4", "show table e", "set table g key 1.1.1.1 data.gpc 4", "show table g data.gpc gt 1",
            "set table g key 1.1.1.1 data.gpc(1) 4", "set table g key 1.1.1.1 data.gpc[1] 4", "set table g key 1.1.1.1 data.gpc_rate 4",
            "set table g key 1.1.1.1 data.gpt0 4", "set table g key 1.1.1.1 data.gpc1 4", "set table g key 1.1.1.1 data.gpt 8",
            "set table g key 1.1.1.2 data.server_id 3", "show table g", "show table g data.gpc1 gt 1", "show table g data.server_id eq 3",
            "show table g data.gpc_rate ge 4", "set table s key a=b\\ c data.sess_cnt 1", "set table s key a\\\\b", "show table s",
            "show table s key a=b\\ c", "clear table s key a=b\\ c", "show table s",
            ])
        {
            twin.Same(s => command + "\n" + Plain(s.Cli(command)));
        }
    }
}
