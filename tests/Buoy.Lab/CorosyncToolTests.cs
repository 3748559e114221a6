namespace Buoy.LabTests;

/// <summary>
/// Our corosync tools against Debian's, on one node whose daemon stands on the real corosync: both tell of the same
/// cluster, in the same words, with the same status.
/// </summary>
public sealed class CorosyncToolTests
{
    /// <summary>Calls that may differ in nothing.</summary>
    private static readonly string[] s_same =
    [
        "corosync-quorumtool -s", "corosync-quorumtool", "corosync-quorumtool -l", "corosync-quorumtool -ps",
        "corosync-quorumtool -pl", "corosync-quorumtool -lH", "corosync-quorumtool -sH", "corosync-quorumtool -li",
        "corosync-quorumtool -la", "corosync-quorumtool -lo n", "corosync-quorumtool -lo i", "corosync-quorumtool -o x -l",
        "corosync-quorumtool -x", "corosync-quorumtool -e", "corosync-quorumtool -e abc", "corosync-quorumtool -e 0",
        "corosync-quorumtool -v x", "corosync-quorumtool -h", "corosync-quorumtool -f", "corosync-quorumtool -n 1",
        "corosync-quorumtool -e 3", "corosync-cfgtool", "corosync-cfgtool -s", "corosync-cfgtool -sb",
        "corosync-cfgtool -s -i 0", "corosync-cfgtool -i", "corosync-cfgtool -b", "corosync-cfgtool -h",
        "corosync-cfgtool -a 1", "corosync-cfgtool -a 2", "corosync-cfgtool -a 9", "corosync-cfgtool -a x",
        "corosync-cfgtool -k 9", "corosync-cfgtool -k x", "corosync-cfgtool -x", "corosync-cfgtool -L", "corosync-cfgtool -R",
        "corosync-cpgtool -x", "corosync-cpgtool -h", "corosync-cmapctl -h", "corosync-cmapctl -x", "corosync-cmapctl -g",
        "corosync-cmapctl -t", "corosync-cmapctl -d", "corosync-cmapctl -C", "corosync-cmapctl -C foo", "corosync-cmapctl -m nomap",
        "corosync-cmapctl -g totem.token", "corosync-cmapctl -g totem.token totem.cluster_name",
        "corosync-cmapctl -q -g totem.token", "corosync-cmapctl -g no.such.key", "corosync-cmapctl -q -g no.such.key",
        "corosync-cmapctl no.such", "corosync-cmapctl nodelist.", "corosync-cmapctl quorum.",
        "corosync-cmapctl runtime.config.totem.token", "corosync-cmapctl runtime.members.",
        "corosync-cmapctl -s test.a u32 5", "corosync-cmapctl -s test.a u8 300", "corosync-cmapctl -s test.b str word",
        "corosync-cmapctl -s test.c flt 1.5", "corosync-cmapctl -s test.d dbl 1.25", "corosync-cmapctl -s test.i i16 -7",
        "corosync-cmapctl -s test.bad i16 abc", "corosync-cmapctl -s test.bad xx 1", "corosync-cmapctl -s test.bad u32",
        "corosync-cmapctl -s ab u32 1", "corosync-cmapctl -s bad_key! u32 1", "corosync-cmapctl -s test.f bin /etc/buoy-bytes",
        "corosync-cmapctl -s test.g bin /no/such/file", "corosync-cmapctl test.", "corosync-cmapctl -b test.",
        "corosync-cmapctl -g test.f", "corosync-cmapctl -q -g test.b", "corosync-cmapctl -d test.a", "corosync-cmapctl -d test.a",
        "corosync-cmapctl -D test.", "corosync-cmapctl test.", "corosync-cmapctl -s totem.cluster_name str x",
        "corosync-cmapctl -s nodelist.local_node_pos u32 3", "corosync-cmapctl -s runtime.config.totem.token u32 1",
        "corosync-cmapctl -d internal_configuration.service.0.name", "corosync-cmapctl -p /etc/buoy-settings",
        "corosync-cmapctl test.", "corosync-cmapctl -p /no/such/file", "corosync-cmapctl -C totem", "corosync-cmapctl -C knet",
        "corosync-keygen -x", "corosync-keygen -h", "corosync-keygen -s 12 -k /run/k",
        "corosync-keygen -k /no/such/folder/k", "corosync-keygen -s", "corosync-keygen -k /run/k",
    ];

    [Fact]
    public void Tools_OnTheSameCorosync_SameWordsAndStatuses()
    {
        Buoy.Tests.SharedData.RequireProgram("corosync");
        using var w = ConformanceWorld.Create("corosync");
        string[] hosts = [.. w.World.Nodes.Take(2)];
        foreach (string host in hosts)
        {
            w.World.InNode(host, ["sh", "-c", "setsid \"$1\" cluster --engine corosync </dev/null >>/var/log/buoy.out 2>&1 &", "sh", w.Program])
                .Require("cluster daemon");
        }

        string first = hosts[0];
        w.World.InNode(first, ["sh", "-c", "printf 'ab\\001c' > /etc/buoy-bytes; printf 'test.a u32 1\\n# c\\n\\ntest.b str x y z\\n^test.a\\nbad\\n' > /etc/buoy-settings"])
            .Require("files");
        // A third machine without our daemon is in corosync's ring, not in our view: leave it out.
        w.World.InNode(w.World.Nodes[2], ["sh", "-c", "kill $(cat /run/corosync.pid)"]).Require("stop");
        w.Until(() => w.World.Buoy(first, null, "corosync-quorumtool", "-s").Output.Contains("Nodes:            2", StringComparison.Ordinal)
            && w.World.InNode(first, ["/usr/sbin/corosync-quorumtool", "-s"]).Output.Contains("Nodes:            2", StringComparison.Ordinal),
            "two nodes");
        var different = new List<string>();
        foreach (string line in s_same)
        {
            string[] words = line.Split(' ');
            string theirs = Text(w.World.InNode(first, ["env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", .. words]));
            string ours = Text(w.World.Buoy(first, null, words));
            if (theirs != ours)
            {
                different.Add($"$ {line}\n--- theirs\n{theirs}--- ours\n{ours}");
            }
        }

        Assert.True(different.Count == 0, $"{different.Count} of {s_same.Length} differ\n" + string.Join('\n', different));
    }

    private static string Text(Buoy.Lab.LabResult r) => string.Join(
        '\n', (r.Output + "\n" + r.Errors).Split('\n').Where(l => !l.StartsWith("Date:", StringComparison.Ordinal)))
        + $"[{r.Status}]\n";
}
