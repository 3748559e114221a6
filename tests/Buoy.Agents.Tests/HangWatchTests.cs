using CsCheck;

namespace Buoy.Agents.Tests;

/// <summary>Who is silent is accused, who is starved, traced or watched by somebody who was late is not.</summary>
public sealed class HangWatchTests
{
    private const int Limit = 1000;

    [Fact]
    public void Silence_OfAProcessThatMightRun_IsAHangAfterTheLimit() => Assert.Equal(Limit, AccusedAt(0, 0, false));

    [Fact]
    public void Starvation_ExcusesUntilItEnds()
    {
        // Its threads wait 300 of 1000 ms for a processor until 4000 ms, then they get all they want.
        int at = AccusedAt(300, 4000, false);
        Assert.InRange(at, 4000, 4000 + Limit);
    }

    [Fact]
    public void Starvation_ThatNeverEnds_IsAHangAfterAll() =>
        Assert.InRange(AccusedAt(900, int.MaxValue, false), HangWatch.Patience * Limit, (HangWatch.Patience + 1) * Limit);

    [Fact]
    public void Tracer_Excuses() =>
        Assert.InRange(AccusedAt(0, 0, true), HangWatch.Patience * Limit, (HangWatch.Patience + 1) * Limit);

    [Fact]
    public void LateLook_GivesHalfAWindowMore()
    {
        var w = new HangWatch(Limit);
        w.Beat(10_000);
        Assert.False(w.Look(10_000, Idle));
        Assert.False(w.Look(15_000, Idle));
        long now = 15_000;
        while (!w.Look(now += w.Next(now), Idle))
        {
            Assert.InRange(now, 15_000, 15_000 + Limit);
        }

        Assert.Equal(15_000 + (Limit / 2), now);
        Assert.True(w.Beat(now + 1));
        Assert.False(w.Hangs);
    }

    [Fact]
    public void Beats_InTime_AreNeverAHang() =>
        Gen.Int[1, (Limit / 2) + (Limit / 4)].Array[1, 50].Sample(gaps =>
        {
            var w = new HangWatch(Limit);
            long now = 1000, beat = 1000;
            w.Beat(now);
            foreach (int gap in gaps)
            {
                for (beat += gap; now + w.Next(now) < beat;)
                {
                    Assert.False(w.Look(now += w.Next(now), Idle));
                }

                Assert.False(w.Beat(now = beat));
            }
        });

    private static ProcessProgress Idle() => default;

    /// <summary>When a process is accused that beats once and is silent then, ms after the beat.</summary>
    private static int AccusedAt(int waitsPerSecond, int waitsUntil, bool traced)
    {
        var w = new HangWatch(Limit);
        long now = 5000;
        w.Beat(now);
        while (!w.Look(now, () => new ProcessProgress(Math.Min(now - 5000, waitsUntil) * waitsPerSecond / 1000, traced)))
        {
            now += w.Next(now);
        }

        return (int)(now - 5000);
    }
}
