using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Numerics;
using System.Text;

namespace Buoy.Balancer.Engine;

/// <summary>What goes behind the addresses of a version 2 header (<c>proxy-v2-options</c>).</summary>
[Flags]
internal enum ProxyHeaderOptions
{
    None = 0,
    Crc32C = 1,
    UniqueId = 2,

    /// <summary>Fields of the client's TLS connection: always those of none.</summary>
    Ssl = 4,

    /// <summary>Name from the client's TLS connection: there is never one.</summary>
    Authority = 8,
}

/// <summary>Makes headers of the PROXY protocol for servers.</summary>
internal static class ProxyProtocolWriter
{
    /// <summary>Longest header: IPv6 addresses, checksum, an id, TLS fields.</summary>
    public const int Longest = 512;

    private const int MostId = 128;

    /// <summary>A line of version 1; without addresses it is UNKNOWN.</summary>
    public static int WriteLine(Span<byte> into, IPEndPoint? source, IPEndPoint? destination)
    {
        if (source is null || destination is null)
        {
            "PROXY UNKNOWN\r\n"u8.CopyTo(into);
            return 15;
        }

        bool six = source.AddressFamily == AddressFamily.InterNetworkV6 || destination.AddressFamily == AddressFamily.InterNetworkV6;
        string line = string.Create(CultureInfo.InvariantCulture, $"PROXY TCP{(six ? 6 : 4)} {Text(source.Address, six)} "
            + $"{Text(destination.Address, six)} {source.Port} {destination.Port}\r\n");
        return Encoding.ASCII.GetBytes(line, into);
    }

    /// <summary>A header of version 2; without addresses it is LOCAL.</summary>
    public static int WriteBinary(
        Span<byte> into, IPEndPoint? source, IPEndPoint? destination, ProxyHeaderOptions options, string? uniqueId)
    {
        "\r\n\r\n\0\r\nQUIT\n"u8.CopyTo(into);
        int at = 16;
        if (source is null || destination is null)
        {
            (into[12], into[13]) = (0x20, 0);
        }
        else
        {
            bool six = source.AddressFamily == AddressFamily.InterNetworkV6
                || destination.AddressFamily == AddressFamily.InterNetworkV6;
            (into[12], into[13]) = (0x21, (byte)(six ? 0x21 : 0x11));
            at += Bytes(source.Address, six, into[at..]);
            at += Bytes(destination.Address, six, into[at..]);
            BinaryPrimitives.WriteUInt16BigEndian(into[at..], (ushort)source.Port);
            BinaryPrimitives.WriteUInt16BigEndian(into[(at + 2)..], (ushort)destination.Port);
            at += 4;
        }

        int crc = 0;
        if ((options & ProxyHeaderOptions.Crc32C) != 0)
        {
            crc = at + 3;
            at += Value(into[at..], 3, [0, 0, 0, 0]);
        }

        if ((options & ProxyHeaderOptions.UniqueId) != 0 && uniqueId is not null)
        {
            byte[] id = Encoding.Latin1.GetBytes(uniqueId);
            at += Value(into[at..], 5, id.AsSpan(0, Math.Min(id.Length, MostId)));
        }

        if ((options & ProxyHeaderOptions.Ssl) != 0)
        {
            at += Value(into[at..], 0x20, [0, 0, 0, 0, 0]);
        }

        BinaryPrimitives.WriteUInt16BigEndian(into[14..], (ushort)(at - 16));
        if (crc > 0)
        {
            BinaryPrimitives.WriteUInt32BigEndian(into[crc..], Crc32C.Of(into[..at], 0, default));
        }

        return at;
    }

    private static int Value(Span<byte> into, byte type, ReadOnlySpan<byte> value)
    {
        into[0] = type;
        BinaryPrimitives.WriteUInt16BigEndian(into[1..], (ushort)value.Length);
        value.CopyTo(into[3..]);
        return 3 + value.Length;
    }

    private static IPAddress Wide(IPAddress address, bool six) =>
        six && address.AddressFamily == AddressFamily.InterNetwork ? address.MapToIPv6() : address;

    private static string Text(IPAddress address, bool six) => Wide(address, six).ToString();

    private static int Bytes(IPAddress address, bool six, Span<byte> into) =>
        Wide(address, six).TryWriteBytes(into, out int n) ? n : 0;
}

/// <summary>CRC-32C (Castagnoli), RFC 4960 appendix B.</summary>
internal static class Crc32C
{
    /// <summary>The checksum of the parts with that many zero bytes between them.</summary>
    public static uint Of(ReadOnlySpan<byte> before, int zeros, ReadOnlySpan<byte> after)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in before)
        {
            crc = BitOperations.Crc32C(crc, b);
        }

        for (int i = 0; i < zeros; i++)
        {
            crc = BitOperations.Crc32C(crc, (byte)0);
        }

        foreach (byte b in after)
        {
            crc = BitOperations.Crc32C(crc, b);
        }

        return ~crc;
    }
}
