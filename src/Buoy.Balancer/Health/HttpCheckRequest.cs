using System.Globalization;
using System.Text;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Health;

/// <summary>The request of a health check.</summary>
internal static class HttpCheckRequest
{
    /// <summary>The bytes of a send rule, with the header of <c>send-state</c> when there is a state to tell.</summary>
    public static byte[] Build(CheckHttpSend send, string? state)
    {
        string version = send.Version ?? "HTTP/1.0";
        string uri = send.Uri ?? "/";
        string? host = send.Headers.FirstOrDefault(h => h.Name.Equals("host", StringComparison.OrdinalIgnoreCase)).Value;
        if (host is not null && uri.IndexOf("://", StringComparison.Ordinal) is > 0 and var scheme)
        {
            int path = uri.IndexOf('/', scheme + 3);
            uri = uri[..(scheme + 3)] + host + (path < 0 ? "" : uri[path..]);
        }

        var s = new StringBuilder().Append(send.Method ?? "OPTIONS").Append(' ').Append(uri).Append(' ').Append(version)
            .Append("\r\n");
        bool connection = false;
        foreach (var (name, value) in send.Headers)
        {
            connection |= name.Equals("connection", StringComparison.OrdinalIgnoreCase);
            s.Append(name.ToLowerInvariant()).Append(": ").Append(value).Append("\r\n");
        }

        if (state is not null)
        {
            s.Append("x-haproxy-server-state: ").Append(state).Append("\r\n");
        }

        if (send.Body is { } body)
        {
            s.Append(CultureInfo.InvariantCulture, $"content-length: {body.Length}\r\n");
        }

        if (!connection && version == "HTTP/1.1")
        {
            s.Append("connection: close\r\n");
        }

        return Encoding.Latin1.GetBytes(s.Append("\r\n").Append(send.Body).ToString());
    }
}
