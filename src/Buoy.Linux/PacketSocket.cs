using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>
/// A cooked packet socket (packet(7), SOCK_DGRAM) on one interface for one Ethernet protocol: the kernel writes and
/// strips the link header. Non-blocking.
/// </summary>
public sealed unsafe partial class PacketSocket : IDisposable
{
    /// <summary>Ethernet protocols (linux/if_ether.h).</summary>
    public const ushort ProtocolArp = 0x0806, ProtocolIPv6 = 0x86DD;

    private const int AfPacket = 17, SockDgram = 2, SockCloexec = 0x80000, SockNonblock = 0x800, Eagain = 11, Eintr = 4;
    private readonly int _interface;
    private readonly ushort _protocol;

    private PacketSocket(int fd, int index, ushort protocol) => (Fd, _interface, _protocol) = (fd, index, protocol);

    /// <summary>The descriptor, for an event loop.</summary>
    public int Fd { get; private set; }

    /// <summary>
    /// Opens it on interface <paramref name="index"/>. <paramref name="receive"/> false: it only sends.
    /// </summary>
    public static PacketSocket Open(int index, ushort protocol, bool receive)
    {
        int fd = socket(AfPacket, SockDgram | SockCloexec | SockNonblock, 0);
        if (fd < 0)
        {
            throw new LinuxException("socket(AF_PACKET)", Marshal.GetLastPInvokeError());
        }

        var result = new PacketSocket(fd, index, protocol);
        SockaddrLl address = result.Address(receive ? protocol : (ushort)0, default);
        if (bind(fd, &address, sizeof(SockaddrLl)) < 0)
        {
            int errno = Marshal.GetLastPInvokeError();
            result.Dispose();
            throw new LinuxException("bind(AF_PACKET)", errno);
        }

        return result;
    }

    /// <summary>
    /// Opens one that only sends, on whatever interface each packet names. One for all is better than many: each close
    /// of a packet socket costs its closer, or a child being spawned meanwhile, milliseconds.
    /// </summary>
    public static PacketSocket OpenSender(ushort protocol) => Open(0, protocol, receive: false);

    /// <summary>Sends a packet to a link address, on <paramref name="index"/> or else its own interface.
    /// Returns 0, or the errno(3) of a packet that could not go.</summary>
    public int Send(ReadOnlySpan<byte> packet, ReadOnlySpan<byte> destination, int index = 0)
    {
        SockaddrLl address = Address(_protocol, destination);
        address.Index = index != 0 ? index : _interface;
        fixed (byte* p = packet)
        {
            return sendto(Fd, p, packet.Length, 0, &address, sizeof(SockaddrLl)) < 0 ? Marshal.GetLastPInvokeError()
                : 0;
        }
    }

    /// <summary>
    /// Of IPv6 only neighbour solicitations and advertisements are received from now on; what else the interface
    /// carries stays in the kernel. Throws <see cref="LinuxException"/>.
    /// </summary>
    public void OnlyNeighbourDiscovery()
    {
        // Classic BPF (linux/filter.h), code | jt | jf | k: next header 58 at 6, ICMPv6 type 135 or 136 at 40.
        ulong* program = stackalloc ulong[]
        {
            Filter(0x30, 0, 0, 6), Filter(0x15, 0, 4, 58), Filter(0x30, 0, 0, 40), Filter(0x15, 1, 0, 135),
            Filter(0x15, 0, 1, 136), Filter(0x06, 0, 0, 0xFFFF), Filter(0x06, 0, 0, 0),
        };
        SockFprog attach = new() { Length = 7, Filter = program };
        Check(setsockopt(Fd, 1, 26, &attach, sizeof(SockFprog)), "setsockopt SO_ATTACH_FILTER");
    }

    /// <summary>The interface takes in what is sent to this group (PACKET_ADD_MEMBERSHIP), while the socket is open.
    /// Throws <see cref="LinuxException"/>.</summary>
    public void HearMulticast(ReadOnlySpan<byte> group)
    {
        PacketMreq request = new() { Index = _interface, Length = (ushort)Math.Min(group.Length, 8) };
        group[..request.Length].CopyTo(new Span<byte>(request.Address, 8));
        Check(setsockopt(Fd, 263, 1, &request, sizeof(PacketMreq)), "setsockopt PACKET_ADD_MEMBERSHIP");
    }

    /// <summary>Receives one packet; -1 when there is none. A link that went down also reads as none.</summary>
    public int Receive(Span<byte> buffer) => Receive(buffer, out _);

    /// <summary>The same with the sender's link address as a number (Ethernet's six bytes).</summary>
    public int Receive(Span<byte> buffer, out ulong from)
    {
        SockaddrLl sender = default;
        while (true)
        {
            nint n;
            int length = sizeof(SockaddrLl);
            fixed (byte* p = buffer)
            {
                n = recvfrom(Fd, p, buffer.Length, 0, &sender, &length);
            }

            from = BinaryPrimitives.ReadUInt64BigEndian(new ReadOnlySpan<byte>(sender.Addr, 8)) >> 16;

            if (n >= 0)
            {
                return (int)n;
            }

            int errno = Marshal.GetLastPInvokeError();
            if (errno != Eintr)
            {
                return errno is Eagain or 100 ? -1 : throw new LinuxException("recv(AF_PACKET)", errno);
            }
        }
    }

    /// <summary>
    /// Closes it on another thread: the kernel makes the closer of a packet socket wait until every processor has let
    /// go of it (15 ms measured), which is longer than a whole takeover of an address.
    /// </summary>
    public void Dispose()
    {
        if (Fd >= 0)
        {
            int fd = Fd;
            Fd = -1;
            ThreadPool.UnsafeQueueUserWorkItem(static f => _ = close(f), fd, preferLocal: false);
        }
    }

    private SockaddrLl Address(ushort protocol, ReadOnlySpan<byte> link)
    {
        SockaddrLl a = new()
        {
            Family = AfPacket,
            Protocol = BinaryPrimitives.ReverseEndianness(protocol),
            Index = _interface,
            Halen = (byte)Math.Min(link.Length, 8),
        };
        link[..a.Halen].CopyTo(new Span<byte>(a.Addr, 8));
        return a;
    }

    private static ulong Filter(ushort code, byte yes, byte no, uint value) =>
        code | ((ulong)yes << 16) | ((ulong)no << 24) | ((ulong)value << 32);

    private static void Check(int result, string call)
    {
        if (result < 0)
        {
            throw new LinuxException(call, Marshal.GetLastPInvokeError());
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct SockFprog
    {
        public ushort Length;
        public ulong* Filter;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PacketMreq
    {
        public int Index;
        public ushort Type;
        public ushort Length;
        public fixed byte Address[8];
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct SockaddrLl
    {
        public ushort Family;
        public ushort Protocol;
        public int Index;
        public ushort Hatype;
        public byte Pkttype;
        public byte Halen;
        public fixed byte Addr[8];
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int bind(int fd, SockaddrLl* address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint sendto(int fd, void* data, nint length, int flags, SockaddrLl* to, int toLength);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recvfrom(
        int fd, void* data, nint length, int flags, SockaddrLl* from, int* fromLength);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int setsockopt(int fd, int level, int name, void* value, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);
}
