namespace Buoy.Scheduler;

/// <summary>Chooses the node for a leaf from its score table (SCHEDULER 3.4).</summary>
internal static class NodeChoice
{
    public static Node? Choose(Cluster cluster, Resource leaf, Node? prefer)
    {
        var candidates = leaf.Scores.Entries.ToList();
        if (candidates.Count == 0)
        {
            return null;
        }

        Node? current = leaf.CurrentNode;
        bool minimal = cluster.Options.Placement == "minimal";
        candidates.Sort((a, b) =>
        {
            int c = Effective(b).CompareTo(Effective(a));
            if (c != 0)
            {
                return c;
            }

            if (!minimal)
            {
                if (cluster.Options.Placement == "balanced")
                {
                    c = Utilization.CompareCapacity(b.Node, a.Node);
                    if (c != 0)
                    {
                        return c;
                    }
                }

                c = a.Node.AssignedCount.CompareTo(b.Node.AssignedCount);
                if (c != 0)
                {
                    return c;
                }

                if (current is not null && a.Node != b.Node)
                {
                    if (a.Node == current)
                    {
                        return -1;
                    }

                    if (b.Node == current)
                    {
                        return 1;
                    }
                }
            }

            return string.CompareOrdinal(a.Node.Name, b.Node.Name);
        });
        (Node best, int score) = candidates[0];
        if (prefer is not null)
        {
            if (leaf.Scores[prefer] is int preferred && preferred >= score && prefer.Available)
            {
                return prefer;
            }
        }

        bool uniqueInstance = leaf.Parent is { Kind: ResourceKind.Clone, Unique: true };
        if (!uniqueInstance && score > 0 && best.Available && current is { Available: true }
            && leaf.Scores[current] is int here && here == score)
        {
            return current;
        }

        return best;

        static int Effective((Node Node, int Score) entry) => entry.Node.Available ? entry.Score : -Score.Infinity;
    }
}
