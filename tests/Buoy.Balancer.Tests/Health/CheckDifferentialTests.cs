using System.Text.RegularExpressions;
using Buoy.Balancer.Tests.Control;

namespace Buoy.Balancer.Tests.Health;

/// <summary>Every kind of check against servers that answer well, badly, by halves or not at all: HAProxy and ours must
/// send the same, and say the same of it.</summary>
public sealed class CheckDifferentialTests
{
    private const string Ok = "HTTP/1.0 200 OK\r\nX-A: one,two\r\nX-B: z\r\n\r\nhello world";

    /// <summary>Lines of the backend, options of the server line, script of the server.</summary>
    private sealed record Case(
        string Lines, string? Greeting = null, string[]? Replies = null, ScriptEnd End = ScriptEnd.Close, string Options = "")
    {
        public string Name => $"{Lines} {Options} <{Greeting}> <{string.Join('|', Replies ?? [])}> {End}";
    }

    private static Case Web(string lines, string reply = Ok, ScriptEnd end = ScriptEnd.Close, string options = "") =>
        new(lines.Length == 0 ? "option httpchk" : "option httpchk;" + lines, null, [reply], end, options);

    private static Case Tcp(string lines, string? greeting = null, ScriptEnd end = ScriptEnd.Close, string options = "") =>
        new(lines.Length == 0 ? "option tcp-check" : "option tcp-check;" + lines, greeting, null, end, options);

