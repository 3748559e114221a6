using System.Globalization;

namespace Buoy.Scheduler;

/// <summary>Compares recorded definitions with the configuration (SCHEDULER 4.5).</summary>
internal sealed class Digests(Cluster cluster, ActionFactory actions, OrderBook orders)
{
    public void Check()
    {
        foreach (History history in cluster.Histories.ToArray())
        {
            Node node = history.Node;
            Resource leaf = history.Resource;
            if (!node.Available && !node.Maintenance)
            {
                continue;
            }

            if (leaf.Removed)
            {
                if (!leaf.IsInClone || leaf.IsLeafOfUnique)
                {
                    if (leaf.Managed)
                    {
                        CleanUp(leaf, node, optional: false);
                    }
                }

                continue;
            }

            bool active = leaf.ActiveOn.Contains(node);
            if (AgentChanged(history))
            {
                if (active)
                {
                    actions.Plan(leaf, "stop", node, optional: false);
                    leaf.StartPending = true;
                }

                CleanUp(leaf, node, optional: false);
                continue;
            }

            if (active)
            {
                CheckOperations(history);
            }
        }
    }

    private readonly FailCounts _failCounts = new(cluster);

    private static bool AgentChanged(History history)
    {
        Resource leaf = history.Resource;
        return history.Class != leaf.Class || history.Type != leaf.Type
            || (leaf.Class == "ocf" && history.Provider != (leaf.Provider ?? ""));
    }

    private void CleanUp(Resource leaf, Node node, bool optional)
    {
        if (leaf.Failed || !node.Online || node.Unclean)
        {
            return;
        }

        PlannedAction delete = actions.Plan(leaf, "delete", node, optional);
        if (!optional)
        {
            delete.Optional = false;
        }

        orders.Add(leaf, "stop", leaf, "delete", OrderKinds.Sequence);
        orders.Add(leaf, "delete", leaf, "start", OrderKinds.Sequence);
    }

    private void CheckOperations(History history)
    {
        Resource leaf = history.Resource;
        if (history.StopIndex > history.StartIndex && leaf.Managed)
        {
            return;
        }

        for (int i = Math.Max(0, history.StartIndex); i < history.Entries.Count; i++)
        {
            HistoryEntry entry = history.Entries[i];
            if (entry.IntervalMs > 0)
            {
                if (leaf.Maintenance || history.Node.Maintenance)
                {
                    Cancel(history, entry);
                }
                else if (leaf.Operations.Find(entry.Task, entry.IntervalMs, enabledOnly: true) is not null)
                {
                    CheckEntry(history, entry);
                }
                else if (cluster.Options.CancelRemoved)
                {
                    Cancel(history, entry);
                }
            }
            else if (entry.IsProbe || entry.Task is "start" or "promote" or "migrate_from")
            {
                CheckEntry(history, entry);
            }
        }
    }

    private void Cancel(History history, HistoryEntry entry)
    {
        PlannedAction cancel = actions.Cancel(
            history.Resource, entry.Task, entry.IntervalMs, history.Node, entry.CallId);
        orders.Add(OrderSide.Of(history.Resource, "stop"), OrderSide.Of(cancel), OrderKinds.Sequence);
    }

    private void CheckEntry(History history, HistoryEntry entry)
    {
        DigestVerdict verdict = DigestComparer.Compare(cluster, history.Resource, history.Node, entry);
        if (verdict == DigestVerdict.Same)
        {
            return;
        }

        Resource leaf = history.Resource;
        Node node = history.Node;
        switch (verdict)
        {
            case DigestVerdict.Reschedule:
                PlannedAction recurring = actions.Plan(leaf, entry.Task, node, optional: true, entry.IntervalMs);
                recurring.Reschedule = true;
                break;
            case DigestVerdict.Reload:
                Reload(leaf, node);
                break;
            default:
                string task = entry.Task is "monitor" or "promote" or "migrate_from" && entry.IntervalMs == 0 ? "start" : entry.Task;
                // Where it starts is not decided yet: the start takes the node that the placement gives.
                PlannedAction required = actions.Plan(leaf, task, null, optional: false, entry.IntervalMs);
                required.GiveReason("resource definition change");
                break;
        }

        if (_failCounts.Get(leaf, node, effective: true).Count > 0)
        {
            actions.ClearFailCount(leaf, node, "action definition changed");
        }
    }

    private void Reload(Resource leaf, Node node)
    {
        if (!leaf.Managed || leaf.Failed)
        {
            return;
        }

        if (leaf.StartPending)
        {
            actions.Plan(leaf, "stop", node, optional: false);
            return;
        }

        PlannedAction reload = actions.Plan(leaf, "reload-agent", node, optional: false);
        reload.GiveReason("resource definition change");
        orders.Add(OrderSide.Of(reload), OrderSide.Of(leaf, "stop"), OrderKinds.Sequence | OrderKinds.Cancels);
        orders.Add(OrderSide.Of(reload), OrderSide.Of(leaf, "demote"), OrderKinds.Sequence | OrderKinds.Cancels);
    }
}
