namespace Buoy.Scheduler;

/// <summary>The lines of "Transition Summary": one per planned change, with its reason (SCHEDULER 6.3).</summary>
internal static class TransitionSummary
{
    private sealed record Change(string Word, string Id, string Nodes, string Reason);

    public static List<string> Lines(Cluster cluster)
    {
        var lines = new List<string>();
        foreach (PlannedAction action in Enumerable.Reverse(cluster.Actions))
        {
            if (action.IsFencing && !action.Optional && !action.Pseudo && action.Node is { } node)
            {
                lines.Add($"Fence ({action.Meta.GetValueOrDefault("stonith_action")}) {node.Name} '{action.Reason}'");
            }
        }

        var changes = new List<Change>();
        foreach (Resource resource in cluster.Resources)
        {
            foreach (Resource leaf in resource.Leafs())
            {
                AddChanges(changes, leaf);
            }
        }

        int idWidth = 5, nodeWidth = 0;
        foreach (Change change in changes)
        {
            if (change.Id.Length > idWidth)
            {
                idWidth = change.Id.Length + 2;
            }

            nodeWidth = Math.Max(nodeWidth, change.Nodes.Length);
        }

        lines.AddRange(changes.Select(
            c => $"{c.Word,-8}   {c.Id.PadRight(idWidth)}   ( {c.Nodes.PadLeft(nodeWidth)} )" + c.Reason));
        return lines;
    }

    private static void AddChanges(List<Change> changes, Resource leaf)
    {
        Node? current = leaf.CurrentNode;
        Node? next = leaf.Assigned;
        if (!leaf.Managed || (current is null && next is null))
        {
            return;
        }

        ResourceRole role = leaf.Role;
        if (current is not null && role <= ResourceRole.Stopped)
        {
            role = ResourceRole.Started;
        }

        ResourceRole target = leaf.NextRole;
        if (target == ResourceRole.Unknown)
        {
            target = next is null ? ResourceRole.Stopped : ResourceRole.Started;
        }

        PlannedAction? start = Find(leaf, "start", next);
        PlannedAction? stop = start is null || !start.Runnable
            ? Find(leaf, "stop", null) is { } any && start is null ? any : Find(leaf, "stop", current) ?? Find(leaf, "stop", null)
            : Find(leaf, "stop", current);
        if (start is not { Runnable: true })
        {
            stop = Find(leaf, "stop", null);
        }

        PlannedAction? promote = Find(leaf, "promote", next), demote = Find(leaf, "demote", next);
        PlannedAction? migrate = Find(leaf, "migrate_from", next);
        bool moving = current is not null && next is not null && current != next;
        void Add(string word, PlannedAction? asked, PlannedAction? reason, bool currentOnly = false, Node? at = null) =>
            changes.Add(new Change(
                word, leaf.Id, Nodes(leaf, role, target, at ?? current, currentOnly ? null : next, currentOnly),
                word == "Promote" && asked is null ? "  blocked" : Reason(asked, reason)));
        if (SameRole(role, target))
        {
            if (migrate is { Runnable: true } && current is not null && !migrate.Optional)
            {
                Add("Migrate", start, start);
            }
            else if (Find(leaf, "reload-agent", next) is { Optional: false })
            {
                Add("Reload", start, start);
            }
            else if (start is null || start.Optional)
            {
                if (demote is { Optional: false } && promote is { Optional: false })
                {
                    Add("Re-promote", promote, demote);
                }
                else if (start is { Runnable: false })
                {
                    // Nothing is asked of it; it only could not be done.
                    if (stop is { Optional: false })
                    {
                        Add("Stop", stop, stop.Reason is null ? start : stop, currentOnly: true);
                    }
                }
            }
            else if (!start.Runnable)
            {
                Add("Stop", stop, stop?.Reason is null ? start : stop, currentOnly: true);
            }
            else if (moving)
            {
                Add(leaf.Failed ? "Recover" : "Move", stop, stop?.Reason is null ? null : stop);
            }
            else if (leaf.Failed)
            {
                Add("Recover", stop, stop, currentOnly: true);
            }
            else
            {
                Add("Restart", start, start, currentOnly: true);
            }

            return;
        }

        if (stop is not null && (target == ResourceRole.Stopped || start is { Runnable: false }))
        {
            foreach (Node node in leaf.ActiveOn)
            {
                PlannedAction? here = Find(leaf, "stop", node);
                Add("Stop", here, here?.Reason is null ? start : here, currentOnly: true, at: node);
            }
        }
        else if (stop is not null && leaf is { Failed: true, FailedByDemote: false })
        {
            Add("Recover", stop, start);
        }
        else if (moving)
        {
            Add("Move", stop, stop?.Reason is null ? null : stop);
        }
        else if (Find(leaf, "reload-agent", next) is { Optional: false })
        {
            Add("Reload", start, start);
        }
        else if (stop is { Optional: false })
        {
            Add("Restart", start, start);
        }
        else if (role == ResourceRole.Promoted)
        {
            Add("Demote", demote, demote);
        }
        else if (target == ResourceRole.Promoted)
        {
            Add("Promote", promote, promote);
        }
        else if (role <= ResourceRole.Stopped && target > ResourceRole.Stopped)
        {
            Add("Start", start, start);
        }
    }

    private static bool SameRole(ResourceRole role, ResourceRole target) =>
        role == target || (role == ResourceRole.Started && target == ResourceRole.Unpromoted)
        || (role == ResourceRole.Unpromoted && target == ResourceRole.Started);

    private static PlannedAction? Find(Resource leaf, string task, Node? node) =>
        ActionFactory.Find(leaf, task, node, 0, exact: false);

    private static string Reason(PlannedAction? asked, PlannedAction? reason)
    {
        bool blocked = asked is { Runnable: false };
        string? text = reason?.Reason;
        return text is not null ? $"  due to {text}{(blocked ? " (blocked)" : "")}" : blocked ? "  blocked" : "";
    }

    private static string Nodes(
        Resource leaf, ResourceRole role, ResourceRole target, Node? current, Node? next, bool currentOnly)
    {
        if (leaf.IsPromotable && role == ResourceRole.Started)
        {
            role = ResourceRole.Unpromoted;
        }

        bool roles = role > ResourceRole.Started || target > ResourceRole.Unpromoted;
        if (!roles)
        {
            return currentOnly || next is null ? current?.Name ?? ""
                : current is null || current == next ? next.Name
                : $"{current.Name} -> {next.Name}";
        }

        if (currentOnly || next is null)
        {
            return $"{role} {current?.Name}";
        }

        if (current is null)
        {
            return $"Stopped -> {target} {next.Name}";
        }

        if (current != next)
        {
            return role == target
                ? $"{current.Name} -> {next.Name} {target}"
                : $"{role} {current.Name} -> {target} {next.Name}";
        }

        return role == target ? $"{role} {current.Name}" : $"{role} -> {target} {current.Name}";
    }
}
