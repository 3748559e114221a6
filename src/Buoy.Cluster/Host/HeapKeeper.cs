using Buoy.Linux;

namespace Buoy.Cluster.Host;

/// <summary>
/// Keeps the daemon's heap small. The runtime's own nursery is as large as the processor's cache, tens of megabytes that a
/// burst of messages fills once and that stay resident for ever. Here the young are collected between two turns of the
/// loop, where nothing waits, after a few megabytes; and once a burst is over, what it left is given back to the kernel.
/// </summary>
internal sealed class HeapKeeper
{
    /// <summary>
    /// Bytes allocated between two collections of the young. One megabyte would keep 3 MB less resident under load, and
    /// cost a fifth more CPU per large message.
    /// </summary>
    private const long Nursery = 4 << 20;

    /// <summary>Bytes allocated after which giving back is worth its pause of some milliseconds.</summary>
    private const long Burst = 16 << 20;

    /// <summary>A burst is over when in so long, ms, not even one nursery was filled.</summary>
    private const long Rest = 2000;

    private readonly EventLoop _loop;
    private long _collectedAt;
    private long _returnedAt;
    private bool _waits;

    /// <summary>Begins; runs on the loop's thread, whose allocations it counts.</summary>
    public HeapKeeper(EventLoop loop)
    {
        _loop = loop;
        _collectedAt = _returnedAt = GC.GetAllocatedBytesForCurrentThread();
        loop.AfterTurn = AfterTurn;
    }

    /// <summary>Times that memory was given back.</summary>
    public int Returns { get; private set; }

    private void AfterTurn()
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        if (allocated - _collectedAt < Nursery)
        {
            return;
        }

        GC.Collect(0, GCCollectionMode.Forced, blocking: true, compacting: false);
        _collectedAt = allocated;
        if (!_waits && allocated - _returnedAt >= Burst)
        {
            AwaitRest();
        }
    }

    private void AwaitRest()
    {
        _waits = true;
        long before = _collectedAt;
        _loop.Schedule(Rest, () =>
        {
            if (_collectedAt != before)
            {
                AwaitRest();
                return;
            }

            _waits = false;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            _collectedAt = _returnedAt = GC.GetAllocatedBytesForCurrentThread();
            Returns++;
        });
    }
}
