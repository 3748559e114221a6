using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Cluster;
using Buoy.Shell.Status;

namespace Buoy.Shell.Tools;

/// <summary>crm_node(8) and crmadmin(8).</summary>
internal sealed class NodeTools(ShellServices services)
{
    private static readonly Dictionary<char, string> NodeShort = new()
    {
        ['n'] = "name", ['l'] = "list", ['p'] = "partition", ['q'] = "quorum", ['i'] = "cluster-id", ['N'] =
            "name-for-id", ['R'] = "remove",
        ['f'] = "force", ['Q'] = "quiet", ['V'] = "verbose", ['h'] = "help", ['$'] = "version",
    };

    private static readonly Dictionary<char, string> AdminShort = new()
    {
        ['D'] = "dc_lookup", ['S'] = "status", ['N'] = "nodes", ['t'] = "timeout", ['B'] = "bash-export", ['q'] =
            "quiet", ['V'] = "verbose",
        ['?'] = "help", ['P'] = "pacemakerd",
    };

    public int CrmNode(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var o = new OptionReader(args, NodeShort, "NR", ["name-for-id", "remove"]);
        if (o.Problem is { } problem)
        {
            return ToolFrame.Bad("crm_node", problem, error);
        }

        if (o.Has("help"))
        {
            output.Write("Usage:\n  crm_node -n|-l|-p|-q|-i|-N ID|-R NODE\n");
            return 0;
        }

        return ToolFrame.Run("crm_node", services, error, (source, connection) =>
        {
            if (o.Value("remove") is { } gone)
            {
                return Remove(source, gone, o.Has("force"), error);
            }

            MembershipReport m = connection.Membership();
            // crm_node takes several questions at once (-l -p): the last one counts.
            string? what = args.SelectMany(a => NodeShort.Where(s => a == "-" + s.Key || a == "--" + s.Value)
                .Select(s => s.Value)
                .Where(s => s is "name" or "list" or "partition" or "quorum" or "cluster-id")).LastOrDefault();
            switch (what)
            {
                case "name":
                    output.Write(m.NodeName + "\n");
                    return 0;
                case "cluster-id":
                    output.Write($"{m.NodeId}\n");
                    return 0;
                case "quorum":
                    output.Write(m.Quorate ? "1\n" : "0\n");
                    return 0;
                case "partition":
                    output.Write(string.Join(' ', m.Members.Where(x => x.Present).OrderBy(x => x.NodeId).Select(x =>
                        x.Name)) + " \n");
                    return 0;
                case "list":
                    foreach (MemberReport x in m.Members.OrderBy(x => x.NodeId))
                    {
                        output.Write($"{x.NodeId} {x.Name} {(x.Present ? "member" : "lost")}\n");
                    }

                    return 0;
            }

            if (o.Value("name-for-id") is { } id)
            {
                MemberReport? found = m.Members.FirstOrDefault(x => x.NodeId.ToString() == id);
                if (found is null)
                {
                    error.Write($"crm_node: Node {id} is not known to cluster\n");
                    return ControlStatus.NoSuchObject;
                }

                output.Write(found.Name + "\n");
                return 0;
            }

            return ToolFrame.Bad("crm_node", "no command given: expected -n, -l, -p, -q, -i, -N or -R", error);
        });
    }

    private static int Remove(ICibSource source, string node, bool force, TextWriter error)
    {
        if (!force)
        {
            error.Write("The supplied command is considered dangerous.  To prevent accidental destruction of the "
                + "cluster, "
                + "the --force flag is required in order to proceed.\n");
            return ControlStatus.Usage;
        }

        string id = (string)CibEdits.Node(source.Query(), node).Attribute("id")!;
        source.Apply(
            [
                new CibOperation(CibOperationKind.Delete, "nodes", Xml: $"<node id=\"{id}\"/>"),
                new CibOperation(CibOperationKind.Delete, "status", Xml: $"<node_state id=\"{id}\"/>"),
            ], null, "crm_node");
        return 0;
    }

    public int CrmAdmin(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var o = new OptionReader(args, AdminShort, "St", ["status", "timeout"]);
        if (o.Problem is { } problem)
        {
            return ToolFrame.Bad("crmadmin", problem, error);
        }

        return ToolFrame.Run("crmadmin", services, error, (source, _) =>
        {
            CibDocument cib = source.Query();
            IStatusView view = services.Status(cib, services.Now());
            if (o.Has("dc_lookup"))
            {
                string? dc = view.Nodes.FirstOrDefault(n => n.IsDc)?.Name;
                output.Write(dc is null ? "Designated Controller is: not yet elected\n"
                    : $"Designated Controller is: {dc}\n");
                return 0;
            }

            if (o.Value("status") is { } node)
            {
                NodeView? n = view.Nodes.FirstOrDefault(x => x.Name == node);
                if (n is not { Online: true })
                {
                    error.Write("error: Command failed: No route to host\n");
                    return 113;
                }

                output.Write($"Status of crmd@{node}: {(n.IsDc ? "S_IDLE" : "S_NOT_DC")} (ok)\n");
                return 0;
            }

            if (o.Has("nodes"))
            {
                foreach ((string id, string uname) in cib.Nodes())
                {
                    output.Write($"cluster node: {uname} ({id})\n");
                }

                return 0;
            }

            return ToolFrame.Bad("crmadmin", "no command given: expected -D, -S or -N", error);
        });
    }
}
