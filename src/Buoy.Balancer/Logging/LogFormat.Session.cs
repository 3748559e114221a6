using System.Globalization;
using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Logging;

/// <summary>What all lines of a process share.</summary>
/// <param name="Config">Names of sections and servers.</param>
/// <param name="HostName">%H</param>
/// <param name="Pid">%pid</param>
internal sealed record LogContext(BalancerConfig Config, string HostName, int Pid);

/// <content>Writing the line of a finished session.</content>
internal sealed unsafe partial class LogFormat
{
    private static ReadOnlySpan<byte> UrlSpecial => "\"#"u8;

    private static ReadOnlySpan<byte> HeaderSpecial => "\"#{|}"u8;

    /// <summary>Writes the line. Runs on the logging thread.</summary>
    public void Write(ref LogText into, LogContext context, in SessionLog log, long logNumber)
    {
        bool separated = true;
        foreach (var p in _parts)
        {
            if (p.Text is null && p.Variable == LogVariable.None && p.Sample < 0)
            {
                if (!separated)
                {
                    into.Add((byte)' ');
                    separated = true;
                }

                continue;
            }

            int before = into.Length;
            if (p.Text is not null)
            {
                into.Add(p.Text);
            }
            else if (p.Sample >= 0)
            {
                Text(ref into, p.Flags, log.Samples?[p.Sample]);
            }
            else
            {
                Variable(ref into, p, context, log, logNumber);
            }

            separated &= into.Length == before;
        }
    }

    private static void Variable(ref LogText into, in Part p, LogContext context, in SessionLog log, long logNumber)
    {
        var flags = p.Flags;
        bool hex = (flags & LogFlags.Hex) != 0;
        switch (p.Variable)
        {
            case LogVariable.BytesRead:
                Asap(ref into, log);
                into.Add(log.BytesToClient);
                break;
            case LogVariable.BytesUploaded:
                into.Add(log.BytesFromClient);
                break;
            case LogVariable.RequestCookie:
                Text(ref into, flags, log.RequestCookie);
                break;
            case LogVariable.ResponseCookie:
                Text(ref into, flags, log.ResponseCookie);
                break;
            case LogVariable.HostName:
                Text(ref into, flags, context.HostName);
                break;
            case LogVariable.Method or LogVariable.Path or LogVariable.PathOnly or LogVariable.Query or LogVariable.Uri
                or LogVariable.Version or LogVariable.Request:
                Encoded(ref into, flags, RequestPart(log.Request ?? "<BADREQ>", p.Variable));
                break;
            case LogVariable.UniqueId:
                Text(ref into, flags, log.UniqueId);
                break;
            case LogVariable.Status:
                into.Add(log.Termination.Length > 2 ? log.Status : Math.Max(0, log.Status));
                break;
            case LogVariable.ActiveConnections:
                into.Add(log.ActiveConnections);
                break;
            case LogVariable.FrontendConnections:
                into.Add(log.FrontendConnections);
                break;
            case LogVariable.BackendConnections:
                into.Add(log.BackendConnections);
                break;
            case LogVariable.ServerConnections:
                into.Add(log.ServerConnections);
                break;
            case LogVariable.BackendQueue:
                into.Add(log.BackendQueue);
                break;
            case LogVariable.ServerQueue:
                into.Add(log.ServerQueue);
                break;
            case LogVariable.Backend:
                Text(ref into, flags, context.Config.Proxies[log.Backend >= 0 ? log.Backend : log.Frontend].Name);
                break;
            case LogVariable.Frontend or LogVariable.FrontendTransport:
                Text(ref into, flags, log.Frontend == SessionLog.Checks ? "CHECKS-FE" : context.Config.Proxies[log.Frontend].Name);
                break;
            case LogVariable.Server:
                Text(ref into, flags, log.Server >= 0 ? context.Config.Servers[log.Server].Name
                    : log.Server == SessionLog.Stats ? "<STATS>" : "<NOSRV>");
                break;
            case LogVariable.Retries:
                into.Add(log.Redispatched ? "+"u8 : default);
                into.Add(log.Retries);
                break;
            case LogVariable.Pid:
                Number(ref into, hex, context.Pid);
                break;
            case LogVariable.LogCounter:
                Number(ref into, hex, logNumber);
                break;
            case LogVariable.RequestCounter:
                Number(ref into, hex, log.RequestNumber);
                break;
            case LogVariable.Termination:
                into.Add(log.Termination.Length > 2 ? log.Termination[..2] : log.Termination);
                break;
            case LogVariable.TerminationCookie:
                into.Add(log.Termination);
                break;
            case LogVariable.RequestHeaders or LogVariable.ResponseHeaders:
                Headers(ref into, flags, p.Variable == LogVariable.RequestHeaders ? log.RequestCaptures : log.ResponseCaptures);
                break;
            case LogVariable.RequestHeadersClf or LogVariable.ResponseHeadersClf:
                HeadersClf(
                    ref into, flags, p.Variable == LogVariable.RequestHeadersClf ? log.RequestCaptures : log.ResponseCaptures);
                break;
            case LogVariable.Ssl:
                Text(ref into, flags, null);
                break;
            case LogVariable.ClientIp or LogVariable.FrontendIp or LogVariable.ServerIp or LogVariable.BackendSourceIp:
                Ip(ref into, p, EndPoint(p.Variable, log), log);
                break;
            case LogVariable.ClientPort or LogVariable.FrontendPort or LogVariable.ServerPort or LogVariable.BackendSourcePort:
                Port(ref into, p, EndPoint(p.Variable, log), log);
                break;
            case >= LogVariable.ActiveTime and <= LogVariable.QueueTime
                and not (LogVariable.DateLocal or LogVariable.Timestamp):
                Time(ref into, p.Variable, log);
                break;
            default:
                Date(ref into, p, log);
                break;
        }
    }

