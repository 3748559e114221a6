namespace Buoy.Membership.Transport;

/// <summary>Which datagram counters of a sender were seen: each passes once, and none that is far behind.</summary>
public sealed class ReplayWindow
{
    /// <summary>Datagrams one may overtake; more than any switch reorders.</summary>
    public const int Size = 1024;

    private readonly ulong[] _seen = new ulong[Size / 64];
    private ulong _highest;

    /// <summary>True once per counter.</summary>
    public bool Accept(ulong counter)
    {
        if (counter == 0 || counter + Size <= _highest)
        {
            return false;
        }

        if (counter > _highest)
        {
            ulong steps = Math.Min(counter - _highest, Size);
            for (ulong i = 1; i <= steps; i++)
            {
                ulong at = (counter - steps + i) % Size;
                _seen[at / 64] &= ~(1UL << (int)(at % 64));
            }

            _highest = counter;
        }

        ulong bit = counter % Size;
        ulong mask = 1UL << (int)(bit % 64);
        if ((_seen[bit / 64] & mask) != 0)
        {
            return false;
        }

        _seen[bit / 64] |= mask;
        return true;
    }
}
