using System.Net;
using System.Net.Sockets;

namespace Buoy.Network;

/// <summary>A network interface as RTM_NEWLINK describes it.</summary>
/// <param name="Index">The kernel's number of it.</param>
/// <param name="Name">IFLA_IFNAME.</param>
/// <param name="Flags">IFF_* of linux/if.h.</param>
/// <param name="Mtu">Bytes.</param>
/// <param name="HardwareType">ARPHRD_* of linux/if_arp.h; 1 = Ethernet.</param>
/// <param name="Mac">Link address; empty where it has none.</param>
public sealed record LinkInfo(int Index, string Name, LinkFlags Flags, int Mtu, ushort HardwareType, byte[] Mac)
{
    /// <summary>Administratively up.</summary>
    public bool IsUp => Flags.HasFlag(LinkFlags.Up);

    /// <summary>The link below works (cable, peer, lower device).</summary>
    public bool HasCarrier => Flags.HasFlag(LinkFlags.LowerUp);
}

/// <summary>IFF_* of linux/if.h.</summary>
[Flags]
public enum LinkFlags : uint
{
    None = 0,
    Up = 0x1,
    Broadcast = 0x2,
    Loopback = 0x8,
    PointToPoint = 0x10,
    Running = 0x40,
    NoArp = 0x80,
    Multicast = 0x1000,
    LowerUp = 0x10000,
}

/// <summary>IFA_F_* of linux/if_addr.h.</summary>
[Flags]
public enum AddressFlags : uint
{
    None = 0,
    Secondary = 0x01,
    NoDad = 0x02,
    Optimistic = 0x04,
    DadFailed = 0x08,
    Deprecated = 0x20,
    Tentative = 0x40,
    Permanent = 0x80,
    NoPrefixRoute = 0x200,
}

/// <summary>An address of an interface as RTM_NEWADDR describes it, or as it shall be added.</summary>
/// <param name="Interface">The interface's number.</param>
/// <param name="Address">The address itself (IFA_LOCAL, or IFA_ADDRESS where there is no IFA_LOCAL).</param>
/// <param name="PrefixLength">Bits of the network part.</param>
public sealed record AddressInfo(int Interface, IPAddress Address, byte PrefixLength)
{
    /// <summary>No end of a lifetime.</summary>
    public const uint Forever = uint.MaxValue;

    /// <summary>IPv4 broadcast address, or none.</summary>
    public IPAddress? Broadcast { get; init; }

    /// <summary>IPv4 label (<c>eth0:vip</c>), or none.</summary>
    public string? Label { get; init; }

    public AddressFlags Flags { get; init; }

    /// <summary>RT_SCOPE_*: 0 global, 253 link, 254 host.</summary>
    public byte Scope { get; init; }

    /// <summary>IFA_PROTO, 0 = not given.</summary>
    public byte Protocol { get; init; }

    /// <summary>Seconds it may be used as a source of new connections.</summary>
    public uint PreferredLifetime { get; init; } = Forever;

    /// <summary>Seconds it exists.</summary>
    public uint ValidLifetime { get; init; } = Forever;

    internal bool IsIPv4 => Address.AddressFamily == AddressFamily.InterNetwork;
}

/// <summary>A route as RTM_NEWROUTE describes it (unicast, one next hop).</summary>
public sealed record RouteInfo(
    IPAddress Destination, byte PrefixLength, int Interface, IPAddress? Gateway, uint Table, byte Scope, byte Kind,
    uint Metric)
{
    /// <summary>Whether an address lies in the destination.</summary>
    public bool Covers(IPAddress address)
    {
        Span<byte> a = stackalloc byte[16];
        Span<byte> d = stackalloc byte[16];
        if (address.AddressFamily != Destination.AddressFamily
            || !address.TryWriteBytes(a, out _) || !Destination.TryWriteBytes(d, out _))
        {
            return false;
        }

        for (int bits = PrefixLength, i = 0; bits > 0; bits -= 8, i++)
        {
            byte mask = bits >= 8 ? (byte)0xFF : (byte)(0xFF << (8 - bits));
            if (((a[i] ^ d[i]) & mask) != 0)
            {
                return false;
            }
        }

        return true;
    }
}

/// <summary>One message of a netlink datagram: <see cref="Kind"/> says what it is, and which member holds it.</summary>
public readonly record struct NetlinkMessage(NetlinkKind Kind, uint Sequence)
{
    public LinkInfo? Link { get; init; }

    public AddressInfo? Address { get; init; }

    public RouteInfo? Route { get; init; }

    /// <summary>errno(3) of an <see cref="NetlinkKind.Ack"/>; 0 = done.</summary>
    public int Errno { get; init; }
}

/// <summary>What a netlink message is.</summary>
public enum NetlinkKind
{
    /// <summary>Of no interest here (also an RTM message whose content is not whole).</summary>
    Other,
    Ack,
    DumpDone,
    NewLink,
    RemovedLink,
    NewAddress,
    RemovedAddress,
    Route,
}
