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

    /// <summary>knet's place: UDP unicast to the node list on link 0.</summary>
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

/// <summary>interface {} of totem {}.</summary>
public sealed record InterfaceSettings
{
    public int LinkNumber { get; init; }

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

    /// <summary>ring0_addr and further.</summary>
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
    public required InterfaceSettings Interface { get; init; }
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
