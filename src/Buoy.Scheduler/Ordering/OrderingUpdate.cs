namespace Buoy.Scheduler;

/// <summary>What an action's state looks like to an ordering; a collection's is a summary of its parts.</summary>
internal readonly record struct ActionState(bool Optional, bool Runnable);

/// <summary>Applies all relations until no flag changes (SCHEDULER 5.4).</summary>
internal sealed class OrderingUpdate(Cluster cluster, OrderBook orders)
{
    public void Run()
    {
        foreach (PlannedAction action in Enumerable.Reverse(cluster.Actions).ToArray())
        {
            if (!action.Runnable)
            {
                BlockDependents(action);
            }
        }

        new ProbeOrders(cluster, orders).AddAll();
        foreach (PlannedAction action in Enumerable.Reverse(cluster.Actions).ToArray())
        {
            Update(action);
        }
    }

    private void Update(PlannedAction then)
    {
        bool wasRunnable = then.Runnable;
        bool thenChanged = false;
        if (then.RequiredBefore > 0)
        {
            then.RunnableBefore = 0;
            then.Runnable = false;
        }

        var changedFirsts = new List<PlannedAction>();
        for (int i = then.Inputs.Count - 1; i >= 0; i--)
        {
            if (i >= then.Inputs.Count)
            {
                continue;
            }

            Relation relation = then.Inputs[i];
            if (relation.Kinds == OrderKinds.None)
            {
                continue;
            }

            if (Disabled(relation))
            {
                relation.Kinds = OrderKinds.None;
                continue;
            }

            PlannedAction first = relation.First;
            PlannedAction done = DoneEvent(first, then);
            if (done != first)
            {
                Move(relation, done);
                first = done;
            }

            (bool f, bool t) = Apply(first, then, relation.Kinds, StateOf(first, then.Node));
            if (f)
            {
                changedFirsts.Add(first);
            }

            thenChanged |= t;
        }

        foreach (PlannedAction first in changedFirsts)
        {
            foreach (Relation output in first.Outputs.ToArray())
            {
                Update(output.Then);
            }

            Update(first);
        }

        if (then.RequiredBefore > 0)
        {
            thenChanged = then.Runnable != wasRunnable;
        }

        if (!thenChanged)
        {
            return;
        }

        if (wasRunnable && !then.Runnable)
        {
            BlockDependents(then);
        }

        Update(then);
        foreach (Relation output in then.Outputs.ToArray())
        {
            Update(output.Then);
        }
    }

    private static bool Disabled(Relation r)
    {
        if (!r.Has(OrderKinds.SameNode))
        {
            return false;
        }

        Node? thenNode = r.Then.Node;
        if (thenNode is null && r.Then.Resource is { Kind: ResourceKind.Group, Assigned: { } assigned } && r.Then.Task == "start")
        {
            thenNode = assigned;
        }

        return r.First.Node is { } a && thenNode is { } b && a != b;
    }

    /// <summary>For others, a collection's action is done when its closing event has come.</summary>
    private static PlannedAction DoneEvent(PlannedAction first, PlannedAction then)
    {
        if (first.Resource is not { IsLeaf: false } collection || then.Resource is null || then.Resource.HasAncestor(collection))
        {
            return first;
        }

        string? done = first.Task switch
        {
            "start" => "running",
            "stop" => "stopped",
            "promote" => "promoted",
            "demote" => "demoted",
            _ => null,
        };
        if (done is null)
        {
            return first;
        }

        return collection.Notified(first.Task)?.ConfirmedPost ?? ActionFactory.Find(collection, done, null) ?? first;
    }

    private static void Move(Relation relation, PlannedAction to)
    {
        relation.First.Outputs.Remove(relation);
        relation.First = to;
        to.Outputs.Add(relation);
    }

    private (bool First, bool Then) Apply(
        PlannedAction first, PlannedAction then, OrderKinds kinds, ActionState state)
    {
        if (then.Resource is { Kind: ResourceKind.Group } group)
        {
            (bool f, bool t) = ApplyToOne(first, then, kinds, state);
            foreach (Resource member in group.Children)
            {
                if (ActionFactory.Find(member, then.Task, then.Node, 0, exact: false) is { } action && action != first)
                {
                    (bool f2, bool t2) = ApplyToOne(first, action, kinds, state);
                    f |= f2;
                    t |= t2;
                }
            }

            return (f, t);
        }

        if (then.Resource is { Kind: ResourceKind.Clone } clone && first.Resource?.HasAncestor(clone) != true)
        {
            return ApplyToClone(first, then, clone, kinds, state);
        }

        return ApplyToOne(first, then, kinds, state);
    }

