using Buoy.Demo;
using Buoy.Lab;

namespace Buoy.LabTests;

/// <summary>Promotable clones and live migration with the installed agents, which call our tools for their scores.</summary>
public sealed class StatefulTests
{
    private const string Base = "property stonith-enabled=false no-quorum-policy=ignore\n";

    private const string Promotable = Base + """
        primitive thing ocf:pacemaker:Stateful op monitor interval=5s role=Promoted op monitor interval=7s role=Unpromoted
        clone both thing meta promotable=true notify=true interleave=true
        """;

    private const string Migrating = Base + "primitive mover ocf:pacemaker:Dummy meta allow-migrate=true op monitor interval=5s\n";

    private static readonly bool Installed = File.Exists("/usr/lib/ocf/resource.d/pacemaker/Stateful");

    [Fact]
    public void PromotableClone_OneIsPromoted_AndTheOtherWhenItGoes()
    {
        using var c = Running(Promotable);
        string promoted = "";
        c.WaitFor(() => (promoted = Listed(c, c.First, "Promoted")) is { Length: > 0 } one && !one.Contains(' ')
            && Listed(c, c.First, "Unpromoted") == c.Other(one), "one is promoted, the other is not");
        string other = c.Other(promoted);
        NothingToDo(c, "with one promoted");
        c.World.Buoy(other, null, "crm", "node", "standby", promoted).Require("standby");
        c.WaitFor(() => Listed(c, other, "Promoted") == other, "the other is promoted by the standby");
        c.World.Buoy(other, null, "crm", "node", "online", promoted).Require("online");
        c.WaitFor(() => Listed(c, other, "Unpromoted") == promoted, "it comes back unpromoted");
        NothingToDo(c, "after standby and online");
        c.World.Crash(other);
        c.WaitFor(() => Listed(c, promoted, "Promoted") == promoted, "it is promoted when the other's node dies");
    }

    [Fact]
    public void Migration_OnStandby_MovesWithoutStopping()
    {
        using var c = Running(Migrating);
        c.WaitFor(() => c.Status(c.First).Contains("Started hapx-node0", StringComparison.Ordinal), "started");
        c.WaitIdle();
        string from = c.Status(c.First).Contains($"Started {c.First}", StringComparison.Ordinal) ? c.First : c.Second;
        string to = c.Other(from);
        c.World.Buoy(from, null, "crm", "node", "standby", from).Require("standby");
        c.WaitFor(() => c.Status(to).Contains($"Started {to}", StringComparison.Ordinal), "it runs on the other node");
        NothingToDo(c, "after a migration");
        string log = c.World.InNode(to, ["cat", "/var/log/corosync/corosync.log"]).Output;
        int left = log.IndexOf($"mover migrate_to on {from}: ok", StringComparison.Ordinal);
        int arrived = log.IndexOf($"mover migrate_from on {to}: ok", StringComparison.Ordinal);
        int stopped = log.IndexOf($"mover stop on {from}: ok", StringComparison.Ordinal);
        Assert.True(left >= 0 && arrived > left && stopped > arrived, log);
    }

    /// <summary>The real crm_simulate, where it is installed, would do nothing more.</summary>
    private static void NothingToDo(LabCluster c, string when)
    {
        c.WaitIdle();
        if (File.Exists("/usr/sbin/crm_simulate"))
        {
            OriginalTests.NothingToDo("/usr/sbin/crm_simulate", c, when);
        }
    }

    private static LabCluster Running(string crm)
    {
        Assert.SkipUnless(Installed, "ocf:pacemaker:Stateful is not installed");
        var c = LabCluster.Bare(SeedFiles.Load() with { ClusterCrm = crm });
        try
        {
            c.StartDaemons();
            c.WaitFor(() => c.Online(c.First).Length == 2, "both online");
            c.Configure(crm);
            return c;
        }
        catch
        {
            c.Dispose();
            throw;
        }
    }

    /// <summary>Names behind "Promoted: [" or "Unpromoted: [" in the status; empty where the line is not there.</summary>
    private static string Listed(LabCluster c, string node, string role)
    {
        string text = c.Status(node);
        string start = $"* {role}: [ ";
        int at = text.IndexOf(start, StringComparison.Ordinal);
        return at < 0 ? "" : text[(at + start.Length)..text.IndexOf(" ]", at, StringComparison.Ordinal)];
    }
}
