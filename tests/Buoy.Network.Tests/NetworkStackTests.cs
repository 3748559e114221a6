using System.Net;
using System.Net.Sockets;
using Buoy.Linux;
using Buoy.Tests;

namespace Buoy.Network.Tests;

/// <summary>Against the kernel, in a network namespace; ip(8) is the second opinion.</summary>
public sealed class NetworkStackTests
{
    private static readonly IPAddress Vip = IPAddress.Parse("10.9.0.20");

    [Fact]
    public void Add_WithEverything_IsWhatIpShows() => NetNamespace.Run(() =>
    {
        using var stack = new NetworkStack();
        var link = stack.Link("v0")!;
        var address = new AddressInfo(link.Index, Vip, 27)
        {
            Broadcast = IPAddress.Parse("10.9.0.31"),
            Label = "v0:vip",
            Flags = AddressFlags.NoPrefixRoute,
            PreferredLifetime = 0,
        };
        Assert.True(stack.Add(address));
        Assert.False(stack.Add(address));
        string shown = NetNamespace.Ip("-o addr show dev v0 to 10.9.0.20");
        Assert.Contains("inet 10.9.0.20/27 brd 10.9.0.31 scope global", shown);
        Assert.Contains("noprefixroute v0:vip", shown);
        Assert.Contains("deprecated", shown);
        stack.Replace(address with { PreferredLifetime = AddressInfo.Forever });
        var read = stack.Addresses(AddressFamily.InterNetwork).Single(a => a.Address.Equals(Vip));
        Assert.Equal(AddressInfo.Forever, read.PreferredLifetime);
        Assert.Equal("v0:vip", read.Label);
        Assert.Equal(IPAddress.Parse("10.9.0.31"), read.Broadcast);
        Assert.True(stack.Delete(address));
        Assert.False(stack.Delete(address));
        Assert.Empty(NetNamespace.Ip("-o addr show dev v0 to 10.9.0.20"));
    });

    [Fact]
    public void Add_IPv6WithoutDad_IsUsableAtOnce() => NetNamespace.Run(() =>
    {
        using var stack = new NetworkStack();
        var vip = IPAddress.Parse("fd09::20");
        stack.Add(new AddressInfo(
            stack.Link("v0")!.Index, vip, 64) { Flags = AddressFlags.NoDad, PreferredLifetime = 0 });
        string shown = NetNamespace.Ip("-6 -o addr show dev v0 to fd09::20");
        Assert.Contains("fd09::20/64", shown);
        Assert.DoesNotContain("tentative", shown);
        Assert.Contains("deprecated", shown);
    });

    [Fact]
    public void Links_OfThePair_CarryNameMacMtuAndCarrier() => NetNamespace.Run(() =>
    {
        using var stack = new NetworkStack();
        var v0 = stack.Link("v0")!;
        Assert.Contains(AddressProbeHost.MacText(v0.Mac), NetNamespace.Ip("link show v0"));
        Assert.Equal(1500, v0.Mtu);
        Assert.True(v0 is { IsUp: true, HasCarrier: true });
        Assert.True(stack.Link("lo")!.Flags.HasFlag(LinkFlags.Loopback));
        Assert.Null(stack.Link("v9"));
        NetNamespace.Ip("link set v1 down");
        Assert.True(stack.Link("v0") is { IsUp: true, HasCarrier: false });
    });

    [Fact]
    public void ConnectedRoute_PrefersTheLongestAndNeverTheDefaultRoute() => NetNamespace.Run(() =>
    {
        NetNamespace.Ip("addr add 10.9.0.130/26 dev v1");
        NetNamespace.Ip("route add default via 10.9.0.1");
        using var stack = new NetworkStack();
        int v0 = stack.Link("v0")!.Index, v1 = stack.Link("v1")!.Index;
        Assert.Equal((v0, 24), Place(stack, "10.9.0.20"));
        Assert.Equal((v1, 26), Place(stack, "10.9.0.140"));
        Assert.Equal((v0, 64), Place(stack, "fd09::77"));
        Assert.Equal(24, stack.ConnectedRoute(IPAddress.Parse("10.9.0.140"), v0)!.PrefixLength);
        Assert.Null(stack.ConnectedRoute(IPAddress.Parse("10.1.1.1")));
        Assert.Equal(IPAddress.Parse("10.9.0.1"), stack.RouteTo(IPAddress.Parse("10.1.1.1"))!.Gateway);
        Assert.Equal(v0, stack.RouteTo(Vip)!.Interface);
    });

