using Buoy.Scheduler;

namespace Buoy.Cluster.Controller;

/// <summary>
/// <c>op-digest</c> of the history, taken of the attributes an action was sent out with: the parameters without meta
/// attributes,
/// but a recurring operation's timeout counts. The scheduler compares it with the configuration's.
/// </summary>
internal static class RecordedDigest
{
    private static readonly HashSet<string> Left =
        ["id", "crm_feature_set", "on_node", "on_node_uuid", "op-digest", "pcmk_external_ip"];

    public static string Of(IReadOnlyDictionary<string, string> attributes, long intervalMs) =>
        OperationDigest.Digest(attributes
            .Where(a => !Left.Contains(a.Key) && (!a.Key.StartsWith("CRM_meta_", StringComparison.Ordinal)
                || (intervalMs > 0 && a.Key == "CRM_meta_timeout")))
            .OrderBy(a => a.Key, StringComparer.Ordinal));
}
