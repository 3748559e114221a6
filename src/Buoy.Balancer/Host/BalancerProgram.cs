using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Host;

/// <summary>
/// The balancer as a program with HAProxy's command line. The long way through it:
/// 1 command line, 2 files to configuration, 3 names to addresses, 4 state and parts, 5 listeners, 6 sockets of the control
/// thread, 7 pid file and old processes, 8 chroot, group, user, 9 run until a signal says otherwise.
/// A daemon is the same program started again in a session of its own (<see cref="Daemon"/>).
/// </summary>
public static class BalancerProgram
{
    private const int NotStartable = 2;

    /// <summary>Runs to the end; returns the exit code. A hard stop by signal ends the process by that signal instead.</summary>
    /// <param name="args">Arguments after the program's (or the command's) name.</param>
    /// <param name="parts">Makes the data plane and the control thread.</param>
    /// <param name="prefix">
    /// argv of this process up to where <paramref name="args"/> begin, e.g. <c>["buoy", "balancer"]</c> or <c>["haproxy"]</c>:
    /// a daemon is started with it again.
    /// </param>
    public static int Run(string[] args, IBalancerParts parts, IReadOnlyList<string> prefix) =>
        Run(args, parts, prefix, new DescriptorWriter(1), new DescriptorWriter(2));

    /// <summary>As above, with the streams to write to.</summary>
    public static int Run(
        string[] args, IBalancerParts parts, IReadOnlyList<string> prefix, TextWriter output, TextWriter error)
    {
        if (CommandLine.Parse(args) is not { } line)
        {
            output.WriteLine(BalancerVersion.Text);
            error.WriteLine(BalancerVersion.Usage);
            return 1;
        }

        if (line.Version)
        {
            output.WriteLine(BalancerVersion.Text);
            if (line.BuildOptions)
            {
                output.WriteLine(BalancerVersion.BuildOptions);
            }

            return 0;
        }

        var messages = new Messages(error, line.Quiet);
        if (line.Refused is not null)
        {
            messages.Write(Severity.Alert, $"option '{line.Refused}' is not supported yet.");
            return 1;
        }

        if (line.Condition is not null)
        {
            return Condition(line.Condition, messages);
        }

        try
        {
            if (line.Directory is not null)
            {
                Environment.CurrentDirectory = line.Directory;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            messages.Write(Severity.Alert, $"Could not change to directory {line.Directory} : {e.Message}");
            return 1;
        }

        try
        {
            return Start(line, args, parts, prefix, messages, output);
        }
        catch (Exception e)
        {
            // The last line of defence: whatever went wrong, whoever started this reads one line and sees exit code 1.
            messages.Write(Severity.Alert, $"[haproxy.main()] {e.GetType().Name}: {e.Message}");
            return 1;
        }
    }

    private static int Condition(string condition, Messages messages)
    {
        try
        {
            string words = ConditionEvaluator.Words(condition, Environment.GetEnvironmentVariable);
            return ConditionEvaluator.Evaluate(words, Environment.GetEnvironmentVariable) ? 0 : 1;
        }
        catch (ConditionException e)
        {
            messages.Write(Severity.Alert, $"config : Failed to evaluate condition: {e.Message}");
            return NotStartable;
        }
    }

    private static int Start(
        CommandLine line, string[] args, IBalancerParts parts, IReadOnlyList<string> prefix, Messages messages, TextWriter output)
    {
        var role = WorkerRole.Read();
        messages.ProcessId = role?.Master ?? messages.ProcessId;
        var loaded = ConfigurationLoader.Load(
            line.Files,
            new LoadOptions { LocalPeer = line.LocalPeer ?? Environment.MachineName, Diagnosing = line.Diagnosing });
        if (loaded.Config is not { } config)
        {
            messages.Write(loaded.Diagnostics);
            return 1;
        }

        bool managed = role is not null || line.MasterWorker || config.Global.MasterWorker;
        bool daemon = !line.Check && !line.Foreground && !line.Notify && (line.Daemon || config.Global.Daemon);
        if (daemon && !Daemon.IsChild && role is null)
        {
            return Daemon.Spawn(prefix, args, messages);
        }

        if (managed && role is null && !line.Check)
        {
            return Manage(line, args, config.Global.PidFile, prefix, messages);
        }

        messages.Write(loaded.Diagnostics);
        var addresses = InitialAddresses.Resolve(config);
        messages.Write(line.IgnoreUnresolved
            ? addresses.Diagnostics.Where(d => d.Severity != Severity.Alert) : addresses.Diagnostics);
        if (addresses.Failed && !line.IgnoreUnresolved)
        {
            return 1;
        }

        if (line.WarningsFail && messages.HasWarnings)
        {
            messages.Write(Severity.Alert, "Some warnings were found and 'zero-warning' is set. Aborting.");
            return 1;
        }

        if (!config.Proxies.Any(p => p.Binds.Count > 0 && !p.Disabled) && config.Global.StatsSockets.Count == 0
            && config.LogForwards.All(f => f.Datagrams.Count + f.Streams.Count == 0))
        {
            if (messages.HasWarnings && line.Check && !line.Quiet)
            {
                output.WriteLine("Warnings were found.");
            }

            if (!line.Quiet)
            {
                output.WriteLine("Configuration file has no error but will not start (no listener) => exit(2).");
            }

            return NotStartable;
        }

        if (line.Check)
        {
            if (!line.Quiet)
            {
                output.Write(messages.HasWarnings ? "Warnings were found.\n" : "");
                output.WriteLine("Configuration file is valid");
            }

            return 0;
        }

        output.Flush();
        return Serve(Limits.Apply(config, line.MaxConn, line.ProxyMaxConn), addresses, line, role, parts, messages);
    }

    /// <summary>This process becomes the master; what it read so far is garbage by then.</summary>
    private static int Manage(
        CommandLine line, string[] args, string? pidFile, IReadOnlyList<string> prefix, Messages messages)
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        using var master = new Master.MasterProcess(line, prefix, args, line.PidFile ?? pidFile, messages);
        return master.Run();
    }

