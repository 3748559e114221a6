using System.Runtime.InteropServices;

namespace Buoy.Scheduler;

/// <summary>Capacities of nodes and what resources take of them (SCHEDULER 3.8); only where the strategy is not default.</summary>
internal static class Utilization
{
    /// <summary>Positive when <paramref name="a"/> has more free capacity.</summary>
    public static int CompareCapacity(Node a, Node b)
    {
        int points = 0;
        foreach (string name in a.Capacity.Keys.Union(b.Capacity.Keys))
        {
            points += Math.Sign(a.Capacity.GetValueOrDefault(name) - b.Capacity.GetValueOrDefault(name));
        }

        return points;
    }

    public static void Take(Node node, Resource leaf, int sign = 1)
    {
        foreach ((string name, int amount) in leaf.Utilization)
        {
            ref int free = ref CollectionsMarshal.GetValueRefOrNullRef(node.Capacity, name);
            if (!System.Runtime.CompilerServices.Unsafe.IsNullRef(ref free))
            {
                free -= sign * amount;
            }
        }
    }

    /// <summary>
    /// Bans the leaf from nodes without room for it and all that must be with it; where no node has that much, from nodes
    /// without room for the leaf alone, and then names the most capable node.
    /// </summary>
    public static Node? BanSmallNodes(Resource leaf)
    {
        var together = new List<Resource>();
        Collect(leaf, together);
        var needed = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (Resource part in together.SelectMany(r => r.Leafs()).Distinct().Where(r => !r.IsAssigned))
        {
            foreach ((string name, int amount) in part.Utilization)
            {
                needed[name] = needed.GetValueOrDefault(name) + amount;
            }
        }

        if (needed.Count == 0)
        {
            return null;
        }

        (Node Node, int Score)[] nodes = [.. leaf.Scores.Entries];
        bool anyForAll = nodes.Any(n => n.Node.Available && n.Score >= 0 && HasRoom(n.Node, needed));
        Node? best = null;
        foreach ((Node node, int score) in nodes)
        {
            bool room = HasRoom(node, anyForAll ? needed : leaf.Utilization);
            if (!room)
            {
                leaf.Scores[node] = -Score.Infinity;
            }
            else if (!anyForAll && node.Available && score >= 0 && (best is null || CompareCapacity(node, best) > 0))
            {
                best = node;
            }
        }

        return best;
    }

    private static bool HasRoom(Node node, Dictionary<string, int> needed) =>
        needed.All(n => n.Value <= node.Capacity.GetValueOrDefault(n.Key));

    private static void Collect(Resource resource, List<Resource> found)
    {
        if (found.Contains(resource))
        {
            return;
        }

        found.Add(resource);
        foreach (Colocation c in ColocationLists.With(resource).Where(c => c.Score >= Score.Infinity))
        {
            Collect(c.Primary, found);
        }

        foreach (Colocation c in ColocationLists.WithThis(resource).Where(c => c.Score >= Score.Infinity))
        {
            Collect(c.Dependent, found);
        }
    }
}
