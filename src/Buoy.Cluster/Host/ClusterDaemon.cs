using System.Runtime.InteropServices;
using System.Text.Json;
using Buoy.Agents;
using Buoy.Cib;
using Buoy.Cib.Persistence;
using Buoy.Cluster.Controller;
using Buoy.Control;
using Buoy.Linux;
using Buoy.Membership;
using Buoy.Membership.Services;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Buoy.Cluster.Host;

/// <summary>Where the daemon keeps its things.</summary>
public sealed record ClusterDaemonOptions
{
    /// <summary>Folder of the CIB.</summary>
    public string StateFolder { get; init; } = "/var/lib/buoy/cib";

    /// <summary>Folder of the control socket and the pid file.</summary>
    public string RunFolder { get; init; } = ControlPaths.RunFolder;

    /// <summary>Where log lines go (see <see cref="LineLogger"/>).</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>How long a node that comes up alone waits for the others, ms.</summary>
    public long StartupWindowMs { get; init; } = 2000;

    /// <summary>What dc-version says.</summary>
    public string DcVersion { get; init; } = "0.1.0-buoy";

    /// <summary>Takes SIGTERM, SIGINT and SIGHUP; off where several daemons share a process (tests).</summary>
    public bool HandleSignals { get; init; } = true;

    /// <summary>Called on the loop when the daemon listens (sd_notify).</summary>
    public Action? Ready { get; init; }

    /// <summary>Called on the loop with corosync.conf's new state after a reload (to re-open log files and so
    /// on).</summary>
    public Action? Reloaded { get; init; }

    /// <summary>What the executor's guard of addresses is told, and tells; null: it has none.</summary>
    public GuardContext? Guard { get; init; }

    /// <summary>The keys of cmap that come from corosync.conf.</summary>
    public Func<IEnumerable<KeyValuePair<string, MapValue>>> ConfigurationKeys { get; init; } = static () => [];
}

/// <summary>
/// One node's cluster daemon: a loop that owns the engine, the controller, the executor and the control socket.
/// Everything
/// but the writing of the CIB happens on it.
/// </summary>
public sealed class ClusterDaemon : IClusterEngineSink, IDisposable
{
    /// <summary>While the ring's queue is full, look again after this long, ms.</summary>
    private const long RetrySendMs = 2;

    /// <summary>Exit status after a fault of this program.</summary>
    private const int Faulted = 1;

    private readonly ClusterDaemonOptions _options;
    private readonly ILogger _log;
    private readonly EventLoop _loop;
    private readonly IClusterEngine _engine;
    private readonly IAgentExecutor _executor;
    private readonly ClusterController _controller;
    private readonly ControlServer _control;
    private readonly DaemonServices _services;
    private readonly GuardHost? _guard;
    private readonly CibWriter _writer;
    private readonly Queue<ControllerEvent> _events = new();
    private readonly Queue<byte[]> _outbox = new();
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly string _pidFile;
    private EventLoop.LoopTimer? _timer;
    private bool _handling;
    private bool _retrying;
    private bool _ending;
    private int _status;

    /// <summary>Makes the daemon; nothing moves before <see cref="Run()"/>.</summary>
    public ClusterDaemon(
        ClusterDaemonOptions options, EventLoop loop, IClusterEngine engine, IAgentExecutor executor,
            ISchedulerSeam scheduler)
    {
        _options = options;
        _log = options.Logger;
        _loop = loop;
        _engine = engine;
        _executor = executor;
        Directory.CreateDirectory(options.RunFolder);
        _pidFile = Path.Combine(options.RunFolder, "cluster.pid");
        var store = new CibStore(options.StateFolder, FolderSync.Sync);
        var load = store.Load();
        foreach (string m in load.Messages)
        {
            Log.StoredCib(_log, m);
        }

        _controller = new ClusterController(new ControllerOptions
        {
            NodeId = engine.LocalNodeId,
            NodeName = engine.LocalNodeName,
            ClusterName = engine.ClusterName,
            ConfiguredNodes = [.. engine.ConfiguredNodes.Select(n => n.NodeId)],
            TransitionUuid = Guid.NewGuid().ToString(),
            Scheduler = scheduler,
            Editor = CibEditing.Apply,
            InitialCib = (load.Document ?? CibDocument.Empty()).Root,
            DcVersion = options.DcVersion,
            StartupWindowMs = options.StartupWindowMs,
        });
        _writer = new CibWriter(store, loop, (sequence, error) => Feed(new CibPersisted(sequence, error)));
        _control = new ControlServer(loop, Path.Combine(options.RunFolder, Path.GetFileName(ControlPaths.Socket)),
            OnRequest,
            id => Feed(new ControlGone(id)), text => Log.Control(_log, text));
        _services = new DaemonServices(
            loop, engine, options.RunFolder, options.ConfigurationKeys, EndAtOnce, text => Log.Control(_log, text));
        _guard = options.Guard is null ? null : new GuardHost(
            loop, engine, options.Guard, _controller, Path.Combine(options.StateFolder, "..", "stations"), SendBehind,
            request => Feed(new ControlAsked(GuardHost.RequestId, request)), text => Log.Guard(_log, text));
    }

