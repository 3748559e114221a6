using Buoy.Linux;

namespace Buoy.Tests;

/// <summary>Several links over real UDP sockets.</summary>
public sealed class EngineLinkTests(ITestOutputHelper output)
{
    private static EngineLab Lab(string mode, int nodes = 2) => new(nodes, token: 1000, links: 2)
    {
        TotemKeys = $"link_mode: {mode}",
    };

    private static bool Up(EngineLab lab, int link, bool up = true) => lab.Nodes.TrueForAll(n =>
        n.Engine.Status.Links[link].Peers.Where(p => p.NodeId != n.Id).All(p => p.State == (up ? "connected" : "disconnected")));

    [Theory]
    [InlineData("passive")]
    [InlineData("active")]
    [InlineData("rr")]
    public void Cut_OfOneLinkThenTheOther_NoMessageLostNoNewRing(string mode)
    {
        using var lab = Lab(mode, nodes: 3);
        var nodes = new[] { lab.Start(1), lab.Start(2), lab.Start(3) };
        lab.Until(() => nodes.All(n => n.Sees(1, 2, 3)) && Up(lab, 0) && Up(lab, 1), "one ring, both links");
        int sent = 0;
        void Pour(Func<bool> until, string what) => lab.Until(() =>
        {
            for (int i = 0; i < 3 && sent - nodes[0].Messages.Count < 200; i++)
            {
                sent += nodes[sent % 3].Send($"{sent}") ? 1 : 0;
            }

            return until();
        }, what);
        var views = nodes.Select(n => n.Views.Count).ToArray();
        lab.Cut.Add((0, null));
        Pour(() => Up(lab, 0, up: false), "link 0 down");
        Pour(() => sent > 600, "traffic over link 1");
        lab.Cut.Clear();
        Pour(() => Up(lab, 0), "link 0 up again");
        lab.Cut.Add((1, null));
        Pour(() => Up(lab, 1, up: false), "link 1 down");
        lab.Until(() => nodes.All(n => n.Messages.Count == sent), "all messages");
        Assert.Equal(nodes[0].Messages, nodes[1].Messages);
        Assert.Equal(nodes[0].Messages, nodes[2].Messages);
        Assert.Equal(views, nodes.Select(n => n.Views.Count));
        output.WriteLine($"{sent} messages, {mode}: " + string.Join(' ', nodes[0].Engine.Status.Counters));
    }

    [Fact]
    public void Cut_OneWay_LinkDownAtBothEnds()
    {
        using var lab = Lab("passive");
        var one = lab.Start(1);
        var two = lab.Start(2);
        lab.Until(() => one.Sees(1, 2) && two.Sees(1, 2) && Up(lab, 0) && Up(lab, 1), "one ring, both links");
        lab.Cut.Add((0, 2));
        lab.Until(() => Up(lab, 0, up: false), "link 0 down at both ends");
        Assert.True(one.Sees(1, 2) && two.Sees(1, 2));
    }

    [Fact]
    public void Cut_OfAllLinks_PartitionAndOneRingAfterHealing()
    {
        using var lab = Lab("passive");
        var one = lab.Start(1);
        var two = lab.Start(2);
        lab.Until(() => one.Sees(1, 2) && two.Sees(1, 2) && Up(lab, 0) && Up(lab, 1), "one ring, both links");
        lab.Cut.UnionWith([(0, null), (1, null)]);
        lab.Until(() => one.Sees(1) && two.Sees(2), "two rings");
        lab.Cut.Remove((1, null));
        lab.Until(() => one.Sees(1, 2) && two.Sees(1, 2), "one ring over link 1");
    }

    [Fact]
    public void Start_OverIpv6_OneRing()
    {
        if (!System.Net.Sockets.Socket.OSSupportsIPv6
            || UdpInterfaces.List().All(i => i.Address != UdpAddress.Parse("::1")))
        {
            Assert.Skip("no IPv6 on this host");
        }

        using var lab = new EngineLab(2) { Transport = "knet", Ipv6 = true };
        var one = lab.Start(1);
        lab.Until(() => one.Sees(1), "a view of one");
        Assert.Equal("::1", one.Engine.Status.Links[0].Address);
    }

    [Fact]
    public void Mtu_OfTheLoopback_MeasuredAndUsed()
    {
        using var lab = Lab("passive");
        var one = lab.Start(1);
        var two = lab.Start(2);
        lab.Until(() => one.Sees(1, 2) && Up(lab, 0) && Up(lab, 1)
            && one.Engine.Status.LinkMtus.Values.All(m => m > 60_000), "MTU of the loop-back interface");
        Assert.True(one.Engine.TrySend(new byte[500_000]));
        lab.Until(() => two.Messages.Count == 1, "the message");
        Assert.Equal(500_000, two.Messages[0].Length);
    }
}
