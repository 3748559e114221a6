namespace Buoy.Network.Guard;

/// <summary>Where the life of an address on this node stands.</summary>
public enum GuardState
{
    /// <summary>Not ours, nothing under way.</summary>
    Free,

    /// <summary>Asking the segment, to take it; or, while the ring is silent, to be ready to.</summary>
    Probing,

    /// <summary>Ours: the kernel has a lease that is being renewed.</summary>
    Held,

    /// <summary>Perhaps still on the interface, but silent: the lease is over, and the segment has to be asked
    /// again.</summary>
    Muted,

    /// <summary>Given up, but old connections are served to their end. Nothing enters it yet.</summary>
    Draining,

    /// <summary>Given up and removed.</summary>
    Gone,
}

/// <summary>What a packet said about the address.</summary>
public enum SightingKind
{
    /// <summary>Somebody asks whether it is in use, to take it.</summary>
    Probe,

    /// <summary>A member asks only to know: it does not take it without another window.</summary>
    Watch,

    /// <summary>Somebody speaks as its owner: an answer, an announcement, any packet with it as the sender.</summary>
    Claim,
}

/// <summary>A packet about the address.</summary>
/// <param name="Term">The sender's right to it; 0: not said.</param>
public readonly record struct Sighting(SightingKind Kind, LinkAddress Mac, ulong Term = 0);

/// <summary>A cluster node on the segment.</summary>
/// <param name="InView">In the same view as this node: one scheduler rules both.</param>
public readonly record struct GuardMember(string Name, bool InView);

/// <summary>Something that happened.</summary>
public abstract record GuardEvent;

/// <summary>Take it. <see cref="TakeAnswered"/> follows, unless <see cref="ReleaseAsked"/> comes first.</summary>
/// <param name="Term">This node's right to it: grows with every take in the cluster.</param>
/// <param name="Released">The former holder has just told that it gave the address up: nothing is asked.</param>
public sealed record TakeAsked(ulong Term, bool Released) : GuardEvent;

/// <summary>Give it up.</summary>
public sealed record ReleaseAsked : GuardEvent;

/// <summary>The ring became silent (true) or is whole again.</summary>
public sealed record SuspicionChanged(bool Suspicious) : GuardEvent;

/// <summary>A packet about the address was heard.</summary>
public sealed record Heard(Sighting Sighting) : GuardEvent;

/// <summary>The daemon of the station that answers has answered as well.</summary>
public sealed record HolderAnswered(LinkAddress Mac, bool Holds) : GuardEvent;

/// <summary>Whether the lease may be renewed; a reason: it may not.</summary>
public sealed record RightChanged(string? Denied) : GuardEvent;

/// <summary>Stations of the cluster's nodes, also of those that are away.</summary>
public sealed record MembersChanged(IReadOnlyDictionary<LinkAddress, GuardMember> Members) : GuardEvent;

/// <summary>How <see cref="PlaceTicket"/> with <c>Confirm</c> ended; an error: it did not.</summary>
public sealed record TicketPlaced(string? Error) : GuardEvent;

/// <summary>How <see cref="Activate"/> ended.</summary>
public sealed record Activated(ActivationResult Result, string Error = "") : GuardEvent;

/// <summary>How <see cref="RenewLease"/> ended; false: the kernel's lease was over.</summary>
public sealed record LeaseRenewed(bool Renewed) : GuardEvent;

/// <summary>A probe could not be sent.</summary>
public sealed record ProbeFailed(string Error) : GuardEvent;

/// <summary>The time that <see cref="AddressGuard.NextAt"/> named has come.</summary>
public sealed record GuardTick : GuardEvent;

/// <summary>How an activation ended.</summary>
public enum ActivationResult
{
    Done,

    /// <summary>The ticket had run out: the kernel refused the lease.</summary>
    TooLate,
    Failed,
}

/// <summary>Something the host must do, in order.</summary>
public abstract record GuardEffect;

/// <summary>Ask the segment, or one station only.</summary>
/// <param name="Claiming">To take it; else only to know.</param>
public sealed record SendProbe(bool Claiming, LinkAddress? To = null) : GuardEffect;

/// <summary>
/// Put a ticket into the kernel that runs out by itself: <see cref="Activate"/> only works while it is there.
/// </summary>
/// <param name="Confirm">Hand over what has been heard, then a <see cref="TicketPlaced"/>.</param>
public sealed record PlaceTicket(int Ms, bool Confirm) : GuardEffect;

/// <summary>Set the address and turn the ticket into a lease, then hand over <see cref="Activated"/>.</summary>
public sealed record Activate : GuardEffect;

/// <summary>Make the lease last anew if it is not over, then hand over <see cref="LeaseRenewed"/>.</summary>
public sealed record RenewLease : GuardEffect;

/// <summary>End the lease at once.</summary>
public sealed record DropLease : GuardEffect;

/// <summary>Take the address off the interface, if it is there.</summary>
public sealed record RemoveAddress : GuardEffect;

/// <summary>Begin to announce.</summary>
public sealed record BeginAnnouncing : GuardEffect;

/// <summary>Announce once, against a stranger.</summary>
public sealed record Defend : GuardEffect;

/// <summary>Ask the daemon of that station whether it holds the address.</summary>
public sealed record AskHolder(LinkAddress Mac) : GuardEffect;

/// <summary>The take ended; a reason: it was refused.</summary>
public sealed record TakeAnswered(string? Refused) : GuardEffect;

/// <summary>A held address was lost: a monitor must say so.</summary>
public sealed record AddressLost(string Reason) : GuardEffect;

/// <summary>A line for the log and a count.</summary>
public sealed record GuardReport(GuardNotice Notice, string Text) : GuardEffect;

/// <summary>What the guard reports; each has a counter.</summary>
public enum GuardNotice
{
    /// <summary>A take was refused: a member holds the address.</summary>
    Refused,

    /// <summary>A station that is no member has the address.</summary>
    Conflict,

    /// <summary>Another member takes it at the same time, and goes first.</summary>
    Yielded,

    /// <summary>The verdict was too old when it could have been used.</summary>
    LateActivation,

    /// <summary>A holder's kernel answers, its daemon does not.</summary>
    HolderFrozen,

    /// <summary>Something answers for a station that does not answer itself.</summary>
    AnsweredByCache,

    /// <summary>The lease ran out.</summary>
    LeaseLost,

    /// <summary>A member announced the address that this node holds.</summary>
    Contested,
}
