using System.Globalization;

namespace Buoy.Scheduler;

/// <summary>Chooses what enters the graph and which inputs it waits for (SCHEDULER 5.6, 6.4, 6.5).</summary>
internal sealed class GraphBuilder(Cluster cluster, Notifications notifications)
{
    private readonly List<Synapse> _synapses = [];

    public List<Synapse> Build()
    {
        foreach (Resource resource in cluster.Resources)
        {
            AddResource(resource);
        }

        foreach (PlannedAction action in Enumerable.Reverse(cluster.Actions))
        {
            AddAction(action);
        }

        return _synapses;
    }

    private void AddResource(Resource resource)
    {
        switch (resource.Kind)
        {
            case ResourceKind.Clone:
                notifications.Complete(resource);
                foreach (Resource instance in resource.Children)
                {
                    AddResource(instance);
                }

                AddActions(resource);
                break;
            default:
                AddActions(resource);
                foreach (Resource member in resource.Children)
                {
                    AddResource(member);
                }

                break;
        }
    }

    private void AddActions(Resource resource)
    {
        foreach (PlannedAction action in Enumerable.Reverse(resource.Actions).ToArray())
        {
            AddAction(action);
        }
    }

    private void AddAction(PlannedAction action)
    {
        if (action.InGraph || !Enters(action))
        {
            return;
        }

        action.InGraph = true;
        MergeInputs(action);
        action.SynapseId = _synapses.Count;
        _synapses.Add(new Synapse(
            action.SynapseId, Math.Max(Math.Max(0, action.Priority), action.Resource?.Priority ?? 0), GraphActions.Describe(cluster, action),
            [.. action.Inputs.Where(IsInput).Select(r => r.First.Id).Distinct()]));
    }

    private bool Enters(PlannedAction action)
    {
        if (!action.Runnable || (action.Optional && !action.Shown))
        {
            return false;
        }

        if (action.Resource is { Managed: false } && action.IntervalMs == 0 && action.Task != "monitor")
        {
            return false;
        }

        if (action.Pseudo || action.IsFencing || action.Task is "do_shutdown" or "lrm_delete")
        {
            return true;
        }

        return action.Node is { Online: true, Unclean: false };
    }

    private static void MergeInputs(PlannedAction action)
    {
        var merged = new Dictionary<PlannedAction, Relation>();
        foreach (Relation relation in action.Inputs)
        {
            if (relation.Has(OrderKinds.Anti | OrderKinds.Load) && !HoldsOnNode(relation))
            {
                relation.Kinds = OrderKinds.None;
            }

            if (relation.Kinds == OrderKinds.None)
            {
                continue;
            }

            if (merged.TryGetValue(relation.First, out Relation? known))
            {
                known.Kinds |= relation.Kinds;
                relation.Kinds = OrderKinds.None;
            }
            else
            {
                merged[relation.First] = relation;
            }
        }
    }

    /// <summary>ANTI and LOAD: only on one node (of a migration: where it goes), only if F is required.</summary>
    private static bool HoldsOnNode(Relation relation)
    {
        PlannedAction first = relation.First, then = relation.Then;
        Node? node = then.Task == "migrate_to" ? then.Resource?.Assigned : then.Node;
        if (relation.Has(OrderKinds.Anti) && !relation.Has(OrderKinds.Load) && (first.Node is null || node is null))
        {
            // The event of a collection stands for all its nodes.
            return !first.Optional;
        }

        return !first.Optional && first.Node is not null && first.Node == node;
    }

    private bool IsInput(Relation relation)
    {
        PlannedAction first = relation.First, then = relation.Then;
        OrderKinds kinds = relation.Kinds;
        const OrderKinds Weak = OrderKinds.Sequence | OrderKinds.ShowFirst | OrderKinds.ShowThen;
        if (kinds == OrderKinds.None)
        {
            return false;
        }

        if (!first.Runnable
            && ((kinds & ~Weak) == 0 || relation.Has(OrderKinds.Minimum) || relation.Has(OrderKinds.Unmigratable)))
        {
            return false;
        }

        if (relation.Has(OrderKinds.IfUnmigratable) && first.Migratable && first.Runnable)
        {
            return false;
        }

        if (kinds == OrderKinds.Sequence && first.Migratable && first.Task == "stop")
        {
            return false;
        }

        if (first is { Task: "stop", Resource: { Managed: false, Blocked: true } } && then.Resource is { IsInClone: true })
        {
            return false;
        }

        if ((first.Optional && !first.Shown && !first.InGraph) || !Enters(first))
        {
            return false;
        }

        if (relation.Has(OrderKinds.Load) && then.Task == "migrate_to" && WaitsFor(first, then, []))
        {
            // Migrations in a circle: one of them goes first, whether there is room yet or not.
            relation.Kinds = OrderKinds.None;
            return false;
        }

        return true;
    }

