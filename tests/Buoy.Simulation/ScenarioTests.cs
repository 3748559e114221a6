using Buoy.Membership;
using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>The named stories of the specification's section 14, on real cores and virtual time.</summary>
public sealed class ScenarioTests
{
    private const int Token = 300;

    private static Simulation Started(int nodes, int seed = 1)
    {
        var s = new Simulation(seed, nodes);
        s.StartAll();
        Assert.True(s.RunUntil(s.IsOneRing, 3000), "no first ring");
        s.Run(500);
        return s;
    }

    private static List<string> Delivered(SimulatedNode node, RingId? ring = null) =>
        [.. node.Log.OfType<Delivered>().Where(d => ring is null || d.Message.RingId == ring)
            .Select(d => $"{d.Message.RingId}/{d.Message.Seq}")];

    private static List<ConfigurationChange> Changes(SimulatedNode node, long since = 0) =>
        [.. node.Log.OfType<Configured>().Where(c => c.At >= since).Select(c => c.Change)];

    private static void Sound(Simulation s) => Assert.Empty(InvariantChecker.Check(s.Nodes));

    private static bool Rings(Simulation s, params uint[][] rings) => rings.All(ring => ring.All(id =>
        s.Node(id).Core is { State: TotemState.Operational } c && c.Members.SequenceEqual(ring)
            && c.RingId == s.Node(ring[0]).Ring));

    private static void Split(Simulation s, params uint[][] sides)
    {
        foreach (var a in sides)
        {
            foreach (var b in sides.Where(b => b != a))
            {
                foreach (uint x in a)
                {
                    foreach (uint y in b)
                    {
                        s.Cut(x, y);
                    }
                }
            }
        }
    }

    [Fact]
    public void SingleStart_OneOfThreeBoots_InstallsItselfAndNothingGrows()
    {
        var s = new Simulation(1, 3);
        s.Node(1).Start(s.Now);
        s.Run(5000);
        Assert.Single(Changes(s.Node(1)));
        Assert.True(Rings(s, [1]));
    }

    [Fact]
    public void TrioStartStaggered_100MsApart_OneRingAfterSingletons()
    {
        var s = new Simulation(1, 3);
        foreach (uint id in (uint[])[1, 2, 3])
        {
            s.Node(id).Start(s.Now);
            s.Run(100);
        }

        Assert.True(s.RunUntil(s.IsOneRing, 1000));
        Assert.Equal(1u, s.Node(3).Ring.Rep);
        Assert.All(s.Nodes, n => Assert.Equal([n.Id], Changes(n)[0].Members));
        Sound(s);
    }

    [Fact]
    public void AgreedOrderUnderLoss_TenPercent_SameOrderAndNoChange()
    {
        var s = Started(3);
        long since = s.Now;
        s.Loses = (_, _, m) => m is RegularMessage && s.Random.Next(10) == 0;
        for (int i = 0; i < 1000; i++)
        {
            foreach (var node in s.Nodes)
            {
                s.SendFrom(node, safe: false);
            }

            s.Run(2);
        }

        var ring = s.Node(1).Ring;
        Assert.True(s.RunUntil(() => s.Nodes.All(n => Delivered(n, ring).Count == 3000), 60_000));
        Assert.Equal(Delivered(s.Node(1)).TakeLast(3000), Delivered(s.Node(2)).TakeLast(3000));
        Assert.Equal(Delivered(s.Node(1)).TakeLast(3000), Delivered(s.Node(3)).TakeLast(3000));
        Assert.All(s.Nodes, n => Assert.Empty(Changes(n, since)));
        Sound(s);
    }

