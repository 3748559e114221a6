using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Cluster.Controller;
using Buoy.Control;

namespace Buoy.Cluster.Tests;

/// <summary>
/// The places where a cluster may come to run a resource twice: results that cross view changes and clean-ups, nodes
/// that come back, stops that fail. Each must end with one holder, and never have two where nothing was cut off.
/// </summary>
public sealed class DangerTests
{
    private const string Vip = """
        <primitive id="vip" class="ocf" provider="heartbeat" type="Dummy">
          <operations><op name="monitor" interval="20s" timeout="20s" id="vip-monitor"/></operations>
        </primitive>
        """;

    internal static string Disk(string resources, params uint[] nodes) => $"""
        <cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="5" num_updates="0" admin_epoch="0">
          <configuration>
            <crm_config>
              <cluster_property_set id="cib-bootstrap-options">
                <nvpair name="stonith-enabled" value="false" id="cib-bootstrap-options-stonith"/>
                <nvpair name="no-quorum-policy" value="ignore" id="cib-bootstrap-options-no-quorum-policy"/>
              </cluster_property_set>
            </crm_config>
            <nodes>{string.Concat(nodes.Select(n => $"<node id=\"{n}\" uname=\"node{n}\"/>"))}</nodes>
            <resources>{resources}</resources>
            <constraints/>
          </configuration>
          <status/>
        </cib>
        """;

    private static SimulatedCluster Make(bool real, params uint[] nodes)
    {
        var c = new SimulatedCluster { ExpectedVotes = nodes.Length };
        if (real)
        {
            c.Scheduler = static () => new ClusterScheduler();
            c.Editor = CibEditing.Apply;
        }

        foreach (uint n in nodes)
        {
            c.Disk[n] = Disk("", nodes);
        }

        return c;
    }

    private static SimulatedCluster Together(bool real, params uint[] nodes)
    {
        var c = Make(real, nodes);
        foreach (uint n in nodes)
        {
            c.Boot(n);
        }

        c.View(nodes);
        Rest(c);
        return c;
    }

    /// <summary>All agree, and nothing is left to do.</summary>
    private static void Rest(SimulatedCluster c, long limitMs = 2_000)
    {
        c.Run(2 * SimulatedCluster.MessageMs);
        c.RunUntil(() => c.Nodes.Values.Where(n => !n.Left).All(n => n.Controller.Idle), limitMs);
        c.AssertReplicasEqual();
    }

    private static void Create(SimulatedCluster c, uint by) =>
        c.Apply(by, new CibOperation(CibOperationKind.Create, "resources", Xml: Vip));

    private static void Standby(SimulatedCluster c, uint node, string value)
    {
        string pairs = $"""<nvpair id="nodes-{node}-standby" name="standby" value="{value}"/>""";
        c.Apply(node, new CibOperation(CibOperationKind.Replace, "nodes", Xml:
            $"""
                <node id="{node}" uname="node{node}"><instance_attributes id="nodes-{node}">{pairs}
                </instance_attributes></node>
                """));
    }

    private static List<string> Holders(SimulatedCluster c) =>
        [.. c.Nodes.Values.Where(n => n.Running.Contains("vip")).Select(n => n.Name)];

    private static int Starts(SimulatedCluster c) => c.Nodes.Values.Sum(n => n.Done.Count(d => d == "vip start 0"));

    private static bool Recorded(SimulatedCluster c, string operation) => c.Nodes.Values.All(n =>
        n.Controller.Cib.Descendants("lrm_rsc_op").Any(o => (string?)o.Attribute("id") == "vip_last_0"
            && (string?)o.Attribute("operation") == operation));

