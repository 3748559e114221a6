namespace Buoy.Scheduler;

internal enum QuorumPolicy
{
    Stop,
    Freeze,
    Demote,
    Fence,
    Ignore,
}

/// <summary>Cluster properties (SCHEDULER 1.2). An invalid value counts as the default.</summary>
internal sealed class ClusterOptions
{
    private readonly Dictionary<string, string> _values;

    private ClusterOptions(Dictionary<string, string> values, bool quorum, bool noQuorumPanic)
    {
        _values = values;
        FencingEnabled = Bool(true, "fencing-enabled", "stonith-enabled");
        FencingAction = Get("fencing-action", "stonith-action") is "off" or "poweroff" ? "off" : "reboot";
        FencingTimeout = Get("fencing-timeout", "stonith-timeout") ?? "60s";
        ClusterDelay = Get("cluster-delay") ?? "60s";
        ConcurrentFencing = Bool(true, "concurrent-fencing");
        StartupFencing = Bool(true, "startup-fencing");
        PriorityFencingDelayMs = Values.Duration(Get("priority-fencing-delay")) ?? 0;
        NodePendingTimeoutMs = Values.Duration(Get("node-pending-timeout")) ?? 0;
        HasWatchdog = Bool(false, "have-watchdog");
        Symmetric = Bool(true, "symmetric-cluster");
        MaintenanceMode = Bool(false, "maintenance-mode");
        StopAll = Bool(false, "stop-all-resources");
        StopRemoved = Bool(true, "stop-removed-resources", "stop-orphan-resources");
        CancelRemoved = Bool(true, "cancel-removed-actions", "stop-orphan-actions", "stop-removed-actions");
        StartFailureIsFatal = Bool(true, "start-failure-is-fatal");
        StartupProbes = Bool(true, "enable-startup-probes");
        Placement = Get("placement-strategy") ?? "default";
        HealthStrategy = (Get("node-health-strategy") ?? "none").ToLowerInvariant();
        HealthBase = Score.Parse(Get("node-health-base")) ?? 0;
        HealthGreen = Score.Parse(Get("node-health-green")) ?? 0;
        HealthYellow = Score.Parse(Get("node-health-yellow")) ?? 0;
        HealthRed = Score.Parse(Get("node-health-red")) ?? -Score.Infinity;
        ShutdownLock = Bool(false, "shutdown-lock");
        ShutdownLockLimitMs = Values.Duration(Get("shutdown-lock-limit")) ?? 0;
        BatchLimit = (int)(Values.Number(Get("batch-limit")) ?? 0);
        MigrationLimit = (int)(Values.Number(Get("migration-limit")) ?? -1);
        ClusterName = Get("cluster-name");
        Quorum = Get("no-quorum-policy") switch
        {
            "freeze" => QuorumPolicy.Freeze,
            "demote" => QuorumPolicy.Demote,
            "ignore" => QuorumPolicy.Ignore,
            "fence" or "suicide" when FencingEnabled && (quorum || noQuorumPanic) => QuorumPolicy.Fence,
            _ => QuorumPolicy.Stop,
        };
    }

    public QuorumPolicy Quorum { get; }
    public bool FencingEnabled { get; }
    public string FencingAction { get; }
    public string FencingTimeout { get; }
    public string ClusterDelay { get; }
    public bool ConcurrentFencing { get; }
    public bool StartupFencing { get; }
    public long PriorityFencingDelayMs { get; }
    public long NodePendingTimeoutMs { get; }
    public bool HasWatchdog { get; }
    public bool Symmetric { get; }
    public bool MaintenanceMode { get; }
    public bool StopAll { get; }
    public bool StopRemoved { get; }
    public bool CancelRemoved { get; }
    public bool StartFailureIsFatal { get; }
    public bool StartupProbes { get; }
    public string Placement { get; }
    public string HealthStrategy { get; }
    public int HealthBase { get; }
    public int HealthGreen { get; }
    public int HealthYellow { get; }
    public int HealthRed { get; }
    public bool ShutdownLock { get; }
    public long ShutdownLockLimitMs { get; }
    public int BatchLimit { get; }
    public int MigrationLimit { get; }
    public string? ClusterName { get; }

    public static ClusterOptions Read(ConfigReader reader, DateTimeOffset now, bool quorum, bool noQuorumPanic)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);

        // Rules of option blocks see only the date; the options that a cluster needs for that do not exist yet.
        var bare = new Cluster(new ClusterOptions([], quorum, noQuorumPanic), now);
        reader.Fill(
            values, reader.Section("crm_config"), "cluster_property_set", new RuleContext(bare), "cib-bootstrap-options");
        return new ClusterOptions(values, quorum, noQuorumPanic) { RecheckBy = bare.RecheckBy };
    }

    public DateTimeOffset? RecheckBy { get; private init; }

    private string? Get(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (_values.TryGetValue(name, out string? value))
            {
                return value;
            }
        }

        return null;
    }

    private bool Bool(bool otherwise, params ReadOnlySpan<string> names) => Values.Bool(Get(names)) ?? otherwise;
}
