using Buoy.Linux;

namespace Buoy.Tests;

/// <summary>corosync-cfgtool -R: what changes on a living ring, and what is refused.</summary>
public sealed class ReloadTests
{
    private static void OneRing(EngineLab lab)
    {
        uint[] all = [.. lab.Nodes.Select(n => n.Id).Order()];
        lab.Until(() => lab.Nodes.TrueForAll(n => n.Sees(all)), "one ring");
    }

    private static void Write(EngineLab lab, string quorum = "two_node: 1", Func<string, string>? alter = null) =>
        File.WriteAllText(lab.ConfPath, alter is null ? lab.Conf(quorum) : alter(lab.Conf(quorum)));

    [Fact]
    public void Reload_OfAnotherKey_OnAllAndNoMessageLost()
    {
        using var lab = new EngineLab(3, token: 500);
        lab.Start(1);
        lab.Start(2);
        lab.Start(3);
        OneRing(lab);
        var views = lab.Nodes.Select(n => n.Views.Count).ToArray();
        File.WriteAllBytes(lab.KeyPath, [.. Enumerable.Range(0, 256).Select(i => (byte)(i * 11))]);
        Assert.Null(lab.Nodes[1].Engine.Reload());
        int sent = 0;
        lab.Until(() =>
        {
            sent += sent < 500 && lab.Nodes[sent % 3].Send($"{sent}") ? 1 : 0;
            return sent == 500 && lab.Log.Count(l => l.Contains("the new key is in use", StringComparison.Ordinal)) == 3;
        }, "the new key in use");
        lab.Until(() => lab.Nodes.TrueForAll(n => n.Messages.Count == sent), "all messages");
        Assert.Equal(views, lab.Nodes.Select(n => n.Views.Count));
        var four = lab.Nodes[2];
        lab.Crash(four);
        var again = lab.Start(3);
        lab.Until(() => again.Sees(1, 2, 3), "a node with the new key comes in");
    }

    [Fact]
    public void Reload_WhereOneMemberLacksTheNewKey_TheOldOneStays()
    {
        using var lab = new EngineLab(2, token: 500);
        var one = lab.Start(1);
        var two = lab.Start(2, keyPath: lab.KeyPath + ".two");
        OneRing(lab);
        File.WriteAllBytes(lab.KeyPath, [.. Enumerable.Range(0, 256).Select(i => (byte)(i * 11))]);
        Assert.Null(one.Engine.Reload());
        one.Send("after");
        lab.Until(() => two.Messages.Count == 1, "a message after the reload");
        long later = EventLoop.Now + 1500;
        lab.Until(() => EventLoop.Now > later, "some time");
        Assert.True(one.Sees(1, 2) && two.Sees(1, 2));
        Assert.DoesNotContain(lab.Log, l => l.Contains("the new key is in use", StringComparison.Ordinal));
    }

    [Fact]
    public void Reload_OfAnotherCipher_OnAll()
    {
        using var lab = new EngineLab(2);
        lab.Start(1);
        lab.Start(2);
        OneRing(lab);
        Write(lab, alter: t => t.Replace("aes256", "aes128", StringComparison.Ordinal)
            .Replace("sha256", "sha512", StringComparison.Ordinal));
        Assert.Null(lab.Nodes[0].Engine.Reload());
        lab.Until(() => lab.Log.Count(l => l.Contains("the new key is in use", StringComparison.Ordinal)) == 2, "the cipher");
        lab.Nodes[1].Send("x");
        lab.Until(() => lab.Nodes[0].Messages.Count == 1, "a message");
    }

    [Fact]
    public void Reload_WithANodeMore_ItComesIn()
    {
        using var lab = new EngineLab(3) { Listed = 2 };
        lab.Start(1, quorum: "");
        lab.Start(2, quorum: "");
        OneRing(lab);
        lab.Listed = 3;
        Write(lab, "");
        Assert.Null(lab.Nodes[0].Engine.Reload());
        lab.Until(() => lab.Nodes.TrueForAll(n => n.Engine.Status.ExpectedVotes == 3), "three expected");
        lab.Start(3, quorum: "");
        OneRing(lab);
    }

