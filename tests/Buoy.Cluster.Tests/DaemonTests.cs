using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Buoy.Agents;
using Buoy.Cib;
using Buoy.Cluster.Host;
using Buoy.Control;
using Buoy.Linux;
using Buoy.Membership;
using CsCheck;

namespace Buoy.Cluster.Tests;

/// <summary>The daemon around the controller: socket, disk, loop. One node on an engine that delivers to
/// itself.</summary>
public sealed class DaemonTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("buoy-daemon-").FullName;
    private readonly List<string> _log = [];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string SocketPath => Path.Combine(_folder, "run", "cluster.sock");

    private sealed class LoopbackEngine(EventLoop loop) : IClusterEngine
    {
        private IClusterEngineSink? _sink;
        private int _votes = 1;

        public uint LocalNodeId => 1;
        public string LocalNodeName => "alone";
        public string ClusterName => "test";
        public IReadOnlyList<(uint NodeId, string Name)> ConfiguredNodes => [];
        public int TokenMs => 1000;
        public EngineStatus Status => new()
        {
            Transport = "none", State = "operational", RingId = new RingId(4, 1), Quorate = true, ExpectedVotes =
                _votes,
            HighestExpected = _votes, TotalVotes = 1, Quorum = 1, Flags = ["Quorate"],
            Nodes = [(1, "1", 1, true, ["127.0.0.1"])], Links = [], Counters = new Dictionary<string, long>(),
        };

        public void Start(IClusterEngineSink sink)
        {
            _sink = sink;
            sink.OnView(new ClusterView(new RingId(4, 1), [new ViewMember(1, null, 4)], [], [1], true, EventLoop.Now));
        }

        // Delivers from within the call, which is the hardest case for the daemon.
        public bool TrySend(ReadOnlySpan<byte> message)
        {
            byte[] copy = message.ToArray();
            if (copy.Length % 3 == 0)
            {
                loop.Post(() => _sink!.OnMessage(1, copy));
            }
            else
            {
                _sink!.OnMessage(1, copy);
            }

            return true;
        }

        public void Leave()
        {
        }

        public string? Reload() => "line 3: no";

        public string? SetExpectedVotes(int votes)
        {
            _votes = votes;
            return null;
        }

        public void Dispose()
        {
        }
    }

    private sealed class MemoryExecutor(EventLoop loop) : IAgentExecutor
    {
        private readonly HashSet<string> _running = [];

        public void Execute(AgentRequest request, Action<AgentResult> done) => loop.Post(() =>
        {
            int rc = 0;
            switch (request.Task)
            {
                case "start":
                    _running.Add(request.ResourceId);
                    break;
                case "stop":
                    _running.Remove(request.ResourceId);
                    break;
                default:
                    rc = _running.Contains(request.ResourceId) ? 0 : 7;
                    break;
            }

            done(new AgentResult(rc, OperationStatus.Done, "", DateTimeOffset.UnixEpoch, 1, 0));
        });

        public bool Cancel(string resourceId, string task, long intervalMs) => false;

        public void CancelAll(string resourceId)
        {
        }

        public void MetaData(AgentName agent, Action<string?> done) => done(null);

        public void Dispose()
        {
        }
    }

    /// <summary>Runs a daemon on a thread of its own, the body with its socket, then stops it in order.</summary>
    private void WithDaemon(Action body)
    {
        int status = -1;
        using var ready = new ManualResetEventSlim();
        var thread = new Thread(() => status = ClusterDaemon.Run(
            new ClusterDaemonOptions
            {
                StateFolder = Path.Combine(_folder, "cib"),
                RunFolder = Path.Combine(_folder, "run"),
                HandleSignals = false,
                Ready = ready.Set,
                Logger = new LineLogger((_, line) => _log.Add(line)),
            },
            l => new LoopbackEngine(l), l => new MemoryExecutor(l), new ScriptedScheduler()));
        thread.Start();
        Assert.True(ready.Wait(10_000));
        try
        {
            body();
        }
        finally
        {
            using var client = ControlClient.TryConnect(SocketPath);
            Assert.Equal(0, client!.Call(ControlCommand.Shutdown).Status);
            Assert.True(thread.Join(10_000));
        }

        Assert.Equal(0, status);
        Assert.False(File.Exists(SocketPath));
    }

    private ControlResponse Call(string command, string? body = null, params (string, string)[] arguments)
    {
        using var client = ControlClient.TryConnect(SocketPath);
        return client!.Call(command, body, arguments);
    }

    private static string Operation(string xml) => JsonSerializer.Serialize(
        [new CibOperation(CibOperationKind.Create, "resources", Xml: xml)], CibJson.Default.ListCibOperation);

    [Fact]
    public void Daemon_OverItsSocket_ConfiguresRunsAndRemembers()
    {
        const string Lb = """<primitive id="lb" class="ocf" provider="heartbeat" type="haproxy"/>""";
        WithDaemon(() =>
        {
            Assert.True(OperatingSystem.IsWindows() || (int)File.GetUnixFileMode(SocketPath) == 0x1B0);
            Assert.Equal(0, Call(ControlCommand.CibApply, Operation(Lb), ("client", "crm"), ("expect", "0.1")).Status);
            Assert.Equal(ControlStatus.OldData, Call(ControlCommand.CibApply, Operation(Lb), ("expect", "0.1")).Status);
            Assert.Equal(ControlStatus.Exists, Call(ControlCommand.CibApply, Operation(Lb)).Status);
            Assert.Equal(0, Call(ControlCommand.WaitIdle, null, ("timeout", "10")).Status);
            var cib = XElement.Parse(Call(ControlCommand.CibQuery).Output);
            Assert.Equal("crm", (string?)cib.Attribute("update-client"));
            Assert.Contains(cib.Descendants("lrm_rsc_op"), o => (string?)o.Attribute("id") == "lb_monitor_20000");
            // The answer came after the disk had it.
            Assert.Contains("id=\"lb\"", File.ReadAllText(Path.Combine(_folder, "cib", "cib.xml")));
            Assert.Equal(0, Call(ControlCommand.SetExpectedVotes, null, ("votes", "3")).Status);
            var report = JsonSerializer.Deserialize(Call(ControlCommand.Membership).Output,
                ControlJson.Default.MembershipReport)!;
            Assert.Equal((3, "alone"), (report.ExpectedVotes, report.Members.Single().Name));
            var reload = Call(ControlCommand.Reload);
            Assert.Equal((ControlStatus.Error, "line 3: no"), (reload.Status, reload.Error));
            Assert.Equal(ControlStatus.Usage, Call("no-such").Status);
            Assert.Equal(ControlStatus.Usage, Call(ControlCommand.WaitIdle, null, ("timeout", "soon")).Status);
            Assert.Equal(ControlStatus.Usage, Call(ControlCommand.CibApply, "{").Status);
            Assert.Equal(ControlStatus.NoSuchObject, Call(ControlCommand.Explain, null, ("resource", "none")).Status);
            Assert.Equal("lb is where it is", Call(ControlCommand.Explain, null, ("resource", "lb")).Output);
        });
        WithDaemon(() =>
        {
            Assert.Equal(0, Call(ControlCommand.WaitIdle, null, ("timeout", "10")).Status);
            var cib = XElement.Parse(Call(ControlCommand.CibQuery).Output);
            Assert.Equal("2", (string?)cib.Attribute("epoch"));
            Assert.Contains(cib.Descendants("primitive"), p => (string?)p.Attribute("id") == "lb");
        });
        Assert.DoesNotContain(_log, l => l.Contains("] error") && !l.Contains("[205]"));
    }

    [Fact]
    public void ControlServer_OfRandomBytes_StaysUp() => WithDaemon(() =>
        Gen.Byte.Array[0, 200].Sample(bytes =>
        {
            using (var s = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
            {
                s.Connect(new UnixDomainSocketEndPoint(SocketPath));
                s.Send(bytes);
            }

            Assert.Equal(0, Call(ControlCommand.CibQuery).Status);
        }, iter: 200, threads: 1));

    [Fact]
    public void ControlServer_OfRequestsInRandomPieces_AnswersInOrder() => WithDaemon(() =>
        Gen.Int[1, 60].Array[1, 20].Sample(cuts =>
        {
            byte[] stream = [.. Frame("""{"Command":"cib-query","Arguments":{}}"""),
                .. Frame("""{"Command":"history"}"""),
                .. Frame("""{"Command":"explain","Arguments":{"resource":"none"}}""")];
            using var s = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            s.Connect(new UnixDomainSocketEndPoint(SocketPath));
            int at = 0;
            foreach (int cut in cuts.Append(stream.Length))
            {
                int n = Math.Min(cut, stream.Length - at);
                s.Send(stream.AsSpan(at, n));
                at += n;
            }

            using var reader = new BinaryReader(new NetworkStream(s));
            Assert.StartsWith("<cib", Answer(reader).Output);
            Assert.Equal("[]", Answer(reader).Output);
            Assert.Equal(ControlStatus.NoSuchObject, Answer(reader).Status);
        }, iter: 100, threads: 1));

    [Theory]
    [InlineData("not json")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[1]")]
    public void ControlServer_OfNoRequest_ClosesTheConnection(string text) => WithDaemon(() =>
    {
        using var s = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        s.Connect(new UnixDomainSocketEndPoint(SocketPath));
        s.Send(Frame(text));
        Assert.Equal(0, s.Receive(new byte[1]));
    });

    private ClusterDaemonOptions Options(Action? ready = null) => new()
    {
        StateFolder = Path.Combine(_folder, "cib"),
        RunFolder = Path.Combine(_folder, "run"),
        HandleSignals = false,
        Ready = ready,
        Logger = new LineLogger((_, line) => _log.Add(line)),
    };

    private static int RunWith(ClusterDaemonOptions options) =>
        ClusterDaemon.Run(options, l => new LoopbackEngine(l), l => new MemoryExecutor(l), new ScriptedScheduler());

    [Fact]
    public void SecondDaemon_OnTheSameNode_IsRefusedAndTheFirstServesOn() => WithDaemon(() =>
    {
        var e = Assert.Throws<IOException>(() => RunWith(Options()));
        Assert.Contains($"a cluster daemon (process {Environment.ProcessId}) runs on this node already", e.Message);
        Assert.Equal(0, Call(ControlCommand.CibQuery).Status);
        Assert.True(File.Exists(Path.Combine(_folder, "run", "cluster.pid")));
    });

    [Fact]
    public void Daemon_AfterOneThatDied_ReplacesItsSocketAndPidFile()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "run"));
        using (var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            dead.Bind(new UnixDomainSocketEndPoint(SocketPath));
        }

        File.WriteAllText(SocketPath + ".new", "");
        File.WriteAllText(Path.Combine(_folder, "run", "cluster.pid"), "999999\n");
        File.WriteAllText(Path.Combine(_folder, "run", "cluster.lock"), "");
        WithDaemon(() =>
        {
            Assert.Equal(0, Call(ControlCommand.CibQuery).Status);
            Assert.Equal($"{Environment.ProcessId}\n", File.ReadAllText(Path.Combine(_folder, "run", "cluster.pid")));
        });
    }

    [Fact]
    public void Daemon_WhoseCibFolderIsNone_SaysWhichAndDoesNotStart()
    {
        File.WriteAllText(Path.Combine(_folder, "cib"), "");
        var e = Assert.ThrowsAny<IOException>(() => RunWith(Options()));
        Assert.Contains(Path.Combine(_folder, "cib"), e.Message);
    }

    [Fact]
    public void Daemon_WhoseDiskTakesNothing_SaysSoAndGoesOn() => WithDaemon(() =>
    {
        string blocked = Path.Combine(_folder, "cib", "cib.xml.tmp");
        Assert.Equal(0, Call(ControlCommand.WaitIdle, null, ("timeout", "10")).Status);
        Assert.Equal(0, Call(ControlCommand.CibApply, Operation(Primitive("a"))).Status);
        Directory.CreateDirectory(blocked);
        var refused = Call(ControlCommand.CibApply, Operation(Primitive("b")));
        Assert.Equal(ControlStatus.Error, refused.Status);
        Assert.StartsWith("applied, but not written to disk: ", refused.Error);
        Assert.Equal(0, Call(ControlCommand.WaitIdle, null, ("timeout", "10")).Status);
        Directory.Delete(blocked);
        Assert.Equal(0, Call(ControlCommand.CibApply, Operation(Primitive("c"))).Status);
        string text = File.ReadAllText(Path.Combine(_folder, "cib", "cib.xml"));
        Assert.All((string[])["a", "b", "c"], id => Assert.Contains($"id=\"{id}\"", text));
    });

    private static string Primitive(string id) =>
        $"""<primitive id="{id}" class="ocf" provider="heartbeat" type="Dummy"/>""";

    private sealed class FaultyExecutor : IAgentExecutor
    {
        public void Execute(AgentRequest request, Action<AgentResult> done) =>
            throw new InvalidOperationException("the agent room is on fire");

        public bool Cancel(string resourceId, string task, long intervalMs) => false;

        public void CancelAll(string resourceId)
        {
        }

        public void MetaData(AgentName agent, Action<string?> done) => done(null);

        public void Dispose()
        {
        }
    }

    [Fact]
    public void Daemon_WithAFaultInItsLoop_LogsItsPlaceAndEndsWithOne()
    {
        int status = -1;
        using var ready = new ManualResetEventSlim();
        var thread = new Thread(() => status = ClusterDaemon.Run(
            Options(ready.Set), l => new LoopbackEngine(l), _ => new FaultyExecutor(), new ScriptedScheduler()));
        thread.Start();
        Assert.True(ready.Wait(10_000));
        using (var client = ControlClient.TryConnect(SocketPath))
        {
            // The answer may or may not come before the end.
            Record.Exception(() => client!.Call(ControlCommand.CibApply, Operation(Primitive("a"))));
        }

        Assert.True(thread.Join(30_000));
        Assert.Equal(1, status);
        string line = Assert.Single(_log, l => l.Contains("[207] crit"));
        Assert.Contains("the agent room is on fire", line);
        Assert.Contains($"at {typeof(DaemonTests).FullName}", line);
        Assert.False(File.Exists(SocketPath));
        Assert.False(File.Exists(Path.Combine(_folder, "run", "cluster.pid")));
    }

    [Fact]
    public void ControlServer_WithMoreHangingClientsThanItHolds_StillAnswers() => WithDaemon(() =>
    {
        var hanging = new List<Socket>();
        try
        {
            for (int i = 0; i < 300; i++)
            {
                var s = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                hanging.Add(s);
                s.Connect(new UnixDomainSocketEndPoint(SocketPath));
                s.Send(i % 2 == 0 ? [0, 0, 1] : Frame("""{"Command":"cib-query"}"""));
            }

            Assert.StartsWith("<cib", Call(ControlCommand.CibQuery).Output);
        }
        finally
        {
            hanging.ForEach(s => s.Dispose());
        }

        Assert.Equal(0, Call(ControlCommand.WaitIdle, null, ("timeout", "10")).Status);
    });

    [Fact]
    public void ControlServer_WhoseClientsVanishInMidRequest_GoesOn() => WithDaemon(() =>
    {
        for (int i = 0; i < 50; i++)
        {
            using var s = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            s.Connect(new UnixDomainSocketEndPoint(SocketPath));
            s.Send(Frame(i % 2 == 0
                ? """{"Command":"cib-apply","Body":"[]"}"""
                : """{"Command":"wait-idle","Arguments":{"timeout":"1000"}}"""));
        }

        Assert.Equal(0, Call(ControlCommand.WaitIdle, null, ("timeout", "10")).Status);
    });

    private static byte[] Frame(string text)
    {
        byte[] body = Encoding.UTF8.GetBytes(text);
        return [(byte)(body.Length >> 24), (byte)(body.Length >> 16), (byte)(body.Length >> 8), (byte)body.Length,
            .. body];
    }

    private static ControlResponse Answer(BinaryReader r)
    {
        int length = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(r.ReadBytes(4));
        return JsonSerializer.Deserialize(r.ReadBytes(length), ControlJson.Default.ControlResponse)!;
    }
}
