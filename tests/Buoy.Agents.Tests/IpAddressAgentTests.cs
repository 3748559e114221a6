using System.Net;
using Buoy.Linux;
using Buoy.Network;
using Buoy.Tests;

namespace Buoy.Agents.Tests;

/// <summary>The built-in IPaddr2 against the kernel, and against the original where it is installed.</summary>
public sealed class IpAddressAgentTests
{
    private const string Original = "/usr/lib/ocf/resource.d/heartbeat/IPaddr2";
    private const string Vip = "10.9.0.20";

    [Fact]
    public void StartMonitorStop_OfTheSeedsResource_DoWhatIpShows() => NetNamespace.Run(() =>
    {
        NetNamespace.Ip("link add v0.41 type veth peer name v1.41");
        NetNamespace.Ip("link set v1.41 up");
        using var bench = new Bench();
        (string, string)[] attributes =
            [("ip", "192.168.4.20"), ("broadcast", "192.168.4.31"), ("nic", "v0.41"), ("cidr_netmask", "27")];
        Assert.Equal(7, Run(bench, "monitor", attributes).Rc);
        Assert.Equal(0, Run(bench, "start", attributes).Rc);
        Assert.Equal(0, Run(bench, "start", attributes).Rc);
        Assert.Contains(
            "inet 192.168.4.20/27 brd 192.168.4.31 scope global v0.41", NetNamespace.Ip("-o addr show dev v0.41"));
        Assert.Contains("UP", NetNamespace.Ip("-br link show dev v0.41"));
        Assert.Equal(0, Run(bench, "monitor", attributes).Rc);
        Assert.Equal(0, Run(bench, "stop", attributes).Rc);
        Assert.Equal(0, Run(bench, "stop", attributes).Rc);
        Assert.Equal(7, Run(bench, "monitor", attributes).Rc);
        Assert.Empty(NetNamespace.Ip("-o -4 addr show dev v0.41"));
    });

    [Theory]
    [InlineData("start", "ip=10.9.0.20")]
    [InlineData("start", "ip=10.9.0.20 cidr_netmask=27 nic=v0 broadcast=+ iflabel=x")]
    [InlineData("start", "ip=10.9.0.20 cidr_netmask=255.255.255.224 nic=v0 broadcast=-")]
    [InlineData("start", "ip=10.9.0.20 broadcast=10.9.0.255 noprefixroute=true")]
    [InlineData("start", "ip=10.9.0.20 nic=v1 cidr_netmask=32")]
    [InlineData("start", "ip=10.77.0.20")]
    [InlineData("start", "ip=10.77.0.20 nic=v0")]
    [InlineData("start", "ip=10.9.0.20 nic=zz")]
    [InlineData("start", "ip=10.9.0.300 nic=v0")]
    [InlineData("start", "ip=10.9.0.20 cidr_netmask=64")]
    [InlineData("start", "ip=10.9.0.20 broadcast=foo")]
    [InlineData("start", "ip=10.9.0.20 arp_count=x")]
    [InlineData("start", "")]
    [InlineData("start", "ip=fd09::20 nodad=true")]
    [InlineData("start", "ip=fd09::20 cidr_netmask=64 nic=v0 nodad=true noprefixroute=true preferred_lft=0")]
    [InlineData("start", "ip=fd77::20 nic=v0")]
    [InlineData("monitor", "ip=10.9.0.20")]
    [InlineData("monitor", "ip=10.9.0.2")]
    [InlineData("monitor", "ip=10.9.0.2 cidr_netmask=28")]
    [InlineData("monitor", "ip=10.9.0.2 cidr_netmask=24 nic=v0")]
    [InlineData("monitor", "ip=10.9.0.300")]
    [InlineData("monitor", "ip=10.9.0.20 nic=zz")]
    [InlineData("monitor", "")]
    [InlineData("stop", "ip=10.9.0.2 nic=v0 cidr_netmask=24")]
    [InlineData("stop", "ip=10.9.0.2")]
    [InlineData("stop", "ip=10.77.0.20")]
    [InlineData("stop", "ip=10.9.0.300")]
    [InlineData("stop", "")]
    [InlineData("promote", "ip=10.9.0.20")]
    [Trait("original", "resource-agents")]
    public void Execute_ComparedWithTheOriginal_HasItsExitStatusAndEffect(string task, string parameters)
    {
        Assert.SkipUnless(File.Exists(Original), "resource-agents are not installed");
        string[] words = parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        (int Rc, string Addresses) theirs = default, ours = default;
        NetNamespace.Run(() =>
        {
            string state = Directory.CreateTempSubdirectory("buoy-agents-").FullName;
            string[] env =
            [
                .. words.Select(static w => "OCF_RESKEY_" + w), "OCF_ROOT=/usr/lib/ocf", "OCF_RESOURCE_INSTANCE=r",
                "OCF_RESKEY_arp_bg=false", "HA_RSCTMP=" + state,
            ];
            if (words.All(static w => !w.StartsWith("arp_count", StringComparison.Ordinal)))
            {
                env = [.. env, "OCF_RESKEY_arp_count=1"];
            }

            theirs = (NetNamespace.Program(Original, [task], env).Rc, Shown());
            Directory.Delete(state, recursive: true);
        });
        NetNamespace.Run(() =>
        {
            using var bench = new Bench();
            ours = (Run(bench, task, [.. words.Select(static w => (w.Split('=')[0], w.Split('=')[1]))]).Rc, Shown());
        });
        Assert.Equal(theirs, ours);
    }

