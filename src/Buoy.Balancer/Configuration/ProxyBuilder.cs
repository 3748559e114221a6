namespace Buoy.Balancer.Configuration;

/// <summary>What a defaults section can set and the sections after it start from.</summary>
internal sealed class ProxySettings
{
    public ProxyMode Mode { get; set; } = ProxyMode.Tcp;
    public bool Disabled { get; set; }
    public TimeoutsConfig Timeouts { get; set; } = new();
    public int MaxConn { get; set; }
    public int? Backlog { get; set; }
    public int Retries { get; set; } = 3;
    public int Redispatch { get; set; }
    public BalanceConfig? Balance { get; set; }
    public SourceConfig? Source { get; set; }
    public HashTypeConfig HashType { get; set; } = new(false, HashFunction.Sdbm, false);
    public int BalanceFactor { get; set; }
    public CookieConfig? Cookie { get; set; }
    public RetryOn RetryOn { get; set; } = RetryOn.ConnectFailure;
    public int? FullConn { get; set; }
    public List<LogTargetConfig> Logs { get; set; } = [];
    public LogFormatKind LogFormat { get; set; }
    public SourcePlace LogFormatPlace { get; set; }
    public FormatText? Format { get; set; }
    public FormatText? StructuredFormat { get; set; }
    public FormatText? ErrorFormat { get; set; }
    public FormatText? UniqueIdFormat { get; set; }
    public string? UniqueIdHeader { get; set; }
    public string? LogTag { get; set; }
    public Dictionary<string, bool> Switches { get; set; } = [];
    public CheckKind Check { get; set; } = CheckKind.Tcp;
    public HttpCheckConfig? HttpCheck { get; set; }
    public bool TcpCheckOption { get; set; }
    public CheckRulesConfig CheckRules { get; set; } = new();
    public StateSource StateSource { get; set; }
    public string? StateFileName { get; set; }

    /// <summary>The check rules are those of the defaults section.</summary>
    public bool InheritedTcpRules { get; set; }

    /// <inheritdoc cref="InheritedTcpRules"/>
    public bool InheritedHttpRules { get; set; }
    public Dictionary<int, byte[]> ErrorFiles { get; set; } = [];
    public StatsConfig? Stats { get; set; }
    public HttpConnectionMode HttpConnection { get; set; } = HttpConnectionMode.KeepAlive;
    public HttpReuse HttpReuse { get; set; } = HttpReuse.Safe;
    public ForwardForConfig? ForwardFor { get; set; }
    public ForwardForConfig? OriginalTo { get; set; }
    public string? SendNameHeader { get; set; }
    public int SessionRate { get; set; }
    public string? DefaultBackend { get; set; }
    public Rules.Parsing.RuleSettings Rules { get; private set; } = new();
    public ServerConfig DefaultServer { get; set; } = new()
    {
        Index = -1, Proxy = -1, Id = 0, Name = "", Host = "", Port = 0, Place = default,
    };

    /// <summary>A copy that shares nothing that changes.</summary>
    public ProxySettings Copy()
    {
        var copy = (ProxySettings)MemberwiseClone();
        copy.InheritedTcpRules = copy.InheritedHttpRules = true;
        copy.Logs = [.. Logs];
        copy.Switches = new(Switches);
        copy.ErrorFiles = new(ErrorFiles);
        copy.Rules = Rules.Copy();
        return copy;
    }

    public bool Switch(string name) => Switches.TryGetValue(name, out bool on) && on;
}

/// <summary>A section being read.</summary>
internal sealed class ProxyBuilder(string name, ProxyKind kind, SourcePlace place, int index, ProxySettings settings)
{
    public string Name { get; } = name;
    public ProxyKind Kind { get; } = kind;
    public SourcePlace Place { get; } = place;
    public int Index { get; } = index;
    public ProxySettings Settings { get; } = settings;
    public int? Id { get; set; }

    /// <summary>A default_backend of a section without frontend: checked, and never used.</summary>
    public string? StrayBackend { get; set; }
    public List<BindConfig> Binds { get; } = [];
    public List<ServerConfig> Servers { get; } = [];

    /// <summary>Its formats, once they are read.</summary>
    public ProxyFormats? Formats { get; set; }
    public StickTables.StickTableConfig? StickTable { get; set; }
    public SourcePlace StickPlace { get; set; }
    public bool HasFrontend => Kind != ProxyKind.Backend;
    public bool HasBackend => Kind != ProxyKind.Frontend;

    /// <summary>The word messages use for it; a listen section is a "proxy".</summary>
    public string TypeName => Kind switch { ProxyKind.Frontend => "frontend", ProxyKind.Backend => "backend", _ => "proxy" };

    public ProxyConfig Build(int id, int? defaultBackend)
    {
        var s = Settings;
        return new ProxyConfig
        {
            Index = Index, Id = id, ForcedId = Id is not null, Name = Name, Kind = Kind, Mode = s.Mode, Place = Place, Disabled = s.Disabled,
            Binds = Binds, Servers = Servers, DefaultBackend = defaultBackend, Timeouts = s.Timeouts,
            MaxConn = s.MaxConn, Backlog = s.Backlog, Retries = s.Retries, Redispatch = s.Redispatch,
            Balance = s.Balance ?? new BalanceConfig("roundrobin", null), HashType = s.HashType,
            BalanceFactor = s.BalanceFactor, Source = s.Source, StickTable = StickTable, StickRules = s.Rules.Sticks,
            Cookie = s.Cookie, Persist = s.Switch("persist"),
            RetryOn = s.RetryOn, FullConn = s.FullConn, BufferRequest = s.Switch("http-buffer-request"),
            PretendKeepAlive = s.Switch("http-pretend-keepalive"), PreferLastServer = s.Switch("prefer-last-server"),
            IdleCloseOnResponse = s.Switch("idle-close-on-response"),
            Logs = s.Logs, LogFormat = s.LogFormat,
            Formats = Formats, LogTag = s.LogTag, UniqueIdHeader = s.UniqueIdHeader,
            LogSeparateErrors = s.Switch("log-separate-errors"),
            DontLogNull = s.Switch("dontlognull"), DontLogNormal = s.Switch("dontlog-normal"),
            LogAsap = s.Switch("logasap"), LogHealthChecks = s.Switch("log-health-checks"), Check = s.Check,
            HttpCheck = s.HttpCheck, CheckRules = s.CheckRules, TcpCheckOption = s.TcpCheckOption, TcpKeepAliveClient = s.Switch("clitcpka"),
            TcpKeepAliveServer = s.Switch("srvtcpka"), SpliceRequest = s.Switch("splice-request"),
            SpliceResponse = s.Switch("splice-response"), SpliceAuto = s.Switch("splice-auto"),
            AbortOnClose = s.Switch("abortonclose"), AllBackups = s.Switch("allbackups"), ErrorFiles = s.ErrorFiles,
            Stats = s.Mode == ProxyMode.Http ? s.Stats : null, HttpConnection = s.HttpConnection,
            HttpReuse = s.HttpReuse, Rules = s.Rules.Build(), ForwardFor = s.Mode == ProxyMode.Http ? s.ForwardFor : null,
            OriginalTo = s.Mode == ProxyMode.Http ? s.OriginalTo : null, SendNameHeader = s.SendNameHeader,
            NoLinger = s.Switch("nolinger"), IgnoreProbes = s.Switch("http-ignore-probes"), SessionRate = s.SessionRate,
        };
    }
}
