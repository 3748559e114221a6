namespace Buoy.Balancer.State;

/// <summary>
/// How many pipes for splice are in use and kept for later, as <c>PipesUsed</c> and <c>PipesFree</c> of <c>show info</c>.
/// Each shard writes only its own two cells; whoever reads sums over the shards.
/// </summary>
public sealed class PipeGauge(int shards)
{
    /// <summary>Cells per shard: two cache lines, so that shards share none.</summary>
    private const int Stride = 16;

    private readonly long[] _cells = new long[(shards + 1) * Stride];

    /// <summary>Pipes that hold bytes of a connection.</summary>
    public long Used => Sum(0);

    /// <summary>Empty pipes that the shards keep.</summary>
    public long Free => Sum(1);

    /// <summary>Called by the shard that owns the pipes.</summary>
    public void Set(int shard, int used, int free)
    {
        Volatile.Write(ref _cells[(shard + 1) * Stride], used);
        Volatile.Write(ref _cells[((shard + 1) * Stride) + 1], free);
    }

    private long Sum(int cell)
    {
        long sum = 0;
        for (int s = 1; s <= shards; s++)
        {
            sum += Volatile.Read(ref _cells[(s * Stride) + cell]);
        }

        return sum;
    }
}