    private (bool First, bool Then) ApplyToClone(
        PlannedAction first, PlannedAction then, Resource clone, OrderKinds kinds, ActionState state)
    {
        if (Interleaves(first, then, clone))
        {
            return ApplyInterleaved(first, then, clone, kinds);
        }

        (bool f, bool t) = ApplyToOne(first, then, kinds, state);
        foreach (Resource instance in clone.Children)
        {
            if (ActionFactory.Find(instance, instance.IsLeaf ? PartTask(then.Task) : then.Task, then.Node, 0, exact: false)
                is { Runnable: true } action)
            {
                (bool f2, bool t2) = Apply(first, action, kinds, state);
                f |= f2;
                if (t2)
                {
                    AfterChange(action);
                }
            }
        }

        return (f, t);
    }

    private static bool Interleaves(PlannedAction first, PlannedAction then, Resource clone)
    {
        if (first.Resource is not { Kind: ResourceKind.Clone } other || other == clone)
        {
            return false;
        }

        Resource deciding = then.Task is "stop" or "stopped" or "demote" or "demoted" ? other : clone;
        return deciding.Clone!.Interleave;
    }

    private (bool First, bool Then) ApplyInterleaved(
        PlannedAction first, PlannedAction then, Resource clone, OrderKinds kinds)
    {
        Resource other = first.Resource!;
        string happened = first.Confirms ?? first.Task;
        bool current = happened is "stopped" or "demoted" or "stop" or "demote";
        bool f = false, t = false;
        foreach (Resource instance in clone.Children)
        {
            Node? node = current ? instance.CurrentNode : instance.Leafs().First().Assigned;
            Resource? partner = node is null ? null : other.Children.FirstOrDefault(
                i => (current ? i.CurrentNode : i.Leafs().First().Assigned) == node);
            if (partner is null)
            {
                if (!current && (kinds & (OrderKinds.NeedThen | OrderKinds.Gate)) != 0 && instance.Leafs().First().Assigned is not null)
                {
                    foreach (Resource leaf in instance.Leafs())
                    {
                        leaf.Assigned = null;
                        leaf.NextRole = ResourceRole.Stopped;
                        foreach (PlannedAction start in leaf.Actions.Where(a => a.Task == "start"))
                        {
                            start.Runnable = false;
                        }
                    }

                    t = true;
                }

                continue;
            }

            string firstTask = PartTask(happened), thenTask = PartTask(then.Task);
            PlannedAction? a = ActionFactory.Find(partner, firstTask, node, 0, exact: false)
                ?? ActionFactory.Find(partner, firstTask, null, 0, exact: false);
            PlannedAction? b = ActionFactory.Find(instance, thenTask, node, 0, exact: false)
                ?? ActionFactory.Find(instance, thenTask, null, 0, exact: false);
            if (a is null || b is null)
            {
                continue;
            }

            orders.Relate(a, b, kinds);
            (bool f2, bool t2) = Apply(a, b, kinds, StateOf(a, b.Node));
            if (f2)
            {
                AfterChange(a);
            }

            if (t2)
            {
                AfterChange(b);
            }

            f |= f2;
            t |= t2;
        }

        return (f, t);
    }

    private void AfterChange(PlannedAction action)
    {
        if (!action.Runnable)
        {
            BlockDependents(action);
        }

        Update(action);
        foreach (Relation output in action.Outputs.ToArray())
        {
            Update(output.Then);
        }
    }

