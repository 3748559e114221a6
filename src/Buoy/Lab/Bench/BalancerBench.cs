using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using Spectre.Console;

namespace Buoy.Lab.Bench;

/// <summary>
/// <c>./buoy bench</c>: balancers on the same configuration, each in a network namespace with a server of its own, measured
/// by turns: CPU per unit of work, rate, 99th percentile, memory per idle connection. Where HAProxy is installed it runs
/// twice, so that the difference between it and itself shows how much of a ratio is noise; without it ours alone is measured.
/// </summary>
internal static class BalancerBench
{
    private const int IdleConnections = 2000;

    /// <summary>A workload: the generator's words, its connections (0 = as asked for), the port, what a unit is called.</summary>
    private sealed record Work(string Name, string Load, int Connections, int Port, string Unit, double Scale);

    private static readonly Work[] s_works =
    [
        // First, while the balancers hold no memory of earlier work.
        new("idle", "idle", IdleConnections, BenchSide.TcpPort, "conn", 1),
        new("conn", "connect", 0, BenchSide.TcpPort, "conn", 1),
        new("echo", "echo", 0, BenchSide.TcpPort, "msg", 1),
        new("down", "down", 4, BenchSide.TcpPort, "GB", 1e9),
        new("up", "up", 4, BenchSide.TcpPort, "GB", 1e9),
        new("h100", "http 100", 0, BenchSide.HttpPort, "req", 1),
        new("h10k", "http 10000", 0, BenchSide.HttpPort, "req", 1),
        new("h1m", "http 1000000", 16, BenchSide.HttpPort, "req", 1),
        new("hclose", "httpclose 100", 0, BenchSide.HttpPort, "req", 1),
    ];

    public static int Run(string[] args)
    {
        var works = new Option<string>("--workloads", "-w")
        {
            DefaultValueFactory = _ => string.Join(',', s_works.Select(w => w.Name)), HelpName = "NAME,…",
            Description = "what to measure: " + string.Join(", ", s_works.Select(w => w.Name)),
        };
        var rounds = new Option<int>("--rounds", "-r") { DefaultValueFactory = _ => 5, HelpName = "N" };
        var seconds = new Option<double>("--seconds", "-s") { DefaultValueFactory = _ => 2, HelpName = "S", Description = "per measurement" };
        var threads = new Option<int>("--threads", "-t") { DefaultValueFactory = _ => 1, HelpName = "N", Description = "nbthread" };
        var connections = new Option<int>("--connections", "-c") { DefaultValueFactory = _ => 64, HelpName = "N" };
        var other = new Option<string>("--other")
        {
            HelpName = "COMMAND", Description = "what to compare with; {cfg} is the configuration's path (default: haproxy where it is installed)",
        };
        var proxyCpus = new Option<string>("--proxy-cpus") { DefaultValueFactory = _ => "0", HelpName = "LIST" };
        var loadCpus = new Option<string>("--load-cpus") { DefaultValueFactory = _ => $"{Math.Max(0, Environment.ProcessorCount - 1)}", HelpName = "LIST" };
        var root = new RootCommand("Measures the balancer, beside HAProxy where that is installed. Needs root.")
        {
            works, rounds, seconds, threads, connections, other, proxyCpus, loadCpus,
        };
        int status = 0;
        root.SetAction(p =>
        {
            var chosen = p.GetValue(works)!.Split(',').Select(n => Array.Find(s_works, w => w.Name == n)
                ?? throw new LabException($"no workload '{n}'; known: {string.Join(", ", s_works.Select(w => w.Name))}")).ToList();
            string? rival = p.GetValue(other) ?? (InPath("haproxy") ? "haproxy -db -f {cfg}" : null);
            status = Compare(
                chosen, p.GetValue(rounds), p.GetValue(seconds), p.GetValue(connections), rival,
                new BenchSide.Setting(p.GetValue(threads), p.GetValue(proxyCpus)!, p.GetValue(loadCpus)!));
        });
        try
        {
            int usage = root.Parse(args).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
            return usage != 0 ? usage : status;
        }
        catch (LabException e)
        {
            Console.Error.WriteLine($"buoy bench: {e.Message}");
            return 1;
        }
    }