    private static void Asap(ref LogText into, in SessionLog log) => into.Add(log.Early ? "+"u8 : default);

    private static void Number(ref LogText into, bool hex, long number)
    {
        if (hex)
        {
            into.AddHex(number, 4);
        }
        else
        {
            into.Add(number);
        }
    }

    /// <summary>A string that may be absent: <c>-</c>, in quotes nothing between them.</summary>
    private static void Text(ref LogText into, LogFlags flags, string? text)
    {
        bool quote = (flags & LogFlags.Quote) != 0;
        if (text is null && !quote)
        {
            into.Add((byte)'-');
            return;
        }

        into.Add(quote ? "\""u8 : default);
        if (text is not null)
        {
            if ((flags & LogFlags.Escape) == 0)
            {
                into.Add(text);
            }
            else
            {
                into.AddEscaped(Encoding.Latin1.GetBytes(text), flags);
            }
        }

        into.Add(quote ? "\""u8 : default);
    }

    private static void Encoded(ref LogText into, LogFlags flags, string text)
    {
        bool quote = (flags & LogFlags.Quote) != 0;
        into.Add(quote ? "\""u8 : default);
        into.AddEncoded(Encoding.Latin1.GetBytes(text), UrlSpecial, flags);
        into.Add(quote ? "\""u8 : default);
    }

    /// <summary>A part of <c>METHOD URI VERSION</c>; all of it where it is not that.</summary>
    private static string RequestPart(string request, LogVariable part)
    {
        int first = request.IndexOf(' ');
        int last = request.LastIndexOf(' ');
        if (part == LogVariable.Request || first < 0 || last <= first)
        {
            return request;
        }

        string uri = request[(first + 1)..last];
        int query = uri.IndexOf('?');
        string path = query < 0 ? uri : uri[..query];
        return part switch
        {
            LogVariable.Method => request[..first],
            LogVariable.Version => request[(last + 1)..],
            LogVariable.Uri => uri,
            LogVariable.Query => query < 0 ? "" : uri[query..],
            LogVariable.PathOnly when path.Length > 0 && path[0] != '/' && path.IndexOf("://", StringComparison.Ordinal) is > 0
                and var scheme => path.IndexOf('/', scheme + 3) is > 0 and var slash ? path[slash..] : "/",
            _ => path,
        };
    }

    private static void Headers(ref LogText into, LogFlags flags, IReadOnlyList<string?>? captures)
    {
        if (captures is null)
        {
            return;
        }

        bool quote = (flags & LogFlags.Quote) != 0;
        into.Add(quote ? "\"{"u8 : "{"u8);
        for (int i = 0; i < captures.Count; i++)
        {
            into.Add(i > 0 ? "|"u8 : default);
            into.AddEncoded(Encoding.Latin1.GetBytes(captures[i] ?? ""), HeaderSpecial, flags);
        }

        into.Add(quote ? "}\""u8 : "}"u8);
    }

    private static void HeadersClf(ref LogText into, LogFlags flags, IReadOnlyList<string?>? captures)
    {
        bool quote = (flags & LogFlags.Quote) != 0;
        for (int i = 0; captures is not null && i < captures.Count; i++)
        {
            into.Add(i > 0 ? " "u8 : default);
            into.Add(quote ? "\""u8 : captures[i] is null ? "-"u8 : default);
            into.AddEncoded(Encoding.Latin1.GetBytes(captures[i] ?? ""), HeaderSpecial, flags);
            into.Add(quote ? "\""u8 : default);
        }
    }

    private static IPEndPoint? EndPoint(LogVariable variable, in SessionLog log) => variable switch
    {
        LogVariable.ClientIp or LogVariable.ClientPort => log.Client,
        LogVariable.FrontendIp or LogVariable.FrontendPort => log.Local,
        LogVariable.ServerIp or LogVariable.ServerPort => log.ServerAddress,
        _ => log.ServerSource,
    };

