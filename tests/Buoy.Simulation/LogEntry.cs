using Buoy.Membership;
using Buoy.Membership.Totem;

namespace Buoy.Simulation;

/// <summary>One line of a node's history.</summary>
internal abstract record LogEntry(long At);

/// <summary>The process began (again).</summary>
internal sealed record Started(long At) : LogEntry(At);

/// <summary>The process ended without a word, or left.</summary>
internal sealed record Ended(long At) : LogEntry(At);

/// <summary>A configuration change was delivered; for a regular one, what the disk held then.</summary>
internal sealed record Configured(long At, ConfigurationChange Change, ulong Stored) : LogEntry(At);

/// <summary>A message was delivered.</summary>
internal sealed record Delivered(long At, RegularMessage Message) : LogEntry(At);

/// <summary>A message was broadcast for the first time.</summary>
internal sealed record Originated(long At, RegularMessage Message) : LogEntry(At);

/// <summary>A view was given, with the verdict of quorum at that moment.</summary>
internal sealed record Viewed(long At, ClusterView View) : LogEntry(At);

/// <summary>The core wrote a line for people.</summary>
internal sealed record Noted(long At, string Text) : LogEntry(At);

/// <summary>Quorum changed without a new ring.</summary>
internal sealed record QuorumChanged(long At, bool Quorate) : LogEntry(At);