    private bool WaitsFor(PlannedAction action, PlannedAction other, HashSet<PlannedAction> seen)
    {
        foreach (Relation input in action.Inputs)
        {
            if (input.Has(OrderKinds.Anti | OrderKinds.Load) && !HoldsOnNode(input))
            {
                continue;
            }

            PlannedAction before = input.First;
            bool isInput = input.Kinds != OrderKinds.None
                && (input.Has(OrderKinds.Load) && action.Task == "migrate_to" ? Enters(before) : IsInput(input));
            if (isInput && (before == other || (seen.Add(before) && WaitsFor(before, other, seen))))
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>Describes a planned action for the graph.</summary>
internal static class GraphActions
{
    public static GraphAction Describe(Cluster cluster, PlannedAction action)
    {
        Resource? resource = action.Resource;
        bool byCluster = action.IsFencing || action.ByCluster || action.Task is "do_shutdown" or "lrm_delete" or "clear_failcount";
        ActionKind kind = action.Pseudo ? ActionKind.Pseudo : byCluster ? ActionKind.Cluster : ActionKind.Resource;
        string key = action.Key;
        string? internalKey = null;
        if (resource?.HistoryId is { } history)
        {
            internalKey = key;
            key = history + key[resource.Id.Length..];
        }

        bool named = kind != ActionKind.Pseudo || action.IsFencing;
        return new GraphAction
        {
            Id = action.Id,
            Kind = kind,
            Task = action.Task,
            Key = key,
            InternalKey = internalKey,
            IntervalMs = action.IntervalMs,
            Node = named ? action.Node?.Name : null,
            NodeId = named ? action.Node?.Id : null,
            Resource = resource is null || kind == ActionKind.Pseudo ? null : Identity(resource),
            DisplayName = resource is null ? null : byCluster ? Identity(resource).Id : DisplayName(cluster, resource),
            TargetRc = action.ExpectedRc ?? 0,
            TimeoutMs = (int)Math.Min(int.MaxValue, Values.Number(action.Meta.GetValueOrDefault("timeout")) ?? OperationTable.DefaultTimeoutMs),
            Attributes = Attributes(action, kind),
            Downed = (action.IsFencing && action.Meta.GetValueOrDefault("stonith_action") != "on")
                || action.Task == "do_shutdown"
                ? [action.Node!.Id]
                : [],
            Reason = action.Reason,
        };
    }

    /// <summary>How the execution list calls the resource: its XML id where history or resources use that.</summary>
    private static string DisplayName(Cluster cluster, Resource resource)
    {
        if (resource.XmlId == resource.Id)
        {
            return resource.Id;
        }

        bool known = cluster.Find(resource.XmlId) is not null
            || cluster.AllLeafs().Any(l => l.HistoryId == resource.XmlId);
        bool anonymous = resource.IsInClone && !resource.IsLeafOfUnique;
        return known ? resource.XmlId : anonymous ? resource.HistoryId ?? resource.Id : resource.Id;
    }

    private static GraphResource Identity(Resource resource)
    {
        bool anonymous = resource.IsInClone && !resource.IsLeafOfUnique;
        string id = anonymous ? resource.XmlId : resource.Id;
        string longId = anonymous ? resource.HistoryId ?? resource.Id : id;
        return new GraphResource(
            id, longId != id ? longId : null, resource.Class, resource.Provider, resource.Type);
    }

    private static SortedDictionary<string, string> Attributes(PlannedAction action, ActionKind kind)
    {
        var attributes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        Resource? resource = action.Resource;
        if (resource is { IsLeaf: true } && kind == ActionKind.Resource && action.Node is not null
            && action.Task is not "cancel")
        {
            foreach ((string name, string value) in resource.Parameters.On(action.Node))
            {
                attributes[name] = value;
            }

            foreach ((string name, string value) in resource.Operations.Parameters(action.Task, action.IntervalMs))
            {
                attributes.TryAdd(name, value);
            }
        }

        foreach ((string name, string value) in action.Meta)
        {
            attributes["CRM_meta_" + name.Replace('-', '_')] = value;
        }

        if (resource is { IsInClone: true, IsLeaf: true } && kind == ActionKind.Resource)
        {
            CloneOptions clone = resource.Top.Clone!;
            int colon = resource.Id.LastIndexOf(':');
            void Meta(string name, string value) => attributes["CRM_meta_" + name] = value;
            string Text(int n) => n.ToString(CultureInfo.InvariantCulture);
            string Bool(bool b) => b ? "true" : "false";
            Meta("clone", resource.Id[(colon + 1)..]);
            Meta("clone_max", Text(clone.Max));
            Meta("clone_node_max", Text(clone.NodeMax));
            Meta("globally_unique", Bool(resource.Top.Unique));
            Meta("notify", Bool(clone.Notify));
            if (clone.Promotable)
            {
                Meta("promoted_max", Text(clone.PromotedMax));
                Meta("promoted_node_max", Text(clone.PromotedNodeMax));
                Meta("master_max", Text(clone.PromotedMax));
                Meta("master_node_max", Text(clone.PromotedNodeMax));
            }
        }

        return attributes;
    }
}
