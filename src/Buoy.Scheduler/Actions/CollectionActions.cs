namespace Buoy.Scheduler;

/// <summary>Actions of groups and clones: their parts', then their own events (SCHEDULER 4.6).</summary>
internal sealed class CollectionActions(Cluster cluster, ActionFactory actions, OrderBook orders)
{
    private readonly Notifications _notifications = new(cluster, actions, orders);
    private readonly LeafActions _leafs = new(cluster, actions, orders);

    public void CreateAll()
    {
        foreach (Resource resource in cluster.Resources.ToArray())
        {
            Create(resource);
        }
    }

    private void Create(Resource resource)
    {
        if (resource.IsLeaf)
        {
            _leafs.Create(resource);
            return;
        }

        foreach (Resource child in resource.Children)
        {
            Create(child);
        }

        if (resource.Kind == ResourceKind.Group)
        {
            CreateGroup(resource);
        }
        else
        {
            CreateClone(resource);
        }
    }

    private void CreateGroup(Resource group)
    {
        string[] tasks = group.IsPromotable
            ? ["start", "running", "stop", "stopped", "demote", "demoted", "promote", "promoted"]
            : ["start", "running", "stop", "stopped"];
        foreach (string task in tasks)
        {
            actions.PlanPseudo(group, task, optional: true, runnable: true);
        }
    }

    private void CreateClone(Resource clone)
    {
        bool starting = false, stopping = false, active = false, promoting = false, demoting = false, restarting = false;
        foreach (Resource leaf in clone.Leafs())
        {
            bool leafStops = leaf.Actions.Any(a => a is { Task: "stop", Optional: false });
            bool leafStarts = leaf.Actions.Any(a => a is { Task: "start", Optional: false, Runnable: true });
            starting |= leafStarts;
            stopping |= leafStops;
            restarting |= leafStops && leafStarts;
            active |= leaf.ActiveOn.Count > 0;
            promoting |= leaf.Actions.Any(a => a is { Task: "promote", Optional: false, Runnable: true });
            demoting |= leaf.Actions.Any(a => a is { Task: "demote", Optional: false, Runnable: true });
        }

        AddTask(clone, "start", "running", starting, active || starting);
        PlannedAction stop = AddTask(clone, "stop", "stopped", stopping, true);
        stop.Migratable = !restarting;
        if (clone.Clone!.Promotable)
        {
            AddTask(clone, "promote", "promoted", promoting, true);
            AddTask(clone, "demote", "demoted", demoting, true);
        }

        _notifications.OrderEvents(clone);
    }

    private PlannedAction AddTask(Resource clone, string task, string doneTask, bool required, bool doneRunnable)
    {
        PlannedAction action = Pseudo(clone, task, !required, true, 0);
        PlannedAction done = Pseudo(clone, doneTask, !required, doneRunnable, Score.Infinity);
        if (clone.Clone!.Notify)
        {
            _notifications.AddEvents(clone, action, done);
        }

        return action;
    }

    private PlannedAction Pseudo(Resource clone, string task, bool optional, bool runnable, int priority)
    {
        PlannedAction action = actions.PlanPseudo(clone, task, optional, runnable);
        action.Priority = Math.Max(action.Priority, priority);
        return action;
    }
}
