namespace Buoy.Balancer.StickTables;

/// <summary>One entry. Fields are read and written under its stripe's lock.</summary>
/// <param name="stripe">The lock.</param>
internal sealed class StickEntry(byte[] key, int data, object stripe)
{
    public byte[] Key { get; } = key;

    public object Stripe { get; } = stripe;

    /// <summary>HAProxy's id of the server in its backend, 0 = none.</summary>
    public int ServerId { get; set; }

    /// <summary>Its name or address, null = none stored.</summary>
    public string? ServerKey { get; set; }

    /// <summary>When it ends, monotonic ms; <see cref="long.MaxValue"/> = never.</summary>
    public long Expires { get; set; }

    /// <summary>When it was last used, monotonic ms.</summary>
    public long LastUse { get; set; }

    /// <summary>Connections and streams that track it now; while there are some it neither expires nor is
    /// purged.</summary>
    public int Users { get; set; }

    /// <summary>Numbers as <see cref="StickLayout"/> places them.</summary>
    public long[] Data { get; } = new long[data];

    /// <summary>Neighbours in the stripe's order of use, the oldest first; none while it is tracked.</summary>
    internal StickEntry? Older { get; set; }

    internal StickEntry? Newer { get; set; }

    /// <summary>A copy that nobody changes.</summary>
    internal StickEntry Copy()
    {
        var copy = new StickEntry(Key, Data.Length, Stripe)
        {
            ServerId = ServerId, ServerKey = ServerKey, Expires = Expires, LastUse = LastUse, Users = Users,
        };
        Data.CopyTo(copy.Data, 0);
        return copy;
    }
}

/// <summary>Something done with an entry while its stripe is locked. Structs, so that nothing is allocated for
/// it.</summary>
internal interface IStickVisitor
{
    void Visit(StickEntry e, StickLayout layout, long now);
}
