namespace Buoy.Balancer.StickTables;

/// <summary>
/// A frequency: events of the running period and of the one before it, weighed by how much of it still lies in a
/// window of one period that ends now. Three numbers: when the running period began (ms), its events, those of the
/// period before. Comparisons with the original show the same values at the same times.
/// </summary>
internal static class StickRate
{
    /// <summary>Numbers that one takes.</summary>
    public const int Width = 3;

    /// <summary>Counts events.</summary>
    public static void Add(Span<long> rate, int period, long events, long now)
    {
        long since = now - rate[0];
        if (since >= period)
        {
            bool next = since < 2L * period;
            rate[2] = next ? rate[1] : 0;
            rate[1] = 0;
            rate[0] = next ? rate[0] + period : now;
        }

        rate[1] = (rate[1] + events) & uint.MaxValue;
    }

    /// <summary>Makes it this many events in the last period, of which the first ones leave the window from now
    /// on.</summary>
    public static void Set(Span<long> rate, long events, long now)
    {
        rate[0] = now;
        rate[1] = events & uint.MaxValue;
        rate[2] = 0;
    }

    /// <summary>Events in the last period. A single one of the period before is told on, until another period
    /// ends.</summary>
    public static long Read(ReadOnlySpan<long> rate, int period, long now)
    {
        long remain = rate[0] + period - now;
        long current = rate[1], past = rate[2];
        if (remain < 0)
        {
            (past, current) = (current, 0);
            remain += period;
            if (remain < 0)
            {
                return 0;
            }
        }

        return past <= 1 && current == 0 ? past : current + (period == 0 ? 0 : past * remain / period);
    }
}
