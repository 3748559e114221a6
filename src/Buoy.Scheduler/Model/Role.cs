namespace Buoy.Scheduler;

/// <summary>What a resource does on a node; the order matters in comparisons.</summary>
public enum ResourceRole
{
    /// <summary>Not decided or not known.</summary>
    Unknown,
    Stopped,
    Started,
    Unpromoted,
    Promoted,
}

/// <summary>Names of roles, old spellings included.</summary>
internal static class Roles
{
    public static ResourceRole? Parse(string? text) => text?.ToLowerInvariant() switch
    {
        "stopped" => ResourceRole.Stopped,
        "started" => ResourceRole.Started,
        "unpromoted" or "slave" => ResourceRole.Unpromoted,
        "promoted" or "master" => ResourceRole.Promoted,
        _ => null,
    };
}
