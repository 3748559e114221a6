using System.Diagnostics;
using Buoy.Demo;
using Buoy.Lab;

namespace Buoy.LabTests;

/// <summary>
/// Three machines for the conformance suite. On the engine "corosync" each of them runs Debian's corosync, in
/// namespaces
/// and with a /dev/shm and /run of its own; on "ring" nothing but the engine under test. The corosync.conf is the same.
/// </summary>
internal sealed class ConformanceWorld : IDisposable
{
    private const int PatienceMs = 20_000;
    private const int Token = 1000;
    private readonly LabCluster _lab;
    private readonly List<ConformanceNode> _nodes = [];

    private ConformanceWorld(LabCluster lab, string engine) => (_lab, Engine) = (lab, engine);

    public string Engine { get; }

    public LabWorld World => _lab.World;

    public string Program => _lab.Program;

    /// <summary>corosync.conf for both: knet's place, three nodes, encrypted.</summary>
    public static string Conf() => $$"""
        totem {
          version: 2
          cluster_name: conformance
          token: {{Token}}
          crypto_cipher: aes256
          crypto_hash: sha256
        }
        nodelist {
        {{string.Join('\n', Enumerable.Range(1, 3).Select(i => $"  node {{\n    ring0_addr: {LabNetwork.Seed.Node(i)}\n    "
            + $"nodeid: {i}\n    name: {LabNetwork.NodeName(i)}\n  }}"))}}
        }
        quorum {
          provider: corosync_votequorum
        }
        logging {
          to_stderr: no
          to_syslog: no
          to_logfile: yes
          logfile: /var/log/corosync/corosync.log
        }
        """;

    /// <summary>The machines, with corosync running where the engine needs it. Skips where that cannot be.</summary>
    public static ConformanceWorld Create(string engine)
    {
        if (engine == "corosync")
        {
            Buoy.Tests.SharedData.RequireProgram("corosync");
            Assert.SkipUnless(Environment.IsPrivilegedProcess, "Debian's corosync in namespaces needs root");
        }

        var lab = LabCluster.Bare(SeedFiles.Load() with { CorosyncConf = Conf() }, nodes: 3);
        var world = new ConformanceWorld(lab, engine);
        try
        {
            foreach (string host in engine == "corosync" ? lab.World.Nodes : [])
            {
                lab.World.InNode(host, ["corosync"]).Require("corosync");
            }

            foreach (string host in engine == "corosync" ? lab.World.Nodes : [])
            {
                world.WaitForCorosync(host);
            }

            return world;
        }
        catch
        {
            world.Dispose();
            throw;
        }
    }

    /// <summary>Waits until the real daemon answers.</summary>
    private void WaitForCorosync(string host)
    {
        var clock = Stopwatch.StartNew();
        while (World.InNode(host, ["corosync-cmapctl", "-g", "runtime.config.totem.token"]).Status != 0)
        {
            Assert.True(clock.ElapsedMilliseconds < PatienceMs, "corosync does not answer: "
                + World.InNode(host, ["cat", "/var/log/corosync/corosync.log"]).Output);
        }
    }

    /// <summary>Starts the engine under test on machine 1, 2 or 3.</summary>
    public ConformanceNode Start(int number)
    {
        string host = LabNetwork.NodeName(number);
        var node = new ConformanceNode([.. World.NodePrefix(host), Program, "lab", "engine", Engine], host);
        _nodes.Add(node);
        return node;
    }

    /// <summary>Starts a process that may join a group, of our daemon or of corosync, on machine 1, 2 or 3.</summary>
    public ConformanceNode StartGroup(int number)
    {
        string host = LabNetwork.NodeName(number);
        var node = new ConformanceNode([.. World.NodePrefix(host), Program, "lab", "group", Engine], host);
        _nodes.Add(node);
        return node;
    }

    /// <summary>A corosync tool on a machine: ours, or the original, by the engine.</summary>
    public LabResult Tool(string host, params string[] words) => Engine == "corosync"
        ? World.InNode(host, ["env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", .. words]) : World.Buoy(host, null, words);

    public void Until(Func<bool> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.ElapsedMilliseconds < PatienceMs, $"not reached: {what}\n{Everything()}");
        }
    }

    /// <summary>All three, in one view.</summary>
    public ConformanceNode[] StartAll()
    {
        ConformanceNode[] all = [Start(1), Start(2), Start(3)];
        foreach (var n in all)
        {
            n.Until(() => n.Sees(1, 2, 3), "one view of three\n" + Everything());
        }

        return all;
    }

    /// <summary>Cuts a machine off from the others, and back.</summary>
    public void Cut(int number, bool cut) => World.InHost("lan",
        ["bridge", "link", "set", "dev", $"p-n{number}", "state", cut ? "0" : "3"]).Require("bridge link set");

    public string Everything() => string.Join('\n', _nodes.Select(n => n.Everything()));

    public void Dispose()
    {
        _nodes.ForEach(n => n.Dispose());
        _lab.Dispose();
    }
}
