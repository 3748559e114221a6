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
    private long _turn;
    private int _cancelled;
    private volatile bool _stopping;
    private int _wakePending;

    private sealed class Watch(int fd, Action<PollEvents> callback)
    {
        public int Fd { get; } = fd;
        public Action<PollEvents> Callback { get; } = callback;
        public bool Removed { get; set; }

        /// <summary>The turn it was added in: what that turn's wait reported of its number was another's.</summary>
        public long Turn { get; init; }
    }

    /// <summary>A pending deadline; <see cref="Cancel"/> makes it never fire. Cancelling twice is allowed.</summary>
    public sealed class LoopTimer
    {
        private readonly EventLoop _loop;
        private Action? _callback;

        internal LoopTimer(EventLoop loop, Action callback) => (_loop, _callback) = (loop, callback);

        /// <summary>True until it fired or was cancelled.</summary>
        public bool Pending => _callback is not null;

        /// <summary>Never fire.</summary>
        public void Cancel()
        {
            if (_callback is not null)
            {
                _callback = null;
                _loop._cancelled++;
            }
        }

        internal void Fire()
        {
            var callback = _callback;
            _callback = null;
            if (callback is null)
            {
                _loop._cancelled--;
            }

            callback?.Invoke();
        }
    }

    /// <summary>Creates the epoll set. Throws <see cref="LinuxException"/> when descriptors are exhausted.</summary>
    public EventLoop()
    {
        _epoll = Check(epoll_create1(0x80000), "epoll_create1");
        _wake = Check(eventfd(0, 0x80000 | 0x800), "eventfd");
        Ctl(1, _wake, PollEvents.Readable);
    }

    /// <summary>Called at the end of each turn, before the next wait: for upkeep that is best done between events.</summary>
    public Action? AfterTurn { get; set; }

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

    /// <summary>
    /// Watches <paramref name="fd"/>; the callback runs on the loop with what is ready. The loop does not own the
    /// descriptor. Throws <see cref="LinuxException"/> for one that cannot be watched.
    /// </summary>
    public void Add(int fd, PollEvents events, Action<PollEvents> callback)
    {
        _watches.Add(fd, new Watch(fd, callback) { Turn = _turn });
        try
        {
            Ctl(1, fd, events);
        }
        catch (LinuxException)
        {
            _watches.Remove(fd);
            throw;
        }
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
        SweepCancelled();
        var t = new LoopTimer(this, callback);
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
        _turn++;
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
            else if (_watches.TryGetValue(fd, out var w) && !w.Removed && w.Turn != _turn)
            {
                w.Callback((PollEvents)events[i].Events);
            }
        }

        for (int budget = 1024; budget > 0 && _posted.TryDequeue(out var work); budget--)
        {
            work();
        }

        // Those scheduled by these callbacks wait for the next turn: a timer of 0 ms starves nobody.
        long now = Now;
        long before = _order;
        while (_timers.TryPeek(out var t, out var key)
            && (!t.Pending || (key.Due <= now && key.Order < before)))
        {
            _timers.Dequeue();
            t.Fire();
        }

        AfterTurn?.Invoke();
    }

    /// <summary>Closes the loop's own descriptors; watched ones stay open.</summary>
    public void Dispose()
    {
        _ = close(_wake);
        _ = close(_epoll);
    }

    /// <summary>Timers in the heap, cancelled ones included.</summary>
    public int TimersHeld => _timers.Count;

    /// <summary>A cancelled timer stays in the heap; when most of them are such, the heap is made anew.</summary>
    private void SweepCancelled()
    {
        if (_cancelled < 64 || _cancelled * 2 < _timers.Count)
        {
            return;
        }

        var kept = _timers.UnorderedItems.Where(static i => i.Element.Pending).ToList();
        _timers.Clear();
        _timers.EnqueueRange(kept.Select(static i => (i.Element, i.Priority)));
        _cancelled = 0;
    }

    private int NextWait(int maxWait)
    {
        while (_timers.TryPeek(out var t, out var key))
        {
            if (!t.Pending)
            {
                _timers.Dequeue();
                _cancelled--;
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

    private static int Check(int rc, string call) =>
        rc >= 0 ? rc : throw new LinuxException(call, Marshal.GetLastPInvokeError());

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
