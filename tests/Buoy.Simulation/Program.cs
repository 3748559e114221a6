using System.Diagnostics;
using System.Globalization;

namespace Buoy.Simulation;

/// <summary><c>sim</c> runs seeds; every other command line is the test runner's.</summary>
internal static class Program
{
    private const int Chunk = 500;
    private const string Usage = "usage: sim --seeds N [--from S] [--jobs N] | sim --seed S [--trace]   (--brief: as the tests run them)\n"
        + "       sim --cases [--rewrite]";

    public static int Main(string[] args)
    {
        if (args is ["sim", "--cases", .. var words] && words is [] or ["--rewrite"])
        {
            return Cases(words.Length > 0);
        }

        if (args is ["sim", .. var rest])
        {
            return Simulate(rest);
        }

        return args.Any(a => a is "-automated" or "@@")
            ? Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args).GetAwaiter().GetResult()
            : Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(
                args, SelfRegisteredExtensions.AddSelfRegisteredExtensions).GetAwaiter().GetResult();
    }

    /// <summary>All scenario files; 0 = each gave its trace.</summary>
    private static int Cases(bool rewrite)
    {
        int failed = 0;
        foreach (string path in Directory.GetFiles(CaseTests.Folder, "*.case").Order(StringComparer.Ordinal))
        {
            var file = new CaseFile(File.ReadAllText(path));
            string trace = file.Run();
            bool same = trace == file.Expected;
            bool sound = !trace.Contains("VIOLATION", StringComparison.Ordinal);
            if (rewrite && sound && !same)
            {
                File.WriteAllText(path, file.With(trace));
            }

            failed += sound && (same || rewrite) ? 0 : 1;
            Console.WriteLine($"{(sound ? same ? "same     " : rewrite ? "rewritten" : "DIFFERS  " : "VIOLATION")} {Path.GetFileName(path)}");
        }

        return failed == 0 ? 0 : 1;
    }

    /// <summary>0: every invariant held; 1: a violation, printed with its seed; 2: a wrong command line.</summary>
    private static int Simulate(string[] args)
    {
        int seeds = 500;
        int from = 1;
        int jobs = 0;
        int? one = null;
        bool trace = false;
        bool brief = false;
        for (int i = 0; i < args.Length; i++)
        {
            if (args[i] is "--trace" or "--brief")
            {
                trace |= args[i] == "--trace";
                brief |= args[i] == "--brief";
                continue;
            }

            if (i + 1 == args.Length || !int.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture,
                out int value) || args[i] is not ("--seeds" or "--from" or "--seed" or "--jobs"))
            {
                Console.Error.WriteLine($"sim: '{string.Join(' ', args[i..])}' is not understood\n{Usage}");
                return 2;
            }

            i++;
            _ = args[i - 1] switch { "--seeds" => seeds = value, "--from" => from = value, "--jobs" => jobs = value, _ => (one = value).Value };
        }

        if (trace && one is null)
        {
            Console.Error.WriteLine($"sim: --trace needs --seed\n{Usage}");
            return 2;
        }

        return one is { } seed ? One(seed, trace, brief) : Many(from, seeds, brief, jobs);
    }

    private static int One(int seed, bool trace, bool brief)
    {
        var (totals, failure) = SeedRun.Run(seed, Mutation.None, out var simulation, brief);
        if (trace)
        {
            SeedRun.Trace(simulation, Console.Out);
        }

        Console.WriteLine($"seed {seed}: {totals}; trace {TraceHash.Of(simulation):x16}");
        Console.WriteLine(failure ?? "no violation");
        return failure is null ? 0 : 1;
    }

    private static int Many(int from, int seeds, bool brief, int jobs)
    {
        var watch = Stopwatch.StartNew();
        var totals = SeedTotals.None;
        int failed = 0;
        for (int done = 0; done < seeds; done += Chunk)
        {
            var (run, failures) = SeedRun.Many(from + done, Math.Min(Chunk, seeds - done), brief, jobs);
            totals += run;
            failed += failures.Count;
            failures.ForEach(Console.WriteLine);
        }

        Console.WriteLine($"{seeds} seeds from {from}: {totals}; {failed} seeds with violations; "
            + $"{watch.Elapsed.TotalSeconds:F0} s");
        return failed == 0 ? 0 : 1;
    }
}
