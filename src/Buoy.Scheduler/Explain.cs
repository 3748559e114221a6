using System.Text;
using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Says in a sentence why a resource is where it is, and what is going to change.</summary>
public static class Explain
{
    /// <summary>The sentence for one resource; null when the CIB knows none of that id.</summary>
    public static string? Resource(XElement cib, DateTimeOffset now, string id)
    {
        Run run = Run.Unpack(cib, now, null);
        run.Decide();
        Cluster cluster = run.Cluster;
        Resource? resource = cluster.Find(id) ?? cluster.FindForConstraint(id);
        if (resource is null)
        {
            return null;
        }

        return string.Join(' ', resource.Leafs().Where(l => !l.Removed || l.ActiveOn.Count > 0).Select(l => OfLeaf(cluster, l)));
    }

    private static string OfLeaf(Cluster cluster, Resource leaf)
    {
        var text = new StringBuilder(leaf.DisplayId);
        Node? current = leaf.CurrentNode;
        Node? next = leaf.Assigned;
        string role = leaf.NextRole == ResourceRole.Promoted ? " as Promoted" : "";
        if (next is null)
        {
            text.Append(current is null ? " stays stopped" : $" stops on {current.Name}");
        }
        else if (current is null)
        {
            text.Append($" starts on {next.Name}{role}");
        }
        else if (current == next)
        {
            text.Append($" stays on {next.Name}{role}");
        }
        else
        {
            text.Append($" moves from {current.Name} to {next.Name}{role}");
        }

        text.Append(": ");
        foreach (Colocation c in ColocationLists.With(leaf).Where(c => c.Score >= Score.Infinity && c.Primary.IsLeaf))
        {
            text.Append($"it must be with {c.Primary.DisplayId}, which ")
                .Append(c.Primary.Assigned is { } at ? $"is to be on {at.Name}; " : "is to be nowhere; ");
        }

        text.Append(string.Join(", ", Scores(cluster, leaf, next)));
        foreach (PlannedAction action in leaf.Actions.Where(a => a is { Optional: false, Reason: not null }))
        {
            text.Append($"; {action.Task} because of {action.Reason}");
        }

        if (Limits(leaf) is { Length: > 0 } limits)
        {
            text.Append("; ").Append(limits);
        }

        return text.Append('.').ToString();
    }

    private static IEnumerable<string> Scores(Cluster cluster, Resource leaf, Node? next)
    {
        ILookup<string, ScoreLine> lines = cluster.Scores
            .Where(s => s.Function == "pcmk__primitive_assign" && s.Resource == leaf.Id).ToLookup(s => s.Node);
        IEnumerable<Node> nodes = cluster.Nodes.OrderBy(n => n == next ? 0 : 1);
        bool first = true;
        foreach (Node node in nodes)
        {
            string score = lines[node.Name].Select(l => l.Score).LastOrDefault()
                ?? (leaf.Scores[node] is int s ? Score.Format(s) : "none");
            List<string> parts = Parts(leaf, node);
            string why = parts.Count == 0 ? "" : $" ({string.Join(", ", parts)})";
            yield return $"{(first ? "its score on " : "on ")}{node.Name} is {score}{why}";
            first = false;
        }
    }

    private static List<string> Parts(Resource leaf, Node node)
    {
        var parts = new List<string>();
        if (leaf.Managed && leaf.Stickiness > 0 && leaf.ActiveOn.Count == 1 && leaf.ActiveOn[0] == node)
        {
            parts.Add($"stickiness {Score.Format(leaf.Stickiness)}");
        }

        if (!node.Available)
        {
            parts.Add(
                !node.Online ? "offline" : node.Unclean ? "unclean" : node.Standby ? "standby" : node.Maintenance ? "maintenance"
                : node.ShuttingDown ? "shutting down" : "pending");
        }

        parts.AddRange(ColocationLists.With(leaf)
            .Where(c => c.Score < Score.Infinity && c.Primary.IsLeaf && c.Primary.Assigned == node)
            .Select(c => $"{Score.Format(c.Score)} for being with {c.Primary.DisplayId}"));
        parts.AddRange(ColocationLists.WithThis(leaf)
            .Where(c => c.Score > 0 && c.HasInfluence(c.Dependent) && c.Dependent.CurrentNode == node && !c.Dependent.InGroup)
            .Select(c => $"{c.Dependent.DisplayId}, which goes with it, is there"));
        if (leaf.MaskedProbes.TryGetValue(node, out int rc))
        {
            parts.Add(StatusText.RcText(rc).ToLowerInvariant());
        }

        return parts;
    }

    private static string Limits(Resource leaf)
    {
        if (leaf.Blocked)
        {
            return "it is blocked after a failure that nothing could undo";
        }

        if (leaf.Maintenance)
        {
            return "it is in maintenance, so the cluster does not touch it";
        }

        if (!leaf.Managed)
        {
            return "it is not managed, so the cluster does not touch it";
        }

        return Roles.Parse(leaf.Meta.GetValueOrDefault("target-role")) == ResourceRole.Stopped ? "target-role is Stopped" : "";
    }
}
