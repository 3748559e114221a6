using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary>agent-check of a server line (configuration manual 5.2). Times in ms.</summary>
public sealed record AgentConfig
{
    /// <summary>agent-addr; null = the server's address.</summary>
    public IPAddress? Address { get; init; }

    /// <summary>agent-port; 0 = not given.</summary>
    public int Port { get; init; }

    /// <summary>agent-inter; null = <c>inter</c>.</summary>
    public int? Inter { get; init; }

    /// <summary>agent-send.</summary>
    public byte[] Send { get; init; } = [];
}

/// <summary>observe: which errors of the traffic count.</summary>
public enum ObserveMode
{
    None,
    Layer4,
    Layer7,
}

/// <summary>on-error: what is done when too many errors were observed.</summary>
public enum ErrorAction
{
    /// <summary>A failed check; the default.</summary>
    FailCheck,

    /// <summary>Only the next check comes sooner.</summary>
    FastInter,

    /// <summary>One more failed check takes the server down.</summary>
    SuddenDeath,

    /// <summary>Down at once.</summary>
    MarkDown,
}
