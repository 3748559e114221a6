using System.Runtime.CompilerServices;

namespace Buoy.Balancer.StickTables;

/// <summary>An entry that is tracked, and its table; null = nothing is.</summary>
internal struct TrackedCounter
{
    public StickTable? Table;
    public StickEntry? Entry;
}

/// <summary>
/// What a connection, or one of its streams, tracks: sc0, sc1 and sc2 (manual 4.2 "http-request track-sc0"). Entries
/// of a connection are held until it ends, those of a stream until the stream does.
/// </summary>
internal sealed class TrackedCounters
{
    /// <summary>MAX_SESS_STKCTR of the original's build.</summary>
    public const int Size = 3;
    private Slots _slots;

    /// <summary>Is anything tracked?</summary>
    public bool Any { get; private set; }

    /// <summary>The counter of a number; without an entry where it tracks nothing, or there is no such
    /// number.</summary>
    public TrackedCounter this[long number] => (ulong)number < Size ? _slots[(int)number] : default;

    /// <summary>Begins to track; not where the table is full.</summary>
    public void Track(int number, StickTable table, ReadOnlySpan<byte> key, StickEvents events, long now)
    {
        if (table.Track(key, events, now) is { } entry)
        {
            _slots[number] = new TrackedCounter { Table = table, Entry = entry };
            Any = true;
        }
    }

    public void Count(StickEvents events, long now)
    {
        if (!Any)
        {
            return;
        }

        var change = new Events(events);
        Apply(now, ref change);
    }

    public void CountBytes(long fromClient, long toClient, long now)
    {
        if (!Any || (fromClient | toClient) == 0)
        {
            return;
        }

        var change = new Bytes(fromClient, toClient);
        Apply(now, ref change);
    }

    /// <summary>Ends tracking.</summary>
    public void Release(long now)
    {
        if (!Any)
        {
            return;
        }

        for (int i = 0; i < Size; i++)
        {
            if (_slots[i] is { Table: { } table, Entry: { } entry })
            {
                table.Release(entry, now);
                _slots[i] = default;
            }
        }

        Any = false;
    }

    private void Apply<T>(long now, ref T change)
        where T : struct, IStickVisitor
    {
        for (int i = 0; i < Size; i++)
        {
            if (_slots[i] is { Table: { } table, Entry: { } entry })
            {
                table.Apply(entry, now, ref change);
            }
        }
    }

    private readonly struct Events(StickEvents events) : IStickVisitor
    {
        public void Visit(StickEntry e, StickLayout layout, long now) => layout.Count(e, events, now);
    }

    private readonly struct Bytes(long fromClient, long toClient) : IStickVisitor
    {
        public void Visit(StickEntry e, StickLayout layout, long now) =>
            layout.CountBytes(e, fromClient, toClient, now);
    }

    [InlineArray(Size)]
    private struct Slots
    {
        private TrackedCounter _first;
    }
}
