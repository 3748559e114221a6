using Buoy.Scheduler;

namespace Buoy.Shell.Status;

/// <summary>The cluster's state as status commands show it; see <see cref="StatusView"/>.</summary>
public interface IStatusView
{
    /// <summary>The scheduler's reading, from which all else comes.</summary>
    ClusterStatus Status { get; }

    /// <summary>Nodes sorted by name.</summary>
    IReadOnlyList<NodeView> Nodes { get; }

    /// <summary>Top-level resources in the order of the configuration.</summary>
    IReadOnlyList<ResourceView> Resources { get; }

    /// <summary>Operations that ended otherwise than expected, and were not cleaned up.</summary>
    IReadOnlyList<OperationView> Failures { get; }

    /// <summary>All operations that history keeps, by node.</summary>
    IReadOnlyList<OperationView> Operations { get; }
}

/// <summary>A node.</summary>
public sealed record NodeView(
    string Id, string Name, bool Online, bool Standby, bool Maintenance, bool Unclean, bool Pending, bool IsDc,
        bool Shutdown,
    bool ExpectedUp, string? FeatureSet, IReadOnlyList<(string Name, string Value)> Attributes)
{
    /// <summary>cluster, remote or guest.</summary>
    public string Kind { get; init; } = "cluster";

    /// <summary>The state in crm_mon's words.</summary>
    public string State { get; init; } = "";

    /// <summary>Whether a failure with on-fail=standby put it aside.</summary>
    public bool StandbyOnFail { get; init; }

    /// <summary>How many instances are active there.</summary>
    public int ResourcesRunning { get; init; }

    /// <summary>Names in its operation history, in the order recorded.</summary>
    public IReadOnlyList<string> History { get; init; } = [];
}

/// <summary>A resource: a primitive, or a group, clone or bundle with its members.</summary>
/// <param name="Kind">primitive, group, clone, bundle.</param>
/// <param name="Agent">CLASS:PROVIDER:TYPE of a primitive.</param>
/// <param name="On">Where a primitive is active, and in which role.</param>
public sealed record ResourceView(
    string Id, string Kind, string Agent, IReadOnlyList<(NodeView Node, string Role)> On, bool Disabled, bool Managed,
        bool Maintenance,
    bool Failed, bool Blocked, bool Promotable, bool Unique, IReadOnlyList<ResourceView> Children)
{
    /// <summary>No longer configured, yet active.</summary>
    public bool Removed { get; init; }

    /// <summary>It failed, and the configuration says not to mind.</summary>
    public bool FailureIgnored { get; init; }

    /// <summary>The operation under way, null where none.</summary>
    public string? PendingTask { get; init; }

    /// <summary>The configured target-role.</summary>
    public string? TargetRole { get; init; }

    /// <summary>Started, Stopped, Promoted, Unpromoted.</summary>
    public string Role => On.Count == 0 ? "Stopped" : On.Any(o => o.Role == "Promoted") ? "Promoted" : On[0].Role;

    /// <summary>Whether all of it is active.</summary>
    public bool IsFullyActive => Kind == "primitive" ? On.Count > 0 : Children.All(c => c.IsFullyActive);

    /// <summary>The primitive itself or those below.</summary>
    public IEnumerable<ResourceView> Primitives() => Kind == "primitive" ? [this] : Children.SelectMany(c =>
        c.Primitives());
}

/// <summary>A recorded operation.</summary>
/// <param name="Interval">Milliseconds.</param>
/// <param name="ExecTime">Milliseconds.</param>
/// <param name="QueueTime">Milliseconds.</param>
public sealed record OperationView(
    string Node, string Resource, string Task, long Interval, int CallId, int Rc, int TargetRc, int OpStatus,
        string ExitReason,
    DateTimeOffset LastChange, long ExecTime, long QueueTime, string Key)
{
    /// <summary>Whether the history tells how long it took.</summary>
    public bool HasTimes { get; init; } = true;
}
