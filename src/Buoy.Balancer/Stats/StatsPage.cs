using System.Globalization;
using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control;
using Buoy.Linux;

namespace Buoy.Balancer.Stats;

/// <summary>The statistics page: the columns that HAProxy users know, in a layout of our own that needs no
/// scripts.</summary>
internal static class StatsPage
{
    private const string Style = """
        :root{color-scheme:light dark;--line:#8884;--head:#e8eef7;--ok:#1b7f3b;--bad:#b3261e;--warn:#9a6700;--dim:#777}
        @media(prefers-color-scheme:dark){:root{--head:#20304a;--ok:#5fd38a;--bad:#ff8a80;--warn:#ffd166;--dim:#999}}
        body{font:14px/1.4 system-ui,sans-serif;margin:1.2rem 1.6rem}h1{font-size:1.35rem;margin:0 0 .4rem}
        h2{font-size:1.05rem;margin:1.4rem 0 .35rem}
        .facts{display:flex;flex-wrap:wrap;gap:.2rem 1.6rem;color:var(--dim)}
        .facts b{color:CanvasText;font-weight:600}nav{margin:.5rem 0}nav a{margin-right:1rem}.wrap{overflow-x:auto}
        table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:12.5px;min-width:100%}
        th,td{border:1px solid var(--line);padding:.16rem .42rem;text-align:right;white-space:nowrap}
        th{background:var(--head);font-weight:600;text-align:center}td:first-child,td.s{text-align:left}
        tr.up td:first-child{border-left:4px solid var(--ok)}tr.down td:first-child{border-left:4px solid var(--bad)}
        tr.half td:first-child{border-left:4px solid var(--warn)}tr.off td:first-child{border-left:4px solid var(--dim)}
        tr.off{color:var(--dim)}tr.total td{font-weight:600;background:#8881}
        .up .s{color:var(--ok)}.down .s{color:var(--bad)}
        .half .s{color:var(--warn)}footer{margin-top:1.2rem;color:var(--dim);font-size:12px}
        """;

    private static readonly (string Group, (string Title, string Field)[] Columns)[] Groups =
    [
        ("Queue", [("Cur", "qcur"), ("Max", "qmax"), ("Limit", "qlimit")]),
        ("Session rate", [("Cur", "rate"), ("Max", "rate_max"), ("Limit", "rate_lim")]),
        ("Sessions",
            [("Cur", "scur"), ("Max", "smax"), ("Limit", "slim"), ("Total", "stot"), ("LbTot", "lbtot"),
                ("Last", "lastsess")]),
        ("Bytes", [("In", "bin"), ("Out", "bout")]),
        ("Denied", [("Req", "dreq"), ("Resp", "dresp")]),
        ("Errors", [("Req", "ereq"), ("Conn", "econ"), ("Resp", "eresp")]),
        ("Warnings", [("Retr", "wretr"), ("Redis", "wredis")]),
        ("Server",
            [("Status", "status"), ("LastChk", "check"), ("Wght", "weight"), ("Act", "act"), ("Bck", "bck"),
                ("Chk", "chkfail"),
            ("Dwn", "chkdown"), ("Dwntme", "downtime"), ("Thrtle", "throttle")]),
    ];

