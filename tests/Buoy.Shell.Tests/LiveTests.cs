using System.Xml.Linq;
using Buoy.Cib;

namespace Buoy.Shell.Tests;

/// <summary>The shell and tools against a daemon on a control socket.</summary>
public sealed class LiveTests
{
    private const string Base =
        """
        <cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="4" num_updates="0" admin_epoch="0" have-quorum="1">
          <configuration>
            <crm_config><cluster_property_set id="cib-bootstrap-options">
              <nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
            <nodes><node id="1" uname="hapx-node01"/><node id="2" uname="hapx-node02"/></nodes>
            <resources><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="vip-i">
              <nvpair id="vip-i-ip" name="ip" value="192.0.2.1"/></instance_attributes></primitive></resources>
            <constraints/>
          </configuration>
          <status/>
        </cib>
        """;

    [Fact]
    public void NodeStandby_OfAName_SetsPacemakersNvpair()
    {
        using var daemon = new FakeDaemon(Base);
        (int status, string output, _) = daemon.Run("crm", "node", "standby", "hapx-node02");
        Assert.Equal((0, "INFO: standby node hapx-node02\n"), (status, output));
        XElement pair = Assert.Single(daemon.Cib
            .Select("//nodes/node[@id='2']/instance_attributes[@id='nodes-2']/nvpair"));
        Assert.Equal("<nvpair id=\"nodes-2-standby\" name=\"standby\" value=\"on\"/>", CibText.Compact(pair));
        Assert.Equal(0, daemon.Run("crm", "node", "online", "hapx-node02").Status);
        Assert.Equal("off", (string?)daemon.Cib.Select("//nvpair[@id='nodes-2-standby']")[0].Attribute("value"));
    }

    [Fact]
    public void NodeStandby_WithoutName_MeansThisNode()
    {
        using var daemon = new FakeDaemon(Base);
        Assert.Equal("INFO: standby node hapx-node01\n", daemon.Run("crm", "node", "standby").Output);
    }

    [Fact]
    public void ResourceMove_ToANode_MakesCliPrefer_AndClearRemovesIt()
    {
        using var daemon = new FakeDaemon(Base);
        (int status, string output, _) = daemon.Run("crm", "resource", "move", "vip", "hapx-node02");
        Assert.Equal(0, status);
        Assert.Equal("INFO: Move constraint created for vip to hapx-node02\nINFO: Use `crm resource clear vip` to "
            + "remove this constraint\n", output);
        Assert.Equal("<rsc_location id=\"cli-prefer-vip\" rsc=\"vip\" role=\"Started\" node=\"hapx-node02\" "
            + "score=\"INFINITY\"/>",
            CibText.Compact(daemon.Cib.Section("constraints")!.Elements().Single()));
        Assert.Equal("INFO: Removed migration constraints for vip\n", daemon.Run("crm", "resource", "clear",
            "vip").Output);
        Assert.Empty(daemon.Cib.Section("constraints")!.Elements());
    }

    [Fact]
    public void CibadminPatch_OfWhatCrmDiffMade_ChangesTheCluster()
    {
        using var daemon = new FakeDaemon(Base);
        string wanted = Base.Replace("<constraints/>",
            "<constraints><rsc_location id=\"l\" rsc=\"vip\" node=\"hapx-node01\" score=\"5\"/></constraints>");
        (int same, string nothing, _) = daemon.Run("crm_diff", "-u", "-O", Base, "-N", Base);
        Assert.Equal((0, ""), (same, nothing));
        (int differs, string patch, _) = daemon.Run("crm_diff", "--no-version", "-O", Base, "-N", wanted);
        Assert.Equal(1, differs);
        Assert.Equal(0, daemon.Run("cibadmin", "-P", "-X", patch).Status);
        Assert.Equal("5", (string?)daemon.Cib.Select("//rsc_location[@id='l']").Single().Attribute("score"));
        Assert.Equal(78, daemon.Run("cibadmin", "-P", "-X", "<diff/>").Status);
    }

    [Fact]
    public void ConfigureRename_OfARunningResource_IsRefused()
    {
        using var daemon = new FakeDaemon(Base.Replace("<status/>",
            """
            <status><node_state id="1" uname="hapx-node01" in_ccm="true" crmd="online" join="member" expected="member">
              <lrm id="1"><lrm_resources><lrm_resource id="vip" type="IPaddr2" class="ocf" provider="heartbeat">
                <lrm_rsc_op id="vip_last_0" operation_key="vip_start_0" operation="start" call-id="5" rc-code="0"
                  op-status="0" interval="0" transition-key="1:0:0:a" last-rc-change="1000000"/>
              </lrm_resource></lrm_resources></lrm></node_state></status>
            """));
        (int status, _, string error) = daemon.Run("crm", "configure", "rename", "vip", "address");
        Assert.Equal((1, "ERROR: cannot rename a running resource (vip)\n"), (status, error));
        (status, _, error) = daemon.Run("crm", "configure", "delete", "vip");
        Assert.Equal((1, "ERROR: resource vip is running, can't delete it\n"), (status, error));
    }