    [Fact]
    public void Reload_WithANodeLess_ItIsLeftOut()
    {
        using var lab = new EngineLab(3, token: 5000);
        lab.Start(1);
        lab.Start(2);
        var three = lab.Start(3);
        OneRing(lab);
        lab.Listed = 2;
        Write(lab, "");
        Assert.Null(lab.Nodes[0].Engine.Reload());
        lab.Until(() => lab.Nodes.Take(2).All(n => n.Sees(1, 2)), "a ring of two, without a token time-out", 4000);
        Assert.Equal(2, lab.Nodes[0].Engine.Status.ExpectedVotes);
        Assert.Contains(lab.Log, l => l.StartsWith("n3: reload", StringComparison.Ordinal)
            && l.Contains("is not in the node list", StringComparison.Ordinal));
        Assert.True(three.Engine.Status.Counters.Count > 0);
    }

    [Fact]
    public void Reload_OfTimers_UsedFromTheNextRing()
    {
        using var lab = new EngineLab(2, token: 20_000);
        var one = lab.Start(1);
        var two = lab.Start(2);
        OneRing(lab);
        lab.Token = 400;
        Write(lab);
        Assert.Null(one.Engine.Reload());
        lab.Until(() => one.Engine.TokenMs == 400 && two.Engine.TokenMs == 400, "the timers");
        one.Engine.Leave();
        lab.Nodes.Remove(one);
        lab.Until(() => two.Sees(2), "alone");
        one = lab.Start(1);
        OneRing(lab);
        lab.Crash(one);
        lab.Until(() => two.Sees(2), "alone after the new token", 5000);
    }

    [Fact]
    public void Reload_OfALinkMore_ItComesUp()
    {
        using var lab = new EngineLab(2, token: 1000) { Transport = "knet" };
        lab.Start(1);
        lab.Start(2);
        OneRing(lab);
        lab.Links = 2;
        Write(lab);
        Assert.Null(lab.Nodes[0].Engine.Reload());
        lab.Until(() => lab.Nodes.TrueForAll(n => n.Engine.Status.Links is [_, var second]
            && second.Peers.Any(p => p.NodeId != n.Id && p.State == "connected")), "link 1 up");
        lab.Cut.Add((0, null));
        lab.Nodes[0].Send("over link 1");
        lab.Until(() => lab.Nodes[1].Messages.Count == 1, "a message");
        lab.Cut.Clear();
        lab.Links = 1;
        Write(lab);
        Assert.Null(lab.Nodes[0].Engine.Reload());
        lab.Until(() => lab.Nodes.TrueForAll(n => n.Engine.Status.Links.Count == 1), "link 1 gone");
        Assert.All(lab.Nodes, n => Assert.Single(n.Views, v => v.Members.Count == 2));
    }

    [Theory]
    [InlineData("token: 3000", "token: 10", "token: 10")]
    [InlineData("  nodeid: 2", "  nodeid: 1", "a second time")]
    [InlineData("  ring0_addr: ", "  ring0_addr: 127.1.1.1\n#", "different address for link 0")]
    [InlineData("transport: udpu", "transport: tcp", "transport: tcp")]
    public void Reload_OfWhatCannotBe_RefusedAndNothingChanged(string before, string after, string why)
    {
        using var lab = new EngineLab(2);
        var one = lab.Start(1);
        lab.Start(2);
        OneRing(lab);
        Write(lab, alter: t => t.Replace(before, after, StringComparison.Ordinal));
        Assert.Contains(why, one.Engine.Reload(), StringComparison.Ordinal);
        Assert.Equal(3000, one.Engine.TokenMs);
        one.Send("x");
        lab.Until(() => one.Messages.Count == 1, "the ring goes on");
    }

