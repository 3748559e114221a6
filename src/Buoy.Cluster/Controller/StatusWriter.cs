using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Buoy.Agents;
using Buoy.Cib;

namespace Buoy.Cluster.Controller;

/// <summary>
/// Writes the status section as Pacemaker does (Pacemaker Explained, "Status"): node states, operation history,
/// transient
/// attributes. Every method returns whether anything changed. Version numbers are the caller's.
/// </summary>
internal static class StatusWriter
{
    public const string FeatureSetAttribute = "#feature-set";
    public const string Infinity = "INFINITY";

    public static XElement? FindNode(XElement status, string id) =>
        status.Elements("node_state").FirstOrDefault(n => (string?)n.Attribute("id") == id);

    public static XElement? FindNodeByName(XElement status, string uname) =>
        status.Elements("node_state").FirstOrDefault(n => (string?)n.Attribute("uname") == uname);

    /// <summary>A member of the view.</summary>
    public static bool Member(XElement status, string id, string uname)
    {
        var n = FindNode(status, id);
        if (n is null)
        {
            n = new XElement("node_state", new XAttribute("id", id), new XAttribute("uname", uname),
                new XAttribute("in_ccm", "true"), new XAttribute("crmd", "online"),
                new XAttribute("crm-debug-origin", "do_state_transition"),
                new XAttribute("join", "member"), new XAttribute("expected", "member"));
            status.Add(n);
            return true;
        }

        return Set(n, ("uname", uname), ("in_ccm", "true"), ("crmd", "online"), ("join", "member"),
            ("expected", "member"));
    }

    /// <summary>No member: its transient attributes end; its history stays until it comes back. <c>expected</c> stays
    /// too.</summary>
    public static bool Gone(XElement node)
    {
        bool changed = Set(node, ("in_ccm", "false"), ("crmd", "offline"), ("join", "down"));
        var attributes = node.Element("transient_attributes");
        attributes?.Remove();
        if (node.Attribute("expected") is null)
        {
            node.SetAttributeValue("expected", "down");
            changed = true;
        }

        return changed || attributes is not null;
    }

    /// <summary>The node was told to leave: its absence will be no failure.</summary>
    public static bool ExpectDown(XElement status, string uname) =>
        FindNodeByName(status, uname) is { } n && Set(n, ("expected", "down"));

    /// <summary>Puts what a node says of itself (history, transient attributes) in the place of what is known of
    /// it.</summary>
    public static bool Adopt(XElement node, XElement? own)
    {
        bool changed = false;
        foreach (string part in (string[])["lrm", "transient_attributes"])
        {
            var old = node.Element(part);
            var now = own?.Element(part);
            if (now is null && part == "lrm")
            {
                now = new XElement("lrm", new XAttribute("id", (string)node.Attribute("id")!),
                    new XElement("lrm_resources"));
            }

            if (old is not null && now is not null && XNode.DeepEquals(old, now))
            {
                continue;
            }

            changed |= old is not null || now is not null;
            if (old is not null && now is not null)
            {
                old.ReplaceWith(new XElement(now));
            }
            else if (now is not null)
            {
                node.Add(new XElement(now));
            }
            else
            {
                old?.Remove();
            }
        }

        return changed;
    }

    /// <summary>Sets a transient attribute, or removes it (null).</summary>
    public static bool Attribute(XElement node, string name, string? value)
    {
        string id = (string)node.Attribute("id")!;
        var pairs = node.Element("transient_attributes")?.Element("instance_attributes");
        var pair = pairs?.Elements("nvpair").FirstOrDefault(p => (string?)p.Attribute("name") == name);
        if (value is null)
        {
            pair?.Remove();
            return pair is not null;
        }

        if (pair is not null)
        {
            return Set(pair, ("value", value));
        }

        if (pairs is null)
        {
            pairs = new XElement("instance_attributes", new XAttribute("id", $"status-{id}"));
            var attributes = node.Element("transient_attributes");
            if (attributes is null)
            {
                node.Add(attributes = new XElement("transient_attributes", new XAttribute("id", id)));
            }

            attributes.Add(pairs);
        }

        pairs.Add(new XElement("nvpair", new XAttribute("id", XmlId($"status-{id}-{name}")),
            new XAttribute("name", name), new XAttribute("value", value)));
        return true;
    }

    public static string? Attribute(XElement node, string name) =>
        (string?)node.Element("transient_attributes")?.Element("instance_attributes")?.Elements("nvpair")
            .FirstOrDefault(p => (string?)p.Attribute("name") == name)?.Attribute("value");

