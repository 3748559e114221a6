using System.Net;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Health;

namespace Buoy.Balancer.Control;

/// <summary>A server's agent at work (configuration manual 5.2 <c>agent-check</c>); its health counter is the
/// server's.</summary>
public sealed class AgentState(AgentConfig config)
{
    /// <summary>Its settings in the configuration.</summary>
    public AgentConfig Config => config;

    /// <summary>Not switched off by <c>disable agent</c>.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>It is being asked.</summary>
    public bool Running { get; set; }

    /// <summary>Where it is asked; null = at the server's address.</summary>
    public IPAddress? Address { get; set; } = config.Address;

    /// <summary>Its port.</summary>
    public int Port { get; set; } = config.Port;

    /// <summary>What it is told before it answers.</summary>
    public byte[] Send { get; set; } = config.Send;

    /// <summary>The last outcome.</summary>
    public CheckStatus Status { get; set; } = CheckStatus.Initializing;

    /// <summary>What it said.</summary>
    public string Info { get; set; } = "";

    /// <summary>How long it took, ms.</summary>
    public long Duration { get; set; }
}