    [Theory]
    [InlineData("ip=10.9.0.20 network_namespace=blue", "network_namespace")]
    [InlineData("ip=10.9.0.20 unique_clone_address=true", "unique_clone_address")]
    [InlineData("ip=10.9.0.20 clusterip_hash=sourceip", "clusterip_hash")]
    [InlineData("ip=10.9.0.20 lvs_support=true", "lvs_support")]
    [InlineData("ip=10.9.0.20 nic=v0 iflabel=averyverylonglabel", "iflabel")]
    [InlineData("ip=10.9.0.20 nodad=maybe", "nodad")]
    [InlineData("ip=10.9.0", "ip")]
    [InlineData("ip=fe80::1", "nic")]
    public void Start_WithAWrongParameter_NamesIt(string parameters, string name) => NetNamespace.Run(() =>
    {
        using var bench = new Bench();
        (string, string)[] attributes = [
            .. parameters.Split(' ').Select(static w => (w.Split('=')[0], w.Split('=')[1]))];
        var result = Run(bench, "start", attributes);
        Assert.Equal(6, result.Rc);
        Assert.Contains($"parameter {name}", result.ExitReason);
    });

    [Fact]
    public void Monitor_OnTheWrongInterface_IsAnErrorAndStopCleansIt() => NetNamespace.Run(() =>
    {
        NetNamespace.Ip($"addr add {Vip}/24 dev v1");
        using var bench = new Bench();
        var result = Run(bench, "monitor", ("ip", Vip), ("nic", "v0"));
        Assert.Equal((1, "10.9.0.20 is on v1, expected on v0"), (result.Rc, result.ExitReason));
        Assert.Equal(0, Run(bench, "stop", ("ip", Vip), ("nic", "v0")).Rc);
        Assert.Equal(7, Run(bench, "monitor", ("ip", Vip), ("nic", "v0")).Rc);
    });

    [Fact]
    public void Monitor_Recurring_SaysAtOnceWhenTheAddressOrTheLinkGoes() => NetNamespace.Run(() =>
    {
        using var bench = new Bench();
        var news = new List<AgentResult>();
        Assert.Equal(0, Run(bench, "start", ("ip", Vip)).Rc);
        bench.Executor.Execute(
            Bench.Request(AgentCatalog.IpAddress, "monitor", intervalMs: 3_600_000, attributes: ("ip", Vip)), news.Add);
        bench.Loop.Until(() => news.Count == 1);
        NetNamespace.Ip("link set v1 down");
        bench.Loop.Until(() => news.Count == 2);
        NetNamespace.Ip("link set v1 up");
        bench.Loop.Until(() => news.Count == 3);
        NetNamespace.Ip($"addr del {Vip}/24 dev v0");
        bench.Loop.Until(() => news.Count == 4);
        Assert.Equal([0, 1, 0, 7], news.Select(static r => r.Rc));
        Assert.Equal("interface v0 has no carrier", news[1].ExitReason);
        Assert.Equal("10.9.0.20 was removed", news[3].ExitReason);
        bench.Executor.CancelAll("r");
    });

    [Fact]
    public void StartAndStop_WithTheAddressOnLoopbackToo_LeaveThatAlone() => NetNamespace.Run(() =>
    {
        NetNamespace.Ip($"addr add {Vip}/32 dev lo");
        using var bench = new Bench();
        Assert.Equal(7, Run(bench, "monitor", ("ip", Vip)).Rc);
        Assert.Equal(0, Run(bench, "start", ("ip", Vip)).Rc);
        Assert.Contains($"{Vip}/24", NetNamespace.Ip("-o -4 addr show dev v0"));
        Assert.Equal(0, Run(bench, "stop", ("ip", Vip)).Rc);
        Assert.DoesNotContain(Vip, NetNamespace.Ip("-o -4 addr show dev v0"));
        Assert.Contains(Vip, NetNamespace.Ip("-o -4 addr show dev lo"));
    });

