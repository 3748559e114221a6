using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary>Whose address a connection to a server pretends to come from (configuration manual 4.2 "source").</summary>
public enum UseSource
{
    /// <summary>Its own.</summary>
    None,

    /// <summary>The client's address and port.</summary>
    Client,

    /// <summary>The client's address, any port.</summary>
    ClientIp,

    /// <summary>One that is given.</summary>
    Address,
}

/// <summary>Where connections to a server come from (configuration manual 4.2 and 5.2 "source").</summary>
/// <param name="Address">Own address to bind; any = the kernel's choice.</param>
/// <param name="Port">First port of a range, 0 = any.</param>
/// <param name="LastPort">Last port of the range.</param>
public sealed record SourceConfig(IPAddress Address, int Port, int LastPort)
{
    /// <summary>usesrc.</summary>
    public UseSource Use { get; init; }

    /// <summary>What is pretended with <see cref="UseSource.Address"/>.</summary>
    public IPEndPoint? UseAddress { get; init; }

    /// <summary>interface; null = any.</summary>
    public string? Interface { get; init; }

    /// <summary>A connection is of one client only.</summary>
    public bool IsClients => Use is UseSource.Client or UseSource.ClientIp;
}