    private static int Serve(
        BalancerConfig config, InitialAddresses addresses, CommandLine line, WorkerRole? role, IBalancerParts parts,
        Messages messages)
    {
        var state = BalancerStates.Create(config, addresses);
        using var control = parts.CreateControl(state);
        using var plane = parts.CreateDataPlane(state, control.Logs, control.Local);
        Adopt(plane, line, role, messages);
        var failures = plane.Bind();
        if (failures.Count > 0)
        {
            foreach (var (proxy, bind, why) in failures)
            {
                messages.Write(Severity.Alert, $"Binding [{bind.Place}] for {TypeName(proxy)} {proxy.Name}: {why}");
            }

            messages.Write(Severity.Alert, "[haproxy.main()] Some protocols failed to start their listeners! Exiting.");
            return 1;
        }

        try
        {
            control.Prepare();
        }
        catch (Exception e) when (e is IOException or SocketException or LinuxException or UnauthorizedAccessException)
        {
            messages.Write(Severity.Alert, $"Binding for frontend GLOBAL: {e.Message}");
            messages.Write(Severity.Alert, "[haproxy.main()] Some protocols failed to start their listeners! Exiting.");
            return 1;
        }

        if (role is null)
        {
            // In the foreground the original writes none, so its folder need not exist.
            if (Daemon.IsChild && !WritePid(line.PidFile ?? config.Global.PidFile, messages))
            {
                return 1;
            }

            foreach (int pid in line.OldPids)
            {
                ProcessControl.Kill(pid, line.OldPidsTerminate ? ProcessControl.SigTerm : ProcessControl.SigUsr1);
            }
        }

        int nowhere = role is { Detach: true } ? ProcessControl.OpenNull() : -1;
        Daemon.BeforeChroot();
        if (!DropPrivileges(config.Global, messages))
        {
            return 1;
        }

        using var process = new BalancerProcess(state, plane, control, messages, line.Notify);
        if (role is not null)
        {
            process.Work(role, nowhere);
        }

        return process.Run();
    }

    /// <summary>Listening sockets of the former worker, or of a process that the command line names.</summary>
    private static void Adopt(IDataPlane plane, CommandLine line, WorkerRole? role, Messages messages)
    {
        string? from = role is { Former: >= 0 } ? FormattableString.Invariant($"sockpair@{role.Former}")
            : role is { Former: WorkerRole.NoFormer } ? null : line.TransferFrom;
        if (from is not null)
        {
            plane.Adopt(SocketTransfer.Fetch(from, messages));
        }

        if (role is { Former: >= 0 })
        {
            ProcessControl.Close(role.Former);
        }
    }

    private static string TypeName(ProxyConfig proxy) => proxy.Kind == ProxyKind.Frontend ? "frontend" : "proxy";

    private static bool WritePid(string? path, Messages messages)
    {
        if (path is null)
        {
            return true;
        }

        try
        {
            File.WriteAllText(path, $"{Environment.ProcessId}\n", Encoding.ASCII);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            messages.Write(Severity.Alert, $"[haproxy.main()] Cannot create pidfile {path}");
            return false;
        }
    }

    /// <summary>chroot, then group, then user, in this order as each needs the rights that the next gives up.</summary>
    private static bool DropPrivileges(GlobalConfig global, Messages messages)
    {
        _ = TimeZoneInfo.Local; // reads its files while they can be seen
        _ = Environment.ProcessPath;
        string step = $"Cannot chroot({global.Chroot}).";
        try
        {
            if (global.Chroot is not null)
            {
                ProcessControl.ChangeRoot(global.Chroot);
            }

            step = $"Cannot set gid {global.Gid}.";
            if (global.Gid is { } gid)
            {
                ProcessControl.SetGroup(gid);
            }

            step = $"Cannot set uid {global.Uid}.";
            if (global.Uid is { } uid)
            {
                ProcessControl.SetUser(uid);
            }

            return true;
        }
        catch (LinuxException)
        {
            messages.Write(Severity.Alert, $"[haproxy.main()] {step}");
            return false;
        }
    }
}
