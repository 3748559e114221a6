using System.Text;
using Buoy.Linux;

namespace Buoy.Agents;

/// <summary>
/// A balancer that runs for a resource: our child, or one found again after the daemon was restarted. Its death is
/// seen through its pidfd, its life through the heartbeat pipe (ours only).
/// </summary>
/// <remarks>
/// The child's descriptors: 3 = BUOY_READY_FD, one byte when it listens; 4 = BUOY_HEARTBEAT_FD, a byte per turn of its
/// shards, at least one in a quarter of the limit. The watch on the heartbeat begins with the first one,
/// so a balancer that beats sends it before the ready byte. <see cref="HangWatch"/> judges it.
/// </remarks>
internal sealed class BalancerProcess : IDisposable
{
    private const int KeptLines = 12;
    private readonly EventLoop _loop;
    private readonly PidFd _process;
    private readonly List<SpawnPipe> _pipes = [];
    private readonly byte[] _buffer = new byte[4096];
    private readonly Queue<string> _errors = new();
    private readonly HangWatch _heart;
    private readonly LineBuffer? _lines;
    private EventLoop.LoopTimer? _watch;

    private BalancerProcess(EventLoop loop, PidFd process, int limitMs, Action<string>? log)
    {
        _loop = loop;
        _process = process;
        _heart = new HangWatch(limitMs);
        _lines = log is null ? null : new LineBuffer(line =>
        {
            _errors.Enqueue(line);
            if (_errors.Count > KeptLines)
            {
                _errors.Dequeue();
            }

            log(line);
        });
        _loop.Add(process.Fd, PollEvents.Readable, _ => OnExit());
    }

    /// <summary>It ended, in these words; nothing else comes after.</summary>
    public event Action<string>? Ended;

    /// <summary>It says that it listens.</summary>
    public event Action? BecameReady;

    /// <summary>True: no heartbeat for the limit; false: it beats again.</summary>
    public event Action<bool>? HangChanged;

    public int Pid => _process.Pid;

    /// <summary>Milliseconds without a heartbeat while it hangs; null: it does not hang, as far as is known.</summary>
    public long? HangsForMs => _heart.Hangs ? _heart.SilentMs(EventLoop.Now) : null;

    /// <summary>The last lines it wrote.</summary>
    public string LastWords
    {
        get
        {
            // Notices and warnings are written by a start that goes well, too; where there is an alert it is the cause.
            var alerts = _errors.Where(static l => l.StartsWith("[ALERT]", StringComparison.Ordinal)).ToList();
            return string.Join("; ", alerts.Count > 0
                ? alerts
                : _errors.Where(static l => l.Length > 0 && !l.StartsWith("[NOTICE]", StringComparison.Ordinal)
                    && !l.StartsWith("[WARNING]", StringComparison.Ordinal)));
        }
    }

    /// <summary>Starts a balancer with pipes for readiness and heartbeat (ours), or without (a real HAProxy).</summary>
    public static BalancerProcess Start(
        EventLoop loop, string path, IReadOnlyList<string> arguments, Dictionary<string, string> environment, bool ours,
        int limitMs, Action<string> log)
    {
        var output = SpawnPipe.Create();
        var ready = ours ? SpawnPipe.Create() : null;
        var beat = ours ? SpawnPipe.Create() : null;
        SpawnPipe[] pipes = ours ? [output, ready!, beat!] : [output];
        if (ours)
        {
            environment["BUOY_READY_FD"] = "3";
            environment["BUOY_HEARTBEAT_FD"] = "4";
        }

        PidFd process;
        try
        {
            process = SpawnedProcess.Start(
                path, arguments, AgentEnvironment.Lines(environment), output.WriteFd, output.WriteFd,
                ours ? [ready!.WriteFd, beat!.WriteFd] : []);
        }
        catch (LinuxException)
        {
            Array.ForEach(pipes, static p => p.Dispose());
            throw;
        }

        var result = new BalancerProcess(loop, process, limitMs, log);
        result.Watch(output, n => result._lines!.Add(result._buffer.AsSpan(0, n)));
        if (ours)
        {
            result.Watch(ready!, _ => result.BecameReady?.Invoke());
            result.Watch(beat!, _ => result.OnBeat());
        }

        return result;
    }