    /// <summary>Whether a result counts as failed: it did not run to its end, or not to the expected result.</summary>
    public static bool Failed(ResultMessage r) =>
        r.Status is not OperationStatus.Pending and not OperationStatus.Cancelled
        && (r.Status != OperationStatus.Done || r.Rc != r.TargetRc);

    /// <summary>
    /// Records a result. A failed recurring operation only writes RSC_last_failure_0 and leaves its last good entry; a
    /// failed
    /// single one writes both; notifications and meta-data leave no trace.
    /// </summary>
    public static void Record(XElement node, ResultMessage r, string origin)
    {
        if (r.Task is "notify" or "meta-data" or "validate-all" || r.Status == OperationStatus.Cancelled)
        {
            return;
        }

        var resource = Resource(node, r);
        bool failed = Failed(r);
        if (!failed || r.IntervalMs == 0)
        {
            Entry(resource, OperationId(r), r);
        }

        if (failed)
        {
            Entry(resource, $"{r.Resource.Id}_last_failure_0", r);
        }

        node.SetAttributeValue("crm-debug-origin", origin);
    }

    /// <summary>
    /// The fail count of a result, as Pacemaker's controller keeps it: recurring operations, promote and demote +1,
    /// stop INFINITY,
    /// start INFINITY unless start-failure-is-fatal is false; probes never.
    /// </summary>
    public static bool CountFailure(XElement node, ResultMessage r, bool startFailureIsFatal)
    {
        string? step = r.Task switch
        {
            "stop" => Infinity,
            "start" => startFailureIsFatal ? Infinity : "1",
            _ when r.IntervalMs > 0 || r.Task is "promote" or "demote" => "1",
            _ => null,
        };
        if (step is null)
        {
            return false;
        }

        string op = $"{r.Resource.Id}#{r.Task}_{r.IntervalMs.ToString(CultureInfo.InvariantCulture)}";
        string? before = Attribute(node, $"fail-count-{op}");
        string count = step == Infinity || before == Infinity
            ? Infinity
            : ((long.TryParse(before, out long n) ? n : 0) + 1).ToString(CultureInfo.InvariantCulture);
        Attribute(node, $"last-failure-{op}", r.At.ToString(CultureInfo.InvariantCulture));
        Attribute(node, $"fail-count-{op}", count);
        return true;
    }

    /// <summary>Forgets the fail counts and last failures of a resource; with an operation only those of it.</summary>
    public static bool ClearFailCounts(XElement node, string resource, string? operation = null)
    {
        var pairs = node.Element("transient_attributes")?.Element("instance_attributes");
        if (pairs is null)
        {
            return false;
        }

        var gone = pairs.Elements("nvpair").Where(p => Counts((string?)p.Attribute("name"), resource, operation))
            .ToList();
        gone.ForEach(p => p.Remove());
        return gone.Count > 0;
    }

    /// <summary>Forgets the last failure of a resource in its history.</summary>
    public static bool ClearLastFailure(XElement node, string resource)
    {
        var entry = FindResource(node, resource)?.Elements("lrm_rsc_op")
            .FirstOrDefault(o => (string?)o.Attribute("id") == $"{resource}_last_failure_0");
        entry?.Remove();
        return entry is not null;
    }

    /// <summary>Forgets the history entry of a recurring operation.</summary>
    public static bool RemoveOperation(XElement node, string resource, string key)
    {
        var entry = FindResource(node, resource)?.Elements("lrm_rsc_op").FirstOrDefault(o =>
            (string?)o.Attribute("id") == key);
        entry?.Remove();
        return entry is not null;
    }

    public static XElement? FindResource(XElement node, string resource) =>
        node.Element("lrm")?.Element("lrm_resources")?.Elements("lrm_resource")
            .FirstOrDefault(x => (string?)x.Attribute("id") == resource);

    /// <summary>Whether the history of a resource holds a result of the operation with this transition key.</summary>
    /// <summary>After its last single operation, as far as the history tells, the resource runs there.</summary>
    public static bool RanLast(XElement node, string resource) =>
        FindResource(node, resource)?.Elements("lrm_rsc_op")
            .FirstOrDefault(o => (string?)o.Attribute("id") == $"{resource}_last_0") is { } last
        && (string?)last.Attribute("operation") is "start" or "monitor" or "promote" or "migrate_from"
        && (string?)last.Attribute("rc-code") is "0" or "8";

    public static bool KnowsTransition(XElement node, string resource, string transitionKey) =>
        FindResource(node, resource)?.Elements("lrm_rsc_op")
            .Any(o => (string?)o.Attribute("transition-key") == transitionKey) == true;

    /// <summary>An id as XML allows it: what a name may not hold becomes a dot.</summary>
    public static string XmlId(string text)
    {
        var b = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            b.Append(XmlConvert.IsNCNameChar(c) ? c : '.');
        }

