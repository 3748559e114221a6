using System.Diagnostics;
using System.Text.Json;
using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Cluster.Controller;
using Buoy.Control;
using Buoy.Tests;

namespace Buoy.Cluster.Tests;

/// <summary>
/// The seed's two resources under the real scheduler. Whenever the cluster rests, Pacemaker's crm_simulate must find
/// nothing to
/// do in our live CIB either.
/// </summary>
public sealed class SeedTests
{
    internal const string Seed = """
        <configuration>
          <crm_config>
            <cluster_property_set id="cib-bootstrap-options">
              <nvpair name="stonith-enabled" value="no" id="cib-bootstrap-options-stonith-enabled"/>
              <nvpair name="no-quorum-policy" value="ignore" id="cib-bootstrap-options-no-quorum-policy"/>
            </cluster_property_set>
          </crm_config>
          <nodes/>
          <resources>
            <primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
              <instance_attributes id="vip-i">
                <nvpair name="ip" value="192.0.2.20" id="vip-i-ip"/>
                <nvpair name="nic" value="enp0s3.41" id="vip-i-nic"/>
              </instance_attributes>
              <meta_attributes id="vip-m"><nvpair name="migration-threshold" value="2" id="vip-m-t"/></meta_attributes>
              <operations>
                <op name="monitor" interval="20" timeout="60" on-fail="restart" id="vip-monitor-20"/>
              </operations>
            </primitive>
            <primitive id="lb" class="ocf" provider="heartbeat" type="haproxy">
              <operations>
                <op name="monitor" interval="20" timeout="60" on-fail="restart" id="lb-monitor-20"/>
              </operations>
            </primitive>
          </resources>
          <constraints>
            <rsc_colocation id="loc" score="INFINITY" rsc="vip" with-rsc="lb"/>
            <rsc_order id="ord" kind="Mandatory" first="vip" then="lb"/>
          </constraints>
          <rsc_defaults>
            <meta_attributes id="rsc-options">
              <nvpair name="resource-stickiness" value="100" id="rsc-options-s"/>
            </meta_attributes>
          </rsc_defaults>
        </configuration>
        """;

    private static SimulatedCluster Start()
    {
        string disk = $"""
            <cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="5" num_updates="0" admin_epoch="0">
            {Seed}<status/></cib>
            """;
        var c = new SimulatedCluster { Scheduler = static () => new ClusterScheduler(), Editor = CibEditing.Apply };
        c.Disk[1] = disk;
        c.Disk[2] = disk;
        c.Boot(1);
        c.Boot(2);
        c.View(1);
        c.View(2);
        c.View(1, 2);
        Rest(c);
        return c;
    }

    private static void Rest(SimulatedCluster c)
    {
        c.Run(2 * SimulatedCluster.MessageMs);
        c.RunUntil(() => c.Nodes.Values.Where(n => !n.Left).All(n => n.Controller.Idle), 200_000);
        c.AssertReplicasEqual();
        NothingLeftForPacemaker(c.Nodes.Values.First().Controller.Cib, c.Log);
    }

    private static string Holder(SimulatedCluster c)
    {
        var holders = c.Nodes.Values.Where(n => n.Running.Count > 0).ToList();
        Assert.True(holders.Count == 1 && holders[0].Running.SetEquals(["vip", "lb"]),
            string.Join("; ", c.Nodes.Values.Select(n => $"{n.Name}: {string.Join(' ', n.Running)}")) + "\n"
                + string.Join('\n', c.Log));
        return holders[0].Name;
    }

    private static void NothingLeftForPacemaker(XElement cib, List<string> log)
    {
        string program = SharedData.RequireProgram("crm_simulate");
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, cib.ToString());
            using var p = Process.Start(new ProcessStartInfo(program, ["-S", "-x", file])
            {
                RedirectStandardOutput = true, RedirectStandardError = true,
            })!;
            var errors = p.StandardError.ReadToEndAsync();
            string output = p.StandardOutput.ReadToEnd();
            p.WaitForExit();
            Assert.True(p.ExitCode == 0, errors.Result);
            int at = output.IndexOf("Executing Cluster Transition:", StringComparison.Ordinal);
            int end = output.IndexOf("Revised Cluster Status:", StringComparison.Ordinal);
            Assert.True(at >= 0 && end > at, output);
            Assert.True(!output[at..end].Contains("  * "),
                $"Pacemaker would act:\n{output}\n{cib}\n{string.Join("\n", log)}");
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static void Standby(SimulatedCluster c, uint node, string value) => c.Apply(1, new CibOperation(
        CibOperationKind.Modify, "nodes", AllowCreate: true, Xml:
        $"""
            <node id="{node}" uname="node{node}"><instance_attributes id="nodes-{node}">
            <nvpair id="nodes-{node}-standby" name="standby" value="{value}"/></instance_attributes></node>
            """));

    [Fact]
    public void Start_OfBoth_ServesOnce()
    {
        var c = Start();
        Assert.Equal("node1", Holder(c));
    }

