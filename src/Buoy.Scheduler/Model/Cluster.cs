namespace Buoy.Scheduler;

/// <summary>The working set of one run: everything unpacked, and everything decided so far.</summary>
internal sealed class Cluster(ClusterOptions options, DateTimeOffset now)
{
    private readonly Dictionary<string, Resource> _byId = new(StringComparer.Ordinal);
    private DateTimeOffset? _recheckBy;

    public ClusterOptions Options { get; } = options;
    public DateTimeOffset Now { get; } = now;
    public bool HasQuorum { get; set; }
    public string? DcId { get; init; }

    /// <summary>The CIB is a copy whose secrets may be hidden.</summary>
    public bool Sanitized { get; init; }
    public string FeatureSet { get; init; } = "";

    /// <summary>In list order (by name).</summary>
    public List<Node> Nodes { get; } = [];

    /// <summary>Top-level resources in list order (by priority).</summary>
    public List<Resource> Resources { get; } = [];

    /// <summary>Tags and templates: id → ids of the resources they stand for.</summary>
    public Dictionary<string, List<string>> Tags { get; } = new(StringComparer.Ordinal);
    public Dictionary<string, List<string>> Templates { get; } = new(StringComparer.Ordinal);
    public Dictionary<string, Ticket> Tickets { get; } = new(StringComparer.Ordinal);
    public List<Colocation> Colocations { get; } = [];
    public List<PendingOrder> Orders { get; } = [];
    public List<PlannedAction> Actions { get; } = [];
    public List<ScoreLine> Scores { get; } = [];
    public List<string> Problems { get; } = [];
    public List<History> Histories { get; } = [];
    public List<FailureRecord> Failures { get; } = [];

    /// <summary>A fence device or a watchdog is there.</summary>
    public bool HasFenceDevice { get; set; }
    public bool NeedsUnfencing { get; set; }
    public int DisabledCount { get; set; }
    public int BlockedCount { get; set; }
    public int InstanceCount { get; set; }
    public bool FencingOn => Options.FencingEnabled;
    public DateTimeOffset? RecheckBy => _recheckBy;

    /// <summary>The first node that still shuts down or is fenced as DC is ordered by it.</summary>
    public Node? Dc => DcId is null ? null : Nodes.FirstOrDefault(n => n.Id == DcId);

    public void RecheckAt(DateTimeOffset when)
    {
        if (when > Now && (_recheckBy is null || when < _recheckBy))
        {
            _recheckBy = when;
        }
    }

    public Node? NodeByName(string? name) =>
        name is null ? null : Nodes.Find(n => string.Equals(n.Name, name, StringComparison.OrdinalIgnoreCase));

    public Node? NodeById(string? id) => id is null ? null : Nodes.Find(n => n.Id == id);

    public void Register(Resource resource)
    {
        _byId[resource.Id] = resource;
        foreach (Resource child in resource.Children)
        {
            Register(child);
        }
    }

    public Resource? Find(string? id) => id is null ? null : _byId.GetValueOrDefault(id);

    /// <summary>The resource that a constraint's id means: itself, or the top of an instance or history id.</summary>
    public Resource? FindForConstraint(string id)
    {
        if (Find(id) is { } exact)
        {
            return exact.IsInClone ? exact.Top : exact;
        }

        foreach (Resource resource in _byId.Values)
        {
            if (resource.HistoryId == id || (resource.IsInClone && resource.XmlId == id))
            {
                return resource.Top;
            }
        }

        return null;
    }

    public IEnumerable<Resource> AllLeafs() => Resources.SelectMany(r => r.Leafs());

    public IEnumerable<Resource> AllResources() => Resources.SelectMany(Below);

    private static IEnumerable<Resource> Below(Resource r) => r.Children.SelectMany(Below).Prepend(r);
}

internal sealed class Ticket(string id)
{
    public string Id { get; } = id;
    public bool Granted { get; set; }
    public bool Standby { get; set; }
}

/// <summary>A recorded operation that failed (or came back degraded).</summary>
internal sealed record FailureRecord(Resource Resource, Node Node, HistoryEntry Entry, OpStatus Status);
