using System.Diagnostics;
using Buoy.Demo;
using Buoy.Lab;

namespace Buoy.LabTests;

/// <summary>A world with the seed's cluster running in it, for one test. Skips where namespaces cannot be made or nothing is built.</summary>
internal sealed class LabCluster : IDisposable
{
    private const int DefaultPatienceMs = 30_000;

    private LabCluster(LabWorld world, string program)
    {
        World = world;
        Program = program;
    }

    public LabWorld World { get; }

    public string Program { get; }

    public LabObserver? Client { get; private set; }

    public string First => World.Nodes[0];

    public string Second => World.Nodes[1];

    /// <summary>The world with its hosts; no daemon runs yet.</summary>
    public static LabCluster Bare(LabFiles? files = null, int nodes = 2)
    {
        string program = Environment.GetEnvironmentVariable("BUOY_PROGRAM")
            ?? Path.Combine(Buoy.Tests.SharedData.Repository, "out", "buoy");
        Assert.SkipUnless(File.Exists(program), "out/buoy is not built (./buoy build)");
        try
        {
            return new LabCluster(LabWorld.Create(program, files ?? SeedFiles.Load(), nodes), program);
        }
        catch (LabException e) when (e.Message.StartsWith("cannot make namespaces", StringComparison.Ordinal))
        {
            Assert.Skip(e.Message);
            throw;
        }
    }

    /// <summary>Servers, daemons, client, the seed's configuration; returns when the service answers and the cluster is idle.</summary>
    public static LabCluster Running(LabFiles? files = null, int streams = 0)
    {
        files ??= SeedFiles.Load();
        var cluster = Bare(files);
        try
        {
            cluster.StartServers();
            cluster.StartDaemons();
            cluster.Configure(files.ClusterCrm);
            cluster.StartClient(streams);
            Assert.True(cluster.Client!.WaitUp(DefaultPatienceMs), "the service does not answer\n" + cluster.Logs());
            cluster.WaitIdle();
            cluster.Client.Mark("start");
            return cluster;
        }
        catch
        {
            cluster.Dispose();
            throw;
        }
    }

    public void StartServers()
    {
        for (int i = 1; i <= 3; i++)
        {
            World.StartServer(i);
        }
    }

    public void StartDaemons()
    {
        foreach (string node in World.Nodes)
        {
            World.StartDaemon(node);
        }
    }

    public void StartClient(int streams) => Client = new LabObserver(World, Program, streams);

    public void Configure(string crm)
    {
        WaitFor(() => Online(First).Length > 0, "the daemon answers");
        var r = World.Buoy(First, crm, "crm", "configure");
        Assert.True(r.Status == 0, $"crm configure: {r.Status}\n{r.Output}{r.Errors}\n{Logs()}");
    }

    /// <summary>Names between the brackets of crm_mon's "Online:" as a node sees it; empty where the daemon does not answer.</summary>
    public string[] Online(string node)
    {
        string text = World.Buoy(node, null, "crm_mon", "-1").Output;
        int at = text.IndexOf("Online: [ ", StringComparison.Ordinal);
        return at < 0 ? [] : text[(at + 10)..text.IndexOf(" ]", at, StringComparison.Ordinal)].Split(' ');
    }

    /// <summary>Waits until nothing is left to do.</summary>
    public void WaitIdle()
    {
        var r = World.Buoy(World.Nodes.First(World.IsUp), null, "crm_resource", "--wait");
        Assert.True(r.Status == 0, $"crm_resource --wait: {r.Status} {r.Output}{r.Errors}\n{Logs()}");
    }

    public void WaitFor(Func<bool> condition, string what, int milliseconds = DefaultPatienceMs)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.ElapsedMilliseconds < milliseconds, $"not within {milliseconds} ms: {what}\n{Logs()}");
            Thread.Sleep(50);
        }
    }

    /// <summary>The one node that holds the floating address.</summary>
    public string Holder()
    {
        var holders = World.Holders();
        Assert.True(holders.Count == 1, $"the address is held by [{string.Join(' ', holders)}]\n{Logs()}");
        return holders[0];
    }

    public string Other(string node) => node == First ? Second : First;

    public string BalancerPid(string node) => World.InNode(node, ["cat", "/run/haproxy.pid"]).Require("pid file").Output.Trim();

    public string Status(string node) => World.Buoy(node, null, "crm", "status").Output;

    /// <summary>Last lines of every running daemon, for messages.</summary>
    public string Logs() => string.Join('\n', World.Nodes.Where(World.IsUp).Select(n =>
        $"--- {n}\n" + World.InNode(n, ["sh", "-c", "tail -n 30 /var/log/corosync/corosync.log /var/log/buoy.out"]).Output));

    public void Dispose()
    {
        Client?.Dispose();
        World.Dispose();
    }
}
