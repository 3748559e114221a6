namespace Buoy.Balancer.Engine.Balance;

/// <summary>
/// Consistent hashing: 16 points per weight and server on a ring of 32 bits, placed by id; a hash belongs to the nearest
/// point. Without a key servers take turns along the ring. With a balance factor (per cent) a server whose load is above
/// its share of that much is passed over for the next on the ring.
/// </summary>
internal class RingPicker(int factor) : ServerPicker
{
    /// <summary>Points of a server of weight 1.</summary>
    private const int PointsPerWeight = 16;

    /// <summary>Room between the numbers of two servers' points.</summary>
    private const int PointsPerServer = 4096;
    private uint[] _points = [];
    private int[] _owners = [];
    private int[] _servers = [];
    private int _totalWeight;

    protected override void OnRebuilt(bool sixteenths)
    {
        var points = new List<(uint Point, int Owner)>();
        for (int k = 0; k < Candidates.Length; k++)
        {
            var c = Candidates[k];
            int count = sixteenths ? c.Weight : c.Weight * PointsPerWeight;
            for (int i = 0; i < count; i++)
            {
                points.Add((Hashes.Avalanche(unchecked(((uint)c.Id * PointsPerServer) + (uint)i)), k));
            }
        }

        points.Sort();
        _points = [.. points.Select(p => p.Point)];
        _owners = [.. points.Select(p => p.Owner)];
        _servers = [.. _owners.Select(o => Candidates[o].Server)];
        _totalWeight = Candidates.Sum(c => c.Weight);
    }

    protected override int Choose(IServerLoad load, in PickKey key)
    {
        if (!key.Has || key.Avoid >= 0)
        {
            return GoAlong(load, key.Avoid);
        }

        int server = ByHash(key.Hash, load);
        return HasRoom(server, load) ? server : WaitFor(server);
    }

    protected int ByHash(uint hash, IServerLoad load)
    {
        int at = Nearest(hash);
        if (factor == 0)
        {
            return _servers[at];
        }

        // Each server's share of the allowed load, whole connections: the rest goes to the later ones.
        long total = 0;
        foreach (var c in Candidates)
        {
            total += load.Connections(c.Server);
        }

        long allowed = (((total + 1) * factor) + 99) / 100;
        for (int i = 0; i < _points.Length; i++)
        {
            int owner = _owners[(at + i) % _points.Length];
            if (load.Connections(Candidates[owner].Server) < Math.Max(1, Share(owner, allowed)))
            {
                return Candidates[owner].Server;
            }
        }

        return _servers[at];
    }

    /// <summary>The next point on the ring after the one that was last taken.</summary>
    private int GoAlong(IServerLoad load, int avoid)
    {
        ref uint turn = ref load.Turn(Backend);
        for (int i = 0; i < _points.Length; i++)
        {
            uint from = Volatile.Read(ref turn);
            int at = Array.BinarySearch(_points, from);
            at = (at < 0 ? ~at : at) % _points.Length;
            if (Interlocked.CompareExchange(ref turn, unchecked(_points[at] + 1), from) != from)
            {
                continue;
            }

            if (_servers[at] != avoid && HasRoom(_servers[at], load))
            {
                return _servers[at];
            }

            if (i == 0 && !AnyRoom(load, avoid))
            {
                break;
            }
        }

        return None;
    }

    private int Nearest(uint hash)
    {
        int next = Array.BinarySearch(_points, hash);
        if (next >= 0)
        {
            return next;
        }

        next = ~next % _points.Length;
        int previous = (next + _points.Length - 1) % _points.Length;
        return unchecked(_points[next] - hash <= hash - _points[previous]) ? next : previous;
    }

    private long Share(int owner, long allowed)
    {
        long before = 0;
        for (int i = 0; i < owner; i++)
        {
            before += Candidates[i].Weight;
        }

        return ((before + Candidates[owner].Weight) * allowed / _totalWeight) - (before * allowed / _totalWeight);
    }
}

/// <summary>random(draws): of that many points of the ring (default 2), the server with the least load per weight.</summary>
internal sealed class RandomPicker(uint seed, string? draws, int factor) : RingPicker(factor)
{
    private readonly int _draws = int.TryParse(draws, out int n) && n > 0 ? n : 2;
    private uint _state = seed | 1;

    protected override int Choose(IServerLoad load, in PickKey key)
    {
        int best = None;
        long bestLoad = 0;
        for (int i = 0; i < _draws; i++)
        {
            // xorshift32: spread is all that is asked of it.
            _state ^= _state << 13;
            _state ^= _state >> 17;
            _state ^= _state << 5;
            int server = ByHash(_state, load);
            long mine = load.Connections(server);
            if (server != key.Avoid && HasRoom(server, load)
                && (best < 0 || mine * Weight(best) < bestLoad * Weight(server)))
            {
                (best, bestLoad) = (server, mine);
            }
        }

        return best >= 0 ? best : Least(load, key.Avoid);
    }

    private int Least(IServerLoad load, int avoid)
    {
        int best = None;
        foreach (var (server, _, _) in Candidates)
        {
            if (server != avoid && HasRoom(server, load)
                && (best < 0 || load.Connections(server) < load.Connections(best)))
            {
                best = server;
            }
        }

        return best;
    }

    private int Weight(int server)
    {
        foreach (var c in Candidates)
        {
            if (c.Server == server)
            {
                return c.Weight;
            }
        }

        return 1;
    }
}