    /// <summary>
    /// Takes over a living process that was started with <paramref name="arguments"/> in its command line; null: there
    /// is none.
    /// </summary>
    public static BalancerProcess? Adopt(EventLoop loop, string pidFile, IReadOnlyList<string> arguments, int limitMs)
    {
        if (!File.Exists(pidFile) || !int.TryParse(File.ReadAllText(pidFile).Trim(), out int pid) || pid <= 1
            || PidFd.Open(pid) is not { } process)
        {
            return null;
        }

        // The process is held first and looked at then: its number cannot pass to another in between.
        if (CommandLine(pid) is { } line && Contains(line, arguments) && process.Signal(0))
        {
            return new BalancerProcess(loop, process, limitMs, null);
        }

        process.Dispose();
        return null;
    }

    /// <summary>Asks it to end, or makes it end; false: it has ended already.</summary>
    public bool Signal(int signal) => _process.Fd >= 0 && _process.Signal(signal);

    /// <summary>Lets go of it; it lives on.</summary>
    public void Dispose()
    {
        _watch?.Cancel();
        foreach (var pipe in _pipes)
        {
            Close(pipe);
        }

        if (_process.Fd >= 0)
        {
            _loop.Remove(_process.Fd);
            _process.Dispose();
        }
    }

    private static string[]? CommandLine(int pid)
    {
        try
        {
            return Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{pid}/cmdline")).Split('\0');
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static bool Contains(string[] line, IReadOnlyList<string> part) =>
        Enumerable.Range(0, Math.Max(0, line.Length - part.Count + 1))
            .Any(at => part.Select((p, i) => line[at + i] == p).All(static same => same));

    private void Watch(SpawnPipe pipe, Action<int> data)
    {
        pipe.CloseWrite();
        _pipes.Add(pipe);
        _loop.Add(pipe.ReadFd, PollEvents.Readable, _ =>
        {
            int n = pipe.Read(_buffer);
            if (n == 0)
            {
                Close(pipe);
            }
            else if (n > 0)
            {
                data(n);
            }
        });
    }

    private void Close(SpawnPipe pipe)
    {
        if (pipe.ReadFd >= 0)
        {
            _loop.Remove(pipe.ReadFd);
            pipe.Dispose();
        }
    }

    private void OnExit()
    {
        if (_process.TryReap() is not { } end)
        {
            return;
        }

        // What it wrote last is still in its pipe.
        int n;
        while (_pipes.Count > 0 && _pipes[0].ReadFd >= 0 && (n = _pipes[0].Read(_buffer)) > 0)
        {
            _lines?.Add(_buffer.AsSpan(0, n));
        }

        _lines?.End();
        string how = end switch
        {
            { Signalled: true } => $"signal {end.Code}",
            { Code: < 0 } => "not our child",
            _ => $"exit status {end.Code}",
        };
        Dispose();
        Ended?.Invoke($"balancer process {Pid} ended ({how}){(LastWords.Length > 0 ? ": " : "")}{LastWords}");
    }

    private void OnBeat()
    {
        bool hung = _heart.Beat(EventLoop.Now);
        if (_watch is null)
        {
            Look();
        }
        else if (hung)
        {
            HangChanged?.Invoke(false);
        }
    }

    private void Look()
    {
        long now = EventLoop.Now;
        if (_heart.Look(now, () => new ProcessProgress(ProcessTimes.WaitedMs(Pid), ProcessTimes.IsTraced(Pid))))
        {
            HangChanged?.Invoke(true);
        }

        _watch = _loop.Schedule(_heart.Next(now), Look);
    }
}