    private static void Ip(ref LogText into, in Part p, IPEndPoint? end, in SessionLog log)
    {
        bool quote = (p.Flags & LogFlags.Quote) != 0;
        if (end is not null)
        {
            into.Add(quote ? "\""u8 : default);
            into.Add(end.Address, p.Flags);
            into.Add(quote ? "\""u8 : default);
            return;
        }

        if (log.Frontend == SessionLog.Checks)
        {
            Text(ref into, p.Flags, "");
            return;
        }

        // A client or listener without address is a Unix socket; a server may simply not be there.
        Text(ref into, p.Flags, p.Variable is LogVariable.ClientIp or LogVariable.FrontendIp ? "unix" : null);
    }

    private static void Port(ref LogText into, in Part p, IPEndPoint? end, in SessionLog log)
    {
        if (end is not null)
        {
            Number(ref into, (p.Flags & LogFlags.Hex) != 0, end.Port);
        }
        else if (log.Frontend == SessionLog.Checks)
        {
            Text(ref into, p.Flags, "");
        }
        else if (p.Variable is LogVariable.ClientPort or LogVariable.FrontendPort)
        {
            into.Add(log.BindId);
        }
        else
        {
            Text(ref into, p.Flags, null);
        }
    }

    private static void Time(ref LogText into, LogVariable variable, in SessionLog log)
    {
        bool http = log.Termination.Length > 2;
        int total = log.TotalMs + (http ? log.HandshakeMs + log.IdleMs : 0);
        switch (variable)
        {
            case LogVariable.ActiveTime:
                Asap(ref into, log);
                into.Add(log.TotalMs);
                break;
            case LogVariable.TotalTime:
                Asap(ref into, log);
                into.Add(total);
                break;
            case LogVariable.UserTime:
                Asap(ref into, log);
                into.Add(total - log.IdleMs);
                break;
            case LogVariable.DataTime:
                Asap(ref into, log);
                into.Add((http ? log.ResponseMs : log.ConnectMs) < 0 ? -1 : Math.Max(0, log.TotalMs - Reached(log.RequestMs) - Reached(log.QueueMs) - Reached(log.ConnectMs)
                    - Reached(log.ResponseMs) - (http ? 0 : log.HandshakeMs)));
                break;
            default:
                into.Add(variable switch
                {
                    LogVariable.HandshakeTime => log.HandshakeMs, LogVariable.IdleTime => log.IdleMs,
                    LogVariable.QueryTime => log.RequestMs < 0 ? -1 : log.HandshakeMs + log.IdleMs + log.RequestMs,
                    LogVariable.RequestTime => log.RequestMs, LogVariable.QueueTime => log.QueueMs,
                    LogVariable.ConnectTime => log.ConnectMs, _ => log.ResponseMs,
                });
                break;
        }
    }

    private static int Reached(int ms) => Math.Max(0, ms);

    private static void Date(ref LogText into, in Part p, in SessionLog log)
    {
        // The session's date is the request's less what came before it.
        bool request = p.Variable is LogVariable.RequestDate or LogVariable.RequestDateGmt or LogVariable.RequestDateLocal;
        var at = request ? log.Accepted : log.Accepted.AddMilliseconds(-(log.HandshakeMs + log.IdleMs));
        switch (p.Variable)
        {
            case LogVariable.Timestamp when (p.Flags & LogFlags.Hex) != 0:
                into.AddHex(at.ToUnixTimeSeconds(), 4);
                break;
            case LogVariable.Timestamp:
                into.Add(at.ToUnixTimeSeconds());
                break;
            case LogVariable.Milliseconds when (p.Flags & LogFlags.Hex) != 0:
                into.AddHex(at.Millisecond, 2);
                break;
            case LogVariable.Milliseconds:
                into.AddPadded(at.Millisecond, 3);
                break;
            case LogVariable.DateGmt or LogVariable.RequestDateGmt:
                into.Add(at.ToUniversalTime().ToString("dd/MMM/yyyy:HH:mm:ss +0000", CultureInfo.InvariantCulture));
                break;
            case LogVariable.DateLocal or LogVariable.RequestDateLocal:
                var local = TimeZoneInfo.ConvertTime(at, TimeZoneInfo.Local);
                into.Add(local.ToString("dd/MMM/yyyy:HH:mm:ss ", CultureInfo.InvariantCulture));
                into.Add(local.ToString("zzz", CultureInfo.InvariantCulture).Replace(":", "", StringComparison.Ordinal));
                break;
            default:
                var now = TimeZoneInfo.ConvertTime(at, TimeZoneInfo.Local);
                into.Add(now.ToString("dd/MMM/yyyy:HH:mm:ss.fff", CultureInfo.InvariantCulture));
                break;
        }
    }
}
