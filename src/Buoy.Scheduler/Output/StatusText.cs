using System.Text;

namespace Buoy.Scheduler;

/// <summary>The status blocks that crm_simulate and crm_mon share (SCHEDULER 6.2). Lines come without the outer indent.</summary>
public static class StatusText
{
    /// <summary>The lines below "Node List:", each beginning with its bullet.</summary>
    public static IReadOnlyList<string> NodeList(ClusterStatus status)
    {
        Cluster cluster = status.Cluster;
        var lines = new List<string>();
        List<string> online = [], offline = [], remoteOnline = [], remoteOffline = [], guestOnline = [];
        foreach (Node node in cluster.Nodes)
        {
            string state = StateOf(node);
            string? health = Health.Text(cluster.Options, node);
            (List<string> up, List<string>? down) = node.Kind switch
            {
                NodeKind.Remote => (remoteOnline, remoteOffline),
                NodeKind.Guest => (guestOnline, null),
                _ => (online, (List<string>?)offline),
            };
            if (health is null && state == "online")
            {
                up.Add(node.Name);
            }
            else if (health is null && state == "OFFLINE")
            {
                down?.Add(node.Name);
            }
            else
            {
                string kind = node.Kind switch
                {
                    NodeKind.Remote => "RemoteNode",
                    NodeKind.Guest => "GuestNode",
                    _ => "Node",
                };
                lines.Add($"* {kind} {node.Name}: {state}{(health is null ? "" : $" ({health})")}");
            }
        }

        AddList(lines, "Online", online);
        AddList(lines, "OFFLINE", offline);
        AddList(lines, "RemoteOnline", remoteOnline);
        AddList(lines, "RemoteOFFLINE", remoteOffline);
        AddList(lines, "GuestOnline", guestOnline);
        return lines;
    }

    /// <summary>The lines below "Full List of Resources:"; deeper ones are indented by two blanks per level.</summary>
    /// <param name="inactive">Whether inactive resources are shown.</param>
    public static IReadOnlyList<string> Resources(ClusterStatus status, bool inactive = true)
    {
        var lines = new List<string>();
        foreach (Resource resource in status.Cluster.Resources)
        {
            if (resource.Removed && !resource.ActiveNodes().Any())
            {
                continue;
            }

            if (!inactive && !resource.ActiveNodes().Any())
            {
                continue;
            }

            Add(lines, status.Cluster, resource, "", inactive);
        }

        if (lines.Count == 0)
        {
            lines.Add(inactive ? "* No resources" : "* No active resources");
        }

        return lines;
    }

    internal static string StateOf(Node node)
    {
        if (node.Unclean)
        {
            return node.Online ? node.Pending ? "UNCLEAN (pending)" : "UNCLEAN (online)"
                : node.Pending ? "UNCLEAN (pending)" : "UNCLEAN (offline)";
        }

        if (node.Pending)
        {
            return "pending";
        }

        if (node.StandbyOnFail && node.Online)
        {
            return "standby (on-fail)";
        }

        if (node.Standby)
        {
            return !node.Online ? "OFFLINE (standby)"
                : node.Active.Count > 0 ? "standby (with active resources)" : "standby";
        }

        if (node.Maintenance)
        {
            return node.Online ? "maintenance" : "OFFLINE (maintenance)";
        }

        return node.Online ? "online" : "OFFLINE";
    }

    private static void AddList(List<string> lines, string title, List<string> names)
    {
        if (names.Count > 0)
        {
            lines.Add($"* {title}: [ {string.Join(' ', names)} ]");
        }
    }

    private static void Add(List<string> lines, Cluster cluster, Resource resource, string indent, bool inactive)
    {
        switch (resource.Kind)
        {
            case ResourceKind.Leaf:
                lines.Add(indent + "* " + Leaf(resource));
                break;
            case ResourceKind.Group:
                lines.Add($"{indent}* Resource Group: {resource.Id}{Flags(GroupFlags(resource))}:");
                foreach (Resource member in resource.Children)
                {
                    if (inactive || member.ActiveOn.Count > 0)
                    {
                        Add(lines, cluster, member, indent + "  ", inactive);
                    }
                }

                break;
            default:
                AddClone(lines, cluster, resource, indent, inactive);
                break;
        }
    }

