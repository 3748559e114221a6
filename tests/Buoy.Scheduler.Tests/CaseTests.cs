using System.Runtime.CompilerServices;
using System.Text;
using Buoy.Tests;

namespace Buoy.Scheduler.Tests;

/// <summary>
/// Every case of the original's regression data. <c>passing.txt</c> lists those that must match; the list is kept exact in both
/// directions, BUOY_REWRITE=1 rewrites it, BUOY_CASE=name prints the differences of one,
/// BUOY_DIFF=file appends all differences to a file.
/// </summary>
public sealed class CaseTests(ITestOutputHelper output)
{
    [Fact]
    public void Compute_AllCases_MatchExactlyThoseListed()
    {
        string folder = SharedData.Require("scheduler-cases");
        string only = Environment.GetEnvironmentVariable("BUOY_CASE") ?? "";
        string list = Path.Combine(Path.GetDirectoryName(Here())!, "passing.txt");
        var listed = File.Exists(list) ? File.ReadAllLines(list).Where(l => l.Length > 0).ToHashSet() : [];
        var passing = new SortedSet<string>(StringComparer.Ordinal);
        var problems = new StringBuilder();
        foreach (SchedulerCase test in SchedulerCase.All(folder))
        {
            if (only.Length > 0 && test.Name != only)
            {
                continue;
            }

            List<string> differences;
            string text = "";
            try
            {
                differences = test.Differences(out text);
            }
            catch (Exception e)
            {
                problems.AppendLine($"{test.Name}: crashed: {e}");
                continue;
            }

            if (Environment.GetEnvironmentVariable("BUOY_DIFF") is { } diff && differences.Count > 0)
            {
                File.AppendAllText(
                    diff, $"=== {test.Name} {differences.Count}\n{string.Join('\n', differences)}\n"
                    + $"{string.Join('\n', test.ScoreDifferences().Take(12))}\n");
            }

            if (differences.Count == 0)
            {
                passing.Add(test.Name);
                if (!listed.Contains(test.Name) && only.Length == 0)
                {
                    problems.AppendLine($"{test.Name}: matches now; add it to passing.txt (BUOY_REWRITE=1)");
                }
            }
            else if (listed.Contains(test.Name))
            {
                problems.AppendLine($"{test.Name}: {string.Join("; ", differences.Take(8))}");
            }

            if (only.Length > 0)
            {
                output.WriteLine(text);
                output.WriteLine(string.Join('\n', differences));
                output.WriteLine(string.Join('\n', test.ScoreDifferences()));
            }
        }

        if (Environment.GetEnvironmentVariable("BUOY_REWRITE") == "1" && only.Length == 0)
        {
            File.WriteAllLines(list, passing);
            problems = new StringBuilder(problems.ToString().Split('\n').Where(l => l.Contains("crashed"))
                .Aggregate("", (a, b) => a + b + "\n").Trim());
        }

        Assert.True(problems.Length == 0, problems.ToString());
    }

    private static string Here([CallerFilePath] string path = "") => path;
}
