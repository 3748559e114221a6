using System.Net;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Health;
using Buoy.Balancer.Resolvers;

namespace Buoy.Balancer.Control;

/// <summary>One server at work: what the control thread knows of it beside its configuration.</summary>
public sealed class ServerRuntime(ServerConfig config, ProxyRuntime backend, IPAddress? address)
{
    /// <summary>Its line in the configuration.</summary>
    public ServerConfig Config => config;

    /// <summary>Its backend.</summary>
    public ProxyRuntime Backend => backend;

    /// <summary>Health, operational and administrative state.</summary>
    public ServerHealth Health { get; } = new(
        config.Rise, config.Fall, config.SlowStart ?? 0, config.Check, config.Agent is not null);

    /// <summary>Its agent; null = none.</summary>
    public AgentState? Agent { get; } = config.Agent is { } agent ? new AgentState(agent) : null;

    /// <summary>The server whose state it takes (<c>track</c>); null = its own.</summary>
    public ServerRuntime? Tracked { get; set; }

    /// <summary>The servers that track this one.</summary>
    public List<ServerRuntime> Trackers { get; } = [];

    /// <summary>The end of the chain of tracking: itself where it tracks none.</summary>
    public ServerRuntime Root => Tracked?.Root ?? this;

    /// <summary>Where it is; null = unknown.</summary>
    public IPAddress? Address { get; set; } = address;

    /// <summary>Its port.</summary>
    public int Port { get; set; } = config.Port;

    /// <summary>Its name to resolve, null for an address.</summary>
    public string? Fqdn { get; set; } =
        config.IsName && !config.Host.StartsWith('_') ? config.Host : null;

    /// <summary>The SRV name that gives it its host and port; null = none.</summary>
    public string? Service { get; } = config.IsName && config.Host.StartsWith('_') ? config.Host : null;

    /// <summary>The resolution of <see cref="Service"/>.</summary>
    public Resolution? ServiceResolution { get; set; }

    /// <summary>The number of the SRV record that it stands for; null = it is free.</summary>
    public int? ServiceNumber { get; set; }

    /// <summary>The resolution that it takes part in.</summary>
    public Resolution? Resolution { get; set; }

    /// <summary>Weight as set by the user, 0…256.</summary>
    public int UserWeight { get; set; } = config.Weight;

    /// <summary>Limit of connections, 0 = none.</summary>
    public int MaxConn { get; set; } = config.MaxConn ?? 0;

    /// <summary>Address that checks go to, when not the server's.</summary>
    public IPAddress? CheckAddress { get; set; } = config.CheckAddress;

    /// <summary>Port that checks go to, 0 = the server's.</summary>
    public int CheckPort { get; set; } = config.CheckPort ?? 0;

    /// <summary>It was added at run time and has not been taken out of the maintenance in which it began.</summary>
    public bool Fresh { get; set; } = config is { Dynamic: true, Disabled: false, Enabled: false };

    /// <summary>Checks are not switched off by <c>disable health</c>.</summary>
    public bool CheckEnabled { get; set; } = config.Check;

    /// <summary>A check is under way.</summary>
    public bool CheckRunning { get; set; }

    /// <summary>The last check's outcome.</summary>
    public CheckStatus CheckStatus { get; set; } = CheckStatus.Initializing;

    /// <summary>The last check's result; Unknown before the first.</summary>
    public CheckResult CheckResult { get; set; }

    /// <summary>HTTP status of the last check, 0 = none.</summary>
    public int CheckCode { get; set; }

    /// <summary>What the last check had to say.</summary>
    public string CheckInfo { get; set; } = "";

    /// <summary>How long the last check took, ms.</summary>
    public long CheckDuration { get; set; }

    /// <summary>Times that the traffic's errors reached the limit (hanafail).</summary>
    public long Observed { get; set; }

    /// <summary>Largest number of sessions seen.</summary>
    public long SessionsMax { get; set; }

    /// <summary>Sessions per second.</summary>
    public FrequencyCounter Rate { get; } = new();

    /// <summary>backend/server.</summary>
    public string FullName => backend.Config.Name + "/" + config.Name;

    /// <summary>Takes traffic as an active or backup server (HAProxy's srv_currently_usable with a weight).</summary>
    public bool Counts =>
        Health.Usable && Health.State != OperationalState.Stopping && !Health.Draining && UserWeight > 0;

    /// <summary>Weight in sixteenths after drain and slowstart.</summary>
    public int EffectiveWeight(long now) =>
        Health.Draining || Health.State == OperationalState.Stopping ? 0 : UserWeight * Health.Throttle(now);
}

/// <summary>One proxy at work.</summary>
public sealed class ProxyRuntime(ProxyConfig config)
{
    /// <summary>Its section.</summary>
    public ProxyConfig Config => config;

    /// <summary>Its servers.</summary>
    public List<ServerRuntime> Servers { get; } = [];

    /// <summary>Some server of it has a slowstart: its weights are published in sixteenths.</summary>
    public bool HasSlowStart => config.Servers.Any(s => s.SlowStart > 0);

    /// <summary>Frontend: limit of connections.</summary>
    public int MaxConn { get; set; } = config.MaxConn;

    /// <summary>Frontend: paused on the runtime API.</summary>
    public bool Paused { get; set; }

    /// <summary>Stopped for good.</summary>
    public bool Stopped { get; set; } = config.Disabled;

    /// <summary>Time in ms when the backend last went up or down.</summary>
    public long LastChange { get; set; }

    /// <summary>Times that the backend lost its last server.</summary>
    public long Downs { get; set; }

    /// <summary>Sum in ms of the times without a server before the last change.</summary>
    public long DownBefore { get; set; }

    /// <summary>The backend had a usable server at the last look.</summary>
    public bool HadServer { get; set; } = true;

    /// <summary>Largest numbers of sessions seen.</summary>
    public long FrontendSessionsMax { get; set; }

    /// <inheritdoc cref="FrontendSessionsMax"/>
    public long BackendSessionsMax { get; set; }

    /// <summary>Per second.</summary>
    public FrequencyCounter FrontendRate { get; } = new();

    /// <inheritdoc cref="FrontendRate"/>
    public FrequencyCounter ConnectionRate { get; } = new();

    /// <inheritdoc cref="FrontendRate"/>
    public FrequencyCounter RequestRate { get; } = new();

    /// <inheritdoc cref="FrontendRate"/>
    public FrequencyCounter BackendRate { get; } = new();

    /// <summary>Usable active servers.</summary>
    public int Active => Servers.Count(s => s.Counts && !s.Config.Backup);

    /// <summary>Usable backup servers.</summary>
    public int Backups => Servers.Count(s => s.Counts && s.Config.Backup);

    /// <summary>Sum in ms of the times without a server.</summary>
    public long DownTime(long now) => DownBefore + (Servers.Count > 0 && !HadServer ? now - LastChange : 0);
}
