using System.Text.Json;
using System.Xml.Linq;
using Buoy.Agents;
using Buoy.Cib;
using Buoy.Cluster.Controller;
using Buoy.Cluster.Host;
using Buoy.Control;
using Buoy.Linux;
using Buoy.Membership.Configuration;
using Buoy.Membership.Host;

namespace Buoy.Cluster.Tests;

/// <summary>Two whole daemons on the real ring over 127/8, the real scheduler, resources in memory.</summary>
public sealed class RingDaemonTests : IDisposable
{
    private static int _nextPort = 42000 + (Environment.ProcessId % 10000);
    private readonly string _folder = Directory.CreateTempSubdirectory("buoy-pair-").FullName;
    private readonly int _port = Interlocked.Add(ref _nextPort, 2);
    private readonly Dictionary<uint, Node> _nodes = [];
    private readonly List<string> _log = [];

    public RingDaemonTests() =>
        File.WriteAllBytes(Path.Combine(_folder, "authkey"), [.. Enumerable.Range(0, 256).Select(i => (byte)(i * 7))]);

    public void Dispose()
    {
        foreach (var n in _nodes.Values)
        {
            n.Crash();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private sealed class MemoryExecutor(EventLoop loop) : IAgentExecutor
    {
        private readonly Dictionary<string, Action<AgentResult>> _monitors = [];

        public HashSet<string> Running { get; } = [];

        public void Execute(AgentRequest request, Action<AgentResult> done) => loop.Post(() =>
        {
            lock (Running)
            {
                int rc = request.Task switch
                {
                    "start" => Running.Add(request.ResourceId) ? 0 : 0,
                    "stop" => Running.Remove(request.ResourceId) ? 0 : 0,
                    _ => Running.Contains(request.ResourceId) ? 0 : 7,
                };
                if (request.IntervalMs > 0)
                {
                    _monitors[request.ResourceId] = done;
                }

                done(Result(rc));
            }
        });

        public void Kill(string resource) => loop.Post(() =>
        {
            lock (Running)
            {
                Running.Remove(resource);
                _monitors[resource](Result(7));
            }
        });

        public bool Cancel(string resourceId, string task, long intervalMs) => _monitors.Remove(resourceId);

        public void CancelAll(string resourceId) => _monitors.Remove(resourceId);

        public void MetaData(AgentName agent, Action<string?> done) => done(null);

        public void Dispose()
        {
        }

        private static AgentResult Result(int rc) => new(rc, OperationStatus.Done, "", DateTimeOffset.UtcNow, 0, 0);
    }

    private sealed class Node(EventLoop loop, MemoryExecutor executor, Thread thread, string socket)
    {
        public MemoryExecutor Executor { get; } = executor;

        public void Crash()
        {
            loop.Stop();
            Assert.True(thread.Join(10_000));
        }

        public ControlResponse Call(string command, string? body = null, params (string, string)[] arguments)
        {
            using var client = ControlClient.TryConnect(socket);
            return client!.Call(command, body, arguments);
        }

        public void Rest() => Assert.Equal(0, Call(ControlCommand.WaitIdle, null, ("timeout", "20")).Status);

        public string Applied(CibOperation operation)
        {
            var r = Call(ControlCommand.CibApply,
                JsonSerializer.Serialize([operation], CibJson.Default.ListCibOperation));
            return r.Status == 0 ? "" : $"{r.Status}: {r.Error}";
        }

        public FailoverRecord LastRecord() =>
            JsonSerializer.Deserialize(Call(ControlCommand.History).Output,
                ControlJson.Default.ListFailoverRecord)!.Last();
    }

    private string Conf => $$"""
        totem {
          version: 2
          cluster_name: lab
          transport: udpu
          token: 1000
          crypto_cipher: aes256
          crypto_hash: sha256
          interface {
            mcastport: {{_port}}
          }
        }
        nodelist {
          node {
            ring0_addr: 127.{{_port / 256}}.{{_port % 256}}.1
            nodeid: 1
            name: n1
          }
          node {
            ring0_addr: 127.{{_port / 256}}.{{_port % 256}}.2
            nodeid: 2
            name: n2
          }
        }
        quorum {
          provider: corosync_votequorum
          two_node: 1
        }
        """;

    private Node Start(uint id)
    {
        string folder = Path.Combine(_folder, $"n{id}");
        Directory.CreateDirectory(folder);
        var loop = new EventLoop();
        var executor = new MemoryExecutor(loop);
        using var ready = new ManualResetEventSlim();
        var thread = new Thread(() =>
        {
            using var engine = RingEngine.Create(loop, new RingOptions
            {
                Config = CorosyncConfig.Parse(Conf, "lab.conf"),
                AuthkeyPath = Path.Combine(_folder, "authkey"),
                StateFolder = folder,
                LocalName = $"n{id}",
            });
            using var daemon = new ClusterDaemon(
                new ClusterDaemonOptions
                {
                    StateFolder = Path.Combine(folder, "cib"),
                    RunFolder = Path.Combine(folder, "run"),
                    HandleSignals = false,
                    Ready = ready.Set,
                    Logger = new LineLogger((_, line) =>
                    {
                        lock (_log)
                        {
                            _log.Add($"n{id} {line}");
                        }
                    }),
                },
                loop, engine, executor, new ClusterScheduler());
            daemon.Run();
        });
        thread.Start();
        Assert.True(ready.Wait(10_000));
        return _nodes[id] = new Node(loop, executor, thread, Path.Combine(folder, "run", "cluster.sock"));
    }

    private uint Holder()
    {
        var holders = _nodes.Where(n =>
        {
            lock (n.Value.Executor.Running)
            {
                return n.Value.Executor.Running.Count > 0;
            }
        }).ToList();
        Assert.True(holders.Count == 1, string.Join('\n', _log));
        Assert.Equal(["lb", "vip"], holders[0].Value.Executor.Running.Order());
        return holders[0].Key;
    }

    private static string Steps(FailoverRecord r) =>
        $"{r.Cause}: {string.Join(", ", r.Steps.Select(s => $"{s.What} {s.Milliseconds} ms"))}";

    [Fact]
    public void Pair_OnTheRealRing_ServesThroughKillStandbyAndCrash()
    {
        var n1 = Start(1);
        var n2 = Start(2);
        Assert.Equal("", n1.Applied(new CibOperation(CibOperationKind.Replace, "configuration", Xml: SeedTests.Seed)));
        n1.Rest();
        n2.Rest();
        uint holder = Holder();
        var output = TestContext.Current.TestOutputHelper!;

        _nodes[holder].Executor.Kill("lb");
        uint other = 3 - holder;
        SpinUntil(() => _nodes[holder].Call(ControlCommand.CibQuery).Output.Contains("fail-count-lb"));
        n1.Rest();
        n2.Rest();
        Assert.Equal(holder, Holder());
        output.WriteLine(Steps(_nodes[holder].LastRecord()));

        Assert.Equal("", _nodes[other].Applied(new CibOperation(CibOperationKind.Modify, "nodes", AllowCreate: true,
            Xml:
            $"""
                <node id="{holder}" uname="n{holder}"><instance_attributes id="nodes-{holder}">
                <nvpair id="nodes-{holder}-standby" name="standby" value="on"/></instance_attributes></node>
                """)));
        _nodes[other].Rest();
        Assert.Equal(other, Holder());
        output.WriteLine(Steps(_nodes[other].LastRecord()));
        Assert.Equal("", _nodes[other].Applied(new CibOperation(CibOperationKind.Delete, "nodes",
            Xml: $"""<nvpair id="nodes-{holder}-standby"/>""")));
        _nodes[other].Rest();
        Assert.Equal(other, Holder());

        // Both hold the same CIB.
        n1.Rest();
        n2.Rest();
        Assert.Equal(n1.Call(ControlCommand.CibQuery).Output, n2.Call(ControlCommand.CibQuery).Output);

        _nodes[other].Crash();
        _nodes.Remove(other);
        SpinUntil(() => _nodes[holder].Call(ControlCommand.History).Output.Contains($"n{other} was lost"));
        _nodes[holder].Rest();
        Assert.Equal(holder, Holder());
        output.WriteLine(Steps(_nodes[holder].LastRecord()));

        // The lost one comes back with the configuration of its disk, and takes nothing away.
        var back = Start(other);
        SpinUntil(() => XElement.Parse(_nodes[holder].Call(ControlCommand.CibQuery).Output).Descendants("node_state")
            .Count(n => (string?)n.Attribute("crmd") == "online") == 2);
        _nodes[holder].Rest();
        back.Rest();
        Assert.Equal(holder, Holder());
        Assert.Equal(0, _nodes[holder].Call(ControlCommand.Shutdown).Status);
        _nodes[holder].Crash();
        _nodes.Remove(holder);
        back.Rest();
        Assert.Equal(other, Holder());
        output.WriteLine(Steps(back.LastRecord()));
    }

    // A tool can only ask again: there is no command to wait for a view.
    private void SpinUntil(Func<bool> condition)
    {
        Assert.True(SpinWait.SpinUntil(condition, 30_000), string.Join('\n', _log));
    }
}
