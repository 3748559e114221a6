namespace Buoy.Agents;

/// <summary>What the kernel says of a process that should have answered.</summary>
/// <param name="WaitedMs">
/// Sum over its threads of the time they were ready to run and got no processor, ms since they began
/// (<c>/proc/PID/task/*/schedstat</c>).
/// </param>
/// <param name="Traced">A debugger or tracer holds it.</param>
internal readonly record struct ProcessProgress(long WaitedMs, bool Traced);

/// <summary>
/// Judges from heartbeats whether a process hangs. Pure. Silence alone proves little on a machine that is short of
/// processor time: to accuse a process that serves costs its connections, so it gets another window while we were
/// late ourselves, while it was ready to run and was not let, or while somebody traces it; in all no more than
/// <see cref="Patience"/> windows.
/// </summary>
/// <param name="limitMs">Silence, in ms, after which it is accused.</param>
internal sealed class HangWatch(int limitMs)
{
    /// <summary>Windows of silence after which no excuse counts.</summary>
    public const int Patience = 10;

    /// <summary>Part of the second half of a window spent waiting for a processor that excuses silence: a fifth.</summary>
    private const int StarvedPart = 5;

    private long _from;
    private long _lastBeat;
    private long _lastLook;
    private (long At, ProcessProgress Then)? _half;

    /// <summary>It has been silent too long.</summary>
    public bool Hangs { get; private set; }

    /// <summary>Milliseconds since the last heartbeat.</summary>
    public long SilentMs(long now) => now - _lastBeat;

    /// <summary>A heartbeat came. True: it hung until now.</summary>
    public bool Beat(long now)
    {
        bool hung = Hangs;
        _lastBeat = _from = now;
        _half = null;
        Hangs = false;
        return hung;
    }

    /// <summary>Time has passed. True: from now on it hangs.</summary>
    /// <param name="now">Monotonic ms.</param>
    /// <param name="progress">Reads the kernel's figures; asked only while it is silent.</param>
    public bool Look(long now, Func<ProcessProgress> progress)
    {
        bool late = _lastLook != 0 && now - _lastLook > limitMs / 2;
        _lastLook = now;
        if (late)
        {
            // We were late ourselves (paused, starved): the process gets half a window before it is accused.
            _from = Math.Max(_from, now - (limitMs / 2));
        }

        if (Hangs || now - _from < limitMs / 2)
        {
            return false;
        }

        if (_half is not var (at, then))
        {
            _half = (now, progress());
            return false;
        }

        if (now - _from < limitMs)
        {
            return false;
        }

        var p = progress();
        if (SilentMs(now) < Patience * limitMs && (p.Traced || (p.WaitedMs - then.WaitedMs) * StarvedPart > now - at))
        {
            _from = now - (limitMs / 2);
            _half = (now, p);
            return false;
        }

        return Hangs = true;
    }

    /// <summary>Milliseconds until the next <see cref="Look"/>.</summary>
    public long Next(long now)
    {
        long due = _from + (_half is null ? limitMs / 2 : limitMs) - now;
        return Hangs ? limitMs / 4 : Math.Clamp(due, 1, limitMs / 4);
    }
}
