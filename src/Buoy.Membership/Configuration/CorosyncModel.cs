using Buoy.Membership.Links;
using Buoy.Membership.Quorum;
using Buoy.Membership.Totem;

namespace Buoy.Membership.Configuration;

/// <summary>How datagrams travel.</summary>
public enum TransportKind
{
    /// <summary>
    /// UDP multicast (udp; or an interface with mcastaddr and no transport, as version-2 files of old).
    /// </summary>
    Multicast,

    /// <summary>UDP unicast to the node list (udpu).</summary>
    Unicast,

    /// <summary>knet's place: UDP unicast to the node list, over one to eight links.</summary>
    Knet,
}

/// <summary>What is to be encrypted and authenticated with.</summary>
/// <param name="KeyBits">AES key size; 0 = no encryption.</param>
/// <param name="Hash">none, sha1, sha256, sha384 or sha512.</param>
public sealed record CryptoSettings(int KeyBits, string Hash)
{
    /// <summary>Any protection at all.</summary>
    public bool Enabled => Hash != "none";
}

/// <summary>ip_version: which address of a name is taken.</summary>
public enum IpVersion
{
    V4,
    V6,

    /// <summary>The first IPv4 address, else the first IPv6 one.</summary>
    V4Then6,

    /// <summary>The first IPv6 address, else the first IPv4 one.</summary>
    V6Then4,
}

/// <summary>A link: interface {} of totem {}, or its defaults where only the node list names it.</summary>
public sealed record InterfaceSettings
{
    public int LinkNumber { get; init; }

    /// <summary>Of several links that are up, passive mode uses the one with the highest.</summary>
    public int Priority { get; init; } = 1;

    /// <summary>Between pings of a link, ms.</summary>
    public int PingInterval { get; init; } = 750;

    /// <summary>Without an answer for so long a link is down, ms.</summary>
    public int PingTimeout { get; init; } = 1500;

    /// <summary>Answers in a row that make a link up.</summary>
    public int PongCount { get; init; } = 2;

    /// <summary>Latencies the mean is taken over.</summary>
    public int PingPrecision { get; init; } = 2048;

    /// <summary>Address or network to bind to; null where only the node list says.</summary>
    public string? BindNetAddr { get; init; }
    public string? McastAddr { get; init; }
    public int McastPort { get; init; } = 5405;
    public int Ttl { get; init; } = 1;
}

/// <summary>node {} of nodelist {}.</summary>
public sealed record NodeSettings
{
    /// <summary>0 where it is not given.</summary>
    public uint NodeId { get; init; }

    /// <summary>name, else ring0_addr.</summary>
    public required string Name { get; init; }

    /// <summary>ring0_addr and further, one per link.</summary>
    public required IReadOnlyList<string> Addresses { get; init; }
    public int Votes { get; init; } = 1;
    public int Line { get; init; }
}

/// <summary>logging {}; what the daemon's log does. Subsystems override debug only.</summary>
public sealed record LoggingSettings
{
    public bool ToStderr { get; init; } = true;
    public bool ToLogfile { get; init; }
    public string? Logfile { get; init; }
    public bool ToSyslog { get; init; } = true;
    public string SyslogFacility { get; init; } = "daemon";
    public string SyslogPriority { get; init; } = "info";
    public string LogfilePriority { get; init; } = "info";
    public bool Debug { get; init; }

    /// <summary>off, on or hires.</summary>
    public string Timestamp { get; init; } = "hires";
    public bool FileLine { get; init; }
    public IReadOnlyDictionary<string, bool> SubsystemDebug { get; init; } = new Dictionary<string, bool>();
}

/// <summary>corosync.conf(5), understood. <see cref="Load"/> reads a file.</summary>
public sealed record CorosyncConfig
{
    /// <summary>Where Corosync keeps its configuration.</summary>
    public const string DefaultPath = "/etc/corosync/corosync.conf";

    /// <summary>File as it was named.</summary>
    public required string File { get; init; }
    public required string ClusterName { get; init; }
    public required TransportKind Transport { get; init; }
    public required CryptoSettings Crypto { get; init; }

    /// <summary>keyfile of totem {}; null where not given.</summary>
    public string? KeyFile { get; init; }

    /// <summary>key of totem {}: the secret itself; null where not given. keyfile goes before it.</summary>
    public string? Key { get; init; }

    /// <summary>Link 0.</summary>
    public InterfaceSettings Interface => Links[0];

    /// <summary>All links, by number; one unless the transport is knet.</summary>
    public required IReadOnlyList<InterfaceSettings> Links { get; init; }
    public LinkMode LinkMode { get; init; }

    /// <summary>config_version; 0 = not compared.</summary>
    public ulong ConfigVersion { get; init; }
    public IpVersion IpVersion { get; init; }

    /// <summary>knet_mtu, bytes; 0 = measured.</summary>
    public int KnetMtu { get; init; }

    /// <summary>knet_pmtud_interval, ms: how often the paths' MTU is measured.</summary>
    public int PmtudInterval { get; init; } = 30_000;
    public required IReadOnlyList<NodeSettings> Nodes { get; init; }
    public required TotemParameters Totem { get; init; }
    public required QuorumSettings Quorum { get; init; }
    public required LoggingSettings Logging { get; init; }

    /// <summary>downcheck, ms: how often a missing interface is looked for.</summary>
    public int DownCheck { get; init; } = 1000;

    /// <summary>netmtu, bytes of one datagram with its IP header.</summary>
    public int NetMtu { get; init; } = 1500;
    public bool ClearNodeHighBit { get; init; }
    public bool BlockUnlistedIps { get; init; } = true;

    /// <summary>For people: file:line: what is accepted but has no effect, or is doubtful.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>
    /// Reads a file. Throws <see cref="CorosyncConfigException"/>, or IOException where it cannot be read.
    /// </summary>
    public static CorosyncConfig Load(string path) => Parse(System.IO.File.ReadAllText(path), path);

    /// <summary>Reads a text; <paramref name="file"/> names it in messages.</summary>
    public static CorosyncConfig Parse(string text, string file) => new CorosyncConfigReader(text, file).Read();
}
