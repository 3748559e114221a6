namespace Buoy.Membership.Corosync;

/// <summary>What an engine on the real Corosync is made of.</summary>
public sealed record CorosyncOptions
{
    /// <summary>The process group; those in it are the cluster.</summary>
    public string Group { get; init; } = "buoy";

    /// <summary>Name of this host where corosync's node list has none; null = what the kernel says.</summary>
    public string? LocalName { get; init; }

    /// <summary>Receives lines for the log: warning or not, text. On the loop's thread.</summary>
    public Action<bool, string> Log { get; init; } = static (_, _) => { };
}
