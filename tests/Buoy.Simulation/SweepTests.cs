using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>Seeds: random faults on random clusters, every invariant checked. More: BUOY_SEEDS=n, BUOY_SEED_FROM=n.</summary>
public sealed class SweepTests(ITestOutputHelper output)
{
    private const int Seeds = 500;
    private const int FullSeeds = 100;

    [Fact]
    public void Sweep_OfSeeds_KeepsEveryInvariant() =>
        Sweep(SeedRun.Number("BUOY_SEED_FROM", 1), SeedRun.Number("BUOY_SEEDS", Seeds), brief: true);

    [Fact]
    public void Sweep_OfFullSeeds_KeepsEveryInvariant() => Sweep(1, FullSeeds, brief: false);

    private void Sweep(int from, int seeds, bool brief)
    {
        var (totals, failures) = SeedRun.Many(from, seeds, brief);
        output.WriteLine($"{seeds} seeds: {totals}");
        Assert.True(failures.Count == 0, $"{failures.Count} seeds failed\n" + string.Join('\n', failures.Take(10)));
    }

    /// <summary>A failing seed is worth something only because it fails again.</summary>
    [Fact]
    public void Run_OfOneSeedTwice_GivesOneTrace()
    {
        ulong[] hashes = new ulong[8];
        Parallel.For(0, hashes.Length, i =>
        {
            SeedRun.Run(21 + (i / 2), Mutation.None, out var simulation, brief: true);
            hashes[i] = TraceHash.Of(simulation);
        });
        Assert.Equal(hashes.Where((_, i) => i % 2 == 0), hashes.Where((_, i) => i % 2 == 1));
        Assert.Equal(hashes.Length / 2, hashes.Distinct().Count());
    }

    [Theory]
    [InlineData(4)]
    [InlineData(30)]
    public void Sweep_WithAccusationsAtRandom_StaysSafe(int oneIn)
    {
        var failures = Enumerable.Range(1, 25).Select(seed => SeedRun.Run(
            seed, new Mutation { RandomAccusations = oneIn }, out _, brief: seed > 5).Failure).OfType<string>().ToList();
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    public static TheoryData<string> Mutations() => [.. Broken.Keys];

    [Theory]
    [MemberData(nameof(Mutations))]
    public void Sweep_OfABrokenVariant_IsCaught(string name)
    {
        for (int seed = 1; seed <= 120; seed++)
        {
            if (SeedRun.Run(seed, Broken[name]).Failure is { } failure)
            {
                output.WriteLine(failure);
                return;
            }
        }

        Assert.Fail($"'{name}' was not caught in 120 seeds");
    }

    /// <summary>
    /// The seeds that caught broken services first, and by what; from there on, should the ring ever step otherwise.
    /// </summary>
    [Theory]
    [InlineData("group messages are heard before their turn", 1, "P4")]
    [InlineData("nodes that come back at once are not missed", 3, "P7")]
    [InlineData("what is asked for while the ring changes is lost", 1, "P6")]
    [InlineData("a view lets messages out on the next ring", 3, "before its view")]
    [InlineData("another verdict is not told", 15, "N1")]
    [InlineData("group messages are heard before their turn", 1, "P5")]
    [InlineData("group messages are heard twice", 1, "P2")]
    [InlineData("who comes with its node is not told", 1, "P1")]
    [InlineData("what is asked for while the ring changes is lost", 1, "P3")]
    public void Sweep_OfBrokenServices_IsCaughtByTheirInvariant(string name, int seed, string violation)
    {
        var failures = Enumerable.Range(seed, 60).Select(s => SeedRun.Run(s, Broken[name]).Failure);
        Assert.Contains(failures, f => f?.Contains(violation, StringComparison.Ordinal) == true);
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
        ["every view is quorate"] = new Mutation { AlwaysQuorate = true },
        ["a view does not wait for all members"] = new Mutation { ViewsEarly = true },
        ["a dead link is used for ever"] = new Mutation { NeverFailsOver = true },
        ["what is not authentic is believed"] = new Mutation { BelievesForgeries = true },
        ["a view lets messages out on the next ring"] = new Mutation { OpensForOldViews = true },
        ["group messages are heard before their turn"] = new Mutation { HearsItselfAtOnce = true },
        ["group messages are heard twice"] = new Mutation { HearsTwice = true },
        ["who comes with its node is not told"] = new Mutation { OmitsComing = true },
        ["nodes that come back at once are not missed"] = new Mutation { OverlooksLosses = true },
        ["another verdict is not told"] = new Mutation { KeepsVerdicts = true },
        ["what is asked for while the ring changes is lost"] = new Mutation { LosesWaiting = true },
        ["members claim more than they hold"] = new Mutation
        {
            Alters = m => m is CommitTokenMessage c ? c with { Members = [.. c.Members.Select(e =>
                e with { OldAru = e.OldAru + 20 })] } : m,
        },
    };
}
