namespace Buoy.Scheduler;

/// <summary>How an action is carried out (SCHEDULER: "Graph XML").</summary>
public enum ActionKind
{
    /// <summary>Nothing to do: confirmed as soon as its inputs are.</summary>
    Pseudo,

    /// <summary>By the cluster itself: stonith, do_shutdown, clear_failcount, lrm_delete.</summary>
    Cluster,

    /// <summary>By the executor of <see cref="GraphAction.Node"/>, with a resource agent.</summary>
    Resource,
}

/// <summary>The resource an action works on.</summary>
/// <param name="Id">Id of the primitive as used in operation keys and history (an anonymous clone's instance has none of its number).</param>
/// <param name="LongId">Id with the instance number, where it differs.</param>
/// <param name="Class">ocf, systemd, lsb, service, stonith.</param>
/// <param name="Provider">Only for ocf.</param>
/// <param name="Type">The agent.</param>
public sealed record GraphResource(string Id, string? LongId, string Class, string? Provider, string Type);

/// <summary>One action of a transition.</summary>
public sealed record GraphAction
{
    /// <summary>Number within the transition; inputs name it.</summary>
    public required int Id { get; init; }
    public required ActionKind Kind { get; init; }

    /// <summary>start, stop, monitor, promote, demote, notify, migrate_to, migrate_from, cancel, stonith …</summary>
    public required string Task { get; init; }

    /// <summary>RSC_TASK_INTERVALMS.</summary>
    public required string Key { get; init; }

    /// <summary>The key with the scheduler's own instance id, where <see cref="Key"/> uses the history's.</summary>
    public string? InternalKey { get; init; }

    /// <summary>How people see the resource's name; null for actions of no resource.</summary>
    public string? DisplayName { get; init; }

    /// <summary>Interval in ms; 0 = once.</summary>
    public long IntervalMs { get; init; }

    /// <summary>Name of the node where it runs; null for most pseudo actions.</summary>
    public string? Node { get; init; }
    public string? NodeId { get; init; }
    public GraphResource? Resource { get; init; }

    /// <summary>Return code that counts as success (CRM_meta_op_target_rc), 0 if not said.</summary>
    public int TargetRc { get; init; }

    /// <summary>Milliseconds the agent has.</summary>
    public int TimeoutMs { get; init; } = 20000;

    /// <summary>Resource parameters and CRM_meta_*, as in the graph's <c>attributes</c> element.</summary>
    public IReadOnlyDictionary<string, string> Attributes { get; init; } = new Dictionary<string, string>();

    /// <summary>Ids of the nodes that are down after it (fencing, shutdown).</summary>
    public IReadOnlyList<string> Downed { get; init; } = [];

    /// <summary>Why it is planned, for people; null where nothing is to be said.</summary>
    public string? Reason { get; init; }
}

/// <summary>An action and what must be confirmed before it fires.</summary>
public sealed record Synapse(int Id, int Priority, GraphAction Action, IReadOnlyList<int> Inputs);

/// <summary>A placement score, kept for "why is it there?".</summary>
public sealed record ScoreLine(string Function, string Resource, string Node, string Score);

/// <summary>A decision of the scheduler: what is to be done, in which order, and why.</summary>
public sealed record Transition
{
    public required IReadOnlyList<Synapse> Synapses { get; init; }
    public IReadOnlyList<ScoreLine> Scores { get; init; } = [];

    /// <summary>Lines of the Transition Summary, without bullet.</summary>
    public IReadOnlyList<string> Summary { get; init; } = [];

    /// <summary>Errors and warnings of the configuration found on the way.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];

    /// <summary>Earliest time at which a rule, an expiry or a limit changes the decision.</summary>
    public DateTimeOffset? RecheckBy { get; init; }

    /// <summary>Actions at most in flight at once; 0 = no limit.</summary>
    public int BatchLimit { get; init; }

    /// <summary>Cluster option <c>cluster-delay</c>, as configured.</summary>
    public string ClusterDelay { get; init; } = "60s";

    /// <summary>Cluster option <c>fencing-timeout</c>, as configured.</summary>
    public string FencingTimeout { get; init; } = "60s";

    /// <summary>A failed start sets the fail count to INFINITY.</summary>
    public bool StartFailureIsFatal { get; init; } = true;

    /// <summary>Migrations at most in flight at once; -1 = no limit.</summary>
    public int MigrationLimit { get; init; } = -1;
}
