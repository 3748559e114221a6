namespace Buoy.Balancer.StickTables;

/// <summary>
/// A stick table, used by all shards at once. Keys are spread over stripes, each with a lock of its own that is held
/// for one look-up: an owner shard would cost a message to another thread and back per request, and a stripe's lock is
/// hardly ever met. A stripe keeps its entries in the order of their last use, which is the order in which they expire,
/// so that expiry and purging cost nothing but what they remove; entries that are tracked are not in that order.
/// </summary>
internal sealed class StickTable
{
    private const int StripeCount = 64;
    private readonly StickStripe[] _stripes = [.. Enumerable.Range(0, StripeCount).Select(_ => new StickStripe())];
    private int _used;

    /// <param name="servers">Rules store servers in it.</param>
    public StickTable(string name, StickTableConfig config, bool servers)
    {
        (Name, Config) = (name, config);
        var stores = new List<StickStore>(config.Stores);
        foreach (var type in servers ? [StickData.ServerId, StickData.ServerKey] : (StickData[])[])
        {
            if (stores.TrueForAll(s => s.Type != type))
            {
                stores.Add(new StickStore(type));
            }
        }

        Stores = [.. stores.OrderBy(s => s.Type)];
        Layout = new StickLayout(Stores);
    }

    public string Name { get; }

    public StickTableConfig Config { get; }

    /// <summary>What entries store, in the order in which it is shown.</summary>
    public IReadOnlyList<StickStore> Stores { get; }

    public StickLayout Layout { get; }

    public int Used => Volatile.Read(ref _used);

    /// <summary>
    /// The server of a key: its id, 0 = none, and its name or address. What is found lives on for the table's expire
    /// time.
    /// </summary>
    public int FindServer(ReadOnlySpan<byte> key, long now, out string? server)
    {
        server = null;
        var stripe = StripeOf(key);
        lock (stripe)
        {
            Expire(stripe, now);
            if (!stripe.Find(key, out var e))
            {
                return 0;
            }

            Touch(stripe, e, now);
            server = e.ServerKey;
            return e.ServerId;
        }
    }

    /// <summary>Stores a key's server; false = the table is full and refuses (nopurge).</summary>
    public bool StoreServer(ReadOnlySpan<byte> key, int server, string name, long now)
    {
        var store = new ServerStore(server, name);
        return Change(key, now, ref store);
    }

    /// <summary>Visits the entry of a key without using it; false = there is none.</summary>
    public bool Look<T>(ReadOnlySpan<byte> key, long now, ref T visitor)
        where T : struct, IStickVisitor
    {
        var stripe = StripeOf(key);
        lock (stripe)
        {
            Expire(stripe, now);
            if (!stripe.Find(key, out var e))
            {
                return false;
            }

            visitor.Visit(e, Layout, now);
            return true;
        }
    }

    /// <summary>Finds or creates an entry, which is used thereby; false = the table is full and refuses
    /// (nopurge).</summary>
    public bool Change<T>(ReadOnlySpan<byte> key, long now, ref T visitor)
        where T : struct, IStickVisitor
    {
        var stripe = StripeOf(key);
        lock (stripe)
        {
            Expire(stripe, now);
            if (stripe.Find(key, out var e))
            {
                Touch(stripe, e, now);
                visitor.Visit(e, Layout, now);
                return true;
            }
        }

        // Room is made before the stripe is locked again: never two locks at once.
        if (Interlocked.Increment(ref _used) > Config.Size && !MakeRoom(now))
        {
            Interlocked.Decrement(ref _used);
            return false;
        }

        lock (stripe)
        {
            if (stripe.Find(key, out var e))
            {
                // Another thread was faster.
                Interlocked.Decrement(ref _used);
            }
            else
            {
                e = new StickEntry(key.ToArray(), Layout.Length, stripe) { LastUse = now, Expires = ExpiryOf(now) };
                stripe.Entries.Add(e.Key, e);
                stripe.Append(e);
            }

            visitor.Visit(e, Layout, now);
            return true;
        }
    }

    /// <summary>
    /// Begins to track a key and counts it: the entry stays until <see cref="Release"/>. Null = the table is full.
    /// </summary>
    public StickEntry? Track(ReadOnlySpan<byte> key, StickEvents events, long now)
    {
        var start = new TrackStart(events);
        return Change(key, now, ref start) ? start.Entry : null;
    }

