using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Buoy.Network;

namespace Buoy.Agents;

/// <summary>The parameters of ocf:heartbeat:IPaddr2, read and checked. Pure.</summary>
internal sealed record IpAddressParameters
{
    private const int MaxLabel = 15;

    private static readonly string[] Known =
    [
        "ip", "nic", "cidr_netmask", "broadcast", "iflabel", "lvs_support", "lvs_ipv6_addrlabel",
        "lvs_ipv6_addrlabel_value",
        "mac", "clusterip_hash", "unique_clone_address", "arp_interval", "arp_count", "arp_count_refresh", "arp_bg",
        "arp_sender", "send_arp_opts", "flush_routes", "run_arping", "nodad", "noprefixroute", "preferred_lft",
        "network_namespace", "check_link_status", "proto", "guard", "guard_probes",
    ];

    public required IPAddress Address { get; init; }

    /// <summary>Null: the interface follows from the routes.</summary>
    public string? Nic { get; init; }

    /// <summary>Null: the prefix length follows from the routes.</summary>
    public byte? PrefixLength { get; init; }

    /// <summary>An address, <c>+</c>, <c>-</c>, or null for none.</summary>
    public string? Broadcast { get; init; }

    /// <summary>What follows the interface's name and a colon.</summary>
    public string? Label { get; init; }

    public AddressFlags Flags { get; init; }

    public uint PreferredLifetime { get; init; } = AddressInfo.Forever;

    public byte Protocol { get; init; }

    public int ArpCount { get; init; } = AnnouncementSchedule.DefaultCount;

    public int ArpIntervalMs { get; init; } = 200;

    public int ArpCountRefresh { get; init; }

    public bool ArpRepliesOnly { get; init; }

    public bool CheckLink { get; init; } = true;

    public bool ProbeFirst { get; init; }

    public bool FlushRoutes { get; init; }

    /// <summary>Ours: the segment is asked before, and the kernel keeps the address only while the daemon renews
    /// it.</summary>
    public bool Guard { get; init; } = true;

    /// <summary>Ours: probes before the address is taken.</summary>
    public int GuardProbes { get; init; } = 3;

    /// <summary>Names that are no parameters of this agent.</summary>
    public IReadOnlyList<string> Unknown { get; init; } = [];

    public bool IsIPv4 => Address.AddressFamily == AddressFamily.InterNetwork;

    /// <summary>Reads them; null and <paramref name="failure"/> where one is wrong.</summary>
    public static IpAddressParameters? Read(IReadOnlyDictionary<string, string> attributes, out Outcome failure)
    {
        var r = new ParameterReader(attributes);
        var address = ReadAddress(r);
        Refusals(r);
        (string? nic, string? label) = ReadNic(r, address);
        bool nodad = r.Flag("nodad", false);
        bool noPrefixRoute = r.Flag("noprefixroute", false);
        _ = r.Flag("arp_bg", true);
        string? sender = r.Text("arp_sender");
        if (sender is not (null or "send_arp" or "ipoibarping" or "iputils_arping" or "libnet_arping"))
        {
            r.Wrong("arp_sender", sender, "send_arp, ipoibarping, iputils_arping or libnet_arping");
        }

        string? options = r.Text("send_arp_opts");
        if (options is not (null or "-A" or "-U"))
        {
            r.Wrong("send_arp_opts", options, "-A (ARP replies) or -U; no program is run, others have no meaning");
        }

        var result = new IpAddressParameters
        {
            Address = address ?? IPAddress.None,
            Nic = nic,
            Label = label,
            PrefixLength = ReadPrefix(r, address),
            Broadcast = ReadBroadcast(r, address),
            Flags = (nodad ? AddressFlags.NoDad : 0) | (noPrefixRoute ? AddressFlags.NoPrefixRoute : 0),
            PreferredLifetime = ReadLifetime(r),
            Protocol = (byte)r.Number("proto", 0, 0, 255),
            ArpCount = r.Number("arp_count", AnnouncementSchedule.DefaultCount, 0, 10_000),
            ArpIntervalMs = r.Number("arp_interval", 200, 1, 600_000),
            ArpCountRefresh = r.Number("arp_count_refresh", 0, 0, 1000),
            ArpRepliesOnly = options == "-A",
            CheckLink = r.Flag("check_link_status", true),
            ProbeFirst = r.Flag("run_arping", false),
            FlushRoutes = r.Flag("flush_routes", false),
            Guard = r.Flag("guard", true),
            GuardProbes = r.Number("guard_probes", 3, 1, 20),
            Unknown = [.. r.Unknown(Known)],
        };
        failure = r.Failure ?? default;
        return r.Failure is null ? result : null;
    }

    /// <summary>The address to add on an interface.</summary>
    public AddressInfo On(LinkInfo link, byte prefix) => new(link.Index, Address, prefix)
    {
        Broadcast = BroadcastFor(prefix),
        Label = IsIPv4 && Label is not null ? $"{link.Name}:{Label}" : null,
        Flags = Flags,
        Scope = Address.IsIPv6LinkLocal ? (byte)253 : (byte)0,
        PreferredLifetime = PreferredLifetime,
        Protocol = Protocol,
    };

