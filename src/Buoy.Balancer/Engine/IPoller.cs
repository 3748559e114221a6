namespace Buoy.Balancer.Engine;

/// <summary>What a poller says of one registered object: its key, and the epoll bits that hold.</summary>
internal struct Readiness
{
    public nint Key;
    public uint Events;
}

/// <summary>
/// The kernel as a shard sees it. Implementations are structs and shards are generic over them, so that calls are
/// direct. All calls but <see cref="Wait"/> return at once; byte counts are negative errno on failure. A
/// completion-based poller (io_uring) may answer <see cref="Receive"/> from a buffer the kernel has filled already.
/// </summary>
internal unsafe interface IPoller
{
    /// <summary>
    /// Opens the kernel object on the thread that will use it. Throws <see cref="Linux.LinuxException"/>.
    /// </summary>
    void Open();

    void Close();

    /// <summary>Registers a connection once, edge-triggered, both ways. 0 or -errno.</summary>
    /// <param name="connecting">Its connect is on the way: writable will mean connected.</param>
    int Watch(int fd, nint key, bool connecting);

    /// <summary>Registers a listener or an eventfd, edge-triggered for reading. 0 or -errno.</summary>
    int WatchReadable(int fd, nint key, bool exclusive);

    void Unwatch(int fd);

    /// <summary>Closes a watched descriptor, at the latest with the next <see cref="Wait"/>.</summary>
    void CloseDescriptor(int fd);

    /// <summary>Fills <paramref name="into"/>; waits at most that many ms (-1 = without limit).</summary>
    int Wait(Readiness* into, int max, int timeoutMs);

    nint Receive(int fd, byte* buffer, nint length);

    nint Send(int fd, byte* buffer, nint length);

    nint Splice(int from, int to, nint length);

    int Errno { get; }
}
