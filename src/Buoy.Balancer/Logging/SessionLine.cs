using System.Globalization;
using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Logging;

/// <summary>The lines of finished sessions: default, TCP and HTTP format (configuration manual 8.2.1 to
/// 8.2.3).</summary>
public static class SessionLine
{
    /// <summary>The line of a session, without the header of its target.</summary>
    public static string Format(BalancerConfig config, in SessionLog log)
    {
        var fe = config.Proxies[log.Frontend];
        var s = new StringBuilder(256);
        switch (fe.LogFormat)
        {
            case LogFormatKind.Tcp:
                Client(s, log).Append(" [");
                Date(s, log.Accepted, TimeZoneInfo.Local).Append("] ").Append(fe.Name).Append(' ');
                Server(s, config, log);
                s.Append(Inv($" {log.QueueMs}/{log.ConnectMs}/{log.TotalMs} {log.BytesToClient} {log.Termination} "));
                Counts(s, log);
                break;
            case LogFormatKind.Http:
                Client(s, log).Append(" [");
                Date(s, log.Accepted, TimeZoneInfo.Local).Append("] ").Append(fe.Name).Append(' ');
                Server(s, config, log);
                s.Append(Inv($" {log.RequestMs}/{log.QueueMs}/{log.ConnectMs}/{log.ResponseMs}/{log.TotalMs}"));
                s.Append(Inv($" {log.Status} {log.BytesToClient} - - {log.Termination} "));
                Counts(s, log);
                s.Append(" \"");
                Escape(s, log.Request ?? "<BADREQ>").Append('"');
                break;
            default:
                string mode = fe.Mode == ProxyMode.Http ? "HTTP" : "TCP";
                s.Append("Connect from ");
                Client(s, log).Append(" to ");
                EndPoint(s, log.Local).Append(Inv($" ({fe.Name}/{mode})"));
                break;
        }

        return s.ToString();
    }

    /// <summary>Severity of a session's line: info.</summary>
    public const int Level = 6;

    /// <summary><c>option dontlog-normal</c>: nothing timed out, broke, was retried or redispatched, and no
    /// 5xx.</summary>
    public static bool IsNormal(in SessionLog log) =>
        log.Termination.StartsWith("--", StringComparison.Ordinal) && log.Retries == 0 && !log.Redispatched
            && log.Status < 500;

    /// <summary><c>option dontlognull</c>: the client sent nothing.</summary>
    public static bool IsNull(in SessionLog log) => log.BytesFromClient == 0 && log.Request is null && log.Status <= 0;

    private static void Counts(StringBuilder s, in SessionLog log)
    {
        s.Append(
            Inv(
                $"{log.ActiveConnections}/{log.FrontendConnections}/{log.BackendConnections}/")
            + Inv($"{log.ServerConnections}/"));
        if (log.Redispatched)
        {
            s.Append('+');
        }

        s.Append(Inv($"{log.Retries} {log.ServerQueue}/{log.BackendQueue}"));
    }

    private static void Server(StringBuilder s, BalancerConfig config, in SessionLog log)
    {
        string backend = config.Proxies[log.Backend >= 0 ? log.Backend : log.Frontend].Name;
        s.Append(backend).Append('/').Append(log.Server >= 0 ? config.Servers[log.Server].Name
            : log.Server == SessionLog.Stats ? "<STATS>" : "<NOSRV>");
    }

    private static StringBuilder Client(StringBuilder s, in SessionLog log) => EndPoint(s, log.Client);

    private static StringBuilder EndPoint(StringBuilder s, IPEndPoint? e)
    {
        if (e is null)
        {
            return s.Append("unix:1");
        }

        var a = e.Address.IsIPv4MappedToIPv6 ? e.Address.MapToIPv4() : e.Address;
        return s.Append(Inv($"{a}:{e.Port}"));
    }

    /// <summary>22/Nov/2026:16:32:17.748, local time.</summary>
    internal static StringBuilder Date(StringBuilder s, DateTimeOffset at, TimeZoneInfo zone) =>
        s.Append(TimeZoneInfo.ConvertTime(at, zone).ToString("dd/MMM/yyyy:HH:mm:ss.fff", CultureInfo.InvariantCulture));

    /// <summary>Quotes, '#' and what is not printable ASCII become #XX, as HAProxy writes requests.</summary>
    private static StringBuilder Escape(StringBuilder s, string text)
    {
        foreach (char c in text)
        {
            if (c is < ' ' or > '~' or '"' or '#')
            {
                foreach (byte b in c < 256 ? [(byte)c] : Encoding.UTF8.GetBytes([c]))
                {
                    s.Append('#').Append(b.ToString("X2", CultureInfo.InvariantCulture));
                }
            }
            else
            {
                s.Append(c);
            }
        }

        return s;
    }

    private static string Inv(FormattableString f) => FormattableString.Invariant(f);
}
