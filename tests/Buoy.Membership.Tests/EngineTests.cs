using Buoy.Linux;

namespace Buoy.Tests;

/// <summary>Ring engines over real UDP sockets on the loop-back interface.</summary>
public sealed class EngineTests(ITestOutputHelper output)
{
    [Fact]
    public void Start_Alone_InstallsItsSingletonAtOnce()
    {
        using var lab = new EngineLab(2);
        var one = lab.Start(1);
        lab.Until(() => one.Sees(1), "a view of one");
        Assert.False(one.Views[^1].Quorate);
        Assert.Equal("n1", one.Views[^1].Members[0].Name);
    }

    [Fact]
    public void Start_TwoTogether_OneRingWithEqualRecords()
    {
        using var lab = new EngineLab(2);
        long begin = EventLoop.Now;
        var one = lab.Start(1);
        var two = lab.Start(2);
        lab.Until(() => one.Sees(1, 2) && two.Sees(1, 2), "one ring");
        output.WriteLine($"ring of two after {EventLoop.Now - begin} ms");
        Assert.Equal(one.Views[^1].RingId, two.Views[^1].RingId);
        Assert.Equal(one.Views[^1].Members, two.Views[^1].Members);
        Assert.True(one.Views[^1].Quorate && two.Views[^1].Quorate);
        Assert.NotEqual(one.Views[^1].Members[0].Joined, one.Views[^1].Members[1].Joined);
    }

    [Fact]
    public void TrySend_FromBoth_SameOrderEverywhere()
    {
        using var lab = new EngineLab(2);
        var one = lab.Start(1);
        var two = lab.Start(2);
        lab.Until(() => one.Sees(1, 2) && two.Sees(1, 2), "one ring");
        for (int i = 0; i < 500; i++)
        {
            Assert.True(one.Send($"one {i}"));
            Assert.True(two.Send($"two {i}"));
        }

        lab.Until(() => one.Messages.Count == 1000 && two.Messages.Count == 1000, "1000 messages");
        Assert.Equal(one.Messages, two.Messages);
    }

    [Fact]
    public void TrySend_OfAMegabyte_ArrivesWhole()
    {
        using var lab = new EngineLab(2);
        var one = lab.Start(1);
        var two = lab.Start(2);
        lab.Until(() => one.Sees(1, 2) && two.Sees(1, 2), "one ring");
        Assert.True(one.Engine.TrySend(new byte[1 << 20]));
        Assert.True(one.Send("after"));
        lab.Until(() => two.Messages.Count == 2, "both messages");
        Assert.Equal([1 << 20, 5], two.Messages.Select(m => m.Length));
    }

    [Fact]
    public void TrySend_OnAnIdleHeldRing_TravelsAtOnce()
    {
        using var lab = new EngineLab(2);
        var one = lab.Start(1);
        var two = lab.Start(2);
        lab.Until(() => one.Sees(1, 2) && two.Sees(1, 2), "one ring");
        var latencies = new List<long>();
        for (int i = 0; i < 10; i++)
        {
            var (from, to) = i % 2 == 0 ? (one, two) : (two, one);
            long idle = EventLoop.Now + 300;
            lab.Until(() => EventLoop.Now > idle, "an idle ring");
            int before = to.Messages.Count;
            long begin = EventLoop.NowMicros;
            from.Send("ping");
            lab.Until(() => to.Messages.Count > before, "the message");
            latencies.Add(to.LastMessageMicros - begin);
        }

        output.WriteLine("latency µs, by turns from rep and from member: " + string.Join(' ', latencies));
    }

    [Fact]
    public void Crash_OfOneOfTwo_ViewAfterToken()
    {
        using var lab = new EngineLab(2, token: 1000);
        var one = lab.Start(1);
        var two = lab.Start(2);
        lab.Until(() => one.Sees(1, 2) && two.Sees(1, 2), "one ring");
        long crash = EventLoop.Now;
        lab.Crash(one);
        lab.Until(() => two.Sees(2), "alone");
        output.WriteLine($"token 1000: view {two.ViewAt[^1] - crash} ms after the crash, "
            + $"first sign {two.Views[^1].FirstSign - crash} ms after it");
        Assert.True(two.Views[^1].Quorate);
        Assert.Equal([1u], two.Views[^1].Left);
    }

