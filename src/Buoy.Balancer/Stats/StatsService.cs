using System.Security.Cryptography;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control;
using Buoy.Balancer.Metrics;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Stats;

/// <summary>
/// The statistics over HTTP (configuration manual 4.2, <c>stats uri</c>, <c>stats auth</c>, …): the page, and with
/// options after
/// a ';' CSV, JSON or typed lines.
/// </summary>
public sealed class StatsService : ILocalService
{
    private readonly ControlPlane _plane;
    private readonly byte[]?[] _uris;
    private readonly PrometheusExporter _metrics;

    internal StatsService(ControlPlane plane)
    {
        _plane = plane;
        _metrics = new PrometheusExporter(plane);
        _uris = [.. plane.State.Config.Proxies.Select(p => p.Stats is { } s ? Encoding.UTF8.GetBytes(s.Uri) : null)];
    }

    /// <summary>What the part of the target behind the uri asks for.</summary>
    internal sealed record Request(string Format, bool NoRefresh, bool Up, bool NoMaintenance, string? Scope)
    {
        /// <summary>What came of the action before: <c>;st=DONE</c>.</summary>
        public string? Result { get; init; }
    }

    /// <inheritdoc/>
    public bool Matches(int proxy, ReadOnlySpan<byte> target) =>
        _uris[proxy] is { } uri && Path(target).StartsWith(uri);

    /// <inheritdoc/>
    public void Answer(LocalRequest request, Action<byte[], bool> reply) => _plane.Post(() =>
    {
        var (bytes, close) = request.Service is null ? Response(request) : _metrics.Respond(request);
        reply(bytes, close);
    });

    private (byte[] Bytes, bool Close) Response(LocalRequest request)
    {
        var proxy = _plane.State.Config.Proxies[request.Proxy];
        var stats = proxy.Stats!;
        bool close = proxy.HttpConnection == HttpConnectionMode.Close || request.Headers.Any(h =>
            h.Key.Equals("connection", StringComparison.OrdinalIgnoreCase)
                && h.Value.Contains("close", StringComparison.OrdinalIgnoreCase));
        bool head = request.Method == "HEAD";
        if (stats.Auth.Count > 0 && !Authorized(request, stats))
        {
            const string Body = "<html><body><h1>401 Unauthorized</h1>\n" +
                "You need a valid user and password to access this content.\n</body></html>\n";
            string realm = stats.Realm.Replace("\"", "\\\"", StringComparison.Ordinal);
            return (
                Build("401 Unauthorized", "text/html", Body, head, close,
                    $"www-authenticate: Basic realm=\"{realm}\"\r\n"), close);
        }

        var wanted = Parse(request.Target, stats.Uri);
        bool admin = StatsAdmin.Allowed(stats, request);
        if (request.Method == "POST")
        {
            string result = admin ? StatsAdmin.Act(_plane, Encoding.UTF8.GetString(request.Body)) : "DENY";
            // The original does not keep a scope of one letter.
            string scope = wanted.Scope is { Length: > 1 } part ? "?scope=" + Uri.EscapeDataString(part) : "";
            string location = $"location: {stats.Uri};st={result}{(wanted.Up ? ";up" : "")}{scope}\r\n";
            return (Build("303 See Other", "text/plain", "", head, close, location), close);
        }

        if (request.Method is not ("GET" or "HEAD"))
        {
            return (
                Build("405 Method Not Allowed", "text/plain", "Only GET, HEAD and POST.\n", head, close,
                    "allow: GET, HEAD, POST\r\n"), close);
        }

        string body = Body(proxy, stats, wanted, admin);
        string type =
            wanted.Format switch { "csv" or "typed" => "text/plain", "json" => "application/json", _ =>
                "text/html" };
        string refresh = stats.Refresh is > 0 && !wanted.NoRefresh && wanted.Format == "html"
            ? FormattableString.Invariant($"refresh: {stats.Refresh}\r\n") : "";
        return (Build("200 OK", type, body, head, close, refresh), close);
    }