    /// <summary>The label is too long for this interface's name; null: it fits.</summary>
    public Outcome? LabelFailure(LinkInfo link) => Label is null || link.Name.Length + 1 + Label.Length <= MaxLabel
        ? null
        : new Outcome(Ocf.NotConfigured,
            $"parameter iflabel=\"{Label}\": \"{link.Name}:{Label}\" is longer than {MaxLabel} characters");

    private IPAddress? BroadcastFor(byte prefix)
    {
        if (Broadcast is null)
        {
            return null;
        }

        if (Broadcast is not ("+" or "-"))
        {
            return IPAddress.Parse(Broadcast);
        }

        byte[] b = Address.GetAddressBytes();
        for (int bit = prefix; bit < 32; bit++)
        {
            byte mask = (byte)(0x80 >> (bit % 8));
            b[bit / 8] = Broadcast == "+" ? (byte)(b[bit / 8] | mask) : (byte)(b[bit / 8] & ~mask);
        }

        return new IPAddress(b);
    }

    private static void Refusals(ParameterReader r)
    {
        const string clone = "load-shared clone addresses are not available";
        r.Refuse("unique_clone_address", clone);
        r.Refuse("clusterip_hash", clone);
        r.Refuse("mac", clone);
        r.Refuse("lvs_support", "LVS direct routing is not available");
        r.Refuse("lvs_ipv6_addrlabel", "LVS direct routing is not available");
        r.Refuse("network_namespace", "addresses are managed in the daemon's own network namespace");
    }

    private static IPAddress? ReadAddress(ParameterReader r)
    {
        const string expected = "one IPv4 address (192.0.2.1) or IPv6 address (2001:db8::1)";
        if (r.Text("ip") is not { } text)
        {
            r.Missing("ip", expected);
            return null;
        }

        bool whole = text.Contains(':') || text.Count(static c => c == '.') == 3;
        if (!whole || text.Contains('%') || text.Contains('[') || !IPAddress.TryParse(text, out var address))
        {
            r.Wrong("ip", text, expected);
            return null;
        }

        return address;
    }

    private static (string? Nic, string? Label) ReadNic(ParameterReader r, IPAddress? address)
    {
        string? nic = r.Text("nic"), label = r.Text("iflabel");
        if (nic is null)
        {
            if (address is { IsIPv6LinkLocal: true })
            {
                r.Missing("nic", "the interface of a link-local address");
            }
        }
        else if (nic.IndexOf(':') is >= 0 and var colon)
        {
            // Deprecated: the label in the interface's name wins over iflabel.
            (nic, label) = (nic[..colon], nic[(colon + 1)..]);
        }

        if (label is not null && !label.All(char.IsAsciiLetterOrDigit))
        {
            r.Wrong("iflabel", label, "letters and digits");
        }

        return (nic, label);
    }

    private static byte? ReadPrefix(ParameterReader r, IPAddress? address)
    {
        if (address is null || r.Text("cidr_netmask") is not { } text)
        {
            return null;
        }

        bool ipv4 = address.AddressFamily == AddressFamily.InterNetwork;
        if (ipv4 && text.Count(static c => c == '.') == 3 && IPAddress.TryParse(text, out var mask)
            && PrefixOf(mask) is { } bits)
        {
            return bits;
        }

        int high = ipv4 ? 32 : 128;
        if (byte.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out byte value) && value <= high)
        {
            return value;
        }

        r.Wrong("cidr_netmask", text,
            $"a prefix length from 0 to {high}{(ipv4 ? ", or a netmask 255.255.255.0" : "")}");
        return null;
    }

    private static byte? PrefixOf(IPAddress mask)
    {
        Span<byte> b = stackalloc byte[4];
        mask.TryWriteBytes(b, out _);
        uint bits = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(b);
        int ones = System.Numerics.BitOperations.LeadingZeroCount(~bits);
        return ones == 32 || bits << ones == 0 ? (byte)ones : null;
    }

    private static string? ReadBroadcast(ParameterReader r, IPAddress? address)
    {
        if (r.Text("broadcast") is not { } text)
        {
            return null;
        }

        if (address is { AddressFamily: AddressFamily.InterNetworkV6 })
        {
            r.Wrong("broadcast", text, "nothing: IPv6 has no broadcast");
            return null;
        }

        bool whole = text.Count(static c => c == '.') == 3 && IPAddress.TryParse(text, out _);
        if (text is not ("+" or "-") && !whole)
        {
            r.Wrong("broadcast", text, "an IPv4 address, + or -");
        }

        return text;
    }

    private static uint ReadLifetime(ParameterReader r)
    {
        if (r.Text("preferred_lft") is not { } text || text == "forever")
        {
            return AddressInfo.Forever;
        }

        if (uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint seconds))
        {
            return seconds;
        }

        r.Wrong("preferred_lft", text, "forever or a number of seconds");
        return AddressInfo.Forever;
    }
}
