using Buoy.Linux;

namespace Buoy.Agents;

/// <summary>What the agents that are programs have in common.</summary>
internal static class ProgramRunner
{
    private const int NoEntry = 2, NoAccess = 13;

    public static IRunningOperation? Run(
        EventLoop loop, AgentExecutorOptions options, AgentRequest request, string path,
        IReadOnlyList<string> arguments,
        Dictionary<string, string> environment, Func<ProcessResult, Outcome> exited, Action<Outcome> end)
    {
        try
        {
            return ProcessRun.Start(
                loop, path, arguments, AgentEnvironment.Lines(environment), request.TimeoutMs,
                (line, error) => Log(options, request, line, error),
                r => end(Ended(request, r, exited)));
        }
        catch (LinuxException e)
        {
            end(e.Errno switch
            {
                NoEntry => NotInstalled(path),
                NoAccess => new Outcome(Ocf.NoPermission, $"{path}: not executable", OperationStatus.Error),
                _ => new Outcome(Ocf.Error, e.Message, OperationStatus.Error),
            });
            return null;
        }
    }

    public static Outcome NotInstalled(string path) =>
        new(Ocf.NotInstalled, $"{path}: not installed", OperationStatus.NotInstalled);

    public static Outcome TimedOut(int timeoutMs) => new(
        Ocf.Error, $"Resource agent did not complete within {Interval.Text(timeoutMs)}", OperationStatus.Timeout);

    private static Outcome Ended(AgentRequest request, ProcessResult result, Func<ProcessResult, Outcome> exited) =>
        result switch
        {
            { TimedOut: true } => TimedOut(request.TimeoutMs),
            { Aborted: true } => new Outcome(Ocf.Error, "", OperationStatus.Cancelled),
            { End.Signalled: true } => new Outcome(
                Ocf.Error, $"Resource agent was ended by signal {result.End.Code}", OperationStatus.Error),
            _ => exited(result),
        };

    private static void Log(AgentExecutorOptions options, AgentRequest request, string line, bool error)
    {
        if (error || request.Task != "meta-data")
        {
            options.Log(new AgentLogLine(request.ResourceId, request.Task, error, line));
        }
    }
}

/// <summary>An installed OCF script agent: OCF_ROOT/resource.d/PROVIDER/TYPE ACTION.</summary>
internal sealed class OcfAgent(EventLoop loop, AgentExecutorOptions options) : IAgent
{
    public IRunningOperation? Start(AgentRequest request, Action<Outcome> end)
    {
        string path = Path.Combine(
            options.OcfRoot, "resource.d", request.Agent.Provider ?? "heartbeat", request.Agent.Type);
        Directory.CreateDirectory(options.AgentStateDirectory);
        var environment = AgentEnvironment.ForOcf(request, options, AgentEnvironment.Inherited());
        return ProgramRunner.Run(
            loop, options, request, path, [request.Task], environment,
            static r => new Outcome(r.End.Code, r.ExitReason, OperationStatus.Done, r.Output), end);
    }
}

/// <summary>An init script (LSB Core, "Init Script Actions"): start, stop, status.</summary>
internal sealed class LsbAgent(EventLoop loop, AgentExecutorOptions options) : IAgent
{
    public IRunningOperation? Start(AgentRequest request, Action<Outcome> end)
    {
        bool status = request.Task is "monitor" or "status";
        if (!status && request.Task is not ("start" or "stop"))
        {
            end(new Outcome(Ocf.Unimplemented, $"lsb agents have no action {request.Task}"));
            return null;
        }

        string path = Path.Combine(options.LsbRoot, request.Agent.Type);
        return ProgramRunner.Run(
            loop, options, request, path, [status ? "status" : request.Task], AgentEnvironment.Inherited(),
            r => new Outcome(status ? Status(r.End.Code) : r.End.Code, r.ExitReason), end);
    }

    /// <summary>0 running; 1 and 2 dead with files left; 3 stopped; 4 unknown.</summary>
    private static int Status(int lsb) => lsb switch { 0 => Ocf.Ok, 1 or 2 or 3 => Ocf.NotRunning, _ => Ocf.Error };
}

/// <summary>A systemd unit, through systemctl(1).</summary>
internal sealed class SystemdAgent(EventLoop loop, AgentExecutorOptions options) : IAgent
{
    public IRunningOperation? Start(AgentRequest request, Action<Outcome> end)
    {
        string unit = request.Agent.Type.Contains('.') ? request.Agent.Type : request.Agent.Type + ".service";
        string path = options.Systemctl;
        var environment = AgentEnvironment.Inherited();
        switch (request.Task)
        {
            case "start" or "stop":
                return ProgramRunner.Run(
                    loop, options, request, path, [request.Task, unit], environment,
                    r => Changed(request.Task, unit, r), end);
            case "monitor" or "status":
                return ProgramRunner.Run(
                    loop, options, request, path, ["show", "--property=LoadState,ActiveState", unit], environment,
                    r => State(unit, r), end);
            default:
                end(new Outcome(Ocf.Unimplemented, $"systemd units have no action {request.Task}"));
                return null;
        }
    }

    private static Outcome Changed(string task, string unit, ProcessResult r) => r.End.Code switch
    {
        0 => new Outcome(Ocf.Ok),
        5 when task == "stop" => new Outcome(Ocf.Ok),
        5 => new Outcome(Ocf.NotInstalled, $"systemd unit {unit} is not installed", OperationStatus.NotInstalled),
        _ => new Outcome(Ocf.Error, string.Join("; ", r.Errors)),
    };

    /// <summary>
    /// A unit that is starting or stopping by itself is reported as failed: it is not what was asked for.
    /// </summary>
    private static Outcome State(string unit, ProcessResult r)
    {
        string[] lines = r.Output.Split('\n');
        string Value(string name) =>
            lines.FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal))?[name.Length..] ?? "";
        string state = Value("ActiveState=");
        return (r.End.Code, Value("LoadState="), state) switch
        {
            (not 0, _, _) => new Outcome(Ocf.Error, string.Join("; ", r.Errors), OperationStatus.Error),
            (_, "not-found", _) => new Outcome(
                Ocf.NotInstalled, $"systemd unit {unit} is not installed", OperationStatus.NotInstalled),
            (_, _, "active" or "reloading") => new Outcome(Ocf.Ok),
            (_, _, "inactive") => new Outcome(Ocf.NotRunning),
            _ => new Outcome(Ocf.Error, $"systemd unit {unit} is {state}"),
        };
    }
}

/// <summary>A class that cannot be executed here.</summary>
internal sealed class RefusedAgent(string why) : IAgent
{
    public IRunningOperation? Start(AgentRequest request, Action<Outcome> end)
    {
        end(new Outcome(Ocf.Unimplemented, $"{request.Agent}: {why}", OperationStatus.NotSupported));
        return null;
    }
}
