using System.Diagnostics;
using System.Globalization;
using Buoy.Demo;
using Buoy.Lab;

namespace Buoy.LabTests;

/// <summary>
/// The guard of the seed's address among real processes. The client's host asks every few milliseconds who answers for the
/// address: at no moment may two.
/// </summary>
public sealed class GuardTests
{
    private const int AskMs = 4;

    [Fact]
    public void RingCut_SegmentWhole_HolderKeepsAddress_OtherIsRefusedAndForgiven()
    {
        using var c = LabCluster.Running();
        string active = c.Holder(), other = c.Other(active);
        using (var owners = new Owners(c))
        {
            Cut(c, "cut", "5405");
            c.WaitFor(() => c.World.Nodes.All(n => c.Online(n).Length == 1), "each node alone in its view");
            c.WaitFor(() => c.Status(other).Contains("only the ring has failed", StringComparison.Ordinal), "the refusal is shown");
            Assert.Equal([active], c.World.Holders());
            Cut(c, "mend");
            c.WaitFor(() => c.World.Nodes.All(n => c.Online(n).Length == 2), "one view again");
            c.WaitFor(() => !c.Status(other).Contains("only the ring has failed", StringComparison.Ordinal), "the refusal is forgotten");
            c.WaitIdle();
            owners.AssertOneAtATime();
        }

        c.World.Buoy(active, null, "crm", "node", "standby", active).Require("standby");
        c.WaitIdle();
        Assert.Equal(other, c.Holder());
    }

    [Theory]
    [InlineData("STOP", 3000)]
    [InlineData("STOP", 1000)]
    [InlineData("KILL", 1000)]
    public void HoldersDaemon_StoppedOrKilled_LosesTheAddressAndOtherTakesIt(string signal, int token)
    {
        var files = SeedFiles.Load();
        using var c = LabCluster.Running(files with
        {
            CorosyncConf = files.CorosyncConf.Replace("token: 3000", $"token: {token}", StringComparison.Ordinal),
        });
        string active = c.Holder(), other = c.Other(active);
        string daemon = c.World.InNode(active, ["cat", "/run/buoy/cluster.pid"]).Require("pid file").Output.Trim();
        using var owners = new Owners(c);
        c.World.Signal(active, signal, daemon).Require(signal);
        c.WaitFor(() => c.World.Holders().Contains(other), "the other node has the address");
        Assert.True(c.Client!.WaitUp(15_000), c.Logs());
        if (signal == "STOP")
        {
            // It wakes, finds its lease over, and gives the address up for good.
            c.World.Signal(active, "CONT", daemon).Require("CONT");
            c.WaitFor(() => c.World.Nodes.All(n => c.Online(n).Length == 2), "one view again");
        }
        else
        {
            // The address was left behind, silent: the daemon that is started next takes it off.
            Assert.Contains(active, c.World.Holders());
            c.World.StartDaemon(active);
        }

        c.WaitFor(() => c.World.Holders().Count == 1, "one holder is left");
        c.WaitIdle();
        owners.AssertOneAtATime();
        Assert.True(c.Client.WaitUp(15_000), c.Logs());
    }

    [Fact]
    public void BothNodes_StartedAtOnce_OneOwnerAsTheSegmentSeesIt()
    {
        using var c = LabCluster.Running();
        using var owners = new Owners(c);
        for (int round = 0; round < 3; round++)
        {
            foreach (string node in c.World.Nodes)
            {
                c.World.Crash(node);
            }

            foreach (string node in c.World.Nodes)
            {
                c.World.Boot(node);
            }

            c.StartDaemons();
            c.WaitFor(() => c.World.Holders().Count == 1, "the address is up");
            c.WaitIdle();
        }

        owners.AssertOneAtATime();
    }

    [Fact]
    public void Stranger_HasTheAddress_StartIsRefusedWithItsStation()
    {
        var files = SeedFiles.Load();
        using var c = LabCluster.Bare(files);
        c.StartServers();
        string server = LabNetwork.Servers[2];
        c.World.InHost(server, ["ip", "addr", "add", $"{c.World.Network.Vip}/32", "dev", "eth0"]).Require("ip addr add");
        string mac = c.World.InHost(server, ["cat", "/sys/class/net/eth0/address"]).Output.Trim();
        c.StartDaemons();
        c.Configure(files.ClusterCrm);
        c.WaitFor(() => c.Status(c.First).Contains("is no node of this cluster", StringComparison.Ordinal), "the conflict is shown");
        c.WaitIdle();
        Assert.Contains(mac, c.Status(c.First));
        Assert.Empty(c.World.Holders());
    }

    [Fact]
    public void Router_WithProxyArpForTheAddress_IsNoOwner()
    {
        var files = SeedFiles.Load();
        using var c = LabCluster.Bare(files);
        c.StartServers();
        c.World.InHost(LabNetwork.Servers[2], ["sh", "-ec", $"""
            ip link add far0 type veth peer name far1
            ip link set far0 up; ip link set far1 up
            ip route add {c.World.Network.Vip}/32 dev far0
            echo 1 >/proc/sys/net/ipv4/ip_forward
            echo 1 >/proc/sys/net/ipv4/conf/eth0/proxy_arp
            """]).Require("proxy ARP");
        c.StartDaemons();
        c.Configure(files.ClusterCrm);
        c.WaitFor(() => c.World.Holders().Count == 1, "the address is up");
        c.WaitIdle();
        Assert.DoesNotContain("Failed", c.Status(c.First));
    }

    [Fact]
    public void Stop_LeavesNoRuleBehind_AndGuardOffMakesNone()
    {
        var files = SeedFiles.Load();
        using var c = LabCluster.Running();
        string active = c.Holder();
        Assert.Equal("virtual-ip-resource", Rules(c, active));
        c.World.Buoy(active, null, "crm", "resource", "stop", "virtual-ip-resource").Require("stop");
        c.WaitIdle();
        Assert.Equal("", Rules(c, active));
        c.World.Buoy(active, null, "crm", "resource", "param", "virtual-ip-resource", "set", "guard", "off").Require("param");
        c.World.Buoy(active, null, "crm", "resource", "start", "virtual-ip-resource").Require("start");
        c.WaitIdle();
        Assert.Equal("", Rules(c, c.Holder()));
    }

    private static string Rules(LabCluster c, string node) =>
        c.World.InNode(node, [c.Program, "lab", "rules"]).Require("rules").Output.Trim();

    private static void Cut(LabCluster c, params string[] words)
    {
        foreach (string node in c.World.Nodes)
        {
            c.World.InNode(node, [c.Program, "lab", .. words]).Require(words[0]);
        }
    }

    /// <summary>The third host's look at the segment, while it lives.</summary>
    private sealed class Owners : IDisposable
    {
        private readonly Process _process;
        private bool _ended;

        public Owners(LabCluster c)
        {
            _process = c.World.StartInHost("client", [c.Program, "lab", "owners", "eth0", $"{c.World.Network.Vip}",
                AskMs.ToString(CultureInfo.InvariantCulture)]);
            Assert.Equal("ready", _process.StandardOutput.ReadLine());
        }

        public void AssertOneAtATime()
        {
            _ended = true;
            _process.StandardInput.Close();
            string told = _process.StandardOutput.ReadToEnd();
            TestContext.Current.TestOutputHelper?.WriteLine(told);
            Assert.StartsWith("dual 0 of ", told.Trim().Split('\n')[^1]);
        }

        public void Dispose()
        {
            if (!_ended)
            {
                _process.StandardInput.Close();
            }
        }
    }
}
