using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Cluster;
using Buoy.Shell.Status;

namespace Buoy.Shell.Tools;

/// <summary>crm_attribute(8), attrd_updater(8), crm_standby(8) and crm_failcount(8).</summary>
internal sealed class AttributeTools(ShellServices services)
{
    private static readonly Dictionary<char, string> Short = new()
    {
        ['n'] = "name", ['v'] = "update", ['G'] = "query", ['D'] = "delete", ['N'] = "node", ['t'] = "type", ['l'] =
            "lifetime", ['z'] = "utilization",
        ['q'] = "quiet", ['Q'] = "quiet", ['d'] = "default", ['p'] = "promotion", ['s'] = "set-name", ['P'] =
            "pattern", ['V'] = "verbose",
        ['!'] = "inhibit-policy-engine", ['?'] = "help", ['$'] = "version", ['i'] = "id", ['r'] = "resource", ['o'] =
            "operation", ['I'] = "interval",
    };

    private static readonly string[] Valued =
    [
        "name", "attr-name", "update", "attr-value", "node", "uname", "node-uname", "type", "lifetime", "default",
            "set-name", "pattern", "id",
        "resource", "operation", "interval",
    ];

    public int CrmAttribute(string[] args, TextReader input, TextWriter output, TextWriter error) =>
        Attribute("crm_attribute", args, null, output, error);

    public int CrmStandby(string[] args, TextReader input, TextWriter output, TextWriter error) =>
        Attribute("crm_standby", args, "standby", output, error);

