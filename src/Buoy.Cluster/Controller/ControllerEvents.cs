using Buoy.Agents;
using Buoy.Control;
using Buoy.Membership;

namespace Buoy.Cluster.Controller;

/// <summary>The time at which an event is handled.</summary>
/// <param name="Ms">Monotonic clock, ms: deadlines and durations.</param>
/// <param name="Wall">Wall clock: what is written into the CIB.</param>
/// <param name="Micros">The monotonic clock again, finer, for the record of a failover; 0 = not known.</param>
public readonly record struct ControllerTime(long Ms, DateTimeOffset Wall, long Micros = 0)
{
    /// <summary>Monotonic clock, ms, as fine as it is known.</summary>
    public double ExactMs => Micros > 0 ? Micros / 1000.0 : Ms;
}

/// <summary>Something that happened to this node.</summary>
public abstract record ControllerEvent;

/// <summary>A new regular configuration, with the votes that votequorum expects (0 = not known).</summary>
public sealed record ViewInstalled(ClusterView View, int ExpectedVotes) : ControllerEvent;

/// <summary>Quorum changed without a change of the ring.</summary>
public sealed record QuorumChanged(bool Quorate) : ControllerEvent;

/// <summary>A message of the total order. The payload is only read during the call.</summary>
public sealed record MessageDelivered(uint Sender, ReadOnlyMemory<byte> Payload) : ControllerEvent;

/// <summary>An operation that <see cref="ExecuteOperation"/> began has a result (a recurring one may have
/// many).</summary>
public sealed record OperationEnded(long CallId, AgentResult Result) : ControllerEvent;

/// <summary>A local tool asks; <see cref="AnswerControl"/> with the same id follows.</summary>
public sealed record ControlAsked(long RequestId, ControlRequest Request) : ControllerEvent;

/// <summary>A local tool went away before its answer.</summary>
public sealed record ControlGone(long RequestId) : ControllerEvent;

/// <summary>The node is asked to stop in order (SIGTERM).</summary>
public sealed record ShutdownAsked : ControllerEvent;

/// <summary>The deadline that <see cref="WakeAt"/> named has come.</summary>
public sealed record TimerFired : ControllerEvent;

/// <summary>All events of one turn of the loop were handed over: time to schedule, once for all of them.</summary>
public sealed record TurnEnded : ControllerEvent;

/// <summary>A CIB is on the disk (or could not be written: why).</summary>
public sealed record CibPersisted(long Sequence, string? Error) : ControllerEvent;

/// <summary>Something the host must do.</summary>
public abstract record ControllerEffect;

/// <summary>Send to all members, this one included, in total order.</summary>
public sealed record Multicast(byte[] Payload) : ControllerEffect;

/// <summary>Run an agent; results come back as <see cref="OperationEnded"/> with the same call id.</summary>
public sealed record ExecuteOperation(long CallId, AgentRequest Request) : ControllerEffect;

/// <summary>End one recurring operation.</summary>
public sealed record CancelOperation(string ResourceId, string Task, long IntervalMs) : ControllerEffect;

/// <summary>End all recurring operations of a resource.</summary>
public sealed record CancelAllOperations(string ResourceId) : ControllerEffect;

/// <summary>Answer a local tool.</summary>
public sealed record AnswerControl(long RequestId, ControlResponse Response) : ControllerEffect;

/// <summary>Wake the controller at this time of the monotonic clock, in place of any wake-up before; null =
/// never.</summary>
public sealed record WakeAt(long? Ms) : ControllerEffect;

/// <summary>Hand over a <see cref="TurnEnded"/> when this turn of the loop is over.</summary>
public sealed record RequestTurn : ControllerEffect;

/// <summary>Write the configuration to disk; <see cref="CibPersisted"/> with the same sequence follows.</summary>
public sealed record PersistCib(long Sequence, string Xml) : ControllerEffect;

/// <summary>Leave the ring in order, then end the daemon with this status.</summary>
public sealed record LeaveAndExit(int Status) : ControllerEffect;

/// <summary>A line for the log: an id of the host's catalogue and its text.</summary>
public sealed record LogRecord(LogTopic Topic, string Text) : ControllerEffect;

/// <summary>What a log line of the controller is about; the host's catalogue gives each its stable id and
/// level.</summary>
public enum LogTopic
{
    /// <summary>A view was installed and all its members hold the same CIB.</summary>
    Membership,

    /// <summary>The CIB changed.</summary>
    Configuration,

    /// <summary>A transition was computed.</summary>
    Decision,

    /// <summary>An operation ended as expected.</summary>
    Operation,

    /// <summary>An operation failed.</summary>
    OperationFailed,

    /// <summary>A message could not be read and was dropped.</summary>
    MessageDropped,

    /// <summary>Replicas differ: a fault of this program.</summary>
    Divergence,

    /// <summary>The same transition comes again and again.</summary>
    Loop,

    /// <summary>Something could not be done.</summary>
    Problem,

    /// <summary>The node stops.</summary>
    Shutdown,
}
