namespace Buoy.Scheduler;

/// <summary>Live migration of a leaf (SCHEDULER 4.8).</summary>
internal sealed class Migration(ActionFactory actions, OrderBook orders)
{
    public bool IsPossible(Resource leaf, Node current, Node target) =>
        leaf is { AllowMigrate: true, Managed: true, Failed: false, StartPending: false } && !current.Unclean && !target.Unclean;

    public void Create(Resource leaf, Node current, Node target)
    {
        PlannedAction start = actions.Plan(leaf, "start", target, optional: true);
        PlannedAction stop = actions.Plan(leaf, "stop", current, optional: true);
        PlannedAction? to = null;
        if (leaf.PartialTarget is null)
        {
            to = actions.Plan(leaf, "migrate_to", current, start.Optional);
        }

        PlannedAction from = actions.Plan(leaf, "migrate_from", target, start.Optional);
        foreach (PlannedAction? action in (PlannedAction?[])[to, from])
        {
            if (action is not null)
            {
                action.Migratable = true;
                action.Meta["migrate_source"] = current.Name;
                action.Meta["migrate_target"] = target.Name;
            }
        }

        start.Pseudo = true;
        start.Migratable = true;
        stop.Migratable = true;
        if (to is not null)
        {
            orders.Add(OrderSide.Of(leaf, "monitor"), OrderSide.Of(to), OrderKinds.Sequence);
            orders.Add(OrderSide.Of(to), OrderSide.Of(from), OrderKinds.Sequence | OrderKinds.Unmigratable);
        }
        else
        {
            orders.Add(OrderSide.Of(leaf, "monitor"), OrderSide.Of(from), OrderKinds.Sequence);
        }

        orders.Add(OrderSide.Of(from), OrderSide.Of(leaf, "stop"), OrderKinds.Sequence | OrderKinds.Unmigratable);
        orders.Add(
            OrderSide.Of(from), OrderSide.Of(leaf, "start"),
            OrderKinds.Sequence | OrderKinds.Unmigratable | OrderKinds.Else);
    }
}
