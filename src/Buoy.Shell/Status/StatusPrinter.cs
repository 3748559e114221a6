using System.Globalization;
using System.Xml.Linq;
using Buoy.Cib;

namespace Buoy.Shell.Status;

/// <summary>What of the state is shown (crm_mon(8)'s display options).</summary>
public sealed record StatusOptions
{
    public bool Inactive { get; init; }
    public bool GroupByNode { get; init; }
    public bool Operations { get; init; }
    public bool FailCounts { get; init; }
    public bool Attributes { get; init; }
    public bool Timing { get; init; }

    /// <summary>Whether there is a daemon whose state is told.</summary>
    public bool Live { get; init; } = true;

    /// <summary>Counts by agent and node instead of a list.</summary>
    public bool Brief { get; init; }

    /// <summary>The header.</summary>
    public bool Summary { get; init; } = true;
}

/// <summary>Text as <c>crm_mon -1</c> prints it.</summary>
public static class StatusPrinter
{
    /// <summary>The whole status.</summary>
    public static void Print(TextWriter o, CibDocument cib, IStatusView view, StatusOptions options, DateTimeOffset now)
    {
        if (options.Summary)
        {
            Summary(o, cib, view, options, now);
            o.Write("\n");
        }

        o.Write("Node List:\n");
        Nodes(o, view, options);
        if (options.GroupByNode)
        {
            if (options.Inactive)
            {
                o.Write("\nInactive Resources:\n");
                Resources(o, [.. view.Resources.Where(r => r.Primitives().All(p => p.On.Count == 0))], "No inactive resources", "  ", view.Nodes);
            }
        }
        else
        {
            var shown = options.Inactive ? view.Resources : [.. view.Resources.Where(r => r.Primitives().Any(p => p.On.Count > 0))];
            o.Write(options.Inactive ? "\nFull List of Resources:\n" : "\nActive Resources:\n");
            if (options.Brief)
            {
                Brief(o, view);
                shown = [];
            }
            Resources(o, shown, options.Brief ? "" : options.Inactive ? "No resources" : "No active resources", "  ", options.Inactive ? view.Nodes : null);
        }

        if (options.Attributes && view.Nodes.Any(n => n.Online && n.Attributes.Count(Shown) > 0))
        {
            o.Write("\nNode Attributes:\n");
            foreach (NodeView n in view.Nodes.Where(n => n.Online && n.Attributes.Any(Shown)))
            {
                o.Write($"  * Node: {n.Name}:\n");
                foreach ((string name, string value) in n.Attributes.Where(Shown).OrderBy(a => a.Name, StringComparer.Ordinal))
                {
                    o.Write($"    * {name,-32}\t: {value,-10}\n");
                }
            }
        }

        if (options.Operations)
        {
            Operations(o, cib, view, options.Timing);
        }
        else if (options.FailCounts)
        {
            FailCounts(o, cib, view);
        }

        if (view.Failures.Count > 0)
        {
            o.Write("\nFailed Resource Actions:\n");
            foreach (OperationView f in view.Failures)
            {
                o.Write($"  * {Failure(f)}\n");
            }
        }

        static bool Shown((string Name, string Value) a) => a.Name is not ("shutdown" or "standby" or "maintenance" or "terminate" or "probe_complete")
            && !a.Name.StartsWith("fail-count-", StringComparison.Ordinal) && !a.Name.StartsWith("last-failure-", StringComparison.Ordinal);
    }

    /// <summary>The resources as indented list; <paramref name="empty"/> is said where there are none.</summary>
    /// <param name="all">The cluster's nodes, where a clone's stopped instances are to be told; else null.</param>
    public static void Resources(
        TextWriter o, IReadOnlyList<ResourceView> resources, string empty, string indent, IReadOnlyList<NodeView>? all, bool nodes = true)
    {
        if (resources.Count == 0 && empty.Length > 0)
        {
            o.Write($"{indent}* {empty}\n");
        }

        foreach (ResourceView r in resources)
        {
            Resource(o, r, indent, all, nodes);
        }
    }

