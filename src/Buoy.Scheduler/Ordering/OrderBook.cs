namespace Buoy.Scheduler;

/// <summary>All orderings of a run: those between keys wait until the actions exist, those between actions bind at once.</summary>
internal sealed class OrderBook(Cluster cluster)
{
    public void Add(Resource first, string firstTask, Resource then, string thenTask, OrderKinds kinds) =>
        Add(OrderSide.Of(first, firstTask), OrderSide.Of(then, thenTask), kinds);

    public void Add(OrderSide first, OrderSide then, OrderKinds kinds) =>
        cluster.Orders.Add(new PendingOrder(first, then, kinds));

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
