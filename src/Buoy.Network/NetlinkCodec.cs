using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Buoy.Network;

/// <summary>
/// rtnetlink messages to bytes and back (netlink(7), rtnetlink(7)). Pure. Reading never trusts a length: what does not
/// fit ends the datagram, and what lies outside its message is not looked at.
/// </summary>
public static class NetlinkCodec
{
    private const int HeaderBytes = 16, AddressBodyBytes = 8, LinkBodyBytes = 16, RouteBodyBytes = 12;
    private const ushort Error = 2, Done = 3;
    private const ushort NewLinkType = 16, DelLinkType = 17, GetLinkType = 18;
    private const ushort NewAddressType = 20, DelAddressType = 21, GetAddressType = 22;
    private const ushort NewRouteType = 24, GetRouteType = 26;
    private const ushort Request = 1, Ack = 4, Dump = 0x300, Replace = 0x100, Exclusive = 0x200, Create = 0x400;
    private const byte FamilyIPv4 = 2, FamilyIPv6 = 10;

    /// <summary>Dump of all interfaces.</summary>
    public static byte[] DumpLinks(uint sequence) =>
        new Writer(GetLinkType, Request | Dump, sequence, LinkBodyBytes).End();

    /// <summary>Dump of all addresses of a family (unspecified = both).</summary>
    public static byte[] DumpAddresses(uint sequence, AddressFamily family)
    {
        var w = new Writer(GetAddressType, Request | Dump, sequence, AddressBodyBytes);
        w.Body[0] = Family(family);
        return w.End();
    }

    /// <summary>Dump of all routes of a family.</summary>
    public static byte[] DumpRoutes(uint sequence, AddressFamily family)
    {
        var w = new Writer(GetRouteType, Request | Dump, sequence, RouteBodyBytes);
        w.Body[0] = Family(family);
        return w.End();
    }

    /// <summary>Asks which route the kernel takes to <paramref name="destination"/>.</summary>
    public static byte[] LookupRoute(uint sequence, IPAddress destination)
    {
        var w = new Writer(GetRouteType, Request, sequence, RouteBodyBytes);
        w.Body[0] = Family(destination.AddressFamily);
        byte[] bytes = destination.GetAddressBytes();
        w.Body[1] = (byte)(bytes.Length * 8);
        w.Attribute(1, bytes);
        return w.End();
    }

    /// <summary>Sets an interface administratively up.</summary>
    public static byte[] SetLinkUp(uint sequence, int index)
    {
        var w = new Writer(NewLinkType, Request | Ack, sequence, LinkBodyBytes);
        BinaryPrimitives.WriteInt32LittleEndian(w.Body[4..], index);
        BinaryPrimitives.WriteUInt32LittleEndian(w.Body[8..], (uint)LinkFlags.Up);
        BinaryPrimitives.WriteUInt32LittleEndian(w.Body[12..], (uint)LinkFlags.Up);
        return w.End();
    }

    /// <summary>
    /// Adds an address; with <paramref name="replace"/> an existing one gets the new flags and lifetimes.
    /// </summary>
    public static byte[] AddAddress(uint sequence, AddressInfo address, bool replace)
    {
        ushort how = (ushort)(Request | Ack | Create | (replace ? Replace : Exclusive));
        var w = new Writer(NewAddressType, how, sequence, AddressBodyBytes);
        AddressBody(ref w, address);
        if (address.Broadcast is { } broadcast)
        {
            w.Attribute(4, broadcast.GetAddressBytes());
        }

        if (address.Label is { } label)
        {
            w.Attribute(3, Encoding.UTF8.GetBytes(label + "\0"));
        }

        Span<byte> four = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(four, (uint)address.Flags);
        w.Attribute(8, four);
        if (address.PreferredLifetime != AddressInfo.Forever || address.ValidLifetime != AddressInfo.Forever)
        {
            Span<byte> cache = stackalloc byte[16];
            BinaryPrimitives.WriteUInt32LittleEndian(cache, address.PreferredLifetime);
            BinaryPrimitives.WriteUInt32LittleEndian(cache[4..], address.ValidLifetime);
            w.Attribute(6, cache);
        }

        if (address.Protocol != 0)
        {
            w.Attribute(11, [address.Protocol]);
        }

        return w.End();
    }

    /// <summary>Removes an address of that prefix length from its interface.</summary>
    public static byte[] DeleteAddress(uint sequence, AddressInfo address)
    {
        var w = new Writer(DelAddressType, Request | Ack, sequence, AddressBodyBytes);
        AddressBody(ref w, address);
        return w.End();
    }