    private static Case[] HttpCases() =>
    [
        Web(""), Web("", "HTTP/1.0 500 Oops\r\n\r\n"), Web("", "HTTP/1.0 500\r\n\r\n"), Web("", ""), Web("", "blah\r\n\r\n"),
        Web("", "HTTP/1.0 200 OK\r\nbad header\r\n\r\n"), Web("", "HTTP/1.0 200 OK\r\nA: b"), Web("", "HTTP/1.0 200 OK\n\n"),
        Web("", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), Web("", "HTTP/1.0 20", ScriptEnd.Open),
        Web("", "HTTP/1.0 200 OK\r\n", ScriptEnd.Open), Web("", "HTTP/1.0 200 OK\r\n\r\n", ScriptEnd.Open),
        Web("", "", ScriptEnd.Open), Web("", "", ScriptEnd.Reset), Web("", options: "port 1"),
        Web("http-check send meth POST uri /p ver HTTP/1.1 hdr Host h.example hdr X-Y \"a b\" body hello"),
        Web("http-check send meth POST hdr Content-Length 99 hdr Transfer-Encoding chunked body hello"),
        Web("http-check send meth GET uri http://foo.com/x hdr host bar.com"), Web("http-check send hdr a 100%% body 100%%"),
        Web("http-check send-state"), Web("http-check send-state;http-check send hdr a b ver HTTP/1.1 body hi"),
        Web("http-check disable-on-404", "HTTP/1.0 404 Not\r\n\r\n"),
        Web("http-check disable-on-404;http-check expect string foo", "HTTP/1.0 404 Not\r\n\r\nxx"),
        Web("http-check expect status 201"), Web("http-check expect status 200"), Web("http-check expect status 200,201-299"),
        Web("http-check expect ! status 200-299"), Web("http-check expect rstatus ^3"), Web("http-check expect rstatus ^2"),
        Web("http-check expect string nope"), Web("http-check expect string hello"), Web("http-check expect ! string hello"),
        Web("http-check expect rstring ^nope"), Web("http-check expect rstring ^hello"), Web("http-check expect !rstring w.r"),
        Web("http-check expect hdr name x-a value one"), Web("http-check expect hdr name x-a value three"),
        Web("http-check expect fhdr name x-a value one"), Web("http-check expect fhdr name x-a value one,two"),
        Web("http-check expect hdr name -m beg x- value -m reg ^o"), Web("http-check expect hdr name -m end -b"),
        Web("http-check expect ! hdr name x-a value -m sub w"), Web("http-check expect hdr name nope"),
        Web("http-check expect comment \"my msg\" status 201"), Web("http-check comment cmt;http-check expect status 201"),
        Web("http-check expect error-status L7OKC status 201"), Web("http-check expect ok-status L4OK status 200"),
        Web("http-check expect ok-status L6OK string hello"), Web("http-check expect on-error bad status 201"),
        Web("http-check expect on-success good status 200"), Web("http-check expect string x", "HTTP/1.0 200 OK\r\n\r\n"),
        Web("http-check expect string hello", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhel"),
        Web("http-check expect string nope", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ScriptEnd.Open),
        Web("http-check expect string hello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", ScriptEnd.Open),
        Web("http-check expect tout-status L6TOUT string hello", "", ScriptEnd.Open),
        Web("http-check expect comment cc string a", "", ScriptEnd.Open), Web("http-check expect comment cc string a", ""),
        Web("http-check expect string foo", "HTTP/1.0 200 OK\r\n\r\nfo", ScriptEnd.Open),
        Web("http-check expect min-recv 2 rstring foo", "HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\nfo", ScriptEnd.Open),
        Web("http-check expect min-recv 9 string foo", "HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\nfo", ScriptEnd.Open),
        Web("http-check send uri /a;http-check expect status 200;http-check expect hdr name x-b;http-check expect string foo"),
        Web("http-check connect;http-check send uri /1;http-check expect status 200;http-check connect;"
            + "http-check send uri /2 hdr c d;http-check expect status 404"),
        Web("http-check connect port 1 comment cc"),
        new("http-check send uri /first hdr a b;option httpchk GET /foo HTTP/1.1", null, [Ok]),
        new("option httpchk GET /foo HTTP/1.1;http-check connect;http-check send hdr Host a", null, [Ok]),
        new("option httpchk GET /foo HTTP/1.1;http-check send uri /bar", null, [Ok]),
        new("option httpchk /foo", null, [Ok]), new("option httpchk GET /x HTTP/1.1", null, [Ok]),
        new(@"option httpchk GET /x HTTP/1.1\r\nHost:\ foo\r\nX-B:\ 1\r\n\r\nbody", null, [Ok]),
        new(@"option httpchk GET /foo HTTP/1.1\r\nHost:\ x;http-check send hdr a b", null, [Ok]),
        new("option httpchk GET http://a.b:90/foo HTTP/1.1;http-check send hdr host c:8", null, [Ok]),
        Web("", options: "check-send-proxy"),
    ];

    private static Case[] TcpCases() =>
    [
        new(""), new("", Options: "port 1"), Tcp(""), Tcp("", options: "port 1"), Tcp("tcp-check connect"),
        Tcp("tcp-check connect", options: "port 1"), Tcp("tcp-check connect comment zz port 1"), Tcp("tcp-check comment a"),
        Tcp("tcp-check connect addr 127.0.0.9 port 1"), Tcp("tcp-check comment cc;tcp-check connect port 1"),
        Tcp("tcp-check expect string +OK", "+OK hi\r\n", ScriptEnd.Open), Tcp("tcp-check expect string +OK", "-ERR hi\r\n"),
        Tcp("tcp-check expect string +OK", "-ERR hi there, long enough", ScriptEnd.Open),
        Tcp("tcp-check expect string +OK"), Tcp("tcp-check expect string +OK", null, ScriptEnd.Open),
        Tcp("tcp-check expect min-recv 0 string +OK", "-ERR hi\r\n", ScriptEnd.Open),
        Tcp("tcp-check expect min-recv 3 string +OK", "-ERR hi\r\n", ScriptEnd.Open),
        Tcp("tcp-check expect min-recv 30 rstring ^-ERR", "-ERR hi\r\n", ScriptEnd.Open),
        Tcp("tcp-check expect min-recv 30 rstring ^-ERR", "-ERR hi\r\n"),
        Tcp("tcp-check expect ! string ERR", "-ERR hi\r\n", ScriptEnd.Open),
        Tcp("tcp-check expect ! string FOO", "-ERR hi\r\n", ScriptEnd.Open), Tcp("tcp-check expect ! string FOO", "-ERR"),
        Tcp("tcp-check expect rstring ^F[O]+", "-ERR hi\r\n"), Tcp("tcp-check expect ! rstring ^.E", "-ERR hi\r\n"),
        Tcp("tcp-check expect binary 2b4f4b", "-ERR"), Tcp("tcp-check expect ! binary 2d45", "-ERR"),
        Tcp("tcp-check expect rbinary ^2b", "-ERR"), Tcp("tcp-check expect rbinary ^2D45", "-ERR"),
        Tcp("tcp-check expect rbinary ^2d45", "-ERR"), Tcp("tcp-check expect comment \"my c\" string +OK", "-ERR"),
        Tcp("tcp-check comment cc;tcp-check expect string +OK", "-ERR"), Tcp("tcp-check expect comment cc string A"),
        Tcp("tcp-check expect on-error oo comment cc string A"), Tcp("tcp-check expect error-status L7STS string A", "B"),
        Tcp("tcp-check expect error-status L4CON string A", "B"), Tcp("tcp-check expect error-status L7OKC string A", "B"),
        Tcp("tcp-check expect ok-status L7OKC string B", "B"), Tcp("tcp-check expect ok-status L6OK string B", "B"),
        Tcp("tcp-check expect on-error \"foo bar\" string A", "B"), Tcp("tcp-check expect on-success good string B", "B"),
        Tcp("tcp-check expect comment cc on-error \"foo bar\" string A", "B"),
        Tcp("tcp-check expect on-success good string B;tcp-check send x", "B"),
        Tcp("tcp-check expect string A;tcp-check expect string B", "BA"),
        Tcp("tcp-check expect string " + new string('a', 300), "B"), Tcp("tcp-check expect string b", "a\0b"),
        Tcp("tcp-check expect tout-status L4TOUT string A", null, ScriptEnd.Open),
        Tcp("tcp-check expect binary 00", null, ScriptEnd.Open), Tcp("tcp-check expect rbinary 00", null, ScriptEnd.Open),
        Tcp("tcp-check expect comment cc string a", null, ScriptEnd.Open), Tcp("tcp-check expect rstring a", null, ScriptEnd.Open),
        Tcp("tcp-check comment cc;tcp-check expect string a", null, ScriptEnd.Open),
        Tcp("tcp-check connect;tcp-check send-binary 41420d0a;tcp-check send hello"),
        new("option tcp-check;tcp-check send A;tcp-check expect string B", null, [""], ScriptEnd.Reset),
        new(@"option tcp-check;tcp-check connect;tcp-check send PING\r\n;tcp-check expect string +PONG;"
            + @"tcp-check send QUIT\r\n;tcp-check expect string +OK", null, ["+PONG\r\n", "-NO\r\n"]),
        new(@"option tcp-check;tcp-check connect;tcp-check send PING\r\n;tcp-check expect string +PONG;"
            + @"tcp-check send QUIT\r\n;tcp-check expect string +OK", null, ["+PONG\r\n", "+OK\r\n"]),
        new("option tcp-check;tcp-check connect;tcp-check send A;tcp-check connect port 1;tcp-check expect string A"),
        new("option tcp-check;tcp-check send AAA;tcp-check expect string B;tcp-check send AAA;tcp-check expect string C", null, ["B"]),
        new("option tcp-check;tcp-check connect send-proxy;tcp-check send hello", null, [""]),
        new("option tcp-check;tcp-check send hello", null, [""], Options: "check-send-proxy"),
        new("", null, [""], Options: "check-send-proxy"),
        new("option tcp-check;tcp-check connect;tcp-check send hello", null, [""], Options: "check-send-proxy"),
        new("option tcp-check;tcp-check connect default;tcp-check send hello", null, [""], Options: "check-send-proxy"),
    ];

    private const string Sample = "HTTP/1.1 200 OK\r\nX-A: foo,bar\r\nX-B: foo\r\nContent-Length: 5\r\n\r\nhello";

    /// <summary>Rules with variables, log-formats and expressions.</summary>
    private static Case[] EvaluatedCases() =>
    [
        Web("http-check send uri-lf /%f/%b/%s/%ST/%U/%B/%ci/%cp/%fi/%fp/%bi/%sc/%rc/%ts/%o%{+Q}b", Sample),
        Web("http-check send hdr x \"%[be_name]|%[be_id,mul(0)]|%[srv_name]|%[srv_id]|%[src]|%[bc_src]\" body-lf x%[str(a)]x", Sample),
        Web("http-check send uri /a;http-check expect status-code \"status,add(5)\" on-success "
            + "\"good %[status] %[res.hdr(x-a)] %[res.body] %[res.ver] %s\" status 200", Sample),
        Web("http-check expect status-code \"status,add(5)\" on-error "
            + "\"bad %[status] %[res.hdr(x-b)] %[res.body] %[res.payload(0,10)]|%[res.fhdr(x-a)]\" status 201", Sample),
        Web("http-check expect error-status L7STS status-code int(777) on-error x%[var(check.no)]x string foo", Sample),
        Web("http-check expect error-status L7STS status-code int(777) on-error %[var(check.no)] string foo", Sample),
        Web("http-check expect status-code str(x) status 200", Sample), Web("http-check expect status-code src status 201", Sample),
        Web("http-check expect comment cc on-error e%[int(3)] status 201", Sample),
        Web("http-check set-var(check.a) str(he);http-check send uri-lf /%[var(check.a)];"
            + "http-check expect string-lf %[var(check.a)]llo", Sample),
        Web("http-check set-var(check.a) str(he);http-check expect string-lf %[var(check.a)]LLo", Sample),
        Web("http-check set-var(check.a) str(he);http-check expect ! string-lf %[var(check.a)]llo", Sample),
        Web("http-check set-var(check.a) str(he);http-check unset-var(check.a);http-check send uri-lf /x%[var(check.a)];"
            + "http-check expect string-lf %[var(check.a)]", Sample),
        Web("http-check comment cc;http-check expect string-lf %[var(check.a)]", Sample),
        Web("http-check set-var-fmt(sess.a) \"x y\";http-check send hdr a %[var(sess.a)];"
            + "http-check expect hdr name-lf x-%[str(a)] value-lf %[str(bar)]", Sample),
        Web("http-check expect hdr name-lf x-%[str(a)] value-lf %[str(barx)]", Sample),
        Web("http-check expect hdr name-lf -m beg x- value-lf -m sub %[str(o)]", Sample),
        Web("http-check expect fhdr name-lf x-%[str(a)] value-lf foo,%[str(bar)]", Sample),
        Web("http-check set-var(txn.a) str(he);http-check set-var(req.b) str(b);http-check set-var(res.c) str(c);"
            + "http-check send uri-lf /%[var(txn.a)]%[var(req.b)]%[var(res.c)]", Sample),
        Web("http-check set-var(check.a) int(1);http-check set-var(check.a,ifset,iflt) int(2);"
            + "http-check set-var(check.b,ifset) int(3);http-check send uri-lf /%[var(check.a)]/%[var(check.b)]", Sample),
        Web("http-check send uri /1;http-check expect status 200;http-check set-var(check.s) res.hdr(x-b);"
            + "http-check expect string-lf %[var(check.s)]", Sample),
        Web("http-check connect;http-check send uri /1;http-check expect status 200;http-check set-var(check.s) res.hdr(x-b);"
            + "http-check connect;http-check send uri-lf /%[var(check.s)];http-check expect status 201", Sample),
        Web("http-check connect port int(1) comment cc"), Web("http-check connect port str(x)", Sample),
        Web("http-check connect port int(0)", Sample), Web("http-check connect port int(65537)"),
        Web("http-check set-var(check.p) int(3);http-check connect port var(check.p),sub(2)"),
        Web("http-check set-var(check.a) str(he)", Sample), Web("http-check send uri-lf %[var(check.no)]", Sample),
        Web("http-check send body-lf \"%[var(check.no)]\"", Sample), Web("http-check send hdr a %[var(check.no)]", Sample),
        Web("http-check send hdr a \"%{+Q}[str(b)]  c\"", Sample),
        Tcp("tcp-check send-lf \"hello %[srv_name] %b\";tcp-check expect string-lf OKx", null, ScriptEnd.Close) with
        {
            Replies = ["hi"],
        },
        Tcp("tcp-check send-binary-lf 41%[str(4242)];tcp-check expect binary-lf 4f4bff") with { Replies = ["hi"] },
        Tcp("tcp-check send-binary-lf 41%[str(4242)];tcp-check expect binary-lf 68%[str(69)]") with { Replies = ["hi"] },
        Tcp("tcp-check send-binary-lf 41%[str(z)]"), Tcp("tcp-check comment cc;tcp-check send-binary-lf 41%[str(4)]"),
        Tcp("tcp-check send-lf %[var(check.x)];tcp-check expect binary-lf 4f", "B", ScriptEnd.Open),
        Tcp("tcp-check send-lf %[var(check.x)] comment cc;tcp-check expect comment dd binary-lf 4f", null, ScriptEnd.Open),
        Tcp("tcp-check expect string-lf x%[int(1)]", null, ScriptEnd.Open), Tcp("tcp-check expect string-lf x%[int(1)]"),
        Tcp("tcp-check expect binary-lf 4f4bf", "B"), Tcp("tcp-check expect binary-lf 4f4bfz", "B"),
        Tcp("tcp-check expect comment cc string-lf %[var(check.x)]", "B"), Tcp("tcp-check expect binary-lf %[var(check.x)]", "B"),
        Tcp("tcp-check expect ! string-lf %[str(B)]", "ABC"), Tcp("tcp-check expect string-lf %[str(B)]", "ABC"),
        Tcp("tcp-check expect min-recv 9 string-lf %[str(B)]", "ABC"),
        Tcp("tcp-check expect status-code res.payload(0,3) on-success \"pay %[res.payload(0,0)]\" string OK", "123OK"),
        Tcp("tcp-check expect status-code res.payload(0,3) on-error \"pay %[res.payload(0,0)]\" string OXK", "123\r\n\"\xe9\x01<"),
        Tcp("tcp-check expect status-code res.payload(9,3) error-status L7STS on-error %[res.len] string OXK", "123OK"),
        Tcp("tcp-check expect status-code res.payload(0,3) error-status L7STS on-error x string OXK", "123OK"),
        Tcp("tcp-check set-var(check.a) str(he)"), Tcp("tcp-check set-var(check.a) str(he);tcp-check connect"),
        Tcp("tcp-check set-var(check.a) str(he);tcp-check connect port 1"),
        Tcp("tcp-check connect port int(1);tcp-check set-var(check.a) str(he)"),
        Tcp("tcp-check unset-var(check.a);tcp-check expect string nope", "B"),
        Tcp("tcp-check expect string B;tcp-check set-var(check.r) res.payload(0,2);tcp-check send-lf [%[var(check.r)]]", "BCD"),
        Tcp("tcp-check expect string B;tcp-check set-var(check.r) res.payload(0,2)", "BCD"),
        Tcp("tcp-check set-var(proc.check_test) int(7);tcp-check send-lf %[var(proc.check_test)];tcp-check expect string A", "B"),
    ];

    private static Case[] BuiltInCases()
    {
        string greeting = "\x4a\0\0\0\x0a" + "5.5.5-10.3\0" + new string('x', 62);
        string denied = "\x17\0\0\x02\xff\x15\x04#28000Access denied!!";
        string Bind(int code, int id = 1, int tag = 0x61, int outer = 0x30) =>
            new([(char)outer, (char)12, '\x02', '\x01', (char)id, (char)tag, '\x07', '\x0a', '\x01', (char)code, '\x04', '\0', '\x04', '\0']);
        Case Mysql(string? greet, string[]? replies = null, ScriptEnd end = ScriptEnd.Close, string user = "") =>
            new("option mysql-check" + user, greet, replies, end);
        return
        [
            new("option ssl-hello-chk", null, ["\x16\x03\0\0\x05\x02\0\0\0\0"]), new("option ssl-hello-chk", null, ["\x15\x03\0\0\x02\x02\x28"]),
            new("option ssl-hello-chk", null, [""]), new("option ssl-hello-chk", null, ["xx"]),
            new("option ssl-hello-chk", null, ["\x16"], ScriptEnd.Open), new("option ssl-hello-chk", null, ["hello w"], ScriptEnd.Open),
            Mysql(greeting), Mysql("\x17\0\0\0\xff\x10\x04Too many connections"), Mysql("junk"),
            Mysql(null), Mysql("\x4a\0\0\x01\x0a" + "5.5"), Mysql("\x4a\0\0\0\x0a" + "5.5", null, ScriptEnd.Open), Mysql("\x4a\0\0\0\x0a" + "5"),
            Mysql(greeting, ["\x07\0\0\x02\0\0\0\x02\0\0\0"], user: " user foo"), Mysql(greeting, [denied], user: " user foo"),
            Mysql(greeting, ["j"], user: " user foo"), Mysql(greeting, [""], user: " user foo"),
            Mysql("\x17\0\0\0\xff\x15\x04#28000Access denied!!", null, user: " user foo"),
            Mysql(greeting, [""], ScriptEnd.Open, " user foo"),
            Mysql(greeting, ["\x07\0\0\x02\0\0\0\x02\0\0\0"], user: " user foo pre-41"),
            new("option pgsql-check user foo", null, ["R\0\0\0\x08\0\0\0\0"]),
            new("option pgsql-check user foo", null, ["R\0\0\0\x0c\0\0\0\x05" + "abcd"]),
            new("option pgsql-check user foo", null, ["E\0\0\0\x20SFATAL\0C28000\0Mno pg_hba\0\0"]),
            new("option pgsql-check user foo", null, ["E\0\0\0\x20SFATAL\0C28000\0Mno pg_hba\0\0"], ScriptEnd.Open),
            new("option pgsql-check user foo", null, ["X\0\0\0\x20SFATAL\0"]), new("option pgsql-check user foo", null, [""]),
            new("option pgsql-check user foo", null, ["N"], ScriptEnd.Open),
            new("option redis-check", null, ["+PONG\r\n"]), new("option redis-check", null, ["-NOAUTH Authentication required.\r\n"]),
            new("option redis-check", null, ["-LOADING foo\r\n"], ScriptEnd.Open), new("option redis-check", null, ["+PO"]),
            new("option redis-check", null, [""]), new("option redis-check", null, [""], ScriptEnd.Reset),
            new("option smtpchk", "220 a\r\n", ["250 hi\r\n", "221 bye\r\n"]),
            new("option smtpchk EHLO my.org", "220 a\r\n", ["250-hi\r\n250 x\r\n", "221 bye\r\n"]),
            new("option smtpchk", "220-a\r\n220 b\r\n", ["250 hi\r\n"]), new("option smtpchk", "554 no\r\n"),
            new("option smtpchk", "220 a\r\n", ["550 no way\r\n"]), new("option smtpchk", "junk\r\n"), new("option smtpchk"),
            new("option smtpchk", "220 a\r\n", ["550 no way\r\n"], ScriptEnd.Open),
            new("option smtpchk", "220 a\r\n", ["250-hi\r\n"], ScriptEnd.Open),
            new("option smtpchk", "220 a\r\n", [""]), new("option smtpchk", "220 a\r\n", ["250 hi\r\n", "421 bye\r\n"]),
            new("option smtpchk", "220 a\r\n", ["250 hi\r\n"]), new("option smtpchk", "220\r\n", ["250\r\n", "221\r\n"]),
            new("option ldap-check", null, [Bind(0)]), new("option ldap-check", null, [Bind(49)]), new("option ldap-check", null, [""]),
            new("option ldap-check", null, [Bind(0, tag: 0x62)]), new("option ldap-check", null, [Bind(0, outer: 0x31)]),
            new("option ldap-check", null, [Bind(0, id: 2)]), new("option ldap-check", null, ["junk junk junk junk junk"]),
            new("option ldap-check", null, ["\x30\x84\0\0\0\x10\x02\x01\x01\x61\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0"]),
            new("option ldap-check", null, ["\x30\x0c\x02\x01"], ScriptEnd.Open),
        ];
    }

    [Fact]
    public void HttpChecks_OnBoth_SendAndSayTheSame() => Compare(HttpCases());

    [Fact]
    public void TcpChecks_OnBoth_SendAndSayTheSame() => Compare(TcpCases());

    [Fact]
    public void ChecksWithExpressions_OnBoth_SendAndSayTheSame() => Compare(EvaluatedCases());

    [Fact]
    public void BuiltInChecks_OnBoth_SendAndSayTheSame() => Compare(BuiltInCases());

    private static void Compare(Case[] cases)
    {
        var servers = cases.Select(c => (ScriptedServer[])[Serve(c), Serve(c)]).ToArray();
        var pair = new ConfigPair(which => string.Concat(cases.Select((c, i) =>
            $"backend c{i}\n" + string.Concat(c.Lines.Split(';').Select(l => $"  {l}\n"))
            + $"  server s 127.0.0.1:{servers[i][which].Port} check inter 500ms fall 1 {c.Options}\n")));
        var problems = new List<string>();
        for (int i = 0; i < cases.Length; i++)
        {
            string[] said = [.. Enumerable.Range(0, 2).Select(w => First(pair, w, $"Health check for server c{i}/s "))];
            string[] heard = [.. servers[i].Select(s => Plain(s.Heard.Count > 0 ? s.Heard[0] : "", s.Port))];
            if (said[0] != said[1] || !SameHeard(cases[i], heard[0], heard[1]))
            {
                problems.Add($"{cases[i].Name}\n   haproxy: {said[0]} {heard[0]}\n   ours:    {said[1]} {heard[1]}\n");
            }
        }

        // The checkers first: a port given back while it is still checked may be another test's by then.
        pair.Dispose();
        foreach (var s in servers.SelectMany(s => s))
        {
            s.Dispose();
        }

        Assert.True(problems.Count == 0, $"{problems.Count} differ:\n{string.Join('\n', problems)}");
    }

    /// <summary>A server that closes after what came first may not hear what comes behind a PROXY line.</summary>
    private static bool SameHeard(Case c, string one, string two) => one == two
        || (c.End == ScriptEnd.Close && one.StartsWith("PROXY", StringComparison.Ordinal) && two.Length >= one.IndexOf('\n')
            && (one.StartsWith(two, StringComparison.Ordinal) || two.StartsWith(one, StringComparison.Ordinal)));

    /// <summary>A case that never says anything must not hide the others.</summary>
    private static string First(ConfigPair pair, int which, string text)
    {
        try
        {
            return pair.First(which, text);
        }
        catch (InvalidOperationException)
        {
            return "(nothing)";
        }
    }

    private static ScriptedServer Serve(Case c) => new(c.Greeting, c.Replies, c.End);

    /// <summary>Without what must differ: ports, and the time in the ClientHello.</summary>
    private static string Plain(string heard, int port)
    {
        string text = heard.Replace(port.ToString(System.Globalization.CultureInfo.InvariantCulture), "PORT", StringComparison.Ordinal);
        text = Regex.Replace(text, @"(PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1) \d+", "$1 N");
        return text.StartsWith('\x16') ? text[..11] + text[15..] : text;
    }
}
