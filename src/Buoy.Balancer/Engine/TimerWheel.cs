using System.Numerics;

namespace Buoy.Balancer.Engine;

/// <summary>
/// Hashed timer wheel over <see cref="Conn"/>: O(1) to file and to remove. It is lazy: an entry's time is the earliest
/// at which someone should look; whoever is called files it again when its true deadline has moved. Entries beyond the
/// horizon fire at the horizon and are filed again likewise. Never early: an entry due at t fires at the first
/// <see cref="Expire"/> with now ≥ t, and at most one tick late.
/// </summary>
internal sealed unsafe class TimerWheel
{
    /// <summary>ms per slot.</summary>
    public const int Tick = 4;
    private const int SlotBits = 12;
    private const int Slots = 1 << SlotBits;
    private readonly nint[] _slots = new nint[Slots];
    private readonly ulong[] _used = new ulong[Slots / 64];
    private long _tick;

    public TimerWheel(long now) => _tick = now / Tick;

    /// <summary>Entries filed.</summary>
    public int Count { get; private set; }

    /// <summary>
    /// Sees to it that the entry fires at <paramref name="due"/> or before: an earlier filing stands.
    /// </summary>
    public void FileNoLaterThan(Conn* c, long due)
    {
        if (c->TimerSlot >= 0)
        {
            if (c->Due <= due)
            {
                return;
            }

            Remove(c);
        }

        c->Due = due;

        // Rounded up, so that it is never early, and always ahead of the tick that was expired last.
        long tick = Math.Max(_tick + 1, (due + Tick - 1) / Tick);
        tick = Math.Min(tick, _tick + Slots - 1);
        int slot = (int)(tick & (Slots - 1));
        var head = (Conn*)_slots[slot];
        c->TimerSlot = slot;
        c->TimerPrevious = null;
        c->TimerNext = head;
        if (head != null)
        {
            head->TimerPrevious = c;
        }

        _slots[slot] = (nint)c;
        _used[slot >> 6] |= 1ul << (slot & 63);
        Count++;
    }

    /// <summary>Takes an entry out; nothing happens where it is not filed.</summary>
    public void Remove(Conn* c)
    {
        int slot = c->TimerSlot;
        if (slot < 0)
        {
            return;
        }

        if (c->TimerNext != null)
        {
            c->TimerNext->TimerPrevious = c->TimerPrevious;
        }

        if (c->TimerPrevious != null)
        {
            c->TimerPrevious->TimerNext = c->TimerNext;
        }
        else
        {
            _slots[slot] = (nint)c->TimerNext;
            if (c->TimerNext == null)
            {
                _used[slot >> 6] &= ~(1ul << (slot & 63));
            }
        }

        c->TimerSlot = -1;
        Count--;
    }

    /// <summary>
    /// Takes out one entry whose slot has come, or null when there is none up to <paramref name="now"/>. Call until
    /// null.
    /// </summary>
    public Conn* Expire(long now)
    {
        long last = now / Tick;
        while (_tick <= last)
        {
            var c = (Conn*)_slots[_tick & (Slots - 1)];
            if (c != null)
            {
                Remove(c);
                return c;
            }

            if (_tick == last)
            {
                return null;
            }

            if (Count == 0)
            {
                _tick = last;
                return null;
            }

            _tick++;
        }

        return null;
    }

    /// <summary>ms from <paramref name="now"/> until the next slot in use; -1 when the wheel is empty.</summary>
    public int NextWait(long now)
    {
        if (Count == 0)
        {
            return -1;
        }

        int from = (int)(_tick & (Slots - 1));
        int word = from >> 6;
        ulong bits = _used[word] & (ulong.MaxValue << (from & 63));
        for (int i = 0; i <= _used.Length; i++)
        {
            if (bits != 0)
            {
                int slot = (word << 6) + BitOperations.TrailingZeroCount(bits);
                long ahead = (slot - from) & (Slots - 1);
                return (int)Math.Max(0, ((_tick + ahead) * Tick) - now);
            }

            word = (word + 1) % _used.Length;
            bits = _used[word];
        }

        return -1;
    }
}
