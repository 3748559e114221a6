using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>Seeds: random faults on random clusters, every invariant checked. One seed again: BUOY_SEED=n.</summary>
public sealed class SweepTests(ITestOutputHelper output)
{
    private const int Seeds = 200;

    [Fact]
    public void Sweep_OfSeeds_KeepsEveryInvariant()
    {
        int[] seeds = Environment.GetEnvironmentVariable("BUOY_SEED") is { Length: > 0 } one
            ? [int.Parse(one)]
            : [.. Enumerable.Range(int.TryParse(Environment.GetEnvironmentVariable("BUOY_SEED_FROM"), out int from)
                ? from : 1,
                int.TryParse(Environment.GetEnvironmentVariable("BUOY_SEEDS"), out int count) ? count : Seeds)];
        var failures = new System.Collections.Concurrent.ConcurrentBag<string>();
        long datagrams = 0;
        Parallel.ForEach(seeds, new ParallelOptions { MaxDegreeOfParallelism = 2 }, seed =>
        {
            if (RunSeed(seed, Mutation.None, out long sent) is { } failure)
            {
                failures.Add(failure);
            }

            Interlocked.Add(ref datagrams, sent);
        });
        output.WriteLine($"{seeds.Length} seeds, {datagrams} datagrams");
        Assert.True(failures.IsEmpty, $"{failures.Count} seeds failed\n" + string.Join('\n', failures.Take(10)));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(30)]
    public void Sweep_WithAccusationsAtRandom_StaysSafe(int oneIn)
    {
        var failures = Enumerable.Range(1, 25).Select(seed => RunSeed(seed,
            new Mutation { RandomAccusations = oneIn }, out _))
            .OfType<string>().ToList();
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    public static TheoryData<string> Mutations() => [.. Broken.Keys];

    [Theory]
    [MemberData(nameof(Mutations))]
    public void Sweep_OfABrokenVariant_IsCaught(string name)
    {
        for (int seed = 1; seed <= 60; seed++)
        {
            if (RunSeed(seed, Broken[name], out _) is { } failure)
            {
                output.WriteLine(failure);
                return;
            }
        }

        Assert.Fail($"'{name}' was not caught in 60 seeds");
    }

    private static readonly Dictionary<string, Mutation> Broken = new()
    {
        ["a restarted node forgot its ring seq"] = new Mutation { ForgetsDisk = true },
        ["recovery exchanges nothing"] = new Mutation
        {
            Alters = m => m is CommitTokenMessage c ? c with { Members = [.. c.Members.Select(e =>
                e with { ReceivedFlag = true })] } : m,
        },
        ["aru claims what members lack"] = new Mutation
        {
            Alters = m => m is TokenMessage t ? t with { Aru = t.Seq, AruId = 0 } : m,
        },
        ["what was delivered is not told"] = new Mutation
        {
            Alters = m => m is CommitTokenMessage c ? c with { Members = [.. c.Members.Select(e =>
                e with { HighDelivered = 0 })] } : m,
        },
        ["members claim more than they hold"] = new Mutation
        {
            Alters = m => m is CommitTokenMessage c ? c with { Members = [.. c.Members.Select(e =>
                e with { OldAru = e.OldAru + 20 })] } : m,
        },
    };

    private static string? RunSeed(int seed, Mutation mutation, out long datagrams)
    {
        var simulation = new Simulation(seed, 2 + (seed % 7), mutation);
        datagrams = 0;
        try
        {
            simulation.StartAll();
            simulation.Run(500);
            for (int step = 0; step < 60; step++)
            {
                simulation.Disturb();
                simulation.Run(simulation.Random.Next(4) switch { 0 => 5, 1 => 40, 2 => 150, _ =>
                    simulation.Random.Next(900) });
            }

            datagrams = simulation.Datagrams;
            if (mutation == Mutation.None && Settle(simulation) is { } restless)
            {
                return Failure(seed, [restless]);
            }

            var violations = InvariantChecker.Check(simulation.Nodes);
            return violations.Count == 0 ? null : Failure(seed, violations);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return Failure(seed, ["E15: " + e]);
        }
    }

    /// <summary>E13: faults end, one ring, and messages arrive. E14: then nothing changes.</summary>
    private static string? Settle(Simulation simulation)
    {
        simulation.Heal();
        simulation.Quality(0, 0, 2);
        foreach (var node in simulation.Nodes)
        {
            node.PausedUntil = 0;
            node.FailNextWrite = false;
        }

        simulation.StartAll();
        if (!simulation.RunUntil(simulation.IsOneRing, (2 * TotemLimits.MergeBackoff) + 5000))
        {
            return "E13: no common ring: " + string.Join(" ", simulation.Nodes.Select(n =>
                $"{n.Id}:{n.Core!.State} {n.Ring} {n.Core.Members}"));
        }

        foreach (var node in simulation.Nodes)
        {
            simulation.SendFrom(node, safe: true);
        }

        simulation.Run(1000);
        var ring = simulation.Node(1).Ring;
        simulation.Run(3000);
        if (!simulation.IsOneRing() || simulation.Node(1).Ring != ring)
        {
            return "E14: the configuration changed without a fault";
        }

        var counts = simulation.Nodes.Select(n => n.Log.OfType<Delivered>().Count(d =>
            d.Message.RingId == ring)).Distinct().ToList();
        return counts is [> 0] ? null : "E13: messages delivered on the last ring: " + string.Join(", ", counts);
    }

    private static string Failure(int seed, IReadOnlyList<string> violations) =>
        $"seed {seed}: {violations.Count} violations; replay with BUOY_SEED={seed} dotnet run --project tests/Buoy.Simulation\n  "
        + string.Join("\n  ", violations.Take(6));
}
