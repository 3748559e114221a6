using System.Net;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Health;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Control;

/// <content>
/// Servers that come and go at run time (management manual 9.3 <c>add server</c>, <c>del server</c>). A server has a slot
/// in the tables that shards read; there are <see cref="ServerTable.Spare"/> more of them than the configuration needs.
/// The slot of a deleted server is given to another one only when every shard has looked at the lists without it and
/// nothing is open to it any more, and after all that were never used: what still names it (a log line on its way) then
/// names the right one.
/// </content>
public sealed partial class ControlPlane
{
    /// <summary>Wait before a deleted server's slot is looked at again, ms.</summary>
    private const long ReleaseRetry = 1000;

    private readonly Queue<int> _freeSlots = [];

    /// <summary>The slot a new server would get; -1 = all are in use.</summary>
    internal int NextSlot => _byIndex.Count < State.Servers.Count ? _byIndex.Count : _freeSlots.TryPeek(out int slot) ? slot : -1;

    /// <summary>Takes in a server whose index is <see cref="NextSlot"/>.</summary>
    internal void AddServer(ServerConfig config)
    {
        long now = EventLoop.Now;
        var backend = _proxies[config.Proxy];
        var s = new ServerRuntime(config, backend, config.Address) { CheckEnabled = false };
        if (s.Agent is { } agent)
        {
            agent.Enabled = s.Health.HasAgent = false;
        }

        if (config.Index == _byIndex.Count)
        {
            _byIndex.Add(s);
        }
        else
        {
            _freeSlots.Dequeue();
            _byIndex[config.Index] = s;
            foreach (var counter in Enum.GetValues<Counter>().Where(c => c != Counter.Count))
            {
                State.Counters.Clear(State.Counters.Server(config.Index), counter);
            }
        }

        s.Health.Begin(now, config.Enabled ? AdminFlags.None : config.Disabled
            ? AdminFlags.ConfiguredMaintenance | AdminFlags.ForcedMaintenance : AdminFlags.ForcedMaintenance);
        if (config.Observe != ObserveMode.None)
        {
            State.Observer ??= new TrafficObserver(State.Servers.Count) { Reached = OnErrors };
        }

        State.Observer?.Add(config);
        _dataPlane?.ServerAdded(config);
        if (config.UnixPath is not null)
        {
            State.Servers.SetUnix(config.Index);
        }

        State.Config.Servers.Put(config.Index, config);
        backend.Config.Servers.Add(config);
        _servers.Add(s);
        backend.Servers.Add(s);
        if (config.Track is not null)
        {
            Track(s, config.Track);
        }

        _operations.Publish(s, now);
        _operations.Backend(s, now);
        _checker.Add(s);
    }

    /// <summary>Takes a server out that is in maintenance and that nothing names.</summary>
    internal void DeleteServer(ServerRuntime s)
    {
        _checker.Remove(s);
        if (s.Resolution is { } resolution)
        {
            _resolvers.Leave(resolution);
            s.Resolution = null;
        }

        s.Tracked?.Trackers.Remove(s);
        _servers.Remove(s);
        s.Backend.Servers.Remove(s);
        s.Backend.Config.Servers.Remove(s.Config);
        _changed = true;
        Flush();
        Release(s.Config.Index);
    }

    /// <summary>
    /// Streams that a server has or that wait for it, all shards. Idle connections do not count: shards close those of a
    /// server in maintenance as soon as they hear of it.
    /// </summary>
    internal long Attached(int server)
    {
        var c = State.Counters;
        return c.Sum(c.Server(server), Counter.SessionsCurrent) + c.Sum(c.Server(server), Counter.QueueCurrent);
    }

    private void Release(int slot)
    {
        if (_dataPlane is null)
        {
            _freeSlots.Enqueue(slot);
            return;
        }

        _dataPlane.Ping(() => _loop.Post(() =>
        {
            if (Attached(slot) + State.Counters.Sum(State.Counters.Server(slot), Counter.IdleConnections) == 0)
            {
                _freeSlots.Enqueue(slot);
            }
            else
            {
                _loop.Schedule(ReleaseRetry, () => Release(slot));
            }
        }));
    }
}
