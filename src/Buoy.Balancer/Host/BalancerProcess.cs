using System.Runtime.InteropServices;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Host;

/// <summary>
/// A started balancer's main thread: signals, soft stop and its deadline, the heartbeat. It owns no connection.
/// USR1 stops softly, TERM and INT at once (the process then ends by that signal, as HAProxy does), HUP logs states.
/// </summary>
internal sealed class BalancerProcess : IDisposable
{
    private const int HeartbeatInterval = 200;
    private const int DrainInterval = 50;
    private const int Warning = 4;
    private readonly EventLoop _loop = new();
    private readonly BalancerState _state;
    private readonly IDataPlane _plane;
    private readonly IControlPlane _control;
    private readonly Messages _messages;
    private readonly bool _notify;
    private readonly List<PosixSignalRegistration> _signals = [];
    private int _heartbeat = -1;
    private bool _pinging;
    private bool _stopping;
    private bool _drained;
    private long _hardStopAt = long.MaxValue;
    private int _endedBy;
    private WorkerRole? _worker;
    private int _nullDescriptor = -1;

    public BalancerProcess(
        BalancerState state, IDataPlane plane, IControlPlane control, Messages messages, bool notify)
    {
        (_state, _plane, _control, _messages) = (state, plane, control, messages);
        _notify = notify;
    }

    /// <summary>
    /// This process is a worker: the master's connections to the runtime API are taken, and its end is ours.
    /// </summary>
    /// <param name="role">What the master said.</param>
    /// <param name="nullDescriptor">/dev/null, where the role wants the standard streams detached.</param>
    public void Work(WorkerRole role, int nullDescriptor) => (_worker, _nullDescriptor) = (role, nullDescriptor);

    /// <summary>Starts everything and returns the exit code when it has ended.</summary>
    public int Run()
    {
        ProcessControl.Ignore(ProcessControl.SigPipe);
        On(ProcessControl.SigTerm, () => HardStop(ProcessControl.SigTerm));
        On(ProcessControl.SigInt, () => HardStop(ProcessControl.SigInt));
        On(ProcessControl.SigUsr1, SoftStop);
        On(ProcessControl.SigHup, DumpStates);
        On(ProcessControl.SigQuit, static () => { });
        if (_worker is not null)
        {
            _control.AttachMaster(_worker.Channel, () => _loop.Post(() => HardStop(ProcessControl.SigTerm)));
        }

        _control.Start(_plane);
        _plane.Start();
        Ready();
        StartHeartbeat();
        _loop.Run();
        if (_endedBy != 0)
        {
            _control.Dispose();
            _plane.Dispose();
            ProcessControl.DieBy(_endedBy);
            return 128 + _endedBy;
        }

        return 0;
    }

    public void Dispose()
    {
        _signals.ForEach(s => s.Dispose());
        _loop.Dispose();
    }

    private void On(int signal, Action action)
    {
        _signals.Add(PosixSignalRegistration.Create((PosixSignal)signal, context =>
        {
            context.Cancel = true;
            _loop.Post(action);
        }));
    }

    private void HardStop(int signal)
    {
        _endedBy = signal;
        _loop.Stop();
    }

    private void SoftStop()
    {
        if (_stopping)
        {
            return;
        }

        _stopping = true;
        if (_state.Config.Global.HardStopAfter is > 0 and var after)
        {
            _hardStopAt = EventLoop.Now + _state.Config.Global.Grace + after;
        }

        if (_state.Config.Global.Grace is > 0 and var grace)
        {
            _loop.Schedule(grace, StopListening);
        }
        else
        {
            StopListening();
        }
    }

    private void StopListening()
    {
        if (_worker is not null)
        {
            // A younger worker beats from now on.
            _heartbeat = -1;
        }

        // Nobody is told that it has stopped before every shard has: they take their mail in order.
        _plane.StopListening();
        _plane.Ping(() => _loop.Post(Stopped));
        if (_hardStopAt != long.MaxValue)
        {
            _loop.Schedule(Math.Max(1, _hardStopAt - EventLoop.Now), Drain);
        }
    }

    private void Stopped()
    {
        _control.Stopping();
        var proxies = _state.Config.Proxies.Where(p => !p.Disabled);
        foreach (var p in proxies.OrderBy(p => p.Binds.Count > 0 ? 0 : 1))
        {
            long front = p.HasFrontend ? _state.Counters.Sum(_state.Counters.Frontend(p.Index), Counter.ConnectionsTotal) : 0;
            long back = p.HasBackend ? _state.Counters.Sum(_state.Counters.Backend(p.Index), Counter.SessionsTotal) : 0;
            _messages.Write(Severity.Warning, $"Proxy {p.Name} stopped (cumulated conns: FE: {front}, BE: {back}).");
        }

        Drain();
    }

