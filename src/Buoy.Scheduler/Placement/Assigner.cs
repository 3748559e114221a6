namespace Buoy.Scheduler;

/// <summary>Decides node and role of every resource (SCHEDULER 3.1, 3.4 to 3.7).</summary>
internal sealed class Assigner
{
    private readonly Cluster _cluster;
    private readonly ColocationApplier _applier;
    private readonly DependentMerger _merger;
    private readonly CloneAssigner _clones;

    public Assigner(Cluster cluster, Locations locations)
    {
        _cluster = cluster;
        _applier = new ColocationApplier(cluster);
        _merger = new DependentMerger();
        _clones = new CloneAssigner(cluster, this, _applier, _merger, locations);
    }

    public void AssignAll()
    {
        if (_cluster.Options.Placement != "default")
        {
            SortByScores();
        }

        foreach (Resource resource in _cluster.Resources.ToArray())
        {
            Assign(resource, null);
        }
    }

    /// <summary>Who has the higher priority, then the stronger wish where it is and for the first nodes, chooses first.</summary>
    private void SortByScores()
    {
        Dictionary<Resource, ScoreTable> wishes = _cluster.Resources.ToDictionary(r => r, _merger.WithPrimaries);
        int Compare(Resource a, Resource b)
        {
            if (a.Priority != b.Priority)
            {
                return b.Priority.CompareTo(a.Priority);
            }

            int Wish(Resource r, Node? node) =>
                node is { Available: true } ? wishes[r][node] ?? -Score.Infinity : -Score.Infinity;
            int c = Wish(b, b.CurrentNode).CompareTo(Wish(a, a.CurrentNode));
            for (int i = 0; c == 0 && i < _cluster.Nodes.Count; i++)
            {
                c = Wish(b, _cluster.Nodes[i]).CompareTo(Wish(a, _cluster.Nodes[i]));
            }

            return c;
        }

        Resource[] sorted = [.. _cluster.Resources.Order(Comparer<Resource>.Create(Compare))];
        _cluster.Resources.Clear();
        _cluster.Resources.AddRange(sorted);
    }

    /// <summary>Assigns a resource and, first, what it depends on; returns its node (of a collection: its first part's).</summary>
    public Node? Assign(Resource resource, Node? prefer) => resource.Kind switch
    {
        ResourceKind.Leaf => AssignLeaf(resource, prefer),
        ResourceKind.Group => AssignGroup(resource, prefer),
        _ => _clones.Assign(resource),
    };

    /// <summary>Gives a leaf its node, with all that follows from having none.</summary>
    public void Settle(Resource leaf, Node? node, bool force = false)
    {
        if (leaf.IsAssigned)
        {
            Undo(leaf);
        }

        leaf.IsAssigned = true;
        if (node is not null && !force && (leaf.Scores[node] is < 0 or null || !node.Available))
        {
            node = null;
        }

        if (node is null)
        {
            if (!force)
            {
                leaf.NextRole = ResourceRole.Stopped;
            }

            MarkActionsOfUnassigned(leaf);
            return;
        }

        leaf.Assigned = node;
        node.AssignedCount++;
        Utilization.Take(node, leaf);
    }

    public static void Undo(Resource resource)
    {
        foreach (Resource leaf in resource.Leafs())
        {
            if (leaf.Assigned is { } node)
            {
                node.AssignedCount--;
                Utilization.Take(node, leaf, -1);
            }

            leaf.Assigned = null;
            leaf.IsAssigned = false;
        }

        resource.IsAssigned = false;
    }

    public void Log(string function, Resource resource)
    {
        if (resource.Removed)
        {
            return;
        }

        foreach ((Node node, int score) in resource.Scores.Entries)
        {
            _cluster.Scores.Add(new ScoreLine(function, resource.Id, node.Name, Score.Format(score)));
        }
    }

