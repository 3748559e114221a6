using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary>
/// haproxy.cfg, read: the immutable model that everything behind the parser works on. Times are milliseconds, sizes bytes;
/// null means "not set". Indexes are positions in the lists of <see cref="BalancerConfig"/>.
/// </summary>
public sealed record BalancerConfig
{
    public required GlobalConfig Global { get; init; }

    /// <summary>frontend, backend and listen sections in file order; a listen section is one entry that is both.</summary>
    public required IReadOnlyList<ProxyConfig> Proxies { get; init; }
    public IReadOnlyList<ResolversConfig> Resolvers { get; init; } = [];
    public IReadOnlyList<UserListConfig> UserLists { get; init; } = [];
    public IReadOnlyList<RingConfig> Rings { get; init; } = [];
    public IReadOnlyList<LogForwardConfig> LogForwards { get; init; } = [];

    /// <summary>Maps and lists of patterns; the runtime API and rules change their contents.</summary>
    internal Rules.Patterns.PatternStore Patterns { get; init; } = new();

    /// <summary>global set-var and set-var-fmt: run once, before the first connection.</summary>
    internal IReadOnlyList<Rules.Rule> Variables { get; init; } = [];

    /// <summary>What state files say of servers, by backend and server.</summary>
    public IReadOnlyDictionary<(string, string), SavedServer> SavedServers { get; init; } =
        new Dictionary<(string, string), SavedServer>();

    /// <summary>All servers of all proxies in order; <see cref="ServerConfig.Index"/> is the position here.</summary>
    public required ServerList Servers { get; init; }

    /// <summary>All bind addresses of all proxies in order; <see cref="BindConfig.Index"/> is the position here.</summary>
    public required IReadOnlyList<BindConfig> Binds { get; init; }
}

/// <summary>Where in the configuration something stands, for messages.</summary>
public readonly record struct SourcePlace(string File, int Line)
{
    /// <inheritdoc/>
    public override string ToString() => $"{File}:{Line}";
}

/// <summary>The global section (configuration manual, chapter 3).</summary>
public sealed record GlobalConfig
{
    public IReadOnlyList<LogTargetConfig> Logs { get; init; } = [];
    public string? LogTag { get; init; }
    public string? LogSendHostname { get; init; }
    public string? Chroot { get; init; }
    public string? User { get; init; }
    public string? Group { get; init; }
    public int? Uid { get; init; }
    public int? Gid { get; init; }
    public bool Daemon { get; init; }
    public string? PidFile { get; init; }
    public int? NbThread { get; init; }
    public int? MaxConn { get; init; }
    public int? UlimitN { get; init; }
    public int StatsTimeout { get; init; } = 10_000;
    public int? StatsMaxConn { get; init; }
    public IReadOnlyList<StatsSocketConfig> StatsSockets { get; init; } = [];
    public string? CaBase { get; init; }
    public string? CrtBase { get; init; }
    public string? NodeName { get; init; }
    public string? Description { get; init; }
    public int? HardStopAfter { get; init; }

    /// <summary>Wait between the request for a soft stop and the stop, ms.</summary>
    public int Grace { get; init; }
    public bool MasterWorker { get; init; }

    /// <summary>master-worker no-exit-on-failure.</summary>
    public bool NoExitOnFailure { get; init; }

    /// <summary>Reloads that a worker may survive; null = any number.</summary>
    public int? MaxReloads { get; init; }
    public int SpreadChecks { get; init; }

    /// <summary>server-state-file; null = none.</summary>
    public string? ServerStateFile { get; init; }

    /// <summary>max-spread-checks, ms; null = none.</summary>
    public int? MaxSpreadChecks { get; init; }

    /// <summary>external-check: programs may be run as checks.</summary>
    public bool ExternalCheck { get; init; }

    /// <summary>insecure-fork-wanted.</summary>
    public bool InsecureForkWanted { get; init; }
    public int BufferSize { get; init; } = 16384;

