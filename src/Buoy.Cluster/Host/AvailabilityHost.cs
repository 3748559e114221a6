using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Buoy.Control;
using Buoy.Linux;
using Buoy.Membership.Services;

namespace Buoy.Cluster.Host;

/// <summary>
/// The availability manager on the daemon's loop: clients of the service socket are its processes, a pidfd tells their end,
/// and what is restarted becomes a child of the daemon.
/// </summary>
internal sealed class AvailabilityHost : IAvailabilitySink, IDisposable
{
    private readonly EventLoop _loop;
    private readonly ServiceServer _server;
    private readonly Action<string> _log;
    private readonly AvailabilityManager _manager;
    private readonly Dictionary<long, string> _names = [];
    private readonly Dictionary<uint, PidFd> _watched = [];
    private EventLoop.LoopTimer? _timer;

    public AvailabilityHost(EventLoop loop, ServiceServer server, Action<string> log)
    {
        _loop = loop;
        _server = server;
        _log = log;
        _manager = new AvailabilityManager(this);
    }

    /// <summary>The keys resources.process.PID.* of cmap.</summary>
    public IEnumerable<KeyValuePair<string, MapValue>> Keys => _manager.Processes.SelectMany(p =>
    {
        string at = $"resources.process.{p.Process.ProcessId}.";
        return new KeyValuePair<string, MapValue>[]
        {
            new(at + "recovery", new MapValue("str", p.Process.Policy == RecoveryPolicy.Quit ? "quit" : "restart")),
            new(at + "poll_period", new MapValue("u64", $"{p.Process.IntervalMs}")),
            new(at + "last_updated", new MapValue("u64", $"{p.Alive * 1_000_000}")),
            new(at + "state", new MapValue("str", p.State switch
            {
                AvailabilityState.Stopped => "stopped",
                AvailabilityState.WaitingForQuorum => "waiting for quorum",
                AvailabilityState.Running => "running",
                _ => "failed",
            })),
        };
    });

    /// <summary>A client's request of the availability manager; null, or why it is refused.</summary>
    public string? OnRequest(long client, byte kind, ReadOnlySpan<byte> body)
    {
        if (kind == ServiceProtocol.Register)
        {
            return Register(client, Encoding.UTF8.GetString(body).Split('\0'));
        }

        if (!_names.TryGetValue(client, out string? name))
        {
            return "this process is not registered";
        }

        long now = EventLoop.Now;
        switch (kind)
        {
            case ServiceProtocol.Begin:
                _manager.Begin(now, name);
                break;
            case ServiceProtocol.Alive:
                _manager.Alive(now, name);
                break;
            default:
                _manager.Stop(name);
                break;
        }

        Rearm();
        return null;
    }

    /// <summary>A connection ended; whether its process has is told by its pidfd.</summary>
    public void OnGone(long client) => _names.Remove(client);

    /// <summary>The node's quorum.</summary>
    public void OnQuorum(bool quorate)
    {
        _manager.OnQuorum(EventLoop.Now, quorate);
        Rearm();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var p in _watched.Values)
        {
            _loop.Remove(p.Fd);
            p.Dispose();
        }
    }

    void IAvailabilitySink.Signal(string name, uint processId, int signal)
    {
        _log($"'{name}' (process {processId}) failed: signal {signal}");
        if (_watched.TryGetValue(processId, out var p))
        {
            p.Signal(signal);
        }
    }

    void IAvailabilitySink.MayRun(string name) => Tell(name, ServiceProtocol.MayRun, default);

    void IAvailabilitySink.Start(string name, IReadOnlyList<string> command, int instance)
    {
        _log($"'{name}' is started again, instance {instance}");
        int silent = ProcessControl.OpenNull();
        try
        {
            var environment = Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
                .Select(e => $"{e.Key}={e.Value}").ToList();
            var child = SpawnedProcess.Start(command[0], [.. command.Skip(1)], environment, silent, silent);
            _manager.Started(name, (uint)child.Pid);
            Watch(name, child);
        }
        catch (LinuxException e)
        {
            _log($"'{name}' cannot be started: {e.Message}");
            uint none = 0;
            _manager.Started(name, none);
            _loop.Post(() =>
            {
                _manager.Ended(EventLoop.Now, name, none);
                Rearm();
            });
        }
        finally
        {
            ProcessControl.Close(silent);
        }
    }

    /// <summary>Words: name, policy, interval, warning signal, command and its arguments.</summary>
    private string? Register(long client, string[] words)
    {
        uint pid = _server.ProcessOf(client);
        if (words.Length < 4 || words[1] is not ("quit" or "restart" or "quorum-quit" or "quorum-restart")
            || !int.TryParse(words[2], CultureInfo.InvariantCulture, out int interval)
            || !int.TryParse(words[3], CultureInfo.InvariantCulture, out int signal))
        {
            return "a registration is a name, a policy (quit, restart, quorum-quit, quorum-restart), an interval, a signal, a command";
        }

        if (_names.ContainsKey(client))
        {
            return "this process is registered already";
        }

        if (!_watched.ContainsKey(pid))
        {
            if (PidFd.Open((int)pid) is not { } p)
            {
                return $"process {pid} cannot be watched";
            }

            Watch(words[0], p);
        }

        var (instance, problem) = _manager.Register(EventLoop.Now, new ManagedProcess(
            words[0], pid, words[1].EndsWith("restart", StringComparison.Ordinal) ? RecoveryPolicy.Restart : RecoveryPolicy.Quit,
            words[1].StartsWith("quorum", StringComparison.Ordinal), interval, signal, words[4..]));
        if (problem is not null)
        {
            return problem;
        }

        _names[client] = words[0];
        byte[] answer = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(answer, instance);
        Tell(words[0], ServiceProtocol.Registered, answer);
        return null;
    }

    private void Watch(string name, PidFd process)
    {
        _watched[(uint)process.Pid] = process;
        _loop.Add(process.Fd, PollEvents.Readable, events =>
        {
            _loop.Remove(process.Fd);
            _watched.Remove((uint)process.Pid);
            process.TryReap();
            process.Dispose();
            _manager.Ended(EventLoop.Now, name, (uint)process.Pid);
            Rearm();
        });
    }

    private void Tell(string name, byte kind, ReadOnlySpan<byte> body)
    {
        foreach (var (client, whose) in _names)
        {
            if (whose == name)
            {
                _server.Send(client, kind, body, default);
            }
        }
    }

    private void Rearm()
    {
        _timer?.Cancel();
        _timer = _manager.NextDeadline is var due && due == long.MaxValue ? null : _loop.Schedule(due - EventLoop.Now, () =>
        {
            _manager.OnTimers(EventLoop.Now);
            Rearm();
        });
    }
}
