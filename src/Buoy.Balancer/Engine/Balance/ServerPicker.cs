using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Engine.Balance;

/// <summary>What the shards know together: load of servers, and whose turn it is.</summary>
internal interface IServerLoad
{
    /// <summary>Connections of a server (by <c>ServerConfig.Index</c>), all shards.</summary>
    int Connections(int server);

    /// <summary>Grows with every connection taken or given back; orders servers of equal load (leastconn).</summary>
    uint LastChange(int server);

    /// <summary>
    /// Next position in a backend's turn of <paramref name="length"/>, after whose end it goes on at
    /// <paramref name="loop"/>: one sequence over all shards.
    /// </summary>
    int NextTurn(int backend, int length, int loop);

    /// <summary>A number of the backend that all shards share, to go along a ring with.</summary>
    ref uint Turn(int backend);

    /// <summary>Connections a server may carry now, 0 = any number.</summary>
    int Limit(int server);
}

/// <summary>What a request brings to the choice.</summary>
/// <param name="Has">Is there a key? Without one servers take turns.</param>
/// <param name="Hash">Hash of the key.</param>
/// <param name="Avoid">Server that is taken only where it is the only one (redispatch), -1 = none.</param>
internal readonly record struct PickKey(bool Has, uint Hash, int Avoid);

/// <summary>One server that may be chosen.</summary>
/// <param name="Server">Index in the configuration.</param>
/// <param name="Weight">Effective weight, in sixteenths where the backend has a slowstart.</param>
/// <param name="Id">HAProxy's id.</param>
internal readonly record struct Candidate(int Server, int Weight, int Id);

/// <summary>
/// Chooses a server of one backend on one shard. Which servers may be chosen and their weights are taken from the slots
/// at <see cref="Rebuild"/>: active ones, or the backups (the first, or all with option allbackups) when none is left.
/// The order of picks is the original's; what the manual leaves open was found by asking it (BalanceTwinTests).
/// </summary>
internal abstract class ServerPicker
{
    /// <summary>No server has room: wait in the backend's queue.</summary>
    public const int None = -1;

    /// <summary>Servers to choose from, in the configuration's order.</summary>
    protected Candidate[] Candidates { get; private set; } = [];

    /// <summary>Index of the backend.</summary>
    protected int Backend { get; private set; }

    /// <summary>Is there any server?</summary>
    public bool Any => Candidates.Length > 0;

    /// <summary>
    /// The policy of a backend. Throws <see cref="NotSupportedException"/> for an algorithm that the engine does not
    /// have.
    /// </summary>
    public static ServerPicker Create(ProxyConfig backend, uint seed)
    {
        var b = backend.Balance;
        return b.Algorithm switch
        {
            "roundrobin" => new RoundRobinPicker(),
            "static-rr" => new MapPicker(),
            "leastconn" => new LeastConnPicker(),
            "first" => new FirstPicker(),
            "random" => new RandomPicker(seed, b.Argument, backend.BalanceFactor),
            "source" or "uri" or "url_param" or "hdr" or "rdp-cookie" => backend.HashType.Consistent
                ? new RingPicker(backend.BalanceFactor) : new MapPicker(),
            var other => throw new NotSupportedException(
                $"backend '{backend.Name}': balance algorithm '{other}' is not supported"),
        };
    }

    /// <summary>What <see cref="Pick"/> says when the one server the key belongs to is full: wait for that one.</summary>
    public static int WaitFor(int server) => -2 - server;

    /// <summary>Reads the slots anew.</summary>
    public void Rebuild(ProxyConfig backend, ServerTable table)
    {
        Backend = backend.Index;
        var active = new List<Candidate>();
        var backups = new List<Candidate>();
        foreach (var s in backend.Servers)
        {
            ref var slot = ref table[s.Index];
            if (Volatile.Read(ref slot.Eligible) == 1 && slot.Family != 0 && slot.Weight > 0)
            {
                (slot.Backup != 0 ? backups : active).Add(new Candidate(s.Index, slot.Weight, s.Id));
            }
        }

        if (active.Count == 0 && backups.Count > 0)
        {
            active.AddRange(backend.AllBackups ? backups : backups.Take(1));
        }

        Candidates = [.. active];
        OnRebuilt(backend.Servers.Any(s => s.SlowStart > 0));
    }

