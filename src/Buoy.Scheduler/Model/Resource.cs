namespace Buoy.Scheduler;

internal enum ResourceKind
{
    Leaf,
    Group,
    Clone,
}

internal enum Requirement
{
    Nothing,
    Quorum,
    Fencing,
    Unfencing,
}

internal enum MultipleActive
{
    StopStart,
    StopOnly,
    StopUnexpected,
    Block,
}

/// <summary>Clone options (SCHEDULER 1.3).</summary>
internal sealed class CloneOptions
{
    public int Max { get; init; }
    public int NodeMax { get; init; }
    public int Min { get; init; }
    public bool Ordered { get; init; }
    public bool Interleave { get; init; }
    public bool Notify { get; init; }
    public bool Promotable { get; init; }
    public int PromotedMax { get; init; }
    public int PromotedNodeMax { get; init; }
}

/// <summary>A resource: a leaf (primitive), a group, or a clone, with what the run finds out and decides about it.</summary>
internal sealed class Resource(string id, string xmlId, ResourceKind kind, Resource? parent)
{
    /// <summary>Id with instance number.</summary>
    public string Id { get; } = id;

    /// <summary>Id in the configuration.</summary>
    public string XmlId { get; } = xmlId;
    public ResourceKind Kind { get; } = kind;
    public Resource? Parent { get; } = parent;
    public List<Resource> Children { get; } = [];

    /// <summary>The id that the history uses, where it differs from <see cref="Id"/>.</summary>
    public string? HistoryId { get; set; }
    public string Class { get; init; } = "";
    public string? Provider { get; init; }
    public string Type { get; init; } = "";
    public Dictionary<string, string> Meta { get; init; } = [];
    public OperationTable Operations { get; init; } = OperationTable.Empty;
    public ParameterSource Parameters { get; init; } = ParameterSource.None;
    public CloneOptions? Clone { get; init; }

    // Options
    public int Priority { get; set; }
    public int Stickiness { get; init; }
    public bool Critical { get; init; } = true;
    public bool Unique { get; init; }
    public bool Ordered { get; init; } = true;
    public bool Collocated { get; init; } = true;

    /// <summary>Tickets without which it cannot be promoted.</summary>
    public List<Ticket> PromotionTickets { get; } = [];
    public bool AllowMigrate { get; set; }
    public bool AllowUnhealthy { get; init; }
    public Requirement Requires { get; init; }
    public int MigrationThreshold { get; init; } = Score.Infinity;

    /// <summary>Seconds after which failures count no longer; 0 = never.</summary>
    public long FailureTimeout { get; init; }
    public MultipleActive MultipleActive { get; init; }
    public Dictionary<string, int> Utilization { get; init; } = [];

    // State
    public bool Managed { get; set; } = true;
    public bool Maintenance { get; set; }
    public bool Blocked { get; set; }
    public bool Failed { get; set; }
    public bool FailureIgnored { get; set; }
    public bool Removed { get; set; }
    public bool StartPending { get; set; }

    /// <summary>It failed, and all that is asked for is a demotion.</summary>
    public bool FailedByDemote { get; set; }
    public ResourceRole Role { get; set; } = ResourceRole.Stopped;
    public ResourceRole NextRole { get; set; } = ResourceRole.Unknown;
    public List<Node> ActiveOn { get; } = [];
    public HashSet<Node> KnownOn { get; } = [];
    public Dictionary<Node, int> MaskedProbes { get; } = [];
    public List<Node> DanglingSources { get; } = [];
    public Node? PartialSource { get; set; }
    public Node? PartialTarget { get; set; }
    public Node? LockedTo { get; set; }
    public Node? PendingNode { get; set; }
    public string? PendingTask { get; set; }

    // Placement
    public ScoreTable Scores { get; set; } = null!;
    public Dictionary<Node, Discovery> DiscoveryModes { get; } = [];
    public bool ExclusiveDiscovery { get; set; }
    public List<Colocation> With { get; } = [];
    public List<Colocation> WithThis { get; } = [];
    public Node? Assigned { get; set; }
    public bool IsAssigned { get; set; }
    public bool IsAssigning { get; set; }
    public bool IsMerging { get; set; }
    public int AssignmentValue { get; set; }

    // Actions, in the order of creation
    public List<PlannedAction> Actions { get; } = [];

    /// <summary>Of a notifying clone: the events around its tasks.</summary>
    public List<NotifyEvents> Notifications { get; } = [];

    public NotifyEvents? Notified(string task) => Notifications.Find(n => n.Task == task);

    public bool IsLeaf => Kind == ResourceKind.Leaf;
    public bool IsFenceDevice => Class == "stonith";
    public Resource Top
    {
        get
        {
            Resource r = this;
            while (r.Parent is not null)
            {
                r = r.Parent;
            }

            return r;
        }
    }

    public bool IsPromotable => Top.Clone is { Promotable: true };
    public bool InGroup => Parent?.Kind == ResourceKind.Group;
    public bool IsInstance => Parent?.Kind == ResourceKind.Clone;

    /// <summary>The name in fail counts, history and output.</summary>
    public string HistoryName => HistoryId ?? Id;

    /// <summary>Id for people: without number unless the copies differ.</summary>
    public string DisplayId => Unique || IsLeafOfUnique ? Id : IsInClone ? XmlId : Id;

    public bool IsInClone => Top.Kind == ResourceKind.Clone;

    public bool IsLeafOfUnique => Top is { Kind: ResourceKind.Clone, Unique: true };

    /// <summary>All leafs below, or itself.</summary>
    public IEnumerable<Resource> Leafs() => IsLeaf ? [this] : Children.SelectMany(c => c.Leafs());

    public bool HasAncestor(Resource other)
    {
        for (Resource? r = this; r is not null; r = r.Parent)
        {
            if (r == other)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Nodes where it, or a part of it, is active.</summary>
    public IEnumerable<Node> ActiveNodes() =>
        IsLeaf ? ActiveOn : Children.SelectMany(c => c.ActiveNodes()).Distinct();

    /// <summary>Where it is active now, for decisions (SCHEDULER 2.7).</summary>
    public Node? CurrentNode
    {
        get
        {
            if (!IsLeaf)
            {
                return Children.Select(c => c.CurrentNode).FirstOrDefault(n => n is not null);
            }

            if (PartialSource is not null)
            {
                return PartialSource;
            }

            return Requires < Requirement.Fencing
                ? ActiveOn.FirstOrDefault(n => n.Online && !n.Unclean) ?? ActiveOn.FirstOrDefault()
                : ActiveOn.FirstOrDefault();
        }
    }

    public bool IsActive(bool all) => IsLeaf
        ? ActiveOn.Any(n => n.Online || Managed == false || !n.Unclean) && ActiveOn.Count > 0
        : all ? Children.Count > 0 && Children.All(c => c.IsActive(true)) : Children.Any(c => c.IsActive(false));

    public ResourceRole CurrentRole() => IsLeaf
        ? Role
        : Children.Select(c => c.CurrentRole()).DefaultIfEmpty(ResourceRole.Unknown).Max();

    public ResourceRole PlannedRole() => IsLeaf
        ? NextRole
        : Children.Select(c => c.PlannedRole()).DefaultIfEmpty(ResourceRole.Unknown).Max();

    public override string ToString() => Id;
}

internal enum Discovery
{
    Always,
    Never,
    Exclusive,
}
