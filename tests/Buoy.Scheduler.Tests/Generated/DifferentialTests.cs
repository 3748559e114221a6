using System.Runtime.CompilerServices;
using System.Text;
using System.Xml.Linq;
using CsCheck;

namespace Buoy.Scheduler.Tests.Generated;

/// <summary>
/// The scheduler beside the original on generated CIBs. <c>differing.txt</c> lists the seeds of the suite where the two differ,
/// each with what is known about it; the list is exact in both directions. BUOY_SEEDS=FIRST+COUNT tries other seeds, and
/// BUOY_DIFF=folder takes each difference there, shrunk, and goes on.
/// </summary>
public sealed class DifferentialTests(ITestOutputHelper output)
{
    private const int SuiteCount = 200;

    /// <summary>Rounds after which a cluster in which everything succeeds must have come to rest.</summary>
    private const int RoundLimit = 10;

    [Fact]
    public void Compute_WideCibs_PlansAsTheOriginalDoes()
    {
        using var original = new OriginalSimulator();
        (uint first, int count) = Seeds();
        string? folder = Environment.GetEnvironmentVariable("BUOY_DIFF");
        HashSet<uint> known = Listed("differing.txt");
        var differing = new List<uint>();
        var problems = new StringBuilder();
        int aborted = 0;
        for (uint seed = first; seed < first + count; seed++)
        {
            XElement cib = WideCib.Generator.Generate(new PCG(seed, 1), null, out _);
            string[] differences;
            try
            {
                differences = Differences(original, cib);
            }
            catch (InvalidOperationException e)
                when (e.Message.Contains("fatal assertion") || e.Message.Contains("invalid transition"))
            {
                // A bug of the original: it aborts, or its own transition waits for itself.
                aborted++;
                continue;
            }

            if (differences.Length == 0)
            {
                if (known.Contains(seed))
                {
                    problems.AppendLine($"seed {seed} does not differ any more: take it out of differing.txt");
                }

                continue;
            }

            differing.Add(seed);
            if (folder is not null)
            {
                Save(original, cib, Path.Combine(folder, $"{seed}"));
            }
            else if (!known.Contains(seed))
            {
                cib = CibShrinker.Shrink(cib, c => Differences(original, c, refused: []).Length > 0);
                problems.AppendLine($"seed {seed}\n{Describe(original, cib)}\n{cib}");
            }
        }

        output.WriteLine($"seeds {first}+{count}: {differing.Count} differ, on {aborted} the original aborted");
        output.WriteLine(string.Join(' ', differing));
        Assert.True(problems.Length == 0 || folder is not null, problems.ToString());
    }

    [Fact]
    public void Compute_RoundAfterRound_ComesToRest()
    {
        (uint first, int count) = Seeds();
        HashSet<uint> known = Listed("restless.txt");
        var restless = new List<string>();
        int waiting = 0;
        for (uint seed = first; seed < first + count; seed++)
        {
            if (known.Contains(seed))
            {
                continue;
            }

            XElement cib = WideCib.Generator.Generate(new PCG(seed, 1), null, out _);
            int round = 0;
            for (; round < RoundLimit; round++)
            {
                Transition transition = Scheduler.Compute(cib, WideCib.Now);
                if (!transition.Synapses.Any(ChangesSomething))
                {
                    break;
                }

                (cib, IReadOnlyList<string> lines) = Simulation.Execute(cib, transition, WideCib.Now);
                if (lines.Any(l => l.Contains("terminated")))
                {
                    restless.Add($"{seed}: waits for itself");
                    waiting++;
                    break;
                }

                FinishedWork.Apply(cib, transition);
            }

            if (round == RoundLimit)
            {
                if (Environment.GetEnvironmentVariable("BUOY_DIFF") is { } folder)
                {
                    cib.Save(Path.Combine(folder, $"rest{seed}.xml"));
                }

                restless.Add($"{seed}: {string.Join("; ", Scheduler.Compute(cib, WideCib.Now).Synapses.Select(s => s.Action.Key))}");
            }
        }

        output.WriteLine($"seeds {first}+{count}: {restless.Count} do not end, {waiting} of them wait for themselves");
        Assert.True(restless.Count == 0, string.Join('\n', restless));
    }

    /// <summary>Monitors may run again and again, events are nothing by themselves.</summary>
    private static bool ChangesSomething(Synapse s) => s.Action.Kind != ActionKind.Pseudo
        && s.Action.Task is "start" or "stop" or "promote" or "demote" or "migrate_to" or "migrate_from" or "stonith" or "do_shutdown";

    private static HashSet<uint> Listed(string file) =>
        [.. File.ReadLines(Path.Combine(Path.GetDirectoryName(Here())!, file)).Select(l => uint.Parse(l.Split('\t')[0]))];

    private static string Here([CallerFilePath] string path = "") => path;

    private static void Save(OriginalSimulator original, XElement cib, string path)
    {
        cib = CibShrinker.Shrink(cib, c => Differences(original, c, refused: []).Length > 0);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path + ".txt", Describe(original, cib));
        cib.Save(path + ".xml");
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