    [Fact]
    public void FullQueues_OfLargeAndSmallMessages_KeepTheWindowAndStarveNobody()
    {
        const int Count = 400;
        var s = new Simulation(1, 3, messageUnits: 10);
        s.StartAll();
        Assert.True(s.RunUntil(s.IsOneRing, 3000), "no first ring");
        static long Units(RegularMessage m) => 1 + (m.Contents.Length / TotemLimits.FlowUnit);
        var seen = new HashSet<ulong>();
        long visit = 0, largestVisit = 0, largestSum = 0;
        s.Loses = (from, _, m) =>
        {
            if (m is RegularMessage r && r.SenderId == from && seen.Add(r.Seq))
            {
                largestVisit = Math.Max(largestVisit, visit += Units(r));
            }
            else if (m is TokenMessage token)
            {
                (visit, largestSum) = (0, Math.Max(largestSum, token.Fcc));
            }

            return false;
        };
        for (int i = 0; i < Count; i++)
        {
            s.Node(1).Send(s.Now, new byte[9000], safe: false);
            s.Node(2).Send(s.Now, new byte[100], safe: false);
        }

        var ring = s.Node(1).Ring;
        Assert.True(s.RunUntil(() => s.Nodes.All(n => Delivered(n, ring).Count >= 2 * Count), 60_000));
        // At most one message over: a visit goes on while anything of its allowance is left.
        Assert.InRange(largestVisit, s.Parameters.VisitWindow / 2, s.Parameters.VisitWindow + 6);
        Assert.InRange(largestSum, s.Parameters.Window / 4, s.Parameters.Window + 6);
        ulong Last(uint sender) => s.Node(3).Log.OfType<Delivered>().Last(d => d.Message.SenderId == sender).Message.Seq;
        Assert.True(Last(2) < Last(1), "small messages wait behind large ones");
        Sound(s);
    }

    [Fact]
    public void SafeNeedsTwoRotations_TokenTraced_NeverEarlier()
    {
        var s = Started(3);
        var visits = new Dictionary<uint, int>();
        ulong seq = 0;
        s.Loses = (from, _, m) =>
        {
            if (m is RegularMessage { Safe: true } r)
            {
                seq = r.Seq;
            }

            if (m is TokenMessage t && seq != 0 && t.Aru >= seq)
            {
                visits[from] = visits.GetValueOrDefault(from) + 1;
                Assert.True(visits[from] >= 2 || !s.Node(from).Log.OfType<Delivered>().Any(d => d.Message.Safe
                    && d.Message.Seq == seq));
            }

            return false;
        };
        s.SendFrom(s.Node(2), safe: true);
        Assert.True(s.RunUntil(() => s.Nodes.All(n => n.Log.OfType<Delivered>().Any(d => d.Message.Safe)), 1000));
    }

    [Fact]
    public void IdleHoldAndCancel_MemberSends_DeliveredWithinTwoRotations()
    {
        var s = Started(3);
        int tokens = 0;
        int cancels = 0;
        s.Loses = (_, _, m) =>
        {
            tokens += m is TokenMessage ? 1 : 0;
            cancels += m is HoldCancelMessage ? 1 : 0;
            return false;
        };
        s.Run(1000);
        Assert.InRange(tokens, 3, 3 * (1000 / s.Parameters.Hold));
        long sent = s.Now;
        s.SendFrom(s.Node(3), safe: false);
        Assert.True(s.RunUntil(() => s.Nodes.All(n => n.Log.OfType<Delivered>().Any(d => d.At >= sent)), 1000));
        Assert.True(cancels > 0);
        Assert.All(s.Nodes, n => Assert.True(n.Log.OfType<Delivered>().First(d =>
            d.At >= sent).At - sent <= 2 * 3 * 2));
    }

    [Fact]
    public void TokenLostOnce_Retransmitted_NoGather()
    {
        var s = Started(3);
        long since = s.Now;
        int lost = 0;
        s.Loses = (_, _, m) => m is TokenMessage && lost++ == 0;
        s.Run(2000);
        Assert.True(lost > 1);
        Assert.All(s.Nodes, n => Assert.Empty(Changes(n, since)));
        Assert.Contains(s.Nodes, n => n.Core!.Counters.ContainsKey("sent.token-retransmission"));
    }

    [Fact]
    public void TokenDuplicated_EveryDatagramTwice_DroppedAndHarmless()
    {
        var s = Started(3);
        long since = s.Now;
        s.Quality(0, 1.0, 2);
        for (int i = 0; i < 200; i++)
        {
            s.SendFrom(s.Node(1 + ((uint)i % 3)), i % 2 == 0);
            s.Run(5);
        }

        s.Run(1000);
        Assert.All(s.Nodes, n => Assert.Empty(Changes(n, since)));
        Assert.All(s.Nodes, n => Assert.True(n.Core!.Counters["drop.token-duplicate"] > 10));
        Sound(s);
    }