    /// <summary>
    /// The next server with room, <see cref="None"/>, or <see cref="WaitFor"/> of a full one.
    /// </summary>
    public int Pick(IServerLoad load, in PickKey key)
    {
        if (Candidates.Length == 0)
        {
            return None;
        }

        int chosen = Choose(load, key);
        return chosen != None || key.Avoid < 0 ? chosen : Choose(load, key with { Avoid = -1 });
    }

    protected abstract int Choose(IServerLoad load, in PickKey key);

    /// <param name="sixteenths">Weights are given in sixteenths (slowstart).</param>
    protected virtual void OnRebuilt(bool sixteenths)
    {
    }

    /// <summary>May this server take one more?</summary>
    protected static bool HasRoom(int server, IServerLoad load)
    {
        int max = load.Limit(server);
        return max <= 0 || load.Connections(server) < max;
    }

    /// <summary>Goes round in an order of servers, from the backend's turn on.</summary>
    protected int TakeTurn(int[] order, IServerLoad load, int avoid, int loop = 0)
    {
        for (int i = 0; i < order.Length; i++)
        {
            int server = order[load.NextTurn(Backend, order.Length, loop)];
            if (server != avoid && HasRoom(server, load))
            {
                return server;
            }

            if (i == 0 && !AnyRoom(load, avoid))
            {
                break;
            }
        }

        return None;
    }

    protected bool AnyRoom(IServerLoad load, int avoid)
    {
        foreach (var c in Candidates)
        {
            if (c.Server != avoid && HasRoom(c.Server, load))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>roundrobin: each server takes its weight's share, in the order of <see cref="Turns.Dynamic"/>.</summary>
internal sealed class RoundRobinPicker : ServerPicker
{
    private int[] _turn = [];
    private int _loop;

    protected override void OnRebuilt(bool sixteenths) => _turn = Turns.Dynamic(Candidates, out _loop);

    protected override int Choose(IServerLoad load, in PickKey key) => TakeTurn(_turn, load, key.Avoid, _loop);
}

/// <summary>
/// static-rr, and all hashes with a map: the key's place in the map is its server, and without a key servers take turns
/// along the map. A full server is waited for, not replaced.
/// </summary>
internal sealed class MapPicker : ServerPicker
{
    private int[] _map = [];

    protected override void OnRebuilt(bool sixteenths) => _map = Turns.Map(Candidates);

    protected override int Choose(IServerLoad load, in PickKey key)
    {
        if (!key.Has || key.Avoid >= 0)
        {
            return TakeTurn(_map, load, key.Avoid);
        }

        int server = _map[(int)(key.Hash % (uint)_map.Length)];
        return HasRoom(server, load) ? server : WaitFor(server);
    }
}

/// <summary>
/// leastconn: the lowest (connections + 1) per weight, idle servers before all; of equals the one whose load changed
/// longest ago.
/// </summary>
internal sealed class LeastConnPicker : ServerPicker
{
    protected override int Choose(IServerLoad load, in PickKey key)
    {
        int best = None;
        long bestLoad = 0;
        long bestWeight = 1;
        uint bestChange = 0;
        foreach (var (server, weight, _) in Candidates)
        {
            if (server == key.Avoid || !HasRoom(server, load))
            {
                continue;
            }

            long connections = load.Connections(server);
            long mine = connections > 0 ? connections + 1 : 0;
            uint change = load.LastChange(server);
            long order = (mine * bestWeight) - (bestLoad * weight);
            if (best < 0 || order < 0 || (order == 0 && (int)(change - bestChange) < 0))
            {
                (best, bestLoad, bestWeight, bestChange) = (server, mine, weight, change);
            }
        }

        return best;
    }
}

/// <summary>first: the server with the lowest id that has room.</summary>
internal sealed class FirstPicker : ServerPicker
{
    private int[] _order = [];

    protected override void OnRebuilt(bool sixteenths) =>
        _order = [.. Candidates.OrderBy(c => c.Id).Select(c => c.Server)];

    protected override int Choose(IServerLoad load, in PickKey key)
    {
        foreach (int server in _order)
        {
            if (server != key.Avoid && HasRoom(server, load))
            {
                return server;
            }
        }

        return None;
    }
}
