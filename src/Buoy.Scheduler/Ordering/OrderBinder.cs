namespace Buoy.Scheduler;

/// <summary>Binds orderings between keys to the actions that exist, in the order they were made (SCHEDULER 5.4).</summary>
internal sealed class OrderBinder(Cluster cluster, ActionFactory actions, OrderBook orders)
{
    public void BindAll()
    {
        for (int i = 0; i < cluster.Orders.Count; i++)
        {
            Bind(cluster.Orders[i]);
        }
    }

    private void Bind(PendingOrder order)
    {
        PlannedAction[] firsts = order.First.Action is { } single
            ? [single]
            : order.First.Resource is { } resource ? FindFirst(resource, order.First) : [];
        foreach (PlannedAction first in firsts)
        {
            BindThen(first, order);
        }
    }

    private PlannedAction[] FindFirst(Resource resource, OrderSide side)
    {
        PlannedAction[] found = Matching(resource, side.Task!, side.IntervalMs);
        if (found.Length > 0)
        {
            return found;
        }

        if (side.Task is "reload-agent" or "delete" or "migrate_to" or "migrate_from")
        {
            // What the configuration check, or the placement, has not planned never comes.
            return [];
        }

        ResourceRole role = resource.CurrentRole();
        if ((side.Task == "stop" && role <= ResourceRole.Stopped)
            || (side.Task == "demote" && role is ResourceRole.Unpromoted))
        {
            return [];
        }

        return [actions.Plan(resource, side.Task!, null, optional: true, side.IntervalMs)];
    }

    private void BindThen(PlannedAction first, PendingOrder order)
    {
        OrderKinds kinds = order.Kinds;
        PlannedAction[] thens = order.Then.Action is { } single
            ? [single]
            : order.Then.Resource is { } resource ? Matching(resource, order.Then.Task!, order.Then.IntervalMs) : [];
        if (first.MigrationAbort && first.Resource == order.Then.Resource)
        {
            kinds &= ~OrderKinds.NeedThen;
        }

        foreach (PlannedAction then in thens)
        {
            orders.Relate(first, then, kinds);
        }
    }

    private static PlannedAction[] Matching(Resource resource, string task, long intervalMs) =>
        [.. Enumerable.Reverse(resource.Actions).Where(a => a.Task == task && a.IntervalMs == intervalMs)];
}