    /// <summary>Accepted settings without effect here or kept for later (ssl-default-*, tune.*), by keyword.</summary>
    public IReadOnlyDictionary<string, string> Kept { get; init; } = new Dictionary<string, string>();
}

/// <summary>A <c>log</c> line's target.</summary>
/// <param name="Address">Path of a Unix datagram socket, <c>host:port</c> for UDP, <c>stdout</c>, <c>stderr</c>, <c>fd@N</c>, <c>ring@NAME</c>.</param>
/// <param name="Format">rfc3164, rfc5424, short, raw, timed, iso, priority, local; empty = not given.</param>
/// <param name="Facility">0 (kern) … 23 (local7).</param>
/// <param name="MaxLevel">Highest severity number sent, 0 (emerg) … 7 (debug).</param>
/// <param name="MinLevel">Lowest severity number sent as itself.</param>
/// <param name="Length">Longest line.</param>
public sealed record LogTargetConfig(
    string Address, string Format, int Facility, int MaxLevel, int MinLevel, int Length, SourcePlace Place)
{
    /// <summary><c>sample</c>; null = every message.</summary>
    public Logging.LogSampling? Sampling { get; init; }
}

/// <summary>A <c>stats socket</c> of the global section.</summary>
/// <param name="Level">user, operator, admin.</param>
/// <param name="Mode">Octal permission bits, null = umask decides.</param>
public sealed record StatsSocketConfig(
    string Address, string Level, int? Mode, string? User, string? Group, bool ExposeListeners, SourcePlace Place);

/// <summary>What a section is.</summary>
public enum ProxyKind { Frontend, Backend, Listen }

/// <summary>mode tcp, mode http.</summary>
public enum ProxyMode { Tcp, Http }

/// <summary>A frontend, backend or listen section with its defaults applied.</summary>
public sealed record ProxyConfig
{
    /// <summary>Position in <see cref="BalancerConfig.Proxies"/>.</summary>
    public required int Index { get; init; }

    /// <summary>HAProxy's id (iid): counted from 2 for the first section, after the internal ones, unless <c>id</c> is given.</summary>
    public required int Id { get; init; }

    /// <summary><see cref="Id"/> was given by <c>id</c>.</summary>
    public bool ForcedId { get; init; }
    public required string Name { get; init; }
    public required ProxyKind Kind { get; init; }
    public required ProxyMode Mode { get; init; }
    public required SourcePlace Place { get; init; }
    public bool HasFrontend => Kind != ProxyKind.Backend;
    public bool HasBackend => Kind != ProxyKind.Frontend;
    public bool Disabled { get; init; }
    public IReadOnlyList<BindConfig> Binds { get; init; } = [];
    public ServerList Servers { get; init; } = [];

    /// <summary>source; null = the kernel chooses where connections come from.</summary>
    public SourceConfig? Source { get; init; }

    /// <summary>Index of the default backend (itself for listen with servers); null = none.</summary>
    public int? DefaultBackend { get; init; }
    public TimeoutsConfig Timeouts { get; init; } = new();
    public int MaxConn { get; init; }
    public int? Backlog { get; init; }
    public int Retries { get; init; } = 3;

    /// <summary>Redispatch after that many retries: -1 = at the last one (option redispatch), 0 = never.</summary>
    public int Redispatch { get; init; }
    public BalanceConfig Balance { get; init; } = new("roundrobin", null);
    public CookieConfig? Cookie { get; init; }
    public StickTables.StickTableConfig? StickTable { get; init; }

    /// <summary>stick lines in order.</summary>
    internal IReadOnlyList<Rules.StickRule> StickRules { get; init; } = [];
    public RetryOn RetryOn { get; init; } = RetryOn.ConnectFailure;

    /// <summary>Load at which servers with a minconn reach their maxconn; null = a tenth of what may come.</summary>
    public int? FullConn { get; init; }

