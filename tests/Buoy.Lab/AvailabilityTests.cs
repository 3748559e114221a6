namespace Buoy.LabTests;

/// <summary>The availability manager with real processes: one that dies and one that hangs come again.</summary>
public sealed class AvailabilityTests
{
    [Fact]
    public void Managed_KilledThenHanging_IsStartedAgainByTheDaemon()
    {
        using var c = LabCluster.Bare();
        c.StartDaemons();
        c.WaitFor(() => c.Online(c.First).Length == 2, "both online");
        const string File = "/run/managed";
        c.World.InNode(c.First, ["sh", "-c", "setsid \"$1\" lab managed quorum-restart /run/managed >/run/managed.out 2>&1 </dev/null &", "sh", c.Program])
            .Require("managed");
        string first = "", second = "";
        c.WaitFor(() => Read(c, File) is [var pid, "1"] && (first = pid) != "", "the first instance");
        c.WaitFor(() => c.World.Buoy(c.First, null, "corosync-cmapctl", $"resources.process.{first}.").Output
            .Contains("state (str) = running", StringComparison.Ordinal), "cmap says that it runs");
        c.World.Signal(c.First, "9", first).Require("kill");
        c.WaitFor(() => Read(c, File) is [var pid, "2"] && (second = pid) != first, "the second instance");
        c.World.InNode(c.First, ["touch", File + ".hang"]).Require("touch");
        c.WaitFor(() => c.World.Signal(c.First, "0", second).Status != 0, "the hanging one is gone");
        c.World.InNode(c.First, ["rm", File + ".hang"]).Require("rm");
        c.WaitFor(() => Read(c, File) is [var pid, var n] && pid != second && int.Parse(n, System.Globalization.CultureInfo.InvariantCulture) >= 3,
            "a third instance");
    }

    private static string[] Read(LabCluster c, string file) =>
        c.World.InNode(c.First, ["cat", file]) is { Status: 0 } r ? r.Output.Trim().Split(' ') : [];
}
