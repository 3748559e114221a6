using System.Globalization;
using System.Xml.Linq;
using Buoy.Cib;

namespace Buoy.Shell.Status;

/// <summary>The state as <c>crm_mon --output-as=xml</c> prints it.</summary>
public static class StatusXml
{
    /// <param name="request">The command line for <c>pacemaker-result</c>; null gives the older <c>crm_mon</c> root
    /// (--as-xml).</param>
    public static string Format(CibDocument cib, IStatusView view, DateTimeOffset now, bool live, string? request)
    {
        XElement root = request is null
            ? E("crm_mon", ("version", "2.1.5"))
            : E("pacemaker-result", ("api-version", "2.25"), ("request", request));
        if (live)
        {
            root.Add(E("pacemakerd", ("sys_from", "pacemakerd"), ("state", "running"),
                ("last_updated", now.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + "Z")));
        }

        root.Add(Summary(cib, view, now));
        root.Add(new XElement("nodes", view.Nodes.Select(n => Node(n, view))));
        if (view.Resources.Count > 0)
        {
            root.Add(new XElement("resources", view.Resources.Select(Resource)));
        }

        if (History(cib, view) is { HasElements: true } history)
        {
            root.Add(history);
        }

        if (view.Failures.Count > 0)
        {
            root.Add(new XElement("failures", view.Failures.Select(Failure)));
        }

        if (request is not null)
        {
            root.Add(E("status", ("code", "0"), ("message", "OK")));
        }

        return CibText.Format(root);
    }

    private static XElement Summary(CibDocument cib, IStatusView view, DateTimeOffset now)
    {
        NodeView? dc = view.Nodes.FirstOrDefault(n => n.IsDc);
        bool quorum = (string?)cib.Root.Attribute("have-quorum") is "1" or "true";
        var change = E("last_change", ("time", (string?)cib.Root.Attribute("cib-last-written")), ("user",
            (string?)cib.Root.Attribute("update-user")),
            ("client", (string?)cib.Root.Attribute("update-client")), ("origin",
                (string?)cib.Root.Attribute("update-origin")));
        return new XElement("summary",
            E("stack", ("type", cib.Property("cluster-infrastructure") ?? "unknown")),
            dc is null ? E("current_dc", ("present", "false")) : E("current_dc", ("present", "true"), ("version",
                cib.Property("dc-version")),
                ("name", dc.Name), ("id", dc.Id), ("with_quorum", B(quorum)), ("mixed_version", "false")),
            E("last_update", ("time", CibDocument.CTime(now))), change,
            E("nodes_configured", ("number", view.Nodes.Count.ToString(CultureInfo.InvariantCulture))),
            E("resources_configured", ("number", view.Status.InstanceCount.ToString(CultureInfo.InvariantCulture)),
                ("disabled", view.Status.DisabledCount.ToString(CultureInfo.InvariantCulture)),
                ("blocked", view.Status.BlockedCount.ToString(CultureInfo.InvariantCulture))),
            E("cluster_options", ("stonith-enabled", Flag(cib, "stonith-enabled", true)), ("symmetric-cluster",
                Flag(cib, "symmetric-cluster", true)),
                ("no-quorum-policy", cib.Property("no-quorum-policy") ?? "stop"), ("maintenance-mode", Flag(cib,
                    "maintenance-mode", false)),
                ("stop-all-resources", Flag(cib, "stop-all-resources", false)),
                ("stonith-timeout-ms", (Language.CrmTime.Milliseconds(cib.Property("stonith-timeout"))
                    ?? 60000).ToString(CultureInfo.InvariantCulture)),
                ("priority-fencing-delay-ms",
                    (Language.CrmTime.Milliseconds(cib.Property("priority-fencing-delay"))
                        ?? 0).ToString(CultureInfo.InvariantCulture))));
    }

    private static XElement Node(NodeView n, IStatusView view) => E("node", ("name", n.Name), ("id", n.Id), ("online",
        B(n.Online)),
        ("standby", B(n.Standby)), ("standby_onfail", "false"), ("maintenance", B(n.Maintenance)), ("pending",
            B(n.Pending)),
        ("unclean", B(n.Unclean)), ("health", "green"), ("feature_set", n.FeatureSet), ("shutdown", B(n.Shutdown)),
        ("expected_up", B(n.ExpectedUp)), ("is_dc", B(n.IsDc)),
        ("resources_running", view.Resources.SelectMany(r => r.Primitives()).Count(p => p.On.Any(o =>
            o.Node == n)).ToString(CultureInfo.InvariantCulture)),
        ("type", "member"));