    /// <summary>The controller, for tests and diagnosis.</summary>
    public ClusterController Controller => _controller;

    /// <summary>
    /// Runs a daemon until it is stopped in order, or a fault ends it (1, after a line in the log); the exit status of
    /// the process. Throws <see cref="IOException"/> where one runs already, and what engine, executor, socket
    /// or CIB
    /// folder throw when they cannot be had.
    /// </summary>
    public static int Run(
        ClusterDaemonOptions options, Func<EventLoop, IClusterEngine> engine, Func<EventLoop, IAgentExecutor> executor,
        ISchedulerSeam scheduler)
    {
        // Before anything of the other daemon's is touched: its sockets, its ring, what it runs.
        using var only = new NodeLock(options.RunFolder);
        using var loop = new EventLoop();
        using var e = engine(loop);
        using var x = executor(loop);
        using var daemon = new ClusterDaemon(options, loop, e, x, scheduler);
        return daemon.Run();
    }

    /// <summary>Starts the engine and turns the loop until the daemon has stopped.</summary>
    public int Run()
    {
        File.WriteAllText(_pidFile, $"{Environment.ProcessId}\n");
        if (_options.HandleSignals)
        {
            OnSignal(PosixSignal.SIGTERM, Stop);
            OnSignal(PosixSignal.SIGINT, Stop);
            OnSignal(PosixSignal.SIGHUP, () => Reload());
        }

        Log.Started(_log, _engine.LocalNodeId, _engine.LocalNodeName, _engine.ClusterName,
            _controller.Version.ToString());
        try
        {
            _ = new HeapKeeper(_loop);
            _engine.Start(this);
            _options.Ready?.Invoke();
            _loop.Run();
        }
        catch (Exception e)
        {
            // Not caught up: what the loop held may be half done. The process ends and the others see it as lost. Its
            // balancer serves on, and is adopted by the daemon that is started next.
            Log.Fatal(_log, $"a fault ended the daemon: {e}");
            return Faulted;
        }

        Log.Stopped(_log);
        return _status;
    }

    /// <summary>Orderly stop, as SIGTERM. To be called on the loop.</summary>
    public void Stop() => Feed(new ShutdownAsked());

    /// <inheritdoc/>
    public void OnView(ClusterView view)
    {
        Feed(new ViewInstalled(view, _engine.Status.ExpectedVotes));
        _services.OnView(view);
        _guard?.OnView(view);
    }

    /// <inheritdoc/>
    public void OnQuorum(bool quorate)
    {
        Feed(new QuorumChanged(quorate));
        _services.OnQuorum(quorate);
        _guard?.OnQuorum(quorate);
    }

    /// <inheritdoc/>
    public void OnSilence(bool silent) => _options.Guard?.SetSuspicious(silent);

    /// <inheritdoc/>
    public void OnMessage(uint sender, ReadOnlySpan<byte> payload)
    {
        if (DaemonServices.Owns(payload))
        {
            _services.OnMessage(sender, payload);
        }
        else if (GuardLink.Owns(payload))
        {
            _guard?.OnMessage(sender, payload);
        }
        else
        {
            Feed(new MessageDelivered(sender, payload.ToArray()));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var s in _signals)
        {
            s.Dispose();
        }

        _control.Dispose();
        _services.Dispose();
        _guard?.Dispose();
        _writer.Dispose();
        File.Delete(_pidFile);
    }

    private void OnSignal(PosixSignal signal, Action action) => _signals.Add(PosixSignalRegistration.Create(signal,
        context =>
    {
        context.Cancel = true;
        _loop.Post(() =>
        {
            Log.Signal(_log, signal.ToString());
            action();
        });
    }));

    /// <summary>Hands events over one after another: an effect may cause the next event while it is carried
    /// out.</summary>
    private void Feed(ControllerEvent e)
    {
        _events.Enqueue(e);
        if (_handling)
        {
            return;
        }

        _handling = true;
        try
        {
            while (!_ending && _events.TryDequeue(out var next))
            {
                foreach (var effect in _controller.Handle(next, Now()))
                {
                    Carry(effect);
                }
            }
        }
        finally
        {
            _handling = false;
        }
    }

    private static ControllerTime Now() => new(EventLoop.Now, DateTimeOffset.UtcNow, EventLoop.NowMicros);