    /// <summary>option http-buffer-request: a request goes on once its body is here, or the buffer is full.</summary>
    public bool BufferRequest { get; init; }

    /// <summary>option http-pretend-keepalive: servers are not told that their connection ends.</summary>
    public bool PretendKeepAlive { get; init; }

    /// <summary>option idle-close-on-response: a soft stop lets idle clients have one more answer.</summary>
    public bool IdleCloseOnResponse { get; init; }

    /// <summary>option prefer-last-server.</summary>
    public bool PreferLastServer { get; init; }

    /// <summary>option persist: a cookie's server is tried even when it is down.</summary>
    public bool Persist { get; init; }
    public HashTypeConfig HashType { get; init; } = new(false, HashFunction.Sdbm, false);

    /// <summary>hash-balance-factor in per cent of the average load, 0 = none.</summary>
    public int BalanceFactor { get; init; }

    /// <summary>Log targets, <c>log global</c> already replaced by the global ones.</summary>
    public IReadOnlyList<LogTargetConfig> Logs { get; init; } = [];
    public LogFormatKind LogFormat { get; init; } = LogFormatKind.None;

    /// <summary>The formats of its own; null where there are none.</summary>
    internal ProxyFormats? Formats { get; init; }

    /// <summary>log-tag of the section; null = the global one.</summary>
    public string? LogTag { get; init; }

    /// <summary>unique-id-header, null = none.</summary>
    public string? UniqueIdHeader { get; init; }

    /// <summary>option log-separate-errors</summary>
    public bool LogSeparateErrors { get; init; }
    public bool DontLogNull { get; init; }
    public bool DontLogNormal { get; init; }
    public bool LogAsap { get; init; }
    public bool LogHealthChecks { get; init; }
    public CheckKind Check { get; init; } = CheckKind.Tcp;
    public HttpCheckConfig? HttpCheck { get; init; }

    /// <summary>The rules of its checks and what their options say.</summary>
    public CheckRulesConfig CheckRules { get; init; } = new();

    /// <summary>Was <c>option tcp-check</c> given? The check is the same without it, its messages name the step with it.</summary>
    public bool TcpCheckOption { get; init; }
    public bool TcpKeepAliveClient { get; init; }
    public bool TcpKeepAliveServer { get; init; }
    public bool SpliceRequest { get; init; }
    public bool SpliceResponse { get; init; }
    public bool SpliceAuto { get; init; }
    public bool AbortOnClose { get; init; }
    public bool AllBackups { get; init; }

    /// <summary>Status code to the complete response of <c>errorfile</c>.</summary>
    public IReadOnlyDictionary<int, byte[]> ErrorFiles { get; init; } = new Dictionary<int, byte[]>();
    public StatsConfig? Stats { get; init; }
    public HttpConnectionMode HttpConnection { get; init; } = HttpConnectionMode.KeepAlive;
    public HttpReuse HttpReuse { get; init; } = HttpReuse.Safe;
    public ForwardForConfig? ForwardFor { get; init; }

    /// <summary>option originalto: as <see cref="ForwardFor"/>, of the address that the client connected to.</summary>
    public ForwardForConfig? OriginalTo { get; init; }

    /// <summary>http-send-name-header: the field that tells the server its name; null = none.</summary>
    public string? SendNameHeader { get; init; }

    /// <summary>option http-ignore-probes: a connection over which no request came is not spoken of.</summary>
    public bool IgnoreProbes { get; init; }

    /// <summary>rate-limit sessions: new sessions per second that a frontend takes, 0 = any number.</summary>
    public int SessionRate { get; init; }

    /// <summary>option nolinger: connections end by a reset, so that nothing of them stays behind.</summary>
    public bool NoLinger { get; init; }

    /// <summary>Rules of the section; null = none, and nothing is paid for them.</summary>
    internal Rules.ProxyRules? Rules { get; init; }
}

