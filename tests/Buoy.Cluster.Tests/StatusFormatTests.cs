using System.Xml.Linq;
using Buoy.Agents;
using Buoy.Cluster.Controller;
using Buoy.Scheduler;
using Buoy.Tests;

namespace Buoy.Cluster.Tests;

/// <summary>The status section as Pacemaker wrote it, attribute for attribute.</summary>
public sealed class StatusFormatTests
{
    private static readonly Dictionary<string, string> Vip = new()
    {
        ["ip"] = "10.41.0.20",
        ["broadcast"] = "10.41.0.31",
        ["nic"] = "enp0s3.41",
        ["cidr_netmask"] = "27",
        ["CRM_meta_timeout"] = "60000",
        ["CRM_meta_name"] = "monitor",
        ["crm_feature_set"] = "3.16.1",
    };

    [Theory]
    [InlineData(0, "38fd9f530e3f5c7314b991798cf4cbee")]
    [InlineData(20000, "99f887bb48d642b291b9ff86ca4c08f3")]
    public void RecordedDigest_OfTheSeedsAddress_IsPacemakers(long interval, string digest) =>
        Assert.Equal(digest, RecordedDigest.Of(Vip, interval));

    [Theory]
    [InlineData(0, null, "f2317cad3d54cec5d7d7aa7d0bf35cf8")]
    [InlineData(20000, "20000", "4811cef7f7f94e3a35a70be7916cb2fd")]
    [InlineData(20000, "60000", "873ed4f07792aa8ff18f3254244675ea")]
    public void RecordedDigest_WithoutParameters_IsPacemakers(long interval, string? timeout, string digest) =>
        Assert.Equal(digest, RecordedDigest.Of(
            timeout is null ? new Dictionary<string, string>() : new() { ["CRM_meta_timeout"] = timeout }, interval));

    [Theory]
    [InlineData("pacemaker-2node")]
    [InlineData("pacemaker-3node")]
    public void Record_OfWhatPacemakerRecorded_WritesTheSameElements(string sample)
    {
        var cib = XElement.Load(SharedData.Require($"samples/{sample}/cibadmin-Q.xml"));
        foreach (var node in cib.Element("status")!.Elements("node_state"))
        {
            var mine = new XElement("node_state", new XAttribute("id", (string)node.Attribute("id")!));
            foreach (var op in node.Descendants("lrm_rsc_op").OrderBy(o => (int)o.Attribute("call-id")!))
            {
                StatusWriter.Record(mine, Result(op), "do_update_resource");
            }

            // Where a node joined with operations that ran before, Pacemaker names another function of its own.
            foreach (var op in node.Descendants("lrm_rsc_op"))
            {
                op.SetAttributeValue("crm-debug-origin", "do_update_resource");
            }

            Assert.Equal(node.Element("lrm")!.ToString(), mine.Element("lrm")!.ToString());
        }
    }

    [Fact]
    public void Record_OfAFailedMonitor_WritesWhatPacemakerWrote()
    {
        string[] lines = File.ReadAllLines(
            SharedData.Require("samples/pacemaker-states/07-haproxy-was-killed-and-restarted.txt"));
        var expected = XElement.Parse(lines.Last(l => l.Contains("haproxy-resource_last_failure_0")));
        var mine = XElement.Parse("""
            <node_state id="1"><lrm id="1"><lrm_resources>
            <lrm_resource id="haproxy-resource" type="haproxy" class="ocf" provider="heartbeat"/></lrm_resources>
            </lrm></node_state>
            """);
        var result = Result(expected, mine.Descendants("lrm_resource").Single());
        StatusWriter.Record(mine, result, "do_update_resource");
        Assert.True(StatusWriter.CountFailure(mine, result, true));
        Assert.Equal(expected.ToString(), mine.Descendants("lrm_rsc_op").Single().ToString());
        var attributes = lines.Where(l => l.Contains("<nvpair id=\"status-1-")
            && l.Contains("failure-haproxy") | l.Contains("fail-count-haproxy"))
            .Select(l => XElement.Parse(l).ToString()).Distinct();
        Assert.Equal(attributes, mine.Descendants("nvpair").Select(p => p.ToString()));
    }

    private static ResultMessage Result(XElement op, XElement? resource = null)
    {
        string key = (string)op.Attribute("transition-key")!;
        resource ??= op.Parent!;
        long changed = (long)op.Attribute("last-rc-change")!;
        return new ResultMessage
        {
            Node = (string)op.Attribute("on_node")!,
            TransitionKey = key,
            Resource = new GraphResource((string)resource.Attribute("id")!, null, (string)resource.Attribute("class")!,
                (string?)resource.Attribute("provider"), (string)resource.Attribute("type")!),
            Task = (string)op.Attribute("operation")!,
            Key = (string)op.Attribute("operation_key")!,
            IntervalMs = (long)op.Attribute("interval")!,
            TargetRc = int.Parse(key.Split(':')[2]),
            CallId = (long)op.Attribute("call-id")!,
            Rc = (int)op.Attribute("rc-code")!,
            Status = (OperationStatus)(int)op.Attribute("op-status")!,
            ExitReason = (string)op.Attribute("exit-reason")!,
            Started = changed,
            At = changed,
            ExecMs = (long)op.Attribute("exec-time")!,
            QueueMs = (long)op.Attribute("queue-time")!,
            Digest = (string)op.Attribute("op-digest")!,
        };
    }
}
