namespace Buoy.Membership.Quorum;

/// <summary>quorum {} of corosync.conf, as votequorum(5) means it.</summary>
public sealed record QuorumSettings
{
    /// <summary>False where no provider is configured: every view is quorate.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Votes of all nodes together.</summary>
    public required int ExpectedVotes { get; init; }

    /// <summary>Votes of this node where no node list gives them.</summary>
    public int DefaultVotes { get; init; } = 1;

    /// <summary>One of two is enough. Implies wait_for_all unless that is given.</summary>
    public bool TwoNode { get; init; }

    /// <summary>Quorate only after all were seen together.</summary>
    public bool WaitForAll { get; init; }

    /// <summary>Expected votes follow a shrinking cluster, a window after each loss.</summary>
    public bool LastManStanding { get; init; }

    /// <summary>The window, ms.</summary>
    public int LastManStandingWindow { get; init; } = 10_000;

    /// <summary>Who decides between two halves; null = nobody.</summary>
    public TieBreaker? AutoTieBreaker { get; init; }

    /// <summary>Expected votes fall to what is present, not below the configured, when a node leaves cleanly.</summary>
    public bool AllowDownscale { get; init; }

    /// <summary>The highest expected votes ever seen are kept on disk and are a floor after a restart.</summary>
    public bool ExpectedVotesTracking { get; init; }

    /// <summary>Votes a quorum device may cast; contained in <see cref="ExpectedVotes"/>. 0 = no device.</summary>
    public int DeviceVotes { get; init; }
}

/// <summary>auto_tie_breaker_node: lowest, highest, or a list of ids in order of preference.</summary>
public sealed record TieBreaker(bool Highest, IReadOnlyList<uint> List)
{
    /// <summary>
    /// Whether a half may carry on. Lowest and highest are taken over the membership when last quorate; of a list the
    /// first one
    /// present counts, unless one listed before it was in the membership before.
    /// </summary>
    public bool Favours(IReadOnlyCollection<uint> present, IReadOnlyCollection<uint> before,
        IReadOnlyCollection<uint> lastQuorate)
    {
        if (List.Count == 0)
        {
            return lastQuorate.Count > 0 && present.Contains(Highest ? lastQuorate.Max() : lastQuorate.Min());
        }

        foreach (uint id in List)
        {
            if (present.Contains(id))
            {
                return true;
            }

            if (before.Contains(id))
            {
                return false;
            }
        }

        return false;
    }
}