    public static void Write(
        StringBuilder s, ControlPlane plane, StatsConfig stats, StatsService.Request wanted,
            IReadOnlyList<StatRow> rows, long now, bool admin)
    {
        var info = plane.Info.Items(plane.Situation(), now).ToDictionary(i => i.Name, i => i.Value);
        string version = stats.HideVersion ? "" : " " + info["Version"];
        string node = stats.ShowNode ? " on " + info["node"] : "";
        s.Append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
        if (stats.Refresh is > 0 && !wanted.NoRefresh)
        {
            s.Append(CultureInfo.InvariantCulture, $"<meta http-equiv=\"refresh\" content=\"{stats.Refresh}\">\n");
        }

        s.Append(
            $"<title>Statistics Report for {Text(info["Name"] + node)}</title>\n<style>{Style}</style></head><body>\n");
        s.Append(
            $"<h1>{Text(info["Name"] + version)}: statistics report for pid {Text(info["Pid"])}{Text(node)}</h1>\n");
        if (stats.ShowDescription is not null)
        {
            s.Append(
                "<p>" + Text(stats.ShowDescription.Length > 0 ? stats.ShowDescription
                    : plane.State.Config.Global.Description ?? "") + "</p>\n");
        }

        Facts(s, info);
        string uri = Text(stats.Uri);
        s.Append($"<nav><a href=\"{uri}\">Refresh now</a>");
        if (stats.Refresh is > 0)
        {
            s.Append(
                wanted.NoRefresh ? $"<a href=\"{uri}\">Enable refresh</a>"
                    : $"<a href=\"{uri};norefresh\">Disable refresh</a>");
        }

        s.Append(
            $"<a href=\"{uri};up\">Hide what is down</a>").Append(
            $"<a href=\"{uri};csv\">CSV</a><a href=\"{uri};json\">JSON</a></nav>\n");
        if (StatsAdmin.Message(wanted.Result) is var (kind, html))
        {
            s.Append($"<p class=\"result {kind}\"><a href=\"{uri}\" title=\"Remove this message\">[X]</a> ")
                .Append($"<span class=\"s\">{html}</span></p>\n");
        }

        foreach (var group in rows.GroupBy(r => r.Proxy.Index))
        {
            Table(s, [.. group], stats, admin && group.Any(r => r.Type == StatObject.Server));
        }

        s.Append("<footer>Rates are those of the last second; limits shown as - are not set.</footer>\n");
        s.Append("</body></html>\n");
    }

    private static void Facts(StringBuilder s, Dictionary<string, string> info)
    {
        (string Title, string Field)[] facts =
        [
            ("uptime", "Uptime"), ("threads", "Nbthread"), ("maxconn", "Maxconn"), ("ulimit-n", "Ulimit-n"),
                ("current conns", "CurrConns"),
            ("conn rate /s", "ConnRate"), ("sess rate /s", "SessRate"), ("bytes out /s", "BytesOutRate"),
                ("listeners", "Listeners"),
            ("dropped logs", "DroppedLogs"), ("failed resolutions", "FailedResolutions"),
        ];
        s.Append("<div class=\"facts\">");
        foreach (var (title, field) in facts)
        {
            s.Append($"<span>{title} <b>{Text(info[field])}</b></span>");
        }

        s.Append("</div>\n");
    }

    private static void Table(StringBuilder s, IReadOnlyList<StatRow> rows, StatsConfig stats, bool form)
    {
        var p = rows[0].Proxy;
        s.Append($"<h2 id=\"{Text(p.Name)}\">{Text(p.Name)}</h2>\n");
        if (stats.ShowLegends)
        {
            string balance = p.HasBackend ? ", balance " + p.Balance.Algorithm : "";
            s.Append(
                CultureInfo.InvariantCulture,
                    $"<div class=\"facts\">mode {p.Mode.ToString().ToLowerInvariant()}, ").Append(
                    CultureInfo.InvariantCulture, $"id #{p.Id}{Text(balance)}</div>\n");
        }

        s.Append(form ? "<form method=\"post\">" : "").Append("<div class=\"wrap\"><table><tr><th rowspan=\"2\"></th>");
        foreach (var (group, columns) in Groups)
        {
            s.Append(CultureInfo.InvariantCulture, $"<th colspan=\"{columns.Length}\">{group}</th>");
        }

        s.Append("</tr>\n<tr>");
        foreach (var (title, _) in Groups.SelectMany(g => g.Columns))
        {
            s.Append($"<th>{title}</th>");
        }

        s.Append("</tr>\n");
        foreach (var r in rows)
        {
            s.Append($"<tr class=\"{Class(r)}\"><td{Legend(r, stats)}>{(form ? Box(r) : "")}{Text(Name(r))}</td>");
            foreach (var (_, field) in Groups.SelectMany(g => g.Columns))
            {
                s.Append(field == "status" ? "<td class=\"s\">" : "<td>").Append(Text(Value(r, field))).Append("</td>");
            }

            s.Append("</tr>\n");
        }

        s.Append("</table></div>\n");
        if (form)
        {
            s.Append("Choose the action to perform on the checked servers : <select name=action><option value=\"\"></option>");
            foreach (var (action, title) in StatsAdmin.Actions)
            {
                s.Append($"<option value=\"{action}\">{title}</option>");
            }

            s.Append("</select><input type=\"hidden\" name=\"b\" value=\"#").Append(CultureInfo.InvariantCulture, $"{p.Id}\">")
                .Append("&nbsp;<input type=\"submit\" value=\"Apply\"></form>\n");
        }
    }