    private static void OneHolder(SimulatedCluster c, string? name = null)
    {
        var holders = Holders(c);
        Assert.True(holders.Count == 1 && (name is null || holders[0] == name),
            $"vip runs on [{string.Join(' ', holders)}]:\n{string.Join('\n', c.Log)}");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Cleanup_WhileTheFirstMonitorRunsAndANodeArrives_NeverStartsTwice(bool real)
    {
        var c = Together(real, 1, 2, 3);
        c.Crash(1);
        c.View(2, 3);
        Rest(c);
        c.AgentMs = r => r.IntervalMs > 0 ? 20 : 5;
        Create(c, 3);
        c.RunUntil(() => Recorded(c, "start"));
        string holder = Assert.Single(Holders(c));
        c.Run(3);
        c.Ask(2, ControlCommand.Cleanup, null, ("resource", "vip"));
        c.Run(2);
        c.Boot(1);
        c.View(1, 2, 3);
        Rest(c);
        OneHolder(c, holder);
        Assert.Equal(1, Starts(c));
        // The monitor that the clean-up ended runs anew.
        Assert.Contains(c.Nodes[1].Controller.Cib.Descendants("lrm_rsc_op"), o =>
            (string?)o.Attribute("id") == "vip_monitor_20000");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Cleanup_WhileARecurringResultIsOnItsWay_ForgetsThatResultToo(bool real)
    {
        var c = Together(real, 1, 2);
        Create(c, 1);
        Rest(c);
        string holder = Assert.Single(Holders(c));
        // Ordered before the result that the death causes, on the way at the same time.
        c.Ask(2, ControlCommand.Cleanup, null, ("resource", "vip"));
        c.Nodes.Values.Single(n => n.Name == holder).Kill("vip");
        Rest(c);
        OneHolder(c);
        Assert.DoesNotContain(c.Nodes[1].Controller.Cib.Descendants("nvpair"),
            p => ((string)p.Attribute("name")!).StartsWith("fail-count", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("start", false)]
    [InlineData("start", true)]
    [InlineData("stop", false)]
    [InlineData("stop", true)]
    [InlineData("monitor", false)]
    [InlineData("monitor", true)]
    public void Cleanup_WhileAnOperationRuns_WaitsForItAndEndsWithOneHolder(string task, bool real)
    {
        for (long at = 0; at < 120; at += 5)
        {
            var c = Together(real, 1, 2);
            c.AgentMs = r => r.Task == task && r.IntervalMs == 0 ? 50 : 5;
            Create(c, 1);
            if (task == "stop")
            {
                Rest(c);
                Standby(c, c.Nodes.Values.Single(n => n.Running.Count > 0).Id, "on");
            }

            c.Run(at);
            c.Ask(2, ControlCommand.Cleanup, null, ("resource", "vip"));
            c.Watch(() => Assert.True(Holders(c).Count <= 1, string.Join('\n', c.Log)), 500);
            Rest(c);
            OneHolder(c);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void StartResult_WhileTheViewChanges_IsRecordedOnceAndNothingStartsElsewhere(bool real)
    {
        for (int at = 0; at < 40; at++)
        {
            for (int cut = 0; cut < 4; cut++)
            {
                var c = Together(real, 1, 2, 3);
                Standby(c, 1, "on");
                Rest(c);
                c.RecoveredInOld = n => Math.Min(n, cut);
                Create(c, 2);
                c.Run(at);
                c.Crash(3);
                c.View(1, 2);
                Rest(c);
                OneHolder(c, "node2");
                Assert.Equal(1, Starts(c));
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void DcDies_AtAnyMomentOfAStartElsewhere_TheNewDcStartsOnceOnly(bool real)
    {
        for (int at = 0; at < 60; at++)
        {
            var c = Together(real, 1, 2, 3);
            Assert.Equal(1u, c.Nodes[2].Controller.Dc);
            Standby(c, 1, "on");
            Rest(c);
            c.AgentMs = r => r.Task == "start" ? 30 : 5;
            Create(c, 2);
            c.Run(at);
            c.Crash(1);
            c.View(2, 3);
            c.Watch(() => Assert.True(Holders(c).Count <= 1, string.Join('\n', c.Log)), 300);
            Rest(c);
            OneHolder(c);
            Assert.Equal(1, Starts(c));
        }
    }

    [Fact]
    public void SplitNodes_ThatMeetAgainBothRunning_EndWithOneHolderInBoundedTime()
    {
        var c = Together(true, 1, 2);
        Create(c, 1);
        Rest(c);
        c.View(1);
        c.View(2);
        Rest(c);
        Assert.Equal(2, Holders(c).Count);
        c.View(1, 2);
        Rest(c, limitMs: 100);
        OneHolder(c);
    }

    [Fact]
    public void StopFails_WithoutFencing_BlocksAndNeverStartsElsewhere()
    {
        var c = Together(true, 1, 2, 3);
        Create(c, 1);
        Rest(c);
        string holder = Assert.Single(Holders(c));
        uint id = c.Nodes.Values.Single(n => n.Name == holder).Id;
        c.Agent = (n, r) => r.Task == "stop" ? 1 : n.Run(r);
        Standby(c, id, "on");
        Rest(c);
        OneHolder(c, holder);
        // Nothing that happens beside it loosens the block.
        uint other = id == 3 ? 2u : 3u;
        c.Crash(other);
        c.View([.. c.Nodes.Keys]);
        Rest(c);
        c.Boot(other);
        c.View([.. c.Nodes.Keys]);
        Rest(c);
        c.View(id);
        c.View([.. c.Nodes.Keys.Where(n => n != id)]);
        c.View([.. c.Nodes.Keys]);
        Rest(c);
        Assert.Contains(holder, Holders(c));
        // An operator mends it and cleans up: now it may go.
        c.Agent = (n, r) => n.Run(r);
        c.Ask(id, ControlCommand.Cleanup, null, ("resource", "vip"));
        Rest(c);
        OneHolder(c);
        Assert.DoesNotContain(holder, Holders(c));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void NodeThatReturns_WithinTheTokenTime_IsANewOneAndIsProbed(bool real)
    {
        for (int cut = 0; cut < 4; cut++)
        {
            var c = Together(real, 1, 2);
            Create(c, 1);
            Rest(c);
            string holder = Assert.Single(Holders(c));
            uint id = c.Nodes.Values.Single(n => n.Name == holder).Id;
            c.RecoveredInOld = n => Math.Min(n, cut);
            c.Crash(id);
            c.Boot(id);
            c.View(1, 2);
            Rest(c);
            OneHolder(c);
            // One on the dead incarnation, one now.
            Assert.Equal(1, c.Nodes.Values.Where(n => n.Running.Count > 0)
                .Sum(n => n.Done.Count(d => d == "vip start 0")));
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void DaemonRestarts_WhileItsResourceLivesOn_FindsItByProbe(bool real, bool missed)
    {
        var c = Together(real, 1, 2);
        Create(c, 1);
        Rest(c);
        string holder = Assert.Single(Holders(c));
        uint id = c.Nodes.Values.Single(n => n.Name == holder).Id;
        c.Crash(id);
        if (missed)
        {
            c.View(3 - id);
            Rest(c);
        }

        var back = c.Boot(id);
        back.Running.Add("vip");
        c.View(1, 2);
        Rest(c, limitMs: 200);
        OneHolder(c, missed ? null : holder);
        if (!missed)
        {
            Assert.Equal(0, Starts(c));
        }
    }

    [Theory]
    [InlineData(1900)]
    [InlineData(1999)]
    [InlineData(2000)]
    [InlineData(2001)]
    [InlineData(2100)]
    public void SecondNodeBoots_AboutTheEndOfTheWindow_NeverTwoHolders(int late)
    {
        for (int alone = 0; alone < 250; alone += alone < 8 ? 1 : 40)
        {
            for (int cut = 0; cut < 3; cut++)
            {
                var c = Make(true, 1, 2);
                c.Disk[1] = c.Disk[2] = Disk(Vip, 1, 2);
                c.RecoveredInOld = n => Math.Min(n, cut);
                c.Boot(1);
                c.View(1);
                c.Run(late);
                c.Boot(2);
                c.View(2);
                c.Run(alone);
                c.View(1, 2);
                c.Watch(() => Assert.True(Holders(c).Count <= 1, string.Join('\n', c.Log)), 400);
                Rest(c);
                OneHolder(c);
            }
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Shutdown_AtAnyMomentOfATransition_EndsInOrderAndServesOnTheOther(bool real)
    {
        for (int at = 0; at < 60; at += 2)
        {
            var c = Together(real, 1, 2);
            c.AgentMs = r => r.Task == "start" ? 30 : 5;
            Create(c, 1);
            c.Run(at);
            c.Ask(1, ControlCommand.Shutdown);
            c.Watch(() => Assert.True(Holders(c).Count <= 1, string.Join('\n', c.Log)), 300);
            Assert.True(c.Nodes[1].Left);
            Assert.Empty(c.Nodes[1].Running);
            c.Nodes.Remove(1);
            c.View(2);
            Rest(c);
            OneHolder(c, "node2");
        }
    }

    private sealed class FaultyScheduler : ISchedulerSeam
    {
        private readonly ScriptedScheduler _good = new();

        public static bool Faulty { get; set; }

        public Scheduler.Transition Compute(XElement cib, DateTimeOffset now) =>
            Faulty ? throw new InvalidOperationException("a fault") : _good.Compute(cib, now);

        public IReadOnlyList<string> UnsupportedFeatures(XElement cib) => _good.UnsupportedFeatures(cib);

        public string? Explain(XElement cib, DateTimeOffset now, string resource) =>
            Faulty ? throw new InvalidOperationException("a fault") : _good.Explain(cib, now, resource);
    }

    [Fact]
    public void SchedulerThatTripsAFault_KeepsWhatRunsAndIsNotCalledIdle()
    {
        var c = Make(false, 1, 2);
        c.Scheduler = static () => new FaultyScheduler();
        FaultyScheduler.Faulty = false;
        c.Boot(1);
        c.Boot(2);
        c.View(1, 2);
        Rest(c);
        Create(c, 1);
        Rest(c);
        FaultyScheduler.Faulty = true;
        Standby(c, 1, "on");
        c.Run(10);
        OneHolder(c, "node1");
        long idle = c.Ask(2, ControlCommand.WaitIdle, null, ("timeout", "5"));
        long why = c.Ask(2, ControlCommand.Explain, null, ("resource", "vip"));
        c.Run(10_000);
        Assert.Equal(ControlStatus.Timeout, c.Answers[idle].Status);
        Assert.Equal(ControlStatus.Error, c.Answers[why].Status);
        FaultyScheduler.Faulty = false;
        Rest(c, limitMs: 61_000);
        OneHolder(c, "node2");
    }

    [Fact]
    public void FullDisk_AnswerSaysSoAndTheClusterGoesOn()
    {
        var c = Together(false, 1, 2);
        c.Nodes[1].DiskError = "No space left on device";
        long id = c.Apply(1, new CibOperation(CibOperationKind.Create, "resources", Xml: Vip));
        Rest(c);
        Assert.Equal((ControlStatus.Error, "applied, but not written to disk: No space left on device"),
            (c.Answers[id].Status, c.Answers[id].Error));
        OneHolder(c);
        Assert.Contains(c.Log, l => l.Contains("the CIB could not be written: No space left on device"));
        Assert.Contains("id=\"vip\"", c.Disk[2]);
    }

    [Fact]
    public void EditThatTripsAFault_IsRefusedEverywhereAndTheClusterGoesOn()
    {
        var c = Together(false, 1, 2);
        CibEditor editor = TinyEditor.Apply;
        c.Editor = (cib, operations) => operations[0].Section == "poison"
            ? throw new InvalidOperationException("a fault") : editor(cib, operations);
        foreach (uint id in (uint[])[1, 2])
        {
            c.Crash(id);
            c.Boot(id);
        }

        c.View(1, 2);
        Rest(c);
        long asked = c.Apply(2, new CibOperation(CibOperationKind.Create, "poison", Xml: "<x/>"));
        Rest(c);
        Assert.Equal(ControlStatus.Error, c.Answers[asked].Status);
        Assert.Contains("a fault", c.Answers[asked].Error);
        Assert.Contains(c.Log, l => l.Contains("Problem") && l.Contains("DangerTests"));
        Create(c, 1);
        Rest(c);
        OneHolder(c);
    }
}
