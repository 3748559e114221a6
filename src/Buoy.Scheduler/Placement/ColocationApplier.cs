namespace Buoy.Scheduler;

/// <summary>Applies one colocation to the dependent's scores, once the primary is assigned (SCHEDULER 3.5, "Apply").</summary>
internal sealed class ColocationApplier(Cluster cluster)
{
    public void Apply(Resource dependent, Resource primary, Colocation c)
    {
        switch (dependent.Kind)
        {
            case ResourceKind.Group:
                if (dependent.Children.Count == 0)
                {
                    return;
                }

                if (dependent.Collocated)
                {
                    Apply(dependent.Children[0], primary, c);
                }
                else if (c.Score < Score.Infinity)
                {
                    foreach (Resource member in dependent.Children)
                    {
                        Apply(member, primary, c);
                    }
                }

                return;
            case ResourceKind.Clone:
                // A clone's instances take its constraints one by one.
                return;
        }

        switch (primary.Kind)
        {
            case ResourceKind.Leaf:
                ApplyToLeaf(dependent, primary, c);
                break;
            case ResourceKind.Group:
                ApplyGroupPrimary(dependent, primary, c);
                break;
            default:
                ApplyClonePrimary(dependent, primary, c);
                break;
        }
    }

    /// <summary>Whether roles keep the constraint from touching the dependent.</summary>
    private static bool RolesDiffer(Resource dependent, Resource primary, Colocation c) =>
        (c.DependentRole != ResourceRole.Unknown && dependent.NextRole != c.DependentRole)
        || (c.PrimaryRole != ResourceRole.Unknown && primary.NextRole != c.PrimaryRole);

    private static void ApplyToLeaf(Resource dependent, Resource primary, Colocation c)
    {
        if (!primary.IsAssigned)
        {
            return;
        }

        if (c.DependentRole >= ResourceRole.Unpromoted && dependent.IsPromotable && dependent.IsAssigned)
        {
            ChangePriority(dependent, primary, c);
            return;
        }

        if (dependent.IsAssigned || RolesDiffer(dependent, primary, c))
        {
            return;
        }

        ScoreTable work = dependent.Scores.Copy();
        if (primary.Assigned is not { } at)
        {
            if (c.Score > 0)
            {
                work.AddAll(-c.Score);
            }
        }
        else
        {
            string wanted = at.Attribute(c.NodeAttribute);
            foreach ((Node node, int score) in dependent.Scores.Entries)
            {
                if (string.Equals(node.Attribute(c.NodeAttribute), wanted, StringComparison.OrdinalIgnoreCase))
                {
                    if (c.Score < Score.Infinity)
                    {
                        work[node] = Score.Add(score, c.Score);
                    }
                }
                else if (c.Score >= Score.Infinity)
                {
                    work[node] = -Score.Infinity;
                }
            }
        }

        if (c.IsMandatory || work.AnyAvailable())
        {
            dependent.Scores = work;
        }
    }

    private static void ChangePriority(Resource dependent, Resource primary, Colocation c)
    {
        if (primary.Assigned is not { } at || dependent.Assigned is not { } here)
        {
            return;
        }

        if (c.PrimaryRole != ResourceRole.Unknown && primary.NextRole != c.PrimaryRole)
        {
            return;
        }

        if (!string.Equals(at.Attribute(c.NodeAttribute), here.Attribute(c.NodeAttribute), StringComparison.OrdinalIgnoreCase))
        {
            if (c.Score >= Score.Infinity && c.DependentRole == ResourceRole.Promoted)
            {
                dependent.Priority = -Score.Infinity;
            }

            return;
        }

        int change = c.DependentRole == ResourceRole.Unpromoted ? -c.Score : c.Score;
        dependent.Priority = Score.Add(dependent.Priority, change);
    }

    private void ApplyGroupPrimary(Resource dependent, Resource group, Colocation c)
    {
        if (group.Children.Count == 0)
        {
            return;
        }

        if (group.Collocated)
        {
            Apply(dependent, c.Score >= Score.Infinity ? group.Children[^1] : group.Children[0], c);
            return;
        }

        if (c.Score >= Score.Infinity)
        {
            cluster.Problems.Add($"error: Cannot colocate {dependent.Id} with non-colocated group {group.Id}");
            return;
        }

        foreach (Resource member in group.Children)
        {
            Apply(dependent, member, c);
        }
    }