    /// <summary>How many resources of each agent are active on which node.</summary>
    private static void Brief(TextWriter o, IStatusView view)
    {
        foreach (var g in view.Resources.SelectMany(r => r.Primitives()).SelectMany(p => p.On.Select(x => (p.Agent, x.Node.Name))).GroupBy(x => x))
        {
            o.Write($"  * {g.Count()}\t({g.Key.Agent}):\tActive {g.Key.Name}\n");
        }
    }

    /// <summary>One primitive's line without indentation: <c>id (agent): role node (flags)</c>.</summary>
    public static string Line(ResourceView r, bool nodes = true)
    {
        string where = !nodes || r.On.Count == 0 ? "" : r.On.Count == 1 ? " " + r.On[0].Node.Name : "";
        var flags = new List<string>();
        if (r.Disabled)
        {
            flags.Add("disabled");
        }

        if (r.Blocked)
        {
            flags.Add("blocked");
        }
        else if (r.Maintenance)
        {
            flags.Add("unmanaged");
        }
        else if (!r.Managed)
        {
            flags.Add("unmanaged");
        }

        string role = r.Failed && r.On.Count > 0 ? (r.Role is "Promoted" or "Unpromoted" ? $"FAILED {r.Role}" : "FAILED") : r.Role;
        string list = nodes && r.On.Count > 1 ? " [ " + string.Join(' ', r.On.Select(n => n.Node.Name)) + " ]" : "";
        return $"{r.Id}\t({r.Agent}):\t {role}{where}{(flags.Count > 0 ? $" ({string.Join(", ", flags)})" : "")}{list}";
    }

    /// <summary>What happened in an operation that failed, as one line.</summary>
    public static string Failure(OperationView f)
    {
        string interval = f.Interval > 0 ? $"{Duration(f.Interval)}-interval " : "";
        string what = f.OpStatus == 2 ? "could not be executed (Timed Out)"
            : f.OpStatus is not (0 or 4 or 1) ? $"could not be executed ({OpStatus(f.OpStatus)})"
            : $"returned '{ReturnCode(f.Rc)}'";
        string reason = f.ExitReason.Length > 0 ? $" ({f.ExitReason})" : "";
        string after = f.ExecTime > 0 ? $" after {(f.ExecTime >= 1000 ? Duration(f.ExecTime) : f.ExecTime + "ms")}" : "";
        return $"{f.Resource} {interval}{f.Task} on {f.Node} {what}{reason} at {CibDocument.CTime(f.LastChange)}{after}";
    }

    /// <summary>Names of OCF return codes.</summary>
    public static string ReturnCode(int rc) => rc switch
    {
        0 => "ok", 1 => "error", 2 => "invalid parameter", 3 => "unimplemented feature", 4 => "insufficient privileges",
        5 => "not installed", 6 => "not configured", 7 => "not running", 8 => "promoted", 9 => "failed promoted",
        189 => "could not be executed", 190 => "degraded", 191 => "promoted (degraded)", 193 => "pending",
        _ => "unknown",
    };

    /// <summary>Names of execution states (pcmk op-status).</summary>
    public static string OpStatus(int status) => status switch
    {
        -1 => "pending", 0 => "complete", 1 => "Cancelled", 2 => "Timed Out", 3 => "Not Supported", 4 => "Error",
        5 => "Hard error", 6 => "Fatal error", 7 => "Not installed", 8 => "Not connected", _ => "unknown",
    };

    private static string Duration(long ms)
    {
        if (ms % 1000 != 0)
        {
            return ms < 1000 ? $"{ms}ms" : (ms / 1000.0).ToString("0.###", CultureInfo.InvariantCulture) + "s";
        }

        long s = ms / 1000;
        string text = "";
        foreach ((long unit, string name) in (ReadOnlySpan<(long, string)>)[(86400, "d"), (3600, "h"), (60, "m"), (1, "s")])
        {
            if (s >= unit)
            {
                text += $"{s / unit}{name}";
                s %= unit;
            }
        }

        return text.Length == 0 ? "0s" : text;
    }

