using System.Buffers.Binary;
using System.Net;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <summary>sockaddr_in and sockaddr_in6, written and read.</summary>
internal static unsafe class Sockets
{
    private const int V4Length = 16;
    private const int V6Length = 28;

    /// <summary>Writes an address; returns its length.</summary>
    public static uint Write(IPAddress address, int port, SocketAddressBytes* into)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int n);
        fixed (byte* p = bytes)
        {
            uint length = Write(n == 4 ? AF_INET : AF_INET6, p, port, into);
            if (n == 16)
            {
                *(uint*)((byte*)into + 24) = (uint)address.ScopeId;
            }

            return length;
        }
    }

    /// <summary>Writes an address in network order; returns its length.</summary>
    public static uint Write(int family, byte* address, int port, SocketAddressBytes* into)
    {
        var p = (byte*)into;
        *into = default;
        *(ushort*)p = (ushort)family;
        BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(p + 2, 2), (ushort)port);
        if (family == AF_INET)
        {
            *(uint*)(p + 4) = *(uint*)address;
            return V4Length;
        }

        Buffer.MemoryCopy(address, p + 8, 16, 16);
        return V6Length;
    }

    /// <summary>The endpoint, IPv4 in IPv6 unmapped; null for a Unix socket.</summary>
    public static IPEndPoint? Read(SocketAddressBytes* address)
    {
        var p = (byte*)address;
        int port = BinaryPrimitives.ReadUInt16BigEndian(new ReadOnlySpan<byte>(p + 2, 2));
        switch (*(ushort*)p)
        {
            case AF_INET:
                return new IPEndPoint(new IPAddress(new ReadOnlySpan<byte>(p + 4, 4)), port);
            case AF_INET6:
                var a = new IPAddress(new ReadOnlySpan<byte>(p + 8, 16));
                return new IPEndPoint(a.IsIPv4MappedToIPv6 ? a.MapToIPv4() : a, port);
            default:
                return null;
        }
    }

    /// <summary>The local end of a socket.</summary>
    public static IPEndPoint? Local(int fd)
    {
        SocketAddressBytes address = default;
        uint length = (uint)sizeof(SocketAddressBytes);
        return getsockname(fd, &address, &length) == 0 ? Read(&address) : null;
    }

    /// <summary>The other end of a socket.</summary>
    public static IPEndPoint? Remote(int fd)
    {
        SocketAddressBytes address = default;
        uint length = (uint)sizeof(SocketAddressBytes);
        return getpeername(fd, &address, &length) == 0 ? Read(&address) : null;
    }

    /// <summary>The address in network order, 4 or 16 bytes; none for a Unix socket.</summary>
    public static ReadOnlySpan<byte> Bytes(SocketAddressBytes* address)
    {
        var p = (byte*)address;
        return *(ushort*)p switch
        {
            AF_INET => new ReadOnlySpan<byte>(p + 4, 4),
            AF_INET6 => new ReadOnlySpan<byte>(p + 8, 16),
            _ => default,
        };
    }
}
