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
}
