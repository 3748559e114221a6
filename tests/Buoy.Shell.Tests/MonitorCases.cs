using System.Diagnostics;
using System.Text.RegularExpressions;
using Buoy.Tests;

namespace Buoy.Shell.Tests;

/// <summary>
/// What crm_mon prints of a CIB file, the original beside ours. A line "OPTIONS: FILE" in monitor-passing.txt must be
/// the same text; BUOY_REWRITE=1 tries all and writes the list anew.
/// </summary>
public sealed partial class MonitorCases
{
    private static readonly string[] Forms = ["-1 -r -A -f", "-1 -n -o -t"];

    private static readonly string List = Path.Combine(SharedData.Repository, "tests", "Buoy.Shell.Tests",
        "monitor-passing.txt");

    [Fact]
    public void CrmMon_OfListedCibs_PrintsWhatTheOriginalPrints()
    {
        string folder = SharedData.Require("scheduler-cases/xml");
        string original = SharedData.RequireProgram("crm_mon");
        bool rewrite = Environment.GetEnvironmentVariable("BUOY_REWRITE") == "1";
        string[] listed = File.Exists(List) ? File.ReadAllLines(List) : [];
        string[] cases = rewrite
            ? [.. Directory.GetFiles(folder, "*.xml").Where(IsSimple).Select(f => Path.GetFileNameWithoutExtension(f))
                .Order(StringComparer.Ordinal).SelectMany(n => Forms.Select(f => $"{f}: {n}"))]
            : listed;
        var same = new List<string>();
        var problems = new List<string>();
        Parallel.ForEach(cases, new ParallelOptions { MaxDegreeOfParallelism = 4 }, line =>
        {
            string[] parts = line.Split(": ");
            string file = Path.Combine(folder, parts[1] + ".xml");
            (string expected, string actual) = (Original(original, file, parts[0]), Ours(file, parts[0]));
            lock (same)
            {
                if (expected == actual)
                {
                    same.Add(line);
                }
                else
                {
                    problems.Add($"{line}\nexpected:\n{expected}\nfound:\n{actual}");
                }
            }
        });
        if (rewrite)
        {
            File.WriteAllLines(List, same.Order(StringComparer.Ordinal));
            return;
        }

        Assert.NotEmpty(same);
        Assert.True(problems.Count == 0, string.Join("\n\n", problems.Take(5)));
    }

    /// <summary>Bundles and remote nodes are not supported; schemas that the original no longer accepts give no
    /// output.</summary>
    private static bool IsSimple(string file)
    {
        string text = File.ReadAllText(file);
        return !text.Contains("<bundle", StringComparison.Ordinal)
            && !text.Contains("remote", StringComparison.Ordinal);
    }

    private static string Original(string program, string file, string options)
    {
        var start = new ProcessStartInfo(program, options.Split(' '))
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["CIB_file"] = file;
        start.Environment["TZ"] = "";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output.Length == 0 ? $"no output, status {process.ExitCode}: {errors.Result}" : Masked(output);
    }

    private static string Ours(string file, string options)
    {
        var output = new StringWriter();
        var services = new ShellServices { CibFile = file, ControlSocket = "/nonexistent/cluster.sock" };
        Tools.ToolTable.Create(services)["crm_mon"](options.Split(' '), TextReader.Null, output, output);
        return Masked(output.ToString());
    }

    private static string Masked(string text) => Moment().Replace(text, "$1TIME").Trim('\n');

    [GeneratedRegex("(Last updated: ).*")]
    private static partial Regex Moment();
}
