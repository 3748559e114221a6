using System.Diagnostics.CodeAnalysis;

namespace Buoy.Balancer.StickTables;

/// <summary>One entry. Fields are read and written under its stripe's lock.</summary>
internal sealed class StickEntry(byte[] key, int data)
{
    public byte[] Key { get; } = key;

    /// <summary>HAProxy's id of the server in its backend, 0 = none.</summary>
    public int ServerId { get; set; }

    /// <summary>Its name, null = none stored.</summary>
    public string? ServerName { get; set; }

    /// <summary>When it ends, monotonic ms; <see cref="long.MaxValue"/> = never.</summary>
    public long Expires { get; set; }

    /// <summary>When it was last used, monotonic ms.</summary>
    public long LastUse { get; set; }

    /// <summary>Values by position in <see cref="StickTableConfig.Data"/>; rates as of the last event.</summary>
    public long[] Data { get; } = new long[data];

    /// <summary>Neighbours in the stripe's order of use, the oldest first.</summary>
    internal StickEntry? Older { get; set; }

    internal StickEntry? Newer { get; set; }
}

/// <summary>
/// A stick table, used by all shards at once. Keys are spread over stripes, each with a lock of its own that is held for
/// one look-up: an owner shard would cost a message to another thread and back per request, and a stripe's lock is
/// hardly ever met. A stripe keeps its entries in the order of their last use, which is the order in which they expire,
/// so that expiry and purging cost nothing but what they remove.
/// </summary>
internal sealed class StickTable
{
    private const int StripeCount = 64;
    private readonly Stripe[] _stripes = [.. Enumerable.Range(0, StripeCount).Select(_ => new Stripe())];
    private readonly bool _hasServers;
    private int _used;

    /// <param name="servers">Rules store servers in it.</param>
    public StickTable(string name, StickTableConfig config, bool servers)
    {
        (Name, Config, _hasServers) = (name, config, servers);
    }

    public string Name { get; }

    public StickTableConfig Config { get; }

    /// <summary>Do rules store servers here, and with them their names?</summary>
    public bool HasNames => _hasServers;

    /// <summary>Do entries have a server?</summary>
    public bool HasServers => _hasServers || Config.ServerId;

    public int Used => Volatile.Read(ref _used);

    /// <summary>The server of a key, 0 = none. What is found lives on for the table's expire time.</summary>
    public int FindServer(ReadOnlySpan<byte> key, long now)
    {
        var stripe = StripeOf(key);
        lock (stripe)
        {
            Expire(stripe, now);
            if (!stripe.Find(key, out var e))
            {
                return 0;
            }

            Touch(stripe, e, now);
            return e.ServerId;
        }
    }

    /// <summary>Stores a key's server; false = the table is full and refuses (nopurge).</summary>
    public bool StoreServer(ReadOnlySpan<byte> key, int server, string name, long now) =>
        Change(key, now, e => (e.ServerId, e.ServerName) = (server, name));

    /// <summary>Finds or creates an entry and changes it; false = the table is full and refuses (nopurge).</summary>
    public bool Change(ReadOnlySpan<byte> key, long now, Action<StickEntry> change)
    {
        var stripe = StripeOf(key);
        lock (stripe)
        {
            Expire(stripe, now);
            if (stripe.Find(key, out var e))
            {
                Touch(stripe, e, now);
                change(e);
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
            if (stripe.Find(key, out var other))
            {
                Interlocked.Decrement(ref _used);
                change(other);
                return true;
            }

            var e = new StickEntry(key.ToArray(), Config.Data.Count);
            stripe.Entries.Add(e.Key, e);
            stripe.Append(e);
            e.LastUse = now;
            e.Expires = Config.Expire > 0 ? now + Config.Expire : long.MaxValue;
            change(e);
            return true;
        }
    }

    /// <summary>Takes one entry out; false = there is none.</summary>
    public bool Remove(ReadOnlySpan<byte> key)
    {
        var stripe = StripeOf(key);
        lock (stripe)
        {
            if (!stripe.Find(key, out var e))
            {
                return false;
            }

            Drop(stripe, e);
            return true;
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
                for (var e = stripe.Oldest; e is not null; e = e.Newer)
                {
                    var copy = new StickEntry(e.Key, e.Data.Length) { ServerId = e.ServerId, ServerName = e.ServerName, Expires = e.Expires };
                    e.Data.CopyTo(copy.Data, 0);
                    all.Add(copy);
                }
            }
        }

        all.Sort((a, b) => a.Key.AsSpan().SequenceCompareTo(b.Key));
        return all;
    }

    private static uint HashOf(ReadOnlySpan<byte> key) => Engine.Balance.Hashes.Avalanche(Engine.Balance.Hashes.Djb2(key));

    private Stripe StripeOf(ReadOnlySpan<byte> key) => _stripes[HashOf(key) % StripeCount];

    private void Touch(Stripe stripe, StickEntry e, long now)
    {
        e.LastUse = now;
        if (Config.Expire > 0)
        {
            e.Expires = now + Config.Expire;
        }

        stripe.Unlink(e);
        stripe.Append(e);
    }

    private void Expire(Stripe stripe, long now)
    {
        while (stripe.Oldest is { } e && e.Expires <= now)
        {
            Drop(stripe, e);
        }
    }

    private void Drop(Stripe stripe, StickEntry e)
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
            Stripe? oldest = null;
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

    /// <summary>Bytes as keys, by their content.</summary>
    private sealed class KeyComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => (int)HashOf(obj);

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate) => (int)HashOf(alternate);

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }

    private sealed class Stripe
    {
        private readonly Dictionary<byte[], StickEntry>.AlternateLookup<ReadOnlySpan<byte>> _lookup;

        public Stripe() => _lookup = Entries.GetAlternateLookup<ReadOnlySpan<byte>>();

        public Dictionary<byte[], StickEntry> Entries { get; } = new(new KeyComparer());

        public StickEntry? Oldest { get; private set; }

        private StickEntry? Newest { get; set; }

        public bool Find(ReadOnlySpan<byte> key, [NotNullWhen(true)] out StickEntry? e) =>
            _lookup.TryGetValue(key, out e);

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
        }
    }
}
