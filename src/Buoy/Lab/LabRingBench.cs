using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Buoy.Demo;

namespace Buoy.Lab;

/// <summary>
/// <c>buoy lab ringbench</c> (<c>./buoy bench ring</c>): process groups of our cluster daemon against those of the real
/// Corosync, both in namespaces on this machine, with the same corosync.conf (aes256, sha256), by turns in one run;
/// medians are printed. Every node has one client that sends and receives. It needs root and an installed Corosync.
/// <c>--noise</c> takes a second Corosync in our place: what differs then is the machine's doing.
/// </summary>
internal static class LabRingBench
{
    private const int PatienceMs = 60_000;

    /// <summary>After this pause, ms, a daemon has no more memory than it keeps.</summary>
    private const int RestMs = 3000;

    private static readonly string[] s_ours = ["corosync", "ring"];
    private static readonly string[] s_noise = ["corosync", "its twin"];

    public static int Run(string[] args)
    {
        var nodes = new Option<string>("--nodes", "-n") { DefaultValueFactory = _ => "2,3,5", HelpName = "N,…" };
        var sizes = new Option<string>("--sizes", "-s") { DefaultValueFactory = _ => "100,1000,8000,64000", HelpName = "BYTES,…" };
        var seconds = new Option<double>("--seconds", "-t") { DefaultValueFactory = _ => 3, HelpName = "S" };
        var rounds = new Option<int>("--rounds", "-r") { DefaultValueFactory = _ => 3, HelpName = "R" };
        var noise = new Option<bool>("--noise") { Description = "Corosync against itself" };
        var root = new RootCommand("Process groups: ours against Corosync's, by turns.") { nodes, sizes, seconds, rounds, noise };
        int status = 0;
        root.SetAction(p =>
        {
            foreach (int n in Numbers(p.GetValue(nodes)!))
            {
                status |= Compare(
                    p.GetValue(noise) ? s_noise : s_ours, n, Numbers(p.GetValue(sizes)!), p.GetValue(seconds),
                    p.GetValue(rounds));
            }
        });
        int usage = root.Parse(args).Invoke();
        return usage != 0 ? usage : status;
    }

    private sealed record Figures(double Rate, double P50, double P99, double DaemonCpu, double ClientCpu, double Rss);

    private static int[] Numbers(string text) => [.. text.Split(',').Select(w => int.Parse(w, CultureInfo.InvariantCulture))];

