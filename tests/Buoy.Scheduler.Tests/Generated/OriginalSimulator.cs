using System.Diagnostics;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Buoy.Tests;

namespace Buoy.Scheduler.Tests.Generated;

/// <summary>Runs the original's crm_simulate and reads what it plans.</summary>
internal sealed partial class OriginalSimulator : IDisposable
{
    private readonly string _program = SharedData.RequireProgram("crm_simulate");
    private readonly string _folder = Directory.CreateTempSubdirectory("buoy-scheduler-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The report of <c>-S</c>; a CIB that the original does not accept is an error of the generator.</summary>
    public string Run(XElement cib, params ReadOnlySpan<string> more)
    {
        string file = Path.Combine(_folder, "cib.xml");
        cib.Save(file);
        var start = new ProcessStartInfo(
            _program, ["-x", file, "-S", "-t", WideCib.Now.ToString("yyyy-MM-dd HH:mm:ss") + "Z", .. more])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LC_ALL"] = "C";
        start.Environment["CIB_shadow_dir"] = _folder;
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? text : throw new InvalidOperationException($"crm_simulate: {errors.Result}\n{text}");
    }

    /// <summary>The summary's lines in order, and the actions' lines sorted, of a report.</summary>
    public static (string[] Summary, string[] Actions) Read(string report)
    {
        int from = report.IndexOf("Transition Summary:", StringComparison.Ordinal);
        int mid = report.IndexOf("Executing Cluster Transition:", StringComparison.Ordinal);
        int to = report.IndexOf("Revised Cluster Status:", StringComparison.Ordinal);
        string[] Lines(int a, int b) =>
            [.. report[a..b].Split('\n').Select(l => Blanks().Replace(l, " ").Trim()).Where(l => l.Contains("* "))];
        return (Lines(from, mid), [.. Lines(mid, to).Order(StringComparer.Ordinal)]);
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
