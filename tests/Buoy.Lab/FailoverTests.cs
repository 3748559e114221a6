namespace Buoy.LabTests;

/// <summary>The seed's cluster, real processes in namespaces, one fault each.</summary>
public sealed class FailoverTests
{
    private const int CrashPatienceMs = 30_000;

    [Fact]
    public void NodeCrash_ActiveNode_OtherTakesOverAndFirstRejoinsWithoutMoving()
    {
        using var c = LabCluster.Running();
        string active = c.Holder();
        int downs = c.Client!.Downs;
        c.World.Crash(active);
        Assert.True(c.Client.WaitDownAndUp(downs, CrashPatienceMs), "no answer after the crash\n" + c.Logs());
        Assert.Equal(c.Other(active), c.Holder());
        c.World.Boot(active);
        c.World.StartDaemon(active);
        c.WaitFor(() => c.Online(c.Other(active)).Length == 2, "the crashed node is online again");
        c.WaitIdle();
        Assert.Equal(c.Other(active), c.Holder());
    }

    [Fact]
    public void BalancerKilled_RestartedInPlace_AddressStays()
    {
        using var c = LabCluster.Running();
        string active = c.Holder();
        string before = c.BalancerPid(active);
        c.World.Signal(active, "9", before).Require("kill");
        c.WaitFor(() => c.World.InNode(active, ["cat", "/run/haproxy.pid"]) is { Status: 0 } r && r.Output.Trim() != before, "a new balancer");
        Assert.True(c.Client!.WaitUp(10_000), c.Logs());
        c.WaitIdle();
        Assert.Equal(active, c.Holder());
        string failcount = c.World.Buoy(active, null, "crm", "resource", "failcount", "haproxy-resource", "show", active).Output;
        Assert.Contains("value=1", failcount);
        Assert.Contains("haproxy-resource 20s-interval monitor", c.Status(active));
        c.World.Buoy(active, null, "crm", "resource", "cleanup", "haproxy-resource").Require("cleanup");
        c.WaitIdle();
        Assert.DoesNotContain("haproxy-resource 20s-interval monitor", c.Status(active));
    }

    [Fact]
    public void BalancerHangs_Stopped_IsReplaced()
    {
        using var c = LabCluster.Running();
        string active = c.Holder();
        string before = c.BalancerPid(active);
        c.World.Signal(active, "STOP", before).Require("stop");
        c.WaitFor(() => c.World.InNode(active, ["cat", "/run/haproxy.pid"]) is { Status: 0 } r && r.Output.Trim() is { Length: > 0 } p && p != before,
            "a new balancer in place of the hanging one");
        Assert.True(c.Client!.WaitUp(10_000), c.Logs());
        c.WaitIdle();
    }

    [Fact]
    public void AddressDeletedByHand_IsNoticedAtOnceAndPutBack()
    {
        using var c = LabCluster.Running();
        string active = c.Holder();
        c.World.InNode(active, ["ip", "addr", "del", $"{c.World.Network.Vip}/{c.World.Network.Bits}", "dev", c.World.Network.Nic]).Require("ip addr del");
        c.WaitFor(() => c.World.Holders().Count == 1, "the address is back", 10_000);
        Assert.True(c.Client!.WaitUp(10_000), c.Logs());
        c.WaitIdle();
        Assert.Contains("virtual-ip-resource 20s-interval monitor", c.Status(active));
    }

    [Fact]
    public void Standby_ActiveNode_MovesAndOnlineMovesNothingBack()
    {
        using var c = LabCluster.Running();
        string active = c.Holder();
        c.World.Buoy(active, null, "crm", "node", "standby", active).Require("standby");
        c.WaitIdle();
        Assert.Equal(c.Other(active), c.Holder());
        Assert.Contains($"Node {active}: standby", c.Status(active));
        c.World.Buoy(active, null, "crm", "node", "online", active).Require("online");
        c.WaitIdle();
        Assert.Equal(c.Other(active), c.Holder());
        Assert.Equal(2, c.Online(active).Length);
    }

    [Fact]
    public void Move_AndClear_FollowsTheConstraintAndStays()
    {
        using var c = LabCluster.Running();
        string active = c.Holder(), other = c.Other(active);
        c.World.Buoy(active, null, "crm", "resource", "move", "virtual-ip-resource", other).Require("move");
        c.WaitIdle();
        Assert.Equal(other, c.Holder());
        Assert.Contains("cli-prefer-virtual-ip-resource", c.World.Buoy(active, null, "crm", "configure", "show").Output);
        c.World.Buoy(active, null, "crm", "resource", "clear", "virtual-ip-resource").Require("clear");
        c.WaitIdle();
        Assert.Equal(other, c.Holder());
        Assert.DoesNotContain("cli-prefer", c.World.Buoy(active, null, "crm", "configure", "show").Output);
    }

    [Fact]
    public void StopAndStart_Resource_TargetRoleIsObeyed()
    {
        using var c = LabCluster.Running();
        c.World.Buoy(c.First, null, "crm", "resource", "stop", "haproxy-resource").Require("stop");
        c.WaitIdle();
        Assert.Empty(c.World.Holders()); // The address may only be where the balancer runs.
        c.World.Buoy(c.First, null, "crm", "resource", "start", "haproxy-resource").Require("start");
        c.WaitIdle();
        Assert.Single(c.World.Holders());
        Assert.True(c.Client!.WaitUp(10_000), c.Logs());
    }

    [Fact]
    public void Partition_AndHeal_EndsWithOneHolder()
    {
        using var c = LabCluster.Running();
        c.World.Split(true);
        c.WaitFor(() => c.World.Nodes.All(n => c.Online(n).Length == 1), "each node alone in its view");
        c.World.Split(false);
        c.WaitFor(() => c.World.Nodes.All(n => c.Online(n).Length == 2), "one view again");
        c.WaitIdle();
        c.WaitFor(() => c.World.Holders().Count == 1, "one holder");
        Assert.True(c.Client!.WaitUp(15_000), c.Logs());
        string one = c.World.Buoy(c.First, null, "cibadmin", "-Q").Output, two = c.World.Buoy(c.Second, null, "cibadmin", "-Q").Output;
        Assert.Equal(one, two);
    }

    [Fact]
    public void WholeCluster_CrashesAndBoots_KeepsItsConfiguration()
    {
        using var c = LabCluster.Running();
        string shown = c.World.Buoy(c.First, null, "crm", "configure", "show").Output;
        foreach (string node in c.World.Nodes)
        {
            c.World.Crash(node);
        }

        foreach (string node in c.World.Nodes)
        {
            c.World.Boot(node);
        }

        c.StartDaemons();
        c.WaitFor(() => c.World.Holders().Count == 1, "the address is up again");
        Assert.True(c.Client!.WaitUp(15_000), c.Logs());
        c.WaitIdle();
        Assert.Equal(shown, c.World.Buoy(c.First, null, "crm", "configure", "show").Output);
    }

    [Fact]
    public void CleanStop_OfTheActiveNode_MovesFirst()
    {
        using var c = LabCluster.Running();
        string active = c.Holder();
        c.World.InNode(active, ["sh", "-c", "p=$(cat /run/buoy/cluster.pid); kill $p; while kill -0 $p 2>/dev/null; do sleep 0.02; done"]).Require("stop");
        c.WaitFor(() => c.World.Holders() is [var h] && h == c.Other(active), "the other holds the address");
        Assert.Equal([c.Other(active)], c.Online(c.Other(active)));
        Assert.True(c.Client!.WaitUp(10_000), c.Logs());
    }
}
