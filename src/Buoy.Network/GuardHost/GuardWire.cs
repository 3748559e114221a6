using System.Buffers.Binary;
using System.Net;
using Buoy.Linux;
using Buoy.Network.Guard;

namespace Buoy.Network.GuardHost;

/// <summary>
/// The guard's packets of one address on one link: ARP (RFC 5227) for IPv4, neighbour discovery (RFC 4861, probes as in
/// RFC 4862 section 5.4) for IPv6.
/// </summary>
/// <remarks>
/// Behind the packet proper, in what Ethernet would pad anyway, members tell each other what no field has room for:
/// "BUOY",
/// one byte (1: to take it, 2: to watch, 3: as its owner), the term (8 bytes, network order). Others do not look there.
/// IPv6 carries the same as an option of type 253 (RFC 4727). It decides who yields between members, and is believed
/// only with a member's link address; who can forge that can speak for the address anyway.
/// </remarks>
internal abstract class GuardWire
{
    private const int MarkBytes = 13;

    /// <summary>The Ethernet protocol.</summary>
    public abstract ushort Protocol { get; }

    /// <summary>Where a packet to all goes.</summary>
    public abstract byte[] Everybody { get; }

    /// <summary>The wire of an address.</summary>
    public static GuardWire For(IPAddress address, byte[] mac) =>
        Announcer.ProtocolFor(address) == PacketSocket.ProtocolArp ? new ArpWire(address, mac)
            : new NeighbourWire(address, mac);

    /// <summary>The packet that says it.</summary>
    public abstract byte[] Say(SightingKind kind, ulong term);

    /// <summary>What a packet says of the address; null: nothing.</summary>
    public abstract Sighting? Hear(ReadOnlySpan<byte> packet);

    /// <summary>The members' own words.</summary>
    protected static byte[] Mark(SightingKind kind, ulong term)
    {
        byte[] mark = new byte[MarkBytes];
        "BUOY"u8.CopyTo(mark);
        mark[4] = (byte)(kind + 1);
        BinaryPrimitives.WriteUInt64BigEndian(mark.AsSpan(5), term);
        return mark;
    }

    /// <summary>Reads them; a packet of somebody else has none.</summary>
    protected static (SightingKind Kind, ulong Term)? ReadMark(ReadOnlySpan<byte> mark) =>
        mark.Length >= MarkBytes && mark.StartsWith("BUOY"u8) && mark[4] is >= 1 and <= 3
            ? ((SightingKind)(mark[4] - 1), BinaryPrimitives.ReadUInt64BigEndian(mark[5..])) : null;

    private sealed class ArpWire(IPAddress address, byte[] mac) : GuardWire
    {
        public override ushort Protocol => PacketSocket.ProtocolArp;

        public override byte[] Everybody => ArpPacket.BroadcastMac.ToArray();

        public override byte[] Say(SightingKind kind, ulong term)
        {
            var packet = kind == SightingKind.Claim ? ArpPacket.AnnounceRequest(mac, address)
                : ArpPacket.Probe(mac, address);
            return [.. packet.ToBytes(), .. Mark(kind, term)];
        }

        public override Sighting? Hear(ReadOnlySpan<byte> packet)
        {
            if (ArpPacket.Read(packet) is not { } p)
            {
                return null;
            }

            var mark = ReadMark(packet[ArpPacket.Bytes..]);
            var from = LinkAddress.From(p.SenderMac);
            if (p.SenderAddress.Equals(address))
            {
                return new Sighting(SightingKind.Claim, from, mark?.Term ?? 0);
            }

            return !p.IsReply && p.SenderAddress.Equals(IPAddress.Any) && p.TargetAddress.Equals(address)
                ? new Sighting(mark?.Kind == SightingKind.Watch ? SightingKind.Watch : SightingKind.Probe, from,
                    mark?.Term ?? 0)
                : null;
        }
    }

    private sealed class NeighbourWire(IPAddress address, byte[] mac) : GuardWire
    {
        private const byte Solicitation = 135, Advertisement = 136, Experiment = 253;
        private const int HeaderBytes = 40, FixedBytes = 24;
        private readonly byte[] _address = address.GetAddressBytes();

        public override ushort Protocol => PacketSocket.ProtocolIPv6;

        /// <summary>Of the solicited-node address (RFC 4291 section 2.7.1), which its owner listens to.</summary>
        public override byte[] Everybody => [0x33, 0x33, 0xFF, .. _address.AsSpan(13)];

        public override byte[] Say(SightingKind kind, ulong term)
        {
            byte[] option = [Experiment, 2, 0, .. Mark(kind, term)];
            if (kind == SightingKind.Claim)
            {
                return NeighbourAdvertisement.ToBytes(mac, address, option);
            }

            byte[] p = new byte[HeaderBytes + FixedBytes + option.Length];
            p[0] = 0x60;
            p[5] = (byte)(p.Length - HeaderBytes);
            p[6] = 58;
            p[7] = 255;
            byte[] target = [0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, .. _address.AsSpan(13)];
            target.CopyTo(p, 24);
            p[40] = Solicitation;
            _address.CopyTo(p, 48);
            option.CopyTo(p, 64);
            BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(42), NeighbourAdvertisement.Checksum(p));
            return p;
        }

        public override Sighting? Hear(ReadOnlySpan<byte> p)
        {
            if (p.Length < HeaderBytes + FixedBytes || p[0] >> 4 != 6 || p[6] != 58 || p[7] != 255
                || p[40] is not (Solicitation or Advertisement) || !p.Slice(48, 16).SequenceEqual(_address))
            {
                return null;
            }

            ReadOnlySpan<byte> link = default;
            (SightingKind Kind, ulong Term)? mark = null;
            for (var rest = p[(HeaderBytes + FixedBytes)..]; rest.Length >= 8 && rest[1] > 0;)
            {
                int length = Math.Min(rest[1] * 8, rest.Length);
                if (rest[0] is 1 or 2)
                {
                    link = rest.Slice(2, LinkAddress.Bytes);
                }
                else if (rest[0] == Experiment && length >= 16)
                {
                    mark = ReadMark(rest[3..length]);
                }

                rest = rest[length..];
            }

            return Tell(p, link, mark);
        }

        /// <summary>
        /// A probe has no option with its sender's address: a member's is in its words, of strangers' nothing follows.
        /// </summary>
        private static Sighting? Tell(
            ReadOnlySpan<byte> p, ReadOnlySpan<byte> link, (SightingKind Kind, ulong Term)? mark)
        {
            bool probe = p[40] == Solicitation && p.Slice(8, 16).IndexOfAnyExcept((byte)0) < 0;
            if (link.Length == LinkAddress.Bytes && p[40] == Advertisement)
            {
                return new Sighting(SightingKind.Claim, LinkAddress.From(link), mark?.Term ?? 0);
            }

            return probe && mark is { Kind: not SightingKind.Claim } m
                ? new Sighting(m.Kind, default, m.Term) : null;
        }
    }
}
