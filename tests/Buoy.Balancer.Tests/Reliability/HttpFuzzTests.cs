using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.Tests.Engine;
using CsCheck;

namespace Buoy.Balancer.Tests.Reliability;

/// <summary>Random damage to messages, cut anywhere: no crash, one verdict however it is cut, nothing malformed passed on.</summary>
public sealed unsafe partial class HttpFuzzTests
{
    private static readonly string[] Requests =
    [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: v\r\n\r\n",
        "\r\nOPTIONS * HTTP/1.0\nHost: a\nConnection: keep-alive, x\n\n",
        "GET http://h:80/p HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: ws\r\nCookie: a=b; c=d\r\n\r\n",
    ];

    private static readonly string[] Responses =
    [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
        "HTTP/1.0 404 Not Found\r\nConnection: close\r\nServer: x y\r\n\r\nbody",
        "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nabcde\r\n0\r\n\r\n",
    ];

    private static readonly string[] Splinters =
    [
        "\r", "\n", "\r\n", "\r\n\r\n", "\0", " ", "\t", ":", "Content-Length: 7\r\n", "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "Host: b\r\n", " folded\r\n", "\u00ff", "GET ", "HTTP/1.1", "-1", "ffffffffffffffffff",
        "Content-Length: +5\r\n", "Content-Length: 5, 5\r\n", "X : y\r\n", "0\r\n\r\n",
    ];

    private static readonly Gen<(int At, int Kind, int Value)[]> Damage =
        Gen.Select(Gen.Int[0, 400], Gen.Int[0, 3], Gen.Int[0, 255]).Array[0, 6];

    [Fact]
    public void Head_OfAnyBytes_HasOneVerdictHoweverItIsCut() =>
        Gen.Select(Gen.Int[0, Requests.Length + Responses.Length - 1], Damage).Sample(
            (which, damage) =>
            {
                bool request = which < Requests.Length;
                byte[] message = Broken(request ? Requests[which] : Responses[which - Requests.Length], damage);
                var (whole, length, error) = Parse(message, message.Length, request);
                Assert.True(whole != ParseResult.Complete || (length > 0 && length <= message.Length));
                var seen = ParseResult.Incomplete;
                for (int n = 0; n <= message.Length; n++)
                {
                    var (part, partLength, partError) = Parse(message, n, request);
                    if (seen == ParseResult.Incomplete && part != ParseResult.Incomplete)
                    {
                        seen = part;
                        Assert.Equal(whole, part);
                        Assert.Equal(error, partError);
                    }

                    Assert.Equal(seen, part);
                    Assert.True(part != ParseResult.Complete || partLength == length);
                }
            },
            iter: Victim.Long ? 200_000 : 3000, threads: 1);

    [Fact]
    public void Body_OfAnyBytes_EndsAtTheSamePlaceHoweverItIsCut() =>
        Gen.Select(Gen.Int[0, 1], Damage, Gen.Int[1, 20].Array[1, 30]).Sample(
            (which, damage, cuts) =>
            {
                string text = which == 0 ? "3\r\nabc\r\n1a;e=f\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nT: v\r\n\r\nGET /"
                    : "5\r\nhello\r\n00\r\n\r\n";
                byte[] message = Broken(text, damage);
                var whole = Body(message, [message.Length]);
                Assert.Equal(whole, Body(message, cuts));
            },
            iter: Victim.Long ? 200_000 : 5000, threads: 1);

    [Fact]
    public void Forwarded_OfAnyRequest_IsWellFormed()
    {
        var received = new List<string>();
        using var backend = new Backend(s =>
        {
            var all = new StringBuilder();
            byte[] buffer = new byte[65536];
            s.ReceiveTimeout = 5000;
            try
            {
                for (int n; (n = s.Receive(buffer)) > 0;)
                {
                    all.Append(Encoding.Latin1.GetString(buffer, 0, n));
                    s.Send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"u8);
                    s.Shutdown(SocketShutdown.Send);
                }
            }
            finally
            {
                lock (received)
                {
                    received.Add(all.ToString());
                }
            }
        });
        var timeouts = new TimeoutsConfig { Connect = 500, Client = 200, Server = 500, HttpRequest = 200 };
        using var h = new Harness(
            [backend.Port], ProxyMode.Http, frontend: f => f with { Timeouts = timeouts },
            backend: b => b with { Timeouts = timeouts, Retries = 0, HttpReuse = HttpReuse.Never });
        Gen.Select(Gen.Int[0, Requests.Length - 1], Damage, Gen.Int[1, 60].Array[1, 4]).Sample(
            (which, damage, cuts) =>
            {
                byte[] message = Broken(Requests[which], damage);
                using var s = h.Connect();
                try
                {
                    foreach (byte[] part in Cut(message, cuts))
                    {
                        s.Send(part);
                    }

                    s.Shutdown(SocketShutdown.Send);
                    string answer = Harness.ReadToEnd(s);
                    Assert.True(answer.Length == 0 || Status().IsMatch(answer), answer);
                }
                catch (SocketException)
                {
                    // Refused with bytes of ours unread: a reset.
                }
            },
            iter: Victim.Long ? 5000 : 150, threads: 1);
        Assert.True(SpinWait.SpinUntil(() => h.Plane.ActiveConnections == 0, 20_000));
        lock (received)
        {
            Assert.NotEmpty(received);
            Assert.All(received.Where(r => r.Contains("\r\n\r\n")), WellFormed);
        }
    }