    [Theory]
    [InlineData("cluster_name: lab", "cluster_name: other", "totem.cluster_name")]
    [InlineData("transport: udpu", "transport: knet", "totem.transport")]
    [InlineData("token_coefficient: 0", "netmtu: 1000", "totem.netmtu")]
    public void Reload_OfWhatNeedsARestart_KeptWithAWarningAsCorosync(string before, string after, string name)
    {
        using var lab = new EngineLab(2);
        var one = lab.Start(1);
        lab.Start(2);
        OneRing(lab);
        Write(lab, alter: t => t.Replace(before, after, StringComparison.Ordinal));
        Assert.Null(one.Engine.Reload());
        lab.Until(() => lab.Log.Count(l => l.Contains($"modified entry '{name}'", StringComparison.Ordinal)) == 2, "warnings");
        one.Send("x");
        lab.Until(() => one.Messages.Count == 1, "the ring goes on");
        Assert.Equal("lab", one.Engine.ClusterName);
    }

    [Fact]
    public void ConfigVersion_OlderThanTheClusters_LeavesAndIsFatal()
    {
        using var lab = new EngineLab(3) { TotemKeys = "config_version: 5" };
        lab.Start(1);
        lab.Start(2);
        uint[] two = [1, 2];
        lab.Until(() => lab.Nodes.TrueForAll(n => n.Sees(two)), "one ring");
        lab.TotemKeys = "config_version: 4";
        lab.Start(3);
        lab.Until(() => lab.Fatal.Count == 1 && lab.Nodes.Take(2).All(n => n.Sees(two)), "the old one gone");
        Assert.Equal(3u, lab.Fatal[0].Node);
        Assert.Contains("config version (5) is different than my config version (4)", lab.Fatal[0].Why, StringComparison.Ordinal);
    }

    [Fact]
    public void ConfigVersion_Equal_OneRing()
    {
        using var lab = new EngineLab(2) { TotemKeys = "config_version: 5" };
        lab.Start(1);
        lab.Start(2);
        OneRing(lab);
        Assert.Empty(lab.Fatal);
    }

    [Fact]
    public void Downscale_OneLeavesAnotherCrashes_OnlyTheLeaveLowersExpected()
    {
        using var lab = new EngineLab(4, token: 600);
        const string quorum = "expected_votes: 2\n  allow_downscale: 1";
        for (uint id = 1; id <= 4; id++)
        {
            lab.Start(id, quorum);
        }

        OneRing(lab);
        Assert.All(lab.Nodes, n => Assert.Equal(4, n.Engine.Status.ExpectedVotes));
        lab.Nodes[3].Engine.Leave();
        lab.Nodes.RemoveAt(3);
        OneRing(lab);
        Assert.All(lab.Nodes, n => Assert.Equal((3, 2), (n.Engine.Status.ExpectedVotes, n.Engine.Status.Quorum)));
        lab.Crash(lab.Nodes[2]);
        OneRing(lab);
        Assert.All(lab.Nodes, n => Assert.Equal((3, 2), (n.Engine.Status.ExpectedVotes, n.Engine.Status.Quorum)));
    }

    [Fact]
    public void Tracking_OfExpectedVotes_OnDiskAndAFloorAfterARestart()
    {
        using var lab = new EngineLab(2);
        const string quorum = "expected_votes_tracking: 1";
        var one = lab.Start(1, quorum);
        lab.Until(() => one.Sees(1), "a view");
        string file = Path.Combine(Path.GetDirectoryName(lab.ConfPath)!, "ev_tracking");
        Assert.Equal("2\n", File.ReadAllText(file));
        lab.Crash(one);
        File.WriteAllText(file, "7\n");
        one = lab.Start(1, quorum);
        lab.Until(() => one.Sees(1), "a view");
        Assert.Equal((7, 4), (one.Engine.Status.ExpectedVotes, one.Engine.Status.Quorum));
        lab.Crash(one);
        File.WriteAllText(file, "many\n");
        Assert.Contains("ev_tracking", Assert.Throws<IOException>(() => lab.Start(1, quorum)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Device_OfOneSide_ItsVotesCountAndTheOthersAreTold()
    {
        using var lab = new EngineLab(2);
        var one = lab.Start(1);
        lab.Start(2);
        OneRing(lab);
        one.Engine.SetDevice(new Buoy.Membership.Quorum.QuorumDevice(true, true, true, false));
        one.Send("the ring goes on");
        lab.Until(() => lab.Nodes.TrueForAll(n => n.Messages.Count == 1), "a message");
        Assert.Equal(2, one.Engine.Status.TotalVotes);
    }
}
