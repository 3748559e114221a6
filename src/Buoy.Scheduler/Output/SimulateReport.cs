using System.Globalization;
using System.Text;
using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>The parts of a report beside the status before.</summary>
public sealed record SimulateParts
{
    /// <summary>Status, summary, execution and the status after it (<c>-S</c>).</summary>
    public static readonly SimulateParts All = new() { Summary = true, Simulate = true };

    /// <summary>What would be done (<c>-R</c>).</summary>
    public bool Summary { get; init; }

    /// <summary>Execute the transition and show the result (<c>-S</c>).</summary>
    public bool Simulate { get; init; }

    /// <summary>The scores (<c>-s</c>).</summary>
    public bool Scores { get; init; }

    /// <summary>Capacities of the nodes before and after the assignment (<c>-U</c>).</summary>
    public bool Utilization { get; init; }
}

/// <summary>What crm_simulate prints for one CIB (SCHEDULER 6.1).</summary>
public sealed class SimulateReport
{
    private SimulateReport(Transition transition, string text, string scores, string utilization, XElement after) =>
        (Transition, Text, Scores, Utilization, CibAfter) = (transition, text, scores, utilization, after);

    public Transition Transition { get; }

    /// <summary>The whole output of <c>-S</c>.</summary>
    public string Text { get; }

    /// <summary>The score lines of <c>-s</c>.</summary>
    public string Scores { get; }

    /// <summary>The capacity lines of <c>-U</c>.</summary>
    public string Utilization { get; }

    /// <summary>The CIB after the simulated execution.</summary>
    public XElement CibAfter { get; }

    /// <summary>Runs the scheduler and, if asked, its transition.</summary>
    /// <param name="cib">The input; only read.</param>
    /// <param name="now">The time, unless the CIB has an execution-date and <paramref name="setTime"/> is null.</param>
    /// <param name="parts">What the report holds; null = what <c>-S</c> prints.</param>
    /// <param name="setTime">The text of an explicit time, as the user gave it.</param>
    public static SimulateReport Create(
        XElement cib, DateTimeOffset now, SimulateParts? parts = null, string? setTime = null)
    {
        parts ??= SimulateParts.All;
        var text = new StringBuilder();
        string? timeLine = null;
        if (setTime is not null)
        {
            timeLine = $"Setting effective cluster time: {setTime}";
        }
        else if (Values.Epoch((string?)cib.Attribute("execution-date")) is { } date)
        {
            now = date;
            string written = date.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
            timeLine = $"Using the original execution date of: {written}Z";
        }

        if ((string?)cib.Attribute("validate-with") == "none")
        {
            text.Append("Schema validation of configuration is disabled (support for validate-with set to \"none\" is "
                + "deprecated and will be removed in a future release)\n");
        }

        if (timeLine is not null)
        {
            text.Append(timeLine).Append('\n');
        }

        Run before = Run.Unpack(cib, now, Saved);
        Status(text, before.Cluster, "Current cluster status:");
        Run run = Run.Unpack(cib, now, Saved);
        run.Decide();
        Transition transition = run.ToTransition();
        string scoreText = ScoreText(transition);
        string utilization = UtilizationText(before.Cluster, run.Cluster);
        if (parts.Scores)
        {
            Section(text, "Assignment Scores:", scoreText.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }

        if (parts.Utilization)
        {
            Section(text, "Utilization Information:", utilization.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }

        if (parts.Summary)
        {
            Section(text, "Transition Summary:", transition.Summary);
        }

        XElement after = cib;
        if (parts.Simulate)
        {
            (after, IReadOnlyList<string> lines) = Simulation.Execute(cib, transition, now);
            text.Append("\nExecuting Cluster Transition:\n");
            foreach (string line in lines)
            {
                text.Append(line.StartsWith('*') ? "  " : "").Append(line).Append('\n');
            }

            if (timeLine is not null)
            {
                text.Append(timeLine).Append('\n');
            }

            text.Append('\n');
            StatusBlocks(text, Revised(after, now), "Revised Cluster Status:");
        }

        return new SimulateReport(transition, text.ToString(), scoreText, utilization, after);
    }

    /// <summary>The state afterwards; what was under way before has ended.</summary>
    private static Cluster Revised(XElement after, DateTimeOffset now)
    {
        Cluster cluster = Run.Unpack(after, now, Saved).Cluster;
        foreach (Resource leaf in cluster.AllLeafs())
        {
            leaf.PendingTask = null;
        }

        return cluster;
    }

    private static readonly SchedulerOptions Saved = new() { Sanitized = true };

    private static string ScoreText(Transition transition) => string.Concat(transition.Scores.Select(s =>
        s.Function == "promotion"
            ? $"{s.Resource} promotion score {(s.Node.Length == 0 ? "(inactive)" : $"on {s.Node}")}: {s.Score}\n"
            : $"{s.Function}: {s.Resource} allocation score on {s.Node}: {s.Score}\n"));

    private static void Section(StringBuilder text, string title, IEnumerable<string> lines)
    {
        text.Append('\n').Append(title).Append('\n');
        foreach (string line in lines)
        {
            text.Append("  * ").Append(line).Append('\n');
        }
    }

    private static string UtilizationText(Cluster before, Cluster after)
    {
        var text = new StringBuilder();
        foreach ((string word, Cluster cluster) in ((string, Cluster)[])[("Original", before), ("Remaining", after)])
        {
            foreach (Node node in cluster.Nodes)
            {
                text.Append(CultureInfo.InvariantCulture, $"{word}: {node.Name} capacity:");
                foreach ((string name, int capacity) in node.Capacity.OrderBy(p => p.Key, StringComparer.Ordinal))
                {
                    text.Append(CultureInfo.InvariantCulture, $" {name}={capacity}");
                }

                text.Append('\n');
            }
        }

        return text.ToString();
    }

    private static void Status(StringBuilder text, Cluster cluster, string title)
    {
        if (cluster.Options.MaintenanceMode)
        {
            text.Append("\n              *** Resource management is DISABLED ***\n"
                + "  The cluster will not attempt to start, stop or recover services\n\n");
        }

        if (cluster.DisabledCount > 0 || cluster.BlockedCount > 0)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"{cluster.DisabledCount} of {cluster.InstanceCount} resource instances DISABLED and "
                + $"{cluster.BlockedCount} BLOCKED from further action due to failure\n\n");
        }

        StatusBlocks(text, cluster, title);
    }

    private static void StatusBlocks(StringBuilder text, Cluster cluster, string title)
    {
        ClusterStatus status = ClusterStatus.Of(cluster);
        text.Append(title).Append("\n  * Node List:\n");
        foreach (string line in StatusText.NodeList(status))
        {
            text.Append("    ").Append(line).Append('\n');
        }

        text.Append("\n  * Full List of Resources:\n");
        foreach (string line in StatusText.Resources(status))
        {
            text.Append("    ").Append(line).Append('\n');
        }
    }
}
