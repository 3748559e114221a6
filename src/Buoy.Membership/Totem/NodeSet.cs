using System.Collections;

namespace Buoy.Membership.Totem;

/// <summary>
/// An immutable set of node ids, kept ascending: the protocol compares, joins and subtracts such sets all the time.
/// </summary>
public sealed class NodeSet : IReadOnlyList<uint>, IEquatable<NodeSet>
{
    /// <summary>The set without members.</summary>
    public static readonly NodeSet Empty = new([]);

    private readonly uint[] _ids;

    private NodeSet(uint[] ascending) => _ids = ascending;

    /// <summary>A set of the given ids; repeats count once.</summary>
    public static NodeSet Of(params IEnumerable<uint> ids) => new([.. ids.Distinct().Order()]);

    /// <summary>Number of members.</summary>
    public int Count => _ids.Length;

    /// <summary>The member at a place in ascending order.</summary>
    public uint this[int index] => _ids[index];

    /// <summary>Lowest id; the set is not empty.</summary>
    public uint Lowest => _ids[0];

    /// <summary>Membership, by binary search.</summary>
    public bool Contains(uint id) => Array.BinarySearch(_ids, id) >= 0;

    /// <summary>Place of an id in ascending order, negative where it is absent.</summary>
    public int IndexOf(uint id) => Array.BinarySearch(_ids, id);

    /// <summary>Members of either set.</summary>
    public NodeSet Union(NodeSet other) => other.IsSubsetOf(this) ? this : Of(_ids.Concat(other._ids));

    /// <summary>This set with one more id.</summary>
    public NodeSet With(uint id) => Contains(id) ? this : Of(_ids.Append(id));

    /// <summary>Members of this set that are not in the other.</summary>
    public NodeSet Except(NodeSet other) => other.Count == 0 ? this : new([.. _ids.Where(i => !other.Contains(i))]);

    /// <summary>Members of both sets.</summary>
    public NodeSet Intersect(NodeSet other) => new([.. _ids.Where(other.Contains)]);

    /// <summary>Whether each member of this set is in the other.</summary>
    public bool IsSubsetOf(NodeSet other) => _ids.All(other.Contains);

    /// <inheritdoc/>
    public bool Equals(NodeSet? other) => other is not null && _ids.AsSpan().SequenceEqual(other._ids);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as NodeSet);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (uint id in _ids)
        {
            hash.Add(id);
        }

        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public IEnumerator<uint> GetEnumerator() => ((IEnumerable<uint>)_ids).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => _ids.GetEnumerator();

    /// <inheritdoc/>
    public override string ToString() => "{" + string.Join(',', _ids) + "}";
}