/// <summary>Time-outs in ms; null = none.</summary>
public sealed record TimeoutsConfig
{
    public int? Client { get; init; }
    public int? Server { get; init; }
    public int? Connect { get; init; }
    public int? Queue { get; init; }
    public int? Check { get; init; }
    public int? HttpRequest { get; init; }
    public int? HttpKeepAlive { get; init; }
    public int? Tunnel { get; init; }
    public int? ClientFin { get; init; }
    public int? ServerFin { get; init; }
    public int? Tarpit { get; init; }
}

/// <summary>balance ALGORITHM ARGUMENT.</summary>
/// <param name="Argument">Draws of random, parameter of url_param, header of hdr (lower-case), cookie of rdp-cookie.</param>
public sealed record BalanceConfig(string Algorithm, string? Argument)
{
    /// <summary>May servers come and go at run time? Not where a map of them all is made beforehand.</summary>
    public bool IsDynamic(HashTypeConfig hash) => Algorithm is "roundrobin" or "leastconn" or "first" or "random"
        || (Algorithm != "static-rr" && hash.Consistent);

    /// <summary>uri: the query too.</summary>
    public bool Whole { get; init; }

    /// <summary>uri: without the authority of an absolute one.</summary>
    public bool PathOnly { get; init; }

    /// <summary>uri: at most that many characters, 0 = all.</summary>
    public int Length { get; init; }

    /// <summary>uri: at most that many directories, 0 = all.</summary>
    public int Depth { get; init; }

    /// <summary>url_param: look into the body of a POST.</summary>
    public bool CheckPost { get; init; }

    /// <summary>hdr: only the main label of the domain.</summary>
    public bool DomainOnly { get; init; }
}

/// <summary>Functions of hash-type.</summary>
public enum HashFunction { Sdbm, Djb2, Crc32 }

/// <summary>hash-type METHOD FUNCTION MODIFIER.</summary>
public sealed record HashTypeConfig(bool Consistent, HashFunction Function, bool Avalanche);

/// <summary>Which line a frontend logs.</summary>
public enum LogFormatKind
{
    /// <summary>No option: the terse "Connect from … to …" line.</summary>
    None,
    Tcp,
    Http,

    /// <summary>option httplog clf</summary>
    HttpClf,

    /// <summary>option httpslog</summary>
    Https,

    /// <summary>log-format</summary>
    Custom,
}

/// <summary>option http-keep-alive, http-server-close, httpclose.</summary>
public enum HttpConnectionMode { KeepAlive, ServerClose, Close }

/// <summary>http-reuse.</summary>
public enum HttpReuse { Never, Safe, Aggressive, Always }

/// <summary>option forwardfor.</summary>
public sealed record ForwardForConfig(string Header, bool IfNone, string? Except);

/// <summary>One address of a bind line.</summary>
public sealed record BindConfig
{
    public required int Index { get; init; }

    /// <summary>Index of its proxy.</summary>
    public required int Proxy { get; init; }

    /// <summary>As written, for messages: <c>*:6443</c>.</summary>
    public required string Text { get; init; }

    /// <summary>Null for a Unix socket or an inherited descriptor.</summary>
    public IPEndPoint? EndPoint { get; init; }
    public string? UnixPath { get; init; }

    /// <summary>Permission bits of the Unix socket, null = umask decides.</summary>
    public int? UnixMode { get; init; }

    /// <summary>Owner of the Unix socket, null = as created.</summary>
    public int? UnixUser { get; init; }

    /// <summary>Group of the Unix socket, null = as created.</summary>
    public int? UnixGroup { get; init; }

    /// <summary>Inherited listening descriptor of <c>fd@N</c>.</summary>
    public int? Fd { get; init; }
    public string? Name { get; init; }
    public string? Interface { get; init; }
    public bool V6Only { get; init; }
    public bool Transparent { get; init; }
    public int? MaxConn { get; init; }
    public int? Backlog { get; init; }
    public bool TcpFastOpen { get; init; }
    public bool DeferAccept { get; init; }
    public bool AcceptProxy { get; init; }