    private static (int Interface, int Prefix) Place(NetworkStack stack, string address)
    {
        var route = stack.ConnectedRoute(IPAddress.Parse(address))!;
        return (route.Interface, route.PrefixLength);
    }

    [Fact]
    public void Monitor_WhenCarrierOrAddressGo_SaysSo() => NetNamespace.Run(() =>
    {
        using var loop = new EventLoop();
        using var monitor = new NetworkMonitor(loop);
        bool carrierLost = false, addressGone = false;
        monitor.LinkChanged += (l, _) => carrierLost |= l is { Name: "v0", HasCarrier: false };
        monitor.AddressChanged += (a, gone) => addressGone |= gone && a.Address.Equals(Vip);
        NetNamespace.Ip("addr add 10.9.0.20/24 dev v0");
        NetNamespace.Ip("addr del 10.9.0.20/24 dev v0");
        loop.Until(() => addressGone);
        NetNamespace.Ip("link set v1 down");
        loop.Until(() => carrierLost);
    });

    [Fact]
    public void Announcer_OnAPair_IsHeardInBothFormsAndLearnt() => NetNamespace.Run(() =>
    {
        using var loop = new EventLoop();
        using var stack = new NetworkStack();
        using var ear = PacketSocket.Open(stack.Link("v1")!.Index, PacketSocket.ProtocolArp, true);
        var link = stack.Link("v0")!;
        using var sender = PacketSocket.OpenSender(Announcer.ProtocolFor(Vip));
        using var announcer = new Announcer(
            loop, sender, link, Vip, 3, 200, _ => Assert.Fail("an announcement failed"));
        Assert.Equal(1, announcer.Sent);
        loop.Until(() => announcer.Done);
        Assert.Equal(3, announcer.Sent);
        var heard = new List<ArpPacket>();
        byte[] buffer = new byte[200];
        int n;
        while ((n = ear.Receive(buffer)) >= 0)
        {
            heard.Add(ArpPacket.Read(buffer.AsSpan(0, n))!);
        }

        Assert.Equal([false, true, false, true, false, true], heard.Select(static p => p.IsReply));
        Assert.All(heard, p => Assert.Equal(
            (Vip, AddressProbeHost.MacText(link.Mac)), (p.SenderAddress, AddressProbeHost.MacText(p.SenderMac))));
    });

    [Fact]
    public void NeighbourAdvertisement_OnAPair_UpdatesTheNeighbourTable() => NetNamespace.Run(() =>
    {
        NetNamespace.Ip("neigh add fd09::20 lladdr 02:00:00:00:00:99 dev v1 nud stale");
        using var loop = new EventLoop();
        using var stack = new NetworkStack();
        var link = stack.Link("v0")!;
        var vip = IPAddress.Parse("fd09::20");
        using var sender = PacketSocket.OpenSender(Announcer.ProtocolFor(vip));
        using var announcer = new Announcer(loop, sender, link, vip, 1, 200, _ => { });
        Assert.Contains(AddressProbeHost.MacText(link.Mac), NetNamespace.Ip("-6 neigh show dev v1"));
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Probe_OfAnAddress_FindsItsHolderOrNobody(bool held) => NetNamespace.Run(() =>
    {
        if (held)
        {
            NetNamespace.Ip("addr add 10.9.0.20/24 dev v1");
        }

        using var loop = new EventLoop();
        using var stack = new NetworkStack();
        AddressProbe? result = null;
        using var host = new AddressProbeHost(loop, stack.Link("v0")!, Vip, p => result = p);
        loop.Until(() => result is not null);
        Assert.Equal(held ? ProbeVerdict.Taken : ProbeVerdict.Free, result!.Verdict);
        Assert.Equal(held ? stack.Link("v1")!.Mac : null, result.HolderMac);
    });
}