    /// <summary>Reads every whole message of a datagram, in order.</summary>
    public static void Read(ReadOnlySpan<byte> datagram, ICollection<NetlinkMessage> into)
    {
        while (datagram.Length >= HeaderBytes)
        {
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(datagram);
            if (length < HeaderBytes || length > (uint)datagram.Length)
            {
                return;
            }

            into.Add(One(datagram[..(int)length]));
            datagram = datagram[Math.Min(Align((int)length), datagram.Length)..];
        }
    }

    private static NetlinkMessage One(ReadOnlySpan<byte> message)
    {
        ushort type = BinaryPrimitives.ReadUInt16LittleEndian(message[4..]);
        uint sequence = BinaryPrimitives.ReadUInt32LittleEndian(message[8..]);
        var body = message[HeaderBytes..];
        var nothing = new NetlinkMessage(NetlinkKind.Other, sequence);
        switch (type)
        {
            case Error:
                return body.Length < 4 ? nothing : nothing with
                {
                    Kind = NetlinkKind.Ack,
                    Errno = unchecked(-BinaryPrimitives.ReadInt32LittleEndian(body)),
                };
            case Done:
                return nothing with { Kind = NetlinkKind.DumpDone };
            case NewLinkType or DelLinkType:
                var change = type == NewLinkType ? NetlinkKind.NewLink : NetlinkKind.RemovedLink;
                return ReadLink(body) is { } link ? nothing with { Kind = change, Link = link } : nothing;
            case NewAddressType or DelAddressType:
                var kind = type == NewAddressType ? NetlinkKind.NewAddress : NetlinkKind.RemovedAddress;
                return ReadAddress(body) is { } address ? nothing with { Kind = kind, Address = address } : nothing;
            case NewRouteType:
                return ReadRoute(body) is { } route ? nothing with { Kind = NetlinkKind.Route, Route = route }
                    : nothing;
            default:
                return nothing;
        }
    }

    private static LinkInfo? ReadLink(ReadOnlySpan<byte> body)
    {
        if (body.Length < LinkBodyBytes)
        {
            return null;
        }

        string? name = null;
        byte[] mac = [];
        int mtu = 0;
        var rest = body[LinkBodyBytes..];
        while (Next(ref rest, out ushort type, out var value))
        {
            switch (type)
            {
                case 1:
                    mac = value.ToArray();
                    break;
                case 3:
                    name = Text(value);
                    break;
                case 4 when value.Length >= 4:
                    mtu = BinaryPrimitives.ReadInt32LittleEndian(value);
                    break;
            }
        }

        return name is null ? null : new LinkInfo(
            BinaryPrimitives.ReadInt32LittleEndian(body[4..]), name,
            (LinkFlags)BinaryPrimitives.ReadUInt32LittleEndian(body[8..]), mtu,
            BinaryPrimitives.ReadUInt16LittleEndian(body[2..]), mac);
    }

    private static AddressInfo? ReadAddress(ReadOnlySpan<byte> body)
    {
        if (body.Length < AddressBodyBytes)
        {
            return null;
        }

        int size = AddressSize(body[0]);
        IPAddress? address = null, local = null, broadcast = null;
        string? label = null;
        uint flags = body[2], preferred = AddressInfo.Forever, valid = AddressInfo.Forever;
        byte protocol = 0;
        var rest = body[AddressBodyBytes..];
        while (Next(ref rest, out ushort type, out var value))
        {
            switch (type)
            {
                case 1 when value.Length == size:
                    address = new IPAddress(value);
                    break;
                case 2 when value.Length == size:
                    local = new IPAddress(value);
                    break;
                case 3:
                    label = Text(value);
                    break;
                case 4 when value.Length == size:
                    broadcast = new IPAddress(value);
                    break;
                case 6 when value.Length >= 8:
                    preferred = BinaryPrimitives.ReadUInt32LittleEndian(value);
                    valid = BinaryPrimitives.ReadUInt32LittleEndian(value[4..]);
                    break;
                case 8 when value.Length >= 4:
                    flags = BinaryPrimitives.ReadUInt32LittleEndian(value);
                    break;
                case 11 when value.Length >= 1:
                    protocol = value[0];
                    break;
            }
        }

        return size == 0 || (local ?? address) is not { } own ? null : new AddressInfo(
            BinaryPrimitives.ReadInt32LittleEndian(body[4..]), own, body[1])
        {
            Broadcast = broadcast,
            Label = label,
            Flags = (AddressFlags)flags,
            Scope = body[3],
            Protocol = protocol,
            PreferredLifetime = preferred,
            ValidLifetime = valid,
        };
    }