    private static XElement Resource(ResourceView r)
    {
        if (r.Kind != "primitive")
        {
            XElement e = r.Kind == "group"
                ? E("group", ("id", r.Id), ("number_resources", N(r.Children.Count)), ("maintenance",
                    Yes(r.Maintenance)),
                    ("managed", B(r.Managed)), ("disabled", B(r.Disabled)))
                : E(r.Kind, ("id", r.Id), ("multi_state", B(r.Promotable)), ("unique", B(r.Unique)),
                    ("maintenance", Yes(r.Maintenance)), ("managed", B(r.Managed)), ("disabled", B(r.Disabled)),
                    ("failed", B(r.Failed)), ("failure_ignored", B(r.FailureIgnored)), ("target_role", r.TargetRole));
            e.Add(r.Children.Select(Resource));
            return e;
        }

        XElement p = E("resource", ("id", r.Id), ("resource_agent", r.Agent), ("role", r.Role),
            ("target_role", r.TargetRole), ("active", B(r.On.Count > 0)), ("orphaned", B(r.Removed)),
            ("blocked", B(r.Blocked)), ("maintenance", Yes(r.Maintenance)), ("managed", B(r.Managed)),
            ("failed", B(r.Failed)), ("failure_ignored", B(r.FailureIgnored)), ("nodes_running_on", N(r.On.Count)),
            ("pending", r.PendingTask is { } task ? StatusPrinter.PendingWord(task) : null));
        p.Add(r.On.Select(o => E("node", ("name", o.Node.Name), ("id", o.Node.Id), ("cached", B(o.Node.Online)))));
        return p;
    }

    private static XElement History(CibDocument cib, IStatusView view)
    {
        var history = new XElement("node_history");
        foreach (IGrouping<string, OperationView> node in view.Operations.Where(StatusPrinter.IsShown).GroupBy(o =>
            o.Node))
        {
            var e = E("node", ("name", node.Key));
            history.Add(e);
            foreach (IGrouping<string, OperationView> rsc in node.GroupBy(o => o.Resource))
            {
                (string count, DateTimeOffset? last) = StatusPrinter.FailCount(cib, node.Key, rsc.Key);
                var r = E("resource_history", ("id", rsc.Key), ("orphan", "false"), ("migration-threshold",
                    StatusPrinter.Threshold(cib, rsc.Key)),
                    ("fail-count", count == "0" ? null : count), ("last-failure", last is { } t ? CibDocument.CTime(t)
                        : null));
                e.Add(r);
                r.Add(rsc.Select(o => E("operation_history", ("call", o.CallId.ToString(CultureInfo.InvariantCulture)),
                    ("task", o.Task),
                    ("rc", o.Rc.ToString(CultureInfo.InvariantCulture)), ("rc_text", StatusPrinter.ReturnCode(o.Rc)),
                    ("interval", o.Interval > 0 ? $"{o.Interval}ms" : null), ("last-rc-change",
                        CibDocument.CTime(o.LastChange)),
                    ("exec-time", $"{o.ExecTime}ms"), ("queue-time", $"{o.QueueTime}ms"))));
            }
        }

        return history;
    }

    private static XElement Failure(OperationView f) => E("failure", ("op_key", f.Key), ("node", f.Node),
        ("exitstatus", StatusPrinter.ReturnCode(f.Rc)), ("exitreason", f.ExitReason), ("exitcode",
            f.Rc.ToString(CultureInfo.InvariantCulture)),
        ("call", f.CallId.ToString(CultureInfo.InvariantCulture)), ("status", StatusPrinter.OpStatus(f.OpStatus)),
        ("last-rc-change", Iso(f.LastChange)),
        ("queued", f.QueueTime.ToString(CultureInfo.InvariantCulture)), ("exec",
            f.ExecTime.ToString(CultureInfo.InvariantCulture)),
        ("interval", f.Interval.ToString(CultureInfo.InvariantCulture)), ("task", f.Task));

    private static string Iso(DateTimeOffset at)
    {
        DateTimeOffset l = at.ToLocalTime();
        return l.ToString(l.Offset == TimeSpan.Zero ? "yyyy-MM-dd HH:mm:ss'Z'" : "yyyy-MM-dd HH:mm:ss zzz",
            CultureInfo.InvariantCulture);
    }

    private static string Flag(CibDocument cib, string name, bool standard) =>
        B(cib.Property(name) is { } v ? CrmBoolean.IsTrue(v) || (standard && !CrmBoolean.IsFalse(v)) : standard);

    private static string N(int n) => n.ToString(CultureInfo.InvariantCulture);

    /// <summary>An attribute that is written only where it is true.</summary>
    private static string? Yes(bool b) => b ? "true" : null;

    private static string B(bool b) => b ? "true" : "false";

    private static XElement E(string name, params (string Name, string? Value)[] attributes)
    {
        var e = new XElement(name);
        foreach ((string n, string? v) in attributes)
        {
            e.SetAttributeValue(n, v);
        }

        return e;
    }
}