    private static void Summary(TextWriter o, CibDocument cib, IStatusView view, StatusOptions options, DateTimeOffset now)
    {
        if (options.Live)
        {
            o.Write($"Status of pacemakerd: 'Pacemaker is running' (last updated {now.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z)\n");
        }

        o.Write("Cluster Summary:\n");
        o.Write($"  * Stack: {cib.Property("cluster-infrastructure") ?? "unknown"}\n");
        NodeView? dc = view.Nodes.FirstOrDefault(n => n.IsDc);
        string quorum = (string?)cib.Root.Attribute("have-quorum") is "1" or "true" ? "with quorum" : "WITHOUT quorum";
        o.Write(dc is null ? "  * Current DC: NONE\n"
            : $"  * Current DC: {dc.Name} (version {cib.Property("dc-version") ?? "unknown"}) - partition {quorum}\n");
        o.Write($"  * Last updated: {CibDocument.CTime(now)}\n");
        if (cib.Root.Attribute("cib-last-written") is { } written)
        {
            o.Write($"  * Last change:  {written.Value}{By(cib)}\n");
        }

        int instances = Instances(view);
        int disabled = view.Resources.SelectMany(r => r.Primitives()).Count(p => p.Disabled);
        o.Write($"  * {view.Nodes.Count} node{(view.Nodes.Count == 1 ? "" : "s")} configured\n");
        o.Write($"  * {instances} resource instance{(instances == 1 ? "" : "s")} configured"
            + (disabled > 0 ? $" ({disabled} DISABLED)" : "") + "\n");
        if (CibStatusView.IsTrue(cib.Property("maintenance-mode")))
        {
            o.Write("\n              *** Resource management is DISABLED ***\n");
            o.Write("  The cluster will not attempt to start, stop or recover services\n");
        }
        else if (CibStatusView.IsTrue(cib.Property("stop-all-resources")))
        {
            o.Write("\n    *** Resource management is DISABLED ***\n  The cluster will keep all resources stopped\n");
        }
    }

    /// <summary>Configured instances: a clone counts once per node.</summary>
    public static int Instances(IStatusView view) =>
        view.Resources.Sum(r => r.Primitives().Count() * (r.Kind == "clone" ? Math.Max(1, view.Nodes.Count) : 1));

    private static string By(CibDocument cib)
    {
        string text = "";
        foreach ((string word, string attribute) in (ReadOnlySpan<(string, string)>)[(" by ", "update-user"), (" via ", "update-client"), (" on ", "update-origin")])
        {
            if ((string?)cib.Root.Attribute(attribute) is { } value)
            {
                text += word + value;
            }
        }

        return text;
    }

    private static void Nodes(TextWriter o, IStatusView view, StatusOptions options)
    {
        var online = new List<string>();
        var offline = new List<string>();
        foreach (NodeView n in view.Nodes)
        {
            string state = State(n, view);
            if (options.GroupByNode)
            {
                o.Write($"  * Node {n.Name}: {state}:\n    * Resources:\n");
                foreach (ResourceView r in view.Resources.SelectMany(r => r.Primitives()).Where(p => p.On.Any(x => x.Node == n)))
                {
                    o.Write($"      * {Line(r, nodes: false)}\n");
                }
            }
            else if (state == "online")
            {
                online.Add(n.Name);
            }
            else if (state == "OFFLINE")
            {
                offline.Add(n.Name);
            }
            else
            {
                o.Write($"  * Node {n.Name}: {state}\n");
            }
        }

        if (online.Count > 0)
        {
            o.Write($"  * Online: [ {string.Join(' ', online)} ]\n");
        }

        if (offline.Count > 0)
        {
            o.Write($"  * OFFLINE: [ {string.Join(' ', offline)} ]\n");
        }
    }

