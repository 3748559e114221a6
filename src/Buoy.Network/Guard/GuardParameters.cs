namespace Buoy.Network.Guard;

/// <summary>The guard's times, all in ms. The defaults are measured ones; LIFECYCLE.md tells where each comes
/// from.</summary>
public sealed record GuardParameters
{
    /// <summary>Probes of a window: three miss a holder that loses 30 % of its packets once in forty, five once in
    /// four hundred.</summary>
    public int Probes { get; init; } = 3;

    /// <summary>Between probes.</summary>
    public int ProbeIntervalMs { get; init; } = 40;

    /// <summary>Silence after the last probe that makes the address free (a live kernel answers within 1 ms).</summary>
    public int ProbeWaitMs { get; init; } = 80;

    /// <summary>What the kernel keeps the address for without being told again.</summary>
    public int LeaseMs { get; init; } = 1000;

    /// <summary>How often the kernel is told.</summary>
    public int RenewMs { get; init; } = 250;

    /// <summary>How long the one that yields stays silent: longer than a window of the other.</summary>
    public int BackOffMs { get; init; } = 200;

    /// <summary>After the end of a window its verdict holds this long.</summary>
    public int ActivateWithinMs { get; init; } = 10;

    /// <summary>
    /// How long after a holder's own word that it gave the address up nothing needs to be asked: less than the window
    /// of
    /// somebody who began to ask at that moment.
    /// </summary>
    public int ReleasedWithinMs { get; init; } = 120;

    /// <summary>From window to window while a holder answers whose daemon does not.</summary>
    public int FrozenRetryMs { get; init; } = 200;

    /// <summary>Leases after which a kernel that still answers will not stop by itself.</summary>
    public int FrozenLeases { get; init; } = 2;

    /// <summary>Probes to the answering station alone.</summary>
    public int UnicastTries { get; init; } = 3;

    /// <summary>
    /// Windows in which a station was answered for, but did not answer itself, until what answers counts as a cache.
    /// One
    /// would do on a segment that loses nothing.
    /// </summary>
    public int CacheWindows { get; init; } = 3;

    /// <summary>Questions to the holder's daemon, and the wait for each.</summary>
    public int Questions { get; init; } = 3;

    /// <inheritdoc cref="Questions"/>
    public int QuestionMs { get; init; } = 100;

    /// <summary>At most one defence against a stranger in this time (RFC 5227 section 2.4, DEFEND_INTERVAL).</summary>
    public int DefendEveryMs { get; init; } = 10_000;

    /// <summary>From the first probe to the verdict.</summary>
    public int WindowMs => ((Probes - 1) * ProbeIntervalMs) + ProbeWaitMs;
}
