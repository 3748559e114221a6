using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Engine.Balance;

/// <summary>Connections that servers carry now, for policies and limits that look at load.</summary>
internal interface IServerLoad
{
    /// <summary>Connections of a server (by <c>ServerConfig.Index</c>), all shards.</summary>
    int Connections(int server);
}

/// <summary>
/// Chooses a server of one backend on one shard. Which servers may be chosen and their weights are taken from the slots
/// at <see cref="Rebuild"/>: active ones, or the backups (the first, or all with option allbackups) when none is left.
/// </summary>
internal abstract class ServerPicker
{
    /// <summary>Candidates: index in the configuration and effective weight.</summary>
    protected (int Server, int Weight)[] Candidates { get; private set; } = [];

    /// <summary>Is there any server?</summary>
    public bool Any => Candidates.Length > 0;

    /// <summary>
    /// The policy of a backend. Throws <see cref="NotSupportedException"/> for an algorithm that the engine does not
    /// have.
    /// </summary>
    public static ServerPicker Create(ProxyConfig backend, uint seed) => backend.Balance.Algorithm switch
    {
        "roundrobin" or "static-rr" => new RoundRobinPicker(),
        "leastconn" => new LeastConnPicker(),
        "first" => new FirstPicker(),
        "source" => new SourcePicker(),
        "random" => new RandomPicker(seed, backend.Balance.Argument),
        var other => throw new NotSupportedException(
            $"backend '{backend.Name}': balance algorithm '{other}' is not supported"),
    };

    /// <summary>Reads the slots anew.</summary>
    public void Rebuild(ProxyConfig backend, ServerTable table)
    {
        var active = new List<(int, int)>();
        var backups = new List<(int, int)>();
        foreach (var s in backend.Servers)
        {
            ref var slot = ref table[s.Index];
            if (Volatile.Read(ref slot.Eligible) == 1 && slot.Family != 0 && slot.Weight > 0)
            {
                (slot.Backup != 0 ? backups : active).Add((s.Index, slot.Weight));
            }
        }

        if (active.Count == 0 && backups.Count > 0)
        {
            active.AddRange(backend.AllBackups ? backups : backups.Take(1));
        }

        Candidates = [.. active];
        OnRebuilt();
    }

    /// <summary>
    /// The next server with room, -1 = none. <paramref name="avoid"/> is taken only where it is the only one.
    /// </summary>
    public int Pick(IServerLoad load, ServerTable table, uint sourceHash, int avoid)
    {
        if (Candidates.Length == 0)
        {
            return -1;
        }

        int chosen = Choose(load, table, sourceHash, avoid);
        return chosen >= 0 || avoid < 0 ? chosen : Choose(load, table, sourceHash, -1);
    }

    protected abstract int Choose(IServerLoad load, ServerTable table, uint sourceHash, int avoid);

    protected virtual void OnRebuilt()
    {
    }

    /// <summary>May this server take one more?</summary>
    protected static bool HasRoom(int server, IServerLoad load, ServerTable table)
    {
        int max = table[server].MaxConn;
        return max <= 0 || load.Connections(server) < max;
    }
}

/// <summary>
/// roundrobin and static-rr: each server takes its weight's share, spread as evenly as can be. The order of one turn is
/// worked out when weights change (smooth weighted round robin), so a pick is one step.
/// </summary>
internal sealed class RoundRobinPicker : ServerPicker
{
    /// <summary>256 (the largest weight) times 64 servers; longer turns have their weights scaled down.</summary>
    private const int MaxTurn = 16384;
    private int[] _turn = [];
    private int _at;

    protected override void OnRebuilt()
    {
        _turn = MakeTurn(Candidates, MaxTurn);
        _at = _turn.Length == 0 ? 0 : _at % _turn.Length;
    }

    protected override int Choose(IServerLoad load, ServerTable table, uint sourceHash, int avoid)
    {
        for (int i = 0; i < _turn.Length; i++)
        {
            int server = _turn[_at];
            _at = _at + 1 == _turn.Length ? 0 : _at + 1;
            if (server != avoid && HasRoom(server, load, table))
            {
                return server;
            }
        }

        return -1;
    }

