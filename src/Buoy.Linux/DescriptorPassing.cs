using System.Runtime.InteropServices;
using System.Text;

namespace Buoy.Linux;

/// <summary>
/// Descriptors on their way between processes (unix(7), SCM_RIGHTS), and what a listening socket that came from another
/// process says about itself. Calls return a negated errno(3) where a failure is everyday.
/// </summary>
public static unsafe partial class DescriptorPassing
{
    /// <summary>Descriptors per message: the kernel's SCM_MAX_FD is 253.</summary>
    public const int MaxPerMessage = 252;

    private const int Unix = 1, Stream = 1, CloseOnExec = 0x80000, NoSignal = 0x4000, CmsgCloseOnExec = 0x40000000;
    private const int WaitAll = 0x100, SolSocket = 1, Rights = 1, ReceiveTimeout = 20, AcceptConn = 30, BindToDevice = 25;
    private const int SocketType = 3;

    /// <summary>sizeof(struct cmsghdr): length, level, type.</summary>
    private const int ControlHead = 16;

    /// <summary>A pair of connected stream sockets that children do not inherit. Throws <see cref="LinuxException"/>.</summary>
    public static (int One, int Other) SocketPair()
    {
        int* ends = stackalloc int[2];
        return socketpair(Unix, Stream | CloseOnExec, 0, ends) == 0 ? (ends[0], ends[1])
            : throw new LinuxException("socketpair", Marshal.GetLastPInvokeError());
    }

    /// <summary>Sends bytes and, with their first one, up to <see cref="MaxPerMessage"/> descriptors.</summary>
    /// <returns>Bytes sent, or a negated errno.</returns>
    public static int Send(int fd, ReadOnlySpan<byte> data, ReadOnlySpan<int> descriptors)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(descriptors.Length, MaxPerMessage);
        int length = ControlHead + (descriptors.Length * sizeof(int)), space = (length + 7) & ~7;
        byte* control = stackalloc byte[space];
        new Span<byte>(control, space).Clear();
        *(nint*)control = length;
        *(int*)(control + 8) = SolSocket;
        *(int*)(control + 12) = Rights;
        descriptors.CopyTo(new Span<int>(control + ControlHead, descriptors.Length));
        fixed (byte* bytes = data)
        {
            Vector v = new() { Base = bytes, Length = data.Length };
            Message m = new() { Vectors = &v, VectorCount = 1 };
            if (descriptors.Length > 0)
            {
                m.Control = control;
                m.ControlLength = space;
            }

            nint n = sendmsg(fd, &m, NoSignal);
            return n >= 0 ? (int)n : -Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>Receives bytes and the descriptors that came with them, which children will not inherit.</summary>
    /// <param name="fd">The socket.</param>
    /// <param name="into">Where bytes go.</param>
    /// <param name="descriptors">Where descriptors are added.</param>
    /// <param name="all">Wait until <paramref name="into"/> is full.</param>
    /// <returns>Bytes received, 0 at the end, or a negated errno.</returns>
    public static int Receive(int fd, Span<byte> into, List<int> descriptors, bool all = false)
    {
        const int Space = ControlHead + ((MaxPerMessage + 1) * sizeof(int));
        byte* control = stackalloc byte[Space];
        fixed (byte* bytes = into)
        {
            Vector v = new() { Base = bytes, Length = into.Length };
            Message m = new() { Vectors = &v, VectorCount = 1, Control = control, ControlLength = Space };
            nint n = recvmsg(fd, &m, CmsgCloseOnExec | (all ? WaitAll : 0));
            if (n < 0)
            {
                return -Marshal.GetLastPInvokeError();
            }

            for (nint at = 0; at + ControlHead <= m.ControlLength;)
            {
                nint length = *(nint*)(control + at);
                if (length < ControlHead)
                {
                    break;
                }

                if (*(int*)(control + at + 8) == SolSocket && *(int*)(control + at + 12) == Rights)
                {
                    for (nint i = ControlHead; i + sizeof(int) <= length; i += sizeof(int))
                    {
                        descriptors.Add(*(int*)(control + at + i));
                    }
                }

                at += (length + 7) & ~(nint)7;
            }

            return (int)n;
        }
    }

    /// <summary>A receive that waits longer fails with EAGAIN. Milliseconds.</summary>
    public static void LimitReceive(int fd, int ms)
    {
        long* time = stackalloc long[2];
        time[0] = ms / 1000;
        time[1] = ms % 1000 * 1000;
        _ = setsockopt(fd, SolSocket, ReceiveTimeout, time, 16);
    }

    /// <summary>Lets children inherit a descriptor, or not. False: it is not open.</summary>
    public static bool SetInheritable(int fd, bool inheritable) => fcntl(fd, 2, inheritable ? 0 : 1) >= 0;

    /// <summary>A stream socket connected to a Unix path, which waits (blocking), or a negated errno.</summary>
    public static int ConnectUnix(string path)
    {
        byte[] name = Encoding.UTF8.GetBytes(path);
        byte* address = stackalloc byte[110];
        new Span<byte>(address, 110).Clear();
        if (name.Length > 107)
        {
            return -36;
        }

        *(ushort*)address = Unix;
        name.CopyTo(new Span<byte>(address + 2, 107));
        if (path.StartsWith('@'))
        {
            address[2] = 0;
        }

        int fd = socket(Unix, Stream | CloseOnExec, 0);
        if (fd >= 0 && connect(fd, address, 3 + name.Length) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            _ = close(fd);
            return -errno;
        }

        return fd >= 0 ? fd : -Marshal.GetLastPInvokeError();
    }

    /// <summary>The address that a socket is bound to, as the kernel writes it (struct sockaddr); empty: it is no socket.</summary>
    public static byte[] LocalAddress(int fd)
    {
        byte* address = stackalloc byte[128];
        int length = 128;
        return getsockname(fd, address, &length) < 0 ? [] : new ReadOnlySpan<byte>(address, Math.Min(length, 128)).ToArray();
    }

    /// <summary>Is it a stream socket?</summary>
    public static bool IsStream(int fd) => Option(fd, SocketType) == Stream;

    /// <summary>Is it listening?</summary>
    public static bool IsListening(int fd) => Option(fd, AcceptConn) == 1;

    /// <summary>The interface that it is bound to; empty = any.</summary>
    public static string BoundInterface(int fd)
    {
        byte* name = stackalloc byte[16];
        int length = 16;
        return getsockopt(fd, SolSocket, BindToDevice, name, &length) < 0 || length == 0 ? ""
            : Encoding.ASCII.GetString(name, length).TrimEnd('\0');
    }

    private static int Option(int fd, int option)
    {
        int value = 0, length = 4;
        return getsockopt(fd, SolSocket, option, &value, &length) < 0 ? -1 : value;
    }

    private struct Vector
    {
        public byte* Base;
        public nint Length;
    }

    private struct Message
    {
        public void* Name;
        public nint NameLength;
        public Vector* Vectors;
        public nint VectorCount;
        public byte* Control;
        public nint ControlLength;
        public nint Flags;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socketpair(int family, int type, int protocol, int* ends);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(int fd, Message* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvmsg(int fd, Message* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socket(int family, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int connect(int fd, byte* address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getsockname(int fd, byte* address, int* length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getsockopt(int fd, int level, int option, void* value, int* length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int fd, int level, int option, void* value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int fd, int command, int value);

    [LibraryImport("libc")]
    private static partial int close(int fd);
}
