using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace Buoy.Linux;

/// <summary>
/// The sockets of the balancer's control plane: non-blocking, by descriptor, without the runtime's own socket engine,
/// so that
/// they live on an <see cref="EventLoop"/>. Calls return a negated errno(3) instead of throwing where a failure is
/// everyday.
/// </summary>
public static unsafe partial class ControlSocket
{
    /// <summary>errno values that callers tell apart.</summary>
    public const int EAgain = 11, EInProgress = 115, EConnRefused = 111, ENotConn = 107, EInvalid = 22, EIntr = 4;

    private const int CloExec = 0x80000, NonBlock = 0x800, NoSignal = 0x4000, DontWait = 0x40;

    /// <summary>A TCP connection attempt; the result arrives as writability, then <see cref="ConnectError"/>.</summary>
    /// <returns>The descriptor, or a negated errno when it failed at once.</returns>
    public static int ConnectTcp(IPEndPoint to)
    {
        int fd = Open(to.AddressFamily, 1);
        if (fd < 0)
        {
            return fd;
        }

        Set(fd, 6, 1, 1);
        var address = Sockaddr(to);
        fixed (byte* a = address)
        {
            if (connect(fd, a, address.Length) < 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                if (errno != EInProgress)
                {
                    _ = close(fd);
                    return -errno;
                }
            }
        }

        return fd;
    }

    /// <summary>Makes the coming close a reset that leaves no TIME_WAIT behind.</summary>
    public static void ResetOnClose(int fd)
    {
        long linger = 1;
        _ = setsockopt(fd, 1, 13, &linger, 8);
    }

    /// <summary>Outcome of a connection attempt: 0 or an errno.</summary>
    public static int ConnectError(int fd)
    {
        int error = 0, length = 4;
        return getsockopt(fd, 1, 4, &error, &length) < 0 ? Marshal.GetLastPInvokeError() : error;
    }

    /// <summary>A connected UDP socket, or a negated errno.</summary>
    public static int ConnectUdp(IPEndPoint to) => ConnectDatagram(to.AddressFamily, Sockaddr(to));

    /// <summary>A Unix datagram socket connected to <paramref name="path"/>, or a negated errno.</summary>
    public static int ConnectUnixDatagram(string path) => ConnectDatagram(AddressFamily.Unix, UnixAddress(path));

    /// <summary>A stream socket connected to a Unix path, or to an abstract name behind a NUL; a negated errno.</summary>
    public static int ConnectUnix(string path)
    {
        int fd = Open(AddressFamily.Unix, 1);
        return fd < 0 ? fd : ConnectUnix(fd, path);
    }

    private static int ConnectUnix(int fd, string path)
    {
        byte[] address = UnixAddress(path);
        fixed (byte* p = address)
        {
            if (connect(fd, p, address.Length) == 0)
            {
                return fd;
            }
        }

        int errno = Marshal.GetLastPInvokeError();
        _ = close(fd);
        return -errno;
    }

    /// <summary>A listening TCP socket, or a negated errno.</summary>
    public static int ListenTcp(IPEndPoint at, int backlog)
    {
        int fd = Open(at.AddressFamily, 1);
        if (fd >= 0)
        {
            Set(fd, 1, 2, 1);
            Set(fd, 1, 15, 1);
        }

        return fd < 0 ? fd : BindListen(fd, Sockaddr(at), backlog);
    }

    /// <summary>A listening Unix stream socket at <paramref name="path"/> (which must not exist), or a negated
    /// errno.</summary>
    public static int ListenUnix(string path, int backlog)
    {
        if (Encoding.UTF8.GetByteCount(path) > 107)
        {
            return -36;
        }

        int fd = Open(AddressFamily.Unix, 1);
        return fd < 0 ? fd : BindListen(fd, UnixAddress(path), backlog);
    }

    /// <summary>A new client, non-blocking, or a negated errno.</summary>
    public static int Accept(int listener)
    {
        int fd = accept4(listener, null, null, CloExec | NonBlock);
        return fd >= 0 ? fd : -Marshal.GetLastPInvokeError();
    }

