using System.Text;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Engine.Http;

/// <summary>Responses of the balancer itself: errorfile's, else the texts HAProxy has built in.</summary>
internal static class ErrorReplies
{
    private static readonly Dictionary<int, byte[]> BuiltIn = new()
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

    /// <summary>The complete response; every one of them is followed by the connection's end.</summary>
    public static byte[] Get(ProxyConfig proxy, int status) =>
        proxy.ErrorFiles.TryGetValue(status, out var file) ? file : BuiltIn[status];

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

    private static byte[] Make(string status, string title, string text)
    {
        string body = $"<html><body><h1>{title}</h1>\n{text}\n</body></html>\n";
        return Encoding.ASCII.GetBytes(
            $"HTTP/1.1 {status}\r\ncontent-length: {body.Length}\r\ncache-control: no-cache\r\n"
            + $"content-type: text/html\r\nconnection: close\r\n\r\n{body}");
    }
}
