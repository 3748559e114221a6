namespace Buoy.Scheduler;

/// <summary>Orderings that come with each kind of resource (SCHEDULER 5.3).</summary>
internal sealed class InternalOrders(Cluster cluster, ActionFactory actions, OrderBook orders)
{
    public void AddAll()
    {
        foreach (Resource resource in cluster.Resources.ToArray())
        {
            Add(resource);
        }
    }

    private void Add(Resource resource)
    {
        switch (resource.Kind)
        {
            case ResourceKind.Leaf:
                AddLeaf(resource);
                break;
            case ResourceKind.Group:
                AddGroup(resource);
                break;
            default:
                AddClone(resource);
                break;
        }
    }

    private void AddLeaf(Resource leaf)
    {
        if (!leaf.Managed)
        {
            return;
        }

        orders.Add(leaf, "stop", leaf, "start", OrderKinds.Sequence | OrderKinds.NeedThen | OrderKinds.Restart);
        if (leaf.IsPromotable || leaf.Role > ResourceRole.Unpromoted)
        {
            orders.Add(leaf, "demote", leaf, "stop", OrderKinds.NeedPromoted);
            orders.Add(leaf, "start", leaf, "promote", OrderKinds.Gate);
        }

        orders.Add(leaf, "delete", leaf, "monitor", OrderKinds.SameNode | OrderKinds.Cancels);
        if (leaf.Utilization.Count > 0 && cluster.Options.Placement != "default")
        {
            AddLoad(leaf);
        }
    }

    /// <summary>What a node carries leaves it before something new comes.</summary>
    private void AddLoad(Resource leaf)
    {
        PlannedAction Load(Node node)
        {
            PlannedAction load = actions.Single($"load_stopped_{node.Name}", $"load_stopped_{node.Name}", node, optional: false);
            load.Pseudo = true;
            return load;
        }

        foreach (Node node in leaf.ActiveOn)
        {
            orders.Add(OrderSide.Of(leaf, "stop"), OrderSide.Of(Load(node)), OrderKinds.Load);
        }

        foreach ((Node node, _) in leaf.Scores.Entries)
        {
            PlannedAction load = Load(node);
            orders.Add(OrderSide.Of(load), OrderSide.Of(leaf, "start"), OrderKinds.Load);
            orders.Add(OrderSide.Of(load), OrderSide.Of(leaf, "migrate_to"), OrderKinds.Load);
        }
    }

    private void AddGroup(Resource group)
    {
        foreach (Resource member in group.Children)
        {
            AddLeaf(member);
        }

        bool promotable = group.IsPromotable;
        orders.Add(group, "stop", group, "stopped", OrderKinds.Gate);
        orders.Add(group, "stopped", group, "start", OrderKinds.Sequence);
        orders.Add(group, "start", group, "running", OrderKinds.Gate);
        Resource? previous = null, lastActive = null;
        foreach (Resource member in group.Children)
        {
            bool first = previous is null;
            orders.Add(
                group, "stop", member, "stop", first ? OrderKinds.ShowFirst | OrderKinds.Sequence : OrderKinds.ShowFirst);
            orders.Add(member, "stop", group, "stopped", first ? OrderKinds.NeedThen : OrderKinds.ShowThen);
            if (promotable)
            {
                orders.Add(
                    group, "demote", member, "demote",
                    first ? OrderKinds.ShowFirst | OrderKinds.Sequence : OrderKinds.ShowFirst);
                orders.Add(member, "demote", group, "demoted", first ? OrderKinds.NeedThen : OrderKinds.ShowThen);
                orders.Add(group, "promote", member, "promote", OrderKinds.ShowFirst);
                orders.Add(
                    member, "promote", group, "promoted", OrderKinds.Gate | OrderKinds.NeedThen | OrderKinds.ShowThen);
            }

            orders.Add(group, "start", member, "start", OrderKinds.ShowFirst);
            orders.Add(
                member, "start", group, "running", OrderKinds.Gate | OrderKinds.NeedThen | OrderKinds.ShowThen);
            if (!group.Ordered)
            {
                orders.Add(
                    group, "start", member, "start", OrderKinds.NeedThen | OrderKinds.Gate | OrderKinds.ShowFirst);
                if (promotable)
                {
                    orders.Add(
                        group, "promote", member, "promote",
                        OrderKinds.NeedThen | OrderKinds.Gate | OrderKinds.ShowFirst);
                }
            }
            else if (previous is not null)
            {
                OrderMembers(previous, member, lastActive, promotable);
            }

            if (member.ActiveOn.Count > 0)
            {
                lastActive = member;
            }

            previous = member;
        }
    }