    private void ApplyClonePrimary(Resource dependent, Resource clone, Colocation c)
    {
        if (!clone.IsAssigned)
        {
            return;
        }

        if (clone.Clone!.Promotable && c.PrimaryRole != ResourceRole.Unknown)
        {
            ApplyPromotedPrimary(dependent, clone, c);
            return;
        }

        if (dependent.IsInClone && dependent.Top.Clone is { Interleave: true } mine && mine.NodeMax == clone.Clone.NodeMax)
        {
            Resource? partner = FindPartner(dependent, clone);
            if (partner is not null)
            {
                Apply(dependent, partner, c);
            }
            else if (c.Score >= Score.Infinity)
            {
                foreach (Resource leaf in dependent.Leafs())
                {
                    leaf.Assigned = null;
                    leaf.IsAssigned = true;
                    leaf.NextRole = ResourceRole.Stopped;
                }
            }

            return;
        }

        if (c.Score >= Score.Infinity)
        {
            var nodes = new HashSet<Node>();
            foreach (Resource instance in clone.Children)
            {
                if (instance.Leafs().First().Assigned is { } node && !instance.Leafs().Any(l => l.Blocked))
                {
                    nodes.Add(node);
                }
            }

            ScoreTable target = FirstLeafOf(dependent).Scores;
            foreach ((Node node, _) in target.Entries.ToArray())
            {
                if (!nodes.Contains(node))
                {
                    target[node] = -Score.Infinity;
                }
            }

            return;
        }

        foreach (Resource instance in clone.Children)
        {
            Apply(dependent, instance, c);
        }
    }

    private static void ApplyPromotedPrimary(Resource dependent, Resource clone, Colocation c)
    {
        if (dependent.IsAssigned)
        {
            if (c.DependentRole >= ResourceRole.Unpromoted)
            {
                Resource? partner = clone.Children.FirstOrDefault(
                    i => i.Leafs().First().Assigned == dependent.Assigned && i.PlannedRole() == c.PrimaryRole);
                if (partner is not null)
                {
                    ChangePriority(dependent, partner.Leafs().First(), c);
                }
                else if (c.Score >= Score.Infinity && c.DependentRole == ResourceRole.Promoted)
                {
                    dependent.Priority = -Score.Infinity;
                }
            }

            return;
        }

        // A mandatory one takes over how much the instance likes its node, a finite one its own score.
        var added = new Dictionary<Node, int>();
        foreach (Resource instance in clone.Children.Where(i => i.PlannedRole() == c.PrimaryRole))
        {
            if (instance.Leafs().First().Assigned is { } node)
            {
                added[node] = c.Score >= Score.Infinity ? instance.Scores[node] ?? 0 : c.Score;
            }
        }

        foreach ((Node node, int score) in dependent.Scores.Entries.ToArray())
        {
            if (added.TryGetValue(node, out int more))
            {
                dependent.Scores[node] = Score.Add(score, more);
            }
            else if (c.Score >= Score.Infinity)
            {
                dependent.Scores[node] = -Score.Infinity;
            }
        }
    }

    /// <summary>The clone's instance on the dependent's node, or on the best node it may still get.</summary>
    private static Resource? FindPartner(Resource dependent, Resource clone)
    {
        Resource? On(Node node) => clone.Children.FirstOrDefault(
            i => i.Leafs().First().Assigned == node && !i.Leafs().Any(l => l.Blocked));
        if (dependent.Assigned is { } assigned)
        {
            return On(assigned);
        }

        return FirstLeafOf(dependent).Scores.Entries
            .Where(e => e.Node.Available && e.Score >= 0)
            .OrderByDescending(e => e.Score)
            .ThenBy(e => e.Node.AssignedCount)
            .ThenBy(e => e.Node == dependent.CurrentNode ? 0 : 1)
            .ThenBy(e => e.Node.Name, StringComparer.Ordinal)
            .Select(e => On(e.Node))
            .FirstOrDefault(p => p is not null);
    }

    private static Resource FirstLeafOf(Resource r) => r.IsLeaf ? r : r.Leafs().First();
}
