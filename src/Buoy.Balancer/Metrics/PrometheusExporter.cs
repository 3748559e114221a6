using System.Globalization;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control;
using Buoy.Balancer.State;
using Buoy.Balancer.Stats;
using Buoy.Balancer.StickTables;
using Buoy.Linux;

namespace Buoy.Balancer.Metrics;

/// <summary>
/// The service <c>prometheus-exporter</c> (configuration manual 4.2, <c>http-request use-service</c>): the statistics
/// in Prometheus' text format 0.0.4, with the original's names, types and help. The target's query may choose:
/// <c>scope=</c> global, frontend, backend, server, listener, sticktable or * (repeated to add, empty for none),
/// <c>no-maint</c> and <c>extra-counters</c> (which adds nothing here). An unknown scope is an error 400. Control thread only.
/// </summary>
internal sealed class PrometheusExporter(ControlPlane plane)
{
    /// <summary>The service's name.</summary>
    public const string Name = "prometheus-exporter";

    private static readonly string[] CheckStates =
    [
        "HANA", "SOCKERR", "L4OK", "L4TOUT", "L4CON", "L6OK", "L6TOUT", "L6RSP", "L7TOUT", "L7RSP", "L7OK", "L7OKC",
        "L7STS", "PROCERR", "PROCTOUT", "PROCOK",
    ];

