namespace Buoy.Agents;

/// <summary>An agent's name: <c>ocf:heartbeat:IPaddr2</c>, <c>systemd:nginx</c>.</summary>
public sealed record AgentName(string Class, string? Provider, string Type)
{
    /// <inheritdoc/>
    public override string ToString() => Provider is null ? $"{Class}:{Type}" : $"{Class}:{Provider}:{Type}";
}

/// <summary>One operation to run.</summary>
/// <param name="Agent">Which agent.</param>
/// <param name="ResourceId">Instance name as agents see it (OCF_RESOURCE_INSTANCE): <c>rsc</c> or <c>rsc:N</c>.</param>
/// <param name="Task">start, stop, monitor, promote, demote, notify, migrate_to, migrate_from, reload-agent, meta-data, validate-all.</param>
/// <param name="IntervalMs">0 = once; else a recurring operation, run first at once and then this long after each end.</param>
/// <param name="TimeoutMs">The operation is killed after this long.</param>
/// <param name="TargetRc">Result that is no news of a recurring operation.</param>
/// <param name="Attributes">Resource parameters and CRM_meta_*, each given to the agent as OCF_RESKEY_NAME.</param>
public sealed record AgentRequest(
    AgentName Agent, string ResourceId, string Task, long IntervalMs, int TimeoutMs, int TargetRc,
    IReadOnlyDictionary<string, string> Attributes);

/// <summary>Status of an operation as the CIB's <c>op-status</c> says it.</summary>
public enum OperationStatus
{
    Pending = -1,
    Done = 0,
    Cancelled = 1,
    Timeout = 2,
    NotSupported = 3,
    Error = 4,
    HardError = 5,
    FatalError = 6,
    NotInstalled = 7,
}

/// <summary>How an operation ended.</summary>
/// <param name="Rc">The agent's exit status (OCF: 0 ok, 1 error, 2 arguments, 3 unimplemented, 4 permission, 5 not installed, 6 not configured, 7 not running, 8 promoted, 9 failed promoted).</param>
/// <param name="Status">What became of running it.</param>
/// <param name="ExitReason">The agent's <c>ocf-exit-reason:</c>, or our own words; empty if none.</param>
/// <param name="Started">Wall clock at the start.</param>
/// <param name="ExecMs">Run time.</param>
/// <param name="QueueMs">Time it waited for its turn.</param>
/// <param name="Output">Standard output (meta-data), else empty.</param>
public sealed record AgentResult(
    int Rc, OperationStatus Status, string ExitReason, DateTimeOffset Started, long ExecMs, long QueueMs, string Output = "");

/// <summary>
/// Runs operations of resource agents on this node. Operations of one resource run one at a time, in order; different
/// resources run side by side. Everything happens on the loop it was made with; results arrive there.
/// </summary>
public interface IAgentExecutor : IDisposable
{
    /// <summary>
    /// Queues an operation. <paramref name="done"/> is called once for a single operation. For a recurring one it is called
    /// with the first result and then whenever rc or status changes, also at once when the executor learns of a failure by
    /// other means (the resource's process died, its link went down).
    /// </summary>
    void Execute(AgentRequest request, Action<AgentResult> done);

    /// <summary>Ends a recurring operation; it reports nothing more. False: there was none.</summary>
    bool Cancel(string resourceId, string task, long intervalMs);

    /// <summary>Ends all recurring operations of a resource (before it is stopped).</summary>
    void CancelAll(string resourceId);

    /// <summary>The agent's meta-data XML, cached; null where the agent is not installed.</summary>
    void MetaData(AgentName agent, Action<string?> done);
}