    /// <summary>The head says in one way only where it ends, where its body ends, and whom it is for.</summary>
    private static void WellFormed(string message)
    {
        string head = message[..(message.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 2)];
        Assert.DoesNotContain('\0', head);
        string[] lines = head.Split("\r\n")[..^1];
        Assert.Matches(RequestLine(), lines[0]);
        Assert.All(lines.Skip(1), l => Assert.Matches(Field(), l));
        int lengths = lines.Count(l => l.StartsWith("content-length:", StringComparison.OrdinalIgnoreCase));
        int codings = lines.Count(l => l.StartsWith("transfer-encoding:", StringComparison.OrdinalIgnoreCase));
        Assert.True(lengths + codings <= 1, head);
        Assert.True(lines.Count(l => l.StartsWith("host:", StringComparison.OrdinalIgnoreCase)) <= 1, head);
    }

    private static (ParseResult Result, int Length, string Error) Parse(byte[] message, int length, bool request)
    {
        // A copy of exactly that size: the parser lower-cases in place, and what lies behind is not its business.
        byte[] copy = [.. message[..length], .. new byte[8]];
        var head = new HttpHead();
        fixed (byte* p = copy)
        {
            var result = request ? head.ParseRequest(p, length) : head.ParseResponse(p, length);
            return (result, result == ParseResult.Complete ? head.Length : 0, result == ParseResult.Bad ? head.Error : "");
        }
    }

    /// <summary>Where a chunked body ends: bytes taken, or -1 for a bad one; and whether it is done.</summary>
    private static (int Taken, bool Done) Body(byte[] message, int[] cuts)
    {
        var body = BodyTracker.Chunks;
        int at = 0;
        foreach (byte[] part in Cut(message, cuts))
        {
            fixed (byte* p = part)
            {
                int n = body.Advance(p, part.Length);
                if (n < 0)
                {
                    return (-1, false);
                }

                at += n;
                if (body.Done)
                {
                    break;
                }

                Assert.Equal(part.Length, n);
            }
        }

        return (at, body.Done);
    }

    private static IEnumerable<byte[]> Cut(byte[] message, int[] cuts)
    {
        for (int at = 0, i = 0; at < message.Length; i++)
        {
            int n = Math.Min(cuts[i % cuts.Length], message.Length - at);
            yield return message[at..(at + n)];
            at += n;
        }
    }

    private static byte[] Broken(string text, (int At, int Kind, int Value)[] damage)
    {
        var bytes = Encoding.Latin1.GetBytes(text).ToList();
        foreach (var (where, kind, value) in damage)
        {
            int at = bytes.Count == 0 ? 0 : where % bytes.Count;
            switch (kind)
            {
                case 0 when bytes.Count > 0:
                    bytes[at] = (byte)value;
                    break;
                case 1 when bytes.Count > 0:
                    bytes.RemoveAt(at);
                    break;
                case 2:
                    bytes.InsertRange(at, Encoding.Latin1.GetBytes(Splinters[value % Splinters.Length]));
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.Skip(at).Take(value).ToArray());
                    break;
            }
        }

        return [.. bytes];
    }

    [GeneratedRegex(@"^HTTP/1\.[01] \d\d\d ")]
    private static partial Regex Status();

    [GeneratedRegex(@"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e]+ HTTP/1\.[01]$")]
    private static partial Regex RequestLine();

    /// <summary>Control characters in values may be kept (RFC 9110 section 5.5), as the original does; CR, LF, NUL may not.</summary>
    [GeneratedRegex(@"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*$")]
    private static partial Regex Field();
}
