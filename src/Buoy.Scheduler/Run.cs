using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>One run of the scheduler: unpacked state first, decisions on top of it on request.</summary>
internal sealed class Run
{
    private readonly ConfigReader _reader;
    private readonly ActionFactory _actions;
    private readonly OrderBook _orders;
    private readonly Fencing _fencing;
    private List<Synapse> _synapses = [];

    private Run(Cluster cluster, ConfigReader reader, ActionFactory actions, Fencing fencing)
    {
        Cluster = cluster;
        _reader = reader;
        _actions = actions;
        _orders = new OrderBook(cluster);
        _fencing = fencing;
    }

    public Cluster Cluster { get; }

    public static Run Unpack(XElement cib, DateTimeOffset now, SchedulerOptions? o)
    {
        o ??= new SchedulerOptions();
        var reader = new ConfigReader(cib);
        if (o.UseExecutionDate && Values.Epoch((string?)cib.Attribute("execution-date")) is { } date)
        {
            now = date;
        }

        // 1. options, nodes, resources, tags, status
        bool quorum = o.HasQuorum ?? Values.Bool((string?)cib.Attribute("have-quorum")) ?? false;
        bool panic = Values.Bool((string?)cib.Attribute("no-quorum-panic")) ?? false;
        ClusterOptions options = ClusterOptions.Read(reader, now, quorum, panic);
        var cluster = new Cluster(options, now)
        {
            HasQuorum = quorum,
            DcId = (string?)cib.Attribute("dc-uuid"),
            Sanitized = o.Sanitized,
            FeatureSet = (string?)cib.Attribute("crm_feature_set") ?? "",
        };
        if (options.RecheckBy is { } recheck)
        {
            cluster.RecheckAt(recheck);
        }

        var actions = new ActionFactory(cluster);
        var fencing = new Fencing(cluster, actions);
        actions.Fencing = fencing;
        NodeReader.ReadConfiguration(cluster, reader);
        var resources = new ResourceReader(cluster, reader);
        resources.ReadAll();
        var status = new StatusReader(cluster, reader, resources, actions, fencing);
        status.ReadAll();
        CountLimits(cluster);
        return new Run(cluster, reader, actions, fencing);
    }

    public void Decide()
    {
        Cluster cluster = Cluster;

        // 2. health, then constraints in file order
        var locations = new Locations(cluster, _reader);
        locations.ApplyHealth();
        var colocations = new ColocationReader(cluster, _reader, _orders);
        var orders = new OrderReader(cluster, _reader, _actions, _orders);
        var tickets = new TicketConstraints(cluster, _fencing);
        foreach (XElement e in _reader.Section("constraints").Elements())
        {
            switch (e.Name.LocalName)
            {
                case "rsc_colocation":
                    colocations.Read(e);
                    break;
                case "rsc_order":
                    orders.Read(e);
                    break;
                case "rsc_ticket":
                    tickets.Read(e);
                    break;
            }
        }

        // 3. locations, stickiness, fail-count bans, exclusive discovery
        locations.ApplyConstraints();
        locations.ApplyState();

        // 4. internal constraints
        GroupColocations(colocations);
        new InternalOrders(cluster, _actions, _orders).AddAll();

        // 5. history against configuration
        new Digests(cluster, _actions, _orders).Check();

        // 6. nodes and roles
        new Assigner(cluster, locations).AssignAll();

        // 7. probes: instances are put in numeric order for them, and only for them
        if (cluster.Options.StartupProbes)
        {
            foreach (Resource clone in cluster.Resources.Where(r => r.Kind == ResourceKind.Clone))
            {
                clone.Children.Sort((a, b) => InstanceNumber(a).CompareTo(InstanceNumber(b)));
            }
        }

        new Probes(cluster, _actions, _orders).Create();

        // 8. fail counts of removed resources
        ClearRemoved();

        // 9. actions
        new CollectionActions(cluster, _actions, _orders).CreateAll();

        // 11. fencing and shutdown
        _fencing.PlanForNodes(_orders);

        // 12. orderings
        new OrderBinder(cluster, _actions, _orders).BindAll();
        new OrderingUpdate(cluster, _orders).Run();

        // 13. graph
        _synapses = new GraphBuilder(cluster, new Notifications(cluster, _actions, _orders)).Build();
    }

    public Transition ToTransition() => new()
    {
        Synapses = _synapses,
        Scores = Cluster.Scores,
        Summary = TransitionSummary.Lines(Cluster),
        Problems = Cluster.Problems,
        RecheckBy = Cluster.RecheckBy,
        BatchLimit = Cluster.Options.BatchLimit,
        ClusterDelay = Cluster.Options.ClusterDelay,
        FencingTimeout = Cluster.Options.FencingTimeout,
        StartFailureIsFatal = Cluster.Options.StartFailureIsFatal,
        MigrationLimit = Cluster.Options.MigrationLimit,
    };

    private static int InstanceNumber(Resource instance) =>
        int.TryParse(instance.Id.AsSpan(instance.Id.LastIndexOf(':') + 1), out int n) ? n : 0;

    private void GroupColocations(ColocationReader colocations)
    {
        foreach (Resource group in Cluster.AllResources().Where(r => r.Kind == ResourceKind.Group && r.Collocated).ToArray())
        {
            for (int i = 1; i < group.Children.Count; i++)
            {
                Resource member = group.Children[i];
                colocations.Add(
                    "#group-members", "#uname", Score.Infinity, member, group.Children[i - 1], null, null, member.Critical);
            }
        }
    }

    private void ClearRemoved()
    {
        var counts = new FailCounts(Cluster);
        foreach (Resource leaf in Cluster.Resources.Where(r => r.Removed && r.IsLeaf).ToArray())
        {
            foreach (Node node in Cluster.Nodes.Where(n => n.Online))
            {
                if (counts.Get(leaf, node, effective: true).Count > 0)
                {
                    PlannedAction clear = _actions.ClearFailCount(leaf, node, "it is orphaned");
                    _orders.Add(OrderSide.Of(leaf, "stop"), OrderSide.Of(clear), OrderKinds.Sequence);
                }
            }
        }
    }

    private static void CountLimits(Cluster cluster)
    {
        foreach (Resource leaf in cluster.AllLeafs())
        {
            if (leaf.Removed && leaf.Role <= ResourceRole.Stopped)
            {
                continue;
            }

            cluster.InstanceCount++;
            ResourceRole? target = Roles.Parse(leaf.Meta.GetValueOrDefault("target-role"));
            if (target == ResourceRole.Stopped || (target == ResourceRole.Unpromoted && leaf.IsPromotable))
            {
                cluster.DisabledCount++;
            }

            if (leaf.Blocked)
            {
                cluster.BlockedCount++;
            }
        }
    }
}
