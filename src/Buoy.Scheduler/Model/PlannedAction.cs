namespace Buoy.Scheduler;

/// <summary>An action of the plan; its flags are cleared and set until the orderings are stable (SCHEDULER 4.1, 5).</summary>
internal sealed class PlannedAction(int id, Resource? resource, string task, string key, long intervalMs, Node? node)
{
    /// <summary>Number by creation, from 1.</summary>
    public int Id { get; } = id;
    public Resource? Resource { get; } = resource;
    public string Task { get; private set; } = task;

    /// <summary>The task it is found by: what it was planned as, before a cancel took it over.</summary>
    public string PlannedTask { get; } = task;
    public string Key { get; } = key;
    public long IntervalMs { get; } = intervalMs;
    public Node? Node { get; set; } = node;
    public bool Optional { get; set; } = true;
    public bool Runnable { get; set; } = true;
    public bool Pseudo { get; set; }
    public bool Migratable { get; set; }

    /// <summary>In the graph even if optional.</summary>
    public bool Shown { get; set; }

    /// <summary>A running recurring operation whose definition changed.</summary>
    public bool Reschedule { get; set; }
    public bool MigrationAbort { get; set; }

    /// <summary>Of the cluster itself, not of an agent, although it names a resource (clear_failcount, lrm_delete).</summary>
    public bool ByCluster { get; set; }
    public int Priority { get; set; }
    public string? Reason { get; set; }
    public OnFail OnFail { get; set; }
    public Dictionary<string, string> Meta { get; } = new(StringComparer.Ordinal);
    public int? ExpectedRc { get; set; }

    public List<Relation> Inputs { get; } = [];
    public List<Relation> Outputs { get; } = [];

    /// <summary>Runnable inputs counted for kind MIN.</summary>
    public int RunnableBefore { get; set; }
    public int RequiredBefore { get; set; }
    public bool InGraph { get; set; }
    public int SynapseId { get; set; } = -1;

    public bool IsFencing => Task == "stonith";

    /// <summary>The closing event that this notification confirms to others ("running", ...).</summary>
    public string? Confirms { get; set; }

    /// <summary>How reasons call it.</summary>
    public string Name => Resource is null ? Task == "stonith" ? "stonith" : Task : $"{Resource.Id} {Task}";

    /// <summary>A known recurring operation ends instead of going on.</summary>
    public void TurnIntoCancel() => Task = "cancel";

    public void GiveReason(string reason, bool overwrite = false)
    {
        if (overwrite || Reason is null)
        {
            Reason = reason;
        }
    }

    public override string ToString() => $"{Key} {Node?.Name}";
}