    private (bool First, bool Then) ApplyToOne(
        PlannedAction first, PlannedAction then, OrderKinds kinds, ActionState state)
    {
        var f = new ActionFlags(first);
        var t = new ActionFlags(then);
        bool Has(OrderKinds kind) => (kinds & kind) != 0;
        ActionState thenState = StateOf(then, first.Node);
        if (Has(OrderKinds.NeedHere) && !StateOf(first, first.Node).Optional)
        {
            Require(then, first);
        }

        if (Has(OrderKinds.NeedThen) && !state.Optional && !first.Migratable)
        {
            Require(then, first);
        }

        if (Has(OrderKinds.Restart))
        {
            Restart(first, then);
        }

        if (Has(OrderKinds.NeedFirst) && !StateOf(then, first.Node).Optional)
        {
            Unmigrate(first, then);

            if (first.Resource is { IsLeaf: false } && !StateOf(first, then.Node).Optional)
            {
                Require(first, then);
            }
        }

        if (Has(OrderKinds.NeedPromoted) && !then.Optional && then.Resource?.Role == ResourceRole.Promoted)
        {
            Require(first, then);
            Unmigrate(first, then);
        }

        if (Has(OrderKinds.Minimum) && state.Runnable)
        {
            then.RunnableBefore++;
            if (then.RunnableBefore >= then.RequiredBefore)
            {
                then.Runnable = true;
            }
        }

        if (Has(OrderKinds.Gate) && !state.Runnable)
        {
            Unrun(then, first);
        }

        if (Has(OrderKinds.Unmigratable))
        {
            if ((!then.Migratable || !then.Runnable) && first.Runnable)
            {
                first.Runnable = false;
                Explain(first, then, "unmigrateable");
            }

            if (!then.Optional)
            {
                Require(first, then);
            }
        }

        if (Has(OrderKinds.Else) && !state.Runnable)
        {
            then.Migratable = false;
            then.Pseudo = false;
        }

        if (Has(OrderKinds.Asymmetric) && !state.Runnable)
        {
            ApplyAsymmetric(first, then);
        }

        if (Has(OrderKinds.Cancels) && !then.Optional && !first.Optional)
        {
            first.Optional = true;
        }

        if (Has(OrderKinds.ShowFirst) && !thenState.Optional)
        {
            first.Shown = true;
        }

        if (Has(OrderKinds.ShowThen) && !state.Optional && state.Runnable)
        {
            then.Shown = true;
        }

        if (Has(OrderKinds.NeedThen | OrderKinds.NeedFirst | OrderKinds.Restart)
            && first is { Task: "stop", Runnable: false, Resource: { Managed: false, Blocked: true } })
        {
            Unrun(then, first);
        }

        bool thenChanged = !t.Equals(new ActionFlags(then));
        if (thenChanged && then.Resource?.Parent is not null)
        {
            // A part's own stop and start must agree before the next part hears of it.
            Update(then);
        }

        return (!f.Equals(new ActionFlags(first)), thenChanged);
    }

    private readonly record struct ActionFlags(bool Optional, bool Runnable, bool Pseudo, bool Migratable, bool Shown)
    {
        public ActionFlags(PlannedAction a)
            : this(a.Optional, a.Runnable, a.Pseudo, a.Migratable, a.Shown)
        {
        }
    }

    private static void Restart(PlannedAction first, PlannedAction then)
    {
        bool wanted = !then.Optional;
        bool blocked = !then.Runnable && then.Resource is { Managed: true } && first.Resource == then.Resource;
        if (!wanted && !blocked)
        {
            return;
        }

        Require(first, then);
        Unmigrate(first, then);

        if (!first.Optional && !first.Runnable)
        {
            Unrun(then, first);
        }
    }

    private static void ApplyAsymmetric(PlannedAction first, PlannedAction then)
    {
        if (then.Resource is not { } resource)
        {
            return;
        }

        if (then.Optional && then.Task == "stop" && resource.CurrentRole() <= ResourceRole.Stopped)
        {
            return;
        }

        if (then.Optional && then.Task == "start" && resource.CurrentRole() >= ResourceRole.Started
            && resource.ActiveNodes().Count() == 1 && then.Node is { } node && resource.ActiveNodes().First() == node)
        {
            return;
        }

        Require(then, first);
        if (then.Runnable)
        {
            then.Runnable = false;
            Explain(then, first, "unrunnable");
        }
    }

    private static void Require(PlannedAction action, PlannedAction because)
    {
        if (action.Optional)
        {
            action.Optional = false;
            Explain(action, because, "required");
        }
    }

    /// <summary>What cannot migrate past <paramref name="then"/>, which does not migrate itself, is stopped and started.</summary>
    private static void Unmigrate(PlannedAction first, PlannedAction then)
    {
        if (first.Migratable && !then.Migratable)
        {
            first.Migratable = false;
            Explain(first, then, "unmigrateable");
        }
    }

    private static void Unrun(PlannedAction action, PlannedAction because)
    {
        if (action.Runnable)
        {
            action.Runnable = false;
            Explain(action, because, "unrunnable");
        }

        action.Migratable = false;
    }

