using System.Text.Json;
using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Control;

namespace Buoy.Cluster.Tests;

/// <summary>Whole clusters of pure controllers on a simulated total order.</summary>
public sealed class ControllerTests
{
    private const string Vip = """<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/>""";
    private const string Lb = """<primitive id="lb" class="ocf" provider="heartbeat" type="haproxy"/>""";

    private static SimulatedCluster Pair(bool resources = true)
    {
        var c = new SimulatedCluster();
        c.Boot(1);
        c.Boot(2);
        c.View(1);
        c.View(2);
        c.View(1, 2);
        c.RunUntil(() => c.Nodes.Values.All(n => n.Controller.Idle));
        if (resources)
        {
            Configure(c, Vip, Lb);
        }

        return c;
    }

    private static void Configure(SimulatedCluster c, params string[] primitives)
    {
        foreach (string p in primitives)
        {
            long id = c.Apply(1, new CibOperation(CibOperationKind.Create, "resources", Xml: p),
                ("client", "cibadmin"));
            c.RunUntil(() => c.Answers.ContainsKey(id));
            Assert.Equal(0, c.Answers[id].Status);
        }

        Settle(c);
    }

    private static void Settle(SimulatedCluster c)
    {
        Rest(c);
        c.AssertReplicasEqual();
    }

    private static void Rest(SimulatedCluster c)
    {
        // What was just asked for is delivered first.
        c.Run(2 * SimulatedCluster.MessageMs);
        c.RunUntil(() => c.Nodes.Values.Where(n => !n.Left).All(n => n.Controller.Idle), 200_000);
    }

    private static string? Holder(SimulatedCluster c)
    {
        var holders = c.Nodes.Values.Where(n => n.Running.Count > 0).ToList();
        Assert.True(holders.Count <= 1, "resources run on " + string.Join(", ", holders.Select(h => h.Name)));
        return holders.SingleOrDefault() is { } h && h.Running.SetEquals(["vip", "lb"]) ? h.Name : null;
    }

    private static XElement State(SimulatedCluster c, uint seenBy, uint node) =>
        c.Nodes[seenBy].Controller.Cib.Element("status")!.Elements("node_state")
            .Single(n => (uint)n.Attribute("id")! == node);

    private static string Standby(string node, uint id, string value) =>
        $"""
            <node id="{id}" uname="{node}"><instance_attributes id="nodes-{id}">
            <nvpair id="nodes-{id}-standby" name="standby" value="{value}"/></instance_attributes></node>
            """;

    [Fact]
    public void FirstStart_OfBothAtOnce_WritesTheCibThatPacemakerWrites()
    {
        var c = Pair();
        var cib = c.Nodes[1].Controller.Cib;
        Assert.Equal("1", (string?)cib.Attribute("have-quorum"));
        Assert.Equal("1", (string?)cib.Attribute("dc-uuid"));
        Assert.Equal("cibadmin", (string?)cib.Attribute("update-client"));
        Assert.Equal(["1 node1", "2 node2"], cib.Descendants("node")
            .Select(n => $"{n.Attribute("id")!.Value} {n.Attribute("uname")!.Value}"));
        Assert.Equal(["have-watchdog", "dc-version", "cluster-infrastructure", "cluster-name"],
            cib.Descendants("cluster_property_set").Single(s => (string?)s.Attribute("id") == "cib-bootstrap-options")
                .Elements("nvpair").Select(p => (string)p.Attribute("name")!));
        var state = State(c, 1, 2);
        Assert.Equal("id uname in_ccm crmd crm-debug-origin join expected",
            string.Join(' ', state.Attributes().Select(a => a.Name)));
        var op = State(c, 2, 1).Descendants("lrm_rsc_op").First();
        Assert.Equal(
            "id operation_key operation crm-debug-origin crm_feature_set transition-key transition-magic exit-reason "
            + "on_node call-id "
            + "rc-code op-status interval last-rc-change exec-time queue-time op-digest",
                string.Join(' ', op.Attributes().Select(a => a.Name)));
        Assert.Equal("node1", Holder(c));
    }

    [Fact]
    public void FirstStart_LoneNode_WaitsForTheWindowAndThenServes()
    {
        var c = new SimulatedCluster();
        c.Disk[1] = $"""
            <cib epoch="5" num_updates="0" admin_epoch="0"><configuration><crm_config/><nodes/><resources>{Vip}{Lb}
            </resources><constraints/></configuration><status/></cib>
            """;
        c.Boot(1);
        c.View(1);
        c.Run(1900);
        Assert.Empty(c.Nodes[1].Done);
        c.RunUntil(() => Holder(c) == "node1", 300);
    }

