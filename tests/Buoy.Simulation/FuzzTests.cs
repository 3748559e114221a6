using Buoy.Membership;
using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>
/// A member that has the key and sends anything at all: nobody throws, nothing grows without bound, and when it ends the
/// others are one ring again.
/// </summary>
public sealed class FuzzTests
{
    /// <summary>Both rings' windows of messages twice over, and some thousand of everything else.</summary>
    private const int RetainedLimit = (6 * TotemLimits.RetransmitWindow) + 8192;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void OnMessage_OfAnythingAuthentic_NeitherThrowsNorGrowsAndRecovers(int seed)
    {
        var s = new Simulation(seed, 3);
        s.StartAll();
        Assert.True(s.RunUntil(s.IsOneRing, 3000));
        var random = new Random(seed);
        int peak = 0;
        for (int i = 0; i < 300; i++)
        {
            uint from = 3;
            uint to = (uint)random.Next(1, 3);
            ulong incarnation = random.Next(200) == 0 ? s.Node(from).Incarnation + 1 : s.Node(from).Incarnation;
            s.Node(to).Injected.Add((from, incarnation, Anything(random, s, from)));
            s.Node(to).Turn(s.Now);
            if (random.Next(3) == 0)
            {
                s.SendFrom(s.Node((uint)random.Next(1, 4)), random.Next(2) == 0);
            }

            s.Run(random.Next(3) == 0 ? random.Next(60) : 1);
            peak = Math.Max(peak, s.Nodes.Max(n => n.Core!.Retained));
        }

        Assert.InRange(peak, 1, RetainedLimit);
        s.Node(3).Crash(s.Now);
        Assert.True(s.RunUntil(() => s.IsOneRing(), 60_000), string.Join(' ', s.Nodes.Where(n => n.Core is not null)
            .Select(n => $"{n.Id}:{n.Core!.State} {n.Core.Members} {string.Join(' ', n.Core.Counters)}")));
    }

    private static TotemMessage Anything(Random random, Simulation s, uint from)
    {
        var core = s.Node((uint)random.Next(1, 4)).Core!;
        RingId ring = random.Next(4) switch
        {
            0 => core.RingId,
            1 => new RingId(core.RingId.Seq + (ulong)random.Next(9), (uint)random.Next(1, 5)),
            2 => new RingId(Mark(random), (uint)random.Next(1, 5)),
            _ => core.InstalledRingId,
        };
        return random.Next(7) switch
        {
            0 => Regular(random, ring, from),
            1 => Token(random, ring),
            2 => new JoinMessage
            {
                SenderId = from, ProcSet = Ids(random).With(from), FailSet = Ids(random), RingSeq = Mark(random),
                RotationCount = (uint)random.Next(), HeardSet = Ids(random), ConfigDigest = (uint)random.Next(3),
            },
            3 => CommitToken(random, ring),
            4 => new MergeDetectMessage(from, ring),
            5 => new HoldCancelMessage(from, ring),
            _ => new ProbeMessage
            {
                SenderId = from, Number = Mark(random), State = (TotemState)random.Next(4), RingId = ring,
                Echoes = [.. Ids(random).Select(id => new ProbeEcho(id, s.Node(1).Incarnation, Mark(random)))],
            },
        };
    }

    private static RegularMessage Regular(Random random, RingId ring, uint from) => new()
    {
        SenderId = random.Next(2) == 0 ? from : (uint)random.Next(5), RingId = ring, Seq = Mark(random),
        Safe = random.Next(2) == 0, Contents = new byte[random.Next(20)],
        Encapsulated = random.Next(3) == 0
            ? new RegularMessage { SenderId = from, RingId = ring, Seq = Mark(random), Contents = [] } : null,
    };

    private static TokenMessage Token(Random random, RingId ring)
    {
        ulong seq = Mark(random);
        return new TokenMessage
        {
            RingId = ring, TokenSeq = Mark(random), Seq = seq, Aru = random.Next(2) == 0 ? seq : Mark(random),
            AruId = (uint)random.Next(5), RetransFlag = random.Next(2) == 0, Fcc = (uint)random.Next(),
            Backlog = random.Next(2) == 0 ? uint.MaxValue : 0,
            Rtr = [.. Enumerable.Range(0, random.Next(40)).Select(_ => new RetransmitRequest(ring, Mark(random)))],
        };
    }

    private static CommitTokenMessage CommitToken(Random random, RingId ring)
    {
        uint[] ids = [.. Ids(random).With(1).With(2)];
        return new CommitTokenMessage
        {
            RingId = random.Next(3) == 0 ? ring : new RingId(ring.Seq, ids[0]), Hop = (uint)random.Next(8),
            Members = [.. ids.Select(id => new CommitEntry(
                id, random.Next(2) == 0 ? ring : default, Mark(random), Mark(random), random.Next(2) == 0,
                random.Next(4) > 0))],
        };
    }

    private static NodeSet Ids(Random random) => NodeSet.Of(Enumerable.Range(0, random.Next(random.Next(30) == 0
        ? 400 : 4)).Select(_ => random.Next(3) == 0 ? (uint)random.Next() : (uint)random.Next(5)));

    private static ulong Mark(Random random) => random.Next(6) switch
    {
        0 => ulong.MaxValue - (ulong)random.Next(3),
        1 => TotemLimits.Mark - (ulong)random.Next(3),
        2 => (ulong)random.Next(100_000),
        _ => (ulong)random.Next(60),
    };
}