    /// <summary>Visits an entry that is tracked.</summary>
    public void Apply<T>(StickEntry e, long now, ref T visitor)
        where T : struct, IStickVisitor
    {
        lock (e.Stripe)
        {
            visitor.Visit(e, Layout, now);
        }
    }

    /// <summary>Ends tracking.</summary>
    public void Release(StickEntry e, long now)
    {
        var stripe = (StickStripe)e.Stripe;
        lock (stripe)
        {
            Layout.EndConnection(e);
            e.LastUse = now;
            e.Expires = ExpiryOf(now);
            if (--e.Users == 0)
            {
                stripe.Append(e);
            }
        }
    }

    /// <summary>What came of <see cref="Remove"/>.</summary>
    public enum Removal { None, Done, InUse }

    /// <summary>Takes one entry out, unless it is tracked.</summary>
    public Removal Remove(ReadOnlySpan<byte> key)
    {
        var stripe = StripeOf(key);
        lock (stripe)
        {
            if (!stripe.Find(key, out var e))
            {
                return Removal.None;
            }

            if (e.Users > 0)
            {
                return Removal.InUse;
            }

            Drop(stripe, e);
            return Removal.Done;
        }
    }

    /// <summary>Copies of the entries that live, in the order of their keys.</summary>
    public IReadOnlyList<StickEntry> Snapshot(long now)
    {
        var all = new List<StickEntry>();
        foreach (var stripe in _stripes)
        {
            lock (stripe)
            {
                Expire(stripe, now);
                foreach (var e in stripe.Entries.Values)
                {
                    all.Add(e.Copy());
                }
            }
        }

        all.Sort((a, b) => a.Key.AsSpan().SequenceCompareTo(b.Key));
        return all;
    }

    private StickStripe StripeOf(ReadOnlySpan<byte> key) => _stripes[StickStripe.HashOf(key) % StripeCount];

    private long ExpiryOf(long now) => Config.Expire > 0 ? now + Config.Expire : long.MaxValue;

    private void Touch(StickStripe stripe, StickEntry e, long now)
    {
        e.LastUse = now;
        e.Expires = ExpiryOf(now);
        if (e.Users == 0)
        {
            stripe.Unlink(e);
            stripe.Append(e);
        }
    }

    private void Expire(StickStripe stripe, long now)
    {
        while (stripe.Oldest is { } e && e.Expires <= now)
        {
            Drop(stripe, e);
        }
    }

    private void Drop(StickStripe stripe, StickEntry e)
    {
        stripe.Unlink(e);
        stripe.Entries.Remove(e.Key);
        Interlocked.Decrement(ref _used);
    }

    /// <summary>What has expired goes first, then the entry that was used longest ago.</summary>
    private bool MakeRoom(long now)
    {
        // Another thread may take the entry that was chosen: then it is looked for again.
        for (int attempt = 0; attempt < StripeCount; attempt++)
        {
            StickStripe? oldest = null;
            long first = long.MaxValue;
            foreach (var stripe in _stripes)
            {
                lock (stripe)
                {
                    Expire(stripe, now);
                    if (stripe.Oldest is { } e && e.LastUse < first)
                    {
                        (oldest, first) = (stripe, e.LastUse);
                    }
                }
            }

            if (Used <= Config.Size)
            {
                return true;
            }

            if (Config.NoPurge || oldest is null)
            {
                return false;
            }

            lock (oldest)
            {
                if (oldest.Oldest is { } e)
                {
                    Drop(oldest, e);
                    return true;
                }
            }
        }

        return false;
    }

    private struct ServerStore(int id, string key) : IStickVisitor
    {
        public readonly void Visit(StickEntry e, StickLayout layout, long now) => (e.ServerId, e.ServerKey) = (id, key);
    }

    private struct TrackStart(StickEvents events) : IStickVisitor
    {
        public StickEntry? Entry { get; private set; }

        public void Visit(StickEntry e, StickLayout layout, long now)
        {
            Entry = e;
            if (e.Users++ == 0)
            {
                ((StickStripe)e.Stripe).Unlink(e);
            }

            layout.Count(e, events, now);
        }
    }
}
