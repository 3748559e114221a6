using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>
/// System calls of the balancer's data path, blittable and as thin as they can be: those that never block keep the GC
/// transition out (SuppressGCTransition) and leave errno where <see cref="ErrnoLocation"/> points. Callers cache that
/// pointer per thread. Only <see cref="epoll_wait"/> may wait, so only it has a normal transition.
/// </summary>
public static unsafe partial class DataSyscalls
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int EINTR = 4;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EINVAL = 22;
    public const int ENFILE = 23;
    public const int EMFILE = 24;
    public const int EPIPE = 32;
    public const int ENOBUFS = 105;
    public const int EINPROGRESS = 115;
    public const int EADDRNOTAVAIL = 99;
    public const int ECONNABORTED = 103;
    public const int ECONNRESET = 104;
    public const int ETIMEDOUT = 110;
    public const int ECONNREFUSED = 111;
    public const int ECANCELED = 125;

    public const int AF_UNIX = 1;
    public const int AF_INET = 2;
    public const int AF_INET6 = 10;
    public const int SOCK_STREAM = 1;
    public const int SOCK_NONBLOCK = 0x800;
    public const int SOCK_CLOEXEC = 0x80000;
    public const int SOL_SOCKET = 1;
    public const int SO_REUSEADDR = 2;
    public const int SO_ERROR = 4;
    public const int SO_KEEPALIVE = 9;
    public const int SO_LINGER = 13;
    public const int SO_REUSEPORT = 15;
    public const int SO_BINDTODEVICE = 25;
    public const int IPPROTO_IP = 0;
    public const int IPPROTO_TCP = 6;
    public const int IPPROTO_IPV6 = 41;
    public const int IP_TOS = 1;
    public const int IP_TTL = 2;
    public const int IP_TRANSPARENT = 19;
    public const int IP_BIND_ADDRESS_NO_PORT = 24;
    public const int IPV6_UNICAST_HOPS = 16;
    public const int IPV6_TCLASS = 67;
    public const int SO_MARK = 36;
    public const int TCP_REPAIR = 19;
    public const int IPV6_V6ONLY = 26;
    public const int IPV6_TRANSPARENT = 75;
    public const int TCP_NODELAY = 1;
    public const int TCP_DEFER_ACCEPT = 9;
    public const int TCP_FASTOPEN = 23;
    public const int MSG_DONTWAIT = 0x40;
    public const int MSG_NOSIGNAL = 0x4000;
    public const int SHUT_RD = 0;
    public const int SHUT_WR = 1;
    public const int SHUT_RDWR = 2;
    public const int EPOLL_CTL_ADD = 1;
    public const int EPOLL_CTL_DEL = 2;
    public const uint EPOLLIN = 0x1;
    public const uint EPOLLOUT = 0x4;
    public const uint EPOLLERR = 0x8;
    public const uint EPOLLHUP = 0x10;
    public const uint EPOLLRDHUP = 0x2000;
    public const uint EPOLLEXCLUSIVE = 1u << 28;
    public const uint EPOLLET = 1u << 31;
    public const int F_SETFL = 4;
    public const int F_GETFL = 3;
    public const int F_SETPIPE_SZ = 1031;
    public const int SPLICE_F_MOVE = 1;
    public const int SPLICE_F_NONBLOCK = 2;
    public const int CLOCK_MONOTONIC = 1;

    /// <summary>struct epoll_event, packed as on x86-64.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    public struct EpollEvent
    {
        public uint Events;
        public ulong Data;
    }

    /// <summary>struct timespec.</summary>
    public struct Timespec
    {
        public long Seconds;
        public long Nanos;
    }

    /// <summary>struct linger.</summary>
    public struct Linger
    {
        public int OnOff;
        public int Seconds;
    }

    /// <summary>Where this thread's errno lives; valid as long as the thread.</summary>
    [LibraryImport("libc", EntryPoint = "__errno_location"), SuppressGCTransition]
    public static partial int* ErrnoLocation();

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int socket(int family, int type, int protocol);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int bind(int fd, void* address, uint length);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int listen(int fd, int backlog);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int accept4(int fd, void* address, uint* length, int flags);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int connect(int fd, void* address, uint length);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial nint recv(int fd, void* buffer, nint length, int flags);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial nint send(int fd, void* buffer, nint length, int flags);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial nint splice(int from, long* fromOffset, int to, long* toOffset, nint length, uint flags);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int shutdown(int fd, int how);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int close(int fd);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int setsockopt(int fd, int level, int name, void* value, uint length);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int getsockopt(int fd, int level, int name, void* value, uint* length);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int getsockname(int fd, void* address, uint* length);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int getpeername(int fd, void* address, uint* length);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int pipe2(int* fds, int flags);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int fcntl(int fd, int command, long argument);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int epoll_create1(int flags);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int epoll_ctl(int epoll, int operation, int fd, EpollEvent* ev);

    /// <summary>
    /// The one call that waits, hence with a normal GC transition; with time-out 0 use <see cref="epoll_poll"/>.
    /// </summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int epoll_wait(int epoll, EpollEvent* events, int max, int timeout);

    /// <summary>epoll_wait for a time-out of 0 only.</summary>
    [LibraryImport("libc", EntryPoint = "epoll_wait"), SuppressGCTransition]
    public static partial int epoll_poll(int epoll, EpollEvent* events, int max, int zero);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial nint read(int fd, void* buffer, nint length);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial nint write(int fd, void* buffer, nint length);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int clock_gettime(int clock, Timespec* time);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int sched_getaffinity(int pid, nint size, ulong* mask);

    [LibraryImport("libc"), SuppressGCTransition]
    public static partial int sched_setaffinity(int pid, nint size, ulong* mask);

    /// <summary>
    /// CLOCK_MONOTONIC in milliseconds, the same clock as <see cref="EventLoop.Now"/>; through the vDSO.
    /// </summary>
    public static long MonotonicMs()
    {
        Timespec t;
        _ = clock_gettime(CLOCK_MONOTONIC, &t);
        return (t.Seconds * 1000) + (t.Nanos / 1_000_000);
    }

    /// <summary>strerror(3) of an errno.</summary>
    public static string ErrorText(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    /// <summary>CPUs this process may run on, in order.</summary>
    public static int[] AllowedCpus()
    {
        const int Words = 64;
        var mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        if (sched_getaffinity(0, Words * sizeof(ulong), mask) < 0)
        {
            return [];
        }

        var cpus = new List<int>();
        for (int i = 0; i < Words * 64; i++)
        {
            if ((mask[i >> 6] & (1ul << (i & 63))) != 0)
            {
                cpus.Add(i);
            }
        }

        return [.. cpus];
    }

    /// <summary>Ties the calling thread to one CPU. False where the kernel refuses.</summary>
    public static bool PinThread(int cpu)
    {
        const int Words = 64;
        var mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        mask[cpu >> 6] = 1ul << (cpu & 63);
        return sched_setaffinity(0, Words * sizeof(ulong), mask) == 0;
    }
}
