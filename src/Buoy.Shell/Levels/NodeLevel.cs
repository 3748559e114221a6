using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Shell.Cluster;
using Buoy.Shell.Status;

namespace Buoy.Shell.Levels;

/// <summary>crm node.</summary>
internal sealed class NodeLevel(Crm crm) : Level(crm)
{
    public override string Name => "node";

    public override IReadOnlyList<string> Commands { get; } =
    [
        "attribute", "clearstate", "delete", "fence", "maintenance", "online", "ready", "server", "show", "standby",
            "status-attr", "utilization",
    ];

    public override IReadOnlyDictionary<string, string> Deprecated { get; } = new Dictionary<string,
        string> { ["list"] = "show", ["status"] = "show" };

    private CibEdits Edits => new(Crm.Source, "cibadmin");

    public override bool Run(string command, IReadOnlyList<string> a)
    {
        switch (command)
        {
            case "show":
                return Show(a);
            case "standby":
                return Standby(a);
            case "online":
                return OnNodes(command, a, n =>
                {
                    Edits.SetTransient(n, "standby", null);
                    Edits.SetNodeAttribute(n, "standby", "off");
                    Crm.Messages.Info($"online node {n}");
                });
            case "maintenance":
                return OnNodes(command, a, n => Edits.SetNodeAttribute(n, "maintenance", "on"));
            case "ready":
                return OnNodes(command, a, n => Edits.SetNodeAttribute(n, "maintenance", "off"));
            case "attribute":
                return Attribute(command, a, false, false);
            case "utilization":
                return Attribute(command, a, false, true);
            case "status-attr":
                return Attribute(command, a, true, false);
            case "delete":
                return Delete(a);
            case "server":
                foreach ((string _, string uname) in Crm.Source.Query().Nodes())
                {
                    Crm.Output.Write(uname + "\n");
                }

                return true;
            case "fence":
                Crm.Messages.Error("node.fence: not supported: no fencing device is configured through this shell");
                return false;
            default:
                return NotSupported(command);
        }
    }

    private bool Standby(IReadOnlyList<string> a)
    {
        string? lifetime = a.FirstOrDefault(w => w is "reboot" or "forever" || w.StartsWith("lifetime=",
            StringComparison.Ordinal));
        return OnNodes("standby", [.. a.Where(w => w != lifetime)], n =>
        {
            if (lifetime?.Split('=')[^1] == "reboot")
            {
                Edits.SetTransient(n, "standby", "on");
            }
            else
            {
                Edits.SetNodeAttribute(n, "standby", "on");
            }

            Crm.Messages.Info($"standby node {n}");
        });
    }

    /// <summary>Does it on the named nodes; on this one where none is named.</summary>
    private bool OnNodes(string command, IReadOnlyList<string> a, Action<string> what)
    {
        CibDocument cib = Crm.Source.Query();
        IReadOnlyList<string> nodes = a is ["--all"] ? [.. cib.Nodes().Select(n => n.Uname)] : a.Count > 0 ? a
            : [ThisNode()];
        foreach (string n in nodes)
        {
            if (cib.Nodes().All(x => x.Uname != n))
            {
                Crm.Messages.Error($"node.{command}: Node \"{n}\" is not a cluster node");
                return false;
            }
        }

        foreach (string n in nodes)
        {
            what(n);
        }

        return true;
    }

    private string ThisNode() => Crm.Source.IsLive ? Crm.Connection.Membership().NodeName : Crm.HostName();

