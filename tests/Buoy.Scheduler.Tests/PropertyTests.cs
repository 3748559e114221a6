using System.Diagnostics;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Buoy.Tests;
using CsCheck;

namespace Buoy.Scheduler.Tests;

public sealed partial class PropertyTests
{
    [Fact]
    public void Compute_SameInputTwice_GivesTheSameTransition() =>
        SmallCib.Generator.Sample(
            cib => Text(Scheduler.Compute(cib, SmallCib.Now)) == Text(Scheduler.Compute(new XElement(cib), SmallCib.Now)),
            iter: 300, print: c => c.ToString());

    [Fact]
    public void Compute_AfterItsTransitionIsDone_FindsNothingMore() =>
        SmallCib.Generator.Sample(
            cib =>
            {
                XElement after = cib;

                // A failure that made a node unusable may need a second look, after which all must be quiet.
                for (int round = 0; round < 3; round++)
                {
                    Transition transition = Scheduler.Compute(after, SmallCib.Now);
                    if (transition.Synapses.Count == 0)
                    {
                        return true;
                    }

                    (after, IReadOnlyList<string> lines) = Simulation.Execute(after, transition, SmallCib.Now);
                    if (lines.Any(l => l.Contains("terminated")))
                    {
                        return false;
                    }
                }

                Transition last = Scheduler.Compute(after, SmallCib.Now);
                return last.Synapses.Count == 0
                    ? true
                    : throw new InvalidOperationException($"{string.Join('\n', last.Summary)}\n{cib}");
            },
            iter: 300);

    [Fact]
    public void Compute_SmallCibs_DecidesAsTheOriginalDoes()
    {
        string program = SharedData.RequireProgram("crm_simulate");
        string folder = Directory.CreateTempSubdirectory("buoy-scheduler-").FullName;
        try
        {
            SmallCib.Generator.Sample(
                cib =>
                {
                    string original = Original(program, folder, cib);
                    string ours = SimulateReport.Create(cib, SmallCib.Now, simulate: true).Text;
                    string[] a = Summary(original), b = Summary(ours);
                    if (cib.Descendants("group").Any())
                    {
                        // Known difference: which of several reasons a group's later member shows.
                        a = [.. a.Select(l => Reason().Replace(l, ""))];
                        b = [.. b.Select(l => Reason().Replace(l, ""))];
                    }

                    if (!a.SequenceEqual(b))
                    {
                        throw new InvalidOperationException(
                            $"original:\n{string.Join('\n', a)}\nours:\n{string.Join('\n', b)}\n{original}\n{cib}");
                    }
                },
                iter: 150, threads: 1);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Text(Transition t) => GraphXml.Write(t) + string.Join('\n', t.Summary);

    private static string[] Summary(string report)
    {
        int from = report.IndexOf("Transition Summary:", StringComparison.Ordinal);
        int to = report.IndexOf("Executing Cluster Transition:", StringComparison.Ordinal);
        return [.. report[from..to].Split('\n').Select(l => Blanks().Replace(l, " ").Trim()).Where(l => l.Length > 0)];
    }

    private static string Original(string program, string folder, XElement cib)
    {
        string file = Path.Combine(folder, "cib.xml");
        cib.Save(file);
        var start = new ProcessStartInfo(program, ["-x", file, "-S", "-t", SmallCib.Now.ToString("yyyy-MM-dd HH:mm:ss") + "Z"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LC_ALL"] = "C";
        start.Environment["CIB_shadow_dir"] = folder;
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? text : throw new InvalidOperationException($"crm_simulate: {errors.Result}\n{text}");
    }

    [GeneratedRegex(@" due to (required|unrunnable|colocation with) \S+( \S+)??(?= \(blocked\)|$)")]
    private static partial Regex Reason();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
