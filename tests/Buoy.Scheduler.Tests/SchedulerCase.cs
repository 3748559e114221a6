using System.Text.RegularExpressions;
using System.Xml.Linq;
using Buoy.Scheduler;

namespace Buoy.Scheduler.Tests;

/// <summary>One of the scheduler cases beside the repository: an input CIB and what the original makes of it.</summary>
internal sealed partial record SchedulerCase(string Name, string Folder)
{
    /// <summary>Time of runs whose case fixes none.</summary>
    public static readonly DateTimeOffset DefaultNow = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static IReadOnlyList<SchedulerCase> All(string folder) =>
        [.. Directory.GetFiles(Path.Combine(folder, "xml"), "*.xml").Order(StringComparer.Ordinal)
            .Select(f => new SchedulerCase(Path.GetFileNameWithoutExtension(f), folder))];

    /// <summary>Differences to the original, empty when it matches.</summary>
    public List<string> Differences(out string text)
    {
        XElement cib = XElement.Load(Path.Combine(Folder, "xml", Name + ".xml"));
        string? time = Arguments();
        DateTimeOffset now = time is null
            ? DefaultNow
            : CrmSimulate.ParseTime(time) ?? throw new InvalidOperationException($"cannot read the time {time}");
        SimulateReport report = SimulateReport.Create(cib, now, setTime: time);
        text = report.Text;
        var differences = new List<string>();
        Compare("summary", Squeeze(Read("summary")), Squeeze(report.Text), differences);
        (List<string> nodes, List<string> edges) = Graph(XElement.Parse(Read("exp")));
        (List<string> ourNodes, List<string> ourEdges) = Graph(XElement.Parse(GraphXml.Write(report.Transition)));
        CompareSets("action", nodes, ourNodes, differences);
        CompareSets("edge", edges, ourEdges, differences);
        return differences;
    }

    /// <summary>Score lines that differ: a hint where a wrong decision began.</summary>
    public List<string> ScoreDifferences()
    {
        XElement cib = XElement.Load(Path.Combine(Folder, "xml", Name + ".xml"));
        string? time = Arguments();
        SimulateReport report = SimulateReport.Create(
            cib, time is null ? DefaultNow : CrmSimulate.ParseTime(time) ?? DefaultNow, setTime: time);
        string path = Path.Combine(Folder, "scores", Name + ".scores");
        var differences = new List<string>();
        if (File.Exists(path))
        {
            static string Line(string l) =>
                (l.StartsWith("pcmk__") ? l[(l.IndexOf(": ", StringComparison.Ordinal) + 2)..] : l).Trim();
            static List<string> Lines(string t) => [.. t.Split('\n').Where(l => l.Contains("score")).Select(Line)];
            CompareSets("score", Lines(File.ReadAllText(path)), Lines(report.Scores), differences);
        }

        return differences;
    }

    private string? Arguments() => File.ReadLines(Path.Combine(Folder, "ARGS.tsv"))
        .Where(l => l.StartsWith(Name + "\t", StringComparison.Ordinal))
        .Select(l => l[(l.IndexOf("-t ", StringComparison.Ordinal) + 3)..].Trim()).FirstOrDefault();

    private string Read(string kind) => File.ReadAllText(Path.Combine(Folder, kind, $"{Name}.{kind}"));

    private static List<string> Squeeze(string text) =>
        [.. text.Split('\n').Select(l => Blanks().Replace(l, "")).Where(l => l.Length > 0)];

    private static (List<string> Nodes, List<string> Edges) Graph(XElement graph)
    {
        var nodes = new List<string>();
        var edges = new List<string>();
        foreach (XElement synapse in graph.Elements("synapse"))
        {
            string[] mine = [.. synapse.Elements("action_set").Elements().Select(Key)];
            nodes.AddRange(mine);
            edges.AddRange(
                synapse.Elements("inputs").Elements("trigger").Elements().SelectMany(i => mine.Select(m => $"{Key(i)} -> {m}")));
        }

        return (nodes, [.. edges.Distinct()]);
    }

    private static string Key(XElement e)
    {
        string key = (string?)e.Attribute("operation_key") ?? $"{e.Attribute("operation")}:{e.Attribute("id")}";
        return $"{e.Name} {key} {(string?)e.Attribute("on_node")}";
    }

    private static void CompareSets(string what, List<string> expected, List<string> got, List<string> differences)
    {
        var left = new List<string>(got);
        foreach (string e in expected)
        {
            if (!left.Remove(e))
            {
                differences.Add($"missing {what} {e}");
            }
        }

        differences.AddRange(left.Select(g => $"extra {what} {g}"));
    }

    private static void Compare(string what, List<string> expected, List<string> got, List<string> differences)
    {
        if (expected.SequenceEqual(got))
        {
            return;
        }

        differences.AddRange(expected.Except(got).Select(l => $"{what} -{l}"));
        differences.AddRange(got.Except(expected).Select(l => $"{what} +{l}"));
        if (expected.Order().SequenceEqual(got.Order()))
        {
            differences.Add($"{what}: the same lines in another order");
        }
        else if (differences.Count == 0)
        {
            differences.Add($"{what}: the same lines in other numbers");
        }
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
