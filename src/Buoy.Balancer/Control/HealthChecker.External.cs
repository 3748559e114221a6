using System.Globalization;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Health;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Control;

/// <summary>
/// option external-check (configuration manual 4.2): a program whose exit status is the outcome. It runs beside the loop,
/// which is told of its end by a descriptor, and is killed with all that it started when its time is up.
/// </summary>
public sealed partial class HealthChecker
{
    /// <summary>Exit status of a program that could not be started.</summary>
    private const int NotStarted = 255;

    /// <summary>Connections of a server now, for HAPROXY_SERVER_CURCONN.</summary>
    public Func<ServerRuntime, long> Connections { get; init; } = static _ => 0;

    private void BeginExternal(Check c)
    {
        var s = c.Server;
        var rules = s.Backend.Config.CheckRules;
        string command = Find(rules.Command ?? "", rules.Path ?? "");
        var bind = _config.Binds.FirstOrDefault(b => b.Proxy == s.Backend.Config.Index && (b.EndPoint ?? (object?)b.UnixPath) is not null);
        string proxyAddress = bind?.EndPoint?.Address.ToString() ?? bind?.UnixPath ?? "";
        string proxyPort = bind?.EndPoint is { } e ? e.Port.ToString(CultureInfo.InvariantCulture) : "";
        string address = s.Address!.ToString(), port = s.Port.ToString(CultureInfo.InvariantCulture);
        string[] arguments =
        [
            proxyAddress.Length > 0 ? proxyAddress : "NOT_USED", proxyPort.Length > 0 ? proxyPort : "NOT_USED", address, port,
        ];
        string[] environment =
        [
            $"PATH={rules.Path}", $"HAPROXY_PROXY_NAME={s.Backend.Config.Name}",
            FormattableString.Invariant($"HAPROXY_PROXY_ID={s.Backend.Config.Id}"), $"HAPROXY_PROXY_ADDR={proxyAddress}",
            $"HAPROXY_PROXY_PORT={proxyPort}", $"HAPROXY_SERVER_NAME={s.Config.Name}",
            FormattableString.Invariant($"HAPROXY_SERVER_ID={s.Config.Id}"), $"HAPROXY_SERVER_ADDR={address}",
            $"HAPROXY_SERVER_PORT={port}", FormattableString.Invariant($"HAPROXY_SERVER_MAXCONN={s.MaxConn}"),
            FormattableString.Invariant($"HAPROXY_SERVER_CURCONN={Connections(s)}"), "HAPROXY_SERVER_SSL=0",
            $"HAPROXY_SERVER_PROTO={(s.Backend.Config.Mode == ProxyMode.Http ? "h1" : "tcp")}",
        ];
        try
        {
            c.Process = SpawnedProcess.Start(command, arguments, environment, 1, 2);
        }
        catch (LinuxException)
        {
            End(c, new CheckReport(CheckStatus.ProcessError, NotStarted, ""));
            return;
        }

        _loop.Add(c.Process.Fd, PollEvents.Readable, _ =>
        {
            if (c.Process?.TryReap() is { } end)
            {
                EndExternal(c, end);
            }
        });
    }

    /// <summary>It ended, or (null) its time is up.</summary>
    private void EndExternal(Check c, ProcessEnd? end)
    {
        var report = end is not { } e ? new CheckReport(CheckStatus.ProcessTimeout, 0, "")
            : e.Signalled ? new CheckReport(CheckStatus.ProcessError, -1, "")
            : new CheckReport(e.Code == 0 ? CheckStatus.ProcessOk : CheckStatus.ProcessError, e.Code, "");
        if (end is not null)
        {
            Forget(c);
        }

        End(c, report);
    }

    private void CloseProcess(Check c)
    {
        if (c.Process is not { } process)
        {
            return;
        }

        _ = process.SignalGroup(PidFd.SigKill);
        _loop.Remove(process.Fd);
        c.Process = null;

        // Killed, it ends at once; who reaps it must not wait for it all the same.
        if (process.TryReap() is not null)
        {
            process.Dispose();
            return;
        }

        _loop.Add(process.Fd, PollEvents.Readable, _ =>
        {
            if (process.TryReap() is not null)
            {
                _loop.Remove(process.Fd);
                process.Dispose();
            }
        });
    }

    private void Forget(Check c)
    {
        _loop.Remove(c.Process!.Fd);
        c.Process.Dispose();
        c.Process = null;
    }

    /// <summary>The program's file: as written where it has a slash, else the first of that name in the path.</summary>
    private static string Find(string command, string path)
    {
        if (command.Contains('/', StringComparison.Ordinal))
        {
            return command;
        }

        return path.Split(':').Select(p => System.IO.Path.Combine(p.Length == 0 ? "." : p, command))
            .FirstOrDefault(File.Exists) ?? command;
    }
}