    private static int Compare(string[] engines, int nodes, int[] sizes, double seconds, int rounds)
    {
        var worlds = new Dictionary<string, LabWorld>();
        try
        {
            foreach (string engine in engines)
            {
                worlds[engine] = Start(engine, nodes);
            }

            Console.WriteLine($"\n{nodes} nodes, every one sends; messages/s are ordered messages delivered at each node; "
                + "CPU is user and system time per message delivered, on one node; RSS at the end of the load, and at rest after it");
            Console.WriteLine(
                $"{"bytes",6} {"",-9} {"msgs/s",9} {"MB/s",7} {"p50 µs",8} {"p99 µs",8} {"daemon µs",10} {"client µs",10} {"RSS MB",7} {"rest MB",8}");
            foreach (int size in sizes)
            {
                var found = engines.ToDictionary(e => e, _ => new List<Figures>());
                for (int round = 0; round < rounds; round++)
                {
                    foreach (string engine in round % 2 == 0 ? engines : engines.Reverse())
                    {
                        found[engine].Add(Load(worlds[engine], engine, nodes, size, seconds));
                    }
                }

                Thread.Sleep(RestMs);
                var medians = engines.Select(e => Median(found[e])).ToArray();
                foreach (var (engine, m) in engines.Zip(medians))
                {
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"{size,6} {engine,-9} {m.Rate,9:F0} {m.Rate * size / 1e6,7:F1} {m.P50,8:F0} {m.P99,8:F0} "
                        + $"{m.DaemonCpu,10:F1} {m.ClientCpu,10:F1} {m.Rss / 1024,7:F1} {Resting(worlds[engine], engine) / 1024.0,8:F1}"));
                }

                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{"",6} {"2nd/1st",-9} {medians[1].Rate / medians[0].Rate,8:F2}x {"",7} {medians[1].P50 / medians[0].P50,7:F2}x "
                    + $"{medians[1].P99 / medians[0].P99,7:F2}x CPU of both "
                    + $"{(medians[1].DaemonCpu + medians[1].ClientCpu) / (medians[0].DaemonCpu + medians[0].ClientCpu):F2}x"));
            }

            return 0;
        }
        catch (LabException e)
        {
            Console.Error.WriteLine($"buoy bench ring: {e.Message}");
            return 1;
        }
        finally
        {
            foreach (var world in worlds.Values)
            {
                world.Dispose();
            }
        }
    }

    private static Figures Median(List<Figures> all)
    {
        double Of(Func<Figures, double> what)
        {
            var sorted = all.Select(what).Order().ToList();
            return sorted[sorted.Count / 2];
        }

        return new Figures(
            Of(f => f.Rate), Of(f => f.P50), Of(f => f.P99), Of(f => f.DaemonCpu), Of(f => f.ClientCpu), Of(f => f.Rss));
    }

    private static LabWorld Start(string engine, int nodes)
    {
        string program = Environment.ProcessPath!;
        var world = LabWorld.Create(program, SeedFiles.Load() with { CorosyncConf = Conf(nodes) }, nodes);
        foreach (string node in world.Nodes)
        {
            if (engine == "ring")
            {
                world.StartDaemon(node);
            }
            else
            {
                world.InNode(node, ["corosync"]).Require("corosync");
            }
        }

        var clock = Stopwatch.StartNew();
        string[] ask = engine == "ring" ? [program, "corosync-quorumtool", "-s"] : ["corosync-quorumtool", "-s"];
        while (!world.Nodes.All(n => world.InNode(n, ask).Output.Contains($"Total votes:      {nodes}", StringComparison.Ordinal)))
        {
            if (clock.ElapsedMilliseconds > PatienceMs)
            {
                throw new LabException($"{engine}: no ring of {nodes} nodes: " + world.InNode(world.Nodes[0], ask).Output);
            }
        }

        return world;
    }

    private static Figures Load(LabWorld world, string engine, int nodes, int size, double seconds)
    {
        var c = CultureInfo.InvariantCulture;
        var clients = world.Nodes.Select(n => LabProcess.Start(
            [
                .. world.NodePrefix(n), Environment.ProcessPath!, "lab", "ringload", engine == "ring" ? engine : "corosync",
                nodes.ToString(c), size.ToString(c), seconds.ToString(c), PidFile(engine),
            ],
            redirectInput: true)).ToList();
        var all = new List<Figures>();
        foreach (var client in clients)
        {
            if (client.StandardOutput.ReadLine()?.Split(' ') is not ["load", _, var rate, var p50, var p99, var daemon, var own, var rss])
            {
                string errors = client.StandardError.ReadToEnd();
                clients.ForEach(x => x.Kill(entireProcessTree: true));
                throw new LabException($"{engine}: a client failed: {errors}");
            }

            double D(string s) => double.Parse(s, c);
            all.Add(new Figures(D(rate), D(p50), D(p99), D(daemon), D(own), D(rss)));
        }

        foreach (var client in clients)
        {
            client.WaitForExit();
            client.Dispose();
        }

        return new Figures(
            all.Average(f => f.Rate), all.Average(f => f.P50), all.Max(f => f.P99), all.Average(f => f.DaemonCpu),
            all.Average(f => f.ClientCpu), all.Max(f => f.Rss));
    }

    /// <summary>Resident memory of the first node's daemon, kB.</summary>
    private static long Resting(LabWorld world, string engine) => LabProcess.Resident(
        world.InNode(world.Nodes[0], ["sh", "-c", "cat /proc/$(cat \"$1\")/status", "sh", PidFile(engine)])
            .Require("status of the daemon").Output.Split('\n'));

    private static string PidFile(string engine) => engine == "ring" ? "/run/buoy/cluster.pid" : "/run/corosync.pid";

    private static string Conf(int nodes) => $$"""
        totem {
          version: 2
          cluster_name: bench
          token: 3000
          crypto_cipher: aes256
          crypto_hash: sha256
        }
        nodelist {
        {{string.Join('\n', Enumerable.Range(1, nodes).Select(i => $"  node {{\n    ring0_addr: {LabNetwork.Seed.Node(i)}\n    "
            + $"nodeid: {i}\n    name: {LabNetwork.NodeName(i)}\n  }}"))}}
        }
        quorum {
          provider: corosync_votequorum
        }
        logging {
          to_stderr: no
          to_syslog: no
          to_logfile: yes
          logfile: /var/log/corosync/corosync.log
        }
        """;
}
