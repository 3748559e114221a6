using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Cluster;
using Buoy.Shell.Status;

namespace Buoy.Shell.Tools;

/// <summary>crm_resource(8), what agents and shells use of it.</summary>
internal sealed class CrmResource(ShellServices services)
{
    private static readonly Dictionary<char, string> Short = new()
    {
        ['r'] = "resource", ['N'] = "node", ['H'] = "node", ['l'] = "list-raw", ['L'] = "list", ['W'] = "locate",
            ['w'] = "query-xml-raw", ['q'] = "query-xml",
        ['M'] = "move", ['B'] = "ban", ['U'] = "clear", ['C'] = "cleanup", ['P'] = "refresh", ['R'] = "refresh",
            ['p'] = "set-parameter",
        ['g'] = "get-parameter", ['d'] = "delete-parameter", ['v'] = "parameter-value", ['m'] = "meta", ['z'] =
            "utilization", ['u'] = "lifetime",
        ['f'] = "force", ['Q'] = "quiet", ['V'] = "verbose", ['O'] = "list-operations", ['o'] = "list-all-operations",
            ['a'] = "constraints",
        ['h'] = "help", ['$'] = "version", ['A'] = "stack", ['t'] = "resource-type", ['s'] = "set-name", ['i'] =
            "nvpair",
    };

    private static readonly string[] Valued =
    [
        "resource", "node", "host-uname", "set-parameter", "get-parameter", "delete-parameter", "parameter-value",
            "lifetime", "set-name", "nvpair",
        "resource-type", "timeout", "list-agents", "list-ocf-alternatives", "show-metadata", "operation", "interval",
            "output-as",
    ];

    private static readonly string[] Plain =
        ["wait", "list-standards", "list-ocf-providers", "why", "restart", "unmove", "un-move", "un-ban", "migrate",
            "un-migrate", "cleanup", "recursive", "promoted"];

    public int Run(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var o = new OptionReader(args, Short, "rNHpgdvutsi", Valued, Plain);
        if (o.Problem is { } problem)
        {
            return ToolFrame.Bad("crm_resource", problem, error);
        }

        if (o.Has("help"))
        {
            output.Write("Usage:\n  crm_resource -L|-l|-W|-q|-M|-B|-U|-C|-P|-p|-g|-d|-O|-o|-a [-r RSC] [-N NODE] …\n");
            return 0;
        }

        foreach (string refused in (string[])["stack", "resource-type", "set-name", "nvpair", "recursive", "promoted",
            "operation", "interval", "restart", "output-as"])
        {
            if (o.Has(refused))
            {
                return ToolFrame.Bad("crm_resource", $"--{refused} is not supported", error);
            }
        }

        return Agents(o, output, error) ?? ToolFrame.Run("crm_resource", services, error,
            (source, connection) => OnCluster(o, source, connection, output, error));
    }

    /// <summary>What is asked of the machine's agents; null where nothing is.</summary>
    private int? Agents(OptionReader o, TextWriter output, TextWriter error)
    {
        IEnumerable<string>? lines = null;
        if (o.Has("list-standards"))
        {
            lines = ["lsb", "ocf", "service", "systemd", "stonith"];
        }
        else if (o.Has("list-ocf-providers"))
        {
            lines = services.Agents.Providers;
        }
        else if (o.Value("list-ocf-alternatives") is { } type)
        {
            lines = services.Agents.Providers.Where(p => services.Agents.List("ocf", p).Contains(type));
        }
        else if (o.Value("list-agents") is { } standard)
        {
            string[] parts = standard.Split(':');
            lines = services.Agents.List(parts[0], parts.Length > 1 ? parts[1] : null);
        }
        else if (o.Value("show-metadata") is { } agent)
        {
            if (services.Agents.MetaData(agent) is not { } xml)
            {
                error.Write($"crm_resource: Metadata query for {agent} failed: No such device or address\n");
                return ControlStatus.NoSuchObject;
            }

            lines = [xml.TrimEnd('\n')];
        }

        if (lines is null)
        {
            return null;
        }

        foreach (string line in lines)
        {
            output.Write(line + "\n");
        }

        return 0;
    }

