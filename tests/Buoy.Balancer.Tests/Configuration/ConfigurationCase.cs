using System.Diagnostics;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.Configuration;

/// <summary>Reads configurations with ours and with the original and makes what they say comparable.</summary>
internal static partial class ConfigurationCase
{
    /// <summary>Our messages, one per line, without process id and folder, and the exit code of <c>-c</c>.</summary>
    public static string Ours(string path)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        int code = Buoy.Balancer.Host.BalancerProgram.Run(["-c", "-f", path], new Host.FakeParts(), [], output, error);
        return Plain(error.ToString(), path) + $"exit {code}\n";
    }

    /// <summary>The original's, or a skip where it is not installed.</summary>
    public static string Original(string path)
    {
        string program = SharedData.RequireProgram("haproxy");
        using var process = Process.Start(new ProcessStartInfo(program, ["-c", "-f", path])
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        _ = output.Result;
        return Plain(error, path) + $"exit {process.ExitCode}\n";
    }

    /// <summary>Path of a file of the cases.</summary>
    public static string Folder { get; } =
        Path.Combine(SharedData.Repository, "tests", "Buoy.Balancer.Tests", "Configuration", "cases");

    /// <summary>Loads text as a file; no names are looked up.</summary>
    public static LoadResult Load(string text)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, text);
            return ConfigurationLoader.Load([path]);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static string Plain(string messages, string path)
    {
        var lines = messages.Split('\n').Select(l => l.TrimEnd())
            .Where(l => l.Length > 0 && !l.StartsWith("[NOTICE]", StringComparison.Ordinal))
            .Select(l => Pid().Replace(l, "").Replace(path, Path.GetFileName(path)));
        return string.Concat(lines.Select(l => l + "\n"));
    }

    [GeneratedRegex(@"(?<=^\[\w+\]) +\(\d+\)")]
    private static partial Regex Pid();
}
