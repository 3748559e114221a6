using System.Collections.Concurrent;
using System.Text;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Engine.Http;

/// <summary>Responses of the balancer itself: errorfile's, else the texts HAProxy has built in.</summary>
internal static class ErrorReplies
{
    private static readonly Dictionary<int, ErrorPage> BuiltIn = new()
    {
        [400] = Make("400 Bad request", "400 Bad request", "Your browser sent an invalid request."),
        [403] = Make("403 Forbidden", "403 Forbidden", "Request forbidden by administrative rules."),
        [408] = Make("408 Request Time-out", "408 Request Time-out",
            "Your browser didn't send a complete request in time."),
        [413] = Make("413 Payload Too Large", "413 Payload Too Large",
            "The request entity exceeds the maximum allowed."),
        [500] = Make("500 Internal Server Error", "500 Internal Server Error", "An internal server error occurred."),
        [502] = Make("502 Bad Gateway", "502 Bad Gateway",
            "The server returned an invalid or incomplete response."),
        [503] = Make("503 Service Unavailable", "503 Service Unavailable",
            "No server is available to handle this request."),
        [504] = Make("504 Gateway Time-out", "504 Gateway Time-out", "The server didn't respond in time."),
    };

    /// <summary>Pages of errorfiles by their content.</summary>
    private static readonly ConcurrentDictionary<byte[], ErrorPage> Files = new();

    public static ErrorPage Get(ProxyConfig proxy, int status) =>
        proxy.ErrorFiles.TryGetValue(status, out var file) ? Files.GetOrAdd(file, ErrorPage.Read) : BuiltIn[status];

    /// <summary>
    /// What goes out where the request could not be read at all: the original writes these as they stand, without making
    /// a message of them.
    /// </summary>
    public static byte[] Unread(ProxyConfig proxy, int status) =>
        proxy.ErrorFiles.TryGetValue(status, out var file) ? file : status == 400 ? BadRequest : TimedOut;

    private static byte[] BadRequest { get; } = MakeUnread("400 Bad request", "Your browser sent an invalid request.");

    private static byte[] TimedOut { get; } =
        MakeUnread("408 Request Time-out", "Your browser didn't send a complete request in time.");

    private static byte[] MakeUnread(string status, string text)
    {
        string body = $"<html><body><h1>{status}</h1>\n{text}\n</body></html>\n";
        return Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-length: {body.Length}\r\nCache-Control: no-cache\r\n"
            + $"Connection: close\r\nContent-Type: text/html\r\n\r\n{body}");
    }

    private static ErrorPage Make(string status, string title, string text)
    {
        string body = $"<html><body><h1>{title}</h1>\n{text}\n</body></html>\n";
        bool closes = status[..3] is "400" or "408";
        return ErrorPage.Read(Encoding.ASCII.GetBytes(
            $"HTTP/1.1 {status}\r\ncontent-length: {body.Length}\r\ncache-control: no-cache\r\n"
            + $"content-type: text/html\r\n{(closes ? "connection: close\r\n" : "")}\r\n{body}"));
    }
}

/// <summary>A response to an error as it is sent: lower-case field names, nothing about the connection.</summary>
/// <param name="Head">Up to the last field's end; the empty line is still to come.</param>
/// <param name="Closes">The connection ends with it: the page says so, or the end is its only length.</param>
internal sealed record ErrorPage(byte[] Head, byte[] Body, bool Closes)
{
    /// <summary>A page of HTTP/1.0 does not say that it closes.</summary>
    public bool Old { get; private init; }

    /// <summary>Reads a complete response; one that is none (which the configuration refuses) is sent as it is.</summary>
    public static unsafe ErrorPage Read(byte[] content)
    {
        var head = new HttpHead();
        byte[] copy = [.. content];
        fixed (byte* p = copy)
        {
            if (head.ParseResponse(p, copy.Length) != ParseResult.Complete)
            {
                return new ErrorPage(content, [], true);
            }

            var text = new StringBuilder();
            text.Append($"HTTP/1.{head.Minor} {head.Status} ").Append(Latin(new(p + head.Target, head.TargetLength))).Append("\r\n");
            for (int i = 0; i < head.Count; i++)
            {
                var f = head.Fields[i];
                if (f.Known is not (KnownField.Connection or KnownField.Dropped))
                {
                    text.Append($"{Latin(HttpHead.Name(p, f))}: {Latin(HttpHead.Value(p, f))}\r\n");
                }
            }

            bool open = head.ContentLength < 0 && !head.Chunked && head.Status is not (204 or 304);
            return new ErrorPage(
                Encoding.Latin1.GetBytes(text.ToString()), copy[head.Length..], head.Close || open || head.Minor == 0)
            {
                Old = head.Minor == 0,
            };
        }
    }

    private static string Latin(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);
}
