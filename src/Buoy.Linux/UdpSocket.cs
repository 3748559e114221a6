using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>An IPv4 address (host byte order) and a port.</summary>
public readonly record struct UdpEndpoint(uint Address, ushort Port)
{
    /// <summary>Dotted notation and port.</summary>
    public override string ToString() => $"{Dotted(Address)}:{Port}";

    /// <summary>Dotted notation of an address in host byte order.</summary>
    public static string Dotted(uint a) => $"{a >> 24}.{(a >> 16) & 255}.{(a >> 8) & 255}.{a & 255}";
}

/// <summary>
/// A non-blocking IPv4 UDP socket: no allocation and no exception on its data path, see udp(7) and ip(7).
/// </summary>
public sealed unsafe partial class UdpSocket : IDisposable
{
    private const int EAgain = 11;
    private const int EIntr = 4;

    private UdpSocket(int fd) => Fd = fd;

    /// <summary>Descriptor, for an event loop; -1 when closed.</summary>
    public int Fd { get; private set; }

    /// <summary>Opens and binds. Throws <see cref="LinuxException"/>.</summary>
    /// <param name="receiveBuffer">SO_RCVBUF, bytes; the kernel may give less.</param>
    /// <param name="reuseAddress">Others on this host may bind the same.</param>
    public static UdpSocket Open(UdpEndpoint bind, int receiveBuffer, bool reuseAddress)
    {
        var socket = new UdpSocket(Check(socket_(2, 2 | 0x800 | 0x80000, 0), "socket"));
        try
        {
            socket.SetInt(1, 8, receiveBuffer);
            socket.SetInt(1, 7, receiveBuffer);
            if (reuseAddress)
            {
                socket.SetInt(1, 2, 1);
            }

            var address = SockAddr.Of(bind);
            Check(bind_(socket.Fd, &address, sizeof(SockAddr)), "bind");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Joins a multicast group on the interface that has the local address (IP_ADD_MEMBERSHIP).</summary>
    public void JoinGroup(uint group, uint local)
    {
        uint* request = stackalloc uint[2] { Swap(group), Swap(local) };
        Check(setsockopt(Fd, 0, 35, request, 8), "setsockopt IP_ADD_MEMBERSHIP");
    }

    /// <summary>
    /// How this socket's multicasts leave: interface by its address, TTL, and whether this host gets them too.
    /// </summary>
    public void SetMulticast(uint local, int ttl, bool loop)
    {
        uint address = Swap(local);
        Check(setsockopt(Fd, 0, 32, &address, 4), "setsockopt IP_MULTICAST_IF");
        SetInt(0, 33, ttl);
        SetInt(0, 34, loop ? 1 : 0);
    }

    /// <summary>The next datagram's length, or -1 when none waits. Errors of earlier sends are passed over.</summary>
    public int Receive(Span<byte> into, out UdpEndpoint from)
    {
        SockAddr address;
        for (int attempt = 0; attempt < 16; attempt++)
        {
            int length = sizeof(SockAddr);
            fixed (byte* p = into)
            {
                nint n = recvfrom(Fd, p, into.Length, 0, &address, &length);
                if (n >= 0)
                {
                    from = address.Endpoint;
                    return (int)n;
                }
            }

            int errno = Marshal.GetLastPInvokeError();
            if (errno == EAgain)
            {
                break;
            }
        }

        from = default;
        return -1;
    }

    /// <summary>Sends a datagram; 0 or the errno(3) of the failure.</summary>
    public int Send(ReadOnlySpan<byte> datagram, UdpEndpoint to)
    {
        var address = SockAddr.Of(to);
        fixed (byte* p = datagram)
        {
            while (true)
            {
                if (sendto(Fd, p, datagram.Length, 0, &address, sizeof(SockAddr)) >= 0)
                {
                    return 0;
                }

                int errno = Marshal.GetLastPInvokeError();
                if (errno != EIntr)
                {
                    return errno;
                }
            }
        }
    }

    /// <summary>Closes it.</summary>
    public void Dispose()
    {
        if (Fd >= 0)
        {
            _ = close(Fd);
            Fd = -1;
        }
    }

    private void SetInt(int level, int option, int value) => Check(setsockopt(Fd, level, option, &value, 4),
        $"setsockopt {level}/{option}");

    private static uint Swap(uint v) => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(v);

    private static int Check(int rc, string call) => rc >= 0 ? rc : throw new LinuxException(call,
        Marshal.GetLastPInvokeError());

    [StructLayout(LayoutKind.Sequential)]
    private struct SockAddr
    {
        private ushort _family;
        private ushort _port;
        private uint _address;
        private ulong _zero;

        public readonly UdpEndpoint Endpoint =>
            new(Swap(_address), System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(_port));

        public static SockAddr Of(UdpEndpoint e) => new()
        {
            _family = 2, _port = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(e.Port),
                _address = Swap(e.Address), _zero = 0,
        };
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int socket_(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    private static partial int bind_(int fd, SockAddr* address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int fd, int level, int option, void* value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvfrom(int fd, void* buffer, nint length, int flags, SockAddr* from, int* fromLength);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendto(int fd, void* buffer, nint length, int flags, SockAddr* to, int toLength);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);
}
