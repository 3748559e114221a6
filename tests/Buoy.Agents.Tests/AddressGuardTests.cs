using System.Net;
using Buoy.Linux;
using Buoy.Network;
using Buoy.Network.GuardHost;
using Buoy.Tests;

namespace Buoy.Agents.Tests;

/// <summary>IPaddr2 with its guard against the kernel; the other end of the pair plays the segment.</summary>
public sealed class AddressGuardTests
{
    private static readonly IPAddress Vip = IPAddress.Parse("10.9.0.20");

    [Theory]
    [InlineData("10.9.0.20", "24")]
    [InlineData("fd09::20", "64")]
    public void StartAndStop_OfAFreeAddress_LeaveNothingBehind(string ip, string bits) => InNamespace((bench, session) =>
    {
        Assert.Equal(0, Run(bench, "start", ("ip", ip), ("nic", "v0"), ("cidr_netmask", bits)).Rc);
        Assert.Contains(ip + "/", NetNamespace.Ip("-o addr show dev v0"));
        Assert.Equal(["r"], session.Resources());
        Assert.Equal(0, Run(bench, "monitor", ("ip", ip), ("nic", "v0"), ("cidr_netmask", bits)).Rc);
        Assert.Equal(0, Run(bench, "stop", ("ip", ip), ("nic", "v0"), ("cidr_netmask", bits)).Rc);
        Assert.DoesNotContain(ip + "/", NetNamespace.Ip("-o addr show dev v0"));
        bench.Loop.Until(() => session.Resources().Count == 0);
    });

    [Fact]
    public void Start_StrangerAnswers_IsRefusedWithItsStation() => InNamespace((bench, session) =>
    {
        using var stranger = new Stranger(bench.Loop);
        var result = Run(bench, "start", ("ip", "10.9.0.20"), ("nic", "v0"));
        Assert.Equal(1, result.Rc);
        Assert.Equal(
            "10.9.0.20 is in use by 02:00:00:00:00:99, which is no node of this cluster", result.ExitReason);
        Assert.DoesNotContain("10.9.0.20/", NetNamespace.Ip("-o addr show dev v0"));
        bench.Loop.Until(() => session.Resources().Count == 0);
        Assert.Contains(bench.Options.Guard!.Counters, static c => c is { Key: "guard.conflict", Value: 1 });
    });

    [Fact]
    public void Start_GuardOff_AsksNobodyAndLaysNoRule() => InNamespace((bench, session) =>
    {
        using var stranger = new Stranger(bench.Loop);
        Assert.Equal(0, Run(bench, "start", ("ip", "10.9.0.20"), ("nic", "v0"), ("guard", "off")).Rc);
        Assert.Contains("10.9.0.20/", NetNamespace.Ip("-o addr show dev v0"));
        Assert.Empty(session.Resources());
    });

    [Fact]
    public void Held_DaemonStandsStill_AddressFallsSilentAndComesBack() => InNamespace((bench, session) =>
    {
        Assert.Equal(0, Run(bench, "start", ("ip", "10.9.0.20"), ("nic", "v0")).Rc);
        Assert.True(Answers());
        long deadline = EventLoop.Now + 20_000;
        while (Answers())
        {
            Assert.True(EventLoop.Now < deadline, "the lease of a loop that does not turn never ended");
        }

        bench.Loop.Until(Answers);
        Assert.Contains(bench.Options.Guard!.Counters, static c => c is { Key: "guard.lease-lost", Value: 1 });
    });

    [Fact]
    public void Monitor_FindsAnAddressWithoutGuard_TakesItOver() => InNamespace((bench, session) =>
    {
        NetNamespace.Ip("addr add 10.9.0.20/24 dev v0");
        Assert.Equal(0, Run(bench, "monitor", ("ip", "10.9.0.20"), ("nic", "v0")).Rc);
        Assert.Equal(["r"], session.Resources());
        Assert.True(Answers());
    });

    [Fact]
    public void Monitor_FindsAnAddressThatAnotherHasByNow_RemovesIt() => InNamespace((bench, session) =>
    {
        NetNamespace.Ip("addr add 10.9.0.20/24 dev v0");
        using var stranger = new Stranger(bench.Loop);
        Assert.Equal(7, Run(bench, "monitor", ("ip", "10.9.0.20"), ("nic", "v0")).Rc);
        Assert.DoesNotContain("10.9.0.20/", NetNamespace.Ip("-o addr show dev v0"));
        bench.Loop.Until(() => session.Resources().Count == 0);
    });

    private static void InNamespace(Action<Bench, NftSession> body) => NetNamespace.Run(() =>
    {
        using var session = NftSession.Open(out string? why);
        Assert.SkipWhen(session is null, $"no nf_tables: {why}");
        // The pair's other end is on this host too, and would answer for the address itself.
        File.WriteAllText("/proc/sys/net/ipv4/conf/v1/arp_ignore", "8");
        using var bench = new Bench(guard: new GuardContext());
        body(bench, session!);
    });

    private static AgentResult Run(Bench bench, string task, params (string, string)[] attributes) =>
        bench.Run(Bench.Request(AgentCatalog.IpAddress, task, attributes: attributes));

    private static bool Answers()
    {
        using var stack = new NetworkStack();
        var link = stack.Link("v1")!;
        using var socket = PacketSocket.Open(link.Index, PacketSocket.ProtocolArp, receive: true);
        Assert.Equal(0, socket.Send(ArpPacket.Probe(link.Mac, Vip).ToBytes(), ArpPacket.BroadcastMac));
        byte[] buffer = new byte[256];
        long end = EventLoop.Now + 20;
        while (EventLoop.Now < end)
        {
            int n = socket.Receive(buffer);
            if (n > 0 && ArpPacket.Read(buffer.AsSpan(0, n)) is { IsReply: true } p && p.SenderAddress.Equals(Vip))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A host at the other end that has the address as its own.</summary>
    private sealed class Stranger : IDisposable
    {
        private readonly EventLoop _loop;
        private readonly PacketSocket _socket;

        public Stranger(EventLoop loop)
        {
            _loop = loop;
            using var stack = new NetworkStack();
            _socket = PacketSocket.Open(stack.Link("v1")!.Index, PacketSocket.ProtocolArp, receive: true);
            byte[] buffer = new byte[256];
            loop.Add(_socket.Fd, PollEvents.Readable, events =>
            {
                int n;
                while ((n = _socket.Receive(buffer)) >= 0)
                {
                    if (ArpPacket.Read(buffer.AsSpan(0, n)) is { IsReply: false } p && p.TargetAddress.Equals(Vip))
                    {
                        var answer = new ArpPacket(true, [2, 0, 0, 0, 0, 0x99], Vip, p.SenderMac, IPAddress.Any);
                        _ = _socket.Send(answer.ToBytes(), p.SenderMac);
                    }
                }
            });
        }

        public void Dispose()
        {
            _loop.Remove(_socket.Fd);
            _socket.Dispose();
        }
    }
}
