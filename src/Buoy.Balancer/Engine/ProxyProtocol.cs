using System.Buffers.Binary;
using System.Buffers.Text;
using System.Net;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <summary>What reading a PROXY header came to.</summary>
internal enum ProxyHeaderResult
{
    /// <summary>A header with addresses.</summary>
    Addresses,

    /// <summary>A header that leaves the connection's own addresses: LOCAL, UNKNOWN.</summary>
    Own,

    /// <summary>Not all of it is there: the sender must send it at once (PROXY protocol 2).</summary>
    Truncated,

    /// <summary>It does not begin as one.</summary>
    NotOne,
    Invalid,

    /// <summary>Version 1: neither TCP4, TCP6 nor UNKNOWN.</summary>
    UnhandledProtocol,
}

/// <summary>
/// Reads the header of the PROXY protocol, versions 1 and 2, that stands before all else on a connection. Pure; bounded by
/// what is given.
/// </summary>
internal static unsafe class ProxyProtocol
{
    /// <summary>Longest header that is read: addresses of version 2 with any values behind them.</summary>
    public const int Longest = 16 + 65535;

    /// <summary>Longest line of version 1.</summary>
    private const int LongestLine = 107;

    private const int Fixed = 16;
    private const byte Crc = 3;

    private static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    /// <summary>Reads a header; <paramref name="length"/> is its length where it is good.</summary>
    public static ProxyHeaderResult Read(
        ReadOnlySpan<byte> data, out int length, out SocketAddressBytes source, out SocketAddressBytes destination)
    {
        length = 0;
        source = destination = default;
        if (Starts(data, "PROXY "u8))
        {
            return data.Length < 6 ? ProxyHeaderResult.Truncated : Line(data, out length, ref source, ref destination);
        }

        if (!Starts(data, Signature))
        {
            return ProxyHeaderResult.NotOne;
        }

        return data.Length < Fixed ? ProxyHeaderResult.Truncated : Binary(data, out length, ref source, ref destination);
    }

    private static bool Starts(ReadOnlySpan<byte> data, ReadOnlySpan<byte> with)
    {
        int n = Math.Min(data.Length, with.Length);
        return data[..n].SequenceEqual(with[..n]);
    }

    private static ProxyHeaderResult Line(
        ReadOnlySpan<byte> data, out int length, ref SocketAddressBytes source, ref SocketAddressBytes destination)
    {
        length = 0;
        int end = data[..Math.Min(data.Length, LongestLine)].IndexOf((byte)'\r');
        var words = data[6..(end < 0 ? Math.Min(data.Length, LongestLine) : end)];
        if (words.StartsWith("TCP4 "u8) || words.StartsWith("TCP6 "u8))
        {
            if (end < 0)
            {
                return data.Length < LongestLine && !words.Contains((byte)'\n')
                    ? ProxyHeaderResult.Truncated : ProxyHeaderResult.Invalid;
            }

            bool six = words[3] == '6';
            if (!Tcp(words[5..], six, ref source, ref destination))
            {
                return ProxyHeaderResult.Invalid;
            }
        }
        else if (!words.SequenceEqual("UNKNOWN"u8))
        {
            bool begun = end < 0 && data.Length < LongestLine
                && (Starts(words, "TCP4 "u8) || Starts(words, "TCP6 "u8) || Starts(words, "UNKNOWN"u8));
            return begun ? ProxyHeaderResult.Truncated : ProxyHeaderResult.UnhandledProtocol;
        }

        if (end < 0 || end + 1 >= data.Length)
        {
            return ProxyHeaderResult.Truncated;
        }

        if (data[end + 1] != '\n')
        {
            return ProxyHeaderResult.Invalid;
        }

        length = end + 2;
        return *(ushort*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref source) != 0
            ? ProxyHeaderResult.Addresses : ProxyHeaderResult.Own;
    }

