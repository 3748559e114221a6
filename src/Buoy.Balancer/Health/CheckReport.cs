using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Health;

/// <summary>How a check ended.</summary>
/// <param name="Code">Status code, exit code; 0 = none.</param>
/// <param name="Info">What logs and <c>last_chk</c> add to the outcome.</param>
public sealed record CheckReport(CheckStatus Status, int Code, string Info)
{
    /// <summary>An agent's answer; null for other checks.</summary>
    public AgentReply? Agent { get; init; }
}

/// <summary>What the host is to do next.</summary>
public enum CheckAct
{
    /// <summary>Wait for bytes, and tell of them.</summary>
    Read,

    /// <summary>Close what is open, connect anew.</summary>
    Connect,

    /// <summary>Send all of these bytes, then tell.</summary>
    Send,

    /// <summary>It is over.</summary>
    Done,
}

/// <summary>The effect of a step.</summary>
/// <param name="Connect">To connect: the rule; null = as the server line says.</param>
/// <param name="Data">To send.</param>
/// <param name="Report">When done.</param>
public readonly record struct CheckEffect(
    CheckAct Act, CheckConnect? Connect = null, byte[]? Data = null, CheckReport? Report = null);
