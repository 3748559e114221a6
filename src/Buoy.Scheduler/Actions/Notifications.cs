namespace Buoy.Scheduler;

/// <summary>The four events around one task of a notifying clone (SCHEDULER 4.7).</summary>
internal sealed record NotifyEvents(
    string Task, PlannedAction Pre, PlannedAction ConfirmedPre, PlannedAction Post, PlannedAction ConfirmedPost)
{
    public IEnumerable<PlannedAction> All => [Pre, ConfirmedPre, Post, ConfirmedPost];
}

/// <summary>Notifications of clones: the events when actions are made, the leafs' operations once all is decided.</summary>
internal sealed class Notifications(Cluster cluster, ActionFactory actions, OrderBook orders)
{
    private static readonly string[] Tasks = ["start", "stop", "promote", "demote"];

    /// <summary>Makes the events around a clone's action and its closing event.</summary>
    public void AddEvents(Resource clone, PlannedAction action, PlannedAction done)
    {
        PlannedAction Event(string when, string task, PlannedAction like, int priority)
        {
            PlannedAction made = actions.PlanNotify(
                clone, when.StartsWith("confirmed", StringComparison.Ordinal) ? "notified" : "notify",
                $"{clone.Id}_{when}_notify_{task}_0", null);
            made.Optional = like.Optional;
            made.Runnable = like.Runnable;
            made.Pseudo = true;
            made.Priority = priority;
            made.Meta["notify_type"] = when[^3..] == "pre" ? "pre" : "post";
            made.Meta["notify_operation"] = action.Task;
            made.Meta["notify_key_type"] = when;
            made.Meta["notify_key_operation"] = task;
            return made;
        }

        var events = new NotifyEvents(
            action.Task, Event("pre", action.Task, action, 0), Event("confirmed-pre", action.Task, action, 0),
            Event("post", done.Task, done, Score.Infinity), Event("confirmed-post", done.Task, done, Score.Infinity));
        events.Post.Confirms = events.ConfirmedPost.Confirms = done.Task;
        clone.Notifications.Add(events);
        orders.Relate(events.Pre, events.ConfirmedPre, OrderKinds.Sequence);
        orders.Relate(events.ConfirmedPre, action, OrderKinds.Sequence);
        orders.Relate(done, events.Post, OrderKinds.NeedThen);
        orders.Relate(events.Post, events.ConfirmedPost, OrderKinds.NeedThen);
        orders.Relate(events.ConfirmedPre, events.Post, OrderKinds.Sequence);
    }

    /// <summary>Orders the events of different tasks.</summary>
    public void OrderEvents(Resource clone)
    {
        void Order(string first, string then)
        {
            if (clone.Notified(first) is { } a && clone.Notified(then) is { } b)
            {
                orders.Relate(a.ConfirmedPost, b.Pre, OrderKinds.Sequence);
            }
        }

        Order("stop", "start");
        Order("stop", "promote");
        Order("start", "promote");
        Order("demote", "promote");
        Order("demote", "start");
        Order("demote", "stop");
    }

    /// <summary>Once all flags are final: which events are needed, and each leaf's operations between them.</summary>
    public void Complete(Resource clone)
    {
        var facts = new NotifyFacts(cluster, clone);
        foreach (NotifyEvents events in clone.Notifications)
        {
            if (facts.Happens(events.Task))
            {
                foreach (PlannedAction e in events.All)
                {
                    e.Optional = false;
                }
            }

            foreach (PlannedAction e in events.All)
            {
                facts.AddTo(e);
            }
        }

        foreach (string task in Tasks)
        {
            foreach (Resource leaf in clone.Leafs())
            {
                foreach (PlannedAction action in leaf.Actions.Where(a => a.Task == task && !a.Optional))
                {
                    facts.AddTo(action);
                }
            }
        }

        foreach (string task in (string[])["start", "promote", "stop", "demote"])
        {
            if (clone.Notified(task) is { } events)
            {
                foreach (Resource leaf in clone.Leafs().ToArray())
                {
                    AddOperations(leaf, events);
                }
            }
        }
    }