    [Fact]
    public void CrashMember_UnderLoad_NewRingAtTokenPlusAFewMs()
    {
        var s = Started(3);
        for (int i = 0; i < 50; i++)
        {
            s.SendFrom(s.Node(1 + ((uint)i % 3)), i % 2 == 0);
        }

        s.Run(5);
        long crash = s.Now;
        s.Node(3).Crash(crash);
        Assert.True(s.RunUntil(() => Rings(s, [1, 2]), 2000));
        Assert.All(new uint[] { 1, 2 }, id =>
        {
            var changes = Changes(s.Node(id), crash);
            Assert.Equal([1u, 2u], changes[0].Members);
            Assert.True(changes[0].Transitional);
            Assert.Equal([3u], changes[0].Left);
            Assert.InRange(s.Node(id).Log.OfType<Configured>().Last().At - crash, Token - 50, Token + 60);
        });
        Sound(s);
    }

    [Fact]
    public void CrashRepresentativeHoldingToken_Idle_RingOfTheRest()
    {
        var s = Started(3);
        ulong before = s.Node(1).Ring.Seq;
        long crash = s.Now;
        s.Node(1).Crash(crash);
        Assert.True(s.RunUntil(() => Rings(s, [2, 3]), 2000));
        Assert.Equal(new RingId(before + 4, 2), s.Node(2).Ring);
        Assert.True(s.Now - crash <= Token + 60);
        Sound(s);
    }

    [Fact]
    public void LeaveClean_OneStops_RingWithoutWaiting()
    {
        var s = Started(3);
        long leave = s.Now;
        s.Node(2).Leave(leave);
        Assert.True(s.RunUntil(() => Rings(s, [1, 3]), 2000));
        Assert.True(s.Now - leave < Token / 2, $"took {s.Now - leave} ms");
        Sound(s);
    }

    [Fact]
    public void LateDatagram_OfANodeThatLeft_DisturbsNobody()
    {
        var s = Started(3);
        var ring = s.Node(2).Ring;
        ulong incarnation = s.Node(2).Incarnation;
        s.Node(2).Leave(s.Now);
        Assert.True(s.RunUntil(() => Rings(s, [1, 3]), 2000));
        var stayed = s.Node(1).Ring;
        // Sent before the leave, overtaken by the change of ring; the same from a new start of node 2 would be a call to merge.
        s.Node(1).Injected.Add((2, incarnation, new MergeDetectMessage(2, ring)));
        s.Run(Token);
        Assert.Equal(stayed, s.Node(1).Ring);
        Assert.True(Rings(s, [1, 3]));
        Assert.Equal(1, s.Node(1).Core!.Counters["drop.departed"]);
        Sound(s);
    }

    [Fact]
    public void Split23AndHeal_MessagesOnBothSides_TwoRingsThenOne()
    {
        var s = Started(5);
        Split(s, [1, 2], [3, 4, 5]);
        Assert.True(s.RunUntil(() => Rings(s, [1, 2], [3, 4, 5]), 3000));
        long apart = s.Now;
        foreach (var node in s.Nodes)
        {
            s.SendFrom(node, safe: true);
        }

        s.Run(500);
        var sides = (s.Node(1).Ring, s.Node(3).Ring);
        s.Heal();
        Assert.True(s.RunUntil(s.IsOneRing, 3000));
        Assert.All(s.Nodes, n => Assert.Equal(n.Id <= 2 ? 2 : 3, Delivered(n, n.Id <= 2
            ? sides.Item1 : sides.Item2).Count));
        Assert.Equal([1u, 2u], Changes(s.Node(1), apart).First(c => c.Transitional).Members);
        Assert.Equal([3u, 4u, 5u], Changes(s.Node(5), apart).First(c => c.Transitional).Members);
        Sound(s);
    }

    [Fact]
    public void SafeAtTheSplit_UnknownToOne_OthersDeliverInTransitional()
    {
        var s = Started(3);
        var ring = s.Node(2).Ring;
        s.Loses = (_, to, m) => m is RegularMessage && to == 1;
        s.SendFrom(s.Node(2), safe: true);
        s.Run(15);
        Split(s, [1], [2, 3]);
        Assert.True(s.RunUntil(() => Rings(s, [1], [2, 3]), 3000));
        Assert.Single(Delivered(s.Node(2), ring));
        Assert.Single(Delivered(s.Node(3), ring));
        Assert.Empty(Delivered(s.Node(1), ring));
        var log = s.Node(3).Log;
        Assert.True(log.FindIndex(e => e is Delivered) > log.FindLastIndex(e =>
            e is Configured { Change.Transitional: true }));
        Sound(s);
    }

