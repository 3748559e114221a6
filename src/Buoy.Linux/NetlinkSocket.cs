using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>
/// A netlink socket (netlink(7), rtnetlink(7)) of the calling thread's network namespace. It carries whole messages; what
/// is in them is the business of the room above.
/// </summary>
public sealed unsafe partial class NetlinkSocket : IDisposable
{
    /// <summary>Multicast group bits for <see cref="Open"/>, as in linux/rtnetlink.h.</summary>
    public const uint GroupLink = 1, GroupIPv4Address = 0x10, GroupIPv6Address = 0x100;

    private const int Route = 0, Netfilter = 12;
    private const int AfNetlink = 16, SockRaw = 3, SockCloexec = 0x80000, SockNonblock = 0x800;
    private const int SolSocket = 1, SoRcvBuf = 8, SoRcvTimeo = 20, Eagain = 11, Enobufs = 105, Eintr = 4;

    private NetlinkSocket(int fd) => Fd = fd;

    /// <summary>The descriptor, for an event loop.</summary>
    public int Fd { get; private set; }

    /// <summary>Opens a socket. With <paramref name="groups"/> it is non-blocking and hears the kernel's notices;
    /// without, it is for requests, and a receive waits at most one second.</summary>
    public static NetlinkSocket Open(uint groups = 0) => OpenAs(Route, groups);

    /// <summary>Opens a socket for requests to netfilter (NETLINK_NETFILTER); a receive waits at most one second.
    /// Throws <see cref="LinuxException"/>, also where the kernel has no netfilter.</summary>
    public static NetlinkSocket OpenNetfilter() => OpenAs(Netfilter, 0);

    private static NetlinkSocket OpenAs(int protocol, uint groups)
    {
        int kind = SockRaw | SockCloexec | (groups != 0 ? SockNonblock : 0);
        int fd = socket(AfNetlink, kind, protocol);
        if (fd < 0)
        {
            throw new LinuxException("socket(AF_NETLINK)", Marshal.GetLastPInvokeError());
        }

        var result = new NetlinkSocket(fd);
        SockaddrNl address = new() { Family = AfNetlink, Groups = groups };
        if (bind(fd, &address, sizeof(SockaddrNl)) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            result.Dispose();
            throw new LinuxException("bind(AF_NETLINK)", errno);
        }

        int size = 1 << 20;
        _ = setsockopt(fd, SolSocket, SoRcvBuf, &size, sizeof(int));
        Timeval wait = new() { Seconds = 1 };
        _ = setsockopt(fd, SolSocket, SoRcvTimeo, &wait, sizeof(Timeval));
        return result;
    }

    /// <summary>Sends one request to the kernel.</summary>
    public void Send(ReadOnlySpan<byte> message)
    {
        SockaddrNl kernel = new() { Family = AfNetlink };
        fixed (byte* p = message)
        {
            if (sendto(Fd, p, message.Length, 0, &kernel, sizeof(SockaddrNl)) < 0)
            {
                throw new LinuxException("sendto(AF_NETLINK)", Marshal.GetLastPInvokeError());
            }
        }
    }

    /// <summary>
    /// Receives one datagram (one or more messages). 0: nothing there (or nothing came for a second). -1: the kernel
    /// dropped notices because we read too slowly; the caller must look at everything afresh.
    /// </summary>
    public int Receive(Span<byte> buffer)
    {
        while (true)
        {
            nint n;
            fixed (byte* p = buffer)
            {
                n = recv(Fd, p, buffer.Length, 0);
            }

            if (n >= 0)
            {
                return (int)n;
            }

            int errno = Marshal.GetLastPInvokeError();
            switch (errno)
            {
                case Eintr:
                    continue;
                case Eagain:
                    return 0;
                case Enobufs:
                    return -1;
                default:
                    throw new LinuxException("recv(AF_NETLINK)", errno);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Fd >= 0)
        {
            _ = close(Fd);
            Fd = -1;
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct SockaddrNl
    {
        public ushort Family;
        public ushort Pad;
        public uint Pid;
        public uint Groups;
    }

    private struct Timeval
    {
        public long Seconds;
        public long Micros;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int bind(int fd, SockaddrNl* address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int fd, int level, int name, void* value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendto(int fd, void* data, nint length, int flags, SockaddrNl* to, int toLength);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(int fd, void* data, nint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);
}