    /// <summary>crm_master(8): crm_attribute --promotion of the resource that OCF_RESOURCE_INSTANCE names.</summary>
    public int CrmMaster(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("OCF_RESOURCE_INSTANCE")))
        {
            return ToolFrame.Bad(
                "crm_master", "This program can only be invoked from within an OCF resource agent "
                + "(OCF_RESOURCE_INSTANCE is not set); elsewhere use crm_attribute --promotion=RESOURCE", error);
        }

        return Attribute("crm_master", [.. args, "--promotion"], null, output, error);
    }

    private int Attribute(string tool, string[] args, string? fixedName, TextWriter output, TextWriter error)
    {
        string? promotion = null;
        List<string> list = [.. args];
        int p = list.FindIndex(a => a is "-p" or "--promotion" || a.StartsWith("--promotion=",
            StringComparison.Ordinal));
        if (p >= 0)
        {
            promotion = list[p].Contains('=') ? list[p].Split('=')[1]
                : p + 1 < list.Count && !list[p + 1].StartsWith('-') ? list[p + 1]
                    : Environment.GetEnvironmentVariable("OCF_RESOURCE_INSTANCE");
            if (!list[p].Contains('=') && p + 1 < list.Count && !list[p + 1].StartsWith('-'))
            {
                list.RemoveAt(p + 1);
            }

            list.RemoveAt(p);
            fixedName = "master-" + promotion;
        }

        var o = new OptionReader([.. list], Short, "nvNtldsPiroI", Valued, ["get-value", "attr-delete", "delete-attr"]);
        if (o.Problem is { } problem)
        {
            return ToolFrame.Bad(tool, problem, error);
        }

        string? name = fixedName ?? o.Value("name") ?? o.Value("attr-name");
        if (name is null || o.Has("pattern"))
        {
            return ToolFrame.Bad(tool, name is null ? "Error: must specify attribute name or pattern to delete"
                : "--pattern is not supported", error);
        }

        string? value = o.Value("update") ?? o.Value("attr-value");
        bool delete = o.Has("delete") || o.Has("attr-delete") || o.Has("delete-attr");
        string? node = o.Value("node") ?? o.Value("uname") ?? o.Value("node-uname");
        string? type = o.Value("type") ?? o.Value("lifetime") switch { "reboot" => "status", "forever" => "nodes", _ =>
            null };
        type ??= promotion is not null ? "status" : fixedName is not null || node is not null || o.Has("utilization")
            ? "nodes" : "crm_config";
        type = type switch { "reboot" => "status", "forever" => "nodes", _ => type };
        return ToolFrame.Run(tool, services, error, (source, connection) =>
        {
            if (type is "status" or "nodes")
            {
                node ??= ToolFrame.ThisNode(source, connection);
                return NodeAttribute(tool, source, (node, name, value, delete, type == "status", o.Has("utilization")),
                    o, output, error);
            }

            if (type is not ("crm_config" or "rsc_defaults" or "op_defaults"))
            {
                return ToolFrame.Bad(tool,
                    $"type '{type}' is not supported: expected crm_config, nodes, status, rsc_defaults or op_defaults",
                    error);
            }

            return Option(tool, source, (type, name, value, delete), o, output, error);
        });
    }

    private static int NodeAttribute(
        string tool, ICibSource source, (string Node, string Name, string? Value, bool Delete, bool Transient,
            bool Utilization) a,
        OptionReader o, TextWriter output, TextWriter error)
    {
        var edits = new CibEdits(source, tool);
        string scope = a.Transient ? "status" : "nodes";
        string prefix = $"scope={scope}  name={a.Name}";
        if (a.Value is not null)
        {
            if (a.Transient)
            {
                edits.SetTransient(a.Node, a.Name, a.Value);
            }
            else
            {
                edits.SetNodeAttribute(a.Node, a.Name, a.Value, a.Utilization);
            }

            return 0;
        }

        CibDocument cib = source.Query();
        if (a.Delete)
        {
            string nodeId = (string)CibEdits.Node(cib, a.Node).Attribute("id")!;
            string? id = a.Transient ? edits.SetTransient(a.Node, a.Name, null) ? $"status-{nodeId}-{a.Name}" : null
                : edits.DeleteNodeAttribute(a.Node, a.Name, a.Utilization);
            if (id is not null && !a.Transient)
            {
                output.Write($"Deleted {scope} attribute: id={id} name={a.Name}\n");
            }

            return 0;
        }

        string? found = CibEdits.NodeAttribute(cib, a.Node, a.Name, a.Transient, a.Utilization) ?? o.Value("default")
            ?? (tool == "crm_standby" ? "off" : null);
        return Say(tool, prefix, found, o.Has("quiet"), output, error);
    }

    private static int Option(
        string tool, ICibSource source, (string Type, string Name, string? Value, bool Delete) a, OptionReader o,
            TextWriter output, TextWriter error)
    {
        var edits = new CibEdits(source, tool);
        if (a.Value is not null)
        {
            edits.SetProperty(a.Name, a.Value, a.Type);
            return 0;
        }

        var pair = source.Query().Section(a.Type)?.Descendants("nvpair").FirstOrDefault(p =>
            (string?)p.Attribute("name") == a.Name);
        if (a.Delete)
        {
            if (pair is not null)
            {
                edits.SetProperty(a.Name, null, a.Type);
                output.Write($"Deleted {a.Type} option: id={(string?)pair.Attribute("id")} name={a.Name}\n");
            }

            return 0;
        }

        return Say(tool, $"scope={a.Type}  name={a.Name}", (string?)pair?.Attribute("value") ?? o.Value("default"),
            o.Has("quiet"), output, error);
    }

    private static int Say(string tool, string prefix, string? value, bool quiet, TextWriter output, TextWriter error)
    {
        if (value is null)
        {
            error.Write($"{tool}: Error performing operation: No such device or address\n");
            return ControlStatus.NoSuchObject;
        }

        output.Write(quiet ? value + "\n" : $"{prefix} value={value}\n");
        return 0;
    }

    public int AttrdUpdater(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var letters = new Dictionary<char, string>
        {
            ['n'] = "name", ['v'] = "update", ['U'] = "update", ['B'] = "update-both", ['Y'] = "update-delay", ['Q'] =
                "query", ['D'] = "delete", ['A'] = "all",
            ['N'] = "node", ['d'] = "delay", ['p'] = "private", ['q'] = "quiet", ['S'] = "lifetime", ['s'] = "set",
                ['R'] = "refresh", ['V'] = "verbose",
        };
        var o = new OptionReader(args, letters, "nvUBNdSs", ["name", "update", "update-both", "node", "delay",
            "lifetime", "set"]);
        if (o.Problem is { } problem)
        {
            return ToolFrame.Bad("attrd_updater", problem, error);
        }

        if (o.Value("name") is not { } name)
        {
            return ToolFrame.Bad("attrd_updater", "Command requires --name or --pattern argument", error);
        }

        if (o.Has("private"))
        {
            return ToolFrame.Bad("attrd_updater", "--private is not supported", error);
        }

        return ToolFrame.Run("attrd_updater", services, error, (source, connection) =>
        {
            string? node = o.Value("node");
            var edits = new CibEdits(source, "attrd_updater");
            if (o.Has("query"))
            {
                CibDocument cib = source.Query();
                IEnumerable<string> nodes = o.Has("all") ? cib.Nodes().Select(n => n.Uname) : [node
                    ?? ToolFrame.ThisNode(source, connection)];
                bool any = false;
                foreach (string n in nodes)
                {
                    if (CibEdits.NodeAttribute(cib, n, name, transient: true) is { } value)
                    {
                        output.Write($"name=\"{name}\" host=\"{n}\" value=\"{value}\"\n");
                        any = true;
                    }
                }

                if (!any)
                {
                    error.Write("Could not query value of " + name + ": attribute does not exist\n");
                }

                return any ? 0 : ControlStatus.NoSuchObject;
            }

            node ??= ToolFrame.ThisNode(source, connection);
            string? update = o.Value("update") ?? o.Value("update-both");
            if (update is null && !o.Has("delete"))
            {
                return o.Has("refresh") || o.Has("update-delay") ? 0
                    : ToolFrame.Bad("attrd_updater", "no command given: expected -U, -B, -D or -Q", error);
            }

            // NAME="VALUE++" and "VALUE+=N" count, as attrd does.
            if (update is "value++" || (update?.StartsWith("value+=", StringComparison.Ordinal) ?? false))
            {
                _ = long.TryParse(CibEdits.NodeAttribute(source.Query(), node, name, transient: true), out long n);
                _ = long.TryParse(update.Length > 7 ? update[7..] : "1", out long more);
                update = (n + more).ToString();
            }

            edits.SetTransient(node, name, o.Has("delete") ? null : update);
            return 0;
        });
    }

    public int CrmFailCount(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var o = new OptionReader(args, Short, "nvNtldsPiroI", Valued);
        if (o.Problem is { } problem)
        {
            return ToolFrame.Bad("crm_failcount", problem, error);
        }

        if (o.Value("resource") is not { } rsc)
        {
            return ToolFrame.Bad("crm_failcount", "resource name required: -r RSC", error);
        }

        return ToolFrame.Run("crm_failcount", services, error, (source, connection) =>
        {
            string node = o.Value("node") ?? ToolFrame.ThisNode(source, connection);
            CibDocument cib = source.Query();
            CibEdits.Node(cib, node);
            if (o.Has("delete"))
            {
                if (source.IsLive)
                {
                    connection.Call(ControlCommand.Cleanup, null, ("resource", rsc), ("node", node));
                }
                else
                {
                    ResourceQueries.DeleteFailCounts(new CibEdits(source, "crm_failcount"), cib, node, rsc);
                }

                output.Write($"Cleaned up {rsc} on {node}\n");
                return 0;
            }

            string count = ResourceQueries.Count(StatusPrinter.FailCount(cib, node, rsc).Count);
            output.Write(o.Has("quiet") ? count + "\n" : $"scope=status  name=fail-count-{rsc} value={count}\n");
            return 0;
        });
    }
}