    private void Drain()
    {
        if (_drained)
        {
            return;
        }

        if (_plane.ActiveConnections == 0)
        {
            _drained = true;
            _loop.Stop();
        }
        else if (EventLoop.Now >= _hardStopAt)
        {
            _drained = true;
            _messages.Write(Severity.Warning, "soft-stop running for too long, performing a hard-stop.");
            _loop.Stop();
        }
        else
        {
            _loop.Schedule(Math.Min(DrainInterval, Math.Max(1, _hardStopAt - EventLoop.Now)), Drain);
        }
    }

    private void DumpStates()
    {
        Say(-1, "SIGHUP received, dumping servers states.");
        foreach (var p in _state.Config.Proxies)
        {
            foreach (var s in p.Servers)
            {
                int entity = _state.Counters.Server(s.Index);
                Say(p.Index, $"SIGHUP: Server {p.Name}/{s.Name} is {(_state.Servers[s.Index].Eligible != 0 ? "UP" : "DOWN")}. Conn: "
                    + $"{_state.Counters.Sum(entity, Counter.SessionsCurrent)} act, "
                    + $"{_state.Counters.Sum(entity, Counter.QueueCurrent)} pend, "
                    + $"{_state.Counters.Sum(entity, Counter.SessionsTotal)} tot.");
            }

            int active = p.Servers.Count(s => !s.Backup && _state.Servers[s.Index].Eligible != 0);
            int backup = p.Servers.Count(s => s.Backup && _state.Servers[s.Index].Eligible != 0);
            string has = p.Servers.Count == 0 ? "no servers" : active + backup == 0 ? "no server available !"
                : $"{active} active servers and {backup} backup servers available";
            var c = _state.Counters;
            Say(p.Index, $"SIGHUP: Proxy {p.Name} has {has}{(has.EndsWith('!') ? "" : ".")} Conn: act(FE+BE): "
                + $"{c.Sum(c.Frontend(p.Index), Counter.SessionsCurrent)}+{c.Sum(c.Backend(p.Index), Counter.SessionsCurrent)}, "
                + $"{c.Sum(c.Backend(p.Index), Counter.QueueCurrent)} pend (0 unass), tot(FE+BE): "
                + $"{c.Sum(c.Frontend(p.Index), Counter.SessionsTotal)}+{c.Sum(c.Backend(p.Index), Counter.SessionsTotal)}.");
        }

        void Say(int proxy, string text)
        {
            _messages.Write(Severity.Warning, text);
            _control.Logs.Message(proxy, Warning, text);
        }
    }

    /// <summary>Tells whoever waits that connections are accepted now.</summary>
    private void Ready()
    {
        if (Descriptor("BUOY_READY_FD") is { } fd)
        {
            _ = ProcessControl.WriteByte(fd, (byte)'R');
            ProcessControl.Close(fd);
        }

        Daemon.ChildReady();
        if (_worker is not null)
        {
            _messages.Started();
            _worker.SayReady(_state.Config.Global, _nullDescriptor);
        }
        else if (_notify && SystemdNotifier.Send("READY=1\n") is { } problem)
        {
            _messages.Write(Severity.Warning, problem);
        }
    }

    private void StartHeartbeat()
    {
        if (Descriptor("BUOY_HEARTBEAT_FD") is { } fd && ProcessControl.MakeNonBlocking(fd))
        {
            _heartbeat = fd;
            Beat();
        }
    }

    /// <summary>Asks all shards; while an answer is missing nothing new is asked, and no byte is written.</summary>
    private void Beat()
    {
        if (_heartbeat < 0)
        {
            return;
        }

        if (!_pinging)
        {
            _pinging = true;
            _plane.Ping(() => _loop.Post(Answered));
        }

        _loop.Schedule(HeartbeatInterval, Beat);
    }

    private void Answered()
    {
        const int Again = 11;
        _pinging = false;
        if (_heartbeat >= 0 && ProcessControl.WriteByte(_heartbeat, (byte)'.') is not (0 or Again))
        {
            ProcessControl.Close(_heartbeat);
            _heartbeat = -1;
        }
    }

    private static int? Descriptor(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out int fd) && fd > 2 ? fd : null;
}
