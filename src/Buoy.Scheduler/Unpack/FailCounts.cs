namespace Buoy.Scheduler;

/// <summary>Fail counts in node attributes (SCHEDULER 2.5).</summary>
internal sealed class FailCounts(Cluster cluster)
{
    /// <summary>The count and the time of the last failure; effective counts are 0 once failure-timeout is over.</summary>
    public (int Count, DateTimeOffset? Last) Get(Resource leaf, Node node, bool effective)
    {
        int count = 0;
        DateTimeOffset? last = null;
        foreach ((string key, string value) in node.Transient)
        {
            if (Names(leaf, key, "fail-count-"))
            {
                count = Score.Add(count, Score.Parse(value) ?? 0);
            }
            else if (Names(leaf, key, "last-failure-") && Values.Epoch(value) is { } at && (last is null || at > last))
            {
                last = at;
            }
        }

        if (effective && last is { } when && leaf.FailureTimeout > 0 && count > 0 && !BlocksExpiry(leaf, node))
        {
            DateTimeOffset end = when.AddSeconds(leaf.FailureTimeout);
            if (cluster.Now > end)
            {
                count = 0;
            }
            else
            {
                cluster.RecheckAt(end.AddSeconds(1));
            }
        }

        return (count, last);
    }

    /// <summary>A failure of an operation with on-fail=block never expires.</summary>
    public bool BlocksExpiry(Resource leaf, string task, long intervalMs) =>
        leaf.Operations.Find(task, intervalMs) is not null
        && leaf.Operations.Meta(task, intervalMs).GetValueOrDefault("on-fail") == "block";

    private bool BlocksExpiry(Resource leaf, Node node) => cluster.Histories
        .Where(h => h.Resource == leaf && h.Node == node)
        .SelectMany(h => h.Entries)
        .Any(e => e.Rc != e.ExpectedRc && e.Id.EndsWith("_last_failure_0", StringComparison.Ordinal)
            && BlocksExpiry(leaf, e.Task, e.IntervalMs));

    private static bool Names(Resource leaf, string key, string prefix)
    {
        if (!key.StartsWith(prefix, StringComparison.Ordinal))
        {
            return false;
        }

        ReadOnlySpan<char> rest = key.AsSpan(prefix.Length);
        int hash = rest.LastIndexOf('#');
        if (hash >= 0)
        {
            ReadOnlySpan<char> operation = rest[(hash + 1)..];
            int underscore = operation.LastIndexOf('_');
            if (underscore < 0 || operation[(underscore + 1)..].IndexOfAnyExceptInRange('0', '9') >= 0)
            {
                return false;
            }

            rest = rest[..hash];
        }

        bool unique = leaf.Unique && (!leaf.IsInClone || leaf.IsLeafOfUnique);
        string name = leaf.HistoryName;
        if (unique)
        {
            return rest.SequenceEqual(name);
        }

        return WithoutNumber(rest).SequenceEqual(WithoutNumber(name));
    }

    private static ReadOnlySpan<char> WithoutNumber(ReadOnlySpan<char> id)
    {
        int colon = id.LastIndexOf(':');
        return colon > 0 && colon < id.Length - 1 && id[(colon + 1)..].IndexOfAnyExceptInRange('0', '9') < 0
            ? id[..colon]
            : id;
    }
}
