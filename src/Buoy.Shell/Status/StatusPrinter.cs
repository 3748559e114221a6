using System.Globalization;
using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Scheduler;

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
        if (!options.GroupByNode || options.Inactive)
        {
            ResourceList(o, view, options);
        }

        if (options.Attributes && view.Nodes.Any(n => n.Online && n.Attributes.Count(Shown) > 0))
        {
            o.Write("\nNode Attributes:\n");
            foreach (NodeView n in view.Nodes.Where(n => n.Online && n.Attributes.Any(Shown)))
            {
                o.Write($"  * Node: {n.Name}:\n");
                foreach ((string name, string value) in n.Attributes.Where(Shown).OrderBy(a => a.Name,
                    StringComparer.Ordinal))
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

        static bool Shown((string Name, string Value) a) =>
            a.Name is not ("shutdown" or "standby" or "maintenance" or "terminate")
            && !a.Name.StartsWith("fail-count-", StringComparison.Ordinal) && !a.Name.StartsWith("last-failure-",
                StringComparison.Ordinal);
    }

    private static void ResourceList(TextWriter o, IStatusView view, StatusOptions options)
    {
        o.Write(options.GroupByNode ? "\nInactive Resources:\n"
            : options.Inactive ? "\nFull List of Resources:\n" : "\nActive Resources:\n");
        if (options.Brief && !options.GroupByNode)
        {
            Brief(o, view);
            return;
        }

        IReadOnlyList<string> lines = StatusText.Resources(view.Status, options.Inactive);
        if (options.GroupByNode)
        {
            lines = [.. Blocks(lines).Zip(view.Resources).Where(b => !b.Second.IsFullyActive).SelectMany(b => b.First)];
            lines = lines.Count == 0 ? ["* No inactive resources"] : lines;
        }

        foreach (string line in lines)
        {
            o.Write($"  {line}\n");
        }
    }

    /// <summary>The lines of each top-level resource.</summary>
    private static IEnumerable<List<string>> Blocks(IReadOnlyList<string> lines)
    {
        List<string> block = [];
        foreach (string line in lines)
        {
            if (block.Count > 0 && !line.StartsWith(' '))
            {
                yield return block;
                block = [];
            }

            block.Add(line);
        }

        yield return block;
    }

    /// <summary>All resources as crm_resource lists them: without the nodes of primitives.</summary>
    public static void Resources(TextWriter o, IStatusView view)
    {
        if (view.Resources.Count == 0)
        {
            o.Write("  * No resources\n");
            return;
        }

        foreach (string line in StatusText.Resources(view.Status))
        {
            o.Write($"  {WithoutNode(line)}\n");
        }
    }

    /// <summary>A primitive's line without the name of its node; other lines as they are.</summary>
    private static string WithoutNode(string line)
    {
        int at = line.LastIndexOf(":\t ", StringComparison.Ordinal);
        if (at < 0)
        {
            return line;
        }

        string[] words = line[(at + 3)..].Split(' ');
        int role = words[0] == "ORPHANED" ? 1 : 0;
        role += words[role] == "FAILED" && words.Length > role + 1 && words[role + 1] == "Promoted" ? 1 : 0;
        IEnumerable<string> rest = words.Skip(role + 1);
        if (rest.FirstOrDefault() is { } name && !name.StartsWith('(') && !name.StartsWith('['))
        {
            rest = rest.Skip(1);
        }

        return line[..(at + 3)] + string.Join(' ', words.Take(role + 1).Concat(rest));
    }

    /// <summary>How many resources of each agent are active on which node.</summary>
    private static void Brief(TextWriter o, IStatusView view)
    {
        foreach (var g in view.Resources.SelectMany(r => r.Primitives()).SelectMany(p => p.On.Select(x => (p.Agent,
            x.Node.Name))).GroupBy(x => x))
        {
            o.Write($"  * {g.Count()}\t({g.Key.Agent}):\tActive {g.Key.Name}\n");
        }
    }

    /// <summary>One primitive's line without indentation or node: <c>id (agent): role (flags)</c>.</summary>
    public static string Line(ResourceView r)
    {
        string role = r.Failed ? r.Role == "Promoted" ? "FAILED Promoted" : "FAILED"
            : r.PendingTask is { } task and not "monitor" ? PendingWord(task) ?? r.Role : r.Role;
        var flags = new List<string>();
        Flag(r.PendingTask == "monitor", "Monitoring");
        Flag(r.Disabled, "disabled");
        Flag(r.Promotable && r.TargetRole?.ToLowerInvariant() is "unpromoted" or "slave", "target-role:Unpromoted");
        Flag(r.Blocked, "blocked");
        Flag(!r.Blocked && r.Maintenance, "maintenance");
        Flag(!r.Blocked && !r.Maintenance && !r.Managed, "unmanaged");
        Flag(r.FailureIgnored, "failure ignored");
        return $"{r.Id}\t({r.Agent}):\t{(r.Removed ? " ORPHANED" : "")} {role}"
            + (flags.Count > 0 ? $" ({string.Join(", ", flags)})" : "");

        void Flag(bool set, string word)
        {
            if (set)
            {
                flags.Add(word);
            }
        }
    }

    /// <summary>What an operation under way does to its resource; null for an operation that has no word.</summary>
    public static string? PendingWord(string task) => task switch
    {
        "start" => "Starting",
        "stop" => "Stopping",
        "migrate_to" or "migrate_from" => "Migrating",
        "promote" => "Promoting",
        "demote" => "Demoting",
        "monitor" => "Monitoring",
        _ => null,
    };

    /// <summary>What happened in an operation that failed, as one line.</summary>
    public static string Failure(OperationView f)
    {
        string interval = f.Interval > 0 ? $"{Duration(f.Interval)}-interval " : "";
        string what = f.OpStatus == 0 ? $"returned '{ReturnCode(f.Rc)}'"
            : $"could not be executed ({OpStatus(f.OpStatus)})";
        string reason = f.ExitReason.Length > 0 ? $" ({f.ExitReason})" : "";
        string at = f.LastChange.ToUnixTimeSeconds() > 0 ? $" at {CibDocument.CTime(f.LastChange)}" : "";
        string after = f.ExecTime > 0 ? $" after {Duration(f.ExecTime)}" : "";
        return $"{f.Resource} {interval}{Task(f)} on {f.Node} {what}{reason}{at}{after}";
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

    /// <summary>Days, hours, minutes and seconds; milliseconds only where there are some.</summary>
    private static string Duration(long ms)
    {
        if (ms < 1000)
        {
            return $"{ms}ms";
        }

        long s = ms / 1000;
        string text = "";
        foreach ((long unit, string name) in (ReadOnlySpan<(long, string)>)[(86400, "d"), (3600, "h"), (60, "m")])
        {
            if (s > unit)
            {
                text += $"{s / unit}{name}";
                s %= unit;
            }
        }

        return ms % 1000 != 0 ? $"{text}{s}.{ms % 1000:000}s" : s > 0 ? $"{text}{s}s" : text;
    }

    private static void Summary(TextWriter o, CibDocument cib, IStatusView view, StatusOptions options,
        DateTimeOffset now)
    {
        if (options.Live)
        {
            o.Write($"Status of pacemakerd: 'Pacemaker is running' (last updated "
                + $"{now.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z)\n");
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

        int instances = view.Status.InstanceCount;
        o.Write($"  * {view.Nodes.Count} node{(view.Nodes.Count == 1 ? "" : "s")} configured\n");
        o.Write($"  * {instances} resource instance{(instances == 1 ? "" : "s")} configured"
            + Counts(view.Status) + "\n");
        if (view.Status.MaintenanceMode)
        {
            o.Write("\n              *** Resource management is DISABLED ***\n");
            o.Write("  The cluster will not attempt to start, stop or recover services\n");
        }
        else if (view.Status.StopAllResources)
        {
            o.Write("\n    *** Resource management is DISABLED ***\n  The cluster will keep all resources stopped\n");
        }
    }

    private static string Counts(ClusterStatus status) => (status.DisabledCount, status.BlockedCount) switch
    {
        (0, 0) => "",
        (0, int blocked) => $" ({blocked} BLOCKED from further action due to failure)",
        (int disabled, 0) => $" ({disabled} DISABLED)",
        (int disabled, int blocked) => $" ({disabled} DISABLED, {blocked} BLOCKED from further action due to failure)",
    };

    private static string By(CibDocument cib)
    {
        string text = "";
        foreach ((string word, string attribute) in (ReadOnlySpan<(string, string)>)[(" by ", "update-user"), (" via ",
            "update-client"), (" on ", "update-origin")])
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
        if (!options.GroupByNode)
        {
            foreach (string line in StatusText.NodeList(view.Status))
            {
                o.Write($"  {line}\n");
            }

            return;
        }

        foreach (NodeView n in view.Nodes)
        {
            string kind = n.Kind switch { "remote" => "RemoteNode", "guest" => "GuestNode", _ => "Node" };
            o.Write($"  * {kind} {n.Name}: {n.State}:\n    * Resources:\n");
            foreach (ResourceView r in ActiveOn(view, n))
            {
                o.Write($"      * {Line(r)}\n");
            }
        }
    }

    /// <summary>What is active on a node, in the order of its history.</summary>
    private static IEnumerable<ResourceView> ActiveOn(IStatusView view, NodeView node)
    {
        return view.Resources.SelectMany(r => r.Primitives()).Where(p => p.On.Any(x => x.Node == node))
            .OrderBy(Place);

        int Place(ResourceView r)
        {
            for (int i = 0; i < node.History.Count; i++)
            {
                string name = node.History[i];
                if (name == r.Id || (name.StartsWith(r.Id, StringComparison.Ordinal) && name[r.Id.Length] == ':'))
                {
                    return i;
                }
            }

            return int.MaxValue;
        }
    }

    private static void Operations(TextWriter o, CibDocument cib, IStatusView view, bool timing)
    {
        o.Write("\nOperations:\n");
        foreach (IGrouping<string, OperationView> node in view.Operations.GroupBy(x => x.Node))
        {
            var resources = node.Where(IsShown).GroupBy(x => x.Resource).ToList();
            if (resources.Count == 0 || view.Nodes.FirstOrDefault(n => n.Name == node.Key) is not { Online: true })
            {
                continue;
            }

            o.Write($"  * Node: {node.Key}:\n");
            foreach (IGrouping<string, OperationView> r in resources)
            {
                string id = ConfiguredId(view, r.Key);
                o.Write($"    * {id}: migration-threshold={Threshold(cib, id)}{Fails(cib, node.Key, id)}:\n");
                foreach (OperationView x in r)
                {
                    string fields = x.Interval > 0 ? $" interval=\"{x.Interval}ms\"" : "";
                    fields += timing ? Timing(x) : "";
                    o.Write($"      * ({x.CallId}) {Task(x)}{(fields.Length > 0 ? ":" : "")}{fields}\n");
                }
            }
        }
    }

    private static string Timing(OperationView x)
    {
        string times = x.LastChange.ToUnixTimeSeconds() > 0
            ? $" last-rc-change=\"{CibDocument.CTime(x.LastChange)}\"" : "";
        times += x.HasTimes ? $" exec-time=\"{x.ExecTime}ms\" queue-time=\"{x.QueueTime}ms\"" : "";
        return $"{times} rc={x.Rc} ({ReturnCode(x.Rc)})";
    }

    /// <summary>A monitor that runs once is a probe.</summary>
    private static string Task(OperationView x) => x is { Task: "monitor", Interval: 0 } ? "probe" : x.Task;

    /// <summary>The id of a history's resource; instances that do not differ go by the name of their
    /// resource.</summary>
    internal static string ConfiguredId(IStatusView view, string name)
    {
        int colon = name.LastIndexOf(':');
        return colon > 0 && view.Resources.SelectMany(r => r.Primitives()).Any(p => p.Id == name[..colon])
            ? name[..colon] : name;
    }

    /// <summary>Probes that found what was expected are not told.</summary>
    internal static bool IsShown(OperationView x) =>
        x.Task is not ("notify" or "meta-data") && x.OpStatus != -1
        && !(x is { Task: "monitor", Interval: 0, Rc: 7, TargetRc: 7 });

    private static void FailCounts(TextWriter o, CibDocument cib, IStatusView view)
    {
        if (!view.Nodes.Any(n => n.Online))
        {
            return;
        }

        o.Write("\nMigration Summary:\n");
        foreach (NodeView n in view.Nodes.Where(n => n.Online))
        {
            var failed = view.Resources.SelectMany(r => r.Primitives()).DistinctBy(p => p.Id).Select(p =>
                (p.Id, Text: Fails(cib, n.Name,
                p.Id)))
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
        XElement? state = cib.Root.Element("status")?.Elements("node_state").FirstOrDefault(s =>
            (string?)s.Attribute("uname") == node);
        // Before 3.0.13 counts stood for whole resources; newer ones name the operation after a #.
        bool perOperation = !System.Version.TryParse((string?)cib.Root.Attribute("crm_feature_set"), out var set)
            || set >= new System.Version(3, 0, 13);
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

        bool Matches(string name, string prefix) =>
            name.StartsWith(prefix, StringComparison.Ordinal) && (name.Length == prefix.Length
                || name[prefix.Length] == ':' || (perOperation && name[prefix.Length] == '#'));
    }

    private static string Fails(CibDocument cib, string node, string resource)
    {
        (string count, DateTimeOffset? last) = FailCount(cib, node, resource);
        return count == "0" ? "" : $" fail-count={count}" + (last is { } t ? $" last-failure='{CibDocument.CTime(t)}'"
            : "");
    }

    /// <summary>The resource's migration-threshold, as Pacemaker shows it (1000000 = never).</summary>
    public static string Threshold(CibDocument cib, string resource)
    {
        XElement? e = cib.Section("resources")?.Descendants().FirstOrDefault(x =>
            (string?)x.Attribute("id") == resource);
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
