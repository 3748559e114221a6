using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Buoy.Agents;
using Buoy.Cib;
using Buoy.Scheduler;

namespace Buoy.Cluster.Controller;

/// <summary>A message of the total order. Every member handles the same ones in the same order.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "k")]
[JsonDerivedType(typeof(StateMessage), "state")]
[JsonDerivedType(typeof(CibMessage), "cib")]
[JsonDerivedType(typeof(EstablishMessage), "establish")]
[JsonDerivedType(typeof(QuorumMessage), "quorum")]
[JsonDerivedType(typeof(ApplyMessage), "apply")]
[JsonDerivedType(typeof(CleanupMessage), "cleanup")]
[JsonDerivedType(typeof(ShutdownMessage), "shutdown")]
[JsonDerivedType(typeof(ActionMessage), "action")]
[JsonDerivedType(typeof(ResultMessage), "result")]
[JsonDerivedType(typeof(IdleMessage), "idle")]
[JsonDerivedType(typeof(ResyncMessage), "resync")]
public abstract record ClusterMessage;

/// <summary>What a member brings into a view.</summary>
public sealed record StateMessage : ClusterMessage
{
    /// <summary>The view it is meant for; for another one it is dropped.</summary>
    public required ulong RingSeq { get; init; }
    public required uint RingRep { get; init; }
    public required string Name { get; init; }
    public required string FeatureSet { get; init; }
    public required string DcVersion { get; init; }
    public required string ClusterName { get; init; }
    public required CibVersion Version { get; init; }
    public required string Digest { get; init; }
    public required bool Quorate { get; init; }
    public required int ExpectedVotes { get; init; }

    /// <summary>Ids of the node list of its corosync.conf.</summary>
    public required List<uint> Configured { get; init; }

    /// <summary>Past the start-up window: it takes part in a cluster that schedules.</summary>
    public required bool Established { get; init; }

    /// <summary>Its own <c>node_state</c>: each node is the authority for its operation history and transient
    /// attributes.</summary>
    public string? NodeState { get; init; }

    /// <summary>Operations that it is running.</summary>
    public required List<InFlight> InFlight { get; init; }

    /// <summary>Wall clock, seconds.</summary>
    public required long At { get; init; }
}

/// <summary>An operation that was sent to a node and has no result yet.</summary>
/// <param name="TransitionKey">ACTION:TRANSITION:TARGETRC:UUID.</param>
/// <param name="Node">Where it runs.</param>
/// <param name="Action">What it is.</param>
public sealed record InFlight(string TransitionKey, string Node, GraphAction Action);

/// <summary>A whole CIB, in parts: to the members of a view that hold another, or to the one that asked (<see
/// cref="For"/>).</summary>
public sealed record CibMessage(ulong RingSeq, uint RingRep, uint? For, int Part, int Parts, string Text)
    : ClusterMessage;

/// <summary>The start-up window is over: schedule with those that are here.</summary>
public sealed record EstablishMessage(long At) : ClusterMessage;

/// <summary>Quorum changed without a change of the ring.</summary>
public sealed record QuorumMessage(bool Quorate) : ClusterMessage;

/// <summary>A change of the CIB, asked for by a tool on <paramref name="Origin"/>.</summary>
public sealed record ApplyMessage(
    uint Origin, long RequestId, List<CibOperation> Operations, string? Expect, string Client, string User, long At)
        : ClusterMessage;

/// <summary>Forget failures and history of a resource (null = all) on a node (null = all).</summary>
public sealed record CleanupMessage(uint Origin, long RequestId, string? Resource, string? Node) : ClusterMessage;

/// <summary>A node wants to stop: its resources go elsewhere, then it is told to leave.</summary>
public sealed record ShutdownMessage(uint NodeId, long At) : ClusterMessage;

/// <summary>
/// The DC's order to carry out an action of its transition. It only holds in the view in which it was given: what is
/// delivered in
/// another one is carried out by nobody, and the DC of that view decides anew.
/// </summary>
public sealed record ActionMessage(ulong RingSeq, uint RingRep, string Uuid, int Transition, GraphAction Action,
    string Digest) : ClusterMessage
{
    /// <summary>As the history writes it.</summary>
    [JsonIgnore]
    public string TransitionKey => $"{Action.Id}:{Transition}:{Action.TargetRc}:{Uuid}";
}

/// <summary>An operation ended, or a recurring one changed its result.</summary>
public sealed record ResultMessage : ClusterMessage
{
    public required string Node { get; init; }
    public required string TransitionKey { get; init; }
    public required GraphResource Resource { get; init; }
    public required string Task { get; init; }
    public required string Key { get; init; }
    public required long IntervalMs { get; init; }
    public required int TargetRc { get; init; }
    public required long CallId { get; init; }
    public required int Rc { get; init; }
    public required OperationStatus Status { get; init; }
    public required string ExitReason { get; init; }

    /// <summary>Wall clock of the start, and of the result, seconds.</summary>
    public required long Started { get; init; }
    public required long At { get; init; }
    public required long ExecMs { get; init; }
    public required long QueueMs { get; init; }
    public required string Digest { get; init; }
    public string? MigrateSource { get; init; }
    public string? MigrateTarget { get; init; }
}

/// <summary>
/// The DC found nothing left to do. <see cref="Applied"/> counts the messages of the view that it had handled; where
/// the receiver
/// has handled as many, nothing came between, and version and digest must be equal.
/// </summary>
public sealed record IdleMessage(ulong RingSeq, uint RingRep, long Applied, CibVersion Version, string Digest)
    : ClusterMessage;

/// <summary>The sender's replica differs: it asks the DC for the whole CIB.</summary>
public sealed record ResyncMessage : ClusterMessage;

/// <summary>JSON of the messages on the ring.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ClusterMessage))]
internal sealed partial class ClusterJson : JsonSerializerContext
{
    // Quotes of XML must not become six bytes each.
    private static readonly ClusterJson Ring = new(new JsonSerializerOptions
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    public static byte[] Encode(ClusterMessage message) => JsonSerializer.SerializeToUtf8Bytes(message,
        Ring.ClusterMessage);

    /// <summary>Reads a message; null and a reason where it is none.</summary>
    public static ClusterMessage? Decode(ReadOnlySpan<byte> payload, out string? reason)
    {
        try
        {
            reason = null;
            var m = JsonSerializer.Deserialize(payload, Ring.ClusterMessage);
            reason = m is null ? "null" : null;
            return m;
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or InvalidOperationException)
        {
            reason = e.Message;
            return null;
        }
    }
}
