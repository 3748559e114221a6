namespace Buoy.Balancer.Engine;

/// <summary>How often something happened in this second of the clock; counted by all shards.</summary>
internal sealed class SecondRate
{
    private long _second;
    private int _count;

    /// <summary>How often it may still happen before <paramref name="perSecond"/> is reached; <paramref name="now"/> in ms.</summary>
    public int Room(long now, int perSecond)
    {
        long second = now / 1000;
        if (Volatile.Read(ref _second) != second)
        {
            Volatile.Write(ref _second, second);
            Volatile.Write(ref _count, 0);
        }

        return perSecond - Volatile.Read(ref _count);
    }

    /// <summary>It happened.</summary>
    public void Count() => Interlocked.Increment(ref _count);
}
