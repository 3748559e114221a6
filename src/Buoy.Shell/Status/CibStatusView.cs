using System.Globalization;
using System.Xml.Linq;
using Buoy.Cib;

namespace Buoy.Shell.Status;

/// <summary>Reads the state of nodes and resources from the CIB's status section: the last operation of each resource
/// decides.</summary>
public sealed class CibStatusView : IStatusView
{
    private readonly Dictionary<string, List<(NodeView Node, List<OperationView> Ops)>> _history = [];
    private readonly XElement _root;

    public CibStatusView(CibDocument cib)
    {
        _root = cib.Root;
        bool fencing = !IsFalse(cib.Property("stonith-enabled") ?? "true");
        bool maintenance = IsTrue(cib.Property("maintenance-mode"));
        string? dc = (string?)_root.Attribute("dc-uuid");
        var states = (_root.Element("status")?.Elements("node_state") ?? []).ToDictionary(s =>
            (string?)s.Attribute("id") ?? "");
        var nodes = new List<NodeView>();
        foreach (XElement n in cib.Section("nodes")?.Elements("node") ?? [])
        {
            string id = (string?)n.Attribute("id") ?? "";
            nodes.Add(Node(n, id, states.GetValueOrDefault(id), fencing, dc == id));
        }

        Nodes = [.. nodes.OrderBy(n => n.Name, StringComparer.Ordinal)];
        var operations = new List<OperationView>();
        foreach (NodeView node in Nodes)
        {
            if (states.TryGetValue(node.Id, out XElement? state))
            {
                ReadHistory(node, state, operations);
            }
        }

        Operations = operations;
        Failures = [.. operations.Where(IsFailure)];
        Resources =
        [
            .. (cib.Section("resources")?.Elements() ?? []).Where(e => e.Name != "template")
                .Select(e => Resource(e, cib, maintenance, false, false))
        ];
    }

    /// <inheritdoc/>
    public IReadOnlyList<NodeView> Nodes { get; }

    /// <inheritdoc/>
    public IReadOnlyList<ResourceView> Resources { get; }

    /// <inheritdoc/>
    public IReadOnlyList<OperationView> Failures { get; }

    /// <inheritdoc/>
    public IReadOnlyList<OperationView> Operations { get; }

    /// <summary>Whether a text means yes, as Pacemaker reads booleans.</summary>
    public static bool IsTrue(string? text) => text?.ToLowerInvariant() is "true" or "on" or "yes" or "y" or "1";

    /// <summary>Whether a text means no.</summary>
    public static bool IsFalse(string? text) => text?.ToLowerInvariant() is "false" or "off" or "no" or "n" or "0";

    private static NodeView Node(XElement n, string id, XElement? state, bool fencing, bool dc)
    {
        bool member = IsTrue((string?)state?.Attribute("in_ccm")) || long.TryParse((string?)state?.Attribute("in_ccm"),
            out long s) && s > 0;
        bool peer = (string?)state?.Attribute("crmd") is "online" || long.TryParse((string?)state?.Attribute("crmd"),
            out long p) && p > 0;
        bool joined = (string?)state?.Attribute("join") == "member";
        bool expected = (string?)state?.Attribute("expected") == "member";
        bool online = member && peer && joined;
        bool pending = member && peer && !joined;
        var transient = (state?.Element("transient_attributes")?.Descendants("nvpair") ?? [])
            .Select(a => ((string?)a.Attribute("name") ?? "", (string?)a.Attribute("value") ?? "")).ToList();
        var permanent = n.Elements("instance_attributes").Elements("nvpair")
            .Select(a => ((string?)a.Attribute("name") ?? "", (string?)a.Attribute("value") ?? "")).ToList();
        string? Value(string name) => transient.Concat(permanent).Where(a => a.Item1 == name).Select(a => a.Item2)
            .FirstOrDefault();
        bool shutdown = Value("shutdown") is { } at && at != "0";
        return new NodeView(id, (string?)n.Attribute("uname") ?? id, online, IsTrue(Value("standby")),
            IsTrue(Value("maintenance")),
            fencing && !online && !pending && (state is null || (expected && !shutdown)), pending, dc, shutdown,
                expected,
            transient.Where(a => a.Item1 == "#feature-set").Select(a => a.Item2).FirstOrDefault(),
            [.. permanent.Concat(transient).Where(a => !a.Item1.StartsWith('#'))]);
    }

    private void ReadHistory(NodeView node, XElement state, List<OperationView> all)
    {
        foreach (XElement rsc in state.Elements("lrm").Elements("lrm_resources").Elements("lrm_resource"))
        {
            string id = (string?)rsc.Attribute("id") ?? "";
            List<OperationView> ops = [.. rsc.Elements("lrm_rsc_op").Select(o => Operation(node.Name, id, o))
                .OrderBy(o => o.CallId < 0 ? int.MaxValue : o.CallId)];
            all.AddRange(ops);
            if (!_history.TryGetValue(id, out var list))
            {
                _history[id] = list = [];
            }

            list.Add((node, ops));
        }
    }

