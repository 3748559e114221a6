namespace Buoy.Scheduler;

internal enum NodeKind
{
    Cluster,
    Remote,
    Guest,
}

/// <summary>A node as configuration and status describe it.</summary>
internal sealed class Node(string id, string name, NodeKind kind)
{
    public string Id { get; } = id;
    public string Name { get; } = name;
    public NodeKind Kind { get; } = kind;

    /// <summary>Place in the node list (by name, digit runs as numbers); set once all nodes are known.</summary>
    public int Index { get; set; }

    /// <summary>Score that every resource starts with here.</summary>
    public int BaseScore { get; init; }
    public bool IsDc { get; set; }
    public bool HasState { get; set; }
    public bool Online { get; set; }
    public bool Pending { get; set; }
    public bool Unclean { get; set; }
    public bool Standby { get; set; }
    public bool StandbyOnFail { get; set; }
    public bool Maintenance { get; set; }
    public bool ShuttingDown { get; set; }

    /// <summary>Whether this run has seen that the node must be fenced, and why.</summary>
    public string? FenceReason { get; set; }

    /// <summary>The fencing takes priority-fencing-delay.</summary>
    public bool FenceWithPriorityDelay { get; set; }

    /// <summary>Configured attributes overwritten by transient ones, and those that rules see.</summary>
    public Dictionary<string, string> Attributes { get; } = new(StringComparer.Ordinal);

    /// <summary>Transient attributes alone (fail counts stand there).</summary>
    public Dictionary<string, string> Transient { get; } = new(StringComparer.Ordinal);
    public Dictionary<string, int> Capacity { get; } = new(StringComparer.Ordinal);

    /// <summary>Leafs this run has assigned here.</summary>
    public int AssignedCount { get; set; }

    /// <summary>Leafs that are active here by history.</summary>
    public List<Resource> Active { get; } = [];

    /// <summary>Remote nodes: the connection resource.</summary>
    public Resource? Connection { get; set; }

    public bool Available =>
        Online && !ShuttingDown && !Unclean && !Standby && !Pending && !Maintenance;

    public string Attribute(string name) => Attributes.GetValueOrDefault(name, "");

    public override string ToString() => Name;
}

/// <summary>Names in list order: letter case does not count, digit runs compare as numbers (n2 before n10).</summary>
internal sealed class NodeNameComparer : IComparer<string>
{
    public static readonly NodeNameComparer Instance = new();

    public int Compare(string? a, string? b)
    {
        a ??= "";
        b ??= "";
        int i = 0, j = 0;
        while (i < a.Length && j < b.Length)
        {
            if (char.IsAsciiDigit(a[i]) && char.IsAsciiDigit(b[j]))
            {
                ReadOnlySpan<char> x = Digits(a, ref i), y = Digits(b, ref j);
                int c = x.Length != y.Length ? x.Length.CompareTo(y.Length) : x.CompareTo(y, StringComparison.Ordinal);
                if (c != 0)
                {
                    return c;
                }

                continue;
            }

            int d = char.ToLowerInvariant(a[i++]).CompareTo(char.ToLowerInvariant(b[j++]));
            if (d != 0)
            {
                return d;
            }
        }

        return (a.Length - i).CompareTo(b.Length - j);
    }

    private static ReadOnlySpan<char> Digits(string s, ref int i)
    {
        int from = i;
        while (i < s.Length && char.IsAsciiDigit(s[i]))
        {
            i++;
        }

        ReadOnlySpan<char> digits = s.AsSpan(from, i - from).TrimStart('0');
        return digits;
    }
}
