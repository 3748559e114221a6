using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Engine;

/// <content>Which server connections are kept after an answer, and who gets them. One list per server, the last used first.</content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>How long, in ms, the number of connections once in use says how many are kept.</summary>
    private const int PeakWindow = 5000;

    /// <summary>Most connections of this shard to each server at once, in the running window and the one before.</summary>
    private int[] _peak;

    /// <inheritdoc cref="_peak"/>
    private int[] _peakBefore;
    private long _peakFrom;

    private bool MayPool(Conn* c)
    {
        if (_config.Proxies[c->Backend].HttpReuse == HttpReuse.Never || _servers[c->Server].Eligible == 0
            || IsClientsOwn(c->Server))
        {
            return false;
        }

        var server = _config.Servers[c->Server];
        if (server.PoolMaxConn >= 0 && c->ServerCounters[(int)Counter.IdleConnections]
            >= (server.PoolMaxConn + _plane.State.Shards - 1) / _plane.State.Shards)
        {
            return false;
        }

        return (server.MaxReuse < 0 || c->Peer->Uses < server.MaxReuse) && IsNeeded(c);
    }

    /// <summary>
    /// A kept connection is worth its descriptors only while about as many are in use at once: without this bound
    /// every client that asks once would leave one behind (<c>http-reuse safe</c> opens a new one for each first request).
    /// </summary>
    private bool IsNeeded(Conn* c)
    {
        if (_now - _peakFrom >= PeakWindow)
        {
            bool recent = _now - _peakFrom < 2 * PeakWindow;
            (_peak, _peakBefore) = (_peakBefore, _peak);
            Array.Clear(_peak);
            if (!recent)
            {
                Array.Clear(_peakBefore);
            }

            _peakFrom = _now;
        }

        // This one is still counted as in use.
        int used = (int)c->ServerCounters[(int)Counter.SessionsCurrent];
        _peak[c->Server] = Math.Max(_peak[c->Server], used);
        return used + c->ServerCounters[(int)Counter.IdleConnections]
            <= Math.Max(_peak[c->Server], _peakBefore[c->Server]);
    }

    /// <summary>http-reuse: safe gives a kept connection only to requests that are not a client's first.</summary>
    private Conn* TakeIdle(Conn* c, int server)
    {
        var s = (Conn*)_idle[server];
        var reuse = _config.Proxies[c->Backend].HttpReuse;
        if (s == null || reuse == HttpReuse.Never)
        {
            return null;
        }

        while (!Serves(s, c))
        {
            s = s->ListNext;
            if (s == null)
            {
                return null;
            }
        }

        bool first = !c->Has(ConnFlags.NotFirst);
        if (first && (reuse == HttpReuse.Safe || (reuse == HttpReuse.Aggressive && !s->Has(ConnFlags.Reused))))
        {
            return null;
        }

        UnlinkIdle(s, c->ServerCounters);
        s->Flags |= ConnFlags.Reused;
        return s;
    }
}