    /// <summary><c>SOURCE DESTINATION PORT PORT</c>, one space between them.</summary>
    private static bool Tcp(
        ReadOnlySpan<byte> text, bool six, ref SocketAddressBytes source, ref SocketAddressBytes destination)
    {
        Span<Range> parts = stackalloc Range[4];
        int count = 0;
        foreach (var range in text.Split((byte)' '))
        {
            if (count == parts.Length)
            {
                return false;
            }

            parts[count++] = range;
        }

        if (count != parts.Length || !Address(text[parts[0]], six, out var from) || !Address(text[parts[1]], six, out var to)
            || !Port(text[parts[2]], out int fromPort) || !Port(text[parts[3]], out int toPort))
        {
            return false;
        }

        fixed (SocketAddressBytes* s = &source, d = &destination)
        {
            Sockets.Write(from, fromPort, s);
            Sockets.Write(to, toPort, d);
        }

        return true;
    }

    private static bool Address(ReadOnlySpan<byte> text, bool six, out IPAddress address)
    {
        address = IPAddress.Any;
        if (text.IsEmpty || text.Contains((byte)':') != six || text.Contains((byte)'%') || text.Contains((byte)'['))
        {
            return false;
        }

        if (six)
        {
            return IPAddress.TryParse(text, out address!);
        }

        // As the original reads it: numbers that are missing at the end are 0.
        uint value = 0;
        int count = 0;
        foreach (var range in text.Split((byte)'.'))
        {
            if (++count > 4 || !Utf8Parser.TryParse(text[range], out byte part, out int used) || used != text[range].Length)
            {
                return false;
            }

            value |= (uint)part << (32 - (8 * count));
        }

        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        address = new IPAddress(bytes);
        return true;
    }

    /// <summary>Digits; a number beyond 65535 is cut to 16 bits, as in the original.</summary>
    private static bool Port(ReadOnlySpan<byte> text, out int port)
    {
        bool good = Utf8Parser.TryParse(text, out uint n, out int used) && used == text.Length;
        port = (ushort)n;
        return good;
    }

    private static ProxyHeaderResult Binary(
        ReadOnlySpan<byte> data, out int length, ref SocketAddressBytes source, ref SocketAddressBytes destination)
    {
        const int Version = 0x20;
        length = 0;
        if ((data[12] & 0xF0) != Version)
        {
            return ProxyHeaderResult.NotOne;
        }

        int size = Fixed + BinaryPrimitives.ReadUInt16BigEndian(data[14..]);
        if (size > data.Length)
        {
            return ProxyHeaderResult.Truncated;
        }

        int command = data[12] & 0xF;
        if (command == 0)
        {
            length = size;
            return ProxyHeaderResult.Own;
        }

        int width = data[13] switch { 0x11 => 4, 0x21 => 16, _ => 0 };
        int values = Fixed + (2 * width) + 4;
        if (command != 1 || width == 0 || size < values || !Values(data[..size], values))
        {
            return ProxyHeaderResult.Invalid;
        }

        int family = width == 4 ? AF_INET : AF_INET6;
        fixed (byte* p = data)
        fixed (SocketAddressBytes* s = &source, d = &destination)
        {
            byte* ports = p + Fixed + (2 * width);
            Sockets.Write(family, p + Fixed, (ports[0] << 8) | ports[1], s);
            Sockets.Write(family, p + Fixed + width, (ports[2] << 8) | ports[3], d);
        }

        length = size;
        return ProxyHeaderResult.Addresses;
    }

    /// <summary>Type, length, value up to the end; a checksum must be right.</summary>
    private static bool Values(ReadOnlySpan<byte> header, int at)
    {
        while (at < header.Length)
        {
            int end = at + 3 > header.Length ? int.MaxValue : at + 3 + BinaryPrimitives.ReadUInt16BigEndian(header[(at + 1)..]);
            if (end > header.Length)
            {
                return false;
            }

            if (header[at] == Crc)
            {
                if (end - at != 7)
                {
                    return false;
                }

                uint said = BinaryPrimitives.ReadUInt32BigEndian(header[(at + 3)..]);
                if (said != Crc32C.Of(header[..(at + 3)], 4, header[end..]))
                {
                    return false;
                }
            }

            at = end;
        }

        return true;
    }
}