    private int OnCluster(OptionReader o, ICibSource source, ControlConnection connection, TextWriter output,
        TextWriter error)
    {
        if (o.Has("wait"))
        {
            connection.Call(ControlCommand.WaitIdle, null, ("timeout", o.Value("timeout") ?? "3600"));
            return 0;
        }

        CibDocument cib = source.Query();
        IStatusView view = services.Status(cib, services.Now());
        string? rsc = o.Value("resource"), node = o.Value("node") ?? o.Value("host-uname");
        if (o.Has("list"))
        {
            output.Write("Full List of Resources:\n");
            StatusPrinter.Resources(output, view);
            return view.Resources.Count > 0 ? 0 : Missing(error);
        }

        if (o.Has("list-raw"))
        {
            foreach (ResourceView r in view.Resources.SelectMany(r => r.Primitives()))
            {
                output.Write(r.Id + "\n");
            }

            if (view.Resources.Count == 0)
            {
                output.Write("NO resources configured\n\n");
            }

            return view.Resources.Count > 0 ? 0 : Missing(error);
        }

        if (o.Has("list-operations") || o.Has("list-all-operations"))
        {
            ResourceQueries.Operations(view, rsc, node, output);
            return 0;
        }

        if (o.Has("cleanup") || o.Has("refresh"))
        {
            return Cleanup(rsc, node, cib, source, connection, output, error);
        }

        if (rsc is null)
        {
            return ToolFrame.Bad("crm_resource", "Must supply a resource id with -r", error);
        }

        if (CibEdits.Resource(cib, rsc) is not { } element)
        {
            error.Write($"crm_resource: Resource '{rsc}' not found: No such device or address\nError performing "
                + $"operation: No such device or address\n");
            return ControlStatus.NoSuchObject;
        }

        if (o.Has("locate"))
        {
            ResourceQueries.Locate(view, rsc, output);
            return 0;
        }

        if (o.Has("query-xml") || o.Has("query-xml-raw"))
        {
            ResourceView? shown = ResourceQueries.All(view.Resources).FirstOrDefault(r => r.Id == rsc);
            if (o.Has("query-xml") && shown is { Kind: "primitive" })
            {
                output.Write($"{StatusPrinter.Line(shown)}\nResource XML:\n");
            }

            output.Write(CibText.Format(element));
            return 0;
        }

        if (o.Has("constraints"))
        {
            ResourceQueries.Constraints(cib, rsc, output);
            return 0;
        }

        if (o.Has("why"))
        {
            output.Write(connection.Call(ControlCommand.Explain, null, ("resource", rsc)).TrimEnd('\n') + "\n");
            return 0;
        }

        if (o.Has("move") || o.Has("migrate") || o.Has("ban"))
        {
            return Move(o, rsc, node, view, source, cib, output, error);
        }

        if (o.Has("clear") || o.Has("unmove") || o.Has("un-move") || o.Has("un-ban") || o.Has("un-migrate"))
        {
            new CibEdits(source, "crm_resource").Clear(rsc, node);
            return 0;
        }

        return Value(o, rsc, source, output, error);
    }

    private static int Value(OptionReader o, string rsc, ICibSource source, TextWriter output, TextWriter error)
    {
        string kind = o.Has("meta") ? "meta" : o.Has("utilization") ? "utilization" : "param";
        foreach ((string option, string what) in (ReadOnlySpan<(string, string)>)[("set-parameter", "set"),
            ("delete-parameter", "delete"), ("get-parameter", "show")])
        {
            if (o.Value(option) is { } name)
            {
                if (what == "set" && o.Value("parameter-value") is null)
                {
                    return ToolFrame.Bad("crm_resource", "Must supply a value with -v", error);
                }

                return ResourceQueries.Value(source, kind, rsc, what, name, o.Value("parameter-value"), output, error);
            }
        }

        return ToolFrame.Bad("crm_resource", "no command given", error);
    }

    private int Move(
        OptionReader o, string rsc, string? node, IStatusView view, ICibSource source, CibDocument cib,
            TextWriter output, TextWriter error)
    {
        DateTimeOffset? until = o.Value("lifetime") is { } l ? CibEdits.After(services.Now(), l) : null;
        if (o.Has("lifetime") && until is null)
        {
            return ToolFrame.Bad("crm_resource", $"Invalid duration specified: {o.Value("lifetime")}", error);
        }

        if (node is not null)
        {
            CibEdits.Node(cib, node);
        }

        var edits = new CibEdits(source, "crm_resource");
        if (until is { } end)
        {
            output.Write($"Migration will take effect until: {end.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z\n");
        }

        if (!o.Has("ban") && node is not null)
        {
            if (!o.Has("force") && ResourceQueries.NodesOf(view, rsc).Contains(node))
            {
                error.Write($"crm_resource: Error performing operation: {rsc} is already active on {node}\n");
                return 108;
            }

            edits.Prefer(rsc, node, until);
            return 0;
        }

        List<string> on = [.. ResourceQueries.NodesOf(view, rsc)];
        if (node is null && on.Count != 1)
        {
            error.Write($"crm_resource: Resource '{rsc}' not moved: active in {on.Count} locations.\n"
                + $"To prevent '{rsc}' from running on a specific location, specify a node.\nError performing "
                    + $"operation: Invalid argument\n");
            return ControlStatus.Usage;
        }

        if (!o.Has("quiet"))
        {
            output.Write(ResourceQueries.BanWarning(rsc, node ?? on[0]));
        }

        edits.Ban(rsc, node ?? on[0], until);
        return 0;
    }

    private static int Cleanup(
        string? rsc, string? node, CibDocument cib, ICibSource source, ControlConnection connection, TextWriter output,
            TextWriter error)
    {
        if (!source.IsLive)
        {
            output.Write($"Dry run: skipping clean-up of {rsc ?? "all nodes"} due to CIB_file\n");
            return 0;
        }

        if (rsc is not null && CibEdits.Resource(cib, rsc) is null)
        {
            error.Write($"crm_resource: Resource '{rsc}' not found: No such device or address\n");
            return ControlStatus.NoSuchObject;
        }

        var arguments = new List<(string, string)>();
        if (rsc is not null)
        {
            arguments.Add(("resource", rsc));
        }

        if (node is not null)
        {
            arguments.Add(("node", node));
        }

        string text = connection.Call(ControlCommand.Cleanup, null, [.. arguments]);
        output.Write(text.Length > 0 ? text.TrimEnd('\n') + "\n"
            : $"Cleaned up {rsc ?? "all resources"} on {node ?? "all nodes"}\n");
        return 0;
    }

    private static int Missing(TextWriter error)
    {
        error.Write("crm_resource: Error performing operation: No such object\n");
        return ControlStatus.NoSuchObject;
    }
}
