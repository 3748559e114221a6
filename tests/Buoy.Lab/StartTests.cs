using System.Diagnostics;
using Buoy.Demo;
using Buoy.Lab;

namespace Buoy.LabTests;

/// <summary>Starts that must not, or must nevertheless, succeed.</summary>
public sealed class StartTests
{
    [Fact]
    public void BothNodes_StartedAtOnce_NeverBothHoldTheAddress()
    {
        using var c = LabCluster.Running();
        foreach (string node in c.World.Nodes)
        {
            c.World.Crash(node);
        }

        foreach (string node in c.World.Nodes)
        {
            c.World.Boot(node);
        }

        c.StartDaemons();
        var clock = Stopwatch.StartNew();
        while (c.World.Holders().Count == 0)
        {
            Assert.True(clock.ElapsedMilliseconds < 20_000, "nobody took the address\n" + c.Logs());
        }

        // The time in which a second, late decision would show.
        for (clock.Restart(); clock.ElapsedMilliseconds < 3000;)
        {
            Assert.True(c.World.Holders().Count <= 1, "both hold the address\n" + c.Logs());
        }
    }

    [Fact]
    public void WrongAuthkey_NodesIgnoreEachOther_AndCountIt()
    {
        using var c = LabCluster.Bare();
        c.World.InNode(c.Second, ["sh", "-c", "rm /etc/corosync/authkey; head -c 256 /dev/urandom > /etc/corosync/authkey; chmod 400 /etc/corosync/authkey"]).Require("other key");
        c.StartDaemons();
        c.WaitFor(() => c.Online(c.First).Length == 1 && c.Online(c.Second).Length == 1, "each alone");
        var quorum = c.World.Buoy(c.First, null, "corosync-quorumtool", "-s");
        Assert.Contains("Nodes:            1", quorum.Output);
    }

    [Theory]
    [InlineData("truncated", "f=/var/lib/buoy/cib/cib.xml; s=$(stat -c %s $f); truncate -s $((s / 2)) $f")]
    [InlineData("altered", "sed -i 's/192.168.4.20/192.168.4.29/' /var/lib/buoy/cib/cib.xml")]
    public void DamagedCibFile_OnOneNode_IsDetectedAndTheGoodOneUsed(string what, string damage)
    {
        using var c = LabCluster.Running();
        string shown = c.World.Buoy(c.First, null, "crm", "configure", "show").Output;
        foreach (string node in c.World.Nodes)
        {
            c.World.Crash(node);
            c.World.Boot(node);
        }

        c.World.InNode(c.First, ["sh", "-c", damage]).Require(what);
        c.StartDaemons();
        c.WaitFor(() => c.World.Holders().Count == 1, "the address is up");
        c.WaitIdle();
        Assert.Equal(shown, c.World.Buoy(c.First, null, "crm", "configure", "show").Output);
        Assert.Contains("is not what was written", c.World.InNode(c.First, ["cat", "/var/log/corosync/corosync.log"]).Output);
    }

    [Fact]
    public void Authkey_Missing_DaemonSaysSoAndDoesNotStart()
    {
        using var c = LabCluster.Bare();
        c.World.InNode(c.First, ["rm", "/etc/corosync/authkey"]).Require("rm");
        var r = c.World.InNode(c.First, [c.Program, "cluster"], timeoutMs: 20_000);
        Assert.NotEqual(0, r.Status);
        Assert.NotEqual(124, r.Status);
        Assert.Contains("/etc/corosync/authkey", r.Output + r.Errors);
    }

    [Fact]
    public void CorosyncConf_Broken_DaemonNamesTheLine()
    {
        var files = SeedFiles.Load();
        using var c = LabCluster.Bare(files with { CorosyncConf = files.CorosyncConf.Replace("token: 3000", "token: fast", StringComparison.Ordinal) });
        var r = c.World.InNode(c.First, [c.Program, "cluster"], timeoutMs: 20_000);
        Assert.NotEqual(0, r.Status);
        Assert.Contains("token", r.Output + r.Errors);
        Assert.Contains("5", r.Output + r.Errors);
    }

    [Fact]
    public void HaproxyCfg_Broken_StartFailsWithItsMessage_AndAddressGoesNowhere()
    {
        var files = SeedFiles.Load();
        using var c = LabCluster.Bare(files with { HaproxyCfg = files.HaproxyCfg.Replace("balance roundrobin", "balanse roundrobin", StringComparison.Ordinal) });
        c.StartServers();
        c.StartDaemons();
        c.Configure(files.ClusterCrm);
        c.WaitFor(() => c.Status(c.First).Contains("haproxy-resource start", StringComparison.Ordinal), "the failed start is shown");
        c.WaitIdle();
        Assert.Contains("balanse", c.Status(c.First));
    }

    [Fact]
    public void NodelistFile_OfTheSeed_WorksAsWell()
    {
        using var c = LabCluster.Running(SeedFiles.Load("corosync-nodelist.conf"));
        Assert.Equal(2, c.Online(c.First).Length);
        Assert.Contains("hapx-node02", c.World.Buoy(c.First, null, "corosync-quorumtool", "-s").Output);
    }

    [Fact]
    public void Unsupported_Configuration_IsRefusedByName()
    {
        using var c = LabCluster.Running();
        var r = c.World.Buoy(c.First, "primitive d ocf:heartbeat:Dummy\nbundle b docker image=x replicas=1 primitive d\n", "crm", "configure");
        Assert.NotEqual(0, r.Status);
        Assert.DoesNotContain("bundle", c.World.Buoy(c.First, null, "crm", "configure", "show").Output);
    }
}
