using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>
/// A non-blocking UDP socket over IPv4 or IPv6 (the family of the address it is bound to): no allocation and no
/// exception on its data path, see udp(7), ip(7) and ipv6(7).
/// </summary>
public sealed unsafe partial class UdpSocket : IDisposable
{
    private const int EAgain = 11;
    private const int EIntr = 4;
    private const int Inet = 2;
    private const int Inet6 = 10;
    private const int MaxAddress = 28;

    // udp(7): the level, and the options for many datagrams in one call.
    private const int SolUdp = 17, UdpSegment = 103, UdpGro = 104;

    private readonly bool _v6;
    private bool _sendsSegments;

    private UdpSocket(int fd, bool v6)
    {
        Fd = fd;
        _v6 = v6;
    }

    /// <summary>Descriptor, for an event loop; -1 when closed.</summary>
    public int Fd { get; private set; }

    /// <summary>Of IPv6; else of IPv4.</summary>
    public bool IsV6 => _v6;

    /// <summary>Opens and binds. Throws <see cref="LinuxException"/>.</summary>
    /// <param name="receiveBuffer">SO_RCVBUF, bytes; the kernel may give less.</param>
    /// <param name="reuseAddress">Others on this host may bind the same.</param>
    public static UdpSocket Open(UdpEndpoint bind, int receiveBuffer, bool reuseAddress)
    {
        bool v6 = bind.Address.IsV6;
        var socket = new UdpSocket(Check(socket_(v6 ? Inet6 : Inet, 2 | 0x800 | 0x80000, 0), "socket"), v6);
        try
        {
            socket.SetInt(1, 8, receiveBuffer);
            socket.SetInt(1, 7, receiveBuffer);

            // SO_RCVBUFFORCE, SO_SNDBUFFORCE: beyond rmem_max and wmem_max, where this process may.
            _ = setsockopt(socket.Fd, 1, 33, &receiveBuffer, 4);
            _ = setsockopt(socket.Fd, 1, 32, &receiveBuffer, 4);
            if (reuseAddress)
            {
                socket.SetInt(1, 2, 1);
            }

            if (v6)
            {
                socket.SetInt(41, 26, 1); // IPV6_V6ONLY: an IPv4 link may have the same port
            }

            byte* address = stackalloc byte[MaxAddress];
            int length = Write(bind, address);
            Check(bind_(socket.Fd, address, length), "bind");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Joins an IPv4 multicast group on the interface that has the local address (IP_ADD_MEMBERSHIP).</summary>
    public void JoinGroup(uint group, uint local)
    {
        uint* request = stackalloc uint[2] { Swap(group), Swap(local) };
        Check(setsockopt(Fd, 0, 35, request, 8), "setsockopt IP_ADD_MEMBERSHIP");
    }

    /// <summary>Joins an IPv6 multicast group on an interface (IPV6_JOIN_GROUP).</summary>
    public void JoinGroup6(UdpAddress group, uint interfaceIndex)
    {
        byte* request = stackalloc byte[20];
        group.Write(new Span<byte>(request, 16));
        *(uint*)(request + 16) = interfaceIndex;
        Check(setsockopt(Fd, 41, 20, request, 20), "setsockopt IPV6_JOIN_GROUP");
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

    /// <summary>The same over IPv6: interface by its index, hop limit.</summary>
    public void SetMulticast6(uint interfaceIndex, int hops, bool loop)
    {
        SetInt(41, 17, (int)interfaceIndex);
        SetInt(41, 18, hops);
        SetInt(41, 19, loop ? 1 : 0);
    }

    /// <summary>This host's broadcast address may be sent to (SO_BROADCAST).</summary>
    public void AllowBroadcast() => SetInt(1, 6, 1);

    /// <summary>
    /// Whether datagrams that follow may be cut into pieces on their way (the default here: what the path no longer
    /// takes whole still arrives), or are sent with "don't fragment" and without the kernel's memory of the path's
    /// MTU, to measure it (IP_PMTUDISC_PROBE).
    /// </summary>
    public void SetFragmentation(bool allowed)
    {
        int value = allowed ? 0 : 3;
        _ = _v6 ? setsockopt(Fd, 41, 23, &value, 4) : setsockopt(Fd, 0, 10, &value, 4);
    }

    /// <summary>Datagrams of one call of <see cref="SendSegments"/>, and their bytes, at most.</summary>
    public const int MaxSegments = 64, MaxSegmentBytes = 65000;

    /// <summary>
    /// From now on many datagrams may pass in one call, each way, where the kernel can do that (UDP_SEGMENT, Linux
    /// 4.18; UDP_GRO, 5.0). Use <see cref="Receive(Span{byte}, out UdpEndpoint, out int)"/> then.
    /// </summary>
    public void UseSegments()
    {
        // An older kernel would pass over the request at each send, and send all as one datagram: it is asked before.
        int none = 0, yes = 1;
        _sendsSegments = setsockopt(Fd, SolUdp, UdpSegment, &none, 4) == 0;
        _ = setsockopt(Fd, SolUdp, UdpGro, &yes, 4);
    }

    /// <summary>
    /// Sends datagrams that lie one after another, all of one size but the last, which may be shorter; 0 or the
    /// errno(3) of the failure. Where they cannot leave in one call (no such kernel, or the size does not pass the
    /// interface whole) each goes by its own.
    /// </summary>
    /// <param name="datagrams">At most <see cref="MaxSegments"/> and <see cref="MaxSegmentBytes"/>.</param>
    /// <param name="size">Bytes of each.</param>
    public int SendSegments(ReadOnlySpan<byte> datagrams, int size, UdpEndpoint to)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size);
        if (_sendsSegments && datagrams.Length > size && TrySendSegments(datagrams, size, to))
        {
            return 0;
        }

        int failure = 0;
        for (; !datagrams.IsEmpty; datagrams = datagrams[Math.Min(size, datagrams.Length)..])
        {
            int errno = Send(datagrams[..Math.Min(size, datagrams.Length)], to);
            failure = errno == 0 ? failure : errno;
        }

        return failure;
    }

    /// <summary>
    /// The next datagrams' length together, or -1 when none waits: one, or several of one sender and one size that the
    /// kernel put together. Errors of earlier sends are passed over.
    /// </summary>
    /// <param name="into">65535 bytes, or what does not fit is lost.</param>
    /// <param name="size">Bytes of each datagram; the last may be shorter.</param>
    public int Receive(Span<byte> into, out UdpEndpoint from, out int size)
    {
        byte* address = stackalloc byte[MaxAddress];
        ControlMessage control = default;
        fixed (byte* p = into)
        {
            IoVector vector = new() { Base = p, Length = into.Length };
            for (int attempt = 0; attempt < 16; attempt++)
            {
                MessageHeader message = new()
                {
                    Name = address, NameLength = MaxAddress, Vectors = &vector, VectorCount = 1, Control = &control,
                    ControlLength = sizeof(ControlMessage),
                };
                nint n = recvmsg(Fd, &message, 0);
                if (n >= 0)
                {
                    from = Read(address);
                    bool many = message.ControlLength >= ControlMessage.LengthOfInt && control.Level == SolUdp
                        && control.Type == UdpGro && control.Value > 0;
                    size = many ? control.Value : (int)n;
                    return (int)n;
                }

                if (Marshal.GetLastPInvokeError() == EAgain)
                {
                    break;
                }
            }
        }

        from = default;
        size = 0;
        return -1;
    }

    /// <summary>The next datagram's length, or -1 when none waits. Errors of earlier sends are passed over.</summary>
    public int Receive(Span<byte> into, out UdpEndpoint from)
    {
        byte* address = stackalloc byte[MaxAddress];
        for (int attempt = 0; attempt < 16; attempt++)
        {
            int length = MaxAddress;
            fixed (byte* p = into)
            {
                nint n = recvfrom(Fd, p, into.Length, 0, address, &length);
                if (n >= 0)
                {
                    from = Read(address);
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
        byte* address = stackalloc byte[MaxAddress];
        int length = Write(to, address);
        fixed (byte* p = datagram)
        {
            while (true)
            {
                if (sendto(Fd, p, datagram.Length, 0, address, length) >= 0)
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

    private bool TrySendSegments(ReadOnlySpan<byte> datagrams, int size, UdpEndpoint to)
    {
        byte* address = stackalloc byte[MaxAddress];
        ControlMessage control = new()
        {
            Length = ControlMessage.LengthOfShort, Level = SolUdp, Type = UdpSegment, Value = (ushort)size,
        };
        fixed (byte* p = datagrams)
        {
            IoVector vector = new() { Base = p, Length = datagrams.Length };
            MessageHeader message = new()
            {
                Name = address, NameLength = Write(to, address), Vectors = &vector, VectorCount = 1, Control = &control,
                ControlLength = sizeof(ControlMessage),
            };
            nint n;
            while ((n = sendmsg(Fd, &message, 0)) < 0 && Marshal.GetLastPInvokeError() == EIntr)
            {
            }

            return n >= 0;
        }
    }

    private void SetInt(int level, int option, int value) => Check(setsockopt(Fd, level, option, &value, 4),
        $"setsockopt {level}/{option}");

    private static uint Swap(uint v) => BinaryPrimitives.ReverseEndianness(v);

    private static int Check(int rc, string call) => rc >= 0 ? rc : throw new LinuxException(call,
        Marshal.GetLastPInvokeError());

    // struct sockaddr_in: family:2 port:2 address:4 zero:8; struct sockaddr_in6: family:2 port:2 flow:4 address:16 scope:4.
    private static int Write(UdpEndpoint e, byte* to)
    {
        new Span<byte>(to, MaxAddress).Clear();
        *(ushort*)to = (ushort)(e.Address.IsV6 ? Inet6 : Inet);
        *(ushort*)(to + 2) = BinaryPrimitives.ReverseEndianness(e.Port);
        e.Address.Write(new Span<byte>(to + (e.Address.IsV6 ? 8 : 4), 16));
        if (e.Address.IsV6)
        {
            *(uint*)(to + 24) = e.Address.Scope;
        }

        return e.Address.IsV6 ? 28 : 16;
    }

    private static UdpEndpoint Read(byte* from)
    {
        ushort port = BinaryPrimitives.ReverseEndianness(*(ushort*)(from + 2));
        return *(ushort*)from == Inet6
            ? new UdpEndpoint(new UdpAddress(
                BinaryPrimitives.ReadUInt128BigEndian(new ReadOnlySpan<byte>(from + 8, 16)), true, *(uint*)(from + 24)),
                port)
            : new UdpEndpoint(UdpAddress.V4(Swap(*(uint*)(from + 4))), port);
    }

    private struct IoVector
    {
        public byte* Base;
        public nint Length;
    }

    // struct msghdr of recvmsg(2).
    private struct MessageHeader
    {
        public byte* Name;
        public int NameLength;
        public IoVector* Vectors;
        public nint VectorCount;
        public void* Control;
        public nint ControlLength;
        public int Flags;
    }

    // struct cmsghdr of cmsg(3) with room for one number.
    private struct ControlMessage
    {
        public const int LengthOfShort = 18, LengthOfInt = 20;

        public nint Length;
        public int Level;
        public int Type;
        public int Value;
        public int Padding;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int socket_(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    private static partial int bind_(int fd, byte* address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int fd, int level, int option, void* value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvfrom(int fd, void* buffer, nint length, int flags, byte* from, int* fromLength);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendto(int fd, void* buffer, nint length, int flags, byte* to, int toLength);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);
}