    private string Body(ProxyConfig proxy, StatsConfig stats, Request wanted, bool admin)
    {
        long now = EventLoop.Now;
        var rows = _plane.Statistics.Rows(now, stats.ShowLegends).Where(r => InScope(r, proxy, stats, wanted)).ToList();
        var s = new StringBuilder();
        switch (wanted.Format)
        {
            case "csv":
                s.Append(StatFormats.CsvHeader());
                rows.ForEach(r => StatFormats.Csv(s, r));
                break;
            case "typed":
                rows.ForEach(r => StatFormats.Typed(s, r));
                break;
            case "json":
                s.Append('[');
                rows.ForEach(r =>
                {
                    s.Append(s.Length > 1 ? "," : "");
                    StatFormats.Json(s, r);
                });
                s.Append(']');
                break;
            default:
                StatsPage.Write(s, _plane, stats, wanted, rows, now, admin);
                break;
        }

        return s.ToString();
    }

    private static bool InScope(StatRow r, ProxyConfig own, StatsConfig stats, Request wanted)
    {
        if (stats.Scopes.Count > 0 && !stats.Scopes.Any(x => x == "." ? r.Proxy.Index == own.Index : r.Proxy.Name == x))
        {
            return false;
        }

        if (wanted.Scope is { Length: > 0 } part && !r.Proxy.Name.Contains(part, StringComparison.Ordinal))
        {
            return false;
        }

        string status = r["status"] ?? "";
        bool maintenance = status.StartsWith("MAINT", StringComparison.Ordinal);
        return r.Type != StatObject.Server
            || !((wanted.Up && (maintenance || status.StartsWith("DOWN", StringComparison.Ordinal)))
                || (wanted.NoMaintenance && maintenance));
    }

    internal static Request Parse(string target, string uri)
    {
        string path = Encoding.UTF8.GetString(Path(Encoding.UTF8.GetBytes(target)));
        string rest = path.Length >= uri.Length ? path[uri.Length..] : "";
        var options = rest.Split(';', '?', '&');
        string format =
            options.Contains("csv") ? "csv" : options.Contains("json") ? "json" : options.Contains("typed") ? "typed"
                : "html";
        string? scope = options.FirstOrDefault(o => o.StartsWith("scope=", StringComparison.Ordinal))?[6..];
        return new Request(format, options.Contains("norefresh"), options.Contains("up"), options.Contains("no-maint"),
            scope is null ? null : Uri.UnescapeDataString(scope))
        {
            Result = options.FirstOrDefault(o => o.StartsWith("st=", StringComparison.Ordinal))?[3..],
        };
    }

    /// <summary>The path of a target that may be an absolute URI.</summary>
    private static ReadOnlySpan<byte> Path(ReadOnlySpan<byte> target)
    {
        if (target.Length > 0 && target[0] == '/')
        {
            return target;
        }

        int scheme = target.IndexOf("://"u8);
        if (scheme < 0)
        {
            return target;
        }

        var rest = target[(scheme + 3)..];
        int slash = rest.IndexOf((byte)'/');
        return slash < 0 ? "/"u8 : rest[slash..];
    }

    private static bool Authorized(LocalRequest request, StatsConfig stats)
    {
        string? value =
            request.Headers.FirstOrDefault(h => h.Key.Equals("authorization", StringComparison.OrdinalIgnoreCase))
                .Value;
        if (value is null || !value.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        Span<byte> decoded = new byte[value.Length];
        if (!Convert.TryFromBase64String(value[6..].Trim(), decoded, out int n))
        {
            return false;
        }

        bool good = false;
        foreach (var (user, password) in stats.Auth)
        {
            good |= CryptographicOperations.FixedTimeEquals(decoded[..n], Encoding.UTF8.GetBytes($"{user}:{password}"));
        }

        return good;
    }

    private static byte[] Build(string status, string type, string body, bool head, bool close, string more)
    {
        byte[] content = Encoding.UTF8.GetBytes(body);
        byte[] top =
            Encoding.Latin1.GetBytes(
                FormattableString.Invariant($"HTTP/1.1 {status}\r\ncontent-length: {content.Length}\r\n") +
            $"cache-control: no-cache\r\ncontent-type: {type}\r\n{more}{(close ? "connection: close\r\n" : "")}\r\n");
        return head ? top : [.. top, .. content];
    }
}
