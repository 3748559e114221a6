using System.Net;

namespace Buoy.Network.Tests;

public sealed class AddressProbeTests
{
    private static readonly IPAddress Vip = IPAddress.Parse("192.0.2.20");
    private static readonly byte[] Own = [2, 0, 0, 0, 0, 1];
    private static readonly byte[] Other = [2, 0, 0, 0, 0, 2];

    [Fact]
    public void OnTime_WithoutAnswer_SendsThreeProbesAndSaysFreeAfter160Ms()
    {
        var probe = new AddressProbe(Vip, Own, 1000);
        var sent = new List<long>();
        long now = 1000;
        while (probe.Verdict == ProbeVerdict.Pending)
        {
            now = probe.NextAt;
            if (probe.OnTime(now))
            {
                sent.Add(now);
            }
        }

        Assert.Equal([1000, 1040, 1080], sent);
        Assert.Equal(1160, now);
        Assert.Equal(ProbeVerdict.Free, probe.Verdict);
    }

    [Fact]
    public void OnTime_Late_KeepsTheDistancesBetweenProbes()
    {
        var probe = new AddressProbe(Vip, Own, 0);
        Assert.True(probe.OnTime(500));
        Assert.False(probe.OnTime(510));
        Assert.Equal(540, probe.NextAt);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void OnPacket_FromTheHolder_SaysTakenWithItsMac(bool reply)
    {
        var probe = new AddressProbe(Vip, Own, 0);
        probe.OnTime(0);
        probe.OnPacket(new ArpPacket(reply, Other, Vip, Own, IPAddress.Any));
        Assert.Equal(ProbeVerdict.Taken, probe.Verdict);
        Assert.Equal(Other, probe.HolderMac);
        Assert.False(probe.OnTime(40));
    }

    [Fact]
    public void OnPacket_OfOurselvesOrOfOthers_ChangesNothing()
    {
        var probe = new AddressProbe(Vip, Own, 0);
        probe.OnPacket(new ArpPacket(true, Own, Vip, Own, IPAddress.Any));
        probe.OnPacket(new ArpPacket(true, Other, IPAddress.Parse("192.0.2.21"), Own, IPAddress.Any));
        Assert.Equal(ProbeVerdict.Pending, probe.Verdict);
        Assert.Null(probe.RivalMac);
    }

    [Fact]
    public void OnPacket_ProbeOfAnother_NamesARival()
    {
        var probe = new AddressProbe(Vip, Own, 0);
        probe.OnPacket(ArpPacket.Probe(Other, Vip));
        Assert.Equal(ProbeVerdict.Pending, probe.Verdict);
        Assert.Equal(Other, probe.RivalMac);
    }

    [Fact]
    public void OnSendFailed_IsNeverFree()
    {
        var probe = new AddressProbe(Vip, Own, 0);
        probe.OnTime(0);
        probe.OnSendFailed();
        Assert.Equal(ProbeVerdict.Failed, probe.Verdict);
    }

    [Fact]
    public void Offset_OfTheSchedule_IsDenseAtFirstThenEvenlySpaced()
    {
        var offsets = Enumerable.Range(0, 9).Select(static i => AnnouncementSchedule.Offset(i, 8, 200));
        Assert.Equal([0, 50, 100, 200, 500, 1000, 1200, 1400, null], offsets);
        Assert.Null(AnnouncementSchedule.Offset(0, 0, 200));
    }

    [Fact]
    public void Read_OfAnArpPacketWritten_GivesItBack()
    {
        var packet = ArpPacket.AnnounceReply(Own, Vip);
        var read = ArpPacket.Read(packet.ToBytes())!;
        Assert.True(read.IsReply);
        Assert.Equal(Own, read.SenderMac);
        Assert.Equal(Vip, read.SenderAddress);
        Assert.Equal(Vip, read.TargetAddress);
        for (int cut = 0; cut < ArpPacket.Bytes; cut++)
        {
            Assert.Null(ArpPacket.Read(packet.ToBytes().AsSpan(0, cut)));
        }
    }
}