    private void Carry(ControllerEffect effect)
    {
        switch (effect)
        {
            case Multicast m:
                _outbox.Enqueue(m.Payload);
                Send();
                break;
            case ExecuteOperation x:
                _executor.Execute(x.Request, r => Feed(new OperationEnded(x.CallId, r)));
                break;
            case CancelOperation c:
                _executor.Cancel(c.ResourceId, c.Task, c.IntervalMs);
                break;
            case CancelAllOperations c:
                _executor.CancelAll(c.ResourceId);
                break;
            case AnswerControl a:
                _control.Answer(a.RequestId, a.Response);
                break;
            case WakeAt w:
                _timer?.Cancel();
                _timer = w.Ms is { } due
                    ? _loop.Schedule(due - EventLoop.Now, () => Feed(new TimerFired()))
                    : null;
                break;
            case RequestTurn:
                // A deadline of now is due after the descriptors and the posted work of this same turn.
                _loop.Schedule(0, () => Feed(new TurnEnded()));
                break;
            case PersistCib p:
                _writer.Write(p.Sequence, p.Xml);
                break;
            case LogRecord l:
                Log.Controller(_log, l.Topic, l.Text);
                break;
            case LeaveAndExit exit:
                _status = exit.Status;
                _ending = true;
                _options.Guard?.EndsInOrder = exit.Status == 0;
                _engine.Leave();
                _loop.Stop();
                break;
            default:
                throw new InvalidOperationException($"unknown effect {effect.GetType().Name}");
        }
    }

    private void SendBehind(byte[] payload)
    {
        _outbox.Enqueue(payload);
        Send();
    }

    private void Send()
    {
        while (_outbox.TryPeek(out byte[]? next) && _engine.TrySend(next))
        {
            _outbox.Dequeue();
        }

        if (_outbox.Count > 0 && !_retrying)
        {
            _retrying = true;
            _loop.Schedule(RetrySendMs, () =>
            {
                _retrying = false;
                Send();
            });
        }
    }

    private void OnRequest(long id, ControlRequest r)
    {
        switch (r.Command)
        {
            case ControlCommand.Membership:
                _control.Answer(id, new ControlResponse(ControlStatus.Ok,
                    JsonSerializer.Serialize(Membership(), ControlJson.Default.MembershipReport)));
                break;
            case var _ when _services.Handle(r) is { } answer:
                _control.Answer(id, answer);
                break;
            case ControlCommand.Reload:
                Answer(Reload());
                break;
            case ControlCommand.ReopenLogs:
                _options.Reloaded?.Invoke();
                Answer(null);
                break;
            case ControlCommand.SetExpectedVotes:
                Answer(int.TryParse(r.Arguments.GetValueOrDefault("votes"), out int votes) && votes > 0
                    ? _engine.SetExpectedVotes(votes)
                    : $"votes is '{r.Arguments.GetValueOrDefault("votes")}', expected a number above 0");
                break;
            default:
                Feed(new ControlAsked(id, r));
                break;
        }

        void Answer(string? error) => _control.Answer(id,
            error is null ? new ControlResponse(ControlStatus.Ok) : new ControlResponse(ControlStatus.Error, "",
                error));
    }

    /// <summary>Another node's operator wants this node gone: no resource is stopped first.</summary>
    private void EndAtOnce(string why)
    {
        Log.Fatal(_log, why);
        _status = Faulted;
        _ending = true;
        _engine.Leave();
        _loop.Stop();
    }

    private string? Reload()
    {
        string? error = _engine.Reload();
        if (error is null)
        {
            Log.Reloaded(_log);
            _options.Reloaded?.Invoke();
        }
        else
        {
            Log.NotReloaded(_log, error);
        }

        return error;
    }

    private MembershipReport Membership()
    {
        var s = _engine.Status;
        return new MembershipReport
        {
            NodeId = _engine.LocalNodeId,
            NodeName = _engine.LocalNodeName,
            ClusterName = _engine.ClusterName,
            Transport = s.Transport,
            RingSeq = s.RingId.Seq,
            RingRep = s.RingId.Rep,
            State = s.State,
            Quorate = s.Quorate,
            QuorumProvider = "corosync_votequorum",
            ExpectedVotes = s.ExpectedVotes,
            HighestExpected = s.HighestExpected,
            TotalVotes = s.TotalVotes,
            Quorum = s.Quorum,
            Flags = s.Flags,
            Members = [.. s.Nodes.Select(n =>
                new MemberReport(n.NodeId, NameOf(n.NodeId, n.Name), n.Votes, n.Present,
                    n.NodeId == _engine.LocalNodeId, n.Addresses))],
            Links = [.. s.Links.Select(l => new LinkReport(l.LinkId, s.Transport == "knet" ? "udp" : s.Transport, l.Address,
                [.. l.Peers.Select(p => new LinkPeerReport(
                    p.NodeId, p.State, s.LinkMtus.GetValueOrDefault((l.LinkId, p.NodeId))))]))],
            Counters = _options.Guard is null ? s.Counters
                : s.Counters.Concat(_options.Guard.Counters).ToDictionary(static c => c.Key, static c => c.Value),
        };
    }

    /// <summary>A ring without a node list knows no names; the CIB does.</summary>
    private string NameOf(uint id, string? name) => !string.IsNullOrEmpty(name) && name != id.ToString()
        ? name
        : (string?)_controller.Cib.Descendants("node_state")
            .FirstOrDefault(n => (string?)n.Attribute("id") == id.ToString())?.Attribute("uname") ?? name
                ?? id.ToString();
}
