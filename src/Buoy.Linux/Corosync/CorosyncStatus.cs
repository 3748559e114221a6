namespace Buoy.Linux.Corosync;

/// <summary>cs_error_t of the Corosync libraries; the names as their tools print them.</summary>
public enum CorosyncStatus
{
    /// <summary>Done.</summary>
    Ok = 1,

    /// <summary>No connection, or it broke: corosync does not run.</summary>
    Library = 2,

    /// <summary>Not now: flow control, or a configuration change under way.</summary>
    TryAgain = 6,

    /// <summary>A parameter is wrong.</summary>
    InvalidParameter = 7,

    /// <summary>The session is closed.</summary>
    BadHandle = 9,

    /// <summary>Not allowed: uid or gid is not in corosync's uidgid.</summary>
    Access = 11,

    /// <summary>No such object.</summary>
    NotExist = 12,

    /// <summary>It exists already.</summary>
    Exist = 14,

    /// <summary>corosync has no such service.</summary>
    NotSupported = 19,

    /// <summary>The shared library is not installed (a code of ours).</summary>
    NoLibrary = -1,
}

/// <summary>Words for people.</summary>
public static class CorosyncStatusText
{
    /// <summary>What the status means, without a dot.</summary>
    public static string Of(CorosyncStatus status) => status switch
    {
        CorosyncStatus.NoLibrary =>
            "the Corosync libraries (libcpg4, libquorum5, libcmap4, libvotequorum8) are not installed",
        CorosyncStatus.Library => "no answer (does corosync run on this node?)",
        CorosyncStatus.Access => "access denied (only root and who uidgid.d names may connect)",
        CorosyncStatus.NotSupported => "corosync does not run that service",
        _ => $"corosync's error {(int)status}",
    };
}
