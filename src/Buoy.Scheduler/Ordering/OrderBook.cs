namespace Buoy.Scheduler;

/// <summary>All orderings of a run: those between keys wait until the actions exist, those between actions bind at once.</summary>
internal sealed class OrderBook(Cluster cluster)
{
    public void Add(Resource first, string firstTask, Resource then, string thenTask, OrderKinds kinds) =>
        Add(OrderSide.Of(first, firstTask), OrderSide.Of(then, thenTask), kinds);

    public void Add(OrderSide first, OrderSide then, OrderKinds kinds)
    {
        cluster.Orders.Add(new PendingOrder(first, then, kinds));
        if (first.Resource is { } a && then.Resource is { AllowMigrate: true } b && !a.HasAncestor(b) && !b.HasAncestor(a))
        {
            Double(a, first.Task, b, then.Task);
        }
    }

    /// <summary>What holds for a stop or start of a resource that may migrate holds for its migration too (SCHEDULER 4.8).</summary>
    private void Double(Resource a, string? firstTask, Resource b, string? thenTask)
    {
        OrderKinds unlessMoved = OrderKinds.Sequence | (a.AllowMigrate ? OrderKinds.IfUnmigratable : OrderKinds.None);
        switch (firstTask, thenTask)
        {
            case ("start", "start"):
                if (a.AllowMigrate)
                {
                    Before(a, "migrate_from", b, "migrate_to", OrderKinds.Sequence);
                }

                Before(a, "start", b, "migrate_to", unlessMoved);
                break;
            case ("stop", "stop"):
                BeforeMigration(a, "stop", b, unlessMoved);
                break;
            case ("promote", "start"):
                Before(a, "promote", b, "migrate_to", OrderKinds.Sequence);
                break;
            case ("demote", "stop"):
                BeforeMigration(a, "demote", b, OrderKinds.Sequence);
                break;
        }
    }

    private void BeforeMigration(Resource a, string task, Resource b, OrderKinds kinds)
    {
        Before(a, task, b, "migrate_to", kinds);
        if (b.PartialTarget is not null)
        {
            Before(a, task, b, "migrate_from", kinds);
        }
    }

    private void Before(Resource a, string firstTask, Resource b, string thenTask, OrderKinds kinds) =>
        cluster.Orders.Add(new PendingOrder(OrderSide.Of(a, firstTask), OrderSide.Of(b, thenTask), kinds));

    /// <summary>Relates two actions; a second relation of a pair that shares a kind with an existing one is dropped.</summary>
    public void Relate(PlannedAction first, PlannedAction then, OrderKinds kinds)
    {
        if (first == then || kinds == OrderKinds.None)
        {
            return;
        }

        foreach (Relation known in then.Inputs)
        {
            if (known.First == first && (known.Kinds & kinds) != 0)
            {
                return;
            }
        }

        var relation = new Relation(first, then, kinds);
        then.Inputs.Add(relation);
        first.Outputs.Add(relation);
    }
}
