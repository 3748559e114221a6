namespace Buoy.Balancer.Rules.Patterns;

/// <summary>
/// Entries by exact key. One writer at a time; readers take no lock: a node is complete before it is linked, and one
/// that
/// is taken out still leads on to the next.
/// </summary>
internal sealed class TextTable(bool fold)
{
    private const int Least = 16;
    private Node?[] _buckets = new Node?[Least];
    private int _count;

    private sealed class Node(byte[] key, uint hash, PatternEntry entry)
    {
        public readonly byte[] Key = key;
        public readonly uint Hash = hash;
        public readonly PatternEntry Entry = entry;
        public volatile Node? Next;
    }

    /// <summary>The first entry of that key, null = none. Allocates nothing.</summary>
    public PatternEntry? Find(ReadOnlySpan<byte> key)
    {
        var buckets = Volatile.Read(ref _buckets);
        uint hash = Hash(key);
        for (var n = Volatile.Read(ref buckets[hash & (uint)(buckets.Length - 1)]); n is not null; n = n.Next)
        {
            if (n.Hash == hash && TextFold.Equals(key, n.Key, fold))
            {
                return n.Entry;
            }
        }

        return null;
    }

    /// <summary>Adds an entry behind those of the same key. The key is in lower case where case is ignored.</summary>
    public void Add(byte[] key, PatternEntry entry)
    {
        if (_count >= _buckets.Length)
        {
            Grow();
        }

        Link(_buckets, new Node(key, Hash(key), entry));
        _count++;
    }

    public void Remove(byte[] key, PatternEntry entry)
    {
        uint hash = Hash(key);
        ref var head = ref _buckets[hash & (uint)(_buckets.Length - 1)];
        Node? previous = null;
        for (var n = head; n is not null; previous = n, n = n.Next)
        {
            if (!ReferenceEquals(n.Entry, entry))
            {
                continue;
            }

            if (previous is null)
            {
                Volatile.Write(ref head, n.Next);
            }
            else
            {
                previous.Next = n.Next;
            }

            _count--;
            return;
        }
    }

    private static void Link(Node?[] buckets, Node node)
    {
        ref var head = ref buckets[node.Hash & (uint)(buckets.Length - 1)];
        if (head is null)
        {
            Volatile.Write(ref head, node);
            return;
        }

        var last = head;
        while (last.Next is { } next)
        {
            last = next;
        }

        last.Next = node;
    }

    /// <summary>Twice the buckets, with nodes of their own: readers of the old ones are not disturbed.</summary>
    private void Grow()
    {
        var bigger = new Node?[_buckets.Length * 2];
        foreach (var head in _buckets)
        {
            for (var n = head; n is not null; n = n.Next)
            {
                Link(bigger, new Node(n.Key, n.Hash, n.Entry));
            }
        }

        Volatile.Write(ref _buckets, bigger);
    }

    private uint Hash(ReadOnlySpan<byte> key)
    {
        uint h = 2166136261;
        if (fold)
        {
            foreach (byte b in key)
            {
                h = (h ^ TextFold.Lower(b)) * 16777619;
            }
        }
        else
        {
            foreach (byte b in key)
            {
                h = (h ^ b) * 16777619;
            }
        }

        return h ^ (h >> 15);
    }
}
