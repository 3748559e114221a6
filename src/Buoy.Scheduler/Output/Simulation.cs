using System.Globalization;
using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Executes a transition on a copy of the CIB: everything succeeds, at once (SCHEDULER 6.4, 7).</summary>
public static class Simulation
{
    /// <summary>The CIB as it is after the transition, and the lines of "Executing Cluster Transition".</summary>
    public static (XElement Cib, IReadOnlyList<string> Lines) Execute(XElement cib, Transition transition, DateTimeOffset now)
    {
        var copy = new XElement(cib);
        var lines = new List<string>();
        var confirmed = new HashSet<int>();
        var open = new List<Synapse>(transition.Synapses);
        bool fired = true;
        while (fired && open.Count > 0)
        {
            fired = false;
            var left = new List<Synapse>();
            foreach (Synapse synapse in open)
            {
                if (!synapse.Inputs.All(confirmed.Contains))
                {
                    left.Add(synapse);
                    continue;
                }

                fired = true;
                lines.Add("* " + Line(synapse.Action));
                Apply(copy, synapse.Action, now);
                confirmed.Add(synapse.Action.Id);
            }

            open = left;
        }

        if (open.Count > 0)
        {
            lines.Add("Transition failed: terminated");
            lines.Add("An invalid transition was produced");
        }

        return (copy, lines);
    }

    private static string Line(GraphAction a)
    {
        string interval = a.IntervalMs > 0 && a.Task != "cancel"
            ? string.Create(CultureInfo.InvariantCulture, $"={a.IntervalMs}") : "";
        if (a.Task == "cancel")
        {
            interval = string.Create(CultureInfo.InvariantCulture, $"={a.IntervalMs}");
        }

        return a.Kind switch
        {
            ActionKind.Pseudo => $"Pseudo action:   {a.Key}{(a.Node is null ? "" : $" on {a.Node}")}",
            ActionKind.Cluster when a.Task == "stonith" =>
                $"Fencing {a.Node} ({a.Attributes.GetValueOrDefault("CRM_meta_stonith_action")})",
            ActionKind.Cluster => $"Cluster action:  {a.Task}{(a.DisplayName is null ? "" : $" for {a.DisplayName}")} on {a.Node}",
            _ => $"Resource action: {a.DisplayName,-15} {a.Task}{interval} on {a.Node}",
        };
    }

    private static void Apply(XElement cib, GraphAction action, DateTimeOffset now)
    {
        if (action.Kind == ActionKind.Cluster && action.Task == "stonith")
        {
            if (action.Attributes.GetValueOrDefault("CRM_meta_stonith_action") != "on")
            {
                XElement state = NodeState(cib, action);
                state.SetAttributeValue("in_ccm", "false");
                state.SetAttributeValue("crmd", "offline");
                state.SetAttributeValue("join", "down");
                state.SetAttributeValue("expected", "down");
                state.Elements("lrm").Remove();
                state.Elements("transient_attributes").Remove();
            }

            return;
        }

        if (action.Kind == ActionKind.Resource && action.Task is not ("cancel" or "delete") && action.Resource is not null)
        {
            Record(cib, action, now);
        }
    }

    private static XElement NodeState(XElement cib, GraphAction action)
    {
        XElement status = cib.Element("status") ?? new XElement("status");
        if (status.Parent is null)
        {
            cib.Add(status);
        }

        XElement? state = status.Elements("node_state").FirstOrDefault(s => (string?)s.Attribute("uname") == action.Node)
            ?? status.Elements("node_state").FirstOrDefault(s => (string?)s.Attribute("id") == action.NodeId);
        if (state is null)
        {
            state = new XElement(
                "node_state", new XAttribute("id", action.NodeId ?? action.Node!), new XAttribute("uname", action.Node!));
            status.Add(state);
        }

        return state;
    }

    private static void Record(XElement cib, GraphAction action, DateTimeOffset now)
    {
        XElement state = NodeState(cib, action);
        XElement lrm = Child(state, "lrm");
        XElement resources = Child(lrm, "lrm_resources");
        GraphResource resource = action.Resource!;
        string longId = resource.LongId ?? resource.Id;
        XElement? history = Only(resources, longId) ?? Only(resources, resource.Id);
        if (history is null)
        {
            history = new XElement(
                "lrm_resource", new XAttribute("id", resource.Id), new XAttribute("class", resource.Class),
                new XAttribute("type", resource.Type));
            if (resource.Provider is not null)
            {
                history.SetAttributeValue("provider", resource.Provider);
            }

            resources.Add(history);
        }

        string name = (string)history.Attribute("id")!;
        string task = action.Task is "reload" or "reload-agent" ? "start" : action.Task;
        string key = string.Create(CultureInfo.InvariantCulture, $"{name}_{task}_{action.IntervalMs}");
        string id = action.IntervalMs > 0 || task is "migrate_to" or "migrate_from" or "notify" ? key : $"{name}_last_0";
        int call = history.Parent!.Elements("lrm_resource").Elements("lrm_rsc_op")
            .Where(o => o.Parent == history)
            .Select(o => (int)(Values.Number((string?)o.Attribute("call-id")) ?? 0)).DefaultIfEmpty(0).Max() + 1;
        XElement? op = history.Elements("lrm_rsc_op").FirstOrDefault(o => (string?)o.Attribute("id") == id);
        if (op is null)
        {
            op = new XElement("lrm_rsc_op", new XAttribute("id", id));
            history.Add(op);
        }

        string magic = string.Create(
            CultureInfo.InvariantCulture, $"{action.Id}:0:{action.TargetRc}:00000000-0000-0000-0000-000000000000");
        op.RemoveAttributes();
        op.Add(
            new XAttribute("id", id), new XAttribute("operation_key", key), new XAttribute("operation", task),
            new XAttribute("transition-key", magic), new XAttribute("on_node", action.Node!),
            new XAttribute("call-id", call), new XAttribute("rc-code", action.TargetRc), new XAttribute("op-status", 0),
            new XAttribute("interval", action.IntervalMs), new XAttribute("last-rc-change", now.ToUnixTimeSeconds()),
            new XAttribute("exec-time", 0), new XAttribute("op-digest", DigestOf(action)));
        foreach (string end in (string[])["source", "target"])
        {
            if (action.Attributes.TryGetValue("CRM_meta_migrate_" + end, out string? node))
            {
                op.SetAttributeValue("migrate_" + end, node);
            }
        }
    }

    /// <summary>The history of that id; one written twice is as good as none, so a new one is made.</summary>
    private static XElement? Only(XElement resources, string id)
    {
        XElement[] found =
            [.. resources.Elements("lrm_resource").Where(r => (string?)r.Attribute("id") == id).Take(2)];
        return found.Length == 1 ? found[0] : null;
    }

    private static string DigestOf(GraphAction action) => OperationDigest.All(
        action.Attributes.Where(a => !a.Key.StartsWith("CRM_meta_", StringComparison.Ordinal)).ToDictionary(a => a.Key, a => a.Value),
        new Dictionary<string, string>(), action.IntervalMs, action.TimeoutMs).All;

    private static XElement Child(XElement parent, string name)
    {
        XElement? child = parent.Element(name);
        if (child is null)
        {
            child = new XElement(name);
            parent.Add(child);
        }

        return child;
    }
}
