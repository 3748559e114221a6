using System.Net;
using Buoy.Linux;
using Buoy.Network;
using Buoy.Network.GuardHost;
using Buoy.Tests;

namespace Buoy.Network.Tests;

/// <summary>The lease in the real kernel: what it lets through, when it ends, and what cannot be done after that.</summary>
public sealed class KernelLeaseTests
{
    private static readonly IPAddress Address = IPAddress.Parse("10.9.0.20");

    [Fact]
    public void Rules_WithoutLease_KernelAnswersNobody() => InNamespace(session =>
    {
        var lease = new KernelLease(session, "vip", Address);
        NetNamespace.Ip("addr add 10.9.0.20/24 dev v0");
        Assert.False(Answers());
        lease.PlaceTicket(1000);
        Assert.False(Answers());
        Assert.True(lease.Grant(60_000));
        Assert.True(Answers());
        lease.Drop();
        Assert.False(Answers());
        lease.Lift();
        Assert.True(Answers());
        Assert.Empty(session.Resources());
    });

    [Fact]
    public void Lease_NotRenewed_EndsByItself() => InNamespace(session =>
    {
        var lease = new KernelLease(session, "vip", Address);
        NetNamespace.Ip("addr add 10.9.0.20/24 dev v0");
        lease.PlaceTicket(1000);
        Assert.True(lease.Grant(500));
        Assert.True(Answers());
        Until(() => !Answers());
        Assert.False(lease.Renew(60_000));
        Assert.False(Answers());
    });

    [Fact]
    public void Renewal_BeforeTheEnd_Prolongs() => InNamespace(session =>
    {
        var lease = new KernelLease(session, "vip", Address);
        NetNamespace.Ip("addr add 10.9.0.20/24 dev v0");
        lease.PlaceTicket(2000);
        Assert.True(lease.Grant(2000));
        long end = EventLoop.Now + 2000;
        Assert.True(lease.Renew(60_000));
        Until(() => EventLoop.Now > end + 100);
        Assert.True(Answers());
    });

    [Fact]
    public void Grant_WithoutOrAfterTheTicket_IsRefused() => InNamespace(session =>
    {
        var lease = new KernelLease(session, "vip", Address);
        NetNamespace.Ip("addr add 10.9.0.20/24 dev v0");
        Assert.False(lease.Grant(60_000));
        lease.PlaceTicket(20);
        long end = EventLoop.Now + 60;
        Until(() => EventLoop.Now > end);
        Assert.False(lease.Grant(60_000));
        Assert.False(Answers());
    });

    [Fact]
    public void Rules_OfTwoResources_LiveSideBySideAndAreFoundAgain() => InNamespace(session =>
    {
        var one = new KernelLease(session, "one", Address);
        var two = new KernelLease(session, "two", IPAddress.Parse("fd09::20"));
        Assert.Equal(["one", "two"], session.Resources().Order());
        one.Lift();
        two.PlaceTicket(1000);
        Assert.True(two.Grant(1000));
        Assert.Equal(["two"], session.Resources());
        session.Lift("two");
        Assert.Empty(session.Resources());
    });

    [Fact]
    public void Rules_LaidAnew_HaveNoLease() => InNamespace(session =>
    {
        var lease = new KernelLease(session, "vip", Address);
        NetNamespace.Ip("addr add 10.9.0.20/24 dev v0");
        lease.PlaceTicket(1000);
        Assert.True(lease.Grant(60_000));
        _ = new KernelLease(session, "vip", Address);
        Assert.False(Answers());
    });

    private static void InNamespace(Action<NftSession> body) => NetNamespace.Run(() =>
    {
        using var session = NftSession.Open(out string? why);
        Assert.SkipWhen(session is null, $"no nf_tables: {why}");
        body(session!);
    });

    /// <summary>The kernel's timeouts are nothing that a loop could wait for.</summary>
    private static void Until(Func<bool> condition)
    {
        long deadline = EventLoop.Now + 20_000;
        while (!condition())
        {
            Assert.True(EventLoop.Now < deadline, "what was waited for did not happen within 20 s");
        }
    }

    /// <summary>Whether a probe from the pair's other end is answered. The kernel does so while the packet is sent.</summary>
    private static bool Answers()
    {
        using var stack = new NetworkStack();
        var link = stack.Link("v1")!;
        using var socket = PacketSocket.Open(link.Index, PacketSocket.ProtocolArp, receive: true);
        Assert.Equal(0, socket.Send(ArpPacket.Probe(link.Mac, Address).ToBytes(), ArpPacket.BroadcastMac));
        byte[] buffer = new byte[256];
        long end = EventLoop.Now + 50;
        while (EventLoop.Now < end)
        {
            int n = socket.Receive(buffer);
            if (n > 0 && ArpPacket.Read(buffer.AsSpan(0, n)) is { IsReply: true } p && p.SenderAddress.Equals(Address))
            {
                return true;
            }
        }

        return false;
    }
}
