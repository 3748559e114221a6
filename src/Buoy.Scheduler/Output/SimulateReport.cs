using System.Globalization;
using System.Text;
using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>What crm_simulate prints for one CIB (SCHEDULER 6.1).</summary>
public sealed class SimulateReport
{
    private SimulateReport(Transition transition, string text, string scores, XElement after) =>
        (Transition, Text, Scores, CibAfter) = (transition, text, scores, after);

    public Transition Transition { get; }

    /// <summary>The whole output of <c>-S</c>.</summary>
    public string Text { get; }

    /// <summary>The score lines of <c>-s</c>.</summary>
    public string Scores { get; }

    /// <summary>The CIB after the simulated execution.</summary>
    public XElement CibAfter { get; }

    /// <summary>Runs the scheduler and, if asked, its transition.</summary>
    /// <param name="cib">The input; only read.</param>
    /// <param name="now">The time, unless the CIB has an execution-date and <paramref name="setTime"/> is null.</param>
    /// <param name="simulate">Execute the transition and show the result.</param>
    /// <param name="setTime">The text of an explicit time, as the user gave it.</param>
    /// <param name="scores">Print scores within the report.</param>
    public static SimulateReport Create(
        XElement cib, DateTimeOffset now, bool simulate = true, string? setTime = null, bool scores = false)
    {
        var text = new StringBuilder();
        string? timeLine = null;
        if (setTime is not null)
        {
            timeLine = $"Setting effective cluster time: {setTime}";
        }
        else if (Values.Epoch((string?)cib.Attribute("execution-date")) is { } date)
        {
            now = date;
            timeLine = $"Using the original execution date of: {date.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)}Z";
        }

        if ((string?)cib.Attribute("validate-with") == "none")
        {
            text.Append("Schema validation of configuration is disabled (support for validate-with set to \"none\" is deprecated and will be removed in a future release)\n");
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
        if (scores)
        {
            text.Append("\nAssignment Scores:\n");
            foreach (string line in scoreText.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                text.Append("  * ").Append(line).Append('\n');
            }
        }

        text.Append("\nTransition Summary:\n");
        foreach (string line in transition.Summary)
        {
            text.Append("  * ").Append(line).Append('\n');
        }

        XElement after = cib;
        if (simulate)
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

        return new SimulateReport(transition, text.ToString(), scoreText, after);
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

    private static void Status(StringBuilder text, Cluster cluster, string title)
    {
        bool head = false;
        if (cluster.Options.MaintenanceMode)
        {
            text.Append("\n              *** Resource management is DISABLED ***\n"
                + "  The cluster will not attempt to start, stop or recover services\n\n");
            head = true;
        }

        if (cluster.DisabledCount > 0 || cluster.BlockedCount > 0)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"{cluster.DisabledCount} of {cluster.InstanceCount} resource instances DISABLED and "
                + $"{cluster.BlockedCount} BLOCKED from further action due to failure\n\n");
            head = true;
        }

        _ = head;
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
