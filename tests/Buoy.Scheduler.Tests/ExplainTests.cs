using System.Xml.Linq;
using Buoy.Tests;

namespace Buoy.Scheduler.Tests;

public sealed class ExplainTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 14, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(
        "virtual-ip-resource",
        "virtual-ip-resource stays on hapx-node01: it must be with haproxy-resource, which is to be on hapx-node01; "
        + "its score on hapx-node01 is 100 (stickiness 100), on hapx-node02 is -INFINITY.")]
    [InlineData(
        "haproxy-resource",
        "haproxy-resource stays on hapx-node01: its score on hapx-node01 is 200 (stickiness 100, virtual-ip-resource, "
        + "which goes with it, is there), on hapx-node02 is 0.")]
    public void Resource_LiveCib_SaysWhereAndWhy(string id, string sentence)
    {
        XElement cib = XElement.Load(SharedData.Require("samples/pacemaker-2node/cibadmin-Q.xml"));

        Assert.Equal(sentence, Explain.Resource(cib, Now, id));
    }

    [Fact]
    public void Resource_NodeInStandby_NamesTheMoveAndItsCause()
    {
        XElement cib = XElement.Load(SharedData.Require("samples/pacemaker-2node/cibadmin-Q.xml"));
        cib.Descendants("node").First(n => (string?)n.Attribute("uname") == "hapx-node01").Add(
            XElement.Parse(
                "<instance_attributes id='a'><nvpair id='b' name='standby' value='on'/></instance_attributes>"));

        string? sentence = Explain.Resource(cib, Now, "haproxy-resource");

        Assert.StartsWith("haproxy-resource moves from hapx-node01 to hapx-node02: its score on hapx-node02 is", sentence);
        Assert.Contains("standby", sentence);
    }

    [Fact]
    public void Resource_UnknownId_IsNull()
    {
        XElement cib = XElement.Load(SharedData.Require("samples/pacemaker-2node/cibadmin-Q.xml"));

        Assert.Null(Explain.Resource(cib, Now, "nobody"));
    }
}