    [Fact]
    public void GapDropsCausalFollowers_OriginatorDies_IndependentOnesStay()
    {
        var s = Started(3);
        var ring = s.Node(2).Ring;
        ulong first = 0;
        s.Loses = (from, _, m) =>
        {
            first = first == 0 && m is RegularMessage { SenderId: 1 } r && r.RingId == ring ? r.Seq : first;
            return m is RegularMessage x && x.RingId == ring && x.Seq == first;
        };
        s.SendFrom(s.Node(1), safe: false);
        s.SendFrom(s.Node(1), safe: false);
        Assert.True(s.RunUntil(() => first != 0, 500));
        s.SendFrom(s.Node(2), safe: false);
        s.Run(8);
        s.Node(1).Crash(s.Now);
        Assert.True(s.RunUntil(() => Rings(s, [2, 3]), 3000));
        var got = s.Node(3).Log.OfType<Delivered>().Where(d => d.Message.RingId == ring).Select(d =>
            d.Message.SenderId).ToList();
        Assert.Equal([2u], got);
        Assert.Equal(Delivered(s.Node(2), ring), Delivered(s.Node(3), ring));
        Sound(s);
    }

    [Fact]
    public void RecoveryInterrupted_TokensLostAtSomeStep_PromisesKept()
    {
        for (int step = 1; step <= 40; step++)
        {
            var s = Started(4);
            foreach (var node in s.Nodes)
            {
                s.SendFrom(node, safe: true);
            }

            s.Run(3);
            s.Node(4).Crash(s.Now);
            int seen = 0;
            s.Loses = (from, _, m) => s.Node(from).Core!.State is TotemState.Recovery
                && m is TokenMessage or RegularMessage
                && ++seen is var n && n >= step && n < step + 40;
            s.RunUntil(() => seen > step + 40, 4000);
            s.Loses = null;
            Assert.True(s.RunUntil(() => Rings(s, [1, 2, 3]), 15_000), $"step {step}");
            Sound(s);
        }
    }

    [Fact]
    public void RepRestartInsideToken_StoredSeq_Newcomer()
    {
        var s = Started(3);
        long since = s.Now;
        var before = s.Node(1).Ring;
        s.Node(1).Crash(s.Now);
        s.Run(200);
        s.Node(1).Start(s.Now);
        Assert.True(s.RunUntil(() => s.IsOneRing() && s.Node(1).Ring != before, 3000));
        Assert.Equal(before.Seq + 1, Changes(s.Node(1), since)[0].RingId.Seq);
        Assert.DoesNotContain(Changes(s.Node(2), since), c => c.Transitional && c.Members.Contains(1));
        Sound(s);
    }

    [Fact]
    public void DeafReceiver_BroadcastsToItDropped_LeftOutWithoutEndlessMerging()
    {
        var s = Started(3);
        s.Loses = (_, to, m) => to == 3 && m is RegularMessage;
        for (int i = 0; i < 3000; i++)
        {
            s.SendFrom(s.Node(1), safe: false);
            s.Run(2);
        }

        int before = Changes(s.Node(1)).Count;
        Assert.Contains(Changes(s.Node(1)), c => !c.Transitional && c.Members.SequenceEqual([1u, 2u]));
        s.Run(30_000);
        Assert.InRange(Changes(s.Node(1)).Count - before, 0, 60);
        Sound(s);
    }

    [Fact]
    public void OneWayPartition_AMinute_StableSplitThenOneMerge()
    {
        var s = Started(3);
        long since = s.Now;
        s.Cut(2, 3);
        s.Run(60_000);
        int changes = s.Nodes.Max(n => Changes(n, since).Count);
        Assert.InRange(changes, 1, 60);
        s.Heal();
        Assert.True(s.RunUntil(s.IsOneRing, 15_000));
        Sound(s);
    }

