using Buoy.Cluster.Controller;
using Microsoft.Extensions.Logging;

namespace Buoy.Cluster.Host;

/// <summary>The daemon's log catalogue. Ids are stable: 100-199 the controller's, 200-299 the host's.</summary>
internal static partial class Log
{
    public static void Controller(ILogger log, LogTopic topic, string text)
    {
        switch (topic)
        {
            case LogTopic.Membership:
                Membership(log, text);
                break;
            case LogTopic.Configuration:
                Configuration(log, text);
                break;
            case LogTopic.Decision:
                Decision(log, text);
                break;
            case LogTopic.Operation:
                Operation(log, text);
                break;
            case LogTopic.OperationFailed:
                OperationFailed(log, text);
                break;
            case LogTopic.MessageDropped:
                MessageDropped(log, text);
                break;
            case LogTopic.Divergence:
                Divergence(log, text);
                break;
            case LogTopic.Loop:
                Loop(log, text);
                break;
            case LogTopic.Shutdown:
                Shutdown(log, text);
                break;
            default:
                Problem(log, text);
                break;
        }
    }

    [LoggerMessage(100, LogLevel.Information, "{Text}")]
    private static partial void Membership(ILogger log, string text);

    [LoggerMessage(101, LogLevel.Information, "{Text}")]
    private static partial void Configuration(ILogger log, string text);

    [LoggerMessage(102, LogLevel.Information, "{Text}")]
    private static partial void Decision(ILogger log, string text);

    [LoggerMessage(103, LogLevel.Information, "{Text}")]
    private static partial void Operation(ILogger log, string text);

    [LoggerMessage(104, LogLevel.Warning, "{Text}")]
    private static partial void OperationFailed(ILogger log, string text);

    [LoggerMessage(105, LogLevel.Warning, "{Text}")]
    private static partial void MessageDropped(ILogger log, string text);

    [LoggerMessage(106, LogLevel.Error, "replicas differ: {Text}")]
    private static partial void Divergence(ILogger log, string text);

    [LoggerMessage(107, LogLevel.Warning, "{Text}")]
    private static partial void Loop(ILogger log, string text);

    [LoggerMessage(108, LogLevel.Error, "{Text}")]
    private static partial void Problem(ILogger log, string text);

    [LoggerMessage(109, LogLevel.Information, "{Text}")]
    private static partial void Shutdown(ILogger log, string text);

    [LoggerMessage(200, LogLevel.Information, "started as node {NodeId} ({Name}) of cluster {Cluster}, CIB {Version}")]
    public static partial void Started(ILogger log, uint nodeId, string name, string cluster, string version);

    [LoggerMessage(201, LogLevel.Warning, "CIB on disk: {Text}")]
    public static partial void StoredCib(ILogger log, string text);

    [LoggerMessage(202, LogLevel.Information, "stopped")]
    public static partial void Stopped(ILogger log);

    [LoggerMessage(203, LogLevel.Warning, "control socket: {Text}")]
    public static partial void Control(ILogger log, string text);

    [LoggerMessage(204, LogLevel.Information, "corosync.conf read anew")]
    public static partial void Reloaded(ILogger log);

    [LoggerMessage(205, LogLevel.Error, "corosync.conf not taken: {Text}")]
    public static partial void NotReloaded(ILogger log, string text);

    [LoggerMessage(206, LogLevel.Information, "signal {Name}")]
    public static partial void Signal(ILogger log, string name);

    [LoggerMessage(207, LogLevel.Critical, "{Text}")]
    public static partial void Fatal(ILogger log, string text);

    [LoggerMessage(208, LogLevel.Warning, "address guard: {Text}")]
    public static partial void Guard(ILogger log, string text);
}
