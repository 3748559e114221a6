using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Nodes: the configuration's list, then what their node_state says (SCHEDULER 2.1).</summary>
internal static class NodeReader
{
    public static void ReadConfiguration(Cluster cluster, ConfigReader reader)
    {
        foreach (XElement e in reader.Section("nodes").Elements("node"))
        {
            string? name = (string?)e.Attribute("uname");
            string? id = (string?)e.Attribute("id");
            if (name is null || id is null)
            {
                cluster.Problems.Add("error: Ignoring node without id or uname in the nodes section");
                continue;
            }

            string type = ((string?)e.Attribute("type"))?.ToLowerInvariant() ?? "member";
            if (type == "ping" || cluster.NodeById(id) is not null)
            {
                continue;
            }

            var node = new Node(id, name, type == "remote" ? NodeKind.Remote : NodeKind.Cluster)
            {
                BaseScore = Score.Parse((string?)e.Attribute("score")) ?? 0,
                IsDc = id == cluster.DcId,
                Unclean = cluster.FencingOn && cluster.Options.StartupFencing,
            };
            cluster.Nodes.Add(node);
            SetBuiltInAttributes(cluster, node);
            var context = new RuleContext(cluster) { NodeAttributes = node.Attributes };
            var own = new Dictionary<string, string>(StringComparer.Ordinal);
            reader.Fill(own, e, "instance_attributes", context);
            foreach ((string key, string value) in own)
            {
                node.Attributes[key] = value;
            }

            node.Attributes["#site-name"] = own.GetValueOrDefault("site-name", cluster.Options.ClusterName ?? "");
            ReadCapacity(reader, e, node, context);
        }

        Sort(cluster);
    }

    private static void ReadCapacity(ConfigReader reader, XElement e, Node node, RuleContext context)
    {
        var capacity = new Dictionary<string, string>(StringComparer.Ordinal);
        reader.Fill(capacity, e, "utilization", context);
        foreach ((string key, string value) in capacity)
        {
            node.Capacity[key] = Score.Parse(value) ?? 0;
        }
    }

    public static void Sort(Cluster cluster)
    {
        Node[] sorted = [.. cluster.Nodes.OrderBy(n => n.Name, NodeNameComparer.Instance)];
        cluster.Nodes.Clear();
        cluster.Nodes.AddRange(sorted);
        for (int i = 0; i < sorted.Length; i++)
        {
            sorted[i].Index = i;
        }
    }

    public static void ReadState(Cluster cluster, ConfigReader reader, XElement state, Fencing fencing)
    {
        Node? node = cluster.NodeById((string?)state.Attribute("id")) ?? cluster.NodeByName((string?)state.Attribute("uname"));
        if (node is null)
        {
            return;
        }

        node.HasState = true;
        if (node.Kind == NodeKind.Cluster)
        {
            node.Unclean = false;
        }

        ReadTransientAttributes(cluster, reader, state, node);
        ApplyAttributes(node);
        if (node.Kind != NodeKind.Cluster)
        {
            return;
        }

        bool? seen = IsMember((string?)state.Attribute("in_ccm"), out DateTimeOffset? since);
        string peerText = (string?)state.Attribute("crmd") ?? "";
        bool peer = peerText == "online" || Values.Number(peerText) > 0;
        string? join = (string?)state.Attribute("join");
        string? expected = (string?)state.Attribute("expected");
        node.ShuttingDown = node.Transient.TryGetValue("shutdown", out string? shutdown) && shutdown != "0";
        if (cluster.FencingOn)
        {
            JudgeWithFencing(cluster, node, seen, since, peer, join, expected, fencing);
        }
        else
        {
            bool member = seen == true;
            if (member && peer && join == "member")
            {
                node.Online = true;
            }
            else if (expected == "member" && member && !peer)
            {
                fencing.FenceNode(node, "peer is unexpectedly down");
            }
        }

        if (node.ShuttingDown && !peer && !node.Online)
        {
            // A node that has left cleanly no longer shuts down: it is gone.
            node.ShuttingDown = true;
        }
    }