    /// <summary>A node's state in crm_mon's words.</summary>
    public static string State(NodeView n, IStatusView view)
    {
        bool active = view.Resources.SelectMany(r => r.Primitives()).Any(p => p.On.Any(x => x.Node == n));
        return n switch
        {
            { Unclean: true } => n.Online ? "UNCLEAN (online)" : n.Pending ? "UNCLEAN (pending)" : "UNCLEAN (offline)",
            { Pending: true } => "pending",
            { Standby: true, Online: true } => active ? "standby (with active resources)" : "standby",
            { Standby: true } => "OFFLINE (standby)",
            { Maintenance: true, Online: true } => "maintenance",
            { Maintenance: true } => "OFFLINE (maintenance)",
            { Online: true } => "online",
            _ => "OFFLINE",
        };
    }

    private static void Resource(TextWriter o, ResourceView r, string indent, IReadOnlyList<NodeView>? all, bool nodes)
    {
        switch (r.Kind)
        {
            case "primitive":
                o.Write($"{indent}* {Line(r, nodes)}\n");
                break;
            case "group":
                o.Write($"{indent}* Resource Group: {r.Id}{Flags(r)}:\n");
                foreach (ResourceView c in r.Children)
                {
                    Resource(o, c, indent + "  ", all, nodes);
                }

                break;
            default:
                string child = r.Children.Count > 0 ? r.Children[0].Id : "";
                o.Write($"{indent}* {(r.Kind == "bundle" ? "Container bundle" : "Clone Set")}: {r.Id} [{child}]{(r.Promotable ? " (promotable)" : "")}{Flags(r)}:\n");
                var by = r.Primitives().SelectMany(p => p.On).GroupBy(x => x.Role).ToDictionary(g => g.Key, g => g.Select(x => x.Node.Name)
                    .Distinct().Order(StringComparer.Ordinal).ToList());
                foreach (string role in (string[])["Promoted", "Unpromoted", "Started"])
                {
                    if (by.TryGetValue(role, out List<string>? names))
                    {
                        o.Write($"{indent}  * {role}: [ {string.Join(' ', names)} ]\n");
                    }
                }

                List<string> idle = [.. (all ?? []).Select(n => n.Name).Except(by.Values.SelectMany(n => n))];
                if (idle.Count > 0)
                {
                    o.Write($"{indent}  * Stopped{(r.Disabled ? " (disabled)" : "")}: [ {string.Join(' ', idle)} ]\n");
                }

                break;
        }

        static string Flags(ResourceView r)
        {
            var flags = new List<string>();
            if (r.Disabled)
            {
                flags.Add("disabled");
            }

            if (!r.Managed)
            {
                flags.Add("unmanaged");
            }

            return flags.Count == 0 ? "" : $" ({string.Join(", ", flags)})";
        }
    }

    private static void Operations(TextWriter o, CibDocument cib, IStatusView view, bool timing)
    {
        o.Write("\nOperations:\n");
        foreach (IGrouping<string, OperationView> node in view.Operations.GroupBy(x => x.Node))
        {
            var resources = node.GroupBy(x => x.Resource).Where(r => r.Any(IsShown)).ToList();
            if (resources.Count == 0)
            {
                continue;
            }

            o.Write($"  * Node: {node.Key}:\n");
            foreach (IGrouping<string, OperationView> r in resources)
            {
                o.Write($"    * {r.Key}: migration-threshold={Threshold(cib, r.Key)}{Fails(cib, node.Key, r.Key)}:\n");
                foreach (OperationView x in r.Where(IsShown))
                {
                    string fields = x.Interval > 0 ? $" interval=\"{x.Interval}ms\"" : "";
                    if (timing)
                    {
                        fields += $" last-rc-change=\"{CibDocument.CTime(x.LastChange)}\" exec-time=\"{x.ExecTime}ms\" "
                            + $"queue-time=\"{x.QueueTime}ms\" rc={x.Rc} ({ReturnCode(x.Rc)})";
                    }

                    o.Write($"      * ({x.CallId}) {x.Task}{(fields.Length > 0 ? ":" : "")}{fields}\n");
                }
            }
        }
    }

