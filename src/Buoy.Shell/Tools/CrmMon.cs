using Buoy.Cib;
using Buoy.Shell.Status;

namespace Buoy.Shell.Tools;

/// <summary>crm_mon(8), the one-shot forms.</summary>
internal sealed class CrmMon(ShellServices services)
{
    private static readonly Dictionary<char, string> Short = new()
    {
        ['1'] = "one-shot", ['r'] = "inactive", ['A'] = "show-node-attributes", ['f'] = "failcounts", ['n'] =
            "group-by-node", ['o'] = "operations",
        ['t'] = "timing-details", ['R'] = "show-detail", ['b'] = "brief", ['D'] = "hide-headers", ['j'] = "pending",
            ['V'] = "verbose",
        ['Q'] = "quiet", ['N'] = "disable-ncurses", ['?'] = "help", ['$'] = "version", ['X'] = "as-xml", ['c'] =
            "tickets",
        ['m'] = "fence-history", ['L'] = "neg-locations", ['s'] = "simple-status", ['i'] = "interval", ['p'] =
            "pid-file", ['d'] = "daemonize",
    };

    public int Run(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        if (args.Contains("--as-xml"))
        {
            args = [.. args.Where(a => a != "--as-xml"), "-X"];
        }

        var o = new OptionReader(args, Short, "ip", ["interval", "pid-file", "output-as", "output-to", "include",
            "exclude", "node", "resource"]);
        if (o.Problem is { } problem)
        {
            return ToolFrame.Bad("crm_mon", problem, error);
        }

        if (o.Has("help"))
        {
            output.Write("Usage:\n  crm_mon -1 [-r] [-A] [-f] [-n] [-o] [-t] [-j|--pending] [--output-as=text|xml]\n");
            return 0;
        }

        if (o.Has("version"))
        {
            output.Write("Pacemaker 2.1.5 (Buoy)\n");
            return 0;
        }

        foreach (string refused in (string[])["tickets", "neg-locations", "daemonize", "output-to", "include",
            "exclude", "node", "resource"])
        {
            if (o.Has(refused))
            {
                return ToolFrame.Bad("crm_mon", $"--{refused} is not supported", error);
            }
        }

        string form = o.Has("as-xml") ? "old-xml" : o.Value("output-as") ?? "text";
        if (form is not ("text" or "console" or "xml" or "old-xml"))
        {
            return ToolFrame.Bad("crm_mon", $"--output-as={form} is not supported: expected text or xml", error);
        }

        return ToolFrame.Run("crm_mon", services, error, (source, _) =>
        {
            CibDocument cib = source.Query();
            DateTimeOffset now = services.Now();
            IStatusView view = services.Status(cib, now);
            if (form is "xml" or "old-xml")
            {
                output.Write(StatusXml.Format(cib, view, now, source.IsLive, form == "xml" ? "crm_mon "
                    + string.Join(' ', args) : null));
                return 0;
            }

            if (o.Has("simple-status"))
            {
                return Simple(view, output);
            }

            StatusPrinter.Print(output, cib, view, new StatusOptions
            {
                Inactive = o.Has("inactive"), GroupByNode = o.Has("group-by-node"), Live = source.IsLive, Summary =
                    !o.Has("hide-headers"),
                Operations = o.Has("operations") || o.Has("timing-details"), Timing = o.Has("timing-details"), Brief =
                    o.Has("brief"), FailCounts = o.Has("failcounts"),
                Attributes = o.Has("show-node-attributes"),
            }, now);
            return 0;
        });
    }

    private static int Simple(IStatusView view, TextWriter output)
    {
        int online = view.Nodes.Count(n => n.Online);
        if (online == view.Nodes.Count && view.Nodes.Any(n => n.IsDc))
        {
            output.Write($"CLUSTER OK: {online} nodes online, {view.Status.InstanceCount} resource instances "
                + "configured\n");
            return 0;
        }

        List<string> problems = [.. view.Nodes.Where(n => !n.Online).Select(n => "offline node: " + n.Name)];
        if (!view.Nodes.Any(n => n.IsDc))
        {
            problems.Add("No DC");
        }

        output.Write($"CLUSTER WARN: {string.Join(", ", problems)}\n");
        return 1;
    }
}
