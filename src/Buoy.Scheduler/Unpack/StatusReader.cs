using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Reads the status section: tickets, nodes, then the history of each node (SCHEDULER 2.2).</summary>
internal sealed class StatusReader
{
    private readonly Cluster cluster;
    private readonly ConfigReader reader;
    private readonly ResourceReader resources;
    private readonly Fencing fencing;
    private readonly HistoryInterpreter _interpreter;
    private readonly Dictionary<(string Resource, Node Node), IReadOnlyList<HistoryEntry>> _recorded = [];

    public StatusReader(
        Cluster cluster, ConfigReader reader, ResourceReader resources, ActionFactory actions, Fencing fencing)
    {
        (this.cluster, this.reader, this.resources, this.fencing) = (cluster, reader, resources, fencing);
        _interpreter = new HistoryInterpreter(cluster, actions, fencing, Recorded);
    }

    public void ReadAll()
    {
        XElement? status = reader.Cib.Element("status");
        if (status is null)
        {
            return;
        }

        ReadTickets(status);
        foreach (XElement state in status.Elements("node_state"))
        {
            NodeReader.ReadState(cluster, reader, state, fencing);
        }

        if (!cluster.HasQuorum && cluster.Options.Quorum == QuorumPolicy.Fence)
        {
            foreach (Node node in cluster.Nodes.Where(n => n.Online && n.Kind == NodeKind.Cluster))
            {
                fencing.FenceNode(node, "cluster does not have quorum");
            }
        }

        foreach (XElement state in status.Elements("node_state"))
        {
            Node? node = cluster.NodeById((string?)state.Attribute("id"))
                ?? cluster.NodeByName((string?)state.Attribute("uname"));
            if (node is null || (!node.Online && !cluster.FencingOn && !cluster.Options.ShutdownLock))
            {
                continue;
            }

            foreach (XElement history in state.Elements("lrm").Elements("lrm_resources").Elements("lrm_resource"))
            {
                ReadHistory(history, node);
            }
        }

        foreach (Resource resource in cluster.AllResources())
        {
            ResourceReader.LimitByTargetRole(resource);
        }
    }

    /// <summary>What a node recorded about a resource, whether that was read already or not.</summary>
    private IReadOnlyList<HistoryEntry> Recorded(string id, Node node)
    {
        if (!_recorded.TryGetValue((id, node), out var entries))
        {
            XElement? history = reader.Cib.Element("status")?.Elements("node_state")
                .Where(s => (string?)s.Attribute("id") == node.Id || (string?)s.Attribute("uname") == node.Name)
                .Elements("lrm").Elements("lrm_resources").Elements("lrm_resource")
                .FirstOrDefault(e => (string?)e.Attribute("id") == id);
            entries = history is null
                ? []
                : History.Sort(history.Elements("lrm_rsc_op").Select(o => HistoryEntry.Read(o, id)).OfType<HistoryEntry>());
            _recorded[(id, node)] = entries;
        }

        return entries;
    }

    private void ReadTickets(XElement status)
    {
        foreach (XElement e in status.Elements("tickets").Elements("ticket_state"))
        {
            string id = (string?)e.Attribute("id") ?? "";
            Ticket ticket = cluster.Tickets.TryGetValue(id, out Ticket? known) ? known : cluster.Tickets[id] = new Ticket(id);
            ticket.Granted = Values.Bool((string?)e.Attribute("granted")) == true;
            ticket.Standby = Values.Bool((string?)e.Attribute("standby")) == true;
        }
    }

    private void ReadHistory(XElement e, Node node)
    {
        string id = (string?)e.Attribute("id") ?? "";
        List<HistoryEntry> entries = History.Sort(
            e.Elements("lrm_rsc_op").Select(o => HistoryEntry.Read(o, id)).OfType<HistoryEntry>());
        if (entries.Count == 0)
        {
            return;
        }

        Resource leaf = FindLeaf(id, node) ?? resources.AddRemoved(e);
        if (leaf.Id != id)
        {
            leaf.HistoryId = id;
        }

        var history = new History
        {
            Resource = leaf,
            Node = node,
            Id = id,
            Entries = entries,
            Class = (string?)e.Attribute("class") ?? "",
            Provider = (string?)e.Attribute("provider") ?? "",
            Type = (string?)e.Attribute("type") ?? "",
        };
        cluster.Histories.Add(history);
        _interpreter.Interpret(history);
    }

    private Resource? FindLeaf(string id, Node node)
    {
        string name = BaseName(id);
        Resource? found = cluster.Find(id) ?? cluster.Find(name + ":0");
        if (found is null || !found.IsLeaf)
        {
            return null;
        }

        if (!found.IsInClone || found.IsLeafOfUnique)
        {
            return found.Id == id ? found : null;
        }

        return FindInAnonymousClone(found.Top, found.XmlId, node, found.Requires < Requirement.Fencing);
    }

    /// <summary>The instance of an anonymous clone that takes this history (SCHEDULER 2.2, a to c).</summary>
    private Resource FindInAnonymousClone(Resource clone, string leafId, Node node, bool needsNoFencing)
    {
        Resource? free = null;
        Resource? chosen = null;
        foreach (Resource instance in clone.Children)
        {
            Resource leaf = instance.Leafs().First(l => l.XmlId == leafId);
            Node? location = instance.ActiveNodes().FirstOrDefault() ?? instance.Leafs().Select(l => l.PendingNode).FirstOrDefault(n => n is not null);
            if (location is not null)
            {
                if (location == node)
                {
                    if (leaf.ActiveOn.Contains(node))
                    {
                        free = null;
                        break;
                    }

                    chosen = leaf;
                    break;
                }

                continue;
            }

            if (free is null && !instance.Leafs().Any(l => l.Blocked))
            {
                free = leaf;
            }
        }

        chosen ??= free;
        int nodes = cluster.Nodes.Count;
        if (chosen is not null && needsNoFencing && (!node.Online || node.Unclean) && node.Kind != NodeKind.Guest
            && clone.Clone!.Max != nodes)
        {
            chosen = null;
        }

        return chosen ?? resources.AddInstance(clone).Leafs().First(l => l.XmlId == leafId);
    }

    private static string BaseName(string id)
    {
        int colon = id.LastIndexOf(':');
        return colon > 0 && colon < id.Length - 1 && id.AsSpan(colon + 1).IndexOfAnyExceptInRange('0', '9') < 0
            ? id[..colon]
            : id;
    }
}
