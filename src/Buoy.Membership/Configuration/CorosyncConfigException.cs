namespace Buoy.Membership.Configuration;

/// <summary>corosync.conf cannot be used: where, what was found, what was expected.</summary>
public sealed class CorosyncConfigException(string file, int line, string found, string expected)
    : Exception($"{file}:{line}: {found}; expected {expected}")
{
    /// <summary>File as it was named.</summary>
    public string File { get; } = file;

    /// <summary>1-based; 0 where it is about the file as a whole.</summary>
    public int Line { get; } = line;

    /// <summary>What stands there.</summary>
    public string Found { get; } = found;

    /// <summary>What would be right.</summary>
    public string Expected { get; } = expected;
}
