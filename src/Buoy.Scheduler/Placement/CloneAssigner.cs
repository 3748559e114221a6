namespace Buoy.Scheduler;

/// <summary>Spreads the instances of a clone over nodes and decides their roles (SCHEDULER 3.7, 3.9).</summary>
internal sealed class CloneAssigner(
    Cluster cluster, Assigner assigner, ColocationApplier applier, DependentMerger merger, Locations locations)
{
    private readonly PromotionDecider _promotion = new(cluster, applier, merger, locations);

    public Node? Assign(Resource clone)
    {
        if (clone.IsAssigned || clone.IsAssigning)
        {
            return null;
        }

        clone.IsAssigning = true;
        if (clone.Clone!.Promotable)
        {
            _promotion.AddScores(clone);
        }

        foreach (Colocation c in ColocationLists.With(clone))
        {
            assigner.Assign(c.Primary, null);
        }

        foreach (Colocation c in ColocationLists.WithThis(clone))
        {
            if (c.HasInfluence(c.Dependent))
            {
                merger.Merge(clone, c, c.Score / (float)Score.Infinity, onlyNonNegative: true);
            }
        }

        LogAll(clone);
        List<Resource> instances = Sort(clone);
        AssignInstances(clone, instances);
        clone.IsAssigning = false;
        clone.IsAssigned = true;
        if (clone.Clone.Promotable)
        {
            instances = _promotion.Decide(clone, instances);
        }

        clone.Children.Clear();
        clone.Children.AddRange(instances);

        return null;
    }

    private void LogAll(Resource resource)
    {
        assigner.Log("pcmk__clone_assign", resource);
        foreach (Resource child in resource.Children)
        {
            LogAll(child);
        }
    }

    /// <summary>The order in which instances choose.</summary>
    private List<Resource> Sort(Resource clone)
    {
        var perNode = new Dictionary<Node, int>();
        foreach (Node node in clone.Children.SelectMany(i => i.ActiveNodes()))
        {
            perNode[node] = perNode.GetValueOrDefault(node) + 1;
        }

        var sorted = new List<Resource>();
        foreach (Resource instance in clone.Children)
        {
            int at = sorted.Count;
            while (at > 0 && Compare(clone, instance, sorted[at - 1], perNode) < 0)
            {
                at--;
            }

            sorted.Insert(at, instance);
        }

        return sorted;
    }

    private int Compare(Resource clone, Resource a, Resource b, Dictionary<Node, int> perNode)
    {
        Node[] onA = [.. a.ActiveNodes()], onB = [.. b.ActiveNodes()];
        if (onA.Length > 0 && onB.Length > 0 && onA.Length != onB.Length)
        {
            return onA.Length.CompareTo(onB.Length);
        }

        Node? nodeA = a.CurrentNode, nodeB = b.CurrentNode;
        bool allowedA = nodeA is null || a.Scores[nodeA] is >= 0, allowedB = nodeB is null || b.Scores[nodeB] is >= 0;
        if (allowedA != allowedB)
        {
            return allowedA ? -1 : 1;
        }

        int priorityA = a.Priority, priorityB = b.Priority;
        if (priorityA != priorityB)
        {
            return priorityB.CompareTo(priorityA);
        }

        if (nodeA is null && nodeB is null)
        {
            return 0;
        }

        if (nodeA is null || nodeB is null)
        {
            return nodeA is not null ? -1 : 1;
        }

        if (nodeA.Available != nodeB.Available)
        {
            return nodeA.Available ? -1 : 1;
        }

        int countA = perNode.GetValueOrDefault(nodeA), countB = perNode.GetValueOrDefault(nodeB);
        if (countA != countB)
        {
            return countA.CompareTo(countB);
        }

        bool failedA = a.Leafs().Any(l => l.Failed), failedB = b.Leafs().Any(l => l.Failed);
        if (failedA != failedB)
        {
            return failedA ? 1 : -1;
        }

        return merger.WishesFor(cluster, clone, b, nodeB).CompareTo(merger.WishesFor(cluster, clone, a, nodeA));
    }

    private void AssignInstances(Resource clone, List<Resource> instances)
    {
        CloneOptions options = clone.Clone!;
        int available = clone.Scores.Entries.Count(e => e.Node.Available && e.Score >= 0);
        int optimum = available > 0 ? Math.Max(1, options.Max / available) : 1;
        var placed = new Dictionary<Node, int>();
        int count = 0;
        int reserved = 0;
        foreach (Resource instance in instances)
        {
            if (count + reserved >= options.Max)
            {
                break;
            }

            Resource leaf = instance.Leafs().First();
            if (instance.IsAssigned || instance.CurrentNode is not { } current || instance.Leafs().Any(l => l.Failed)
                || !current.Available || (instance.Scores[current] ?? -1) < 0
                || placed.GetValueOrDefault(current) >= Math.Max(1, Math.Min(optimum, options.NodeMax)))
            {
                continue;
            }

            ScoreTable[] saved = [.. instance.Leafs().Append(instance).Select(r => r.Scores)];
            foreach (Resource r in instance.Leafs().Append(instance))
            {
                r.Scores = r.Scores.Copy();
            }

            ForbidFullNodes(clone, instance, placed);
            Node? got = assigner.Assign(instance, current);
            if (got == current)
            {
                placed[current] = placed.GetValueOrDefault(current) + 1;
                count++;
                continue;
            }

            Assigner.Undo(instance);
            int i = 0;
            foreach (Resource r in instance.Leafs().Append(instance))
            {
                r.Scores = saved[i++];
                if (r.NextRole == ResourceRole.Stopped)
                {
                    r.NextRole = ResourceRole.Unknown;
                    ResourceReader.LimitByTargetRole(r);
                }
            }

            if (got is not null)
            {
                reserved++;
            }
        }

        foreach (Resource instance in instances)
        {
            if (instance.IsAssigned || instance.Leafs().All(l => l.IsAssigned))
            {
                continue;
            }

            if (count >= options.Max)
            {
                foreach (Resource r in instance.Leafs().Append(instance))
                {
                    foreach ((Node node, _) in r.Scores.Entries.ToArray())
                    {
                        r.Scores[node] = -Score.Infinity;
                    }
                }
            }

            ForbidFullNodes(clone, instance, placed);
            Node? got = assigner.Assign(instance, null);
            if (got is not null)
            {
                placed[got] = placed.GetValueOrDefault(got) + 1;
                count++;
            }
        }
    }

    private static void ForbidFullNodes(Resource clone, Resource instance, Dictionary<Node, int> placed)
    {
        Resource[] parts = [.. instance.Leafs().Append(instance)];
        foreach ((Node node, _) in parts[0].Scores.Entries.ToArray())
        {
            if (instance.Removed || !node.Available || clone.Scores[node] is not >= 0
                || placed.GetValueOrDefault(node) >= clone.Clone!.NodeMax)
            {
                foreach (Resource part in parts)
                {
                    part.Scores[node] = -Score.Infinity;
                }
            }
        }
    }
}