    /// <summary>Bytes received, 0 at the end, or a negated errno.</summary>
    public static int Receive(int fd, Span<byte> into)
    {
        fixed (byte* b = into)
        {
            nint n = recv(fd, b, into.Length, DontWait);
            return n >= 0 ? (int)n : -Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>Bytes sent, or a negated errno; never waits, raises no SIGPIPE.</summary>
    public static int Send(int fd, ReadOnlySpan<byte> data)
    {
        fixed (byte* b = data)
        {
            nint n = send(fd, b, data.Length, NoSignal | DontWait);
            return n >= 0 ? (int)n : -Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>
    /// write(2) to a descriptor that may be a pipe, a terminal or a file, only if it is ready: -EAGAIN where it is
    /// not. A line of
    /// at most PIPE_BUF bytes does not block then.
    /// </summary>
    public static int WriteIfReady(int fd, ReadOnlySpan<byte> data)
    {
        PollFd p = new() { Fd = fd, Events = 4 };
        int ready = poll(&p, 1, 0);
        if (ready <= 0)
        {
            return -EAgain;
        }

        fixed (byte* b = data)
        {
            nint n = write(fd, b, data.Length);
            return n >= 0 ? (int)n : -Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>No more output from our side: shutdown(SHUT_WR).</summary>
    public static void ShutdownWrite(int fd) => _ = shutdown(fd, 1);

    /// <summary>close(2).</summary>
    public static void Close(int fd) => _ = close(fd);

    /// <summary>Makes an inherited descriptor non-blocking and not inherited further. 0 or a negated errno.</summary>
    public static int Adopt(int fd)
    {
        int flags = fcntl(fd, 3, 0);
        if (flags < 0)
        {
            return -Marshal.GetLastPInvokeError();
        }

        _ = fcntl(fd, 4, flags | NonBlock);
        _ = fcntl(fd, 2, 1);
        return 0;
    }

    /// <summary>chmod(2); 0 or a negated errno.</summary>
    public static int ChangeMode(string path, int mode) =>
        chmod(path, (uint)mode) < 0 ? -Marshal.GetLastPInvokeError() : 0;

    /// <summary>chown(2), -1 leaves an id as it is; 0 or a negated errno.</summary>
    public static int ChangeOwner(string path, int uid, int gid) =>
        chown(path, uid, gid) < 0 ? -Marshal.GetLastPInvokeError() : 0;

    /// <summary>The limit of open descriptors (RLIMIT_NOFILE, soft).</summary>
    public static long DescriptorLimit()
    {
        long* limits = stackalloc long[2];
        return getrlimit(7, limits) < 0 ? 0 : limits[0];
    }

    /// <summary>strerror(3).</summary>
    public static string ErrorText(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    private static int ConnectDatagram(AddressFamily family, byte[] address)
    {
        int fd = Open(family, 2);
        if (fd < 0)
        {
            return fd;
        }

        fixed (byte* a = address)
        {
            if (connect(fd, a, address.Length) < 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                _ = close(fd);
                return -errno;
            }
        }

        return fd;
    }

    private static int BindListen(int fd, byte[] address, int backlog)
    {
        fixed (byte* a = address)
        {
            if (bind(fd, a, address.Length) < 0 || listen(fd, backlog) < 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                _ = close(fd);
                return -errno;
            }
        }

        return fd;
    }

    private static int Open(AddressFamily family, int type)
    {
        int af = family switch { AddressFamily.InterNetworkV6 => 10, AddressFamily.Unix => 1, _ => 2 };
        int fd = socket(af, type | CloExec | NonBlock, 0);
        return fd >= 0 ? fd : -Marshal.GetLastPInvokeError();
    }

    private static void Set(int fd, int level, int option, int value) => _ = setsockopt(fd, level, option, &value, 4);

    private static byte[] Sockaddr(IPEndPoint e)
    {
        bool v6 = e.AddressFamily == AddressFamily.InterNetworkV6;
        var a = new byte[v6 ? 28 : 16];
        BinaryPrimitives.WriteUInt16LittleEndian(a, (ushort)(v6 ? 10 : 2));
        BinaryPrimitives.WriteUInt16BigEndian(a.AsSpan(2), (ushort)e.Port);
        e.Address.TryWriteBytes(a.AsSpan(v6 ? 8 : 4), out _);
        if (v6)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(a.AsSpan(24), (uint)e.Address.ScopeId);
        }

        return a;
    }

    private static byte[] UnixAddress(string path)
    {
        // An abstract name is as long as the address can be, filled up with zeros, as the original writes it.
        int n = Encoding.UTF8.GetByteCount(path);
        var a = new byte[path.StartsWith('\0') ? 110 : n + 3];
        BinaryPrimitives.WriteUInt16LittleEndian(a, 1);
        Encoding.UTF8.GetBytes(path, a.AsSpan(2));
        return a;
    }

    private struct PollFd
    {
        public int Fd;
        public short Events;
        public short Returned;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socket(int family, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int connect(int fd, byte* address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int bind(int fd, byte* address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int listen(int fd, int backlog);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int accept4(int fd, void* address, int* length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(int fd, byte* into, nint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint send(int fd, byte* data, nint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int fd, byte* data, nint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(PollFd* fds, nuint count, int timeout);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getsockopt(int fd, int level, int option, void* value, int* length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int fd, int level, int option, void* value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int shutdown(int fd, int how);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int fd, int command, int argument);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chmod(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, int uid, int gid);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getrlimit(int resource, long* limits);
}
