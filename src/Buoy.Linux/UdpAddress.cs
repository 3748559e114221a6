using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Buoy.Linux;

/// <summary>An IPv4 or IPv6 address as a value: comparable, no allocation.</summary>
/// <param name="Bits">The address in host byte order; an IPv4 address in the low 32 bits.</param>
/// <param name="IsV6">Whether it is an IPv6 address.</param>
/// <param name="Scope">Interface index of a link-local IPv6 address; else 0.</param>
public readonly record struct UdpAddress(UInt128 Bits, bool IsV6, uint Scope = 0)
{
    /// <summary>An IPv4 address in host byte order.</summary>
    public static UdpAddress V4(uint address) => new(address, false);

    /// <summary>No address.</summary>
    public bool IsNone => Bits == 0 && !IsV6;

    /// <summary>127/8 or ::1.</summary>
    public bool IsLoopback => IsV6 ? Bits == 1 : (uint)Bits >> 24 == 127;

    /// <summary>224/4 or ff00::/8.</summary>
    public bool IsMulticast => IsV6 ? (byte)(Bits >> 120) == 0xFF : (uint)Bits >> 28 == 14;

    /// <summary>The low 32 bits: an IPv4 address whole.</summary>
    public uint Low => (uint)Bits;

    /// <summary>Reads a literal (an IPv6 one may end in %interface); null for anything else.</summary>
    public static UdpAddress? Parse(string text) => IPAddress.TryParse(text, out var ip) ? Of(ip) : null;

    /// <summary>From the library's type.</summary>
    public static UdpAddress Of(IPAddress ip)
    {
        Span<byte> bytes = stackalloc byte[16];
        ip.TryWriteBytes(bytes, out int n);
        return n == 4 ? V4(BinaryPrimitives.ReadUInt32BigEndian(bytes))
            : new UdpAddress(BinaryPrimitives.ReadUInt128BigEndian(bytes), true,
                ip.AddressFamily is AddressFamily.InterNetworkV6 ? (uint)ip.ScopeId : 0);
    }

    /// <summary>Within the network of another address with this mask?</summary>
    public bool SameNetwork(UdpAddress other, UdpAddress mask) =>
        IsV6 == other.IsV6 && (Bits & mask.Bits) == (other.Bits & mask.Bits);

    /// <summary>The address in the kernel's byte order.</summary>
    public void Write(Span<byte> to)
    {
        if (IsV6)
        {
            BinaryPrimitives.WriteUInt128BigEndian(to, Bits);
        }
        else
        {
            BinaryPrimitives.WriteUInt32BigEndian(to, Low);
        }
    }

    /// <summary>The usual text.</summary>
    public override string ToString()
    {
        if (!IsV6)
        {
            return UdpEndpoint.Dotted(Low);
        }

        Span<byte> bytes = stackalloc byte[16];
        Write(bytes);
        return new IPAddress(bytes, Scope).ToString();
    }
}

/// <summary>An address and a port.</summary>
public readonly record struct UdpEndpoint(UdpAddress Address, ushort Port)
{
    /// <summary>An IPv4 address in host byte order, and a port.</summary>
    public UdpEndpoint(uint address, ushort port)
        : this(UdpAddress.V4(address), port)
    {
    }

    /// <summary>Address and port as people write them.</summary>
    public override string ToString() => Address.IsV6 ? $"[{Address}]:{Port}" : $"{Address}:{Port}";

    /// <summary>Dotted notation of an IPv4 address in host byte order.</summary>
    public static string Dotted(uint a) => $"{a >> 24}.{(a >> 16) & 255}.{(a >> 8) & 255}.{a & 255}";
}
