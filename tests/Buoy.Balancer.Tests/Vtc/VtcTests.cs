using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.Vtc;

/// <summary>
/// The programs of tests/vtc under Debian's varnishtest, with ours and with the original: a program that the original does
/// not pass says nothing about ours. By hand: tests/vtc/run.sh.
/// </summary>
public sealed class VtcTests(VtcRuns runs) : IClassFixture<VtcRuns>
{
    public static TheoryData<string> Programs => [.. Directory.GetFiles(VtcRuns.Folder, "*.vtc")
        .Select(f => Path.GetFileNameWithoutExtension(f)).Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Programs))]
    public void Ours(string program) => runs.Require(ours: true, program);

    [Theory, MemberData(nameof(Programs))]
    public void Original(string program) => runs.Require(ours: false, program);
}

/// <summary>All programs, run once for each balancer, two at a time.</summary>
public sealed partial class VtcRuns
{
    /// <summary>Seconds that one program may take.</summary>
    private const int Limit = 30;

    private readonly ConcurrentDictionary<bool, Lazy<Dictionary<string, string>>> _results = new();

    public static string Folder { get; } = Path.Combine(SharedData.Repository, "tests", "vtc");

    /// <summary>Fails with the program's log where it did not pass; a program that skipped itself did not pass either.</summary>
    public void Require(bool ours, string program)
    {
        string driver = SharedData.RequireProgram("varnishtest");
        string balancer = ours ? Ours() : SharedData.RequireProgram("haproxy");
        var all = _results.GetOrAdd(ours, _ => new(() => RunAll(driver, balancer))).Value;
        Assert.True(all.TryGetValue(program, out string? said), $"{program} was not run");
        Assert.True(said == "passed", said);
    }

    /// <summary>BUOY_PROGRAM; else the native program, where no source is newer; else what the build made.</summary>
    private static string Ours()
    {
        if (Environment.GetEnvironmentVariable("BUOY_PROGRAM") is { Length: > 0 } named)
        {
            return named;
        }

        string native = Path.Combine(SharedData.Repository, "out", "buoy");
        var sources = Directory.EnumerateFiles(Path.Combine(SharedData.Repository, "src"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/obj/", StringComparison.Ordinal));
        if (File.Exists(native) && sources.Max(File.GetLastWriteTimeUtc) <= File.GetLastWriteTimeUtc(native))
        {
            return native;
        }

        string built = Path.Combine(SharedData.Repository, "src", "Buoy", "bin", "Debug", "net10.0", "buoy");
        Assert.SkipUnless(File.Exists(built), "the program is not built: ./buoy build, dotnet build, or BUOY_PROGRAM");
        return built;
    }

    private static Dictionary<string, string> RunAll(string driver, string balancer)
    {
        string folder = Directory.CreateTempSubdirectory("vtc").FullName; // short: a socket's path ends at 107 bytes
        string link = Path.Combine(folder, "haproxy");
        File.CreateSymbolicLink(link, balancer);
        var results = new Dictionary<string, string>();
        try
        {
            var log = Run(driver, link, folder, Directory.GetFiles(Folder, "*.vtc"));
            foreach (Match m in Result().Matches(log))
            {
                results[Path.GetFileNameWithoutExtension(m.Groups[1].Value)] =
                    m.Groups[2].Value == "passed" ? "passed" : About(log, m.Groups[1].Value) + m.Value;
            }

            return results;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Run(string driver, string balancer, string folder, string[] programs)
    {
        var start = new ProcessStartInfo("env", ["--default-signal=INT,TERM", driver, "-k", "-j", "2", "-t", $"{Limit}", .. programs])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["TMPDIR"] = folder;
        start.Environment["HAPROXY_PROGRAM"] = balancer;
        start.Environment["HAPROXY_ARGS"] = "-dM";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        string log = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return log + error.Result;
    }

    /// <summary>The part of the log that is about this program.</summary>
    private static string About(string log, string program)
    {
        int from = log.IndexOf($"TEST {program} starting", StringComparison.Ordinal);
        int to = from < 0 ? -1 : log.IndexOf("#    top  TEST", from, StringComparison.Ordinal);
        return from < 0 ? "" : log[from..(to < 0 ? log.Length : to)];
    }

    [GeneratedRegex(@"^#    top  TEST (\S+) (passed|FAILED|skipped).*$", RegexOptions.Multiline)]
    private static partial Regex Result();
}
