using Buoy.Demo;

namespace Buoy.LabTests;

/// <summary>The whole cluster daemon on Debian's corosync: <c>buoy cluster --engine corosync</c>.</summary>
public sealed class CorosyncEngineTests
{
    [Fact]
    public void SeedsCluster_OnTheRealCorosync_ServesMovesAndComesBackAfterFaults()
    {
        Buoy.Tests.SharedData.RequireProgram("corosync");
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Debian's corosync in namespaces needs root");
        using var c = LabCluster.Bare(SeedFiles.Load("corosync-nodelist.conf") with { CorosyncConf = Conf });
        c.StartServers();
        foreach (string node in c.World.Nodes)
        {
            StartNode(c, node);
        }

        c.WaitFor(() => c.Online(c.First).Length == 2, "both online");
        c.Configure(SeedFiles.Load().ClusterCrm);
        c.StartClient(0);
        Assert.True(c.Client!.WaitUp(30_000), "the service does not answer\n" + c.Logs());
        c.WaitIdle();
        c.Client.Mark("start");

        // Their tool and ours tell the same of the quorum.
        var theirs = c.World.InNode(c.First, ["/usr/sbin/corosync-quorumtool", "-s"]);
        var ours = c.World.Buoy(c.First, null, "corosync-quorumtool", "-s");
        Assert.Equal((0, 0), (theirs.Status, ours.Status));
        Assert.Equal(WithoutDate(theirs.Output), WithoutDate(ours.Output));

        // A machine dies: the other takes over; it comes back and nothing moves.
        string active = c.Holder(), other = c.Other(active);
        int downs = c.Client.Downs;
        c.World.Crash(active);
        Assert.True(c.Client.WaitDownAndUp(downs, 30_000), "no answer after the crash\n" + c.Logs());
        Assert.True(other == c.Holder(), "it moved back\n" + c.Logs());
        c.World.Boot(active);
        StartNode(c, active);
        c.WaitFor(() => c.Online(other).Length == 2, "the crashed node is online again");
        c.WaitIdle();
        Assert.True(other == c.Holder(), "it moved back\n" + c.Logs());

        // corosync itself is killed on the idle node: the daemon there says so and ends, as Pacemaker's do.
        c.World.InNode(active, ["sh", "-c", "kill -9 $(cat /run/corosync.pid)"]).Require("kill corosync");
        c.WaitFor(() => c.Online(other).Length == 1, "the node is gone");
        c.WaitFor(() => c.Online(active).Length == 0, "the daemon has ended");
        Assert.Contains("the connection to corosync is lost", c.Logs(), StringComparison.Ordinal);
        StartNode(c, active);
        c.WaitFor(() => c.Online(other).Length == 2 && c.Online(active).Length == 2, "both online again");
        c.WaitIdle();
        Assert.True(other == c.Holder(), "it moved\n" + c.Logs());
        Assert.True(c.Client.WaitUp(10_000), c.Logs());
    }

    private static string Conf => """
        totem {
          version: 2
          cluster_name: haproxy-cluster
          token: 1000
          crypto_cipher: aes256
          crypto_hash: sha256
        }
        nodelist {
          node {
            ring0_addr: 192.168.4.11
            name: hapx-node01
            nodeid: 1
          }
          node {
            ring0_addr: 192.168.4.12
            name: hapx-node02
            nodeid: 2
          }
        }
        quorum {
          provider: corosync_votequorum
          two_node: 1
        }
        logging {
          to_stderr: no
          to_syslog: no
          to_logfile: yes
          logfile: /var/log/corosync/corosync.log
        }
        """;

    private static void StartNode(LabCluster c, string node)
    {
        c.World.InNode(node, ["corosync"]).Require("corosync");
        c.World.InNode(node, ["sh", "-c", """
            until corosync-cmapctl -g runtime.config.totem.token >/dev/null 2>&1; do sleep 0.05; done
            setsid "$1" cluster --engine corosync </dev/null >>/var/log/buoy.out 2>&1 &
            """, "sh", c.Program]).Require("start of the cluster daemon");
    }

    private static string WithoutDate(string text) =>
        string.Join('\n', text.Split('\n').Where(l => !l.StartsWith("Date:", StringComparison.Ordinal)));
}
