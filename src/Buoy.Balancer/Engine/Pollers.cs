using Buoy.Balancer.Configuration;
using Buoy.Linux;

namespace Buoy.Balancer.Engine;

/// <summary>The ways a shard can talk to the kernel.</summary>
public enum PollerKind
{
    Epoll,
    IoUring,
}

/// <summary>Which poller the shards use.</summary>
public static class Pollers
{
    /// <summary>Forces a poller: <c>epoll</c> or <c>io_uring</c>; anything else, or nothing, leaves the choice to us.</summary>
    public const string Variable = "BUOY_POLLER";

    /// <summary>
    /// What is forced by <see cref="Variable"/>, else io_uring where <c>noepoll</c> asks for something else than epoll, else
    /// epoll. A forced io_uring that the kernel refuses is an error at start.
    /// </summary>
    public static PollerKind Choose(GlobalConfig global) => Environment.GetEnvironmentVariable(Variable) switch
    {
        "epoll" => PollerKind.Epoll,
        "io_uring" => PollerKind.IoUring,
        _ => global.Kept.ContainsKey("noepoll") && IoUring.IsAllowed() ? PollerKind.IoUring : PollerKind.Epoll,
    };
}
