using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>A node as displays show it.</summary>
public sealed record NodeStatus(
    string Id, string Name, string Kind, bool Online, bool Standby, bool StandbyOnFail, bool Maintenance, bool Pending,
    bool Unclean, bool ShuttingDown, bool IsDc, int ResourcesRunning)
{
    /// <summary>The words of crm_mon, such as "online" or "standby (with active resources)".</summary>
    public string StateText { get; init; } = "";

    /// <summary>Configured and transient attributes.</summary>
    public IReadOnlyDictionary<string, string> Attributes { get; init; } = new Dictionary<string, string>();
}

/// <summary>A resource as displays show it.</summary>
public sealed record ResourceStatus(
    string Id, string Kind, ResourceRole Role, IReadOnlyList<string> ActiveOn, bool Managed, bool Maintenance, bool Blocked,
    bool Failed, bool FailureIgnored, bool Removed)
{
    /// <summary>Class:provider:type of a leaf.</summary>
    public string? Agent { get; init; }

    /// <summary>Configured target-role, null where none is.</summary>
    public string? TargetRole { get; init; }

    /// <summary>A start or other operation under way: its name.</summary>
    public string? Pending { get; init; }
    public bool Promotable { get; init; }
    public bool Unique { get; init; }
    public IReadOnlyList<ResourceStatus> Children { get; init; } = [];
}

/// <summary>An operation that failed, as the history records it.</summary>
/// <param name="Key">RSC_TASK_INTERVALMS.</param>
/// <param name="LastRcChange">Epoch seconds, 0 if not recorded.</param>
/// <param name="ExecTimeMs">How long it ran.</param>
public sealed record FailedAction(
    string Key, string Resource, string Task, long IntervalMs, string Node, int Rc, int Status, int CallId, string ExitReason,
    long LastRcChange, long ExecTimeMs)
{
    /// <summary>Text of the return code, such as "Error occurred".</summary>
    public string RcText => StatusText.RcText(Rc);
}

/// <summary>The unpacked state of a cluster, for displays: what is where, before any decision.</summary>
public sealed class ClusterStatus
{
    private ClusterStatus(Cluster cluster) => Cluster = cluster;

    internal Cluster Cluster { get; }

    /// <summary>In list order.</summary>
    public IReadOnlyList<NodeStatus> Nodes { get; private init; } = [];

    /// <summary>Top-level resources in list order, their parts below them.</summary>
    public IReadOnlyList<ResourceStatus> Resources { get; private init; } = [];
    public IReadOnlyList<FailedAction> FailedActions { get; private init; } = [];
    public bool HasQuorum => Cluster.HasQuorum;
    public bool MaintenanceMode => Cluster.Options.MaintenanceMode;
    public bool FencingEnabled => Cluster.Options.FencingEnabled;
    public bool StopAllResources => Cluster.Options.StopAll;
    public string? DcName => Cluster.Dc?.Name;

    /// <summary>Leafs, those disabled, and those blocked by failures.</summary>
    public int InstanceCount => Cluster.InstanceCount;
    public int DisabledCount => Cluster.DisabledCount;
    public int BlockedCount => Cluster.BlockedCount;

    /// <summary>Reads configuration and status at a time (which decides expiries).</summary>
    public static ClusterStatus Unpack(XElement cib, DateTimeOffset now) => Of(Run.Unpack(cib, now, null).Cluster);

    internal static ClusterStatus Of(Cluster cluster) => new(cluster)
    {
        Nodes = [.. cluster.Nodes.Select(NodeOf)],
        Resources = [.. cluster.Resources.Select(ResourceOf)],
        FailedActions = [.. cluster.Failures.Select(FailureOf)],
    };

    /// <summary>Fail count of a leaf on a node, after expiry.</summary>
    public int FailCount(string resource, string node) =>
        Cluster.Find(resource) is { IsLeaf: true } leaf && Cluster.NodeByName(node) is { } n
            ? new FailCounts(Cluster).Get(leaf, n, effective: true).Count
            : 0;

    private static NodeStatus NodeOf(Node n) => new(
        n.Id, n.Name, n.Kind.ToString().ToLowerInvariant(), n.Online, n.Standby, n.StandbyOnFail, n.Maintenance, n.Pending,
        n.Unclean, n.ShuttingDown, n.IsDc, n.Active.Count)
    {
        StateText = StatusText.StateOf(n),
        Attributes = n.Attributes,
    };

    private static ResourceStatus ResourceOf(Resource r) => new(
        r.IsLeaf ? r.DisplayId : r.Id, r.Kind.ToString().ToLowerInvariant(), r.CurrentRole() is ResourceRole.Unknown ? ResourceRole.Stopped : r.CurrentRole(),
        [.. r.ActiveNodes().Select(n => n.Name)], r.Managed, r.Maintenance, r.Blocked, r.Failed, r.FailureIgnored, r.Removed)
    {
        Agent = r.IsLeaf ? string.Join(':', new[] { r.Class, r.Class == "ocf" ? r.Provider : null, r.Type }.OfType<string>()) : null,
        TargetRole = r.Meta.GetValueOrDefault("target-role"),
        Pending = r.PendingTask,
        Promotable = r.Clone?.Promotable ?? false,
        Unique = r.Kind == ResourceKind.Clone && r.Unique,
        Children = [.. r.Children.Select(ResourceOf)],
    };

    private static FailedAction FailureOf(FailureRecord f) => new(
        f.Entry.Key, f.Resource.DisplayId, f.Entry.Task, f.Entry.IntervalMs, f.Node.Name, f.Entry.Rc, (int)f.Entry.Status,
        f.Entry.CallId, f.Entry.ExitReason, f.Entry.LastRcChange, f.Entry.ExecTimeMs);
}
