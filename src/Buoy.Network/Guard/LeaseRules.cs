using System.Net;

namespace Buoy.Network.Guard;

/// <summary>
/// The tables that make an address silent on this node unless the lease is there, and the transactions on them. One
/// resource has one name, so addresses live side by side and each goes without touching another. Pure.
/// <code>
/// table arp buoy-vip {                       table ip buoy-vip {
///   set lease  { timeout }                     set lease { timeout }
///   set ticket { timeout }
///   chain in  { questions for it: drop }       chain in { packets to it: drop }
///   chain out { packets as it: drop }        }                                     each "unless it is in @lease"
/// }
/// </code>
/// IPv6 has one table, ip6, with the same for neighbour discovery (RFC 4861).
/// </summary>
internal sealed class LeaseRules
{
    /// <summary>What the names of all our tables begin with.</summary>
    public const string Prefix = "buoy-";

    private const string Lease = "lease", Ticket = "ticket", In = "in", Out = "out";
    private const uint ArpIn = 0, ArpOut = 1, LocalIn = 1, LocalOut = 3;
    private const int EthernetSender = 14, EthernetTarget = 24;
    private const byte IcmpV6 = 58, Solicitation = 135, Advertisement = 136;

    /// <summary>Before connection tracking sees it (NF_IP_PRI_RAW).</summary>
    private const int Early = -300;
    private readonly string _table;
    private readonly byte[] _key;
    private readonly bool _v4;

    /// <summary>Rules of an address under the name of its resource.</summary>
    public LeaseRules(string resource, IPAddress address)
    {
        _table = Prefix + resource;
        _key = address.GetAddressBytes();
        _v4 = _key.Length == 4;
    }

    private byte First => _v4 ? NftBatch.FamilyArp : NftBatch.FamilyIPv6;

    private byte[] Families => _v4 ? [NftBatch.FamilyArp, NftBatch.FamilyIPv4] : [NftBatch.FamilyIPv6];

    /// <summary>Lays the rules, in place of any of that name: the address is silent from then on.</summary>
    public NftBatch Lay(uint sequence)
    {
        var b = new NftBatch(sequence);
        foreach (byte family in Families)
        {
            b.AddTable(family, _table);
            b.DeleteTable(family, _table);
            b.AddTable(family, _table);
            b.AddTimeoutSet(family, _table, Lease, _v4 ? 7u : 8u, (uint)_key.Length);
        }

        b.AddTimeoutSet(First, _table, Ticket, _v4 ? 7u : 8u, (uint)_key.Length);
        if (_v4)
        {
            b.AddChain(NftBatch.FamilyArp, _table, In, ArpIn, 0);
            b.AddChain(NftBatch.FamilyArp, _table, Out, ArpOut, 0);
            b.AddDropUnlessIn(NftBatch.FamilyArp, _table, In, Lease, Network(EthernetTarget));
            b.AddDropUnlessIn(NftBatch.FamilyArp, _table, Out, Lease, Network(EthernetSender));
            b.AddChain(NftBatch.FamilyIPv4, _table, In, LocalIn, Early);
            b.AddDropUnlessIn(NftBatch.FamilyIPv4, _table, In, Lease, Network(16));
            return b;
        }

        b.AddChain(NftBatch.FamilyIPv6, _table, In, LocalIn, Early);
        b.AddChain(NftBatch.FamilyIPv6, _table, Out, LocalOut, Early);
        b.AddDropUnlessIn(NftBatch.FamilyIPv6, _table, In, Lease, Network(24));
        b.AddDropUnlessIn(
            NftBatch.FamilyIPv6, _table, In, Lease, NftMatch.Protocol(IcmpV6), Type(Solicitation), Target());
        b.AddDropUnlessIn(
            NftBatch.FamilyIPv6, _table, Out, Lease, NftMatch.Protocol(IcmpV6), Type(Advertisement), Target());
        b.AddDropUnlessIn(NftBatch.FamilyIPv6, _table, Out, Lease, NftMatch.Protocol(IcmpV6), Network(8));
        return b;
    }

    /// <summary>Removes the rules.</summary>
    public NftBatch Lift(uint sequence)
    {
        var b = new NftBatch(sequence);
        foreach (byte family in Families)
        {
            b.AddTable(family, _table);
            b.DeleteTable(family, _table);
        }

        return b;
    }

    /// <summary>A ticket that runs out by itself, in place of any that is there.</summary>
    public NftBatch PlaceTicket(uint sequence, int ms)
    {
        var b = new NftBatch(sequence);
        b.Flush(First, _table, Ticket);
        b.AddElement(First, _table, Ticket, _key, ms);
        return b;
    }

    /// <summary>Turns the ticket into a lease; fails (ENOENT) where it has run out.</summary>
    public NftBatch Grant(uint sequence, int ms)
    {
        var b = new NftBatch(sequence);
        b.DeleteElement(First, _table, Ticket, _key);
        foreach (byte family in Families)
        {
            b.Flush(family, _table, Lease);
            b.AddElement(family, _table, Lease, _key, ms);
        }

        return b;
    }

    /// <summary>
    /// Makes the lease last anew; fails (ENOENT) where it has run out, so that a daemon which slept between its look at
    /// the clock and this call changes nothing. An element that is only added again would keep its old end.
    /// </summary>
    public NftBatch Renew(uint sequence, int ms)
    {
        var b = new NftBatch(sequence);
        foreach (byte family in Families)
        {
            b.DeleteElement(family, _table, Lease, _key);
            b.AddElement(family, _table, Lease, _key, ms);
        }

        return b;
    }

    /// <summary>Ends lease and ticket.</summary>
    public NftBatch Drop(uint sequence)
    {
        var b = new NftBatch(sequence);
        foreach (byte family in Families)
        {
            b.Flush(family, _table, Lease);
        }

        b.Flush(First, _table, Ticket);
        return b;
    }

    /// <summary>A table of its own that drops incoming UDP to a port: nothing is ever in its set.</summary>
    public static NftBatch DropUdp(uint sequence, string name, ushort port)
    {
        const byte udp = 17;
        string table = Prefix + name;
        var b = new NftBatch(sequence);
        b.AddTable(NftBatch.FamilyIPv4, table);
        b.AddTimeoutSet(NftBatch.FamilyIPv4, table, Lease, 13, 2);
        b.AddChain(NftBatch.FamilyIPv4, table, In, LocalIn, Early);
        b.AddDropUnlessIn(NftBatch.FamilyIPv4, table, In, Lease, NftMatch.Protocol(udp),
            new NftMatch(NftBase.Transport, 2, [(byte)(port >> 8), (byte)port]));
        return b;
    }

    private static NftMatch Type(byte type) => new(NftBase.Transport, 0, [type]);

    private NftMatch Network(uint offset) => new(NftBase.Network, offset, _key);

    private NftMatch Target() => new(NftBase.Transport, 8, _key);
}