    /// <summary>Probes that found what was expected are not told.</summary>
    internal static bool IsShown(OperationView x) => !(x.Task == "monitor" && x.Interval == 0 && x.Rc == 7);

    private static void FailCounts(TextWriter o, CibDocument cib, IStatusView view)
    {
        if (!view.Nodes.Any(n => n.Online))
        {
            return;
        }

        o.Write("\nMigration Summary:\n");
        foreach (NodeView n in view.Nodes.Where(n => n.Online))
        {
            var failed = view.Resources.SelectMany(r => r.Primitives()).Select(p => (p.Id, Text: Fails(cib, n.Name, p.Id)))
                .Where(f => f.Text.Length > 0).ToList();
            if (failed.Count > 0)
            {
                o.Write($"  * Node: {n.Name}:\n");
                foreach ((string id, string text) in failed)
                {
                    o.Write($"    * {id}: migration-threshold={Threshold(cib, id)}{text}\n");
                }
            }
        }
    }

    /// <summary>The fail count of a resource on a node, 0 where none, and the last failure.</summary>
    public static (string Count, DateTimeOffset? Last) FailCount(CibDocument cib, string node, string resource)
    {
        XElement? state = cib.Root.Element("status")?.Elements("node_state").FirstOrDefault(s => (string?)s.Attribute("uname") == node);
        long sum = 0;
        bool infinity = false;
        DateTimeOffset? last = null;
        foreach (XElement p in state?.Element("transient_attributes")?.Descendants("nvpair") ?? [])
        {
            string name = (string?)p.Attribute("name") ?? "", value = (string?)p.Attribute("value") ?? "";
            if (Matches(name, "fail-count-" + resource))
            {
                infinity |= value == "INFINITY";
                sum += long.TryParse(value, out long n) ? n : 0;
            }
            else if (Matches(name, "last-failure-" + resource) && long.TryParse(value, out long at))
            {
                var t = DateTimeOffset.FromUnixTimeSeconds(at);
                last = last is null || t > last ? t : last;
            }
        }

        return (infinity || sum >= 1000000 ? "1000000" : sum.ToString(CultureInfo.InvariantCulture), last);

        static bool Matches(string name, string prefix) =>
            name.StartsWith(prefix, StringComparison.Ordinal) && (name.Length == prefix.Length || name[prefix.Length] is '#' or ':');
    }

    private static string Fails(CibDocument cib, string node, string resource)
    {
        (string count, DateTimeOffset? last) = FailCount(cib, node, resource);
        return count == "0" ? "" : $" fail-count={count}" + (last is { } t ? $" last-failure='{CibDocument.CTime(t)}'" : "");
    }

    /// <summary>The resource's migration-threshold, as Pacemaker shows it (1000000 = never).</summary>
    public static string Threshold(CibDocument cib, string resource)
    {
        XElement? e = cib.Section("resources")?.Descendants().FirstOrDefault(x => (string?)x.Attribute("id") == resource);
        string? value = null;
        for (; e is not null && value is null && e.Name != "resources"; e = e.Parent)
        {
            value = Meta(e);
        }

        value ??= cib.Section("rsc_defaults") is { } d ? Meta(d) : null;
        return value is null or "INFINITY" ? "1000000" : value;

        static string? Meta(XElement x) => (string?)x.Elements("meta_attributes").Elements("nvpair")
            .FirstOrDefault(p => (string?)p.Attribute("name") == "migration-threshold")?.Attribute("value");
    }
}
