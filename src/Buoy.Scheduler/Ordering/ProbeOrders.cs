namespace Buoy.Scheduler;

/// <summary>Probes come before what stops as a consequence of what they may find (SCHEDULER 5.5).</summary>
internal sealed class ProbeOrders(Cluster cluster, OrderBook orders)
{
    public void AddAll()
    {
        foreach (PendingOrder order in cluster.Orders.ToArray())
        {
            BeforeConsequencesOfStop(order);
        }

        foreach (Resource leaf in cluster.AllLeafs().ToArray())
        {
            foreach (PlannedAction probe in leaf.Actions.Where(a => IsProbe(a) && !a.Optional).ToArray())
            {
                foreach (PlannedAction start in leaf.Actions.Where(a => a.Task == "start").ToArray())
                {
                    Follow(probe, start, []);
                }
            }
        }
    }

    private void BeforeConsequencesOfStop(PendingOrder order)
    {
        Resource? a = order.First.Resource;
        string? task = order.First.Action?.Task ?? order.First.Task;
        Resource? b = order.Then.Resource;
        if (a is null || task != "stop" || a == b)
        {
            return;
        }

        OrderKinds kinds = OrderKinds.Sequence
            | (order.Kinds & (OrderKinds.IfUnmigratable | OrderKinds.SameNode | OrderKinds.Anti | OrderKinds.Load));
        PlannedAction[] thens = order.Then.Action is { } single
            ? [single]
            : b is null ? [] : [.. b.Actions.Where(x => x.Task == order.Then.Task && x.IntervalMs == order.Then.IntervalMs)];
        foreach (PlannedAction probe in a.Actions.Where(IsProbe).ToArray())
        {
            foreach (PlannedAction then in thens)
            {
                if (then.Task == "do_shutdown" && then.Node != probe.Node)
                {
                    continue;
                }

                orders.Relate(probe, then, kinds);
            }
        }
    }

    private void Follow(PlannedAction probe, PlannedAction after, HashSet<PlannedAction> seen)
    {
        if (!seen.Add(after) || !probe.Runnable || !after.Runnable)
        {
            return;
        }

        if (after.Resource is { IsLeaf: true } leaf && leaf != probe.Resource && after.Task is "start" or "promote")
        {
            string down = after.Task == "start" ? "stop" : "demote";
            foreach (PlannedAction then in after.Resource!.Actions.Where(a => a.Task == down && !a.Pseudo).ToArray())
            {
                orders.Relate(probe, then, OrderKinds.Sequence);
            }
        }

        foreach (Relation relation in after.Outputs.ToArray())
        {
            bool inside = after.Resource is not null && relation.Then.Resource is not null
                && after.Resource.Top == relation.Then.Resource.Top
                && (after.Resource.HasAncestor(relation.Then.Resource) || relation.Then.Resource.HasAncestor(after.Resource))
                && after.Resource != relation.Then.Resource;
            if (relation.Has(OrderKinds.NeedThen) || inside
                || (after.Resource is { IsLeaf: false } && relation.Then.Resource == after.Resource
                    && relation.Then.Task is "running" or "promoted"))
            {
                Follow(probe, relation.Then, seen);
            }
        }
    }

    private static bool IsProbe(PlannedAction action) => action.Task == "monitor" && action.IntervalMs == 0;
}