    /// <summary>A leaf's line without bullet.</summary>
    internal static string Leaf(Resource leaf)
    {
        var text = new StringBuilder();
        text.Append(leaf.DisplayId).Append("\t(").Append(leaf.Class);
        if (leaf is { Class: "ocf", Provider: { } provider })
        {
            text.Append(':').Append(provider);
        }

        text.Append(':').Append(leaf.Type).Append("):\t");
        if (leaf.Removed)
        {
            text.Append(" ORPHANED");
        }

        Node? node = leaf.ActiveOn.Count > 0 ? leaf.CurrentNode : null;
        ResourceRole role = leaf.Role == ResourceRole.Started && leaf.IsPromotable ? ResourceRole.Unpromoted : leaf.Role;
        if (role == ResourceRole.Unknown)
        {
            role = ResourceRole.Stopped;
        }

        if (leaf.Failed && role > ResourceRole.Unpromoted)
        {
            text.Append(" FAILED Promoted");
        }
        else if (leaf.Failed)
        {
            text.Append(" FAILED");
        }
        else
        {
            text.Append(' ').Append(PendingWord(leaf) ?? role.ToString());
        }

        if (leaf.ActiveOn.Count <= 1 && node is not null)
        {
            text.Append(' ').Append(node.Name);
        }

        if (role == ResourceRole.Stopped && !leaf.Failed && leaf.MaskedProbes.Count > 0 && leaf.ActiveOn.Count == 0)
        {
            text.Append($" ({RcText(leaf.MaskedProbes.First().Value)}) ");
        }

        text.Append(Flags(LeafFlags(leaf, node)));
        if (leaf.ActiveOn.Count > 1)
        {
            text.Append(" [ ").AppendJoin(' ', leaf.ActiveOn.Select(n => n.Name)).Append(" ]");
        }

        return text.ToString();
    }

    /// <summary>What an operation under way is about to make of the leaf.</summary>
    private static string? PendingWord(Resource leaf) => leaf.PendingTask switch
    {
        "start" => "Starting",
        "stop" => "Stopping",
        "migrate_to" or "migrate_from" => "Migrating",
        "promote" => "Promoting",
        "demote" => "Demoting",
        _ => null,
    };

    private static List<string> LeafFlags(Resource leaf, Node? node)
    {
        var flags = new List<string>();
        if (node is { Online: false, Unclean: true })
        {
            flags.Add("UNCLEAN");
        }

        if (leaf.LockedTo is not null)
        {
            flags.Add("LOCKED");
        }

        if (leaf.PendingTask == "monitor")
        {
            flags.Add("Monitoring");
        }

        ResourceRole? target = Roles.Parse(leaf.Meta.GetValueOrDefault("target-role"));
        if (target == ResourceRole.Stopped)
        {
            flags.Add("disabled");
        }
        else if (target == ResourceRole.Unpromoted && leaf.IsPromotable)
        {
            flags.Add("target-role:Unpromoted");
        }

        if (leaf.Blocked)
        {
            flags.Add("blocked");
        }
        else if (leaf.Maintenance)
        {
            flags.Add("maintenance");
        }
        else if (!leaf.Managed)
        {
            flags.Add("unmanaged");
        }

        if (leaf.FailureIgnored)
        {
            flags.Add("failure ignored");
        }

        return flags;
    }

    private static List<string> GroupFlags(Resource resource)
    {
        var flags = new List<string>();
        if (Roles.Parse(resource.Meta.GetValueOrDefault("target-role")) == ResourceRole.Stopped)
        {
            flags.Add("disabled");
        }

        if (resource.Maintenance)
        {
            flags.Add("maintenance");
        }
        else if (!resource.Managed)
        {
            flags.Add("unmanaged");
        }

        return flags;
    }

    private static string Flags(List<string> flags) => flags.Count == 0 ? "" : $" ({string.Join(", ", flags)})";