    private static int Compare(
        List<Work> works, int rounds, double seconds, int connections, string? rival, BenchSide.Setting setting)
    {
        string ours = $"{Environment.ProcessPath} balancer -db -f {{cfg}}";
        (string Name, string Command)[] commands = rival is null
            ? [("buoy", ours)] : [("haproxy", rival), ("again", rival), ("buoy", ours)];
        var sides = new List<BenchSide>();
        using var interrupted = OnSignal(PosixSignal.SIGINT, sides);
        using var terminated = OnSignal(PosixSignal.SIGTERM, sides);
        try
        {
            foreach (var (name, command) in commands)
            {
                sides.Add(new BenchSide(name, command, setting));
            }

            if (rival is null)
            {
                Console.WriteLine("haproxy is not installed: ours alone, without ratios");
            }

            var table = new Table { Border = TableBorder.Simple };
            table.AddColumns("workload", "unit", "rate/s", "CPU µs", "p50 µs", "p99 µs", "CPU ratio", "(noise)", "p99 ratio", "(noise)", "errors");
            foreach (var work in works)
            {
                var found = sides.ToDictionary(s => s, _ => new List<BenchSide.Figures>());
                for (int round = 0; round < (work.Name == "idle" ? 1 : rounds); round++)
                {
                    // By turns, and another one first each time.
                    foreach (var side in sides.Skip(round % sides.Count).Concat(sides.Take(round % sides.Count)))
                    {
                        int n = work.Connections > 0 ? work.Connections : connections;
                        found[side].Add(work.Name == "idle"
                            ? side.Idle(work.Port, n) : side.Measure(work.Load, work.Port, n, seconds, work.Scale));
                    }
                }

                Row(table, work, [.. sides.Select(s => Median(found[s]))]);
            }

            AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, 160);
            AnsiConsole.Write(table);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"medians of {rounds} rounds of {seconds} s, nbthread {setting.Threads}, {connections} connections, splicing on; "
                + $"rate and times are ours; ratio = ours / haproxy, lower is better; noise = haproxy / itself; idle: bytes of memory a connection"));
            return 0;
        }
        finally
        {
            sides.ForEach(s => s.Dispose());
        }
    }

    /// <summary>Whoever stops a benchmark wants no balancer left behind.</summary>
    private static PosixSignalRegistration OnSignal(PosixSignal signal, List<BenchSide> sides) =>
        PosixSignalRegistration.Create(signal, c =>
        {
            c.Cancel = true;
            foreach (var side in sides.ToArray())
            {
                side.Dispose();
            }

            Environment.Exit(130);
        });

    private static void Row(Table table, Work work, BenchSide.Figures[] m)
    {
        var ours = m[^1];
        string Ratio(double a, double b) => m.Length == 1 || b == 0 ? "" : (a / b).ToString("F3", CultureInfo.InvariantCulture);
        string Number(double v) => v == 0 ? "" : v.ToString(v < 100 ? "F2" : "F0", CultureInfo.InvariantCulture);
        table.AddRow(
            work.Name, work.Unit, Number(ours.Rate), Number(ours.Cpu), Number(ours.P50), Number(ours.P99), Ratio(ours.Cpu, m[0].Cpu),
            m.Length == 1 ? "" : Ratio(m[1].Cpu, m[0].Cpu), Ratio(ours.P99, m[0].P99), m.Length == 1 ? "" : Ratio(m[1].P99, m[0].P99),
            string.Join('/', m.Select(f => f.Errors)));
    }

    private static BenchSide.Figures Median(List<BenchSide.Figures> all)
    {
        double Of(Func<BenchSide.Figures, double> what)
        {
            var sorted = all.Select(what).Order().ToList();
            return (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
        }

        return new(Of(f => f.Rate), Of(f => f.Cpu), Of(f => f.P50), Of(f => f.P99), all.Sum(f => f.Errors));
    }

    private static bool InPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Any(d => File.Exists(Path.Combine(d, program)));
}
