using Buoy.Linux;
using Buoy.Membership.Configuration;

namespace Buoy.Membership.Host;

/// <summary>What a ring engine is made of. Either <see cref="Config"/> or <see cref="ConfigPath"/> is used.</summary>
public sealed record RingOptions
{
    /// <summary>corosync.conf; read again by <see cref="RingEngine.Reload"/>.</summary>
    public string ConfigPath { get; init; } = CorosyncConfig.DefaultPath;

    /// <summary>A configuration already read; then the path only serves <see cref="RingEngine.Reload"/>.</summary>
    public CorosyncConfig? Config { get; init; }

    /// <summary>The key file; null = totem.keyfile, else /etc/corosync/authkey.</summary>
    public string? AuthkeyPath { get; init; }

    /// <summary>Where the ring seq is kept; null = BUOY_STATE, else /var/lib/corosync.</summary>
    public string? StateFolder { get; init; }

    /// <summary>Name of this host; null = what the kernel says.</summary>
    public string? LocalName { get; init; }

    /// <summary>Receives lines for the log: warning or not, text. On the loop's thread.</summary>
    public Action<bool, string> Log { get; init; } = static (_, _) => { };

    /// <summary>
    /// Called when this node must not go on (its configuration is older than the cluster's); null = it leaves and stays
    /// alone. On the loop's thread.
    /// </summary>
    public Action<string>? Fatal { get; init; }

    /// <summary>Faults that tests inject: true = a datagram that came over this link from there is lost.</summary>
    internal Func<int, UdpEndpoint, bool>? Loses { get; init; }
}
