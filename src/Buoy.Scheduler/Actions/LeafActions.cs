namespace Buoy.Scheduler;

/// <summary>Turns a leaf's placement into start, stop, promote, demote (SCHEDULER 4.3).</summary>
internal sealed class LeafActions(Cluster cluster, ActionFactory actions, OrderBook orders)
{
    private readonly RecurringActions _recurring = new(cluster, actions, orders);
    private readonly Migration _migration = new(actions, orders);

    public void Create(Resource leaf)
    {
        if (leaf.NextRole == ResourceRole.Unknown)
        {
            leaf.NextRole = leaf.Assigned is null ? ResourceRole.Stopped : ResourceRole.Started;
        }

        foreach (Node source in leaf.DanglingSources)
        {
            PlannedAction abort = actions.Plan(leaf, "stop", source, optional: false);
            abort.MigrationAbort = true;
        }

        Node? current = leaf.CurrentNode;
        Node? target = leaf.Assigned;
        bool migrate = false, stopNeeded = false, promoteNeeded = false, multiple = false;
        if (current is not null && target is not null && current != target && leaf.NextRole >= ResourceRole.Started)
        {
            stopNeeded = true;
            migrate = _migration.IsPossible(leaf, current, target);
        }

        if (leaf.PartialTarget is not null)
        {
            bool goesOn = migrate && leaf.ActiveOn.Count == 2 && leaf.PartialSource == current && leaf.PartialTarget == target;
            if (!goesOn)
            {
                stopNeeded = true;
                migrate = false;
                leaf.PartialSource = leaf.PartialTarget = null;
            }
        }
        else if (CleanActive(leaf) > 1)
        {
            multiple = true;
            migrate = false;
            stopNeeded |= leaf.MultipleActive is MultipleActive.StopStart or MultipleActive.StopUnexpected;
        }

        if (leaf.StartPending && target is not null)
        {
            PlannedAction start = actions.Plan(leaf, "start", target, optional: true);
            start.Shown = true;
        }

        if (!(current is not null && target is not null && current != target && leaf.NextRole >= ResourceRole.Started))
        {
            if (leaf.Failed && DemoteOnly(leaf))
            {
                promoteNeeded = leaf.NextRole == ResourceRole.Promoted;
            }
            else if (leaf.Failed || leaf.Blocked)
            {
                stopNeeded = true;
            }
            else if (leaf.Role > ResourceRole.Started && current is not null && target is not null
                && !actions.Plan(leaf, "start", target, optional: true).Optional)
            {
                stopNeeded = true;
            }
        }

        var context = new Step(leaf, target, multiple);
        RestartLadder(context, stopNeeded, promoteNeeded);
        RoleLadder(context);
        _recurring.Create(leaf);
        if (migrate)
        {
            _migration.Create(leaf, current!, target!);
        }
    }

    private sealed record Step(Resource Leaf, Node? Target, bool Multiple);

    private static int CleanActive(Resource leaf) => leaf.Requires < Requirement.Fencing
        ? leaf.ActiveOn.Count(n => n.Online && !n.Unclean)
        : leaf.ActiveOn.Count;

    /// <summary>Failed by nothing but a demote.</summary>
    private static bool DemoteOnly(Resource leaf) =>
        leaf.Actions.Any(a => a is { Task: "demote", Optional: false })
        && !leaf.Actions.Any(a => a is { Task: "stop", Optional: false });

    private void RestartLadder(Step step, bool stopNeeded, bool promoteNeeded)
    {
        Resource leaf = step.Leaf;
        ResourceRole role = leaf.Role;
        while (role > ResourceRole.Stopped)
        {
            role = Down(step, role, optional: !stopNeeded);
        }

        while (leaf.Role <= leaf.NextRole && role < leaf.Role && !leaf.Blocked)
        {
            bool required = stopNeeded;
            if (role == ResourceRole.Unpromoted && promoteNeeded)
            {
                required = true;
            }

            ResourceRole next = role == ResourceRole.Stopped && leaf.Role == ResourceRole.Started
                ? ResourceRole.Started
                : role == ResourceRole.Stopped ? ResourceRole.Unpromoted : ResourceRole.Promoted;
            if (next == ResourceRole.Promoted)
            {
                Promote(step, optional: !required);
            }
            else
            {
                Start(step, optional: !required);
            }

            role = next;
        }
    }

    private void RoleLadder(Step step)
    {
        Resource leaf = step.Leaf;
        ResourceRole role = leaf.Role == ResourceRole.Unknown ? ResourceRole.Stopped : leaf.Role;
        ResourceRole wanted = leaf.NextRole;
        while (role != wanted)
        {
            if (role > wanted)
            {
                role = Down(step, role, optional: false);
            }
            else if (role == ResourceRole.Stopped)
            {
                Start(step, optional: false);
                role = wanted == ResourceRole.Started ? ResourceRole.Started : ResourceRole.Unpromoted;
            }
            else if (wanted == ResourceRole.Promoted)
            {
                Promote(step, optional: false);
                role = ResourceRole.Promoted;
            }
            else
            {
                return;
            }
        }
    }

    private ResourceRole Down(Step step, ResourceRole role, bool optional)
    {
        if (role == ResourceRole.Promoted)
        {
            foreach (Node node in step.Leaf.ActiveOn)
            {
                actions.Plan(step.Leaf, "demote", node, optional);
            }

            return ResourceRole.Unpromoted;
        }

        Stop(step, optional);
        return ResourceRole.Stopped;
    }

    private void Stop(Step step, bool optional)
    {
        Resource leaf = step.Leaf;
        foreach (Node node in leaf.ActiveOn)
        {
            if (step.Multiple && leaf.MultipleActive == MultipleActive.StopUnexpected && node == step.Target)
            {
                continue;
            }

            if (leaf.PartialTarget is { } partial && partial == node && partial == step.Target)
            {
                continue;
            }

            PlannedAction stop = actions.Plan(leaf, "stop", node, optional);
            if (step.Target is null)
            {
                stop.GiveReason("node availability", overwrite: true);
            }
            else if (step.Multiple && leaf.MultipleActive == MultipleActive.StopUnexpected)
            {
                stop.GiveReason("being multiply active", overwrite: true);
            }

            if (!leaf.Managed)
            {
                stop.Runnable = false;
            }
        }
    }

    private void Start(Step step, bool optional)
    {
        PlannedAction start = actions.Plan(step.Leaf, "start", step.Target, optional: true);
        if (start.Runnable && !optional)
        {
            start.Optional = step.Leaf is { Managed: false };
        }

        if (step.Multiple && step.Leaf.MultipleActive == MultipleActive.StopUnexpected && step.Leaf.ActiveOn.Contains(step.Target!))
        {
            start.Pseudo = true;
        }
    }

    private void Promote(Step step, bool optional)
    {
        Resource leaf = step.Leaf;
        if (leaf.Actions.Any(a => a is { Task: "start", Runnable: false } && a.Node == step.Target))
        {
            foreach (PlannedAction promote in leaf.Actions.Where(a => a.Task == "promote" && a.Node == step.Target))
            {
                promote.Runnable = false;
            }

            return;
        }

        actions.Plan(leaf, "promote", step.Target, optional);
    }
}
