using System.Buffers.Binary;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>
/// Networks by address, the longest prefix first: a binary radix tree of which a path has as many nodes as networks lie
/// around the address. One writer at a time, readers without a lock, as in <see cref="PrefixTree"/>.
/// </summary>
internal sealed class NetworkTree
{
    private Node? _root;

    private sealed class Node(UInt128 prefix, int bits)
    {
        public readonly UInt128 Prefix = prefix;
        public readonly int Bits = bits;
        public volatile PatternEntry[] Entries = [];
        public Node? Zero;
        public Node? One;
    }

    public bool IsEmpty => Volatile.Read(ref _root) is null;

    /// <summary>An address in the upper bits: 4 bytes fill the first 32.</summary>
    public static UInt128 Bits(ReadOnlySpan<byte> address) => address.Length == 4
        ? (UInt128)BinaryPrimitives.ReadUInt32BigEndian(address) << 96 : BinaryPrimitives.ReadUInt128BigEndian(address);

    /// <summary>The entry of the smallest network that has the address. Allocates nothing.</summary>
    public PatternEntry? Find(UInt128 address)
    {
        PatternEntry? best = null;
        for (var n = Volatile.Read(ref _root); n is not null && Matches(n, address);
            n = n.Bits < 128 ? Volatile.Read(ref Bit(address, n.Bits) ? ref n.One : ref n.Zero) : null)
        {
            var entries = n.Entries;
            best = entries.Length > 0 ? entries[0] : best;
        }

        return best;
    }

    public void Add(PatternEntry entry)
    {
        int bits = entry.Bits;
        var prefix = Cut(Bits(entry.Address), bits);
        ref var slot = ref _root;
        while (slot is { } node)
        {
            int common = Math.Min(Math.Min(bits, node.Bits), (int)UInt128.LeadingZeroCount(node.Prefix ^ prefix));
            if (common == node.Bits && bits == node.Bits)
            {
                node.Entries = [.. node.Entries, entry];
                return;
            }

            if (common == node.Bits)
            {
                slot = ref Bit(prefix, common) ? ref node.One : ref node.Zero;
                continue;
            }

            var above = new Node(Cut(prefix, common), common);
            (Bit(node.Prefix, common) ? ref above.One : ref above.Zero) = node;
            if (common == bits)
            {
                above.Entries = [entry];
            }
            else
            {
                (Bit(prefix, common) ? ref above.One : ref above.Zero) = new Node(prefix, bits) { Entries = [entry] };
            }

            Volatile.Write(ref slot, above);
            return;
        }

        Volatile.Write(ref slot, new Node(prefix, bits) { Entries = [entry] });
    }

    /// <summary>Takes an entry out; its node stays.</summary>
    public void Remove(PatternEntry entry)
    {
        var prefix = Cut(Bits(entry.Address), entry.Bits);
        var node = _root;
        while (node is not null && node.Bits < entry.Bits)
        {
            node = Bit(prefix, node.Bits) ? node.One : node.Zero;
        }

        if (node is not null)
        {
            node.Entries = [.. node.Entries.Where(e => !ReferenceEquals(e, entry))];
        }
    }

    private static bool Matches(Node n, UInt128 address) => Cut(address ^ n.Prefix, n.Bits) == UInt128.Zero;

    private static bool Bit(UInt128 value, int index) => ((value >> (127 - index)) & UInt128.One) != UInt128.Zero;

    private static UInt128 Cut(UInt128 value, int bits) => bits == 0 ? UInt128.Zero
        : value & (UInt128.MaxValue << (128 - bits));
}