    [Fact]
    public void ResourceStop_SetsTargetRole_AndUnknownOnesAreRefused()
    {
        using var daemon = new FakeDaemon(Base);
        Assert.Equal(0, daemon.Run("crm", "resource", "stop", "vip").Status);
        Assert.Equal("Stopped", (string?)daemon.Cib
            .Select("//nvpair[@id='vip-meta_attributes-target-role']").Single().Attribute("value"));
        Assert.Equal((1, "", "ERROR: Resource not found: ghost\n"), daemon.Run("crm", "resource", "stop", "ghost"));
    }

    [Fact]
    public void Configure_WhileAnotherChangedElsewhere_CommitsBoth()
    {
        using var daemon = new FakeDaemon(Base);
        int calls = 0;
        daemon.BeforeApply = cib =>
        {
            if (calls++ == 0)
            {
                cib.Apply([new CibOperation(CibOperationKind.Create, "nodes",
                    Xml: "<node id=\"3\" uname=\"hapx-node03\"/>")]);
                cib.BumpEpoch("x", "y", "z", DateTimeOffset.UnixEpoch);
            }
        };
        (int status, _, string error) = daemon.Run("crm", "configure", "property", "no-quorum-policy=ignore");
        Assert.Equal((0, ""), (status, error));
        Assert.Equal("ignore", daemon.Cib.Property("no-quorum-policy"));
        Assert.Equal(3, daemon.Cib.Nodes().Count());
    }

    [Fact]
    public void Configure_WhileAnotherChangedTheSame_FailsAndSaysSo()
    {
        using var daemon = new FakeDaemon(Base);
        daemon.BeforeApply = cib =>
        {
            cib.Edit(root => root.Descendants("cluster_property_set")
                .First().Add(XElement.Parse("<nvpair id=\"q\" name=\"batch-limit\" value=\"3\"/>")));
            cib.BumpEpoch("x", "y", "z", DateTimeOffset.UnixEpoch);
        };
        (int status, _, string error) = daemon.Run("crm", "configure", "property", "no-quorum-policy=ignore");
        Assert.Equal(1, status);
        Assert.Contains("changed by another session meanwhile (crm_config)", error);
        Assert.Null(daemon.Cib.Property("no-quorum-policy"));
    }

    [Fact]
    public void Configure_OfAResourceWithoutFencing_IsRefusedUnlessFencingIsOff()
    {
        using var daemon = new FakeDaemon(CibDocument.Empty().ToXml());
        (int status, _, string error) = daemon.Run("crm", "configure", "primitive", "v", "IPaddr2", "params",
            "ip=192.0.2.9");
        Assert.Equal(1, status);
        Assert.Contains("disable STONITH with the stonith-enabled option", error);
        Assert.Equal(0, daemon.Run("crm", "configure", "property", "stonith-enabled=no").Status);
        Assert.Equal(0, daemon.Run("crm", "configure", "primitive", "v", "IPaddr2", "params", "ip=192.0.2.9").Status);
    }

    [Fact]
    public void Wait_AsksTheDaemon()
    {
        using var daemon = new FakeDaemon(Base);
        Assert.Equal(0, daemon.Run("crm", "-w", "resource", "stop", "vip").Status);
        Assert.Equal("wait-idle", daemon.Commands[^1]);
    }

    [Theory]
    [InlineData("cibadmin", "-Q", 102)]
    [InlineData("crm_mon", "-1", 102)]
    [InlineData("crm_node", "-n", 102)]
    [InlineData("crm_resource", "-l", 102)]
    [InlineData("crm_attribute", "-G -n x", 102)]
    [InlineData("crmadmin", "-D", 102)]
    [InlineData("crm_verify", "-L", 66)]
    [InlineData("corosync-quorumtool", "-s", 1)]
    [InlineData("corosync-cfgtool", "-s", 1)]
    [InlineData("corosync-cmapctl", "", 1)]
    [InlineData("crm", "status", 1)]
    [InlineData("crm", "resource stop x", 1)]
    [InlineData("crm", "configure show", 1)]
    public void Tool_WithoutACluster_GivesTheOriginalsStatus(string tool, string arguments, int expected)
    {
        var services = new ShellServices { CibFile = null, ControlSocket = "/nonexistent/cluster.sock", IsTerminal =
            () => false };
        var error = new StringWriter();
        string[] args = arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(expected, Tools.ToolTable.Create(services)[tool](args, new StringReader(""), new StringWriter(),
            error));
        Assert.NotEqual("", error.ToString());
    }

    [Fact]
    public void QuorumTool_WithoutQuorum_Gives2()
    {
        using var daemon = new FakeDaemon(Base) { Quorate = false };
        (int status, string output, _) = daemon.Run("corosync-quorumtool", "-s");
        Assert.Equal(2, status);
        Assert.Contains("Quorum:           2 Activity blocked\n", output);
    }

    [Fact]
    public void KeyGen_WritesTheKeyForItsOwnerAlone()
    {
        string file = Path.Combine(Directory.CreateTempSubdirectory("buoy-key").FullName, "authkey");
        var output = new StringWriter();
        int status = Tools.ToolTable.Create(new ShellServices())["corosync-keygen"](["-l", "-k", file],
            new StringReader(""), output, output);
        Assert.Equal(0, status);
        Assert.Equal(256, new FileInfo(file).Length);
        Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(file) == UnixFileMode.UserRead);
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }
}
