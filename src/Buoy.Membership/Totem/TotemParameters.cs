namespace Buoy.Membership.Totem;

/// <summary>Limits of the protocol: one place, each with its derivation.</summary>
public static class TotemLimits
{
    /// <summary>Members in one set; Corosync's PROCESSOR_COUNT_MAX.</summary>
    public const int Members = 384;

    /// <summary>Retransmission requests in one token; as Corosync. The token stays within one datagram.</summary>
    public const int RetransmitRequests = 30;

    /// <summary>Messages between a ring's low and high water mark; bounds the store behind a deaf member.</summary>
    public const int RetransmitWindow = 16384;

    /// <summary>A ring seq this far above all known ones is a fault: a thousand rings a second for weeks.</summary>
    public const ulong RingSeqJump = 1UL << 32;

    /// <summary>Highest ring seq and message number believed; arithmetic beyond it cannot overflow.</summary>
    public const ulong Mark = 1UL << 62;

    /// <summary>Contents of one regular message: a UDP datagram less all headers.</summary>
    public const int Contents = 60000;

    /// <summary>
    /// Bytes of contents that flow control counts as one message: an Ethernet's datagram. A larger message counts as
    /// several, so that members with unlike MTUs mean the same by the token's sums.
    /// </summary>
    public const int FlowUnit = 1500;

    /// <summary>
    /// Bytes one visit of the token may put into the kernel's buffers (corosync.conf(5): max_messages, window_size).
    /// </summary>
    public const int VisitBytes = 256_000;

    /// <summary>Longest time foreign traffic of a peer is left alone after fruitless merges, ms.</summary>
    public const long MergeBackoff = 10_000;

    /// <summary>Fruitless merges with a peer before the first pause.</summary>
    public const int FruitlessMerges = 3;

    /// <summary>A ring seq grows by this much per ring, so that transitional ids fit between.</summary>
    public const ulong RingSeqStep = 4;
}

/// <summary>
/// Timers (ms) and constants of totem {} in corosync.conf(5), already effective: the configuration room computes
/// defaults.
/// </summary>
public sealed record TotemParameters
{
    public int Token { get; init; } = 3000;
    public int TokenRetransmit { get; init; } = 714;
    public int TokenWarningPercent { get; init; } = 75;
    public int Hold { get; init; } = 561;
    public int Join { get; init; } = 50;
    public int SendJoin { get; init; }
    public int Consensus { get; init; } = 3600;
    public int Merge { get; init; } = 200;
    public int FailRecvConst { get; init; } = 2500;
    public int SeqnoUnchangedConst { get; init; } = 30;
    public int WindowSize { get; init; } = 50;
    public int MaxMessages { get; init; } = 17;

    /// <summary>
    /// Units (<see cref="TotemLimits.FlowUnit"/>) that one message of <see cref="WindowSize"/> and <see
    /// cref="MaxMessages"/> stands for. Corosync counts messages of netmtu bytes, which over knet are far larger than a
    /// datagram; ours are datagrams, so a count taken literally would make every visit of the token a small one.
    /// </summary>
    public int MessageUnits { get; init; } = 1;

    public int MissCountConst { get; init; } = 5;
    public bool CancelTokenHoldOnRetransmit { get; init; }

    /// <summary>Accuse the silent at once, rather than when Consensus runs out.</summary>
    public bool SilenceRule { get; init; } = true;

    /// <summary>
    /// Between probes, ms: eight or more fit into one token time-out. Not oftener than needed for that: probes are
    /// most of an
    /// idle ring's work, and detection counts from the last one heard, so that a longer interval makes it no slower.
    /// </summary>
    public int ProbeInterval => Math.Max(5, Math.Min(TokenRetransmit, Token / 8));

    /// <summary>
    /// Probes name the sender's ring as MergeDetect does; where they are about as frequent it is not sent besides.
    /// </summary>
    public bool ProbesDetectMerges => ProbeInterval <= 2 * Merge;

    /// <summary>Units all members may send in one rotation of the token.</summary>
    public long Window => (long)WindowSize * MessageUnits;

    /// <summary>Units one member may send in one visit of the token.</summary>
    public long VisitWindow => (long)MaxMessages * MessageUnits;

    /// <summary>A tick later than this makes the node doubt itself rather than its peers, ms.</summary>
    public int LateLimit => Math.Min(ProbeInterval, Token / 8);

    /// <summary>A peer that echoed none of my probes for this long is not reachable both ways, ms.</summary>
    public int LinkTimeout => Math.Max(Token / 2, 4 * ProbeInterval);

    /// <summary>To tell members whose timers differ.</summary>
    public uint Digest => unchecked(((((((uint)Token * 31) + (uint)Consensus) * 31) + (uint)Hold) * 31) + (uint)Join);
}