    private static void Explain(PlannedAction action, PlannedAction because, string word)
    {
        if (action.Resource != because.Resource)
        {
            action.GiveReason($"{word} {because.Name}");
        }
    }

    /// <summary>An action's own flags, or a collection's summary, which it then keeps (SCHEDULER 4.6).</summary>
    private static ActionState StateOf(PlannedAction action, Node? node)
    {
        switch (action.Resource?.Kind)
        {
            case ResourceKind.Group:
                return StateOfGroup(action, action.Resource, null);
            case ResourceKind.Clone:
                ActionState anywhere = StateOfClone(action, action.Resource, null);
                return node is null
                    ? anywhere
                    : StateOfClone(action, action.Resource, node) with { Runnable = anywhere.Runnable };
            default:
                return new ActionState(action.Optional, action.Runnable);
        }
    }

    private static ActionState StateOfGroup(PlannedAction action, Resource group, Node? node)
    {
        bool optional = true, runnable = true;
        string task = PartTask(action.Task);
        foreach (Resource member in group.Children)
        {
            if (ActionFactory.Find(member, task, node, 0, exact: false) is { } part)
            {
                if (!part.Optional)
                {
                    optional = false;
                    action.Optional = false;
                }

                if (task != action.Task && !part.Runnable)
                {
                    runnable = false;
                    action.Runnable = false;
                }
            }
            else if (task is not ("stop" or "demote"))
            {
                runnable = false;
            }
        }

        return new ActionState(optional, runnable);
    }

    private static ActionState StateOfClone(PlannedAction action, Resource clone, Node? node)
    {
        if (action.Task is "notify" or "notified" && action.Confirms is null)
        {
            return new ActionState(action.Optional, action.Runnable);
        }

        bool optional = true, runnable = false;
        string happened = action.Confirms ?? action.Task;
        string task = PartTask(happened);
        foreach (Resource instance in clone.Children)
        {
            Node? here = instance.IsLeaf ? node : null;
            string partTask = instance.IsLeaf ? task : happened;
            if (ActionFactory.Find(instance, partTask, here, 0, exact: false) is not { } part)
            {
                continue;
            }

            ActionState state = instance.Kind == ResourceKind.Group
                ? StateOfGroup(part, instance, node)
                : StateOf(part, instance.IsLeaf ? null : node);
            if (!state.Optional)
            {
                optional = false;
                action.Optional = false;
            }

            runnable |= state.Runnable;
        }

        if (!runnable && node is null)
        {
            action.Runnable = false;
        }

        return new ActionState(optional, runnable);
    }

    private static string PartTask(string task) => task switch
    {
        "running" => "start",
        "stopped" => "stop",
        "promoted" => "promote",
        "demoted" => "demote",
        _ => task,
    };

    /// <summary>What must go with a resource that cannot start cannot start either (SCHEDULER 4.10).</summary>
    private void BlockDependents(PlannedAction action)
    {
        if (action.Task is not ("start" or "promote") || action.Resource is not { } resource)
        {
            return;
        }

        Resource top = resource.Top;
        if (top.Leafs().Any(l => l.Actions.Any(a => a.Task == action.Task && a.Runnable)))
        {
            return;
        }

        foreach (Colocation c in top.WithThis.ToArray())
        {
            if (c.Score >= Score.Infinity
                && (action.Task == "start" ? c.PrimaryRole != ResourceRole.Promoted : c.PrimaryRole == ResourceRole.Promoted))
            {
                BlockStart(c.Dependent, c, action);
            }
        }
    }

    private void BlockStart(Resource dependent, Colocation c, PlannedAction because)
    {
        string task = c.DependentRole == ResourceRole.Promoted ? "promote" : "start";
        PlannedAction[] blocked =
            [.. WithParts(dependent).SelectMany(r => r.Actions).Where(a => a.Task == task && a.Runnable)];
        foreach (PlannedAction action in blocked)
        {
            action.Runnable = false;
            action.GiveReason($"colocation with {because.Resource!.Id}");
        }

        foreach (PlannedAction action in blocked)
        {
            BlockDependents(action);
            AfterBlock(action);
        }
    }

    private static IEnumerable<Resource> WithParts(Resource resource) =>
        resource.Children.SelectMany(WithParts).Prepend(resource);

    private void AfterBlock(PlannedAction action)
    {
        Update(action);
        foreach (Relation output in action.Outputs.ToArray())
        {
            Update(output.Then);
        }
    }
}
