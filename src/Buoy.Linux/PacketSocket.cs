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

    /// <summary>Receives one packet; -1 when there is none. A link that went down also reads as none.</summary>
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
    private static partial nint recv(int fd, void* data, nint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);
}
