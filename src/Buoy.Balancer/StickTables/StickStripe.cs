using System.Diagnostics.CodeAnalysis;

namespace Buoy.Balancer.StickTables;

/// <summary>A part of a table's entries with its lock: itself.</summary>
internal sealed class StickStripe
{
    private readonly Dictionary<byte[], StickEntry>.AlternateLookup<ReadOnlySpan<byte>> _lookup;

    public StickStripe() => _lookup = Entries.GetAlternateLookup<ReadOnlySpan<byte>>();

    public Dictionary<byte[], StickEntry> Entries { get; } = new(new KeyComparer());

    /// <summary>The first in the order of use, which is the one that expires first.</summary>
    public StickEntry? Oldest { get; private set; }

    private StickEntry? Newest { get; set; }

    public static uint HashOf(ReadOnlySpan<byte> key) =>
        Engine.Balance.Hashes.Avalanche(Engine.Balance.Hashes.Djb2(key));

    public bool Find(ReadOnlySpan<byte> key, [NotNullWhen(true)] out StickEntry? e) => _lookup.TryGetValue(key, out e);

    public void Append(StickEntry e)
    {
        e.Older = Newest;
        e.Newer = null;
        if (Newest is null)
        {
            Oldest = e;
        }
        else
        {
            Newest.Newer = e;
        }

        Newest = e;
    }

    public void Unlink(StickEntry e)
    {
        if (e.Older is null)
        {
            Oldest = e.Newer;
        }
        else
        {
            e.Older.Newer = e.Newer;
        }

        if (e.Newer is null)
        {
            Newest = e.Older;
        }
        else
        {
            e.Newer.Older = e.Older;
        }

        e.Older = e.Newer = null;
    }

    /// <summary>Bytes as keys, by their content.</summary>
    private sealed class KeyComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => (int)HashOf(obj);

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate) => (int)HashOf(alternate);

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
