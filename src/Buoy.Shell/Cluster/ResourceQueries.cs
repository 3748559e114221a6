using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Shell.Status;

namespace Buoy.Shell.Cluster;

/// <summary>Answers about resources in crm_resource(8)'s words; the tool and the shell's resource level share
/// them.</summary>
internal static class ResourceQueries
{
    /// <summary>Nodes where the resource (or any member) is active.</summary>
    public static IEnumerable<string> NodesOf(IStatusView view, string rsc) =>
        All(view.Resources).Where(r => r.Id == rsc).SelectMany(r => r.Primitives()).SelectMany(p => p.On).Select(o =>
            o.Node.Name).Distinct();

    public static IEnumerable<ResourceView> All(IEnumerable<ResourceView> resources) => resources.SelectMany(r =>
        (IEnumerable<ResourceView>)[r, .. All(r.Children)]);

    public static string BanWarning(string rsc, string node) =>
        $"WARNING: Creating rsc_location constraint 'cli-ban-{rsc}-on-{node}' with a score of -INFINITY for resource "
            + $"{rsc} on {node}.\n"
        + $"\tThis will prevent {rsc} from running on {node} until the constraint is removed using the clear option "
            + $"or by editing the CIB with an appropriate tool\n"
        + $"\tThis will be the case even if {node} is the last node in the cluster\n";

    public static void Locate(IStatusView view, string rsc, TextWriter output)
    {
        var on = All(view.Resources).Where(r => r.Id == rsc).SelectMany(r => r.Primitives()).SelectMany(p =>
            p.On).DistinctBy(o => o.Node.Name).ToList();
        foreach ((NodeView node, string role) in on)
        {
            output.Write($"resource {rsc} is running on: {node.Name}{(role == "Promoted" ? " Promoted" : "")}\n");
        }

        if (on.Count == 0)
        {
            output.Write($"resource {rsc} is NOT running\n");
        }
    }

    public static string Count(string count) => count == "1000000" ? "INFINITY" : count;

    public static void Operations(IStatusView view, string? rsc, string? node, TextWriter output)
    {
        var primitives = view.Resources.SelectMany(r => r.Primitives()).ToList();
        foreach (OperationView o in view.Operations.Where(o => (rsc is null || o.Resource == rsc) && (node is null
            || o.Node == node)))
        {
            ResourceView? r = primitives.FirstOrDefault(p => p.Id == o.Resource);
            if (r is null)
            {
                continue;
            }

            output.Write($"{StatusPrinter.Line(r)}: {o.Key} (node={o.Node}, call={o.CallId}, rc={o.Rc}, "
                + $"last-rc-change='{CibDocument.CTime(o.LastChange)}', exec={o.ExecTime}ms): "
                    + $"{StatusPrinter.OpStatus(o.OpStatus)}\n");
        }
    }

    public static void Constraints(CibDocument cib, string rsc, TextWriter output)
    {
        var all = (cib.Section("constraints")?.Elements() ?? []).ToList();
        Section("Locations constraining " + rsc, all.Where(c => c.Name == "rsc_location"
            && (string?)c.Attribute("rsc") == rsc)
            .Select(c => $"Node {(string?)c.Attribute("node")} (score={(string?)c.Attribute("score")}, "
                + $"id={(string?)c.Attribute("id")}, rsc={rsc})"));
        Section($"Resources {rsc} is colocated with", all.Where(c => c.Name == "rsc_colocation"
            && (string?)c.Attribute("rsc") == rsc)
            .Select(c => $"{(string?)c.Attribute("with-rsc")} (score={(string?)c.Attribute("score")}, "
                + $"id={(string?)c.Attribute("id")})"));
        Section($"Resources colocated with {rsc}", all.Where(c => c.Name == "rsc_colocation"
            && (string?)c.Attribute("with-rsc") == rsc)
            .Select(c => $"{(string?)c.Attribute("rsc")} (score={(string?)c.Attribute("score")}, "
                + $"id={(string?)c.Attribute("id")})"));

        void Section(string title, IEnumerable<string> lines)
        {
            List<string> list = [.. lines];
            if (list.Count > 0)
            {
                output.Write(title + ":\n");
                foreach (string line in list)
                {
                    output.Write($"  * {line}\n");
                }
            }
        }
    }

    /// <summary>set, show, delete of a resource's parameter, meta attribute or utilization. Gives the exit
    /// status.</summary>
    public static int Value(ICibSource source, string kind, string rsc, string what, string name, string? value,
        TextWriter output, TextWriter error)
    {
        var edits = new CibEdits(source, "crm_resource");
        switch (what)
        {
            case "set":
                (string pair, string? set) = edits.SetAttribute(rsc, kind, name, value!);
                output.Write($"Set '{rsc}' option: id={pair}{(set is null ? "" : $" set={set}")} name={name} "
                    + $"value={value}\n");
                return 0;
            case "delete":
                if (edits.DeleteAttribute(rsc, kind, name) is { } id)
                {
                    output.Write($"Deleted '{rsc}' option: id={id} name={name}\n");
                }

                return 0;
            default:
                if (CibEdits.Attribute(source.Query(), rsc, kind, name) is { } p)
                {
                    output.Write((string?)p.Attribute("value") + "\n");
                }
                else
                {
                    error.Write($"Attribute '{name}' not found for '{rsc}'\n");
                }

                return 0;
        }
    }

    public static void DeleteFailCounts(CibEdits edits, CibDocument cib, string node, string rsc)
    {
        string id = (string)CibEdits.Node(cib, node).Attribute("id")!;
        XElement? state = cib.Root.Element("status")?.Elements("node_state").FirstOrDefault(s =>
            (string?)s.Attribute("id") == id);
        foreach (string name in (state?.Element("transient_attributes")?.Descendants("nvpair") ?? []).Select(p =>
            (string?)p.Attribute("name") ?? "")
            .Where(n => Is(n, $"fail-count-{rsc}") || Is(n, $"last-failure-{rsc}")).ToList())
        {
            edits.SetTransient(node, name, null);
        }

        static bool Is(string name, string prefix) => name == prefix || name.StartsWith(prefix + "#",
            StringComparison.Ordinal);
    }
}