    [Fact]
    public void Standby_AndOnline_MovesOnceAndStays()
    {
        var c = Start();
        Standby(c, 1, "on");
        long took = c.RunUntil(() => c.Nodes[2].Running.Count == 2);
        Assert.InRange(took, 20, 20 + (8 * SimulatedCluster.MessageMs) + 2);
        Rest(c);
        Assert.Equal("node2", Holder(c));
        Standby(c, 1, "off");
        Rest(c);
        Assert.Equal("node2", Holder(c));
    }

    [Theory]
    [InlineData("lb")]
    [InlineData("vip")]
    public void ResourceDies_OnceAndTwice_RecoversThenMovesAtTheThreshold(string resource)
    {
        var c = Start();
        c.Nodes[1].Kill(resource);
        Rest(c);
        Assert.Equal("node1", Holder(c));
        c.Nodes[1].Kill(resource);
        Rest(c);
        Assert.Equal(resource == "vip" ? "node2" : "node1", Holder(c));
        long id = c.Ask(2, ControlCommand.Cleanup, null, ("resource", resource));
        Rest(c);
        Assert.Equal(0, c.Answers[id].Status);
        Assert.DoesNotContain(c.Nodes[1].Controller.Cib.Descendants("nvpair"), p => ((string)p.Attribute("name")!)
            .StartsWith("fail-count"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Crash_AndReturn_ServesOnTheOtherAndStays(uint victim)
    {
        var c = Start();
        c.Crash(victim);
        uint other = 3 - victim;
        c.View(other);
        Rest(c);
        Assert.Equal($"node{other}", Holder(c));
        c.Boot(victim);
        c.View(victim);
        c.View(1, 2);
        Rest(c);
        Assert.Equal($"node{other}", Holder(c));
    }

    [Fact]
    public void Partition_AndMerge_EndsWithOneHolder()
    {
        var c = Start();
        c.View(1);
        c.View(2);
        c.Run(5);
        c.RunUntil(() => c.Nodes.Values.All(n => n.Controller.Idle));
        Assert.All(c.Nodes.Values, n => Assert.Equal(2, n.Running.Count));
        c.View(1, 2);
        Rest(c);
        Holder(c);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Shutdown_OfEither_MovesFirst(uint node)
    {
        var c = Start();
        long id = c.Ask(node, ControlCommand.Shutdown);
        c.RunUntil(() => c.Nodes[node].Left);
        Assert.Equal(0, c.Answers[id].Status);
        Assert.Empty(c.Nodes[node].Running);
        c.Nodes.Remove(node);
        uint other = 3 - node;
        c.View(other);
        Rest(c);
        Assert.Equal($"node{other}", Holder(c));
    }

    [Fact]
    public void Shutdown_OfTheLastNode_StopsItsResources()
    {
        var c = Start();
        c.Crash(2);
        c.View(1);
        Rest(c);
        c.Ask(1, ControlCommand.Shutdown);
        c.RunUntil(() => c.Nodes[1].Left);
        Assert.Empty(c.Nodes[1].Running);
    }

    [Fact]
    public void StartFails_OnTheFirst_ServesOnTheSecond()
    {
        var c = Start();
        c.Agent = (n, r) => r is { Task: "start", ResourceId: "lb" } && n.Id == 1 ? 1 : n.Run(r);
        c.Nodes[1].Kill("lb");
        Rest(c);
        Assert.Equal("node2", Holder(c));
    }

    [Fact]
    public void Explain_OfAResource_SaysWhere()
    {
        var c = Start();
        long id = c.Ask(2, ControlCommand.Explain, null, ("resource", "vip"));
        Assert.Equal(0, c.Answers[id].Status);
        Assert.Contains("node1", c.Answers[id].Output);
    }

    [Fact]
    public void StartThatAlwaysFails_WithoutBan_BacksOffInsteadOfSpinning()
    {
        var c = Start();
        c.Apply(1, new CibOperation(CibOperationKind.Create, "crm_config",
            Xml: """
                <cluster_property_set id="more">
                <nvpair id="more-fatal" name="start-failure-is-fatal" value="false"/></cluster_property_set>
                """));
        Rest(c);
        c.Agent = (n, r) => r is { Task: "start", ResourceId: "lb" } ? 1 : n.Run(r);
        c.Nodes[1].Kill("lb");
        c.Run(120_000);
        int tries = c.Nodes.Values.Sum(n => n.Done.Count(d => d == "lb start 0"));
        Assert.InRange(tries, 10, 40);
        Assert.Contains(c.Log, l => l.Contains("times on end"));
        c.AssertReplicasEqual();
    }

    [Fact]
    public void ParameterChanges_RestartTheResourceInPlace()
    {
        var c = Start();
        long id = c.Apply(2, new CibOperation(CibOperationKind.Modify, "resources",
            Xml: """<nvpair name="ip" value="192.0.2.21" id="vip-i-ip"/>"""));
        Rest(c);
        Assert.Equal(0, c.Answers[id].Status);
        Assert.Equal("node1", Holder(c));
        Assert.Equal(2, c.Nodes[1].Done.Count(d => d == "vip start 0"));
        long history = c.Ask(1, ControlCommand.History);
        var record = JsonSerializer.Deserialize(c.Answers[history].Output,
            ControlJson.Default.ListFailoverRecord)!.Last();
        Assert.Equal("configuration changed by buoy on node2", record.Cause);
        Assert.Equal("idle", record.Steps[^1].What);
    }
}
