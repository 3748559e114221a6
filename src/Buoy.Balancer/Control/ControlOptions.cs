namespace Buoy.Balancer.Control;

/// <summary>What the process tells its control plane.</summary>
public sealed record ControlOptions
{
    /// <summary>Product name of <c>show info</c>.</summary>
    public string Name { get; init; } = "Buoy";

    /// <summary>Version of <c>show version</c> and <c>show info</c>.</summary>
    public string Version { get; init; } = "0.1.0";

    /// <summary>Release date, yyyy/mm/dd.</summary>
    public string ReleaseDate { get; init; } = "2026/11/22";

    /// <summary>Process limit of connections.</summary>
    public int MaxConn { get; init; } = 10_000;

    /// <summary>Process id of log lines and <c>show info</c>.</summary>
    public int Pid { get; init; } = Environment.ProcessId;

    /// <summary>Also called with each message about servers and proxies (level 0…7, text): the console in the
    /// foreground.</summary>
    public Action<int, string>? Notice { get; init; }
}
