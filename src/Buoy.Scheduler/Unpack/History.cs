using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>State of a recorded operation (attribute <c>op-status</c>).</summary>
internal enum OpStatus
{
    Pending = -1,
    Done = 0,
    Cancelled = 1,
    Timeout = 2,
    NotSupported = 3,
    Error = 4,
    HardError = 5,
    FatalError = 6,
    NotInstalled = 7,
    NotConnected = 8,
    Invalid = 9,
    NoFenceDevice = 10,
    NoSecrets = 11,
}

/// <summary>One recorded operation (element <c>lrm_rsc_op</c>).</summary>
internal sealed class HistoryEntry
{
    public required string Id { get; init; }
    public required string Task { get; init; }
    public required string Key { get; init; }
    public long IntervalMs { get; init; }
    public OpStatus Status { get; init; }
    public int Rc { get; init; }
    public int ExpectedRc { get; init; }
    public int CallId { get; init; }
    public long LastRcChange { get; init; }
    public long ExecTimeMs { get; init; }
    public int Transition { get; init; } = -1;
    public string TransitionUuid { get; init; } = "";
    public string? Digest { get; init; }
    public string? RestartDigest { get; init; }
    public string? SecureDigest { get; init; }
    public string? SecretParameters { get; init; }
    public string? ForceRestart { get; init; }
    public string ExitReason { get; init; } = "";
    public string? MigrateSource { get; init; }
    public string? MigrateTarget { get; init; }

    /// <summary>The failure expired: its definition counts as changed, so that it runs again.</summary>
    public bool DigestSpoilt { get; set; }
    public bool IsProbe => Task == "monitor" && IntervalMs == 0;

    /// <summary>Reads an entry; null for what does not count (unknown operation, bad return code).</summary>
    public static HistoryEntry? Read(XElement e, string resource)
    {
        string task = (string?)e.Attribute("operation") ?? "";
        if (task is not ("monitor" or "start" or "stop" or "promote" or "demote" or "migrate_to" or "migrate_from" or "asyncmon"))
        {
            return null;
        }

        long interval = Values.Number((string?)e.Attribute("interval")) ?? 0;
        if (Values.Number((string?)e.Attribute("rc-code")) is not { } rc)
        {
            return null;
        }

        long status = Values.Number((string?)e.Attribute("op-status")) ?? (long)OpStatus.Invalid;
        string key = (string?)e.Attribute("transition-key") ?? "";
        string[] parts = key.Split(':', 4);
        return new HistoryEntry
        {
            Id = (string?)e.Attribute("id") ?? "",
            Task = task,
            Key = (string?)e.Attribute("operation_key") ?? $"{resource}_{task}_{interval}",
            IntervalMs = interval,
            Status = status is >= -1 and <= 11 ? (OpStatus)status : OpStatus.Invalid,
            Rc = (int)rc,
            ExpectedRc = parts.Length > 2 && Values.Number(parts[2]) is { } x ? (int)x : -1,
            CallId = (int)(Values.Number((string?)e.Attribute("call-id")) ?? 0),
            LastRcChange = Values.Number((string?)e.Attribute("last-rc-change")) ?? 0,
            ExecTimeMs = Values.Number((string?)e.Attribute("exec-time")) ?? 0,
            Transition = parts.Length > 1 && Values.Number(parts[1]) is { } n ? (int)n : -1,
            TransitionUuid = parts.Length > 3 ? parts[3] : "",
            Digest = (string?)e.Attribute("op-digest"),
            SecureDigest = (string?)e.Attribute("op-secure-digest"),
            SecretParameters = (string?)e.Attribute("op-secure-params"),
            RestartDigest = (string?)e.Attribute("op-restart-digest"),
            ForceRestart = (string?)e.Attribute("op-force-restart"),
            ExitReason = (string?)e.Attribute("exit-reason") ?? "",
            MigrateSource = (string?)e.Attribute("migrate_source"),
            MigrateTarget = (string?)e.Attribute("migrate_target"),
        };
    }

    /// <summary>Order in time of two operations on one node (SCHEDULER 2.3).</summary>
    public static int CompareInTime(HistoryEntry a, HistoryEntry b)
    {
        if (a.CallId == -1 && b.CallId == -1)
        {
            return 0;
        }

        if (a.CallId >= 0 && b.CallId >= 0)
        {
            if (a.CallId != b.CallId)
            {
                return a.CallId.CompareTo(b.CallId);
            }

            return a.LastRcChange.CompareTo(b.LastRcChange);
        }

        if (a.TransitionUuid != b.TransitionUuid || a.Transition == b.Transition)
        {
            return a.CallId == -1 ? 1 : -1;
        }

        return a.Transition.CompareTo(b.Transition);
    }
}

/// <summary>What one node recorded about one leaf.</summary>
internal sealed class History
{
    public required Resource Resource { get; init; }
    public required Node Node { get; init; }
    public required string Id { get; init; }

    /// <summary>Oldest first.</summary>
    public required IReadOnlyList<HistoryEntry> Entries { get; init; }

    /// <summary>As written, for those questions that ask about the agent.</summary>
    public string Class { get; init; } = "";
    public string Provider { get; init; } = "";
    public string Type { get; init; } = "";

    /// <summary>Index of the first entry that tells about the present activity (SCHEDULER 2.7).</summary>
    public int StartIndex { get; set; } = -1;
    public int StopIndex { get; set; } = -1;

    public static List<HistoryEntry> Sort(IEnumerable<HistoryEntry> entries)
    {
        var sorted = new List<HistoryEntry>();
        foreach (HistoryEntry entry in entries.Reverse())
        {
            int at = sorted.Count;
            while (at > 0 && HistoryEntry.CompareInTime(sorted[at - 1], entry) > 0)
            {
                at--;
            }

            sorted.Insert(at, entry);
        }

        return sorted;
    }
}