    private static RouteInfo? ReadRoute(ReadOnlySpan<byte> body)
    {
        if (body.Length < RouteBodyBytes || AddressSize(body[0]) is not (> 0 and var size) || body[1] > size * 8)
        {
            return null;
        }

        var destination = new IPAddress(new byte[size]);
        IPAddress? gateway = null;
        uint table = body[4], metric = 0;
        int index = 0;
        var rest = body[RouteBodyBytes..];
        while (Next(ref rest, out ushort type, out var value))
        {
            switch (type)
            {
                case 1 when value.Length == size:
                    destination = new IPAddress(value);
                    break;
                case 4 when value.Length >= 4:
                    index = BinaryPrimitives.ReadInt32LittleEndian(value);
                    break;
                case 5 when value.Length == size:
                    gateway = new IPAddress(value);
                    break;
                case 6 when value.Length >= 4:
                    metric = BinaryPrimitives.ReadUInt32LittleEndian(value);
                    break;
                case 15 when value.Length >= 4:
                    table = BinaryPrimitives.ReadUInt32LittleEndian(value);
                    break;
            }
        }

        return new RouteInfo(destination, body[1], index, gateway, table, body[6], body[7], metric);
    }

    /// <summary>The next attribute; false at the end, or where its length does not fit what is left.</summary>
    private static bool Next(ref ReadOnlySpan<byte> rest, out ushort type, out ReadOnlySpan<byte> value)
    {
        type = 0;
        value = default;
        if (rest.Length < 4)
        {
            return false;
        }

        int length = BinaryPrimitives.ReadUInt16LittleEndian(rest);
        if (length < 4 || length > rest.Length)
        {
            return false;
        }

        type = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(rest[2..]) & 0x3FFF);
        value = rest[4..length];
        rest = rest[Math.Min(Align(length), rest.Length)..];
        return true;
    }

    private static void AddressBody(ref Writer w, AddressInfo address)
    {
        byte[] bytes = address.Address.GetAddressBytes();
        w.Body[0] = Family(address.Address.AddressFamily);
        w.Body[1] = address.PrefixLength;
        w.Body[2] = (byte)address.Flags;
        w.Body[3] = address.Scope;
        BinaryPrimitives.WriteInt32LittleEndian(w.Body[4..], address.Interface);
        w.Attribute(2, bytes);
        w.Attribute(1, bytes);
    }

    private static string Text(ReadOnlySpan<byte> value)
    {
        int end = value.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? value : value[..end]);
    }

    private static byte Family(AddressFamily family) => family switch
    {
        AddressFamily.InterNetwork => FamilyIPv4,
        AddressFamily.InterNetworkV6 => FamilyIPv6,
        AddressFamily.Unspecified => 0,
        _ => throw new ArgumentException($"address family {family}: expected IPv4 or IPv6", nameof(family)),
    };

    private static int AddressSize(byte family) => family switch { FamilyIPv4 => 4, FamilyIPv6 => 16, _ => 0 };

    private static int Align(int length) => (length + 3) & ~3;

    private ref struct Writer
    {
        private readonly Span<byte> _buffer;
        private readonly int _body;
        private int _length;

        public Writer(ushort type, ushort flags, uint sequence, int body)
        {
            _buffer = new byte[256];
            _body = body;
            _length = HeaderBytes + body;
            BinaryPrimitives.WriteUInt16LittleEndian(_buffer[4..], type);
            BinaryPrimitives.WriteUInt16LittleEndian(_buffer[6..], flags);
            BinaryPrimitives.WriteUInt32LittleEndian(_buffer[8..], sequence);
        }

        public readonly Span<byte> Body => _buffer.Slice(HeaderBytes, _body);

        public void Attribute(ushort type, scoped ReadOnlySpan<byte> value)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(_buffer[_length..], (ushort)(4 + value.Length));
            BinaryPrimitives.WriteUInt16LittleEndian(_buffer[(_length + 2)..], type);
            value.CopyTo(_buffer[(_length + 4)..]);
            _length += Align(4 + value.Length);
        }

        public readonly byte[] End()
        {
            BinaryPrimitives.WriteUInt32LittleEndian(_buffer, (uint)_length);
            return _buffer[.._length].ToArray();
        }
    }
}
