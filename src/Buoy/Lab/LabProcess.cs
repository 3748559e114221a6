using System.Diagnostics;
using System.Globalization;

namespace Buoy.Lab;

/// <summary>What a command of the lab printed and how it ended.</summary>
internal sealed record LabResult(int Status, string Output, string Errors)
{
    /// <summary>The result, or an exception with what was printed when the status is not 0.</summary>
    public LabResult Require(string what) => Status == 0
        ? this
        : throw new LabException($"{what}: status {Status}\n{Output}{Errors}");
}

/// <summary>The lab could not do what was asked.</summary>
internal sealed class LabException(string message) : Exception(message);

/// <summary>Runs programs for the lab.</summary>
internal static class LabProcess
{
    /// <summary>Runs to the end and returns what was printed.</summary>
    public static LabResult Run(IEnumerable<string> command, string? input = null, int timeoutMs = 120_000)
    {
        using var p = Start(command, redirectInput: true);
        var output = p.StandardOutput.ReadToEndAsync();
        var errors = p.StandardError.ReadToEndAsync();
        if (input is not null)
        {
            p.StandardInput.Write(input);
        }

        p.StandardInput.Close();
        if (!p.WaitForExit(timeoutMs))
        {
            p.Kill(entireProcessTree: true);
            p.WaitForExit();
            return new LabResult(124, output.Result, errors.Result + $"\nnot finished after {timeoutMs} ms: {string.Join(' ', command)}");
        }

        p.WaitForExit();
        return new LabResult(p.ExitCode, output.Result, errors.Result);
    }

    /// <summary>Starts a program with all three streams redirected.</summary>
    public static Process Start(IEnumerable<string> command, bool redirectInput)
    {
        var words = command.ToArray();
        var info = new ProcessStartInfo(words[0], words[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = redirectInput,
            UseShellExecute = false,
        };
        return Process.Start(info) ?? throw new LabException($"cannot start {words[0]}");
    }

    /// <summary>Resident memory (VmRSS) in the text of a process's <c>/proc/PID/status</c>, kB.</summary>
    public static long Resident(IEnumerable<string> status) => long.Parse(
        status.First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal))[6..].Replace("kB", "", StringComparison.Ordinal),
        CultureInfo.InvariantCulture);
}