    private static void JudgeWithFencing(
        Cluster cluster, Node node, bool? seen, DateTimeOffset? since, bool peer, string? join, string? expected, Fencing fencing)
    {
        bool member = seen == true;
        if (node.ShuttingDown)
        {
            node.Online = peer;
            return;
        }

        if (seen is null)
        {
            fencing.FenceNode(node, "peer has not been seen by the cluster");
            return;
        }

        node.Online = member;
        string? terminate = node.Transient.GetValueOrDefault("terminate") ?? node.Attributes.GetValueOrDefault("terminate");
        if (join == "nack")
        {
            fencing.FenceNode(node, "peer failed Pacemaker membership criteria");
        }
        else if (terminate is not null && (Values.Bool(terminate) == true || Values.Number(terminate) > 0))
        {
            if (member || peer || join is not (null or "down"))
            {
                fencing.FenceNode(node, "fencing was requested");
            }
        }
        else if (expected is null or "down")
        {
            JudgeUnexpected(cluster, node, member, since, peer, fencing);
        }
        else if (!member)
        {
            fencing.FenceNode(node, "peer is no longer part of the cluster", priorityDelay: true);
        }
        else if (!peer)
        {
            fencing.FenceNode(node, "peer process is no longer available");
        }
        else if (join is "pending" or "down")
        {
            node.Pending = true;
        }
        else if (join != "member")
        {
            fencing.FenceNode(node, "peer was in an unknown state");
        }
    }

    private static void JudgeUnexpected(
        Cluster cluster, Node node, bool member, DateTimeOffset? since, bool peer, Fencing fencing)
    {
        long timeout = cluster.Options.NodePendingTimeoutMs;
        if (member && !peer && timeout > 0 && since is { } from)
        {
            DateTimeOffset limit = from.AddMilliseconds(timeout);
            if (cluster.Now >= limit)
            {
                fencing.FenceNode(node, "peer pending timed out on joining the process group");
                return;
            }

            cluster.RecheckAt(limit);
        }

        node.Pending = member || peer;
    }

    /// <summary>Whether the node is a member, null if it was never seen; since when, where the value says.</summary>
    private static bool? IsMember(string? text, out DateTimeOffset? since)
    {
        since = null;
        if (text is null)
        {
            return null;
        }

        if (Values.Number(text) is { } epoch && epoch != 1)
        {
            since = Values.Epoch(text);
            return epoch > 0;
        }

        return Values.Bool(text) ?? false;
    }

    private static void SetBuiltInAttributes(Cluster cluster, Node node)
    {
        node.Attributes["#uname"] = node.Name;
        node.Attributes["#id"] = node.Id;
        node.Attributes["#kind"] = node.Kind switch
        {
            NodeKind.Remote => "remote",
            NodeKind.Guest => "container",
            _ => "cluster",
        };
        node.Attributes["#is_dc"] = node.IsDc ? "true" : "false";
        if (cluster.Options.ClusterName is { } name)
        {
            node.Attributes["#cluster-name"] = name;
        }
    }

    private static void ReadTransientAttributes(Cluster cluster, ConfigReader reader, XElement state, Node node)
    {
        var context = new RuleContext(cluster) { NodeAttributes = node.Attributes };
        foreach (XElement block in state.Elements("transient_attributes"))
        {
            reader.Fill(node.Transient, block, "instance_attributes", context);
            ReadCapacity(reader, block, node, context);
        }

        foreach ((string key, string value) in node.Transient)
        {
            node.Attributes[key] = value;
        }
    }

    private static void ApplyAttributes(Node node)
    {
        node.Standby = node.Standby || Values.Bool(node.Attribute("standby")) == true
            || node.Attribute("standby").Equals("forever", StringComparison.OrdinalIgnoreCase);
        node.Maintenance = Values.Bool(node.Attribute("maintenance")) == true;
    }
}
