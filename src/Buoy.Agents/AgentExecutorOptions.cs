namespace Buoy.Agents;

/// <summary>A line that an agent wrote, for the log.</summary>
/// <param name="IsError">Written to standard error, or a warning of ours.</param>
public readonly record struct AgentLogLine(string ResourceId, string Task, bool IsError, string Text);

/// <summary>What an <see cref="AgentExecutor"/> is given by the program.</summary>
public sealed record AgentExecutorOptions
{
    /// <summary>OCF_ROOT: script agents lie in resource.d/PROVIDER/TYPE below it.</summary>
    public string OcfRoot { get; init; } = "/usr/lib/ocf";

    /// <summary>Scripts of the lsb class.</summary>
    public string LsbRoot { get; init; } = "/etc/init.d";

    /// <summary>The program that manages systemd's units.</summary>
    public string Systemctl { get; init; } = "/usr/bin/systemctl";

    /// <summary>Our balancer: program (absolute) and first arguments; <c>-f CONFFILE -db</c> follows.</summary>
    public IReadOnlyList<string> BalancerCommand { get; init; } = ["/proc/self/exe", "balancer"];

    /// <summary>Where balancers' process numbers are kept, so that a restarted daemon finds them.</summary>
    public string StateDirectory { get; init; } = "/run/buoy";

    /// <summary>Default of the haproxy agent's <c>pidfile</c>; null = a file named after the resource in <see cref="StateDirectory"/>.</summary>
    public string? BalancerPidFile { get; init; }

    /// <summary>HA_RSCTMP: where script agents keep their state.</summary>
    public string AgentStateDirectory { get; init; } = "/run/resource-agents";

    /// <summary>
    /// Folder with crm_attribute, crm_resource … of this cluster: first in the agents' PATH and their HA_SBIN_DIR. Null: whatever
    /// /usr/sbin has.
    /// </summary>
    public string? ToolFolder { get; init; }

    /// <summary>HA_DEBUGLOG; null: agents write no debug log.</summary>
    public string? DebugLog { get; init; }

    /// <summary>Milliseconds without a heartbeat after which a balancer counts as hanging.</summary>
    public int HeartbeatLimitMs { get; init; } = 1000;

    /// <summary>What the guard of addresses knows of the cluster; null: addresses are not guarded.</summary>
    public GuardContext? Guard { get; init; }

    /// <summary>Gets the lines that agents write, on the loop; at most 1000 of one operation.</summary>
    public Action<AgentLogLine> Log { get; init; } = static _ => { };
}
