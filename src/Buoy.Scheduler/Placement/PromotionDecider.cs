namespace Buoy.Scheduler;

/// <summary>Promotion scores, and which instances of a promotable clone get the Promoted role (SCHEDULER 3.9).</summary>
internal sealed class PromotionDecider(
    Cluster cluster, ColocationApplier applier, DependentMerger merger, Locations locations)
{
    /// <summary>Before assignment: promotion scores count as node scores.</summary>
    public void AddScores(Resource clone)
    {
        foreach (Resource instance in clone.Children)
        {
            foreach ((Node node, int score) in instance.Scores.Entries.ToArray())
            {
                if (!node.Available)
                {
                    continue;
                }

                int promotion = ScoreOn(instance, node) ?? 0;
                if (promotion <= 0)
                {
                    continue;
                }

                instance.Scores[node] = Score.Add(score, promotion);
                instance.Priority = Math.Max(instance.Priority, promotion);
            }
        }
    }

    /// <summary>After assignment: who is promoted. Returns the instances in the order in which they were asked.</summary>
    public List<Resource> Decide(Resource clone, List<Resource> instances)
    {
        foreach (Resource instance in clone.Children)
        {
            instance.AssignmentValue = Value(clone, instance);
        }

        foreach (Resource instance in clone.Children)
        {
            if (NodeOf(instance) is { } node && instance.AssignmentValue >= 0)
            {
                clone.Scores[node] = Score.Add(clone.Scores[node] ?? 0, instance.AssignmentValue);
            }
        }

        foreach (Colocation c in ColocationLists.WithThis(clone).Where(c => c.PrimaryRole == ResourceRole.Promoted))
        {
            if (c.HasInfluence(c.Dependent))
            {
                merger.Merge(clone, c, c.Score / (float)Score.Infinity, onlyNonNegative: true);
            }
        }

        if (clone.PromotionTickets.Any(t => !t.Granted || t.Standby))
        {
            clone.Scores.AddAll(-Score.Infinity);
        }

        foreach (Resource instance in clone.Children)
        {
            if (instance.AssignmentValue < 0)
            {
                continue;
            }

            bool managed = instance.Leafs().All(l => l.Managed);
            instance.AssignmentValue = NodeOf(instance) is { } node
                ? !managed && instance.PlannedRole() == ResourceRole.Promoted ? Score.Infinity : clone.Scores[node] ?? 0
                : -Score.Infinity;
        }

        var ordered = instances.OrderByDescending(i => i.AssignmentValue)
            .ThenByDescending(i => i.CurrentRole()).ToList();
        Promote(clone, ordered);
        return ordered;
    }

    private void Promote(Resource clone, List<Resource> ordered)
    {
        var placed = new Dictionary<Node, int>();
        int promoted = 0;
        foreach (Resource instance in ordered)
        {
            string value = Score.Format(instance.AssignmentValue);
            cluster.Scores.Add(new ScoreLine(
                "promotion", instance.Id, NodeOf(instance)?.Name ?? "", value));
            bool promote = instance.AssignmentValue >= 0
                && (promoted < clone.Clone!.PromotedMax || !clone.Managed) && MayPromote(clone, instance, placed);
            foreach (Resource leaf in instance.Leafs())
            {
                if (promote)
                {
                    leaf.NextRole = ResourceRole.Promoted;
                }
                else if (leaf.NextRole != ResourceRole.Stopped || leaf.Assigned is not null)
                {
                    leaf.NextRole = leaf.Assigned is null ? ResourceRole.Stopped : ResourceRole.Unpromoted;
                }
            }

            instance.NextRole = instance.Leafs().First().NextRole;
            if (promote)
            {
                Node node = NodeOf(instance)!;
                placed[node] = placed.GetValueOrDefault(node) + 1;
                promoted++;
            }
        }
    }

    private bool MayPromote(Resource clone, Resource instance, Dictionary<Node, int> placed)
    {
        if (instance.Leafs().Any(l => l.Assigned is null) || NodeOf(instance) is not { } node || instance.Priority < 0)
        {
            return false;
        }

        if (instance.Leafs().Any(l => !l.Managed))
        {
            return instance.CurrentRole() == ResourceRole.Promoted;
        }

        if (!node.Available || placed.GetValueOrDefault(node) >= clone.Clone!.PromotedNodeMax)
        {
            return false;
        }

        return cluster.HasQuorum || cluster.Options.Quorum != QuorumPolicy.Freeze
            || instance.CurrentRole() == ResourceRole.Promoted;
    }

    private int Value(Resource clone, Resource instance)
    {
        if (NodeOf(instance) is not { } node)
        {
            return -Score.Infinity;
        }

        ResourceRole next = instance.PlannedRole();
        int priority = next switch
        {
            ResourceRole.Unknown or ResourceRole.Started => ScoreOn(instance, node) ?? -1,
            ResourceRole.Unpromoted or ResourceRole.Stopped => -Score.Infinity,
            _ => instance.Priority,
        };
        foreach (Resource r in (Resource[])[instance, clone])
        {
            foreach (RoleLocation location in locations.ByRole.GetValueOrDefault(r) ?? [])
            {
                if (location.Role == ResourceRole.Promoted && location.Node == node)
                {
                    priority = Score.Add(priority, location.Score);
                }
            }
        }

        instance.Priority = priority;
        foreach (Colocation c in ColocationLists.With(clone).Where(c => c.DependentRole >= ResourceRole.Unpromoted))
        {
            Resource leaf = instance.Leafs().First();
            int saved = leaf.Priority;
            leaf.Priority = instance.Priority;
            applier.Apply(leaf, c.Primary, c);
            instance.Priority = leaf.Priority;
            if (leaf != instance)
            {
                leaf.Priority = saved;
            }
        }

        return next == ResourceRole.Promoted ? Score.Infinity : instance.Priority;
    }

    private static Node? NodeOf(Resource instance) => instance.Leafs().First().Assigned;

    /// <summary>The promotion score of an instance on a node, where it counts; null where the attribute is missing.</summary>
    private int? ScoreOn(Resource instance, Node node)
    {
        if (!instance.IsLeaf)
        {
            int sum = 0;
            bool any = false;
            foreach (Resource leaf in instance.Children)
            {
                if (ScoreOn(leaf, node) is int s)
                {
                    sum = Score.Add(sum, s);
                    any = true;
                }
            }

            return any ? sum : null;
        }

        bool here = instance.ActiveOn.Contains(node) || instance.KnownOn.Contains(node);
        if (!here && !instance.IsLeafOfUnique)
        {
            Resource clone = instance.Top;
            here = clone.KnownOn.Contains(node)
                && !clone.Children.Any(i => i.ActiveNodes().Contains(node));
        }

        here |= instance.ActiveOn.Count == 0 && instance.KnownOn.Count == 0;
        if (!here || instance.Scores[node] is not >= 0)
        {
            return null;
        }

        return Read(instance.HistoryName, node)
            ?? Read(instance.Id, node)
            ?? (instance.IsLeafOfUnique ? null : Read(instance.XmlId, node));
    }

    private static int? Read(string name, Node node) => Score.Parse(node.Attributes.GetValueOrDefault("master-" + name));
}
