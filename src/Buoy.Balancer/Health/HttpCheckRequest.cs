using System.Globalization;
using System.Text;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Health;

/// <summary>The request of a health check.</summary>
internal static class HttpCheckRequest
{
    /// <summary>
    /// The bytes of a send rule, with the header of <c>send-state</c> when there is a state to tell. A header or body that
    /// evaluates to nothing is left out.
    /// </summary>
    public static byte[] Build(CheckHttpSend send, string? state, CheckSamples? samples)
    {
        string version = send.Version ?? "HTTP/1.0";
        string uri = send.Uri?.Evaluate(samples) is { Length: > 0 } given ? given : "/";
        var headers = send.Headers.Select(h => (h.Name, Value: h.Value.Evaluate(samples)))
            .Where(h => h.Value.Length > 0).ToList();
        string? host = headers.FirstOrDefault(h => h.Name.Equals("host", StringComparison.OrdinalIgnoreCase)).Value;
        if (host is not null && uri.IndexOf("://", StringComparison.Ordinal) is > 0 and var scheme)
        {
            int path = uri.IndexOf('/', scheme + 3);
            uri = uri[..(scheme + 3)] + host + (path < 0 ? "" : uri[path..]);
        }

        var s = new StringBuilder().Append(send.Method ?? "OPTIONS").Append(' ').Append(uri).Append(' ').Append(version)
            .Append("\r\n");
        bool connection = false;
        foreach (var (name, value) in headers)
        {
            connection |= name.Equals("connection", StringComparison.OrdinalIgnoreCase);
            s.Append(name.ToLowerInvariant()).Append(": ").Append(value).Append("\r\n");
        }

        if (state is not null)
        {
            s.Append("x-haproxy-server-state: ").Append(state).Append("\r\n");
        }

        string? body = send.Body?.Evaluate(samples);
        if (body is { Length: > 0 })
        {
            s.Append(CultureInfo.InvariantCulture, $"content-length: {body.Length}\r\n");
        }

        if (!connection && version == "HTTP/1.1")
        {
            s.Append("connection: close\r\n");
        }

        return Encoding.Latin1.GetBytes(s.Append("\r\n").Append(body).ToString());
    }
}
