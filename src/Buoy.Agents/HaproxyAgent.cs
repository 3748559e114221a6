using System.Globalization;
using Buoy.Linux;

namespace Buoy.Agents;

/// <summary>
/// The built-in ocf:heartbeat:haproxy: our balancer as a child of this process, or with <c>binpath</c> a real HAProxy.
/// </summary>
/// <remarks>
/// <code>
/// (none) --start--> starting --ready byte, or 50 ms alive--> running --SIGTERM--> stopping --exit--> (none)
///              \--exit or timeout--> (none), failed          \--exit--> (none), every recurring monitor says 7 at once
/// </code>
/// </remarks>
internal sealed class HaproxyAgent(EventLoop loop, AgentExecutorOptions options, Action<string, Outcome> report)
    : IAgent, IDisposable
{
    /// <summary>A real HAProxy tells nobody when it listens; one that cannot bind ends well before this.</summary>
    private const int AliveMs = 50;

    private readonly Dictionary<string, BalancerProcess> _running = [];

    /// <summary>
    /// The one balancer of this node hangs. Where there are several nobody knows which address is whose: then none is at
    /// fault.
    /// </summary>
    public string? Fault => _running.Count == 1 && _running.Values.First().HangsForMs is { } ms
        ? $"its balancer hangs (no heartbeat for {ms} ms)" : null;

    private sealed class Step : IRunningOperation
    {
        public Action? OnAbort { get; set; }

        public EventLoop.LoopTimer? Timer { get; set; }

        public void Abort() => OnAbort?.Invoke();
    }

    public IRunningOperation? Start(AgentRequest request, Action<Outcome> end)
    {
        if (request.Task == "meta-data")
        {
            end(new Outcome(Ocf.Ok, Output: BuiltInXml.Haproxy));
            return null;
        }

        var p = HaproxyParameters.Read(request, options, out var failure);
        if (p is null)
        {
            // With parameters that cannot be read nothing can have been started.
            end(request.Task switch
            {
                "stop" => new Outcome(Ocf.Ok),
                "monitor" or "status" => failure with { Rc = Ocf.NotRunning },
                _ => failure,
            });
            return null;
        }

        switch (request.Task)
        {
            case "start":
                return Up(request, p, end);
            case "stop":
                return Down(request, p, end);
            case "monitor" or "status":
                return Watched(request, p, end);
            case "validate-all":
                return Check(request, p, end);
            default:
                end(new Outcome(Ocf.Unimplemented, $"haproxy has no action {request.Task}"));
                return null;
        }
    }

    public void Dispose()
    {
        foreach (var process in _running.Values)
        {
            process.Dispose();
        }

        _running.Clear();
    }

    private IRunningOperation? Up(AgentRequest request, HaproxyParameters p, Action<Outcome> end)
    {
        foreach (string name in p.Unknown)
        {
            options.Log(new AgentLogLine(request.ResourceId, "start", true, $"parameter {name} is unknown to haproxy"));
        }

        if (Find(request.ResourceId, p) is { } there)
        {
            if (there.HangsForMs is null)
            {
                end(new Outcome(Ocf.Ok));
            }
            else
            {
                end(Hanging(there));
            }

            return null;
        }

        if (!File.Exists(p.ConfFile))
        {
            end(new Outcome(Ocf.NotInstalled, $"parameter conffile=\"{p.ConfFile}\": no such file"));
            return null;
        }

        if (p.BinPath is null)
        {
            return Launch(request, p, end);
        }

        // A real HAProxy checks its file first: its own message is the exit reason.
        var whole = new Step();
        var check = Check(request, p, outcome =>
        {
            if (outcome is { Rc: Ocf.Ok, Status: OperationStatus.Done })
            {
                var launched = Launch(request, p, end);
                whole.OnAbort = () => launched?.Abort();
            }
            else
            {
                end(outcome);
            }
        });
        whole.OnAbort = () => check?.Abort();
        return whole;
    }

    private Step? Launch(AgentRequest request, HaproxyParameters p, Action<Outcome> end)
    {
        bool ours = p.BinPath is null;
        string path = p.BinPath ?? options.BalancerCommand[0];
        List<string> arguments = ours ? [.. options.BalancerCommand.Skip(1)] : [];
        arguments.AddRange([.. p.FileArguments(), "-db"]);
        if (!ours)
        {
            arguments.AddRange(["-p", p.PidFile]);
        }

        BalancerProcess process;
        try
        {
            process = BalancerProcess.Start(
                loop, path, arguments, AgentEnvironment.Inherited(), ours, options.HeartbeatLimitMs,
                line => options.Log(new AgentLogLine(request.ResourceId, "balancer", true, line)));
        }
        catch (LinuxException e)
        {
            end(e.Errno == 2 ? ProgramRunner.NotInstalled(path) : new Outcome(Ocf.Error, e.Message));
            return null;
        }

        var step = new Step();
        bool started = false, timedOut = false, aborted = false;
        void Started()
        {
            if (!started && !timedOut && !aborted)
            {
                started = true;
                step.Timer?.Cancel();
                _running[request.ResourceId] = process;
                WritePidFile(request, p, process.Pid);
                end(new Outcome(Ocf.Ok));
            }
        }

        process.BecameReady += Started;
        process.HangChanged += hangs => OnHang(request.ResourceId, process, hangs);
        process.Ended += words =>
        {
            step.Timer?.Cancel();
            if (!started)
            {
                end(timedOut ? ProgramRunner.TimedOut(request.TimeoutMs)
                    : aborted ? new Outcome(Ocf.Error, "", OperationStatus.Cancelled)
                    : new Outcome(Ocf.Error, process.LastWords.Length > 0 ? process.LastWords : words));
                return;
            }

            OnEnded(request.ResourceId, process, p.PidFile, words);
        };
        step.OnAbort = () =>
        {
            aborted = true;
            process.Signal(PidFd.SigKill);
        };
        step.Timer = loop.Schedule(request.TimeoutMs, () =>
        {
            timedOut = true;
            process.Signal(PidFd.SigKill);
        });
        if (!ours)
        {
            loop.Schedule(AliveMs, () =>
            {
                if (process.Signal(0))
                {
                    Started();
                }
            });
        }

        return step;
    }

    private Step? Down(AgentRequest request, HaproxyParameters p, Action<Outcome> end)
    {
        if (Find(request.ResourceId, p) is not { } process)
        {
            end(new Outcome(Ocf.Ok));
            return null;
        }

        // Out of the table first: an end that was asked for is no news.
        _running.Remove(request.ResourceId);
        var step = new Step();
        process.Ended += _ =>
        {
            step.Timer?.Cancel();
            Forget(p.PidFile);
            end(new Outcome(Ocf.Ok));
        };
        int margin = Math.Min(2000, request.TimeoutMs / 2);
        if (process.HangsForMs is not null)
        {
            // One that hangs will not hear a polite word.
            margin = request.TimeoutMs;
        }

        step.OnAbort = () => process.Signal(PidFd.SigKill);
        step.Timer = loop.Schedule(request.TimeoutMs - margin, () => process.Signal(PidFd.SigKill));
        process.Signal(PidFd.SigTerm);
        return step;
    }

    private IRunningOperation? Watched(AgentRequest request, HaproxyParameters p, Action<Outcome> end)
    {
        if (Find(request.ResourceId, p) is not { } process)
        {
            end(new Outcome(Ocf.NotRunning));
            return null;
        }

        if (process.HangsForMs is not null)
        {
            end(Hanging(process));
            return null;
        }

        if (p.StatusUrl is { } url)
        {
            return StatusPage.Ask(loop, url, request.TimeoutMs, end);
        }

        end(new Outcome(Ocf.Ok));
        return null;
    }

    /// <summary>The program's own check of its files (<c>-c</c>).</summary>
    private IRunningOperation? Check(AgentRequest request, HaproxyParameters p, Action<Outcome> end)
    {
        string path = p.BinPath ?? options.BalancerCommand[0];
        List<string> arguments = p.BinPath is null ? [.. options.BalancerCommand.Skip(1)] : [];
        arguments.AddRange(["-c", .. p.FileArguments()]);
        return ProgramRunner.Run(
            loop, options, request, path, arguments, AgentEnvironment.Inherited(),
            static r => r.End.Code == 0 ? new Outcome(Ocf.Ok)
                : new Outcome(Ocf.NotConfigured, string.Join("; ", r.Errors)),
            end);
    }

    private BalancerProcess? Find(string resourceId, HaproxyParameters p)
    {
        if (_running.TryGetValue(resourceId, out var known))
        {
            return known;
        }

        List<string> part = p.BinPath is { } program
            ? [program, .. p.FileArguments()] : [.. options.BalancerCommand.Skip(1), .. p.FileArguments()];
        if (BalancerProcess.Adopt(loop, p.PidFile, part, options.HeartbeatLimitMs) is not { } found)
        {
            return null;
        }

        options.Log(new AgentLogLine(resourceId, "monitor", false, $"took over balancer process {found.Pid}"));
        found.Ended += words => OnEnded(resourceId, found, p.PidFile, words);
        return _running[resourceId] = found;
    }

    private void OnEnded(string resourceId, BalancerProcess process, string pidFile, string words)
    {
        if (_running.TryGetValue(resourceId, out var current) && current == process)
        {
            _running.Remove(resourceId);
            report(resourceId, new Outcome(Ocf.NotRunning, words));
            Forget(pidFile);
        }
    }

    private void OnHang(string resourceId, BalancerProcess process, bool hangs)
    {
        if (_running.TryGetValue(resourceId, out var current) && current == process)
        {
            report(resourceId, hangs ? Hanging(process) : new Outcome(Ocf.Ok));
        }
    }

    private static Outcome Hanging(BalancerProcess process) =>
        new(Ocf.Error, $"balancer hangs (no heartbeat for {process.HangsForMs} ms)");

    /// <summary>A balancer that serves is worth more than its pidfile: an error here is only logged.</summary>
    private void WritePidFile(AgentRequest request, HaproxyParameters p, int pid)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(p.PidFile) ?? "/");
            File.WriteAllText(p.PidFile, pid.ToString(CultureInfo.InvariantCulture) + "\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            options.Log(new AgentLogLine(request.ResourceId, "start", true, $"pidfile {p.PidFile}: {e.Message}"));
        }
    }

    private void Forget(string pidFile)
    {
        try
        {
            File.Delete(pidFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            options.Log(new AgentLogLine("", "stop", true, $"pidfile {pidFile}: {e.Message}"));
        }
    }
}
