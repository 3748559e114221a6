using System.CommandLine;
using Buoy.Agents;
using Buoy.Cluster.Controller;
using Buoy.Cluster.Host;
using Buoy.Linux;
using Buoy.Membership.Configuration;
using Buoy.Membership.Host;
using Buoy.Membership.Services;
using Microsoft.Extensions.Logging;

namespace Buoy.Composition;

/// <summary><c>buoy cluster</c>: puts ring, scheduler, executor and controller together and runs them.</summary>
internal static class ClusterCommand
{
    /// <summary>The environment's folder for all durable state, in place of /var/lib/corosync and /var/lib/buoy.</summary>
    private static readonly string? State = Environment.GetEnvironmentVariable("BUOY_STATE") is { Length: > 0 } s ? s : null;

    /// <summary>Runs the daemon; 0 after an orderly stop, 1 where it cannot start.</summary>
    public static int Run(string[] args)
    {
        var config = new Option<string>("--config", "-c") { Description = "corosync.conf", DefaultValueFactory = _ => CorosyncConfig.DefaultPath, HelpName = "FILE" };
        var authkey = new Option<string?>("--authkey") { Description = "key file (default: totem.keyfile, else /etc/corosync/authkey)", HelpName = "FILE" };
        var engine = new Option<string>("--engine")
        {
            Description = "who keeps membership and order: our ring, or the corosync that runs on this node",
            DefaultValueFactory = _ => "ring", HelpName = "ring|corosync",
        };
        engine.AcceptOnlyFromAmong("ring", "corosync");
        var test = new Option<bool>("--test", "-t") { Description = "read the configuration, say what is wrong with it, and end" };
        var root = new RootCommand("The cluster daemon: membership, quorum, resources. Runs in the foreground.") { config, authkey, engine, test };
        int status = 0;
        root.SetAction(parsed => status = Start(parsed.GetValue(config)!, parsed.GetValue(authkey), parsed.GetValue(test), parsed.GetValue(engine) == "corosync"));
        int usage = root.Parse(args).Invoke();
        return usage != 0 ? usage : status;
    }

    private static int Start(string path, string? authkey, bool test, bool onCorosync)
    {
        CorosyncConfig config;
        try
        {
            config = CorosyncConfig.Load(path);
        }
        catch (CorosyncConfigException e) when (onCorosync && !test)
        {
            // The file is the running corosync's, which understands it; we only take its logging section.
            Console.Error.WriteLine($"buoy cluster: {e.Message} (corosync's own matter; the log goes to standard error)");
            config = CorosyncConfig.Parse(CorosyncParts.MinimalConfig, path);
        }
        catch (Exception e) when (e is CorosyncConfigException or IOException or UnauthorizedAccessException)
        {
            return Fail(e.Message);
        }

        if (test)
        {
            foreach (string warning in config.Warnings)
            {
                Console.Error.WriteLine("warning: " + warning);
            }

            return 0;
        }

        using var log = new DaemonLog(config.Logging);
        var logger = new LineLogger(
            log.Write, config.Logging.Debug ? LogLevel.Debug : LogLevel.Information, config.Logging.Timestamp != "off");
        string? fatal = null;
        var guard = new GuardContext();
        try
        {
            int code = ClusterDaemon.Run(
                new ClusterDaemonOptions
                {
                    Logger = logger,
                    StateFolder = Path.Combine(State ?? "/var/lib/buoy", "cib"),
                    Reloaded = log.Open,
                    Guard = guard,
                    ConfigurationKeys = () => KeysOf(path, config),
                },
                loop => onCorosync ? CorosyncParts.Engine(loop, logger) : RingEngine.Create(loop, new RingOptions
                {
                    ConfigPath = path,
                    Config = config,
                    AuthkeyPath = authkey,
                    StateFolder = State ?? "/var/lib/corosync",
                    Log = (warning, text) => RingLog.Line(logger, warning ? LogLevel.Warning : LogLevel.Information, text),
                    Fatal = why =>
                    {
                        fatal = why;
                        loop.Stop();
                    },
                }),
                loop => new AgentExecutor(loop, new AgentExecutorOptions
                {
                    ToolFolder = ToolLinks.Lay(logger),
                    BalancerCommand = ["/proc/self/exe", "balancer"],
                    BalancerPidFile = "/run/haproxy.pid",
                    Guard = guard,
                    Log = line => RingLog.Agent(
                        logger, line.IsError ? LogLevel.Warning : LogLevel.Information, line.ResourceId, line.Task, line.Text),
                }),
                new ClusterScheduler());
            return fatal is null ? code : Fail(fatal);
        }
        catch (Exception e) when (e is CorosyncConfigException or IOException or UnauthorizedAccessException or LinuxException
            or System.Net.Sockets.SocketException)
        {
            return Fail(e.Message);
        }
    }

    /// <summary>cmap's keys of the file as it is now, and of what is in effect.</summary>
    private static IEnumerable<KeyValuePair<string, MapValue>> KeysOf(string path, CorosyncConfig config)
    {
        string text = "";
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What is in effect remains.
        }

        var keys = ConfigurationKeys.OfFile(text);
        return keys.Concat(ConfigurationKeys.OfParameters(config, keys));
    }

    private static int Fail(string message)
    {
        Console.Error.WriteLine($"buoy cluster: {message}");
        return 1;
    }
}

/// <summary>Lines of the ring and of agents in the daemon's log (event ids 900–909).</summary>
internal static partial class RingLog
{
    [LoggerMessage(EventId = 900, Message = "ring: {text}")]
    public static partial void Line(ILogger logger, LogLevel level, string text);

    [LoggerMessage(EventId = 901, Message = "{resource} {task}: {text}")]
    public static partial void Agent(ILogger logger, LogLevel level, string resource, string task, string text);
}