    private void OrderMembers(Resource previous, Resource member, Resource? lastActive, bool promotable)
    {
        orders.Add(previous, "start", member, "start", OrderKinds.NeedThen | OrderKinds.Gate);
        orders.Add(member, "stop", previous, "stop", OrderKinds.Sequence | OrderKinds.Restart);
        if (member.ActiveOn.Count > 0 && previous.ActiveOn.Count == 0)
        {
            orders.Add(member, "stop", previous, "start", OrderKinds.NeedFirst | OrderKinds.Gate);
            if (lastActive is not null)
            {
                orders.Add(member, "stop", lastActive, "stop", OrderKinds.Sequence);
            }
        }

        if (promotable)
        {
            orders.Add(previous, "promote", member, "promote", OrderKinds.NeedThen | OrderKinds.Gate);
            orders.Add(member, "demote", previous, "demote", OrderKinds.Sequence);
        }
    }

    private void AddClone(Resource clone)
    {
        orders.Add(clone, "stopped", clone, "start", OrderKinds.Sequence);
        orders.Add(clone, "start", clone, "running", OrderKinds.Gate);
        orders.Add(clone, "stop", clone, "stopped", OrderKinds.Gate);
        bool promotable = clone.Clone!.Promotable;
        if (promotable)
        {
            orders.Add(clone, "demoted", clone, "stop", OrderKinds.Sequence);
            orders.Add(clone, "running", clone, "promote", OrderKinds.Gate);
        }

        var before = new List<Resource>();
        foreach (Resource instance in clone.Children)
        {
            Add(instance);
            orders.Add(clone, "start", instance, "start", OrderKinds.Gate | OrderKinds.ShowFirst);
            orders.Add(instance, "start", clone, "running", OrderKinds.ShowThen);
            orders.Add(clone, "stop", instance, "stop", OrderKinds.ShowFirst);
            orders.Add(instance, "stop", clone, "stopped", OrderKinds.ShowThen);
            if (clone.Clone.Ordered)
            {
                foreach (Resource previous in before)
                {
                    orders.Add(previous, "start", instance, "start", OrderKinds.Sequence);
                    orders.Add(instance, "stop", previous, "stop", OrderKinds.Sequence);
                }
            }

            before.Add(instance);
        }

        if (promotable)
        {
            AddPromotable(clone);
        }
    }

    private void AddPromotable(Resource clone)
    {
        orders.Add(clone, "stopped", clone, "promote", OrderKinds.Sequence);
        orders.Add(clone, "demoted", clone, "start", OrderKinds.Sequence);
        orders.Add(clone, "demoted", clone, "promote", OrderKinds.Sequence);
        orders.Add(clone, "demote", clone, "demoted", OrderKinds.Sequence);
        Resource? previous = null;
        foreach (Resource instance in clone.Children)
        {
            orders.Add(instance, "demote", instance, "promote", OrderKinds.Sequence);
            orders.Add(clone, "promote", instance, "promote", OrderKinds.Sequence);
            orders.Add(instance, "promote", clone, "promoted", OrderKinds.Sequence);
            orders.Add(clone, "demote", instance, "demote", OrderKinds.ShowFirst);
            orders.Add(instance, "demote", clone, "demoted", OrderKinds.ShowThen);
            if (clone.Clone!.Ordered && previous is not null)
            {
                orders.Add(previous, "promote", instance, "promote", OrderKinds.Sequence);
                orders.Add(instance, "demote", previous, "demote", OrderKinds.Sequence);
            }

            previous = instance;
        }
    }
}
