using System.Diagnostics;
using System.Globalization;

namespace Buoy.Lab.Bench;

/// <summary>One balancer in a network namespace of its own with a server of its own; ends all it started.</summary>
internal sealed class BenchSide : IDisposable
{
    public const int TcpPort = 8001;
    public const int HttpPort = 8002;
    private const int ServerPort = 9000;
    private readonly List<Process> _processes = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("buoy-bench-").FullName;
    private readonly Setting _setting;
    private int _disposed;
    private readonly string _name;
    private readonly string[] _enter;
    private readonly Process _proxy;

    public BenchSide(string name, string command, Setting setting)
    {
        (_name, _setting) = (name, setting);
        try
        {
            // A process that waits for the end of its input keeps the namespace.
            var keeper = Start(["unshare", "-n", "sh", "-c", "ip link set lo up && echo up && exec cat"], "up", $"{name}: a network namespace");
            _enter = ["nsenter", "-t", keeper.Id.ToString(CultureInfo.InvariantCulture), "-n", "--"];
            Start(
                [.. _enter, "taskset", "-c", setting.LoadCpus, Environment.ProcessPath!, "lab", "benchbackend", $"{ServerPort}"], "up",
                $"{name}: the server");
            string config = Path.Combine(_folder, "bench.cfg");
            File.WriteAllText(config, Config(setting.Threads));
            string[] words = command.Replace("{cfg}", config, StringComparison.Ordinal).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            _proxy = Start([.. _enter, "taskset", "-c", setting.ProxyCpus, .. words], null, name);
            _proxy.BeginOutputReadLine();
            _proxy.BeginErrorReadLine();
            AwaitService(name);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>nbthread, and the processors of the balancer and of load and server, as taskset takes them.</summary>
    public sealed record Setting(int Threads, string ProxyCpus, string LoadCpus);

    /// <summary>Units per second; CPU µs per unit (idle: bytes per connection); times in µs.</summary>
    public sealed record Figures(double Rate, double Cpu, double P50, double P99, long Errors);

    /// <summary>Loads it once.</summary>
    /// <param name="load">The generator's kind with its size.</param>
    /// <param name="port">Where to.</param>
    /// <param name="connections">How many at once.</param>
    /// <param name="seconds">How long, the warm-up in it.</param>
    /// <param name="scale">Generator's units in one of ours (bytes in a GB).</param>
    public Figures Measure(string load, int port, int connections, double seconds, double scale)
    {
        var c = CultureInfo.InvariantCulture;
        using var p = LabProcess.Start(
            [
                .. _enter, "taskset", "-c", _setting.LoadCpus, Environment.ProcessPath!, "lab", "benchload", .. load.Split(' '),
                port.ToString(c), connections.ToString(c), seconds.ToString(c),
            ],
            redirectInput: true);
        if (p.StandardOutput.ReadLine() != "begin")
        {
            throw new LabException($"the load generator failed: {p.StandardError.ReadToEnd()}");
        }

        double before = CpuSeconds();
        string[] said = p.StandardOutput.ReadLine()?.Split(' ') ?? [];
        double used = CpuSeconds() - before;
        p.WaitForExit();
        if (p.StandardError.ReadToEnd() is { Length: > 0 } complaint)
        {
            Console.Error.Write($"{_name}: {complaint}");
        }

        if (said is not ["load", var units, var took, var p50, var p99, var errors])
        {
            throw new LabException("the load generator failed");
        }

        double n = double.Parse(units, c) / scale;
        return new(
            n / double.Parse(took, c), n > 0 ? used * 1e6 / n : 0, scale > 1 ? 0 : double.Parse(p50, c), scale > 1 ? 0 : double.Parse(p99, c),
            long.Parse(errors, c));
    }

    /// <summary>Memory (proportional set size) that connections take which do nothing.</summary>
    public Figures Idle(int port, int connections)
    {
        var c = CultureInfo.InvariantCulture;
        long before = Pss();
        using var p = LabProcess.Start(
            [.. _enter, Environment.ProcessPath!, "lab", "benchload", "idle", port.ToString(c), connections.ToString(c), "0"], redirectInput: true);
        string said = p.StandardOutput.ReadLine() ?? "";
        long after = Pss();
        p.StandardInput.Close();
        p.WaitForExit();
        long held = said.StartsWith("held ", StringComparison.Ordinal) ? long.Parse(said[5..], c) : 0;
        return new(0, held > 0 ? (double)(after - before) / held : 0, 0, 0, connections - held);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        foreach (var p in Enumerable.Reverse(_processes))
        {
            if (!p.HasExited)
            {
                p.Kill(entireProcessTree: true);
                p.WaitForExit();
            }

            p.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private static string Config(int threads) => $"""
        global
          nbthread {threads}
          maxconn 7000
        defaults
          timeout connect 5s
          timeout client 60s
          timeout server 60s
          option splice-request
          option splice-response
          retries 1
        frontend t
          mode tcp
          bind 127.0.0.1:{TcpPort}
          default_backend ts
        backend ts
          mode tcp
          server s 127.0.0.1:{ServerPort} check inter 2s
        frontend h
          mode http
          bind 127.0.0.1:{HttpPort}
          default_backend hs
        backend hs
          mode http
          server s 127.0.0.1:{ServerPort} check inter 2s

        """;

    /// <summary>Starts it and, where a word is given, reads that as its first line.</summary>
    private Process Start(string[] command, string? word, string what)
    {
        var p = LabProcess.Start(command, redirectInput: true);
        _processes.Add(p);
        if (word is not null && p.StandardOutput.ReadLine() != word)
        {
            throw new LabException($"{what} does not start: {p.StandardError.ReadToEnd()}");
        }

        return p;
    }

    private void AwaitService(string name)
    {
        for (var clock = Stopwatch.StartNew(); ;)
        {
            var r = LabProcess.Run([.. _enter, Environment.ProcessPath!, "lab", "benchload", "http", "100", $"{HttpPort}", "1", "0.05"]);
            if (r.Status == 0 && r.Output.Split('\n').FirstOrDefault(l => l.StartsWith("load ", StringComparison.Ordinal))?.Split(' ') is { } f
                && f[1] != "0" && f[^1] == "0")
            {
                return;
            }

            if (_proxy.HasExited || clock.Elapsed > TimeSpan.FromSeconds(10))
            {
                throw new LabException($"{name} does not serve" + (_proxy.HasExited ? $" (it ended with status {_proxy.ExitCode})" : ""));
            }
        }
    }

    /// <summary>Processor time of all its threads so far, seconds (schedstat, in ns).</summary>
    private double CpuSeconds() => Directory.GetDirectories($"/proc/{_proxy.Id}/task").Sum(static t =>
        double.Parse(File.ReadAllText(t + "/schedstat").Split(' ')[0], CultureInfo.InvariantCulture)) / 1e9;

    private long Pss() => File.ReadLines($"/proc/{_proxy.Id}/smaps_rollup").Where(static l => l.StartsWith("Pss:", StringComparison.Ordinal))
        .Sum(static l => long.Parse(l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)) * 1024;
}
