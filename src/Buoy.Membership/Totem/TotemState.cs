namespace Buoy.Membership.Totem;

/// <summary>The paper's states of one processor.</summary>
public enum TotemState : byte
{
    /// <summary>A ring is installed: the token goes round, messages are ordered and delivered.</summary>
    Operational,

    /// <summary>Joins are exchanged until all considered nodes propose the same membership.</summary>
    Gather,

    /// <summary>A membership is agreed; the commit token makes its first rotation.</summary>
    Commit,

    /// <summary>The new ring runs, only to exchange what members of the same old ring miss of it.</summary>
    Recovery,
}

/// <summary>Deadlines of the core. Each is pending at most once.</summary>
public enum TotemTimer
{
    Probe,
    SendJoin,
    TokenLoss,
    TokenRetransmit,
    TokenWarning,
    Hold,
    Merge,
    Join,
    Consensus,
    Silence,
}
