using System.Globalization;
using Buoy.Linux.Corosync;

namespace Buoy.Membership.Corosync;

/// <summary>A node of corosync's node list.</summary>
internal sealed record CorosyncNode(uint NodeId, string Name, string[] Addresses);

/// <summary>What libcmap tells of a running corosync's configuration (cmap_keys(7)).</summary>
internal sealed record CorosyncNodes(string ClusterName, string Transport, int TokenMs, IReadOnlyList<CorosyncNode> Nodes)
{
    /// <summary>nodelist.node.N.ringM_addr: eight links at most.</summary>
    private const int MaxLinks = 8;

    /// <summary>corosync's token where it does not say its own.</summary>
    private const int DefaultToken = 3000;

    public static CorosyncNodes Read(CmapSession map)
    {
        var nodes = new List<CorosyncNode>();
        foreach (string key in map.Keys("nodelist.node."))
        {
            // nodelist.node.POSITION.nodeid
            string[] words = key.Split('.');
            if (words.Length != 4 || words[3] != "nodeid"
                || !uint.TryParse(map.Get(key), CultureInfo.InvariantCulture, out uint id))
            {
                continue;
            }

            string at = $"nodelist.node.{words[2]}.";
            string[] addresses =
            [
                .. Enumerable.Range(0, MaxLinks).Select(n => map.Get($"{at}ring{n}_addr")).OfType<string>(),
            ];
            nodes.Add(new CorosyncNode(id, map.Get(at + "name") ?? addresses.FirstOrDefault() ?? $"{id}", addresses));
        }

        return new CorosyncNodes(
            map.Get("totem.cluster_name") ?? "", map.Get("totem.transport") ?? "knet",
            int.TryParse(map.Get("runtime.config.totem.token"), CultureInfo.InvariantCulture, out int t) ? t : DefaultToken,
            [.. nodes.OrderBy(n => n.NodeId)]);
    }

    /// <summary>stats.knet.nodeN.linkM.connected of every peer; without knet a member of the ring is connected.</summary>
    public IReadOnlyList<(int LinkId, string Address, IReadOnlyList<(uint NodeId, string State)> Peers)> Links(
        uint self, IReadOnlyCollection<uint> present)
    {
        using var statistics = CmapSession.TryOpen(statistics: true, out _);
        string[] own = Nodes.FirstOrDefault(n => n.NodeId == self)?.Addresses ?? [];
        var links = new List<(int, string, IReadOnlyList<(uint, string)>)>();
        for (int link = 0; link < Math.Max(1, own.Length); link++)
        {
            var peers = new List<(uint, string)>();
            foreach (uint id in Nodes.Select(n => n.NodeId).Union(present).Order())
            {
                string? connected = statistics?.Get($"stats.knet.node{id}.link{link}.connected");
                bool up = connected is null ? present.Contains(id) : connected == "1";
                peers.Add((id, id == self ? "localhost" : up ? "connected" : "disconnected"));
            }

            links.Add((link, link < own.Length ? own[link] : "", peers));
        }

        return links;
    }
}
