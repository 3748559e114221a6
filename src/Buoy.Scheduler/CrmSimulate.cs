using System.Globalization;
using System.Text;
using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>The command crm_simulate on saved CIBs (its manual page names the options).</summary>
public static class CrmSimulate
{
    /// <summary>Runs the command; all input and output goes through the caller.</summary>
    /// <param name="args">Arguments after the command's name.</param>
    /// <param name="now">The time of runs that set none.</param>
    /// <param name="readFile">Text of a file, or of the live CIB for the name "" (<c>-L</c>).</param>
    /// <param name="writeFile">Takes a file's name and text (<c>-G</c>, <c>-D</c>, <c>-O</c>).</param>
    /// <param name="write">Takes what is printed.</param>
    /// <returns>The exit code: 0; 64 for wrong usage; 65 for a CIB that cannot be read.</returns>
    public static int Run(
        IReadOnlyList<string> args, DateTimeOffset now, Func<string, string> readFile, Action<string, string> writeFile,
        Action<string> write)
    {
        string? file = null, time = null, graph = null, dot = null, save = null;
        bool live = false, run = false, simulate = false, scores = false, quiet = false, verbose = false, capacity = false;
        for (int i = 0; i < args.Count; i++)
        {
            string argument = args[i];
            if (argument.StartsWith('-') && !argument.StartsWith("--", StringComparison.Ordinal) && argument.Length > 2
                && argument[1..].All(c => "SsQLRVU".Contains(c)))
            {
                foreach (char c in argument.AsSpan(1))
                {
                    live |= c == 'L';
                    run |= c == 'R';
                    simulate |= c == 'S';
                    scores |= c == 's';
                    quiet |= c == 'Q';
                    verbose |= c == 'V';
                    capacity |= c == 'U';
                }

                continue;
            }

            string? Next() => i + 1 < args.Count ? args[++i] : null;
            switch (argument)
            {
                case "-x" or "--xml-file":
                    file = Next();
                    break;
                case "-t" or "--set-datetime":
                    time = Next();
                    break;
                case "-G" or "--save-graph":
                    graph = Next();
                    break;
                case "-D" or "--save-dotfile":
                    dot = Next();
                    break;
                case "-O" or "--save-output":
                    save = Next();
                    break;
                case "-L" or "--live-check":
                    live = true;
                    break;
                case "-S" or "--simulate":
                    simulate = true;
                    break;
                case "-R" or "--run":
                    run = true;
                    break;
                case "-V" or "--verbose":
                    verbose = true;
                    break;
                case "-U" or "--show-utilization":
                    capacity = true;
                    break;
                case "-s" or "--show-scores":
                    scores = true;
                    break;
                case "-Q" or "--quiet":
                    quiet = true;
                    break;
                default:
                    write($"crm_simulate: option '{argument}' is not supported\n");
                    return 64;
            }
        }

        if (file is null == !live)
        {
            write("crm_simulate: give one of -x FILE and -L\n");
            return 64;
        }

        DateTimeOffset? set = time is null ? null : ParseTime(time);
        if (time is not null && set is null)
        {
            write($"crm_simulate: '{time}' is not a date\n");
            return 64;
        }

        XElement cib;
        try
        {
            cib = XElement.Parse(readFile(live ? "" : file!));
        }
        catch (System.Xml.XmlException e)
        {
            write($"crm_simulate: {file}: not XML: {e.Message}\n");
            return 65;
        }

        var parts = new SimulateParts
        {
            Summary = run || simulate,
            Simulate = simulate,
            Scores = scores && !quiet,
            Utilization = capacity && !quiet,
        };
        SimulateReport report = SimulateReport.Create(cib, set ?? now, parts, time);
        write(quiet ? (scores ? report.Scores : "") + (capacity ? report.Utilization : "") : report.Text);
        if (verbose)
        {
            write(string.Concat(report.Transition.Problems.Select(p => $"{p}\n")));
        }

        if (graph is not null)
        {
            writeFile(graph, GraphXml.Write(report.Transition));
        }

        if (dot is not null)
        {
            writeFile(dot, Dot(report.Transition));
        }

        if (save is not null)
        {
            writeFile(save, report.CibAfter.ToString());
        }

        return 0;
    }

    /// <summary>An ISO 8601 date and time, UTC unless it says otherwise; ordinal and week dates too.</summary>
    public static DateTimeOffset? ParseTime(string text) => DateRules.Parse(text);

    /// <summary>The transition for Graphviz: what will be done, and what waits for what.</summary>
    public static string Dot(Transition transition)
    {
        var text = new StringBuilder(" digraph \"g\" {\n");
        Dictionary<int, GraphAction> byId = transition.Synapses.ToDictionary(s => s.Action.Id, s => s.Action);
        foreach (Synapse s in transition.Synapses)
        {
            string color = s.Action.Kind == ActionKind.Pseudo ? "orange" : "black";
            text.Append(CultureInfo.InvariantCulture, $"\"{Name(s.Action)}\" [ style=bold color=\"green\" fontcolor=\"{color}\"]\n");
            foreach (int input in s.Inputs)
            {
                text.Append(CultureInfo.InvariantCulture, $"\"{Name(byId[input])}\" -> \"{Name(s.Action)}\" [ style = bold]\n");
            }
        }

        return text.Append("}\n").ToString();
    }

    private static string Name(GraphAction a) => a.Task switch
    {
        "stonith" => $"stonith '{a.Attributes.GetValueOrDefault("CRM_meta_stonith_action")}' {a.Node}",
        "cancel" => $"Cancel {a.Key} {a.Node}",
        _ when a.DisplayName is null && a.Node is not null => $"{a.Task} {a.Node}",
        _ => a.Node is null ? a.Key : $"{a.Key} {a.Node}",
    };
}
