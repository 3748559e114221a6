namespace Buoy.Scheduler;

/// <summary>Fencing and shutdown of nodes, and what waits for them (SCHEDULER 4.9).</summary>
internal sealed class Fencing(Cluster cluster, ActionFactory actions)
{
    /// <summary>Marks a node unclean and plans its fencing; the first reason stays.</summary>
    public void FenceNode(Node node, string reason, bool priorityDelay = false)
    {
        if (node.Unclean)
        {
            return;
        }

        node.Unclean = true;
        node.FenceReason = reason;
        node.FenceWithPriorityDelay = priorityDelay;
        if (cluster.FencingOn)
        {
            Plan(node, optional: true, reason);
        }
    }

    public bool CanFence(Node node) => cluster.FencingOn && cluster.HasFenceDevice
        && (cluster.HasQuorum || cluster.Options.Quorum == QuorumPolicy.Ignore || node.Online);

    public PlannedAction Plan(Node node, bool optional, string? reason, string? action = null)
    {
        string how = action ?? cluster.Options.FencingAction;
        PlannedAction fence = actions.Single("stonith", $"stonith-{node.Name}-{how}", node, optional);
        fence.Meta["stonith_action"] = how;
        if (reason is not null)
        {
            fence.GiveReason(reason);
        }

        return fence;
    }

    /// <summary>Step 11: fencing and shutdown actions, with their orderings.</summary>
    public void PlanForNodes(OrderBook orders)
    {
        bool anyManaged = cluster.AllLeafs().Any(l => l.Managed);
        PlannedAction? dcDown = null;
        PlannedAction? previous = null;
        var fencings = new List<PlannedAction>();
        var shutdowns = new List<PlannedAction>();
        foreach (Node node in cluster.Nodes)
        {
            PlannedAction? fence = null;
            if (anyManaged && cluster.FencingOn && node.Unclean && CanFence(node))
            {
                fence = Plan(node, optional: false, "node is unclean");
                AddPriorityDelay(node, fence);
                OrderAfterFencing(node, fence, orders);
                if (node.IsDc)
                {
                    dcDown = fence;
                }
                else
                {
                    if (!cluster.Options.ConcurrentFencing && previous is not null)
                    {
                        orders.Relate(previous, fence, OrderKinds.Sequence);
                    }

                    previous = fence;
                    fencings.Add(fence);
                }
            }
            else if (node.Kind == NodeKind.Cluster && node.ShuttingDown && node.Online)
            {
                PlannedAction down = PlanShutdown(node, orders);
                if (node.IsDc)
                {
                    dcDown = down;
                }
                else
                {
                    shutdowns.Add(down);
                }
            }
        }

        if (dcDown is null)
        {
            return;
        }

        // A DC that is fenced waits for nobody's shutdown: what stops on the others may wait for the fencing.
        foreach (PlannedAction down in shutdowns.Where(_ => dcDown.Task == "do_shutdown"))
        {
            orders.Relate(down, dcDown, OrderKinds.Sequence);
        }

        if (cluster.Options.ConcurrentFencing)
        {
            foreach (PlannedAction fence in fencings)
            {
                orders.Relate(fence, dcDown, OrderKinds.Sequence);
            }
        }
        else if (previous is not null)
        {
            orders.Relate(previous, dcDown, OrderKinds.Sequence);
        }
    }

    private PlannedAction PlanShutdown(Node node, OrderBook orders)
    {
        PlannedAction down = actions.Single("do_shutdown", $"do_shutdown-{node.Name}", node, optional: false);
        down.Meta["op_no_wait"] = "true";
        foreach (PlannedAction stop in cluster.Actions.Where(a => a.Task == "stop" && a.Node == node).ToArray())
        {
            if (stop.Resource is not { } resource || resource.Maintenance || (!resource.Managed && !resource.Blocked))
            {
                continue;
            }

            stop.Optional = false;
            orders.Relate(stop, down, OrderKinds.Sequence | OrderKinds.Gate);
        }

        return down;
    }

    private void AddPriorityDelay(Node node, PlannedAction fence)
    {
        if (cluster.Options.PriorityFencingDelayMs <= 0 || !node.FenceWithPriorityDelay)
        {
            return;
        }

        Node[] members = [.. cluster.Nodes.Where(n => n.Kind == NodeKind.Cluster)];
        int online = members.Count(n => n.Online && !n.Unclean);
        Dictionary<Node, int> priorities = members.ToDictionary(n => n, PriorityOf);
        int top = priorities.Values.Max(), lowest = priorities.Values.Min();
        bool delayed = online * 2 <= members.Length && top != lowest && priorities[node] == top;
        long seconds = delayed ? cluster.Options.PriorityFencingDelayMs / 1000 : 0;
        fence.Meta["priority-fencing-delay"] = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    private static int PriorityOf(Node node) => node.Active.Aggregate(
        0, (sum, leaf) => Score.Add(sum, leaf.Priority + (leaf.Role == ResourceRole.Promoted && leaf.Priority > 0 ? 1 : 0)));

    private void OrderAfterFencing(Node node, PlannedAction fence, OrderBook orders)
    {
        foreach (Resource leaf in cluster.AllLeafs().ToArray())
        {
            if (!leaf.Managed)
            {
                continue;
            }

            OrderStarts(node, leaf, fence, orders);
            OrderStops(node, leaf, fence, orders);
        }
    }

    private static void OrderStarts(Node node, Resource leaf, PlannedAction fence, OrderBook orders)
    {
        foreach (PlannedAction action in leaf.Actions.ToArray())
        {
            if ((action.Pseudo && !action.Migratable) || action.Task is not ("start" or "promote" or "migrate_to"))
            {
                continue;
            }

            if (leaf.Requires >= Requirement.Fencing)
            {
                orders.Relate(fence, action, OrderKinds.Sequence);
            }
            else if (leaf.Requires == Requirement.Quorum && action.Task == "start"
                && leaf.Scores.Contains(node) && !IsKnown(leaf, node))
            {
                orders.Relate(fence, action, OrderKinds.Sequence | OrderKinds.Gate);
            }
        }
    }

    /// <summary>Of an anonymous clone one instance tells for all.</summary>
    private static bool IsKnown(Resource leaf, Node node) => leaf.KnownOn.Contains(node)
        || (leaf.IsInClone && !leaf.IsLeafOfUnique && leaf.Top.KnownOn.Contains(node));

    private static void OrderStops(Node node, Resource leaf, PlannedAction fence, OrderBook orders)
    {
        foreach (PlannedAction action in leaf.Actions.Where(a => a.Node == node).ToArray())
        {
            if (action.Task == "stop")
            {
                action.Pseudo = true;
                action.Runnable = true;
                action.Meta.Remove("on_node");
                action.Meta.Remove("on_node_uuid");
                if (leaf.Requires >= Requirement.Fencing)
                {
                    orders.Relate(fence, action, OrderKinds.GuestAllowed);
                    if (leaf.Parent is not null && Parents(leaf) is { } topStop)
                    {
                        orders.Relate(fence, topStop, OrderKinds.GuestAllowed);
                    }
                }
            }
            else if (action.Task == "demote" && (!node.Online || node.Unclean || leaf.Failed))
            {
                action.Pseudo = true;
                action.Runnable = true;
                action.Meta.Remove("on_node");
                action.Meta.Remove("on_node_uuid");
                orders.Relate(fence, action, OrderKinds.Sequence);
            }
        }
    }

    private static PlannedAction? Parents(Resource leaf) => ActionFactory.Find(leaf.Top, "stop", null);
}