    private void AddOperations(Resource leaf, NotifyEvents events)
    {
        if (leaf.Actions.Count == 0)
        {
            return;
        }

        bool starting = Required(leaf, "start"), stopping = Required(leaf, "stop");
        if (!events.ConfirmedPost.Optional && !(events.Task is "stop" or "demote" && starting))
        {
            foreach (PlannedAction recurring in leaf.Actions.Where(a => a.IntervalMs > 0 && a.Task != "cancel").ToArray())
            {
                orders.Relate(events.ConfirmedPost, recurring, OrderKinds.Sequence);
            }
        }

        if (events.Task is "stop" or "demote")
        {
            foreach (Node node in leaf.ActiveOn)
            {
                if (node is { Online: true, Unclean: true } or { Online: false }
                    && leaf.Actions.Any(a => a is { Task: "stop", Pseudo: true } && a.Node == node))
                {
                    continue;
                }

                Operation(leaf, node, events.Task, events.Pre, events.ConfirmedPre);
                if (events.Task == "demote" || !stopping)
                {
                    Operation(leaf, node, events.Task, events.Post, events.ConfirmedPost);
                }
            }

            return;
        }

        if (leaf.Assigned is { } at)
        {
            if (!starting || events.Task == "promote")
            {
                Operation(leaf, at, events.Task, events.Pre, events.ConfirmedPre);
            }

            Operation(leaf, at, events.Task, events.Post, events.ConfirmedPost);
        }
    }

    private static bool Required(Resource leaf, string task) =>
        leaf.Actions.Any(a => a.Task == task && a is { Optional: false, Runnable: true });

    private void Operation(Resource leaf, Node node, string task, PlannedAction from, PlannedAction to)
    {
        if (from.Optional || !from.Runnable || !node.Online)
        {
            return;
        }

        string type = from.Meta["notify_type"];
        PlannedAction operation = actions.PlanNotify(leaf, "notify", $"{leaf.Id}_{type}_notify_{task}_0", node);
        operation.Optional = false;
        operation.Priority = from.Priority;
        foreach ((string name, string value) in from.Meta.Where(m => m.Key.StartsWith("notify_", StringComparison.Ordinal)))
        {
            operation.Meta[name] = value;
        }

        orders.Relate(from, operation, OrderKinds.Sequence);
        orders.Relate(operation, to, OrderKinds.Sequence);
    }
}

/// <summary>What agents are told with a notification: who is what, who will do what (the variables notify_*).</summary>
internal sealed class NotifyFacts
{
    private readonly SortedDictionary<string, string> _values = new(StringComparer.Ordinal);
    private readonly HashSet<string> _tasks = [];

    public NotifyFacts(Cluster cluster, Resource clone)
    {
        Resource[] leafs = [.. clone.Leafs()];
        foreach (string task in (string[])["start", "stop", "promote", "demote"])
        {
            var happening = new List<(string, string)>();
            foreach (Resource leaf in leafs)
            {
                foreach (PlannedAction action in leaf.Actions.Where(a => a.Task == task && !a.Optional && a.Node is not null))
                {
                    if (action.Runnable || (task == "stop" && action.Node!.Unclean))
                    {
                        happening.Add((leaf.Id, action.Node!.Name));
                        _tasks.Add(task);
                    }
                }
            }

            Pairs(task, happening);
        }

        List<(string, string)> In(Func<Resource, bool> filter) =>
            [.. leafs.Where(l => l.CurrentNode is not null && filter(l)).Select(l => (l.Id, l.CurrentNode!.Name))];
        Pairs("active", In(l => l.Role is ResourceRole.Started));
        if (clone.IsPromotable)
        {
            Pairs("active", In(l => l.Role > ResourceRole.Stopped));
            Pairs("promoted", In(l => l.Role == ResourceRole.Promoted));
            Pairs("master", In(l => l.Role == ResourceRole.Promoted));
            Pairs("unpromoted", In(l => l.Role is ResourceRole.Unpromoted or ResourceRole.Started));
            Pairs("slave", In(l => l.Role is ResourceRole.Unpromoted or ResourceRole.Started));
        }

        Set("inactive_resource", leafs.Where(l => l.Role <= ResourceRole.Stopped).Select(l => l.Id).Order(StringComparer.Ordinal));
        Set("available_uname", cluster.Nodes.Where(n => n.Available && clone.Scores.Contains(n)).Select(n => n.Name));
        Set("all_uname", cluster.Nodes.Select(n => n.Name));
    }

    /// <summary>Some leaf has this task to do and can.</summary>
    public bool Happens(string task) => _tasks.Contains(task);

    public void AddTo(PlannedAction action)
    {
        foreach ((string name, string value) in _values)
        {
            action.Meta[name] = value;
        }
    }

    private void Pairs(string name, List<(string Resource, string Node)> pairs)
    {
        pairs.Sort((a, b) => string.CompareOrdinal(a.Resource, b.Resource));
        Set(name + "_resource", pairs.Select(p => p.Resource));
        Set(name + "_uname", pairs.Select(p => p.Node));
    }

    private void Set(string name, IEnumerable<string> words)
    {
        string text = string.Join(' ', words);
        _values["notify_" + name] = text.Length == 0 ? " " : text;
    }
}
