using Buoy.Linux;
using Buoy.Membership;
using Buoy.Membership.Corosync;
using Microsoft.Extensions.Logging;

namespace Buoy.Composition;

/// <summary><c>buoy cluster --engine corosync</c>: what differs where the cluster engine is the real Corosync.</summary>
internal static class CorosyncParts
{
    /// <summary>Stands for a corosync.conf that only corosync itself understands.</summary>
    public const string MinimalConfig = "totem {\n  version: 2\n}\nlogging {\n  to_stderr: yes\n  to_syslog: no\n}\n"
        + "nodelist {\n  node {\n    ring0_addr: 127.0.0.1\n    nodeid: 1\n  }\n}\n";

    /// <summary>Connects to this node's corosync. Throws <see cref="IOException"/> where none answers.</summary>
    public static IClusterEngine Engine(EventLoop loop, ILogger logger) => CorosyncEngine.Create(loop, new CorosyncOptions
    {
        Log = (warning, text) => RingLog.Line(logger, warning ? LogLevel.Warning : LogLevel.Information, text),
    });
}