    [Fact]
    public void Start_OfAnAddress_IsAnnouncedUntilItStops() => NetNamespace.Run(() =>
    {
        using var bench = new Bench();
        using var stack = new NetworkStack();
        using var ear = PacketSocket.Open(stack.Link("v1")!.Index, PacketSocket.ProtocolArp, true);
        Run(bench, "start", ("ip", Vip));
        byte[] buffer = new byte[200];
        var heard = new List<ArpPacket>();
        bench.Loop.Add(
            ear.Fd, PollEvents.Readable, _ => heard.Add(ArpPacket.Read(buffer.AsSpan(0, ear.Receive(buffer)))!));
        bench.Loop.Until(() => heard.Count >= 6);
        Assert.All(heard, p => Assert.Equal(IPAddress.Parse(Vip), p.SenderAddress));
        Run(bench, "stop", ("ip", Vip));
        while (ear.Receive(buffer) >= 0)
        {
        }

        int before = heard.Count;
        bool over = false;
        bench.Loop.Schedule(1200, () => over = true);
        bench.Loop.Until(() => over);
        Assert.Equal(before, heard.Count);
        bench.Loop.Remove(ear.Fd);
    });

    [Fact]
    public void Stop_WhileMonitored_ReportsNothing() => NetNamespace.Run(() =>
    {
        using var bench = new Bench();
        var news = new List<int>();
        Run(bench, "start", ("ip", Vip));
        bench.Executor.Execute(Bench.Request(
            AgentCatalog.IpAddress, "monitor", intervalMs: 3_600_000, attributes: ("ip", Vip)), r => news.Add(r.Rc));
        bench.Loop.Until(() => news.Count == 1);
        Run(bench, "stop", ("ip", Vip));
        Run(bench, "stop", ("ip", Vip));
        Assert.Equal([0], news);
    });

    [Fact]
    public void Start_WithoutCarrier_FailsUnlessToldNotToLook() => NetNamespace.Run(() =>
    {
        NetNamespace.Ip("link set v1 down");
        using var bench = new Bench();
        Assert.Equal(1, Run(bench, "start", ("ip", Vip)).Rc);
        Assert.Equal(0, Run(bench, "start", ("ip", Vip), ("check_link_status", "false")).Rc);
        Assert.Equal(0, Run(bench, "monitor", ("ip", Vip), ("check_link_status", "false")).Rc);
    });

    [Fact]
    public void Start_WithRunArping_RefusesAnAddressThatIsHeld() => NetNamespace.Run(() =>
    {
        using var bench = new Bench();
        using var stack = new NetworkStack();
        var mac = stack.Link("v1")!.Mac;
        using var ear = PacketSocket.Open(stack.Link("v1")!.Index, PacketSocket.ProtocolArp, true);
        byte[] buffer = new byte[200];
        bench.Loop.Add(ear.Fd, PollEvents.Readable, _ =>
        {
            if (ear.Receive(buffer) > 0)
            {
                ear.Send(new ArpPacket(true, mac, IPAddress.Parse(Vip), new byte[6], IPAddress.Any).ToBytes(),
                    ArpPacket.BroadcastMac);
            }
        });
        var result = Run(bench, "start", ("ip", Vip), ("run_arping", "true"));
        Assert.Equal(1, result.Rc);
        Assert.Contains($"in use by {AddressProbeHost.MacText(mac)}", result.ExitReason);
        bench.Loop.Remove(ear.Fd);
        Assert.Equal(0, Run(bench, "start", ("ip", Vip), ("run_arping", "true")).Rc);
    });

    [Fact]
    public void Start_OfIPv6_WaitsForDuplicateAddressDetection() => NetNamespace.Run(() =>
    {
        using var bench = new Bench();
        Assert.Equal(0, Run(bench, "start", ("ip", "fd09::20")).Rc);
        string shown = NetNamespace.Ip("-6 -o addr show dev v0 to fd09::20");
        Assert.Contains("fd09::20/64", shown);
        Assert.DoesNotContain("tentative", shown);
    });

    [Fact]
    public void StartAndStop_ManyTimes_AreMeasured() => NetNamespace.Run(() =>
    {
        using var bench = new Bench();
        (string, string)[] attributes = [("ip", Vip), ("nic", "v0"), ("cidr_netmask", "27")];
        var start = new List<long>();
        var stop = new List<long>();
        for (int i = 0; i < 200; i++)
        {
            foreach (var (task, into) in ((string, List<long>)[])[("start", start), ("stop", stop)])
            {
                long before = EventLoop.NowMicros;
                Assert.Equal(0, Run(bench, task, attributes).Rc);
                into.Add(EventLoop.NowMicros - before);
            }
        }

        start.Sort();
        stop.Sort();
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"start µs p50 {start[100]} p99 {start[197]}; stop µs p50 {stop[100]} p99 {stop[197]}");
    });

    private static AgentResult Run(Bench bench, string task, params (string, string)[] attributes) =>
        bench.Run(Bench.Request(AgentCatalog.IpAddress, task, attributes: attributes));

    private static string Shown() => string.Join('\n', NetNamespace.Ip("-o addr show").Split('\n')
        .Where(static l => !l.Contains("fe80")).Select(static l => l[(l.IndexOf(' ') + 1)..]));
}