    [Fact]
    public void Start_OfBothWithConfiguration_ServesWithoutTheWindow()
    {
        var c = new SimulatedCluster();
        c.Disk[1] = $"""
            <cib epoch="5" num_updates="0" admin_epoch="0"><configuration><crm_config/><nodes>
            <node id="1" uname="node1"/><node id="2" uname="node2"/></nodes><resources>{Vip}{Lb}</resources>
            <constraints/></configuration><status/></cib>
            """;
        c.Disk[2] = c.Disk[1];
        c.Boot(1);
        c.Boot(2);
        c.View(1);
        c.View(2);
        c.Run(100);
        c.View(1, 2);
        c.RunUntil(() => Holder(c) == "node1", 100);
        Settle(c);
    }

    [Fact]
    public void Standby_OfTheHolder_MovesInFourOrderedSteps()
    {
        var c = Pair();
        c.Nodes[1].Done.Clear();
        c.Nodes[2].Done.Clear();
        c.Apply(2, new CibOperation(CibOperationKind.Replace, "nodes", Xml: Standby("node1", 1, "on")));
        long took = c.RunUntil(() => Holder(c) == "node2");
        Assert.Equal(["lb stop 0", "vip stop 0"], c.Nodes[1].Done);
        Assert.Equal(["vip start 0", "lb start 0"], c.Nodes[2].Done.Where(d => d.Contains("start")));
        // Four agents of 5 ms, two messages each and the change itself: no waiting in between.
        Assert.InRange(took, 20, 20 + (4 * 2 * SimulatedCluster.MessageMs) + 2);
        Settle(c);
        c.Apply(1, new CibOperation(CibOperationKind.Replace, "nodes", Xml: Standby("node1", 1, "off")));
        Settle(c);
        Assert.Equal("node2", Holder(c));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Crash_OfEitherNode_LeavesItsHistoryAndServesOnTheOther(uint victim)
    {
        var c = Pair();
        uint survivor = 3 - victim;
        c.Crash(victim);
        c.View(survivor);
        c.RunUntil(() => Holder(c) == $"node{survivor}", 50);
        Settle(c);
        var gone = State(c, survivor, victim);
        Assert.Equal("false offline down member",
            string.Join(' ', ((string[])["in_ccm", "crmd", "join", "expected"])
                .Select(a => (string)gone.Attribute(a)!)));
        Assert.NotNull(gone.Element("lrm"));
        Assert.Null(gone.Element("transient_attributes"));
        long id = c.Ask(survivor, ControlCommand.History);
        var record = JsonSerializer.Deserialize(c.Answers[id].Output, ControlJson.Default.ListFailoverRecord)!.Last();
        Assert.Equal($"node{victim} was lost", record.Cause);
        if (victim == 1)
        {
            Assert.Equal(["view installed", "scheduled", "vip start done on node2", "lb start done on node2", "idle"],
                record.Steps.Select(s => s.What));
        }
    }

    [Fact]
    public void Rejoin_AfterCrash_DropsTheOldHistoryAndProbesAnew()
    {
        var c = Pair();
        c.Crash(1);
        c.View(2);
        Settle(c);
        c.Boot(1);
        c.View(1);
        c.View(1, 2);
        Settle(c);
        Assert.Equal("node2", Holder(c));
        Assert.Equal(2u, c.Nodes[1].Controller.Dc);
        Assert.All(State(c, 2, 1).Descendants("lrm_rsc_op"), o =>
            Assert.Equal("monitor_0", ((string)o.Attribute("operation_key")!).Split('_', 2)[1]));
        Assert.Equal(2, State(c, 2, 1).Descendants("lrm_rsc_op").Count());
    }

    [Theory]
    [InlineData(99, true)]
    [InlineData(1, false)]
    public void Rejoin_WithNewerOrOlderConfiguration_TheHigherVersionWins(int epoch, bool newcomerWins)
    {
        var c = Pair();
        c.Crash(1);
        c.View(2);
        Settle(c);
        c.Boot(1, $"""
            <cib epoch="{epoch}" num_updates="0" admin_epoch="0"><configuration><crm_config/><nodes/><resources>
            {Vip}{Lb}<primitive id="mark" class="ocf" provider="heartbeat" type="Dummy"/></resources><constraints/>
            </configuration><status/></cib>
            """);
        c.View(1);
        c.View(1, 2);
        c.RunUntil(() => c.Nodes.Values.All(n => n.Controller.Idle));
        c.AssertReplicasEqual();
        Assert.Equal(newcomerWins, c.Nodes[2].Controller.Cib.Descendants("primitive")
            .Any(p => (string?)p.Attribute("id") == "mark"));
        Assert.Contains("vip", c.Nodes[2].Running);
        c.Run(10);
        Assert.Equal(newcomerWins, XElement.Parse(c.Disk[2]).Descendants("primitive")
            .Any(p => (string?)p.Attribute("id") == "mark"));
    }

    [Fact]
    public void Partition_ThatHeals_KeepsOneHolderAndEveryNodesOwnHistory()
    {
        var c = Pair();
        c.View(1);
        c.View(2);
        c.RunUntil(() => c.Nodes.Values.All(n => n.Controller.Idle));
        Assert.Equal(2, c.Nodes.Values.Count(n => n.Running.Count == 2));
        c.Apply(2, new CibOperation(CibOperationKind.Create, "crm_config",
            Xml: """<cluster_property_set id="mine"/>"""));
        Rest(c);
        c.View(1, 2);
        Settle(c);
        Assert.NotNull(Holder(c));
        Assert.Contains(c.Nodes[1].Controller.Cib.Descendants("cluster_property_set"), s =>
            (string?)s.Attribute("id") == "mine");
    }

    [Fact]
    public void ResourceDies_FailCountRisesAndItRecoversInPlace()
    {
        var c = Pair();
        c.Nodes[1].Kill("lb");
        long took = c.RunUntil(() => Holder(c) == "node1" && c.Nodes[1].Done.Count(d => d == "lb start 0") == 2, 100);
        Assert.InRange(took, 10, 10 + (5 * SimulatedCluster.MessageMs) + 1);
        Settle(c);
        var node = State(c, 2, 1);
        var counts = node.Element("transient_attributes")!.Descendants("nvpair")
            .ToDictionary(p => (string)p.Attribute("name")!);
        Assert.Equal("1", (string?)counts["fail-count-lb#monitor_20000"].Attribute("value"));
        Assert.Equal("status-1-fail-count-lb.monitor_20000",
            (string?)counts["fail-count-lb#monitor_20000"].Attribute("id"));
        Assert.True(counts.ContainsKey("last-failure-lb#monitor_20000"));
        var failure = node.Descendants("lrm_rsc_op").Single(o => (string?)o.Attribute("id") == "lb_last_failure_0");
        Assert.Equal("lb_monitor_20000", (string?)failure.Attribute("operation_key"));
        Assert.StartsWith("0:7;", (string?)failure.Attribute("transition-magic"));
    }

    [Fact]
    public void StartFails_NodeIsBannedByInfinityAndTheOtherServes()
    {
        var c = Pair(resources: false);
        c.Agent = (n, r) => r is { Task: "start", ResourceId: "lb" } && n.Id == 1 ? 1 : n.Run(r);
        Configure(c, Vip, Lb);
        Assert.Equal("node2", Holder(c));
        Assert.Contains(State(c, 1, 1).Descendants("nvpair"),
            p => (string?)p.Attribute("name") == "fail-count-lb#start_0"
                && (string?)p.Attribute("value") == "INFINITY");
    }

    [Fact]
    public void Cleanup_OfAFailedResource_ForgetsAndProbesAnew()
    {
        var c = Pair();
        c.Nodes[1].Kill("lb");
        Settle(c);
        c.Run(10);
        c.Nodes[1].Done.Clear();
        long id = c.Ask(2, ControlCommand.Cleanup, null, ("resource", "lb"));
        c.RunUntil(() => c.Answers.ContainsKey(id));
        Settle(c);
        Assert.Equal(0, c.Answers[id].Status);
        Assert.DoesNotContain(State(c, 1, 1).Descendants("nvpair"), p => ((string)p.Attribute("name")!).Contains("lb"));
        Assert.Equal(["lb monitor 0", "lb monitor 20000"], c.Nodes[1].Done);
        Assert.Equal("node1", Holder(c));
    }

    [Fact]
    public void ChangeDuringATransition_AbortsAndWaitsForWhatRuns()
    {
        var c = Pair(resources: false);
        c.AgentMs = r => r.Task == "start" ? 500 : 5;
        foreach (string p in (string[])[Vip, Lb])
        {
            c.Apply(1, new CibOperation(CibOperationKind.Create, "resources", Xml: p));
        }

        c.Run(100);
        c.Apply(1, new CibOperation(CibOperationKind.Replace, "nodes", Xml: Standby("node1", 1, "on")));
        Settle(c);
        Assert.Equal("node2", Holder(c));
        Assert.DoesNotContain("lb start 0", c.Nodes[1].Done);
        Assert.Contains(c.Log, l => l.Contains("aborted: the configuration changed"));
    }

    [Fact]
    public void DcLostInMidTransition_TheNewOneWaitsForWhatItSentOut()
    {
        var c = Pair(resources: false);
        c.Agent = (n, r) => r.Task == "start" && n.Id == 1 ? null : n.Run(r);
        c.AgentMs = r => r.Task == "start" ? 300 : 5;
        c.Apply(1, new CibOperation(CibOperationKind.Replace, "nodes", Xml: Standby("node1", 1, "on")));
        Settle(c);
        c.Apply(1, new CibOperation(CibOperationKind.Create, "resources", Xml: Vip));
        c.Apply(1, new CibOperation(CibOperationKind.Create, "resources", Xml: Lb));
        c.Run(50);
        Assert.Empty(c.Nodes[2].Running);
        c.Crash(1);
        c.View(2);
        Settle(c);
        Assert.Equal("node2", Holder(c));
        Assert.Single(c.Nodes[2].Done, d => d == "vip start 0");
    }

    [Fact]
    public void NodeThatNeverAnswers_TimesOutAfterTheClusterDelay()
    {
        var c = Pair(resources: false);
        c.Agent = (n, r) => r.Task == "start" && n.Id == 1 ? null : n.Run(r);
        Configure(c, Vip, Lb);
        Assert.Equal("node2", Holder(c));
        Assert.Contains(c.Log, l => l.Contains("no result in time"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Shutdown_OfEitherNode_MovesFirstAndIsNoFailure(uint node)
    {
        var c = Pair();
        long id = c.Ask(node, ControlCommand.Shutdown);
        c.RunUntil(() => c.Nodes[node].Left);
        Assert.Equal(0, c.Answers[id].Status);
        Assert.Empty(c.Nodes[node].Running);
        uint other = 3 - node;
        c.View(other);
        Settle(c);
        Assert.Equal($"node{other}", Holder(c));
        Assert.Equal("down", (string?)State(c, other, node).Attribute("expected"));
        Assert.Equal("false", (string?)State(c, other, node).Attribute("in_ccm"));
    }

    [Fact]
    public void CibApply_WithAnOldExpect_IsRefusedWithOldData()
    {
        var c = Pair();
        long id = c.Apply(2,
            new CibOperation(CibOperationKind.Create, "crm_config", Xml: """<cluster_property_set id="x"/>"""),
            ("expect", "0.1"));
        c.RunUntil(() => c.Answers.ContainsKey(id));
        Assert.Equal(ControlStatus.OldData, c.Answers[id].Status);
        c.AssertReplicasEqual();
    }

    [Fact]
    public void CibApply_OfWhatTheSchedulerCannotHonour_IsRefusedEverywhere()
    {
        var c = Pair();
        var before = c.Nodes[2].Controller.Version;
        long id = c.Apply(1, new CibOperation(CibOperationKind.Create, "resources", Xml: """<bundle id="b"/>"""));
        c.RunUntil(() => c.Answers.ContainsKey(id));
        Assert.Equal(ControlStatus.NotSupported, c.Answers[id].Status);
        Assert.Equal("bundle b is not supported", c.Answers[id].Error);
        Assert.Equal(before, c.Nodes[2].Controller.Version);
    }

    [Fact]
    public void CibApply_Answer_WaitsForTheDisk()
    {
        var c = Pair();
        c.Nodes[1].HoldDisk = true;
        long id = c.Apply(1,
            new CibOperation(CibOperationKind.Create, "crm_config", Xml: """<cluster_property_set id="x"/>"""));
        c.Run(1000);
        Assert.False(c.Answers.ContainsKey(id));
        Assert.Contains(c.Nodes[2].Controller.Cib.Descendants("cluster_property_set"), s =>
            (string?)s.Attribute("id") == "x");
    }

    [Fact]
    public void WaitIdle_WhileBusy_AnswersWhenIdleOrTimesOut()
    {
        var c = Pair(resources: false);
        c.AgentMs = _ => 400;
        c.Apply(1, new CibOperation(CibOperationKind.Create, "resources", Xml: Vip));
        c.Run(10);
        long early = c.Ask(2, ControlCommand.WaitIdle, null, ("timeout", "0.1"));
        long late = c.Ask(2, ControlCommand.WaitIdle, null, ("timeout", "30"));
        c.RunUntil(() => c.Answers.ContainsKey(late));
        Assert.Equal(ControlStatus.Timeout, c.Answers[early].Status);
        Assert.Equal(0, c.Answers[late].Status);
        Assert.Contains("vip", c.Nodes[1].Running);
    }

    [Fact]
    public void LossOfQuorum_WithPolicyStop_StopsAtOnce()
    {
        var c = Pair();
        foreach (var n in c.Nodes.Values.ToList())
        {
            n.Feed(new Cluster.Controller.QuorumChanged(false));
        }

        c.RunUntil(() => c.Nodes.Values.All(n => n.Running.Count == 0), 50);
        Settle(c);
    }
}
