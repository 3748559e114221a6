using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>Readiness of a descriptor, as in epoll_ctl(2).</summary>
[Flags]
public enum PollEvents : uint
{
    None = 0,
    Readable = 0x001,
    Priority = 0x002,
    Writable = 0x004,
    Error = 0x008,
    HangUp = 0x010,
    ReadHangUp = 0x2000,
    EdgeTriggered = 1u << 31,
}

/// <summary>
/// The loop of the cluster daemon and of the balancer's control thread: descriptors, deadlines and posted work, all run on
/// the one thread that calls <see cref="Run"/>. Level-triggered epoll, a binary heap of deadlines, an eventfd to wake it.
/// The balancer's data path does not use it: its shards have a poller of their own.
/// </summary>
/// <remarks>Only <see cref="Post"/> and <see cref="Stop"/> may be called from another thread.</remarks>
public sealed unsafe partial class EventLoop : IDisposable
{
    private const int MaxEventsPerWait = 64;
    private readonly int _epoll;
    private readonly int _wake;
    private readonly Dictionary<int, Watch> _watches = [];
    private readonly PriorityQueue<LoopTimer, (long Due, long Order)> _timers = new();
    private readonly ConcurrentQueue<Action> _posted = new();
    private long _order;
    private volatile bool _stopping;
    private int _wakePending;

    private sealed class Watch(int fd, Action<PollEvents> callback)
    {
        public int Fd { get; } = fd;
        public Action<PollEvents> Callback { get; } = callback;
        public bool Removed { get; set; }
    }

    /// <summary>A pending deadline; <see cref="Cancel"/> makes it never fire. Cancelling twice is allowed.</summary>
    public sealed class LoopTimer
    {
        internal LoopTimer(Action callback) => Callback = callback;
        internal Action? Callback { get; set; }

        /// <summary>True until it fired or was cancelled.</summary>
        public bool Pending => Callback is not null;

        /// <summary>Never fire.</summary>
        public void Cancel() => Callback = null;
    }

    /// <summary>Creates the epoll set. Throws <see cref="LinuxException"/> when descriptors are exhausted.</summary>
    public EventLoop()
    {
        _epoll = Check(epoll_create1(0x80000), "epoll_create1");
        _wake = Check(eventfd(0, 0x80000 | 0x800), "eventfd");
        Ctl(1, _wake, PollEvents.Readable);
    }

    /// <summary>Milliseconds of CLOCK_MONOTONIC: the one clock of everything that runs on a loop.</summary>
    public static long Now => Environment.TickCount64;

    /// <summary>CLOCK_MONOTONIC in microseconds, for measuring.</summary>
    public static long NowMicros
    {
        get
        {
            Timespec t;
            clock_gettime(1, &t);
            return (t.Seconds * 1_000_000) + (t.Nanos / 1000);
        }
    }

    /// <summary>Watches <paramref name="fd"/>; the callback runs on the loop with what is ready. The loop does not own the descriptor.</summary>
    public void Add(int fd, PollEvents events, Action<PollEvents> callback)
    {
        _watches.Add(fd, new Watch(fd, callback));
        Ctl(1, fd, events);
    }


    /// <summary>Changes what is waited for on a watched descriptor.</summary>
    public void Modify(int fd, PollEvents events) => Ctl(3, fd, events);

    /// <summary>Stops watching; call before closing the descriptor. Unknown descriptors are ignored.</summary>
    public void Remove(int fd)
    {
        if (!_watches.Remove(fd, out var w))
        {
            return;
        }

        w.Removed = true;
        EpollEvent ev = default;
        _ = epoll_ctl(_epoll, 2, fd, &ev);
    }

    /// <summary>Runs <paramref name="callback"/> on the loop once, <paramref name="milliseconds"/> from now (0 = next turn).</summary>
    public LoopTimer Schedule(long milliseconds, Action callback)
    {
        var t = new LoopTimer(callback);
        _timers.Enqueue(t, (Now + Math.Max(0, milliseconds), _order++));
        return t;
    }

    /// <summary>Runs <paramref name="work"/> on the loop's thread, in order of posting. Thread-safe.</summary>
    public void Post(Action work)
    {
        _posted.Enqueue(work);
        if (Interlocked.Exchange(ref _wakePending, 1) == 0)
        {
            ulong one = 1;
            _ = write(_wake, &one, 8);
        }
    }

    /// <summary>Ends <see cref="Run"/> after the current turn. Thread-safe.</summary>
    public void Stop()
    {
        _stopping = true;
        Post(static () => { });
    }

    /// <summary>Turns until <see cref="Stop"/>. An exception of a callback ends the loop: callbacks handle their own errors.</summary>
    public void Run()
    {
        while (!_stopping)
        {
            RunOnce(-1);
        }
    }

    /// <summary>One turn: waits at most <paramref name="maxWait"/> ms (-1 = until something happens), then runs what is due.</summary>
    public void RunOnce(int maxWait)
    {
        var events = stackalloc EpollEvent[MaxEventsPerWait];
        int wait = _posted.IsEmpty ? NextWait(maxWait) : 0;
        int n = epoll_wait(_epoll, events, MaxEventsPerWait, wait);
        for (int i = 0; i < n; i++)
        {
            int fd = (int)events[i].Data;
            if (fd == _wake)
            {
                ulong count;
                _ = read(_wake, &count, 8);
                Volatile.Write(ref _wakePending, 0);
            }
            else if (_watches.TryGetValue(fd, out var w) && !w.Removed)
            {
                w.Callback((PollEvents)events[i].Events);
            }
        }

        for (int budget = 1024; budget > 0 && _posted.TryDequeue(out var work); budget--)
        {
            work();
        }

        long now = Now;
        while (_timers.TryPeek(out var t, out var key) && (key.Due <= now || !t.Pending))
        {
            _timers.Dequeue();
            var callback = t.Callback;
            t.Callback = null;
            callback?.Invoke();
        }
    }

    /// <summary>Closes the loop's own descriptors; watched ones stay open.</summary>
    public void Dispose()
    {
        _ = close(_wake);
        _ = close(_epoll);
    }

    private int NextWait(int maxWait)
    {
        while (_timers.TryPeek(out var t, out var key))
        {
            if (!t.Pending)
            {
                _timers.Dequeue();
                continue;
            }

            long left = Math.Max(0, key.Due - Now);
            return (int)Math.Min(left, maxWait < 0 ? int.MaxValue : maxWait);
        }

        return maxWait;
    }

    private void Ctl(int op, int fd, PollEvents events)
    {
        EpollEvent ev = new() { Events = (uint)events, Data = (ulong)(uint)fd };
        Check(epoll_ctl(_epoll, op, fd, &ev), "epoll_ctl");
    }

    private static int Check(int rc, string call) => rc >= 0 ? rc : throw new LinuxException(call, Marshal.GetLastPInvokeError());

    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private struct EpollEvent
    {
        public uint Events;
        public ulong Data;
    }

    private struct Timespec
    {
        public long Seconds;
        public long Nanos;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_ctl(int epfd, int op, int fd, EpollEvent* ev);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int epoll_wait(int epfd, EpollEvent* events, int max, int timeout);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int eventfd(uint init, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int fd, void* buf, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int fd, void* buf, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);

    [LibraryImport("libc")]
    private static partial int clock_gettime(int clock, Timespec* t);
}
