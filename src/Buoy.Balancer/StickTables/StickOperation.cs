namespace Buoy.Balancer.StickTables;

/// <summary>What a fetch asks of an entry.</summary>
internal enum StickQuery : byte
{
    /// <summary>A stored value.</summary>
    Value,

    /// <summary>Bytes as kilobytes.</summary>
    Kilobytes,

    /// <summary>How many track it.</summary>
    Trackers,

    /// <summary>Ms until it expires, 0 where entries do not.</summary>
    Expire,

    /// <summary>Ms since it was last used, 0 where entries do not expire.</summary>
    Idle,

    /// <summary>Counts one more in a general purpose counter and its rate, and gives the new value.</summary>
    Increment,

    /// <summary>Sets a general purpose counter to 0 and gives its value before.</summary>
    Clear,

    /// <summary>Counts a connection.</summary>
    CountConnection,
}

/// <summary>One query, and its answer.</summary>
/// <param name="rate">Increment: the rate that counts with it.</param>
internal struct StickOperation(StickQuery query, StickData type, StickData rate, int index, bool expires)
    : IStickVisitor
{
    /// <summary>Is that stored?</summary>
    public bool Found { get; private set; }

    public long Value { get; private set; }

    public void Visit(StickEntry e, StickLayout layout, long now)
    {
        Found = true;
        switch (query)
        {
            case StickQuery.Trackers:
                Value = e.Users;
                return;
            case StickQuery.Expire:
                Value = expires ? Math.Max(0, e.Expires - now) : 0;
                return;
            case StickQuery.Idle:
                Value = expires ? Math.Max(0, now - e.LastUse) : 0;
                return;
            case StickQuery.Increment:
                // Counter or rate, whichever is stored, and 0 where neither is.
                layout.Add(e, rate, index, 1, now);
                layout.Add(e, type, index, 1, now);
                Value = layout.Read(e, type, index, now, out long count)
                    || layout.Read(e, rate, index, now, out count) ? count : 0;
                return;
            case StickQuery.CountConnection:
                layout.Add(e, type, index, 1, now);
                break;
        }

        Found = layout.Read(e, type, index, now, out long value);
        Value = query == StickQuery.Kilobytes ? value >> 10 : value;
        if (query == StickQuery.Clear && Found)
        {
            layout.Write(e, type, index, 0, now);
        }
    }
}
