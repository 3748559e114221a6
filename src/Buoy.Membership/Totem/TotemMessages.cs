namespace Buoy.Membership.Totem;

/// <summary>First byte of every message; fixed on the wire.</summary>
public enum TotemMessageType : byte
{
    Regular = 1,
    Token = 2,
    Join = 3,
    CommitToken = 4,
    MergeDetect = 5,
    HoldCancel = 6,
    Probe = 7,
}

/// <summary>A message of the ring protocol. Instances are never changed after they were sent or received.</summary>
public abstract record TotemMessage
{
    /// <summary>Which one it is.</summary>
    public abstract TotemMessageType Type { get; }
}

/// <summary>
/// An application message (or batch), or an old ring's message carried over the new one during recovery.
/// </summary>
public sealed record RegularMessage : TotemMessage
{
    public override TotemMessageType Type => TotemMessageType.Regular;

    /// <summary>Originator; a retransmission comes from another node but keeps it.</summary>
    public required uint SenderId { get; init; }

    /// <summary>Ring it was originated on; with <see cref="Seq"/> the message's identity.</summary>
    public required RingId RingId { get; init; }
    public required ulong Seq { get; init; }

    /// <summary>Safe rather than agreed delivery.</summary>
    public bool Safe { get; init; }

    /// <summary>What it carries, where it is an old ring's message; else null.</summary>
    public RegularMessage? Encapsulated { get; init; }

    /// <summary>The application's bytes; empty where <see cref="Encapsulated"/> is given.</summary>
    public required byte[] Contents { get; init; }
}

/// <summary>A message wanted again.</summary>
public readonly record struct RetransmitRequest(RingId RingId, ulong Seq);

/// <summary>The regular token (Corosync: ORF token).</summary>
public sealed record TokenMessage : TotemMessage
{
    public override TotemMessageType Type => TotemMessageType.Token;
    public required RingId RingId { get; init; }

    /// <summary>Hop counter; the duplicate filter.</summary>
    public ulong TokenSeq { get; init; }

    /// <summary>Highest message number broadcast.</summary>
    public ulong Seq { get; init; }

    /// <summary>All members have every message up to here, once it went round.</summary>
    public ulong Aru { get; init; }

    /// <summary>Who lowered <see cref="Aru"/>; 0 = nobody.</summary>
    public uint AruId { get; init; }
    public IReadOnlyList<RetransmitRequest> Rtr { get; init; } = [];

    /// <summary>Somebody still has old-ring messages to broadcast.</summary>
    public bool RetransFlag { get; init; }

    /// <summary>Units (<see cref="TotemLimits.FlowUnit"/>) broadcast in the last rotation, by all.</summary>
    public uint Fcc { get; init; }

    /// <summary>Units waiting, at all.</summary>
    public uint Backlog { get; init; }
}

/// <summary>A proposal of membership; a Leave where the sender is in its own fail set.</summary>
public sealed record JoinMessage : TotemMessage
{
    public override TotemMessageType Type => TotemMessageType.Join;
    public required uint SenderId { get; init; }
    public required NodeSet ProcSet { get; init; }
    public required NodeSet FailSet { get; init; }

    /// <summary>Largest ring seq the sender knows.</summary>
    public required ulong RingSeq { get; init; }

    /// <summary>Tokens forwarded since the last consensus.</summary>
    public uint RotationCount { get; init; }

    /// <summary>Nodes the sender heard within its token time-out.</summary>
    public NodeSet HeardSet { get; init; } = NodeSet.Empty;

    /// <summary>Digest of the timers, to warn of members that differ.</summary>
    public uint ConfigDigest { get; init; }

    /// <summary>The sender goes.</summary>
    public bool IsLeave => FailSet.Contains(SenderId);
}

/// <summary>One member's part of a commit token, filled on the first rotation.</summary>
public sealed record CommitEntry(uint Id, RingId OldRingId, ulong OldAru, ulong HighDelivered, bool ReceivedFlag,
    bool Filled);

/// <summary>Visits the proposed members twice: to agree and collect, then to tell.</summary>
public sealed record CommitTokenMessage : TotemMessage
{
    public override TotemMessageType Type => TotemMessageType.CommitToken;
    public required RingId RingId { get; init; }

    /// <summary>Hop 1..2n.</summary>
    public required uint Hop { get; init; }

    /// <summary>In token order: representative first, then ascending.</summary>
    public required IReadOnlyList<CommitEntry> Members { get; init; }
}

/// <summary>Sent by the representative of an idle ring, to be foreign to somebody.</summary>
public sealed record MergeDetectMessage(uint SenderId, RingId RingId) : TotemMessage
{
    public override TotemMessageType Type => TotemMessageType.MergeDetect;
}

/// <summary>A member queued a message while the representative holds the token.</summary>
public sealed record HoldCancelMessage(uint SenderId, RingId RingId) : TotemMessage
{
    public override TotemMessageType Type => TotemMessageType.HoldCancel;
}

/// <summary>The highest probe number heard from a peer, and of which incarnation.</summary>
public readonly record struct ProbeEcho(uint NodeId, ulong Incarnation, ulong Number);

/// <summary>
/// A sign of life to everybody, sent by the core's own timer. One probe echoes the last number heard from every peer,
/// so
/// that probes confirm each other's round trips and no separate replies are needed (fewer wake-ups on an idle ring).
/// </summary>
public sealed record ProbeMessage : TotemMessage
{
    public override TotemMessageType Type => TotemMessageType.Probe;
    public required uint SenderId { get; init; }
    public required ulong Number { get; init; }
    public required TotemState State { get; init; }
    public required RingId RingId { get; init; }
    public required IReadOnlyList<ProbeEcho> Echoes { get; init; }
}
