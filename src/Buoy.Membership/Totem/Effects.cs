namespace Buoy.Membership.Totem;

/// <summary>What the host must do after a step, in the order listed.</summary>
public abstract record Effect;

/// <summary>Send to one node.</summary>
/// <param name="Again">A retransmission: where there are several links, over every one of them.</param>
public sealed record SendTo(uint NodeId, TotemMessage Message, bool Again = false) : Effect;

/// <summary>Send to everybody reachable: by multicast, or to each configured node.</summary>
public sealed record Broadcast(TotemMessage Message) : Effect;

/// <summary>
/// Make the ring seq durable (fsync included) before any later effect. If that fails, drop all later effects of the
/// step
/// and call <see cref="TotemCore.OnPersistFailed"/>.
/// </summary>
public sealed record PersistRingSeq(ulong Seq) : Effect;

/// <summary>Hand a message to the application.</summary>
public sealed record Deliver(RegularMessage Message) : Effect;

/// <summary>A configuration change of extended virtual synchrony.</summary>
/// <param name="Transitional">Those members of the new ring that come directly from the same old ring; else the new
/// ring.</param>
/// <param name="RingId">Regular: the new ring's; transitional: the old regular ring's.</param>
/// <param name="ConfId">Transitional: its own id. Regular: id of the transitional one just left.</param>
/// <param name="Seq">Transitional: last seq delivered in the old regular configuration; regular: 0.</param>
/// <param name="FirstSign">When the change was first suspected, ms of the caller's clock.</param>
public sealed record ConfigurationChange(
    bool Transitional, RingId RingId, RingId ConfId, ulong Seq, NodeSet Members, NodeSet Joined, NodeSet Left,
        long FirstSign) : Effect;

/// <summary>Something worth a line in the log.</summary>
public sealed record Note(bool Warning, string Text) : Effect;