        return b.ToString();
    }

    /// <summary>A text without the characters that XML cannot hold, of bounded length: agents write what they
    /// like.</summary>
    public static string XmlText(string text)
    {
        const int Longest = 1024;
        var b = new StringBuilder(Math.Min(text.Length, Longest));
        foreach (char c in text)
        {
            if (b.Length == Longest)
            {
                break;
            }

            b.Append(XmlConvert.IsXmlChar(c) ? c : '?');
        }

        return b.ToString();
    }

    private static bool Counts(string? name, string resource, string? operation)
    {
        foreach (string prefix in (string[])["fail-count-", "last-failure-"])
        {
            if (name is null || !name.StartsWith(prefix, StringComparison.Ordinal))
            {
                continue;
            }

            string rest = name[prefix.Length..];
            return operation is null
                ? rest == resource || rest.StartsWith(resource + "#", StringComparison.Ordinal)
                : rest == $"{resource}#{operation}";
        }

        return false;
    }

    private static string OperationId(ResultMessage r) =>
        r.IntervalMs > 0 || r.Task is "migrate_to" or "migrate_from" ? r.Key : $"{r.Resource.Id}_last_0";

    private static XElement Resource(XElement node, ResultMessage r)
    {
        var lrm = node.Element("lrm");
        if (lrm is null)
        {
            node.Add(lrm = new XElement("lrm", new XAttribute("id", (string)node.Attribute("id")!)));
        }

        var list = lrm.Element("lrm_resources");
        if (list is null)
        {
            lrm.Add(list = new XElement("lrm_resources"));
        }

        var resource = FindResource(node, r.Resource.Id);
        if (resource is null)
        {
            list.Add(resource = new XElement("lrm_resource", new XAttribute("id", r.Resource.Id)));
        }

        resource.SetAttributeValue("type", r.Resource.Type);
        resource.SetAttributeValue("class", r.Resource.Class);
        resource.SetAttributeValue("provider", r.Resource.Provider);
        return resource;
    }

    /// <summary>
    /// Results of one recurring operation share its call id, so their times say which is the newer: within one second
    /// the
    /// later result is dated a second on, or a failure right after the first success would count for nothing.
    /// </summary>
    private static long Changed(XElement resource, string id, ResultMessage r)
    {
        var others = resource.Elements("lrm_rsc_op")
            .Where(o => r.IntervalMs > 0 && (string?)o.Attribute("id") != id
                && (long?)o.Attribute("call-id") == r.CallId)
            .Select(o => (long?)o.Attribute("last-rc-change") + 1 ?? 0);
        return others.Append(r.Started).Max();
    }

    private static void Entry(XElement resource, string id, ResultMessage r)
    {
        int status = (int)r.Status;
        long changed = Changed(resource, id, r);
        var e = new XElement("lrm_rsc_op",
            new XAttribute("id", id),
            new XAttribute("operation_key", r.Key),
            new XAttribute("operation", r.Task),
            new XAttribute("crm-debug-origin", "do_update_resource"),
            new XAttribute("crm_feature_set", CibDocument.FeatureSet),
            new XAttribute("transition-key", r.TransitionKey),
            new XAttribute("transition-magic", $"{status}:{r.Rc};{r.TransitionKey}"),
            new XAttribute("exit-reason", r.ExitReason),
            new XAttribute("on_node", r.Node),
            new XAttribute("call-id", r.CallId),
            new XAttribute("rc-code", r.Rc),
            new XAttribute("op-status", status),
            new XAttribute("interval", r.IntervalMs),
            new XAttribute("last-rc-change", changed),
            new XAttribute("exec-time", r.ExecMs),
            new XAttribute("queue-time", r.QueueMs));
        if (r.MigrateSource is not null)
        {
            e.SetAttributeValue("migrate_source", r.MigrateSource);
        }

        if (r.MigrateTarget is not null)
        {
            e.SetAttributeValue("migrate_target", r.MigrateTarget);
        }

        e.SetAttributeValue("op-digest", r.Digest);
        var old = resource.Elements("lrm_rsc_op").FirstOrDefault(o => (string?)o.Attribute("id") == id);
        if (old is null)
        {
            resource.Add(e);
        }
        else
        {
            old.ReplaceWith(e);
        }
    }

    private static bool Set(XElement e, params ReadOnlySpan<(string Name, string Value)> values)
    {
        bool changed = false;
        foreach (var (name, value) in values)
        {
            if ((string?)e.Attribute(name) != value)
            {
                e.SetAttributeValue(name, value);
                changed = true;
            }
        }

        return changed;
    }
}