    private bool Show(IReadOnlyList<string> a)
    {
        CibDocument cib = Crm.Source.Query();
        IStatusView view = Crm.Services.Status(cib, Crm.Services.Now());
        var nodes = cib.Section("nodes")?.Elements("node").ToList() ?? [];
        if (a.Count > 0 && nodes.All(n => (string?)n.Attribute("uname") != a[0]))
        {
            Crm.Messages.Error($"node.show: {a[0]}: no such node");
            return false;
        }

        foreach (XElement n in nodes.Where(n => a.Count == 0 || (string?)n.Attribute("uname") == a[0]))
        {
            string uname = (string?)n.Attribute("uname") ?? "";
            NodeView? v = view.Nodes.FirstOrDefault(x => x.Name == uname);
            bool seen = cib.Root.Element("status")?.Elements("node_state").Any(s =>
                (string?)s.Attribute("uname") == uname) ?? false;
            string offline = v is { Online: false } && seen && !v.Pending ? "(offline)" : "";
            Crm.Output.Write($"{uname}({(string?)n.Attribute("id")}): "
                + $"{(string?)n.Attribute("type") ?? "member"}{offline}\n");
            foreach (XElement p in n.Elements("instance_attributes").Elements("nvpair"))
            {
                Crm.Output.Write($"\t{(string?)p.Attribute("name")}={(string?)p.Attribute("value")}\n");
            }
        }

        return true;
    }

    private bool Attribute(string command, IReadOnlyList<string> a, bool transient, bool utilization)
    {
        if (a.Count < 3 || a[1] is not ("set" or "show" or "delete") || (a[1] == "set" && a.Count < 4))
        {
            return Usage(command, "node cmd attr [value]", a.Count);
        }

        (string node, string name) = (a[0], a[2]);
        string scope = transient ? "status" : "nodes";
        CibDocument cib = Crm.Source.Query();
        if (cib.Nodes().All(n => n.Uname != node))
        {
            Crm.Messages.Error($"node.{command}: Node \"{node}\" is not a cluster node");
            return false;
        }

        switch (a[1])
        {
            case "set" when transient:
                Edits.SetTransient(node, name, a[3]);
                return true;
            case "set":
                Edits.SetNodeAttribute(node, name, a[3], utilization);
                return true;
            case "show":
                if (CibEdits.NodeAttribute(cib, node, name, transient, utilization) is { } value)
                {
                    Crm.Output.Write($"scope={scope}  name={name} value={value}\n");
                    return true;
                }

                Crm.Messages.ErrorOutput.Write("crm_attribute: Error performing operation: No such device or "
                    + "address\n");
                return false;
            default:
                if (transient)
                {
                    if (Edits.SetTransient(node, name, null))
                    {
                        Crm.Output.Write($"Deleted {scope} attribute: "
                            + $"id=status-{(string?)CibEdits.Node(cib, node).Attribute("id")}-{name} name={name}\n");
                    }
                }
                else if (Edits.DeleteNodeAttribute(node, name, utilization) is { } id)
                {
                    Crm.Output.Write($"Deleted {scope} attribute: id={id} name={name}\n");
                }

                return true;
        }
    }

    private bool Delete(IReadOnlyList<string> a)
    {
        bool force = Crm.Force || a.Contains("--force") || a.Contains("-f");
        List<string> names = [.. a.Where(w => !w.StartsWith('-'))];
        if (names.Count != 1)
        {
            return Usage("delete", "node", names.Count);
        }

        CibDocument cib = Crm.Source.Query();
        IStatusView view = Crm.Services.Status(cib, Crm.Services.Now());
        NodeView? node = view.Nodes.FirstOrDefault(n => n.Name == names[0]);
        if (node is null)
        {
            Crm.Messages.Error($"node.delete: Node \"{names[0]}\" is not a cluster node");
            return false;
        }

        if (node.Online && !force)
        {
            Crm.Messages.Error($"node.delete: node {node.Name} is online: stop the cluster on it first");
            return false;
        }

        Crm.Source.Apply(
            [
                new CibOperation(CibOperationKind.Delete, "nodes", Xml: $"<node id=\"{node.Id}\"/>"),
                new CibOperation(CibOperationKind.Delete, "status", Xml: $"<node_state id=\"{node.Id}\"/>"),
            ], null, "crm_node");
        Crm.Messages.Info($"node {node.Name} deleted");
        return true;
    }
}
