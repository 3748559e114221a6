namespace Buoy.Membership.Links;

/// <summary>link_mode: which of the links that are up carry a datagram.</summary>
public enum LinkMode
{
    /// <summary>The one with the highest priority; of equals the lowest number.</summary>
    Passive,

    /// <summary>All of them; the receiver drops the repeats.</summary>
    Active,

    /// <summary>The next one, datagram by datagram.</summary>
    RoundRobin,
}

/// <summary>What the monitor needs of a link (ms).</summary>
public sealed record LinkParameters(int Priority, int PingInterval, int PingTimeout, int PongCount, int PingPrecision);

/// <summary>What the host must do after a step of the monitor, in the order listed.</summary>
public abstract record LinkEffect;

/// <summary>Send a ping over a link.</summary>
/// <param name="Size">0, or bytes the IP packet has to have, sent without fragmentation: it measures the path.</param>
public sealed record SendPing(int Link, uint NodeId, ulong Number, int Size) : LinkEffect;

/// <summary>A link to a peer came up or went down.</summary>
public sealed record LinkChanged(int Link, uint NodeId, bool Up, string Reason) : LinkEffect;

/// <summary>A path's MTU was measured anew, bytes of an IP packet.</summary>
public sealed record MtuChanged(int Link, uint NodeId, int Mtu) : LinkEffect;
