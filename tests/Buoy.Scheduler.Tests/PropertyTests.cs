using System.Diagnostics;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Buoy.Tests;
using CsCheck;

namespace Buoy.Scheduler.Tests;

public sealed partial class PropertyTests
{
    /// <summary>
    /// Tries the property on the same inputs in every run; BUOY_SEEDS=number tries that many new ones instead.
    /// </summary>
    private static void Check(int count, Action<XElement> property)
    {
        if (int.TryParse(Environment.GetEnvironmentVariable("BUOY_SEEDS"), out int wider))
        {
            SmallCib.Generator.Sample(property, iter: wider, threads: 1, print: c => c.ToString());
            return;
        }

        for (uint i = 0; i < count; i++)
        {
            property(SmallCib.Generator.Generate(new PCG(i, Seed), null, out _));
        }
    }

    private const ulong Seed = 20261122;

    [Fact]
    public void Compute_SameInputTwice_GivesTheSameTransition() => Check(
        300,
        cib => Assert.Equal(
            Text(Scheduler.Compute(cib, SmallCib.Now)), Text(Scheduler.Compute(new XElement(cib), SmallCib.Now))));

    [Fact]
    public void Compute_AfterItsTransitionIsDone_FindsNothingMore() => Check(
        300,
        cib =>
        {
            XElement after = cib;

            // A failure that made a node unusable may need a second look, after which all must be quiet.
            for (int round = 0; round < 3; round++)
            {
                Transition transition = Scheduler.Compute(after, SmallCib.Now);
                if (transition.Synapses.Count == 0)
                {
                    return;
                }

                (after, IReadOnlyList<string> lines) = Simulation.Execute(after, transition, SmallCib.Now);
                Assert.DoesNotContain(lines, l => l.Contains("terminated"));
            }

            Transition last = Scheduler.Compute(after, SmallCib.Now);
            Assert.True(last.Synapses.Count == 0, $"{string.Join('\n', last.Summary)}\n{cib}");
        });

    [Fact]
    public void Compute_SmallCibs_DecidesAsTheOriginalDoes()
    {
        string program = SharedData.RequireProgram("crm_simulate");
        string folder = Directory.CreateTempSubdirectory("buoy-scheduler-").FullName;
        try
        {
            Check(
                150,
                cib =>
                {
                    string original = Original(program, folder, cib);
                    string ours = SimulateReport.Create(cib, SmallCib.Now).Text;
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
                });
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