    private static OperationView Operation(string node, string rsc, XElement o)
    {
        string[] key = ((string?)o.Attribute("transition-key") ?? "").Split(':');
        return new OperationView(node, rsc, (string?)o.Attribute("operation") ?? "", Number("interval"),
            (int)Number("call-id"),
            (int)Number("rc-code"), key.Length > 2 && int.TryParse(key[2], out int target) ? target : 0,
                (int)Number("op-status"),
            (string?)o.Attribute("exit-reason") ?? "", DateTimeOffset.FromUnixTimeSeconds(Number("last-rc-change")),
            Number("exec-time"), Number("queue-time"), (string?)o.Attribute("operation_key")
                ?? (string?)o.Attribute("id") ?? "");

        long Number(string name) => long.TryParse((string?)o.Attribute(name), NumberStyles.AllowLeadingSign,
            CultureInfo.InvariantCulture, out long n) ? n : 0;
    }

    /// <summary>A probe may find either state; any other result that was not expected is a failure. Pending (-1, 193)
    /// is none.</summary>
    private static bool IsFailure(OperationView o) => o.OpStatus != -1 && o.Rc != 193 && o.Rc != o.TargetRc
        && !(o.Task == "monitor" && o.Interval == 0 && o.Rc is 0 or 7 or 8);

    private ResourceView Resource(XElement e, CibDocument cib, bool maintenanceMode, bool disabled, bool promotable)
    {
        string id = (string?)e.Attribute("id") ?? "";
        string? Meta(string name) => (string?)e.Elements("meta_attributes").Elements("nvpair")
                .FirstOrDefault(p => (string?)p.Attribute("name") == name)?.Attribute("value")
            ?? (string?)cib.Section("rsc_defaults")?.Elements("meta_attributes").Elements("nvpair")
                .FirstOrDefault(p => (string?)p.Attribute("name") == name)?.Attribute("value");
        disabled |= Meta("target-role")?.ToLowerInvariant() == "stopped";
        bool maintenance = maintenanceMode || IsTrue(Meta("maintenance"));
        bool managed = !maintenance && !IsFalse(Meta("is-managed"));
        string kind = e.Name.LocalName switch { "master" => "clone", var n => n };
        if (kind != "primitive")
        {
            promotable |= e.Name == "master" || IsTrue(Meta("promotable"));
            var children = e.Elements().Where(c => c.Name.LocalName is "primitive" or "group")
                .Select(c => Resource(c, cib, maintenanceMode || !managed, disabled, promotable)).ToList();
            return new ResourceView(id, kind, "", [], disabled, managed, maintenance, false, false, promotable,
                IsTrue(Meta("globally-unique")), children);
        }

        XElement agent = e.Attribute("template") is { } t
            ? cib.Section("resources")!.Elements("template").FirstOrDefault(x =>
                (string?)x.Attribute("id") == t.Value) ?? e
            : e;
        string name = $"{(string?)agent.Attribute("class")}:"
            + (agent.Attribute("provider") is { } provider ? provider.Value + ":" : "")
                + (string?)agent.Attribute("type");
        var on = new List<(NodeView, string)>();
        bool failed = false;
        foreach ((NodeView node, List<OperationView> ops) in _history.Where(h => h.Key == id || IsInstance(h.Key, id))
            .SelectMany(h => h.Value))
        {
            (string? role, bool bad) = RoleAfter(ops, promotable);
            if (role is not null && node.Online)
            {
                on.Add((node, role));
                failed |= bad;
            }
        }

        return new ResourceView(id, kind, name, on, disabled, managed, maintenance, failed, false, promotable, false,
            []);
    }

    private static bool IsInstance(string key, string id) =>
        key.Length > id.Length + 1 && key.StartsWith(id, StringComparison.Ordinal) && key[id.Length] == ':'
            && char.IsDigit(key[^1]);

    private static (string? Role, bool Failed) RoleAfter(List<OperationView> ops, bool promotable)
    {
        string? role = null;
        bool failed = false;
        string started = promotable ? "Unpromoted" : "Started";
        foreach (OperationView o in ops)
        {
            if (o.OpStatus == -1)
            {
                continue;
            }

            bool bad = IsFailure(o);
            switch (o.Task)
            {
                case "stop" or "migrate_to" when o.Rc == 0:
                    (role, failed) = (null, false);
                    break;
                case "start" or "migrate_from" or "demote" when o.Rc == 0:
                    (role, failed) = (started, false);
                    break;
                case "promote" when o.Rc == 0:
                    (role, failed) = ("Promoted", false);
                    break;
                case "monitor" when o.Rc == 7:
                    (role, failed) = (bad ? role : null, bad);
                    break;
                case "monitor" when o.Rc is 8 or 9:
                    (role, failed) = ("Promoted", o.Rc == 9);
                    break;
                case "monitor" when o.Rc is 0 or 190:
                    (role, failed) = (role == "Promoted" && promotable && o.Interval > 0 && o.TargetRc == 8 ? role
                        : started, false);
                    break;
                default:
                    if (bad && o.Rc != 5)
                    {
                        (role, failed) = (role ?? started, true);
                    }

                    break;
            }
        }

        return (role, failed);
    }
}
