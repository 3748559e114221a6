namespace Buoy.Balancer.Control;

/// <summary>
/// Events per second out of a growing total, sampled each second: the current second's events plus the share of the
/// previous
/// second's that still lies within the last 1000 ms. Pure.
/// </summary>
public sealed class FrequencyCounter
{
    private long _atTick;
    private long _previous;
    private long _tick;
    private bool _begun;

    /// <summary>The largest rate seen.</summary>
    public long Max { get; private set; }

    /// <summary>Once a second: the total until now (ms).</summary>
    public void Tick(long total, long now)
    {
        if (_begun)
        {
            long seconds = Math.Max(1, (now - _tick + 500) / 1000);
            _previous = Math.Max(0, total - _atTick) / seconds;
            Max = Math.Max(Max, _previous);
        }

        _begun = true;
        _atTick = total;
        _tick = now;
    }

    /// <summary>The rate now.</summary>
    public long Read(long total, long now)
    {
        if (!_begun)
        {
            return 0;
        }

        long passed = Math.Clamp(now - _tick, 0, 1000);
        long rate = Math.Max(0, total - _atTick) + (_previous * (1000 - passed) / 1000);
        Max = Math.Max(Max, rate);
        return rate;
    }

    /// <summary>"clear counters".</summary>
    public void ClearMax() => Max = 0;
}
