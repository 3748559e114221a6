using System.Runtime.InteropServices;

namespace Buoy.Balancer.State;

/// <summary>The counters of one entity (a proxy's frontend or backend side, a server, a listener), as HAProxy's statistics name them.</summary>
public enum Counter
{
    SessionsCurrent,
    SessionsMax,
    SessionsTotal,
    ConnectionsTotal,
    BytesIn,
    BytesOut,
    DeniedRequests,
    DeniedResponses,
    DeniedConnections,
    DeniedSessions,
    RequestErrors,
    ConnectErrors,
    ResponseErrors,
    Retries,
    Redispatches,
    ClientAborts,
    ServerAborts,
    QueueCurrent,
    QueueMax,
    Selected,
    ConnectAttempts,
    Reused,
    Requests,
    Intercepted,
    Http1xx,
    Http2xx,
    Http3xx,
    Http4xx,
    Http5xx,
    HttpOther,
    IdleConnections,
    BytesSpliced,

    /// <summary>Sums of times in ms of finished sessions; divided by <see cref="TimedSessions"/> they are the averages.</summary>
    QueueTimeSum,
    ConnectTimeSum,
    ResponseTimeSum,
    TotalTimeSum,
    TimedSessions,
    QueueTimeMax,
    ConnectTimeMax,
    ResponseTimeMax,
    TotalTimeMax,

    /// <summary>Monotonic seconds of the last session, 0 = none yet.</summary>
    LastSession,

    /// <summary>Not a counter: how many there are, padded so that blocks of different shards share no cache line.</summary>
    Count = 48,
}

/// <summary>
/// All counters: one block of <see cref="Counter.Count"/> 64-bit cells per entity and shard, in unmanaged memory. Only the
/// owning shard writes its blocks (plain adds); whoever reads sums over the shards.
/// </summary>
public sealed unsafe class Counters : IDisposable
{
    /// <summary>A cache line and the one that is fetched with it.</summary>
    private const int Alignment = 128;
    private readonly void* _memory;
    private readonly long* _cells;
    private readonly int _entities;

    /// <summary>Entities (<paramref name="servers"/> counts those there is room for): first two per proxy (frontend side, backend side), then servers, then listeners.</summary>
    public Counters(int shards, int proxies, int servers, int binds)
    {
        Shards = shards;
        Proxies = proxies;
        Servers = servers;
        _entities = (2 * proxies) + servers + binds;
        nuint bytes = (nuint)shards * (nuint)Math.Max(1, _entities) * (nuint)Counter.Count * sizeof(long);

        // Zeroed by the kernel: pages of servers that never come are never touched.
        _memory = NativeMemory.AllocZeroed(bytes + Alignment);
        _cells = (long*)(((nuint)_memory + Alignment - 1) & ~(nuint)(Alignment - 1));
    }

    public int Shards { get; }

    private int Proxies { get; }

    private int Servers { get; }

    /// <summary>Entity number of a proxy's frontend side.</summary>
    public int Frontend(int proxy) => 2 * proxy;

    /// <summary>Entity number of a proxy's backend side.</summary>
    public int Backend(int proxy) => (2 * proxy) + 1;

    /// <summary>Entity number of a server.</summary>
    public int Server(int server) => (2 * Proxies) + server;

    /// <summary>Entity number of a listener.</summary>
    public int Bind(int bind) => (2 * Proxies) + Servers + bind;

    /// <summary>The block of an entity on a shard, indexed by <see cref="Counter"/>.</summary>
    public long* Block(int shard, int entity) => _cells + ((((long)shard * _entities) + entity) * (int)Counter.Count);

    /// <summary>Sum over the shards. For the …Max counters of times use <see cref="Max"/>.</summary>
    public long Sum(int entity, Counter counter)
    {
        long sum = 0;
        for (int s = 0; s < Shards; s++)
        {
            sum += Volatile.Read(ref Block(s, entity)[(int)counter]);
        }

        return sum;
    }

    /// <summary>Largest over the shards.</summary>
    public long Max(int entity, Counter counter)
    {
        long max = 0;
        for (int s = 0; s < Shards; s++)
        {
            max = Math.Max(max, Volatile.Read(ref Block(s, entity)[(int)counter]));
        }

        return max;
    }

    /// <summary>Sets an entity's counter to 0 on all shards ("clear counters").</summary>
    public void Clear(int entity, Counter counter)
    {
        for (int s = 0; s < Shards; s++)
        {
            Volatile.Write(ref Block(s, entity)[(int)counter], 0);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => NativeMemory.Free(_memory);
}