    /// <summary>HAProxy's id of the listener: counted from 1 in its proxy, unless <c>id</c> is given. 0 = not yet numbered.</summary>
    public int Id { get; init; }
    public required SourcePlace Place { get; init; }
}

/// <summary>A server line with default-server applied.</summary>
public sealed record ServerConfig
{
    public required int Index { get; init; }

    /// <summary>Index of its proxy.</summary>
    public required int Proxy { get; init; }

    /// <summary>HAProxy's id (sid): counted from 1 in its backend, unless <c>id</c> is given.</summary>
    public required int Id { get; init; }
    public required string Name { get; init; }

    /// <summary><see cref="Id"/> was given by <c>id</c>.</summary>
    public bool ForcedId { get; init; }

    /// <summary>Host part as written: an address or a name.</summary>
    public required string Host { get; init; }
    public required int Port { get; init; }

    /// <summary><see cref="Port"/> is added to the port that the client connected to.</summary>
    public bool MapPort { get; init; }

    /// <summary>source; null = that of the backend.</summary>
    public SourceConfig? Source { get; init; }

    /// <summary>True where <see cref="Host"/> is a name that must be resolved.</summary>
    public bool IsName { get; init; }

    /// <summary>The address, where it is one.</summary>
    public IPAddress? Address { get; init; }

    /// <summary>Path of a Unix socket, or an abstract name behind a NUL; null = an internet address or a name.</summary>
    public string? UnixPath { get; init; }
    public int Weight { get; init; } = 1;
    public bool Backup { get; init; }
    public bool Disabled { get; init; }

    /// <summary>Rules, expressions or other servers' tracking name it: it cannot be deleted at run time.</summary>
    public bool Pinned { get; init; }

    /// <summary>It was added at run time.</summary>
    public bool Dynamic { get; init; }

    /// <summary>A dynamic server that is not to begin in maintenance (<c>enabled</c>).</summary>
    public bool Enabled { get; init; }
    public int? MaxConn { get; init; }

    /// <summary>Lowest value of the limit that follows the backend's load up to <see cref="MaxConn"/>.</summary>
    public int? MinConn { get; init; }

    /// <summary>Streams that may wait for this server; more go to others. 0 = any number.</summary>
    public int MaxQueue { get; init; }

    /// <summary>Idle connections kept, -1 = any number.</summary>
    public int PoolMaxConn { get; init; } = -1;

    /// <summary>How long an idle connection is kept, ms.</summary>
    public int PoolPurgeDelay { get; init; } = 5000;

    /// <summary>How often a connection may be used again, -1 = any number.</summary>
    public int MaxReuse { get; init; } = -1;
    public bool Check { get; init; }
    public int Inter { get; init; } = 2000;
    public int? FastInter { get; init; }
    public int? DownInter { get; init; }
    public int Rise { get; init; } = 2;
    public int Fall { get; init; } = 3;
    public IPAddress? CheckAddress { get; init; }
    public int? CheckPort { get; init; }
    public int? SlowStart { get; init; }

    /// <summary>Name of the resolvers section; null = resolved once, at start.</summary>
    public string? Resolvers { get; init; }

    /// <summary>init-addr methods in order: <c>last</c>, <c>libc</c>, <c>none</c>, or an address. Default last,libc.</summary>
    public IReadOnlyList<string> InitAddr { get; init; } = ["last", "libc"];

    /// <summary>ipv4 or ipv6; null = ipv6 preferred, as HAProxy.</summary>
    public string? ResolvePrefer { get; init; }
    public string? Cookie { get; init; }

    /// <summary>PROXY protocol sent to the server: 0, 1, 2.</summary>
    public int SendProxy { get; init; }

