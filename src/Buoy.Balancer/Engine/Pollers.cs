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

    /// <summary>What <see cref="Variable"/> forces, null = nothing.</summary>
    public static PollerKind? Forced => Environment.GetEnvironmentVariable(Variable) switch
    {
        "epoll" => PollerKind.Epoll,
        "io_uring" => PollerKind.IoUring,
        _ => null,
    };

    /// <summary>
    /// What is forced, else io_uring where <c>noepoll</c> asks for something else than epoll and the kernel has it, else
    /// epoll. Throws <see cref="LinuxException"/> where io_uring is forced and the kernel refuses it.
    /// </summary>
    public static PollerKind Choose(GlobalConfig global)
    {
        if (Forced is not { } forced)
        {
            return global.Kept.ContainsKey("noepoll") && IoUring.IsAllowed() ? PollerKind.IoUring : PollerKind.Epoll;
        }

        if (forced == PollerKind.IoUring)
        {
            new IoUring(8, 8, 4096).Dispose();
        }

        return forced;
    }
}
