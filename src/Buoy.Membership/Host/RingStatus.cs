using Buoy.Linux;
using Buoy.Membership.Configuration;
using Buoy.Membership.Quorum;
using Buoy.Membership.Totem;
using Buoy.Membership.Transport;

namespace Buoy.Membership.Host;

/// <summary>What corosync-quorumtool, -cfgtool and -cmapctl show, collected.</summary>
internal static class RingStatus
{
    public static EngineStatus Of(
        CorosyncConfig config, TotemCore? core, VoteQuorum? quorum, RingTransport transport,
            IReadOnlyList<SyncRecord> records,
        uint self, string selfName, IReadOnlyDictionary<string, long> own, int waiting, int overhead)
    {
        var nodes = new SortedDictionary<uint, (uint, string, int, bool, string[])>();
        foreach (var node in config.Nodes.Where(n => n.NodeId != 0))
        {
            nodes[node.NodeId] = (node.NodeId, node.Name, node.Votes, false, [.. node.Addresses]);
        }

        foreach (var record in records)
        {
            uint id = record.Quorum.NodeId;
            string[] addresses = nodes.TryGetValue(id, out var known) ? known.Item5 : [record.Address];
            nodes[id] = (id, record.Name, record.Quorum.Votes, true, addresses);
        }

        var counters = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var (name, value) in own.Concat(core?.Counters ?? new Dictionary<string, long>()))
        {
            counters[name] = counters.GetValueOrDefault(name) + value;
        }

        counters["send.errors"] = transport.SendErrors;
        counters["queue.waiting"] = waiting;
        var links = new List<(int, string, IReadOnlyList<(uint, string)>)>();
        var mtus = new Dictionary<(int, uint), int>();
        foreach (var link in transport.Links)
        {
            var peers = new List<(uint, string)> { (self, "localhost") };
            if (transport.IsMonitored)
            {
                foreach (var path in transport.Monitor.Paths.Where(p => p.Link == link.Number))
                {
                    peers.Add((path.NodeId, path.IsUp ? "connected" : "disconnected"));
                    mtus[(link.Number, path.NodeId)] = path.Mtu - overhead;
                    string prefix = $"stats.knet.node{path.NodeId}.link{path.Link}.";
                    counters[prefix + "connected"] = path.IsUp ? 1 : 0;
                    counters[prefix + "up_count"] = path.UpCount;
                    counters[prefix + "down_count"] = path.DownCount;
                    counters[prefix + "latency_ave"] = (long)(path.Latency * 1000);
                    counters[prefix + "mtu"] = path.Mtu;
                }
            }
            else if (core is not null)
            {
                peers.AddRange(core.PeerStates(EventLoop.Now).Select(p => (p.NodeId, p.Reachable
                    ? "connected" : "disconnected")));
            }

            peers.Sort();
            links.Add((link.Number, link.Local.IsNone ? "" : link.Local.ToString(), peers));
        }

        return new EngineStatus
        {
            Transport = config.Transport switch { TransportKind.Multicast => "udp", TransportKind.Unicast => "udpu",
                _ => "knet" },
            State = core?.State.ToString().ToLowerInvariant() ?? "waiting for an interface",
            RingId = core?.InstalledRingId ?? default,
            Quorate = quorum?.Quorate ?? false,
            ExpectedVotes = quorum?.ExpectedVotes ?? config.Quorum.ExpectedVotes,
            HighestExpected = quorum?.HighestExpected ?? config.Quorum.ExpectedVotes,
            TotalVotes = quorum?.TotalVotes ?? 0,
            Quorum = quorum?.Quorum ?? 0,
            Flags = quorum?.Flags ?? [],
            Nodes = [.. nodes.Values],
            Links = links,
            LinkMtus = mtus,
            Counters = counters,
        };
    }
}
