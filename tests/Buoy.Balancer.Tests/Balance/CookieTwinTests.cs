using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Engine.Http;

namespace Buoy.Balancer.Tests.Balance;

/// <summary>Persistence cookies: what servers and clients get, and what the log says, is the original's.</summary>
public sealed partial class CookieTwinTests
{
    private static string Date(int ago)
    {
        var text = new byte[CookieDate.Length];
        CookieDate.Write(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - ago, text);
        return Encoding.ASCII.GetString(text);
    }

    private static IEnumerable<string> Requests()
    {
        foreach (string cookie in (string[])
            ["", "A=c1", "A=c2", "A=zz", "A=c3", "A=", "A", "b=1; A=c2; c=2", "A=c1; b=1", "b=1; A=c1", "AA=c1; A=c2", "a=c2",
            "A=c1~x", "A=zz~y", "A=~y", "b=2; A=c2~value; d=4", "A=c3~x", "A=\"c1\"", "A = c2 ; b=1", "A=c1; A=c2", "b=1,A=c2",
            "A=zz; A=c1", $"A=c2|{Date(10)}|{Date(100)}", $"A=c2|{Date(5000)}|{Date(6000)}", $"A=c2|{Date(10)}|{Date(6000)}",
            $"A=c1|{Date(10)}", $"A=c1|{Date(-90000)}", "A=c1|abc", $"A=zz|{Date(10)}"])
        {
            string field = cookie.Length == 0 ? "" : $"cookie: {cookie}\r\n";
            yield return $"GET / HTTP/1.1\r\nhost: h\r\n{field}\r\n";
        }

        yield return "GET / HTTP/1.1\r\nhost: h\r\nCookie: x=1\r\nCookie: A=c2\r\n\r\n";
        yield return "POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n";
        foreach (string set in (string[])["own", "own-attributes", "other", "two", "empty"])
        {
            yield return $"GET /{set} HTTP/1.1\r\nhost: h\r\n\r\n";
            yield return $"GET /{set} HTTP/1.1\r\nhost: h\r\ncookie: A=c2; q=1\r\n\r\n";
            yield return $"POST /{set} HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\ncookie: A=zz~1\r\n\r\n";
        }

        foreach (string cache in (string[])["public", "private", "no-cache", "no-store", "max-age=3", "max-age=0", "s-maxage=5", "public,max-age=5",
            "max-age=5,private", "max-age=0,s-maxage=3", "no-cache,max-age=3", "must-revalidate", "etag", "expires", "modified",
            "404", "302", "pragma"])
        {
            yield return $"GET /cache/{cache} HTTP/1.1\r\nhost: h\r\n\r\n";
        }

        yield return "POST /cache/max-age=3 HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n";
        yield return "GET /cache/max-age=3 HTTP/1.1\r\nhost: h\r\nauthorization: x\r\n\r\n";
    }

    private static string Answer(string name, string head)
    {
        string path = head.Split(' ')[1].Split('?')[0];
        string set = path switch
        {
            "/own" => "Set-Cookie: A=app\r\n",
            "/own-attributes" => "Set-Cookie: A=app; Path=/x; Secure\r\nx: y\r\n",
            "/other" => "Set-Cookie: B=app; A=x\r\n",
            "/two" => "set-cookie: B=1\r\nset-cookie: A=2\r\nset-cookie: A=3\r\n",
            "/empty" => "Set-Cookie: A=\r\n",
            _ => "",
        };
        string status = "200 OK";
        if (path.StartsWith("/cache/", StringComparison.Ordinal))
        {
            (status, set) = path[7..] switch
            {
                "404" => ("404 Not Found", "cache-control: max-age=3\r\n"),
                "302" => ("302 Found", "cache-control: max-age=3\r\n"),
                "etag" => (status, "etag: \"x\"\r\n"),
                "expires" => (status, "expires: Thu, 01 Jan 2099 00:00:00 GMT\r\n"),
                "modified" => (status, "last-modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n"),
                "pragma" => (status, "pragma: no-cache\r\ncache-control: max-age=3\r\n"),
                var directive => (status, $"Cache-Control: {directive}\r\n"),
            };
        }

        string body = $"{name}\n{head}";
        return $"HTTP/1.1 {status}\r\n{set}content-length: {body.Length}\r\n\r\n{body}";
    }

    [Theory]
    [InlineData("A")]
    [InlineData("A indirect")]
    [InlineData("A rewrite")]
    [InlineData("A insert")]
    [InlineData("A insert indirect")]
    [InlineData("A insert indirect nocache")]
    [InlineData("A insert nocache")]
    [InlineData("A insert postonly")]
    [InlineData("A insert preserve")]
    [InlineData("A insert indirect preserve nocache")]
    [InlineData("A insert indirect httponly secure domain .x.org domain y.org attr SameSite=Lax")]
    [InlineData("A insert indirect maxidle 1h maxlife 1h30m")]
    [InlineData("A insert maxidle 1h")]
    [InlineData("A insert indirect maxlife 5000")]
    [InlineData("A prefix")]
    [InlineData("A prefix nocache")]
    [InlineData("A prefix indirect")]
    [InlineData("A insert indirect", "option persist\n  option redispatch\n  retries 1")]
    public void Cookies_OnTheWireAndInTheLog_AreTheOriginals(string cookie, string more = "")
    {
        using var farm = new Farm(4, Answer);
        string servers = farm.Lines("cookie c1", "cookie c2", "", "cookie c4 backup") +
            "  server down 127.0.0.1:1 cookie c3 disabled\n";
        using var twin = new Twin(
            $"frontend f\n  bind 127.0.0.1:PORT\n  option httplog\n  default_backend b\nbackend b\n  cookie {cookie}\n  {more}\n{servers}");
        var requests = Requests().ToList();
        twin.Same(side =>
        {
            var seen = new StringBuilder();
            using var s = side.Open();
            var log = side == twin.Ours ? twin.OurLog : twin.HaproxyLog;
            int number = 0;
            foreach (string request in requests)
            {
                // A syslog socket holds few lines: each is taken before the next comes.
                string r = request.Replace(" HTTP/1.1", $"?n={number} HTTP/1.1");
                var (head, body) = Side.Ask(s, r);
                string line = log.WaitFor($"?n={number++} ");
                seen.Append(LogFlags().Match(line).Value).Append('\n');
                seen.Append(r.Replace("\r\n", "|")).Append('\n').Append(Plain(head)).Append(Plain(body)).Append('\n');
            }

            return seen.ToString();
        });
    }

    /// <summary>Dates differ by when they were written: only that they are of now matters.</summary>
    private static string Plain(string text) => Dates().Replace(text, m => Recent(m.Value[1..]) ? "|NOW" : m.Value);

    private static bool Recent(string date) =>
        Math.Abs(CookieDate.Read(Encoding.ASCII.GetBytes(date)) - DateTimeOffset.UtcNow.ToUnixTimeSeconds()) < 8;

    [GeneratedRegex(@"\|[A-Za-z0-9+/]{5}")]
    private static partial Regex Dates();

    [GeneratedRegex(@" [A-Za-z-]{4} \d+/")]
    private static partial Regex LogFlags();
}
