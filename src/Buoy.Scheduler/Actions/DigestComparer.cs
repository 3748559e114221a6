namespace Buoy.Scheduler;

/// <summary>What a difference between recorded and configured definition asks for.</summary>
internal enum DigestVerdict
{
    Same,
    Reschedule,
    Reload,
    Restart,
}

/// <summary>Compares one recorded operation with the configuration (SCHEDULER 4.5).</summary>
internal static class DigestComparer
{
    public static DigestVerdict Compare(Cluster cluster, Resource leaf, Node node, HistoryEntry entry)
    {
        long interval = entry.IntervalMs;
        string task = entry.Task;
        IReadOnlyDictionary<string, string> parameters = leaf.Parameters.On(node);
        IReadOnlyDictionary<string, string> own = leaf.Operations.Parameters(task, interval);
        OperationDigests now = OperationDigest.All(
            parameters, own, interval, leaf.Operations.TimeoutMs(task, interval), entry.ForceRestart, entry.SecretParameters);
        if (entry.RestartDigest is not null && now.Restart is not null && now.Restart != entry.RestartDigest)
        {
            return DigestVerdict.Restart;
        }

        if (entry.DigestSpoilt)
        {
            return interval > 0 ? DigestVerdict.Reschedule : DigestVerdict.Same;
        }

        if (entry.Digest == now.All || (cluster.Sanitized && now.Secure is not null && entry.SecureDigest == now.Secure))
        {
            return DigestVerdict.Same;
        }

        if (interval > 0)
        {
            return DigestVerdict.Reschedule;
        }

        return entry.RestartDigest is not null ? DigestVerdict.Reload : DigestVerdict.Restart;
    }
}
