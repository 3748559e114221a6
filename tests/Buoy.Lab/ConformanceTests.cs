using System.Diagnostics;

namespace Buoy.LabTests;

/// <summary>
/// What <see cref="Buoy.Membership.IClusterEngine"/> promises, with the same expectations on our ring and on Debian's
/// corosync: agreed views, total order, quorum, partition and merge, flow control.
/// </summary>
public abstract class ConformanceTests(string engine)
{
    private ConformanceWorld World() => ConformanceWorld.Create(engine);

    /// <summary>One world, one story: starting, order, a restart, a leave; each step needs the one before.</summary>
    [Fact]
    public void Views_StartOrderQuorumRestartLeave_AgreedEverywhere()
    {
        using var w = World();
        var all = w.StartAll();
        SameView(all);
        Assert.All(all, n => Assert.True(n.Last.Quorate));
        Assert.All(all, n => Assert.Contains(n.Id, n.Views[0].Ids));

        // Order and flow control: bursts of all three at once, more than the queues hold, and one large message each.
        string[] bursts = ["burst 10000 1500", "burst 100 60000", "burst 500 300"];
        foreach (var n in all)
        {
            n.Say("large 1048576");
            n.Say(bursts[n.Id - 1]);
        }

        foreach (var n in all)
        {
            n.Until(() => n.Lines("full ").Count == 1, "the burst is taken");
            n.Say($"send after the burst of {n.Id}");
        }

        foreach (var n in all)
        {
            n.Until(() => n.Messages.Count == 6, "the last messages");
        }

        var digests = all.Select(n => n.Ask("digest", "digest ")).Distinct().ToList();
        Assert.Equal(["10606"], digests.Select(d => d.Split(' ')[1]));
        Assert.Single(all.Select(n => string.Join('|', n.Messages)).Distinct());
        Assert.All(all, n => Assert.Empty(n.Lines("error ")));

        Assert.All(all, n => Assert.Single(n.Views, v => v.Ids.Length == 3));

        // Expected votes: set on one, taken by all; what would undo quorum is refused.
        Assert.All(all, n => Assert.Equal("status 3 3 2", n.Ask("status", "status ")));
        all[1].Ask("expected 5", "sent");
        foreach (var n in all)
        {
            n.Until(() => n.Ask("status", "status ") == "status 5 3 3", "expected votes 5");
        }

        Assert.StartsWith("error", all[0].Ask("expected 2", "error "), StringComparison.Ordinal);
        Assert.StartsWith("error", all[0].Ask("expected 7", "error "), StringComparison.Ordinal);
        all[0].Ask("expected 3", "sent");
        foreach (var n in all)
        {
            n.Until(() => n.Ask("status", "status ") == "status 3 3 2", "expected votes 3");
        }

        // An engine dies and comes again: a newcomer, with a newer view of coming in.
        var before = all[0].Last;
        all[2].Kill();
        Together(all[..2], 1, 2);
        Assert.Equal("3", all[0].Last.Left);
        Assert.Equal(before.Joined(1), all[0].Last.Joined(1));
        Assert.Equal(before.Joined(2), all[0].Last.Joined(2));
        all[2] = w.Start(3);
        Together(all, 1, 2, 3);
        Assert.Equal("3", all[0].Last.Came);
        Assert.True(all[0].Last.Joined(3) > Math.Max(before.Joined(1), before.Joined(2)));
        Assert.Equal(before.Joined(1), all[2].Last.Joined(1));

        // What was said while somebody came or went reaches all that stay, once.
        all[0].Say("send to all of the second cluster");
        foreach (var n in all)
        {
            n.Until(() => n.Messages.Any(m => m.EndsWith("second cluster", StringComparison.Ordinal)), "the message");
        }

        // A clean leave needs no time-out.
        var clock = Stopwatch.StartNew();
        all[1].Leave();
        Together([all[0], all[2]], 1, 3);
        Assert.Equal("2", all[0].Last.Left);
        Assert.True(clock.ElapsedMilliseconds < 1000, $"a leave took {clock.ElapsedMilliseconds} ms, a token is 1000");
    }

    [Fact]
    public void Partition_AndMerge_EachSideItsOwnThenOneAgain()
    {
        using var w = World();
        var all = w.StartAll();
        ulong oldest = all[0].Last.Joined(1);
        w.Cut(3, true);
        Together(all[..2], 1, 2);
        all[2].Until(() => all[2].Sees(3), "alone");
        Assert.True(all[0].Last.Quorate);
        Assert.False(all[2].Last.Quorate);
        Assert.Equal("3", all[0].Last.Left);
        Assert.Equal("1,2", all[2].Last.Left);

        // Each side's messages stay on their side.
        all[0].Say("send of the majority");
        all[2].Say("send of the minority");
        foreach (var n in all)
        {
            n.Until(() => n.Messages.Count == 1, "the own side's message");
        }

        Assert.Equal("msg 1 15 of the majority", all[1].Messages[0]);
        Assert.Equal("msg 3 15 of the minority", all[2].Messages[0]);
        w.Cut(3, false);
        Together(all, 1, 2, 3);
        Assert.All(all, n => Assert.True(n.Last.Quorate));
        Assert.Equal(oldest, all[2].Last.Joined(1));
        Assert.True(all[2].Last.Joined(3) > oldest);
        Assert.Equal("3", all[0].Last.Came);
        Assert.Equal("1,2", all[2].Last.Came);
        foreach (var n in all)
        {
            n.Say($"send merged {n.Id}");
        }

        foreach (var n in all)
        {
            n.Until(() => n.Messages.Count == 4, "the messages after the merge");
        }

        Assert.Single(all.Select(n => string.Join('|', n.Messages.Skip(1))).Distinct());
    }

    [Fact]
    public void Crash_OfAMachineUnderLoad_SurvivorsDeliverTheSame()
    {
        using var w = World();
        var all = w.StartAll();
        foreach (var n in all)
        {
            n.Say("burst 3000 500");
        }

        w.World.Crash(all[2].Host);
        Together(all[..2], 1, 2);
        Assert.True(all[0].Last.Quorate);
        foreach (var n in all[..2])
        {
            n.Until(() => n.Lines("full ").Count == 1, "the burst is taken");
            n.Ask($"send end of {n.Id}", "sent");
        }

        foreach (var n in all[..2])
        {
            n.Until(() => n.Messages.Count == 2, "the end of both bursts");
        }

        Assert.Single(all[..2].Select(n => n.Ask("digest", "digest ")).Distinct());
        Assert.All(all[..2], n => Assert.Empty(n.Lines("error ")));
    }

    private static void Together(ConformanceNode[] nodes, params int[] ids)
    {
        foreach (var n in nodes)
        {
            n.Until(() => n.Sees(ids) && n.Last.Id == nodes[0].Last.Id, $"one view of {string.Join(',', ids)}");
        }

        SameView(nodes);
    }

    private static void SameView(ConformanceNode[] nodes)
    {
        foreach (var n in nodes)
        {
            n.Until(() => n.Last.Id == nodes[0].Last.Id, "the same view");
        }

        Assert.Single(nodes.Select(n => (n.Last.Id, n.Last.Members, n.Last.Quorate)).Distinct());
    }
}

/// <summary>The suite on our ring.</summary>
public sealed class RingConformanceTests() : ConformanceTests("ring");

/// <summary>The suite on Debian's corosync; skipped where it is not installed or we are not root.</summary>
public sealed class CorosyncConformanceTests() : ConformanceTests("corosync");