    /// <summary>Texts of return codes.</summary>
    public static string RcText(int rc) => rc switch
    {
        0 => "OK",
        1 => "Error occurred",
        2 => "Invalid parameter",
        3 => "Unimplemented",
        4 => "Insufficient privileges",
        5 => "Not installed",
        6 => "Not configured",
        7 => "Not running",
        8 => "Promoted",
        9 => "Failed in promoted role",
        _ => "Unknown exit status",
    };

    private static void AddClone(List<string> lines, Cluster cluster, Resource clone, string indent, bool inactive)
    {
        var flags = new List<string>();
        if (clone.Clone!.Promotable)
        {
            flags.Add("promotable");
        }

        if (clone.Unique)
        {
            flags.Add("unique");
        }

        flags.AddRange(GroupFlags(clone));
        lines.Add($"{indent}* Clone Set: {clone.Id} [{clone.Children.FirstOrDefault()?.XmlId}]{Flags(flags)}:");
        string inner = indent + "  ";
        List<string> promoted = [], started = [];
        var stopped = new SortedDictionary<string, List<string>>(StringComparer.Ordinal);
        var activeNodes = new HashSet<Node>();
        int active = 0;
        foreach (Resource instance in clone.Children)
        {
            bool isActive = instance.ActiveNodes().Any();
            if (instance.Removed && !isActive)
            {
                continue;
            }

            if (isActive)
            {
                active++;
                activeNodes.UnionWith(instance.ActiveNodes());
            }

            if (InFull(clone, instance, isActive))
            {
                if (isActive || inactive)
                {
                    Add(lines, cluster, instance, inner, inactive);
                }

                continue;
            }

            if (!isActive)
            {
                continue;
            }

            string name = instance.ActiveNodes().First().Name;
            (instance.CurrentRole() == ResourceRole.Promoted ? promoted : started).Add(name);
        }

        AddNodes(lines, inner, "Promoted", promoted);
        string word = !clone.Clone.Promotable ? "Started"
            : Roles.Parse(clone.Meta.GetValueOrDefault("target-role")) == ResourceRole.Unpromoted
                ? "Unpromoted (target-role)" : "Unpromoted";
        AddNodes(lines, inner, word, started);
        if (!clone.Unique && inactive && active < clone.Clone.Max)
        {
            AddStopped(stopped, clone, activeNodes, cluster.Nodes);
            foreach ((string title, List<string> names) in stopped)
            {
                AddNodes(lines, inner, title, names);
            }
        }
    }

    private static void AddStopped(SortedDictionary<string, List<string>> stopped, Resource clone, HashSet<Node> active, List<Node> all)
    {
        bool disabled = Roles.Parse(clone.Meta.GetValueOrDefault("target-role")) == ResourceRole.Stopped;
        IEnumerable<Node> nodes = clone.Scores.Entries.Any() ? clone.Scores.Entries.Select(e => e.Node) : all;
        foreach (Node node in nodes)
        {
            if (active.Contains(node))
            {
                continue;
            }

            string title = disabled ? "Stopped (disabled)" : "Stopped";
            foreach (Resource leaf in clone.Leafs())
            {
                if (leaf.MaskedProbes.TryGetValue(node, out int rc))
                {
                    title = $"Stopped ({RcText(rc)})";
                    break;
                }
            }

            if (!stopped.TryGetValue(title, out List<string>? names))
            {
                stopped[title] = names = [];
            }

            names.Add(node.Name);
        }
    }

    private static bool InFull(Resource clone, Resource instance, bool active)
    {
        if (clone.Unique)
        {
            return true;
        }

        if (!active)
        {
            return false;
        }

        Resource[] leafs = [.. instance.Leafs()];
        return instance.Removed || leafs.Any(l => !l.Managed) || leafs.Any(l => l.Failed)
            || instance.ActiveNodes().Count() > 1 || leafs.Any(l => l.ActiveOn.Count == 0)
            || instance.ActiveNodes().Any(n => n is { Online: false, Unclean: true });
    }

    private static void AddNodes(List<string> lines, string indent, string title, List<string> names)
    {
        if (names.Count > 0)
        {
            lines.Add($"{indent}* {title}: [ {string.Join(' ', names.Order(NodeNameComparer.Instance))} ]");
        }
    }
}
