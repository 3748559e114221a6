using System.Globalization;
using Buoy.Linux;
using Buoy.Membership.Links;

namespace Buoy.Membership.Configuration;

/// <content>Links: interface {} sections, the node list's addresses, link_mode and what belongs to them.</content>
internal sealed partial class CorosyncConfigReader
{
    private const int MaxLinks = 8;
    private const int Port = 5405;

    private Dictionary<int, InterfaceSettings> ReadInterfaces(ConfigSection totem)
    {
        var found = new Dictionary<int, InterfaceSettings>();
        foreach (var s in totem.Sections.Where(s => s.Name == "interface"))
        {
            Known(s, ["ringnumber", "linknumber", "bindnetaddr", "mcastaddr", "mcastport", "ttl", "broadcast", "member",
                "knet_link_priority", "knet_ping_interval", "knet_ping_timeout", "knet_ping_precision",
                "knet_pong_count", "knet_transport"], []);
            if (s.Find("broadcast") is { Value: "yes" } broadcast)
            {
                throw Error(broadcast.Line, "broadcast: yes", "mcastaddr, or transport: udpu with a node list");
            }

            if (s.Find("knet_transport") is { } over && OneOf(over, "udp", "sctp") == "sctp")
            {
                throw Error(over.Line, "knet_transport: sctp", "udp: the ring does not run over SCTP");
            }

            int number = Number(s, s.Find("linknumber") is null ? "ringnumber" : "linknumber", 0, 0, MaxLinks - 1);
            if (s.Find("knet_ping_timeout") is null != s.Find("knet_ping_interval") is null)
            {
                Warn((s.Find("knet_ping_timeout") ?? s.Find("knet_ping_interval"))!.Line,
                    "knet_ping_timeout and knet_ping_interval are a pair: one follows from token, the other does not");
            }

            // A number given twice: the later section's keys win, as with every key.
            var before = found.GetValueOrDefault(number) ?? new InterfaceSettings { McastPort = Port + number };
            found[number] = new InterfaceSettings
            {
                LinkNumber = number,
                BindNetAddr = Address(s, "bindnetaddr", multicast: false) ?? before.BindNetAddr,
                McastAddr = Address(s, "mcastaddr", multicast: true) ?? before.McastAddr,
                McastPort = Number(s, "mcastport", before.McastPort, 1, 65535),
                Ttl = Number(s, "ttl", before.Ttl, 0, 255),
                Priority = Number(s, "knet_link_priority", before.Priority, 0, 255),
                PingInterval = Number(s, "knet_ping_interval", 0, 1),
                PingTimeout = Number(s, "knet_ping_timeout", 0, 1),
                PingPrecision = Number(s, "knet_ping_precision", before.PingPrecision, 1),
                PongCount = Number(s, "knet_pong_count", before.PongCount, 1),
            };
        }

        return found;
    }

    /// <summary>One link with udp and udpu; with knet as many as every node has addresses.</summary>
    private List<InterfaceSettings> ReadLinks(
        ConfigSection totem, Dictionary<int, InterfaceSettings> given, TransportKind transport,
        IReadOnlyList<NodeSettings> nodes, int token)
    {
        int count = Math.Max(1, nodes.Count == 0 ? 1 : nodes.Max(n => n.Addresses.Count));
        if (transport is not TransportKind.Knet)
        {
            var second = totem.Sections.Where(s => s.Name == "interface").ElementAtOrDefault(1);
            if (second is not null && given.Count > 1)
            {
                throw Error(second.Line, $"{given.Count} is too many configured interfaces for non-Knet transport",
                    "one, or transport: knet");
            }

            if (nodes.FirstOrDefault(n => n.Addresses.Count > 1) is { } several)
            {
                Warn(several.Line, "ring1_addr and further have no effect here: only knet uses several links");
            }

            count = 1;
            string? only = given.Keys.Where(n => n != 0).Select(n => $"linknumber {n}").FirstOrDefault();
            if (only is not null)
            {
                throw Error(totem.Sections.First(s => s.Name == "interface").Line, only, "linknumber: 0");
            }
        }

        if (nodes.FirstOrDefault(n => n.Addresses.Count != nodes[0].Addresses.Count) is { } odd && count > 1)
        {
            throw Error(odd.Line, $"{odd.Addresses.Count} addresses, where node '{nodes[0].Name}' has "
                + $"{nodes[0].Addresses.Count}: not all nodes have the same number of links", "an address per link");
        }

        for (int link = 0; link < count; link++)
        {
            foreach (var node in nodes)
            {
                if (UdpAddress.Parse(node.Addresses[link]) is { } a && UdpAddress.Parse(nodes[0].Addresses[link]) is { } b
                    && a.IsV6 != b.IsV6)
                {
                    throw Error(node.Line,
                        $"nodes for link {link} have different IP families (compared {a} with {b})", "one family per link");
                }
            }
        }

        return [.. Enumerable.Range(0, count).Select(link =>
        {
            var s = given.GetValueOrDefault(link) ?? new InterfaceSettings { LinkNumber = link, McastPort = Port + link };
            int timeout = s.PingTimeout > 0 && given.ContainsKey(link) ? s.PingTimeout : token / s.PongCount;
            int interval = s.PingInterval > 0 && given.ContainsKey(link) ? s.PingInterval : token / (s.PongCount * 2);
            return s with { PingTimeout = Math.Max(1, timeout), PingInterval = Math.Max(1, interval) };
        })];
    }

    private LinkMode ReadLinkMode(ConfigSection totem) => totem.Find("link_mode") is not { } entry ? LinkMode.Passive
        : OneOf(entry, "passive", "active", "rr") switch
        {
            "active" => LinkMode.Active,
            "rr" => LinkMode.RoundRobin,
            _ => LinkMode.Passive,
        };

    private IpVersion ReadIpVersion(ConfigSection totem, TransportKind transport) =>
        totem.Find("ip_version") is not { } entry
        ? transport is TransportKind.Multicast ? IpVersion.V4 : IpVersion.V6Then4
        : OneOf(entry, "ipv4", "ipv6", "ipv4-6", "ipv6-4") switch
        {
            "ipv4" => IpVersion.V4,
            "ipv6" => IpVersion.V6,
            "ipv4-6" => IpVersion.V4Then6,
            _ => IpVersion.V6Then4,
        };

    private ulong ReadVersion(ConfigSection totem) => totem.Find("config_version") is not { } entry ? 0
        : ulong.TryParse(entry.Value, NumberStyles.None, CultureInfo.InvariantCulture, out ulong version) ? version
        : throw Error(entry.Line, $"config_version: {entry.Value}", "a number of 0 or more");

    /// <summary>key in the file itself; keyfile goes before it.</summary>
    private string? ReadKey(ConfigSection totem)
    {
        if (totem.Find("key") is not { } entry)
        {
            return null;
        }

        if (totem.Find("keyfile") is not null)
        {
            Warn(entry.Line, "key has no effect beside keyfile");
            return null;
        }

        Warn(entry.Line, "a key in this file is readable by whoever may read the file; keyfile is better");
        return entry.Value;
    }
}