    [Fact]
    public void LongPause_OneAndAHalfTokens_EvictedAccusesNobodyBackInOneRing()
    {
        var s = Started(3);
        long since = s.Now;
        s.Node(2).PausedUntil = s.Now + (Token * 3 / 2);
        Assert.True(s.RunUntil(() => Rings(s, [1, 3]), 1000));
        Assert.True(s.RunUntil(s.IsOneRing, 5000));
        Assert.All(new uint[] { 1, 3 }, id => Assert.InRange(Changes(s.Node(id), since).Count, 4, 6));
        Assert.False(s.Node(2).Core!.Counters.ContainsKey("silence-accusation"));
        Sound(s);
    }

    [Fact]
    public void CommitTokenStale_AfterTheFallBackToGather_DroppedAndTheNextSeqIsHigher()
    {
        var s = Started(3);
        CommitTokenMessage? stale = null;
        s.Loses = (_, to, m) =>
        {
            if (m is not CommitTokenMessage c || (stale is not null && c.RingId != stale.RingId))
            {
                return false;
            }

            // The second rotation of the first attempt never comes: all have advanced their ring id by then.
            stale ??= c.Hop == 4 && to == 2 ? c : null;
            return stale is not null;
        };
        s.Node(3).Crash(s.Now);
        s.Run(Token);
        s.Node(3).Start(s.Now);
        Assert.True(s.RunUntil(
            () => stale is not null && s.Node(2).Core!.State is TotemState.Gather
                && s.Node(2).Core!.RingId == stale.RingId, 5000), "no fall back to Gather");
        long dropped = s.Node(2).Core!.Counters.GetValueOrDefault("drop.commit-token-state");
        s.Loses = null;
        Simulation.Send(s.Node(1), 2, stale!);
        s.Run(3);
        Assert.Equal(dropped + 1, s.Node(2).Core!.Counters.GetValueOrDefault("drop.commit-token-state"));
        Assert.True(s.RunUntil(s.IsOneRing, 5000));
        Assert.True(s.Node(1).Ring.Seq > stale!.RingId.Seq);
        Sound(s);
    }

    [Fact]
    public void GlobalOrder_OfHistoriesThatContradict_IsAViolation()
    {
        var s = new Simulation(1, 2);
        RingId ring = new(8, 1), transitional = new(10, 1);
        var both = NodeSet.Of([1, 2]);
        var regular = new Configured(
            1, new ConfigurationChange(false, ring, ring, 0, both, both, NodeSet.Empty, 0), 8);
        var change = new Configured(
            3, new ConfigurationChange(true, ring, transitional, 0, both, NodeSet.Empty, NodeSet.Empty, 0), 8);
        var message = new RegularMessage { SenderId = 1, RingId = ring, Seq = 1, Contents = [] };
        s.Node(1).Log.AddRange([regular, new Originated(2, message), new Delivered(2, message), change]);
        s.Node(2).Log.AddRange([regular, change, new Delivered(3, message)]);
        Assert.Contains(InvariantChecker.Check(s.Nodes), v => v.StartsWith("E11", StringComparison.Ordinal));
    }

    [Fact]
    public void RingIdNeverReused_RandomCrashesAndFailingDisk_NoCommitTokenBeforeItsSeq()
    {
        var s = new Simulation(7, 4);
        s.Loses = (from, _, m) =>
        {
            if (m is CommitTokenMessage c)
            {
                Assert.True(s.Node(from).Disk >= c.RingId.Seq);
            }

            return false;
        };
        s.StartAll();
        for (int i = 0; i < 200; i++)
        {
            var node = s.Node(1 + (uint)s.Random.Next(4));
            node.FailNextWrite = s.Random.Next(4) == 0;
            if (node.Core is null)
            {
                node.Start(s.Now);
            }
            else
            {
                node.Crash(s.Now);
            }

            s.Run(s.Random.Next(1, 400));
        }

        Sound(s);
    }

    [Fact]
    public void SilenceRule_OffAndOn_OnIsFasterByConsensus()
    {
        long[] took = [0, 0];
        foreach (bool on in (bool[])[false, true])
        {
            var s = new Simulation(3, 3, null, on);
            s.StartAll();
            Assert.True(s.RunUntil(s.IsOneRing, 3000));
            s.Run(500);
            long crash = s.Now;
            s.Node(3).Crash(crash);
            Assert.True(s.RunUntil(() => Rings(s, [1, 2]), 5000));
            took[on ? 1 : 0] = s.Now - crash;
        }

        Assert.True(took[0] - took[1] > Token, $"off {took[0]} ms, on {took[1]} ms");
    }
}
