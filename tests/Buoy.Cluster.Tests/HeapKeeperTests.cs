using Buoy.Cluster.Host;
using Buoy.Linux;

namespace Buoy.Cluster.Tests;

/// <summary>The daemon's heap: collected while a burst lasts, given back once after it, left alone otherwise.</summary>
public sealed class HeapKeeperTests
{
    private static byte[]? s_last;

    [Fact]
    public void Burst_OfManyMegabytes_IsCollectedAsItGoesAndReturnedOnce()
    {
        using var loop = new EventLoop();
        var keeper = new HeapKeeper(loop);
        int before = GC.CollectionCount(0);
        for (int turn = 0; turn < 100; turn++)
        {
            loop.Schedule(0, () => s_last = new byte[1 << 20]);
            loop.RunOnce(0);
        }

        Assert.InRange(GC.CollectionCount(0) - before, 20, int.MaxValue);
        Assert.Equal(0, keeper.Returns);
        for (int turns = 0; keeper.Returns == 0; turns++)
        {
            Assert.InRange(turns, 0, 10_000);
            loop.RunOnce(-1);
        }

        Assert.Equal(0, loop.TimersHeld);
    }

    [Fact]
    public void Turns_ThatAllocateLittle_SetNoTimer()
    {
        // What the thread did before is not this loop's.
        s_last = new byte[64 << 20];
        using var loop = new EventLoop();
        var keeper = new HeapKeeper(loop);
        for (int turn = 0; turn < 100; turn++)
        {
            loop.Schedule(0, () => s_last = new byte[1000]);
            loop.RunOnce(0);
        }

        Assert.Equal((0, 0), (keeper.Returns, loop.TimersHeld));
    }
}