    [Fact]
    public void Crash_OfOneOfThree_ViewAfterToken()
    {
        using var lab = new EngineLab(3, token: 1000);
        var nodes = new[] { lab.Start(1), lab.Start(2), lab.Start(3) };
        lab.Until(() => nodes.All(n => n.Sees(1, 2, 3)), "one ring");
        long crash = EventLoop.Now;
        lab.Crash(nodes[0]);
        lab.Until(() => nodes[1].Sees(2, 3) && nodes[2].Sees(2, 3), "ring of two");
        output.WriteLine($"token 1000: views {nodes[1].ViewAt[^1] - crash} and {nodes[2].ViewAt[^1] - crash} ms after the crash");
        Assert.Equal(nodes[1].Views[^1].Members, nodes[2].Views[^1].Members);
    }

    [Fact]
    public void Leave_OfOneOfTwo_NeedsNoTimeout()
    {
        using var lab = new EngineLab(2);
        var one = lab.Start(1);
        var two = lab.Start(2);
        lab.Until(() => one.Sees(1, 2) && two.Sees(1, 2), "one ring");
        long leave = EventLoop.Now;
        one.Engine.Leave();
        lab.Until(() => two.Sees(2), "alone");
        output.WriteLine($"view {two.ViewAt[^1] - leave} ms after the leave");
        Assert.DoesNotContain("token-loss", two.Engine.Status.Counters.Keys);
    }

    [Fact]
    public void Restart_WithinToken_NewcomerWithAHigherSeq()
    {
        using var lab = new EngineLab(2);
        var one = lab.Start(1);
        var two = lab.Start(2);
        lab.Until(() => one.Sees(1, 2) && two.Sees(1, 2), "one ring");
        ulong joinedOfTwo = two.Views[^1].Members[1].Joined;
        var before = two.Views[^1].RingId;
        lab.Crash(one);
        var again = lab.Start(1);
        lab.Until(() => again.Sees(1, 2) && two.Sees(1, 2) && two.Views[^1].RingId != before, "one ring again");
        Assert.True(again.Views[0].RingId.Seq > before.Seq);
        Assert.Equal([1u], two.Views[^1].Left);
        Assert.Equal([1u], two.Views[^1].Came);
        Assert.True(two.Views[^1].Members[0].Joined > joinedOfTwo);
        Assert.True(again.Views[^1].Quorate);
    }

    [Fact]
    public void Start_WithAnotherKey_StaysAloneAndIsCounted()
    {
        using var lab = new EngineLab(2);
        string other = lab.KeyPath + ".other";
        File.WriteAllBytes(other, new byte[256]);
        var one = lab.Start(1);
        var two = lab.Start(2, keyPath: other);
        lab.Until(() => one.Engine.Status.Counters.GetValueOrDefault("drop.authentication") > 3, "drops");
        Assert.True(one.Sees(1) && two.Sees(2));
    }

    [Fact]
    public void SetExpectedVotes_OnAllMembers_Ordered()
    {
        using var lab = new EngineLab(3);
        var nodes = new[] { lab.Start(1), lab.Start(2), lab.Start(3) };
        lab.Until(() => nodes.All(n => n.Sees(1, 2, 3)), "one ring");
        Assert.Null(nodes[1].Engine.SetExpectedVotes(5));
        lab.Until(() => nodes.All(n => n.Engine.Status.ExpectedVotes == 5), "expected votes");
        Assert.All(nodes, n => Assert.Equal(3, n.Engine.Status.Quorum));
        Assert.NotNull(nodes[0].Engine.SetExpectedVotes(2));
        Assert.NotNull(nodes[0].Engine.SetExpectedVotes(7));
    }
}
