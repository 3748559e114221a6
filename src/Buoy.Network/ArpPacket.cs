using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Buoy.Network;

/// <summary>An ARP packet for IPv4 over Ethernet (RFC 826), without the link header.</summary>
/// <param name="IsReply">Operation 2; else 1, a request.</param>
public sealed record ArpPacket(
    bool IsReply, byte[] SenderMac, IPAddress SenderAddress, byte[] TargetMac, IPAddress TargetAddress)
{
    /// <summary>Size on the wire.</summary>
    public const int Bytes = 28;

    private static readonly byte[] NoMac = new byte[6];

    /// <summary>The link's broadcast address.</summary>
    public static ReadOnlySpan<byte> BroadcastMac => [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

    /// <summary>RFC 5227 section 1.1, ARP Probe: sender address all zero.</summary>
    public static ArpPacket Probe(byte[] mac, IPAddress address) => new(false, mac, IPAddress.Any, NoMac, address);

    /// <summary>RFC 5227 section 1.1, ARP Announcement: a request with both addresses ours.</summary>
    public static ArpPacket AnnounceRequest(byte[] mac, IPAddress address) => new(false, mac, address, NoMac, address);

    /// <summary>The reply form, for neighbours that heed only that (RFC 5944 section 4.6).</summary>
    public static ArpPacket AnnounceReply(byte[] mac, IPAddress address) => new(true, mac, address, mac, address);

    /// <summary>To the wire.</summary>
    public byte[] ToBytes()
    {
        byte[] b = new byte[Bytes];
        BinaryPrimitives.WriteUInt16BigEndian(b, 1);
        BinaryPrimitives.WriteUInt16BigEndian(b.AsSpan(2), 0x0800);
        b[4] = 6;
        b[5] = 4;
        b[7] = IsReply ? (byte)2 : (byte)1;
        SenderMac.AsSpan(0, 6).CopyTo(b.AsSpan(8));
        SenderAddress.TryWriteBytes(b.AsSpan(14), out _);
        TargetMac.AsSpan(0, 6).CopyTo(b.AsSpan(18));
        TargetAddress.TryWriteBytes(b.AsSpan(24), out _);
        return b;
    }

    /// <summary>From the wire; null: not ARP for IPv4 over Ethernet, or cut short.</summary>
    public static ArpPacket? Read(ReadOnlySpan<byte> b) =>
        b.Length < Bytes || BinaryPrimitives.ReadUInt16BigEndian(b) != 1
        || BinaryPrimitives.ReadUInt16BigEndian(b[2..]) != 0x0800 || b[4] != 6 || b[5] != 4
        || BinaryPrimitives.ReadUInt16BigEndian(b[6..]) is not (1 or 2)
            ? null
            : new ArpPacket(
                b[7] == 2, b[8..14].ToArray(), new IPAddress(b[14..18]), b[18..24].ToArray(), new IPAddress(b[24..28]));
}

/// <summary>An unsolicited Neighbour Advertisement (RFC 4861 sections 4.4 and 7.2.6) as a whole IPv6 packet.</summary>
public static class NeighbourAdvertisement
{
    /// <summary>The link address of all nodes (ff02::1).</summary>
    public static ReadOnlySpan<byte> AllNodesMac => [0x33, 0x33, 0, 0, 0, 1];

    /// <summary>Override flag set, target link-layer option given, from the address itself to ff02::1.</summary>
    /// <param name="option">A further option, of a multiple of eight bytes; empty: none.</param>
    public static byte[] ToBytes(byte[] mac, IPAddress address, ReadOnlySpan<byte> option = default)
    {
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            throw new ArgumentException($"{address}: expected an IPv6 address", nameof(address));
        }

        byte[] p = new byte[72 + option.Length];
        p[0] = 0x60;
        p[5] = (byte)(32 + option.Length);
        p[6] = 58;
        p[7] = 255;
        address.TryWriteBytes(p.AsSpan(8), out _);
        p[24] = 0xFF;
        p[25] = 0x02;
        p[39] = 1;
        p[40] = 136;
        p[44] = 0x20;
        address.TryWriteBytes(p.AsSpan(48), out _);
        p[64] = 2;
        p[65] = 1;
        mac.AsSpan(0, 6).CopyTo(p.AsSpan(66));
        option.CopyTo(p.AsSpan(72));
        BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(42), Checksum(p));
        return p;
    }

    /// <summary>RFC 4443 section 2.3: over the pseudo-header and the message.</summary>
    internal static ushort Checksum(ReadOnlySpan<byte> packet)
    {
        uint sum = (uint)packet.Length - 40 + 58;
        for (int i = 8; i < packet.Length; i += 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(packet[i..]);
        }

        while (sum > 0xFFFF)
        {
            sum = (sum & 0xFFFF) + (sum >> 16);
        }

        return (ushort)~sum;
    }
}