    private static string Box(StatRow r) => r.Type != StatObject.Server ? ""
        : $"<input class='{Text(r.Proxy.Name)}-checkbox' type=\"checkbox\" name=\"s\" value=\"{Text(r["svname"]!)}\">";

    private static string Name(StatRow r) => r.Type switch
    {
        StatObject.Frontend => "Frontend",
        StatObject.Backend => "Backend",
        _ => r["svname"]!,
    };

    private static string Class(StatRow r)
    {
        string status = r["status"] ?? "";
        string kind =
            status.StartsWith("MAINT", StringComparison.Ordinal) || status is "no check" or "STOP" or "PAUSED" ? "off"
            : status.StartsWith("DOWN", StringComparison.Ordinal) ? "down"
            : status is "UP" or "OPEN" ? "up" : "half";
        return r.Type == StatObject.Server ? kind : kind + " total";
    }

    private static string Legend(StatRow r, StatsConfig stats) =>
        stats.ShowLegends && r["addr"] is { } a
            ? $" title=\"{Text(a)}, id #{r.Id.ToString(CultureInfo.InvariantCulture)}\"" : "";

    private static string Value(StatRow r, string field) => field switch
    {
        "status" when r.Type != StatObject.Frontend && r["lastchg"] is { } c => $"{Ago(c)} {r["status"]}",
        "status" => r["status"] ?? "",
        "check" when r["check_status"] is { } check => check + (r["check_code"] is { } code ? "/" + code : "")
            + (r["check_duration"] is { } ms ? $" in {ms}ms" : "")
                + (r["last_chk"] is { Length: > 0 } last ? $": {last}" : ""),
        "check" => "",
        "lastsess" => r["lastsess"] is { } l ? l == "-1" ? "?" : Ago(l) : "",
        "downtime" => r["downtime"] is { } d ? Ago(d) : "",
        "act" when r.Type == StatObject.Server => r["act"] == "1" ? "Y" : "-",
        "bck" when r.Type == StatObject.Server => r["bck"] == "1" ? "Y" : "-",
        "throttle" => r["throttle"] is { } t ? t + "%" : "",
        "rate_lim" => r["rate_lim"] is null or "0" ? "-" : r["rate_lim"]!,
        _ => r[StatFields.Position[field]] ?? "",
    };

    /// <summary>Seconds in the two largest units.</summary>
    private static string Ago(string seconds)
    {
        var t = TimeSpan.FromSeconds(long.Parse(seconds, CultureInfo.InvariantCulture));
        return t switch
        {
            { TotalDays: >= 1 } => FormattableString.Invariant($"{t.Days}d{t.Hours}h"),
            { TotalHours: >= 1 } => FormattableString.Invariant($"{t.Hours}h{t.Minutes}m"),
            { TotalMinutes: >= 1 } => FormattableString.Invariant($"{t.Minutes}m{t.Seconds}s"),
            _ => FormattableString.Invariant($"{t.Seconds}s"),
        };
    }

    private static string Text(string s) => WebUtility.HtmlEncode(s);
}