    private Node? AssignGroup(Resource group, Node? prefer)
    {
        if (group.IsAssigned)
        {
            return group.Assigned;
        }

        if (group.IsAssigning)
        {
            return null;
        }

        if (group.Children.Count == 0)
        {
            group.IsAssigned = true;
            return null;
        }

        group.IsAssigning = true;
        Log("pcmk__group_assign", group);
        foreach (Resource member in group.Children)
        {
            Log("pcmk__group_assign", member);
        }

        group.Role = group.Children[0].Role;
        Node? first = null;
        foreach (Resource member in group.Children)
        {
            Node? node = Assign(member, prefer);
            first ??= node;
        }

        group.NextRole = group.Children[0].NextRole;
        group.IsAssigning = false;
        group.IsAssigned = true;
        return group.Assigned = first;
    }

    private Node? AssignLeaf(Resource leaf, Node? prefer)
    {
        if (leaf.Parent is { IsAssigned: false, IsAssigning: false } parent)
        {
            Assign(parent, prefer);
        }

        if (leaf.IsAssigned)
        {
            return leaf.Assigned;
        }

        if (leaf.IsAssigning)
        {
            return null;
        }

        leaf.IsAssigning = true;
        List<Colocation> with = ColocationLists.With(leaf), withThis = ColocationLists.WithThis(leaf);
        foreach (Colocation c in with.Where(c => c.IsMandatory))
        {
            ApplyWith(leaf, c);
        }

        MergeDependents(leaf, withThis.Where(c => c.IsMandatory));
        foreach (Colocation c in with.Where(c => !c.IsMandatory))
        {
            ApplyWith(leaf, c);
        }

        MergeDependents(leaf, withThis.Where(c => !c.IsMandatory));
        if (leaf.NextRole == ResourceRole.Stopped)
        {
            foreach ((Node node, _) in leaf.Scores.Entries.ToArray())
            {
                leaf.Scores[node] = -Score.Infinity;
            }
        }
        else if (leaf.NextRole > leaf.Role && !_cluster.HasQuorum && _cluster.Options.Quorum == QuorumPolicy.Freeze)
        {
            leaf.NextRole = leaf.Role;
        }

        Log("pcmk__primitive_assign", leaf);
        Choose(leaf, prefer);
        leaf.IsAssigning = false;
        return leaf.Assigned;
    }

    private void Choose(Resource leaf, Node? prefer)
    {
        if (!leaf.Managed || (_cluster.FencingOn && !_cluster.HasFenceDevice))
        {
            // Without a device for the fencing that is asked for, nothing is started, stopped or moved.
            Node? keep = leaf.CurrentNode;
            leaf.Managed = false;
            leaf.NextRole = leaf.Role;
            Settle(leaf, keep, force: true);
        }
        else if (_cluster.Options.StopAll)
        {
            Settle(leaf, null, force: true);
            leaf.NextRole = ResourceRole.Stopped;
        }
        else
        {
            if (_cluster.Options.Placement != "default")
            {
                prefer = Utilization.BanSmallNodes(leaf) ?? prefer;
            }

            Settle(leaf, NodeChoice.Choose(_cluster, leaf, prefer));
        }
    }

    private void ApplyWith(Resource leaf, Colocation c)
    {
        Assign(c.Primary, null);
        bool restorable = c.DependentRole == ResourceRole.Promoted || (c.Score < 0 && c.Score > -Score.Infinity);
        ScoreTable? before = restorable ? leaf.Scores.Copy() : null;
        _applier.Apply(leaf, c.Primary, c);
        if (before is not null && !leaf.Scores.AnyAvailable())
        {
            leaf.Scores = before;
        }
    }

    private void MergeDependents(Resource leaf, IEnumerable<Colocation> dependents)
    {
        foreach (Colocation c in dependents.ToArray())
        {
            if (c.HasInfluence(c.Dependent))
            {
                _merger.Merge(leaf, c, c.Score / (float)Score.Infinity, onlyNonNegative: false);
            }
        }
    }

    private static void MarkActionsOfUnassigned(Resource leaf)
    {
        foreach (PlannedAction action in leaf.Actions)
        {
            if (action.Task == "stop")
            {
                action.Optional = false;
            }
            else if (action.Task == "start" || (action.Task == "monitor" && action.IntervalMs > 0 && action.ExpectedRc != 7))
            {
                action.Runnable = false;
            }
        }
    }
}
