using System.Collections;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Linux;

namespace Buoy.Balancer.Host.Master;

/// <summary>
/// The master of master-worker mode (management manual chapters 3, 4 and 9.4): it starts a worker, watches it and, on a reload,
/// starts the next, which fetches the listening sockets from the one before; only then is that one asked to finish.
/// <code>
///                 reload                    ready                     it ends
///   (none) ─────────────────► loading ─────────────────► current ───────────────► all ended: the master too
///                                │ ends first               │ reload: the next is ready
///                                └► the others stay         └► former (SIGUSR1, after mworker-max-reloads SIGTERM)
/// </code>
/// The original executes itself anew for a reload; here the master stays and a new worker runs the program that is then at its path.
/// </summary>
internal sealed class MasterProcess : IDisposable
{
    /// <summary>Exit codes that mean a worker was asked to go.</summary>
    private const int ByTerm = 128 + ProcessControl.SigTerm, ByInt = 128 + ProcessControl.SigInt;

    private readonly EventLoop _loop = new();
    private readonly CommandLine _line;
    private readonly string[] _command;
    private readonly string? _pidFile;
    private readonly Messages _messages;
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly List<Worker> _workers = [];
    private readonly int _readyFd = Descriptor("BUOY_READY_FD") ?? -1;
    private readonly long _begun = EventLoop.Now;
    private MasterCli? _cli;
    private int? _maxReloads;
    private bool _noExit;
    private bool _stopping;
    private bool _again;
    private bool _served;
    private int _code;

    public MasterProcess(
        CommandLine line, IReadOnlyList<string> prefix, string[] args, string? pidFile, Messages messages)
    {
        (_line, _command, _pidFile, _messages) = (line, [.. prefix, .. args], pidFile, messages);
    }

    /// <summary>Successful and failed reloads, for <c>show proc</c>.</summary>
    public int Reloads { get; private set; }

    /// <summary>Failed reloads since the last that succeeded.</summary>
    public int Failed { get; private set; }

    /// <summary>Time in ms since the start.</summary>
    public long Uptime => EventLoop.Now - _begun;

    /// <summary>All workers, the youngest first.</summary>
    public IEnumerable<Worker> Workers => _workers.Where(w => w.Ready).OrderByDescending(w => w.Begun);

    /// <summary>Runs to the end; returns the exit code.</summary>
    public int Run()
    {
        ProcessControl.Ignore(ProcessControl.SigPipe);
        On(ProcessControl.SigTerm, () => Stop(ProcessControl.SigTerm));
        On(ProcessControl.SigInt, () => Stop(ProcessControl.SigInt));
        On(ProcessControl.SigUsr1, () => Stop(ProcessControl.SigUsr1));
        On(ProcessControl.SigUsr2, Reload);
        On(ProcessControl.SigHup, Reload);
        On(ProcessControl.SigQuit, static () => { });
        if (_line.MasterSocket is { } address)
        {
            _cli = new MasterCli(_loop, this);
            if (_cli.Bind(address) is { } problem)
            {
                _messages.Write(Severity.Alert, $"Can't create the master's CLI.\n{problem}");
                return 1;
            }
        }

        Daemon.BeforeChroot();
        if (!Start())
        {
            return 1;
        }

        _loop.Run();
        return _code;
    }

