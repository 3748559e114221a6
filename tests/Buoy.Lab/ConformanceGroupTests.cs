namespace Buoy.LabTests;

/// <summary>
/// Process groups: those of our daemon over its socket, and those of Debian's corosync over libcpg, with the same
/// expectations of members, reasons and order.
/// </summary>
public sealed class ConformanceGroupTests
{
    [Theory]
    [InlineData("ring")]
    [InlineData("corosync")]
    public void Groups_JoinSayLeaveDieCrash_MembersReasonsAndOrder(string engine)
    {
        using var w = ConformanceWorld.Create(engine);
        if (engine == "ring")
        {
            foreach (string host in w.World.Nodes)
            {
                w.World.StartDaemon(host);
            }
        }

        foreach (string host in w.World.Nodes)
        {
            w.Until(() => w.Tool(host, "corosync-quorumtool", "-s").Output.Contains("Total votes:      3", StringComparison.Ordinal),
                $"{host} sees three");
        }

        ConformanceNode[] all = [w.StartGroup(1), w.StartGroup(2), w.StartGroup(3)];
        foreach (var n in all)
        {
            n.Until(() => n.Lines("ready").Count == 1, "ready");
        }

        // One after another: each is told who is there, those there who joined (reason 1).
        all[0].Say("join g");
        Last(all[0], "change 1||1:1");
        all[1].Say("join g");
        Last(all[0], "change 1,2||2:1");
        Last(all[1], "change 1,2||2:1");
        all[2].Say("join g");
        Array.ForEach(all, n => Last(n, "change 1,2,3||3:1"));

        // A total order, the sender's own messages included.
        for (int i = 0; i < 200; i++)
        {
            Array.ForEach(all, n => n.Say($"say {n.Id} {i}"));
        }

        Array.ForEach(all, n => n.Until(() => n.Lines("msg ").Count == 600, "600 messages"));
        Assert.Single(all.Select(n => string.Join('|', n.Lines("msg "))).Distinct());
        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"msg 2 2 {i}"), all[0].Lines("msg 2 "));

        // The tool lists the group on every node.
        string listed = w.Tool(all[1].Host, "corosync-cpgtool", "-d", ",").Output;
        Assert.StartsWith("GRP_NAME,PID,NODEID\n", listed, StringComparison.Ordinal);
        Assert.Equal(["1", "2", "3"], listed.Split('\n').Where(l => l.StartsWith("g,", StringComparison.Ordinal))
            .Select(l => l.Split(',')[2]).Order());

        // In order: reason 2, told to the leaver too. Killed: 5. Its machine dead: 3.
        all[1].Say("leave");
        Array.ForEach(all, n => Last(n, "change 1,3|2:2|"));
        all[1].Kill();
        all[1] = w.StartGroup(2);
        all[1].Say("join g");
        Array.ForEach(all, n => Last(n, "change 1,2,3||2:1"));
        all[1].Kill();
        Last(all[0], "change 1,3|2:5|");
        Last(all[2], "change 1,3|2:5|");
        w.World.Crash(all[2].Host);
        Last(all[0], "change 1|3:3|");
    }

    private static void Last(ConformanceNode n, string change) =>
        n.Until(() => n.Lines("change ") is [.., var last] && last == change, change);
}
