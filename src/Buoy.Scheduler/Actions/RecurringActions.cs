using System.Globalization;

namespace Buoy.Scheduler;

/// <summary>Recurring operations: what runs, what starts, what is cancelled (SCHEDULER 4.4).</summary>
internal sealed class RecurringActions(Cluster cluster, ActionFactory actions, OrderBook orders)
{
    public void Create(Resource leaf)
    {
        if (leaf.Blocked || leaf.Maintenance || leaf.Assigned is { Maintenance: true })
        {
            return;
        }

        bool active = leaf.Assigned is not null && (leaf.NextRole != ResourceRole.Stopped || !leaf.Managed);
        if (active)
        {
            // Recurring operations hang on the start, which nothing else plans where a moving resource steps down a role.
            actions.Plan(leaf, "start", leaf.Assigned, optional: true);
        }

        foreach (Operation op in leaf.Operations.All)
        {
            if (!IsRecurring(leaf, op))
            {
                continue;
            }

            if (active && op.Role != ResourceRole.Stopped)
            {
                CreateActive(leaf, op);
            }
            else if (op.Role == ResourceRole.Stopped)
            {
                CreateStopped(leaf, op);
            }
        }
    }

    private static bool IsRecurring(Resource leaf, Operation op) =>
        op.IntervalMs > 0 && op.Id.Length > 0 && op.Enabled
        && op.Name is not ("start" or "stop" or "promote" or "demote" or "migrate" or "migrate_to" or "migrate_from" or "reload" or "reload-agent")
        && leaf.Operations.All.Count(o => o.Name == op.Name && o.IntervalMs == op.IntervalMs) == 1;

    private void CreateActive(Resource leaf, Operation op)
    {
        Node node = leaf.Assigned!;
        bool matches = op.Role is null
            ? leaf.NextRole != ResourceRole.Promoted
            : op.Role == leaf.NextRole || (op.Role == ResourceRole.Started && leaf.NextRole == ResourceRole.Unpromoted)
                || (op.Role == ResourceRole.Unpromoted && leaf.NextRole == ResourceRole.Started);
        PlannedAction? start = ActionFactory.Find(leaf, "start", node);
        bool startOptional = start?.Optional ?? true;
        PlannedAction? running = ActionFactory.Find(leaf, op.Name, node, op.IntervalMs);
        if (!matches)
        {
            if (running is not null && startOptional)
            {
                CancelForRole(leaf, op, node);
            }

            return;
        }

        bool optional = startOptional && running is { Reschedule: false };
        PlannedAction action = actions.Plan(leaf, op.Name, node, optional, op.IntervalMs);
        if (!optional)
        {
            action.Optional = false;
        }

        if (start is { Runnable: false })
        {
            action.Runnable = false;
        }
        else if (!node.Online || node.Unclean)
        {
            action.Runnable = false;
        }

        if (leaf.NextRole == ResourceRole.Promoted)
        {
            SetExpected(action, 8);
        }

        if (leaf.Managed)
        {
            OrderAfter(leaf, action);
        }
    }

    private void OrderAfter(Resource leaf, PlannedAction action)
    {
        orders.Add(OrderSide.Of(leaf, "start"), OrderSide.Of(action), OrderKinds.NeedThen | OrderKinds.Gate);
        orders.Add(OrderSide.Of(leaf, "reload-agent"), OrderSide.Of(action), OrderKinds.NeedThen | OrderKinds.Gate);
        if (leaf.NextRole == ResourceRole.Promoted)
        {
            orders.Add(OrderSide.Of(leaf, "promote"), OrderSide.Of(action), OrderKinds.Sequence | OrderKinds.Gate);
        }
        else if (leaf.Role == ResourceRole.Promoted)
        {
            orders.Add(OrderSide.Of(leaf, "demote"), OrderSide.Of(action), OrderKinds.Sequence | OrderKinds.Gate);
        }
    }

    private void CancelForRole(Resource leaf, Operation op, Node node)
    {
        PlannedAction cancel = actions.Cancel(leaf, op.Name, op.IntervalMs, node, null);
        string? change = leaf.NextRole switch
        {
            ResourceRole.Promoted => "promote",
            ResourceRole.Stopped => "stop",
            _ when leaf.Role == ResourceRole.Promoted => "demote",
            _ => null,
        };
        if (change is not null)
        {
            orders.Add(OrderSide.Of(cancel), OrderSide.Of(leaf, change), OrderKinds.Gate);
        }
    }

    /// <summary>A monitor for role Stopped runs on every node but the resource's own.</summary>
    private void CreateStopped(Resource leaf, Operation op)
    {
        if (leaf.IsInClone && !leaf.IsLeafOfUnique)
        {
            return;
        }

        if (leaf.Assigned is { } own && ActionFactory.Find(leaf, op.Name, own, op.IntervalMs) is not null
            && leaf.NextRole != ResourceRole.Stopped)
        {
            PlannedAction cancel = actions.Cancel(leaf, op.Name, op.IntervalMs, own, null);
            if (leaf.NextRole is ResourceRole.Started or ResourceRole.Unpromoted)
            {
                orders.Add(OrderSide.Of(cancel), OrderSide.Of(leaf, "start"), OrderKinds.Gate);
            }
        }

        foreach (Node node in cluster.Nodes)
        {
            if (node == leaf.Assigned && leaf.NextRole > ResourceRole.Stopped)
            {
                continue;
            }

            PlannedAction? running = ActionFactory.Find(leaf, op.Name, node, op.IntervalMs);
            bool optional = running is { Reschedule: false };
            PlannedAction action = actions.Plan(leaf, op.Name, node, optional, op.IntervalMs);
            SetExpected(action, 7);
            if (leaf.Managed)
            {
                foreach (PlannedAction probe in leaf.Actions.Where(a => a.Task == "monitor" && a.IntervalMs == 0 && a.Node == node).ToArray())
                {
                    orders.Relate(probe, action, OrderKinds.Gate);
                }

                foreach (PlannedAction stop in leaf.Actions.Where(a => a.Task == "stop" && a.Node == node).ToArray())
                {
                    if (!stop.Optional)
                    {
                        action.Optional = false;
                    }

                    if (!stop.Runnable)
                    {
                        action.Runnable = false;
                    }

                    orders.Relate(stop, action, OrderKinds.NeedThen | OrderKinds.Gate);
                }
            }

            if (!optional)
            {
                action.Optional = false;
            }

            if (!node.Online || node.Unclean)
            {
                action.Runnable = false;
            }
        }
    }

    private static void SetExpected(PlannedAction action, int rc)
    {
        action.ExpectedRc = rc;
        action.Meta["op_target_rc"] = rc.ToString(CultureInfo.InvariantCulture);
    }
}
