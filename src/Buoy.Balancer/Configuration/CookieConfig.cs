namespace Buoy.Balancer.Configuration;

/// <summary>What the persistence cookie's line does with it.</summary>
public enum CookieMode
{
    /// <summary>Only looked at.</summary>
    Passive,
    Rewrite,
    Insert,
    Prefix,
}

/// <summary>cookie NAME … of a backend (configuration manual 4.2).</summary>
public sealed record CookieConfig(string Name)
{
    public CookieMode Mode { get; init; }
    public bool Indirect { get; init; }
    public bool NoCache { get; init; }
    public bool PostOnly { get; init; }
    public bool Preserve { get; init; }

    /// <summary>Seconds, 0 = none.</summary>
    public int MaxIdle { get; init; }

    /// <summary>Seconds, 0 = none.</summary>
    public int MaxLife { get; init; }

    /// <summary>What follows an inserted cookie's value, in the original's order: path, domains, HttpOnly, Secure, attributes.</summary>
    public string Attributes { get; init; } = "; path=/";
}
