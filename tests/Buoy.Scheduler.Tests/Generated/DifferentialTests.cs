using System.Text;
using System.Xml.Linq;
using CsCheck;

namespace Buoy.Scheduler.Tests.Generated;

/// <summary>
/// The scheduler beside the original on generated CIBs. BUOY_SEEDS=FIRST+COUNT tries others than the suite's; BUOY_DIFF=folder
/// takes each difference there, shrunk, and goes on.
/// </summary>
public sealed class DifferentialTests(ITestOutputHelper output)
{
    private const int SuiteCount = 300;

    [Fact]
    public void Compute_WideCibs_PlansAsTheOriginalDoes()
    {
        using var original = new OriginalSimulator();
        (uint first, int count) = Seeds();
        string? folder = Environment.GetEnvironmentVariable("BUOY_DIFF");
        int differing = 0, aborted = 0;
        for (uint seed = first; seed < first + count; seed++)
        {
            XElement cib = WideCib.Generator.Generate(new PCG(seed, 1), null, out _);
            string[] differences;
            try
            {
                differences = Differences(original, cib);
            }
            catch (InvalidOperationException e) when (e.Message.Contains("fatal assertion"))
            {
                // A bug of the original: it aborts.
                aborted++;
                continue;
            }

            if (differences.Length == 0)
            {
                continue;
            }

            differing++;
            cib = CibShrinker.Shrink(cib, c => Differences(original, c, refused: []).Length > 0);
            string text = Describe(original, cib);
            Assert.True(folder is not null, $"seed {seed}\n{text}\n{cib}");
            Directory.CreateDirectory(folder!);
            File.WriteAllText(Path.Combine(folder!, $"{seed}.txt"), text);
            cib.Save(Path.Combine(folder!, $"{seed}.xml"));
        }

        output.WriteLine($"compared {count}, differing {differing}, the original aborted on {aborted}");
    }

    private static (uint First, int Count) Seeds()
    {
        string[] parts = (Environment.GetEnvironmentVariable("BUOY_SEEDS") ?? "").Split('+');
        return parts.Length == 2 ? (uint.Parse(parts[0]), int.Parse(parts[1])) : (0, SuiteCount);
    }

    private static string[] Differences(OriginalSimulator original, XElement cib, string[]? refused = null)
    {
        string report;
        try
        {
            report = original.Run(cib);
        }
        catch (InvalidOperationException) when (refused is not null)
        {
            return refused;
        }

        (string[] summary, string[] actions) = OriginalSimulator.Read(report);
        (string[] ourSummary, string[] ourActions) = OriginalSimulator.Read(Ours(cib));
        var all = new List<string>();
        Compare(summary, ourSummary, all);
        Compare(actions, ourActions, all);
        return [.. all];
    }

    private static string Ours(XElement cib)
    {
        try
        {
            return SimulateReport.Create(cib, WideCib.Now).Text;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return $"Transition Summary:\n * crashed: {e}\nExecuting Cluster Transition:\nRevised Cluster Status:\n";
        }
    }

    private static void Compare(string[] theirs, string[] ours, List<string> into)
    {
        if (theirs.SequenceEqual(ours))
        {
            return;
        }

        var rest = new List<string>(ours);
        into.AddRange(theirs.Where(l => !rest.Remove(l)).Select(l => $"- {l}"));
        into.AddRange(rest.Select(l => $"+ {l}"));
        if (into.Count == 0)
        {
            into.Add("order of lines");
        }
    }

    private static string Describe(OriginalSimulator original, XElement cib)
    {
        var text = new StringBuilder(string.Join('\n', Differences(original, cib))).Append("\n\n");
        static IEnumerable<string> Scores(string t) => t.Split('\n').Where(l => l.Contains(" score on "))
            .Select(l => l[(l.IndexOf(": ", StringComparison.Ordinal) + 2)..]);
        var scores = new List<string>();
        SimulateReport ours = SimulateReport.Create(cib, WideCib.Now);
        Compare([.. Scores(original.Run(cib, "-s"))], [.. Scores(ours.Scores)], scores);
        return text.Append("scores\n").AppendJoin('\n', scores).Append('\n').ToString();
    }
}
