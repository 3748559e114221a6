namespace Buoy.Shell.Status;

/// <summary>The cluster's state as status commands show it. The shell's own reading is <see
/// cref="CibStatusView"/>.</summary>
public interface IStatusView
{
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
    bool ExpectedUp, string? FeatureSet, IReadOnlyList<(string Name, string Value)> Attributes);

/// <summary>A resource: a primitive, or a group, clone or bundle with its members.</summary>
/// <param name="Kind">primitive, group, clone, bundle.</param>
/// <param name="Agent">CLASS:PROVIDER:TYPE of a primitive.</param>
/// <param name="On">Where a primitive is active, and in which role.</param>
public sealed record ResourceView(
    string Id, string Kind, string Agent, IReadOnlyList<(NodeView Node, string Role)> On, bool Disabled, bool Managed,
        bool Maintenance,
    bool Failed, bool Blocked, bool Promotable, bool Unique, IReadOnlyList<ResourceView> Children)
{
    /// <summary>Started, Stopped, Promoted, Unpromoted.</summary>
    public string Role => On.Count == 0 ? "Stopped" : On.Any(o => o.Role == "Promoted") ? "Promoted" : On[0].Role;

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
    DateTimeOffset LastChange, long ExecTime, long QueueTime, string Key);