    private static readonly string[] ServerStates = ["DOWN", "UP", "MAINT", "DRAIN", "NOLB"];
    private static readonly string[] ProxyStates = ["DOWN", "UP"];
    private static readonly string[] Codes = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];
    private static readonly Metric[] Process = Parse(MetricTable.Process);
    private static readonly Dictionary<string, Metric> OfProxies = Parse(MetricTable.Proxies).ToDictionary(m => m.Name);
    private static readonly Metric[] Frontends = Named(MetricTable.Frontend);
    private static readonly Metric[] Backends = Named(MetricTable.Backend);
    private static readonly Metric[] Servers = Named(MetricTable.Server);

    [Flags]
    private enum Scopes
    {
        None = 0,
        Global = 1,
        Frontend = 2,
        Backend = 4,
        Server = 8,
        StickTable = 16,
        All = 31,
    }

    private sealed record Metric(string Name, string Type, char Sign, string Source, bool Seconds, string Help);

    /// <summary>The response's body; null: the query is wrong.</summary>
    public string? Answer(string target)
    {
        int question = target.IndexOf('?');
        if (!Query(question < 0 ? "" : target[(question + 1)..], out var scopes, out bool noMaintenance))
        {
            return null;
        }

        long now = EventLoop.Now;
        var s = new StringBuilder();
        if ((scopes & Scopes.Global) != 0)
        {
            WriteProcess(s, plane.Info.Items(plane.Situation(), now));
        }

        var rows = plane.Statistics.Rows(now, details: true).ToList();
        if ((scopes & Scopes.Frontend) != 0)
        {
            Write(s, "frontend", Frontends, [.. rows.Where(r => r.Type == StatObject.Frontend)], rows);
        }

        if ((scopes & Scopes.Backend) != 0)
        {
            Write(s, "backend", Backends, [.. rows.Where(r => r.Type == StatObject.Backend)], rows);
        }

        if ((scopes & Scopes.Server) != 0)
        {
            Write(s, "server", Servers,
                [.. rows.Where(r => r.Type == StatObject.Server && !(noMaintenance && StateOf(r) == "MAINT"))], rows);
        }

        if ((scopes & Scopes.StickTable) != 0)
        {
            WriteTables(s, plane.State.Tables);
        }

        return s.ToString();
    }

    /// <summary>Size and use of all stick tables.</summary>
    private static void WriteTables(StringBuilder s, StickTableSet tables)
    {
        foreach (var (name, help, value) in (ReadOnlySpan<(string, string, Func<StickTable, int>)>)
            [
                ("size", "Stick table size.", t => t.Config.Size),
                ("used", "Number of entries used in this stick table.", t => t.Used),
            ])
        {
            bool first = true;
            foreach (var table in tables.All)
            {
                if (first)
                {
                    Head(s, "sticktable", new Metric(name, "gauge", ' ', "", Seconds: false, help));
                    first = false;
                }

                s.Append(CultureInfo.InvariantCulture, $"haproxy_sticktable_{name}{{name=\"{table.Name}\",type=\"")
                    .Append(table.Config.Type.ToString().ToLowerInvariant())
                    .Append(CultureInfo.InvariantCulture, $"\"}} {value(table)}\n");
            }
        }
    }

    /// <summary>The complete response and whether the connection ends with it.</summary>
    public (byte[] Bytes, bool Close) Respond(LocalRequest request)
    {
        string? body = Answer(request.Target);
        bool close = body is null || request.Headers.Any(h =>
            h.Key.Equals("connection", StringComparison.OrdinalIgnoreCase)
            && h.Value.Contains("close", StringComparison.OrdinalIgnoreCase));
        const string Wrong =
            "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n</body></html>\n";
        byte[] content = Encoding.UTF8.GetBytes(body ?? Wrong);
        byte[] head = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"HTTP/1.1 {(body is null ? "400 Bad request" : "200 OK")}\r\ncontent-length: {content.Length}\r\n")
            + "cache-control: no-cache\r\n"
            + $"content-type: {(body is null ? "text/html" : "text/plain; version=0.0.4")}\r\n"
            + $"{(close ? "connection: close\r\n" : "")}\r\n");
        return (request.Method == "HEAD" ? head : [.. head, .. content], close);
    }

    private static bool Query(string query, out Scopes scopes, out bool noMaintenance)
    {
        Scopes? chosen = null;
        noMaintenance = false;
        foreach (string part in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = part.IndexOf('=');
            string key = Uri.UnescapeDataString(equals < 0 ? part : part[..equals]);
            string value = equals < 0 ? "" : Uri.UnescapeDataString(part[(equals + 1)..]);
            noMaintenance |= key == "no-maint";
            if (key != "scope")
            {
                continue;
            }

            Scopes? one = value switch
            {
                "" => Scopes.None,
                "*" => Scopes.All,
                "global" => Scopes.Global,
                "frontend" => Scopes.Frontend,
                "backend" => Scopes.Backend,
                "server" => Scopes.Server,
                "sticktable" => Scopes.StickTable,
                "listener" => Scopes.None,
                _ => null,
            };
            if (one is null)
            {
                scopes = Scopes.None;
                return false;
            }

            chosen = value.Length == 0 ? Scopes.None : (chosen ?? Scopes.None) | one;
        }

        scopes = chosen ?? Scopes.All;
        return true;
    }

    private static Metric[] Parse(string table)
    {
        string joined = table.Replace("\n+ ", " ", StringComparison.Ordinal);
        return [.. joined.Split('\n').Select(line =>
        {
            string[] p = line.Split('|', 4);
            string source = p[2].TrimStart('^', '?', '!', '/');
            char sign = p[2][0] is '^' or '?' or '!' ? p[2][0] : ' ';
            return new Metric(
                p[0], p[1] == "c" ? "counter" : "gauge", sign, source,
                p[2].Contains('/', StringComparison.Ordinal), p[3]);
        })];
    }

    private static Metric[] Named(string names) =>
        [.. names.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries).Select(n => OfProxies[n])];

    private static void Head(StringBuilder s, string scope, Metric m) =>
        s.Append("# HELP haproxy_").Append(scope).Append('_').Append(m.Name).Append(' ').Append(m.Help)
            .Append("\n# TYPE haproxy_").Append(scope).Append('_').Append(m.Name).Append(' ').Append(m.Type)
            .Append('\n');

    private static void WriteProcess(StringBuilder s, IReadOnlyList<ProcessInfo.Item> items)
    {
        foreach (var m in Process)
        {
            Head(s, "process", m);
            string? value = items.FirstOrDefault(i => i.Name == m.Source)?.Value;
            s.Append("haproxy_process_").Append(m.Name);
            s.Append(m.Name == "build_info" ? $"{{version=\"{value}\"}} 1" : " " + (value ?? "NaN")).Append('\n');
        }
    }

    private static void Write(
        StringBuilder s, string scope, Metric[] metrics, List<StatRow> rows, List<StatRow> all)
    {
        foreach (var m in metrics)
        {
            var concerned = rows.Where(r => Concerns(m, r)).ToList();
            if (concerned.Count == 0)
            {
                continue;
            }

            Head(s, scope, m);
            if (m.Source == "code")
            {
                foreach (string code in Codes)
                {
                    foreach (var r in concerned)
                    {
                        Line(s, scope, m, r, $",code=\"{code}\"", r["hrsp_" + code] ?? "0");
                    }
                }

                continue;
            }

            foreach (var r in concerned)
            {
                if (m.Sign == '!')
                {
                    States(s, scope, m, r, all);
                }
                else
                {
                    Line(s, scope, m, r, "", Value(m, r[m.Source]));
                }
            }
        }
    }

    /// <summary>Is there a line of the metric for this row?</summary>
    private static bool Concerns(Metric m, StatRow r) =>
        m.Sign == '^' || m.Source == "code" ? r.Proxy.Mode == ProxyMode.Http
        : m.Sign == '?' || (m.Source == "check_status" && r.Type == StatObject.Server)
            ? r.Proxy.Servers.Any(x => x.Id == r.Id && x.Check) : true;

    private static string Value(Metric m, string? text) =>
        text is null ? m.Sign == '?' ? "0" : "NaN"
        : !m.Seconds ? text
        : (long.Parse(text, CultureInfo.InvariantCulture) / 1000.0).ToString("F6", CultureInfo.InvariantCulture);

    private static void States(StringBuilder s, string scope, Metric m, StatRow r, List<StatRow> all)
    {
        var servers = all.Where(x => x.Type == StatObject.Server && x.Proxy.Index == r.Proxy.Index);
        switch (m.Source)
        {
            case "status":
                foreach (string state in r.Type == StatObject.Server ? ServerStates : ProxyStates)
                {
                    Line(s, scope, m, r, $",state=\"{state}\"", StateOf(r) == state ? "1" : "0");
                }

                break;
            case "check_status":
                foreach (string state in CheckStates)
                {
                    Line(s, scope, m, r, $",state=\"{state}\"", CheckOf(r) == state ? "1" : "0");
                }

                break;
            case "agg_status":
                foreach (string state in ServerStates)
                {
                    Count(state, servers.Count(x => StateOf(x) == state));
                }

                break;
            case "agg_check":
                foreach (string state in CheckStates)
                {
                    Count(state, servers.Count(x => CheckOf(x) == state));
                }

                break;
        }

        void Count(string state, int n) =>
            Line(s, scope, m, r, $",state=\"{state}\"", n.ToString(CultureInfo.InvariantCulture));
    }

    private static void Line(StringBuilder s, string scope, Metric m, StatRow r, string more, string value)
    {
        s.Append("haproxy_").Append(scope).Append('_').Append(m.Name).Append("{proxy=\"").Append(r.Proxy.Name)
            .Append('"');
        if (r.Type == StatObject.Server)
        {
            s.Append(",server=\"").Append(r["svname"]).Append('"');
        }

        s.Append(more).Append("} ").Append(value).Append('\n');
    }

    /// <summary>The last check's status; a check under way shows the one before with "* " ahead.</summary>
    private static string? CheckOf(StatRow r) => r["check_status"]?.TrimStart('*', ' ');

    private static string StateOf(StatRow r)
    {
        string status = r["status"] ?? "";
        return r.Type switch
        {
            StatObject.Frontend => status is "STOP" ? "DOWN" : "UP",
            StatObject.Backend => status == "DOWN" ? "DOWN" : "UP",
            _ => status.StartsWith("MAINT", StringComparison.Ordinal) ? "MAINT"
                : status.StartsWith("DRAIN", StringComparison.Ordinal) ? "DRAIN"
                : status.StartsWith("NOLB", StringComparison.Ordinal) ? "NOLB"
                : status.StartsWith("DOWN", StringComparison.Ordinal) ? "DOWN" : "UP",
        };
    }
}