    internal static int[] MakeTurn((int Server, int Weight)[] servers, int maxTurn)
    {
        if (servers.Length == 0)
        {
            return [];
        }

        int divisor = servers.Aggregate(0, (a, s) => Gcd(a, s.Weight));
        long total = servers.Sum(s => (long)s.Weight / divisor);
        long scale = (total + maxTurn - 1) / maxTurn;
        var weights = servers.Select(s => (int)Math.Max(1, s.Weight / divisor / scale)).ToArray();
        int sum = weights.Sum();
        var current = new int[weights.Length];
        var turn = new int[sum];
        for (int i = 0; i < sum; i++)
        {
            int best = 0;
            for (int k = 0; k < weights.Length; k++)
            {
                current[k] += weights[k];
                if (current[k] > current[best])
                {
                    best = k;
                }
            }

            current[best] -= sum;
            turn[i] = servers[best].Server;
        }

        return turn;
    }

    private static int Gcd(int a, int b) => b == 0 ? a : Gcd(b, a % b);
}

/// <summary>leastconn: the fewest connections per weight; equals take turns.</summary>
internal sealed class LeastConnPicker : ServerPicker
{
    private int _start;

    protected override int Choose(IServerLoad load, ServerTable table, uint sourceHash, int avoid)
    {
        int best = -1;
        long bestConnections = 0;
        long bestWeight = 1;
        int n = Candidates.Length;
        _start = (_start + 1) % n;
        for (int i = 0; i < n; i++)
        {
            var (server, weight) = Candidates[(_start + i) % n];
            long connections = load.Connections(server);
            if (server == avoid || !HasRoom(server, load, table))
            {
                continue;
            }

            if (best < 0 || connections * bestWeight < bestConnections * weight)
            {
                (best, bestConnections, bestWeight) = (server, connections, weight);
            }
        }

        return best;
    }
}

/// <summary>first: the first server in order that has room.</summary>
internal sealed class FirstPicker : ServerPicker
{
    protected override int Choose(IServerLoad load, ServerTable table, uint sourceHash, int avoid)
    {
        foreach (var (server, _) in Candidates)
        {
            if (server != avoid && HasRoom(server, load, table))
            {
                return server;
            }
        }

        return -1;
    }
}

/// <summary>
/// source (map-based): the client's address chooses by weight; a full server is waited for, not replaced.
/// </summary>
internal sealed class SourcePicker : ServerPicker
{
    private int[] _map = [];

    protected override void OnRebuilt() => _map = RoundRobinPicker.MakeTurn(Candidates, 65536);

    protected override int Choose(IServerLoad load, ServerTable table, uint sourceHash, int avoid)
    {
        int start = (int)(sourceHash % (uint)_map.Length);
        for (int i = 0; i < _map.Length; i++)
        {
            int server = _map[(start + i) % _map.Length];
            if (server != avoid)
            {
                return HasRoom(server, load, table) ? server : -1;
            }
        }

        return -1;
    }
}

/// <summary>random(draws): of that many drawn by weight (default 2), the least loaded.</summary>
internal sealed class RandomPicker(uint seed, string? draws) : ServerPicker
{
    private readonly int _draws = int.TryParse(draws, out int n) && n > 0 ? n : 2;
    private uint _state = seed | 1;
    private int _total;

    protected override void OnRebuilt() => _total = Candidates.Sum(c => c.Weight);

    protected override int Choose(IServerLoad load, ServerTable table, uint sourceHash, int avoid)
    {
        int best = -1;
        for (int i = 0; i < _draws; i++)
        {
            int server = Draw();
            if (server != avoid && HasRoom(server, load, table)
                && (best < 0 || load.Connections(server) < load.Connections(best)))
            {
                best = server;
            }
        }

        if (best >= 0)
        {
            return best;
        }

        foreach (var (server, _) in Candidates)
        {
            if (server != avoid && HasRoom(server, load, table))
            {
                return server;
            }
        }

        return -1;
    }

    private int Draw()
    {
        // xorshift32: spread is all that is asked of it.
        _state ^= _state << 13;
        _state ^= _state >> 17;
        _state ^= _state << 5;
        int at = (int)(_state % (uint)_total);
        foreach (var (server, weight) in Candidates)
        {
            at -= weight;
            if (at < 0)
            {
                return server;
            }
        }

        return Candidates[^1].Server;
    }
}
