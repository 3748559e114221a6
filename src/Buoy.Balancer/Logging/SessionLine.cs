using System.Globalization;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Logging;

/// <summary>
/// The lines of finished sessions: the formats of the configuration manual, 8.2.1 to 8.2.4, and one's own, 8.2.6.
/// </summary>
public static class SessionLine
{
    /// <summary>Bytes of a line before its target cuts it.</summary>
    internal const int Longest = 65536;

    private static readonly LogFormat ConnectTcp = LogFormat.BuiltIn("Connect from %ci:%cp to %fi:%fp (%f/TCP)");
    private static readonly LogFormat ConnectHttp = LogFormat.BuiltIn("Connect from %ci:%cp to %fi:%fp (%f/HTTP)");
    private static readonly LogFormat Tcp = LogFormat.BuiltIn(
        "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq");

    private const string HttpText = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc "
        + "%ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r";

    private static readonly LogFormat Http = LogFormat.BuiltIn(HttpText);

    /// <summary>Without TLS the additional fields are always these.</summary>
    private static readonly LogFormat Https = LogFormat.BuiltIn(HttpText + " 0/-/-/-/0 -/-/-");
    private static readonly LogFormat HttpClf = LogFormat.BuiltIn(
        "%{+Q}o %{-Q}ci - - [%trg] %r %ST %B \"\" \"\" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta %tsc %ac %fc "
        + "%bc %sc %rc %sq %bq %CC %CS %hrl %hsl");

    /// <summary>The line of a session, without the header of its target; Latin-1.</summary>
    public static string Format(BalancerConfig config, in SessionLog log)
    {
        byte[] buffer = new byte[Longest];
        var text = new LogText(buffer);
        var fe = config.Proxies[log.Frontend];
        Of(fe).Write(ref text, new LogContext(config, "", 0), log, 0);
        return Encoding.Latin1.GetString(text.Written);
    }

    /// <summary>The format of a frontend.</summary>
    internal static LogFormat Of(ProxyConfig proxy) => proxy.LogFormat switch
    {
        LogFormatKind.Custom => proxy.Formats!.Log!,
        LogFormatKind.Tcp => Tcp,
        LogFormatKind.Http => Http,
        LogFormatKind.HttpClf => HttpClf,
        LogFormatKind.Https => Https,
        _ => proxy.Mode == ProxyMode.Http ? ConnectHttp : ConnectTcp,
    };

    /// <summary>Severity of a session's line: info.</summary>
    public const int Level = 6;

    /// <summary>Severity of a failed one under <c>option log-separate-errors</c>: err.</summary>
    public const int ErrorLevel = 3;

    /// <summary><c>option dontlog-normal</c>: nothing timed out, broke, was retried or redispatched, and no
    /// 5xx.</summary>
    public static bool IsNormal(in SessionLog log) =>
        log.Termination.StartsWith("--", StringComparison.Ordinal) && log.Retries == 0 && !log.Redispatched
            && log.Status < 500;

    /// <summary><c>option dontlognull</c>: the client sent nothing.</summary>
    public static bool IsNull(in SessionLog log) => log.BytesFromClient == 0 && log.Request is null && log.Status <= 0;

    /// <summary>22/Nov/2026:16:32:17.748, local time.</summary>
    internal static StringBuilder Date(StringBuilder s, DateTimeOffset at, TimeZoneInfo zone) =>
        s.Append(TimeZoneInfo.ConvertTime(at, zone).ToString("dd/MMM/yyyy:HH:mm:ss.fff", CultureInfo.InvariantCulture));
}
