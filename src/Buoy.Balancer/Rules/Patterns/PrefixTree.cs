namespace Buoy.Balancer.Rules.Patterns;

/// <summary>
/// Entries by prefix: a radix tree over bytes, for <c>beg</c>, and with everything read backwards for <c>end</c>. One
/// writer at a time; readers take no lock: every change is one reference written, of a node that is complete. Where
/// case
/// is ignored the keys are in lower case.
/// </summary>
internal sealed class PrefixTree(bool fold, bool backwards)
{
    private readonly Node _root = new([]);

    private sealed class Node(byte[] label)
    {
        /// <summary>Bytes between the parent and this node.</summary>
        public readonly byte[] Label = label;

        /// <summary>Entries whose key ends here, the oldest first; empty = none.</summary>
        public volatile PatternEntry[] Entries = [];

        /// <summary>By the first byte of their labels, in its order.</summary>
        public volatile Node[] Children = [];
    }

    /// <summary>The entry with the longest key that the text begins (or ends) with. Allocates nothing.</summary>
    public PatternEntry? FindLongest(ReadOnlySpan<byte> text) => Find(text, first: false);

    /// <summary>The oldest entry whose key the text begins (or ends) with. Allocates nothing.</summary>
    public PatternEntry? FindFirst(ReadOnlySpan<byte> text) => Find(text, first: true);

    public void Add(PatternEntry entry)
    {
        byte[] key = Key(entry);
        var node = _root;
        int at = 0;
        while (true)
        {
            if (at == key.Length)
            {
                node.Entries = [.. node.Entries, entry];
                return;
            }

            int index = Index(node.Children, key[at], out bool found);
            if (!found)
            {
                var leaf = new Node(key[at..]) { Entries = [entry] };
                node.Children = [.. node.Children[..index], leaf, .. node.Children[index..]];
                return;
            }

            var child = node.Children[index];
            int common = child.Label.AsSpan().CommonPrefixLength(key.AsSpan(at));
            if (common < child.Label.Length)
            {
                var lower = new Node(child.Label[common..]) { Entries = child.Entries, Children = child.Children };
                var upper = new Node(child.Label[..common]) { Children = [lower] };
                Node[] children = [.. node.Children];
                children[index] = upper;
                node.Children = children;
                child = upper;
            }

            at += common;
            node = child;
        }
    }

    /// <summary>Takes an entry out; its node stays.</summary>
    public void Remove(PatternEntry entry)
    {
        byte[] key = Key(entry);
        var node = _root;
        for (int at = 0; at < key.Length; at += node.Label.Length)
        {
            int index = Index(node.Children, key[at], out bool found);
            if (!found)
            {
                return;
            }

            node = node.Children[index];
        }

        node.Entries = [.. node.Entries.Where(e => !ReferenceEquals(e, entry))];
    }

    private PatternEntry? Find(ReadOnlySpan<byte> text, bool first)
    {
        PatternEntry? best = null;
        var node = _root;
        int at = 0;
        while (true)
        {
            var entries = node.Entries;
            if (entries.Length > 0 && (best is null || !first || entries[0].Element.Order < best.Element.Order))
            {
                best = entries[0];
            }

            if (at == text.Length)
            {
                return best;
            }

            var children = node.Children;
            int index = Index(children, At(text, at), out bool found);
            if (!found)
            {
                return best;
            }

            node = children[index];
            byte[] label = node.Label;
            if (label.Length > text.Length - at)
            {
                return best;
            }

            for (int i = 1; i < label.Length; i++)
            {
                if (At(text, at + i) != label[i])
                {
                    return best;
                }
            }

            at += label.Length;
        }
    }

    private byte At(ReadOnlySpan<byte> text, int index)
    {
        byte b = backwards ? text[text.Length - 1 - index] : text[index];
        return fold ? TextFold.Lower(b) : b;
    }

    private byte[] Key(PatternEntry entry)
    {
        byte[] key = [.. entry.Text];
        if (backwards)
        {
            Array.Reverse(key);
        }

        return key;
    }

    private static int Index(Node[] children, byte first, out bool found)
    {
        int low = 0;
        int high = children.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            byte b = children[middle].Label[0];
            if (b == first)
            {
                found = true;
                return middle;
            }

            if (b < first)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        found = false;
        return low;
    }
}
