using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;

namespace Buoy.Linux;

/// <summary>Which addresses a connection has.</summary>
public static unsafe partial class ControlSocket
{
    private const int LongestAddress = 28;

    /// <summary>getsockname(2); null where the socket has no IP address.</summary>
    public static IPEndPoint? LocalEndPoint(int fd)
    {
        byte* a = stackalloc byte[LongestAddress];
        int length = LongestAddress;
        return getsockname(fd, a, &length) < 0 ? null : EndPoint(new ReadOnlySpan<byte>(a, Math.Min(length, LongestAddress)));
    }

    /// <summary>getpeername(2); null where the socket has no IP address or no peer.</summary>
    public static IPEndPoint? RemoteEndPoint(int fd)
    {
        byte* a = stackalloc byte[LongestAddress];
        int length = LongestAddress;
        return getpeername(fd, a, &length) < 0 ? null : EndPoint(new ReadOnlySpan<byte>(a, Math.Min(length, LongestAddress)));
    }

    private static IPEndPoint? EndPoint(ReadOnlySpan<byte> a)
    {
        if (a.Length < 16)
        {
            return null;
        }

        int port = BinaryPrimitives.ReadUInt16BigEndian(a[2..]);
        return BinaryPrimitives.ReadUInt16LittleEndian(a) switch
        {
            2 => new IPEndPoint(new IPAddress(a.Slice(4, 4)), port),
            10 when a.Length >= LongestAddress => new IPEndPoint(new IPAddress(a.Slice(8, 16)), port),
            _ => null,
        };
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getsockname(int fd, byte* address, int* length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int getpeername(int fd, byte* address, int* length);
}
