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
