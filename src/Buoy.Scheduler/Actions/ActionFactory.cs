using System.Globalization;

namespace Buoy.Scheduler;

/// <summary>Makes actions and decides, on every request anew, whether they could be executed (SCHEDULER 4.1).</summary>
internal sealed class ActionFactory(Cluster cluster)
{
    private readonly Dictionary<string, PlannedAction> _singles = new(StringComparer.Ordinal);

    /// <summary>Set once: fencing needs actions and actions need fencing.</summary>
    public Fencing Fencing { get; set; } = null!;

    /// <summary>The resource's action with this key and node; a request with optional=false makes it required.</summary>
    public PlannedAction Plan(Resource resource, string task, Node? node, bool optional, long intervalMs = 0)
    {
        string key = Key(resource, task, intervalMs);
        PlannedAction? action = Find(resource, task, node, intervalMs, exact: false)
            ?? Find(resource, task, null, intervalMs);
        if (action is null)
        {
            action = Create(resource, task, key, intervalMs, node);
            action.Optional = optional;
        }
        else
        {
            action.Node ??= node;
            if (!optional)
            {
                action.Optional = false;
            }
        }

        if (!resource.Managed && node is not null && intervalMs == 0)
        {
            action.Optional = true;
        }

        if (!action.Pseudo)
        {
            DecideRunnable(action);
        }

        return action;
    }

    /// <summary>A collection's event that nobody executes.</summary>
    public PlannedAction PlanPseudo(Resource resource, string task, bool optional, bool runnable)
    {
        PlannedAction? known = Find(resource, task, null, 0, exact: false);
        PlannedAction action = known ?? Create(resource, task, Key(resource, task, 0), 0, null);
        if (known is null)
        {
            action.Optional = optional;
        }
        else if (!optional)
        {
            action.Optional = false;
        }

        action.Pseudo = true;
        action.Runnable = runnable;
        return action;
    }

    /// <summary>A notification: an event of a clone, or a leaf's operation on a node; the key tells them apart.</summary>
    public PlannedAction PlanNotify(Resource resource, string task, string key, Node? node) =>
        Create(resource, task, key, 0, node);

    /// <summary>An action that belongs to no resource and exists once (pseudo gates, fencing, shutdown).</summary>
    public PlannedAction Single(string task, string key, Node? node, bool optional)
    {
        string identity = key + "@" + node?.Name;
        if (!_singles.TryGetValue(identity, out PlannedAction? action))
        {
            action = Register(new PlannedAction(cluster.Actions.Count + 1, null, task, key, 0, node));
            action.Optional = optional;
            _singles[identity] = action;
            AddNodeMeta(action);
        }
        else if (!optional)
        {
            action.Optional = false;
        }

        return action;
    }

    public PlannedAction? FindSingle(string key, Node? node) => _singles.GetValueOrDefault(key + "@" + node?.Name);

    public PlannedAction Cancel(Resource resource, string task, long intervalMs, Node node, int? callId)
    {
        PlannedAction action = Plan(resource, task, node, optional: false, intervalMs);
        action.TurnIntoCancel();
        action.Optional = false;
        action.Meta["interval"] = intervalMs.ToString(CultureInfo.InvariantCulture);
        action.Meta["operation"] = task;
        if (callId is int id)
        {
            action.Meta["call-id"] = id.ToString(CultureInfo.InvariantCulture);
        }

        if (!node.Online)
        {
            action.Runnable = false;
        }

        return action;
    }

    public PlannedAction ClearFailCount(Resource leaf, Node node, string reason)
    {
        PlannedAction action = Plan(leaf, "clear_failcount", node, optional: false);
        action.Optional = false;
        action.ByCluster = true;
        action.Meta["op_no_wait"] = "true";
        action.GiveReason(reason);
        return action;
    }

    /// <summary>An existing action; exact = the node must be the action's, null counting as such.</summary>
    public static PlannedAction? Find(Resource resource, string task, Node? node, long intervalMs = 0, bool exact = true)
    {
        foreach (PlannedAction a in Enumerable.Reverse(resource.Actions))
        {
            if (a.PlannedTask != task || a.IntervalMs != intervalMs)
            {
                continue;
            }

            if (exact ? a.Node == node : node is null || a.Node == node)
            {
                return a;
            }
        }

        return null;
    }

    public static string Key(Resource resource, string task, long intervalMs) =>
        string.Create(CultureInfo.InvariantCulture, $"{resource.Id}_{task}_{intervalMs}");

    private PlannedAction Create(Resource resource, string task, string key, long intervalMs, Node? node)
    {
        PlannedAction action = Register(
            new PlannedAction(cluster.Actions.Count + 1, resource, task, key, intervalMs, node));
        resource.Actions.Add(action);
        FillMeta(action, task);
        return action;
    }

    private PlannedAction Register(PlannedAction action)
    {
        cluster.Actions.Add(action);
        return action;
    }

    private static void FillMeta(PlannedAction action, string task)
    {
        foreach ((string name, string value) in action.Resource!.Operations.Meta(task, action.IntervalMs))
        {
            action.Meta[name] = value;
        }

        AddNodeMeta(action);
    }

    private static void AddNodeMeta(PlannedAction action)
    {
        if (action.Node is { } node)
        {
            action.Meta["on_node"] = node.Name;
            action.Meta["on_node_uuid"] = node.Id;
        }
    }

    private void DecideRunnable(PlannedAction action)
    {
        Resource resource = action.Resource!;
        AddNodeMeta(action);
        if (action.Node is not { } node)
        {
            action.Runnable = false;
            return;
        }

        if (!node.Online && action.Task != "lrm_delete")
        {
            action.Runnable = false;
            if (resource.Managed && action.Task == "stop" && !node.Unclean)
            {
                Fencing.FenceNode(node, "stop is unrunnable");
            }

            return;
        }

        if (node.Pending && action.Task != "lrm_delete")
        {
            action.Runnable = false;
            return;
        }

        if (action.Task is not ("start" or "promote") || resource.Requires == Requirement.Nothing)
        {
            action.Reason = null;
            action.Runnable = true;
            return;
        }

        DecideByQuorum(action, resource);
    }

    private void DecideByQuorum(PlannedAction action, Resource resource)
    {
        if (cluster.HasQuorum)
        {
            action.Runnable = true;
            return;
        }

        switch (cluster.Options.Quorum)
        {
            case QuorumPolicy.Freeze when !resource.IsActive(true) || resource.NextRole > resource.Role:
                action.Runnable = false;
                action.GiveReason("quorum freeze");
                break;
            case QuorumPolicy.Demote when resource.IsPromotable && resource.Role > ResourceRole.Started
                && resource.NextRole <= ResourceRole.Unpromoted:
                action.Runnable = true;
                break;
            case QuorumPolicy.Stop or QuorumPolicy.Demote:
                action.Runnable = false;
                action.GiveReason("no quorum");
                break;
            default:
                action.Runnable = true;
                break;
        }
    }
}
