namespace Buoy.Scheduler;

/// <summary>
/// What recorded migrations mean for the node at the other end (SCHEDULER 2.6): active there too, partly migrated, or
/// left behind at the source.
/// </summary>
/// <param name="recorded">What a node recorded about a resource, oldest first; empty = nothing.</param>
internal sealed class MigrationHistory(
    Cluster cluster, ActionFactory actions, Func<string, Node, IReadOnlyList<HistoryEntry>> recorded, Action<Resource, Node> activate)
{
    /// <summary>A migrate_to that succeeded at the source. False = the leaf runs no more at the source by it.</summary>
    public bool ToSucceeded(History history, HistoryEntry to)
    {
        Resource leaf = history.Resource;
        Node source = history.Node;
        if (NodeOf(to.MigrateTarget) is not { } target)
        {
            return true;
        }

        IReadOnlyList<HistoryEntry> there = recorded(history.Id, target);
        HistoryEntry? from = there.LastOrDefault(e => e.Task == "migrate_from" && e.MigrateSource == source.Name);
        bool newerHere = history.Entries.SkipWhile(e => e != to).Skip(1)
            .Any(static e => e.Task is "start" or "stop" or "migrate_from" or "migrate_to");
        if (newerHere && from is not null)
        {
            return true;
        }

        if (from is { Status: OpStatus.Done } && from.Rc == from.ExpectedRc)
        {
            leaf.DanglingSources.Add(source);
            return false;
        }

        if (from is { Status: not OpStatus.Pending })
        {
            if (target.Online && !there.SkipWhile(e => e != from).Skip(1).Any(IsState))
            {
                activate(leaf, target);
            }
            else
            {
                leaf.Failed = true;
                leaf.AllowMigrate = false;
            }

            return true;
        }

        if (!target.Online)
        {
            leaf.Failed = true;
            leaf.AllowMigrate = false;
        }
        else if (there.Count > 0 && !there.Any(e => Tells(e) && IsNewer(e, to)))
        {
            activate(leaf, target);
            if (source.Online)
            {
                (leaf.PartialSource, leaf.PartialTarget) = (source, target);
            }
        }

        return true;
    }

    /// <summary>A migrate_to that failed at the source.</summary>
    public void ToFailed(History history, HistoryEntry to)
    {
        if (NodeOf(to.MigrateTarget) is not { } target)
        {
            return;
        }

        IReadOnlyList<HistoryEntry> there = recorded(history.Id, target);
        if (there.Count == 0)
        {
            return;
        }

        if (!there.Any(e => Tells(e) && IsNewer(e, to)))
        {
            activate(history.Resource, target);
        }
        else if (!history.Entries.SkipWhile(e => e != to).Skip(1).Any(IsState))
        {
            history.Resource.DanglingSources.Add(history.Node);
        }
    }

    /// <summary>A migrate_from that failed at the target.</summary>
    public void FromFailed(History history, HistoryEntry from)
    {
        if (NodeOf(from.MigrateSource) is not { } source)
        {
            return;
        }

        IReadOnlyList<HistoryEntry> there = recorded(history.Id, source);
        HistoryEntry? to = there.LastOrDefault(e => e.Task == "migrate_to" && e.MigrateTarget == history.Node.Name);
        bool newer = to is null
            ? there.Any(e => Tells(e) && IsNewer(e, from))
            : there.SkipWhile(e => e != to).Skip(1).Any(IsState);
        if (there.Count > 0 && !newer)
        {
            activate(history.Resource, source);
        }
    }

    /// <summary>A migrate_to that has not ended: on an unclean source nobody will end it, the target is stopped.</summary>
    public void ToPending(History history, HistoryEntry to)
    {
        if (history.Node.Unclean && NodeOf(to.MigrateTarget) is { } target
            && !history.Entries.Any(e => e.Task == "migrate_to" && e.Status > OpStatus.Done && IsNewer(e, to)))
        {
            actions.Plan(history.Resource, "stop", target, optional: false);
        }
    }

    private Node? NodeOf(string? name) => name is null ? null : cluster.NodeByName(name);

    private static bool IsState(HistoryEntry e) => e.Task is "start" or "stop" or "migrate_from" or "migrate_to";

    /// <summary>Does it tell whether the leaf is active there?</summary>
    private static bool Tells(HistoryEntry e) => IsState(e) || e.Task == "monitor";

    /// <summary>Of entries of different nodes: by the time of their last change; one without is of this moment.</summary>
    private static bool IsNewer(HistoryEntry a, HistoryEntry b) => Time(a) > Time(b);

    private static long Time(HistoryEntry e) => e.LastRcChange > 0 ? e.LastRcChange : long.MaxValue;
}
