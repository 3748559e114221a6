using System.Text.RegularExpressions;
using Buoy.Tests;

namespace Buoy.Shell.Tests;

/// <summary>What the real tools printed of a three-node cluster, from the same CIB.</summary>
public sealed partial class SampleTests
{
    [Theory]
    [InlineData("crm-status.txt", "crm", "status")]
    [InlineData("crm-status-full.txt", "crm", "status full")]
    [InlineData("crm-status-xml.txt", "crm", "status xml")]
    [InlineData("crm_mon-1.txt", "crm_mon", "-1")]
    [InlineData("crm_mon-1-Arf.txt", "crm_mon", "-1 -Arf")]
    [InlineData("crm_mon.xml", "crm_mon", "-1 --output-as=xml")]
    [InlineData("crm-resource-status.txt", "crm", "resource status")]
    [InlineData("crm-node-show.txt", "crm", "node show")]
    [InlineData("crm-node-list.txt", "crm", "node list")]
    [InlineData("crm-op-list.txt", "crm_resource", "--list-all-operations")]
    [InlineData("crm-configure-show.txt", "crm", "configure show")]
    [InlineData("crm-configure-show-xml.xml", "crm", "configure show xml")]
    [InlineData("crm-resource-failcount.txt", "crm", "resource failcount haproxy-resource show hapx-node01")]
    [InlineData("cibadmin-Q.xml", "cibadmin", "-Q")]
    [InlineData("crmadmin-N.txt", "crmadmin", "-N")]
    [InlineData("crm_node-l.txt", "crm_node", "-l")]
    [InlineData("corosync-quorumtool-s.txt", "corosync-quorumtool", "-s")]
    [InlineData("corosync-cfgtool-s.txt", "corosync-cfgtool", "-s")]
    [InlineData("corosync-cfgtool-n.txt", "corosync-cfgtool", "-n")]
    public void Tool_OnTheSamplesCib_PrintsWhatTheOriginalPrinted(string sample, string tool, string arguments)
    {
        string folder = SharedData.Require("samples/pacemaker-3node");
        using var daemon = new FakeDaemon(File.ReadAllText(Path.Combine(folder, "cibadmin-Q.xml")));
        (int status, string output, string error) = daemon.Run(tool, arguments.Split(' '));
        Assert.Equal("", error);
        Assert.Equal(0, status);
        string expected = File.ReadAllText(Path.Combine(folder, sample));
        Assert.Equal(Normal(expected), Normal(output));
    }

    /// <summary>Without colours, and with the times of the moment made equal.</summary>
    private static string Normal(string text)
    {
        string t = Colours().Replace(text, "");
        t = Moments().Replace(t, "$1TIME");
        return t.TrimEnd();
    }

    [GeneratedRegex("\x1b\\[[0-9;]*m")]
    private static partial Regex Colours();

    [GeneratedRegex("""(last updated |last_updated="|Last updated: |last_update time="|Date: +)[^)"\n]+""")]
    private static partial Regex Moments();
}