    /// <summary>check-send-proxy.</summary>
    public bool CheckSendProxy { get; init; }

    /// <summary>agent-check; null = none.</summary>
    public AgentConfig? Agent { get; init; }

    /// <summary>agent-addr, agent-port, agent-inter and agent-send, which count only with agent-check.</summary>
    public AgentConfig AgentSettings { get; init; } = new();

    /// <summary>proxy-v2-options.</summary>
    internal Engine.ProxyHeaderOptions ProxyOptions { get; init; }
    /// <summary>resolve-net: addresses in these networks are taken first.</summary>
    public IReadOnlyList<IPNetwork> ResolveNets { get; init; } = [];

    /// <summary>resolve-opts allow-dup-ip: servers of one name may share an address.</summary>
    public bool ResolveDuplicates { get; init; }

    /// <summary>resolve-opts ignore-weight.</summary>
    public bool ResolveIgnoreWeight { get; init; }
    public ObserveMode Observe { get; init; }

    /// <summary>error-limit; null = 10.</summary>
    public int? ErrorLimit { get; init; }
    public ErrorAction OnError { get; init; }

    /// <summary>track, as written: <c>[backend/]server</c>; null = none.</summary>
    public string? Track { get; init; }
    public string? OnMarkedDown { get; init; }
    public string? OnMarkedUp { get; init; }
    public required SourcePlace Place { get; init; }
}

/// <summary>A resolvers section (configuration manual 5.3).</summary>
public sealed record ResolversConfig
{
    public required string Name { get; init; }
    public required IReadOnlyList<NameServerConfig> NameServers { get; init; }
    public int ResolveRetries { get; init; } = 3;
    public int TimeoutResolve { get; init; } = 1000;
    public int TimeoutRetry { get; init; } = 1000;
    public int HoldValid { get; init; } = 10_000;
    public int HoldObsolete { get; init; }
    public int HoldNx { get; init; } = 30_000;
    public int HoldOther { get; init; } = 30_000;
    public int HoldRefused { get; init; } = 30_000;
    public int HoldTimeout { get; init; } = 30_000;
    public int AcceptedPayloadSize { get; init; } = 512;
    public required SourcePlace Place { get; init; }
}

/// <summary>A <c>nameserver</c> of a resolvers section.</summary>
/// <param name="Stream">Asked over TCP only (<c>tcp@</c>); else over UDP, and over TCP for what does not fit there.</param>
public sealed record NameServerConfig(string Name, IPEndPoint Address, bool Stream = false)
{
    /// <summary>One that is asked over UDP.</summary>
    public static implicit operator NameServerConfig((string Name, IPEndPoint Address) server) =>
        new(server.Name, server.Address);
}

/// <summary>A userlist section.</summary>
public sealed record UserListConfig(string Name, IReadOnlyList<(string User, string Password, bool Insecure)> Users)
{
    /// <summary>Groups of each user who is in any.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Groups { get; init; } =
        new Dictionary<string, IReadOnlyList<string>>();
}

/// <summary>The <c>stats …</c> settings of a proxy.</summary>
public sealed record StatsConfig
{
    public string Uri { get; init; } = "/haproxy?stats";
    public string Realm { get; init; } = "HAProxy Statistics";

    /// <summary>user, password.</summary>
    public IReadOnlyList<(string User, string Password)> Auth { get; init; } = [];
    public bool HideVersion { get; init; }

    /// <summary>Seconds; null = no refresh.</summary>
    public int? Refresh { get; init; }
    public bool ShowNode { get; init; }
    public bool ShowLegends { get; init; }
    public string? ShowDescription { get; init; }
    public IReadOnlyList<string> Scopes { get; init; } = [];

    /// <summary>Who may act on servers: <c>stats admin { if | unless } CONDITION</c>, each enough; none = nobody.</summary>
    public IReadOnlyList<(bool Unless, string Condition)> Admin { get; init; } = [];
}