    /// <summary>Starts the next worker; the present ones go on until it is ready.</summary>
    public void Reload()
    {
        if (_workers.Exists(w => !w.Ready))
        {
            _again = true;
            return;
        }

        _messages.Begin();
        Notify("RELOADING=1");
        _messages.Write(Severity.Notice, "Reloading HAProxy");
        _stopping = false;
        Reloads++;
        _workers.ForEach(w => w.Reloads++);
        if (!Start())
        {
            LoadingFailed();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _signals.ForEach(s => s.Dispose());
        _cli?.Dispose();
        _workers.ForEach(w => w.Dispose());
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

    private static int? Descriptor(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out int fd) && fd > 2 ? fd : null;

    private bool Start()
    {
        var (ours, theirs) = DescriptorPassing.SocketPair();
        var (read, write) = ProcessControl.Pipe();
        int former = _workers.Find(w => !w.Former)?.Channel ?? (_served ? WorkerRole.NoFormer : WorkerRole.AsTold);
        var role = new WorkerRole(
            Environment.ProcessId, theirs, write, former, Daemon.IsChild, _cli?.InheritedDescriptor ?? -1);
        List<int> keep = [theirs, write];
        if (former >= 0)
        {
            keep.Add(former);
        }

        Worker worker;
        try
        {
            string path = File.Exists(Environment.ProcessPath) ? Environment.ProcessPath : "/proc/self/exe";
            int pid = ProcessControl.Spawn(path, _command, Variables(role), keep, ownSession: false);
            worker = new Worker(PidFd.Open(pid) ?? throw new LinuxException("pidfd_open", 3), ours, read);
        }
        catch (LinuxException e)
        {
            ProcessControl.Close(ours);
            ProcessControl.Close(read);
            _messages.Write(Severity.Alert, $"[haproxy.main()] Cannot fork. {e.Message}");
            return false;
        }
        finally
        {
            ProcessControl.Close(theirs);
            ProcessControl.Close(write);
        }

        _ = ProcessControl.MakeNonBlocking(ours);
        _workers.Add(worker);
        _loop.Add(worker.Report, PollEvents.Readable, _ => OnReport(worker));
        _loop.Add(worker.Process.Fd, PollEvents.Readable, _ => OnEnd(worker));
        return true;
    }

    /// <summary>The environment without what is the master's own.</summary>
    private static List<string> Variables(WorkerRole role)
    {
        var all = new List<string>();
        foreach (DictionaryEntry e in Environment.GetEnvironmentVariables())
        {
            if ((string)e.Key is not (Daemon.Variable or "BUOY_READY_FD" or "NOTIFY_SOCKET"))
            {
                all.Add($"{e.Key}={e.Value}");
            }
        }

        all.Add($"{WorkerRole.Variable}={role}");
        all.Add("HAPROXY_MWORKER=1");
        return all;
    }

    /// <summary>A line: it accepts connections. The end without one: it is about to end.</summary>
    private void OnReport(Worker worker)
    {
        var text = new StringBuilder();
        for (int c; (c = ProcessControl.ReadByte(worker.Report)) >= 0 && c != '\n';)
        {
            text.Append((char)c);
        }

        _loop.Remove(worker.Report);
        ProcessControl.Close(worker.Report);
        worker.Report = -1;
        if (text.ToString().Split(' ') is [var reloads, var noExit])
        {
            _maxReloads = int.TryParse(reloads, NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? n : null;
            _noExit = noExit == "1";
            OnReady(worker);
        }
    }

    private void OnReady(Worker worker)
    {
        worker.Ready = true;
        _messages.Write(Severity.Notice, $"New worker ({worker.Pid}) forked");
        _messages.Write(Severity.Notice, "Loading success.");
        Failed = 0;
        WritePid();
        foreach (var w in _workers.Where(w => w != worker))
        {
            w.Former = true;
            bool tooOld = _maxReloads is { } most && w.Reloads > most;
            w.Process.Signal(tooOld ? ProcessControl.SigTerm : _line.OldPidsTerminate ? ProcessControl.SigTerm
                : ProcessControl.SigUsr1);
        }

        if (!_served)
        {
            _served = true;
            foreach (int pid in _line.OldPids)
            {
                ProcessControl.Kill(pid, _line.OldPidsTerminate ? ProcessControl.SigTerm : ProcessControl.SigUsr1);
            }

            if (_readyFd >= 0)
            {
                _ = ProcessControl.WriteByte(_readyFd, (byte)'R');
                ProcessControl.Close(_readyFd);
            }

            Daemon.ChildReady();
            _cli?.Listen();
        }

        Notify(string.Create(CultureInfo.InvariantCulture, $"READY=1\nMAINPID={Environment.ProcessId}"));
        ReloadAgain();
    }

    private void OnEnd(Worker worker)
    {
        if (worker.Process.TryReap() is not { } end)
        {
            return;
        }

        if (worker.Report >= 0)
        {
            OnReport(worker);
        }

        _loop.Remove(worker.Process.Fd);
        _workers.Remove(worker);
        int code = end.Signalled ? 128 + end.Code : end.Code;
        worker.Dispose();
        if (!worker.Ready)
        {
            if (!_served)
            {
                _code = _stopping && code == ByTerm ? 0 : code == 0 ? 1 : code;
                _loop.Stop();
                return;
            }

            LoadingFailed();
            return;
        }

        string how = end.Signalled ? ProcessControl.SignalText(end.Code) : "Exit";
        _messages.Write(
            worker.Former || code == 0 ? Severity.Warning : Severity.Alert,
            $"{(worker.Former ? "Former" : "Current")} worker ({worker.Pid}) exited with code {code} ({how})");
        bool crashed = code is not (0 or ByTerm or ByInt) && !worker.Former;
        if (crashed && !_noExit)
        {
            _messages.Write(Severity.Alert, "exit-on-failure: killing every processes with SIGTERM");
            _stopping = true;
            _code = code;
            _workers.ForEach(w => w.Process.Signal(ProcessControl.SigTerm));
        }
        else if (!worker.Former && code != ByTerm && _code == 0)
        {
            _code = code;
        }

        if (_workers.Count > 0)
        {
            return;
        }

        if (crashed && _noExit && !_stopping)
        {
            _code = 0;
            return;
        }

        _messages.Write(Severity.Warning, $"All workers exited. Exiting... ({_code})");
        _loop.Stop();
    }

    private void LoadingFailed()
    {
        Failed++;
        _messages.Started(); // its worker said the version before it said why
        _messages.Write(Severity.Warning, "Loading failure!");
        Notify(string.Create(CultureInfo.InvariantCulture, $"READY=1\nMAINPID={Environment.ProcessId}"));
        if (_workers.Count == 0)
        {
            _messages.Write(Severity.Warning, "All workers exited. Exiting... (1)");
            _code = 1;
            _loop.Stop();
            return;
        }

        ReloadAgain();
    }

    private void ReloadAgain()
    {
        if (_again)
        {
            _again = false;
            Reload();
        }
    }

    private void Stop(int signal)
    {
        _stopping = true;
        _again = false;
        Notify("STOPPING=1");
        _messages.Write(Severity.Warning, "Exiting Master process...");
        foreach (var w in _workers)
        {
            // One that is not ready yet has no handler for a soft stop: it has nothing to finish either.
            w.Process.Signal(w.Ready ? signal : ProcessControl.SigTerm);
        }

        if (_workers.Count == 0)
        {
            _loop.Stop();
        }
    }

    private void WritePid()
    {
        if (_pidFile is null)
        {
            return;
        }

        try
        {
            File.WriteAllText(
                _pidFile, string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n"), Encoding.ASCII);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _messages.Write(Severity.Alert, $"[haproxy.main()] Cannot create pidfile {_pidFile}");
        }
    }

    private void Notify(string state)
    {
        if (_line.Notify && SystemdNotifier.Send(state) is { } problem)
        {
            _messages.Write(Severity.Warning, problem);
        }
    }
}
