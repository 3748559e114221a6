using System.Globalization;
using System.Xml.Linq;
using CsCheck;

namespace Buoy.Scheduler.Tests.Generated;

/// <summary>
/// Random CIBs, valid by construction, over all that the scheduler honours: options, nodes in every state, leafs, groups, clones,
/// promotable clones, constraints of all kinds, rules, tickets, and histories that clusters leave behind. Each CIB uses a few
/// features at a time (<see cref="Features"/>), so that a difference points at one of them.
/// </summary>
internal sealed class WideCib
{
    /// <summary>Epoch seconds of the recorded operations; failures come later.</summary>
    public const long Recorded = 1760000000;

    public static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(Recorded + 60);

    public static readonly Gen<XElement> Generator = new WideGen();

    private readonly Dice _dice;
    private readonly Features _features;
    private readonly List<NodeSpec> _nodes = [];
    private readonly ResourceMaker _resources;
    private int _ids;

    private WideCib(Dice dice)
    {
        _dice = dice;
        _features = new Features(dice);
        _resources = new ResourceMaker(dice, _features);
    }

    public static XElement From(Dice dice) => new WideCib(dice).Build();

    public static XElement Pair(string id, string name, string value) =>
        new("nvpair", new XAttribute("id", id), new XAttribute("name", name), new XAttribute("value", value));

    private XElement Build()
    {
        MakeNodes();
        _resources.MakeAll(_nodes);
        var constraints = new ConstraintMaker(_dice, _features, _nodes, _resources);
        var status = new StatusMaker(_dice, _features, _nodes, _resources);
        XElement states = status.Build();
        if (_features.Tickets)
        {
            states.Add(new XElement("tickets", constraints.TicketStates()));
        }

        return new XElement(
            "cib",
            new XAttribute("crm_feature_set", "3.16.1"), new XAttribute("validate-with", "pacemaker-3.9"),
            new XAttribute("epoch", 1), new XAttribute("num_updates", 0), new XAttribute("admin_epoch", 0),
            new XAttribute("have-quorum", _features.NoQuorum ? 0 : 1), new XAttribute("dc-uuid", 1),
            new XElement(
                "configuration", Options(), new XElement("nodes", _nodes.Select(Node)),
                new XElement("resources", _resources.Elements), new XElement("constraints", constraints.All())),
            states);
    }

    private XElement Options()
    {
        var set = new XElement("cluster_property_set", new XAttribute("id", "cib-bootstrap-options"));
        void Set(string name, string value) => set.Add(Pair($"opt{_ids++}", name, value));
        Set("stonith-enabled", _features.Fencing ? "true" : "false");
        Set("concurrent-fencing", "true");
        if (_features.NoQuorum)
        {
            Set("no-quorum-policy", _dice.Pick("stop", "freeze", "demote", "ignore", "suicide"));
        }

        void Maybe(int percent, string name, params ReadOnlySpan<string> values)
        {
            if (_dice.Chance(percent))
            {
                Set(name, _dice.Pick(values));
            }
        }

        if (_features.OddOptions)
        {
            Maybe(25, "maintenance-mode", "true");
            Maybe(15, "stop-all-resources", "true");
            Maybe(25, "symmetric-cluster", "false");
            Maybe(20, "enable-startup-probes", "false");
            Maybe(20, "start-failure-is-fatal", "false");
            Maybe(20, "startup-fencing", "false");
            Maybe(20, "stop-orphan-resources", "false");
            Maybe(20, "stop-orphan-actions", "false");
            Maybe(20, "stonith-action", "off", "reboot");
        }

        if (_features.Utilization)
        {
            Set("placement-strategy", _dice.Pick("utilization", "minimal", "balanced", "default"));
        }

        if (_features.Health)
        {
            Set("node-health-strategy", _dice.Pick("migrate-on-red", "only-green", "progressive", "custom"));
            Maybe(40, "node-health-red", "-100", "-INFINITY");
            Maybe(40, "node-health-yellow", "-10", "5");
            Maybe(40, "node-health-green", "0", "7");
            Maybe(40, "node-health-base", "0", "20");
        }

        return new XElement("crm_config", set);
    }

    private void MakeNodes()
    {
        int count = _dice.Between(2, 4);
        for (int n = 1; n <= count; n++)
        {
            string name = n == 2 && _dice.Chance(15) ? "n10" : string.Create(CultureInfo.InvariantCulture, $"n{n}");
            NodeCondition condition = _features.NodeStates && _dice.Chance(40)
                ? _dice.Pick(Enum.GetValues<NodeCondition>())
                : NodeCondition.Online;
            _nodes.Add(new NodeSpec(n, name, n == 1 && _dice.Chance(80) ? NodeCondition.Online : condition));
        }
    }

    private XElement Node(NodeSpec node)
    {
        var element = new XElement("node", new XAttribute("id", node.Id), new XAttribute("uname", node.Name));
        var attributes = new XElement("instance_attributes", new XAttribute("id", $"na{node.Id}"));
        void Set(string name, string value) => attributes.Add(Pair($"na{node.Id}-{_ids++}", name, value));
        if (node.Condition == NodeCondition.Standby)
        {
            Set("standby", "on");
        }
        else if (node.Condition == NodeCondition.Maintenance)
        {
            Set("maintenance", "true");
        }

        if (_features.Rules)
        {
            Set("site", _dice.Pick("a", "b"));
            Set("level", _dice.Pick("5", "20", "INFINITY", "-7"));
            if (_dice.Chance(50))
            {
                Set("weight", _dice.Pick("5", "20", "INFINITY", "-7"));
            }
        }

        if (_features.Health && _dice.Chance(60))
        {
            Set("#health-disk", _dice.Pick("red", "yellow", "green", "-30"));
        }

        if (attributes.HasElements)
        {
            element.Add(attributes);
        }

        if (_features.Utilization)
        {
            element.Add(new XElement(
                "utilization", new XAttribute("id", $"nu{node.Id}"),
                Pair($"nu{node.Id}c", "cpu", _dice.Pick("1", "2", "4")),
                Pair($"nu{node.Id}m", "ram", _dice.Pick("2", "4", "8"))));
        }

        return element;
    }
}

/// <summary>Draws all choices of a CIB from one generator of random numbers.</summary>
internal sealed class WideGen : Gen<XElement>
{
    public override XElement Generate(PCG pcg, Size? min, out Size size)
    {
        size = new Size(0);
        return WideCib.From(new Dice(pcg));
    }
}

/// <summary>What a generated CIB is about.</summary>
internal sealed class Features(Dice dice)
{
    public bool Fencing { get; } = dice.Chance(35);
    public bool NoQuorum { get; } = dice.Chance(10);
    public bool OddOptions { get; } = dice.Chance(15);
    public bool NodeStates { get; } = dice.Chance(40);
    public bool Utilization { get; } = dice.Chance(8);
    public bool Health { get; } = dice.Chance(6);
    public bool Rules { get; } = dice.Chance(20);
    public bool Tickets { get; } = dice.Chance(8);
    public bool Failures { get; } = dice.Chance(45);
    public bool Pending { get; } = dice.Chance(12);
    public bool Unprobed { get; } = dice.Chance(25);
    public bool Removed { get; } = dice.Chance(8);
    public bool Digests { get; } = dice.Chance(15);
    public bool Migration { get; } = dice.Chance(25);
    public bool Multiple { get; } = dice.Chance(10);
    public bool Priorities { get; } = dice.Chance(15);
    public bool OddMeta { get; } = dice.Chance(20);
    public bool Targets { get; } = dice.Chance(30);
    public bool Clones { get; } = dice.Chance(60);
    public bool Groups { get; } = dice.Chance(50);
    public bool Notify { get; } = dice.Chance(25);
    public bool Sets { get; } = dice.Chance(20);
    public bool Roles { get; } = dice.Chance(50);
    public bool Asymmetric { get; } = dice.Chance(15);
    public bool FiniteColocations { get; } = dice.Chance(30);
}

internal enum NodeCondition
{
    Online,
    Standby,
    Maintenance,
    Offline,
    Lost,
    Hung,
    Pending,
    ShuttingDown,
    Unseen,
}

internal sealed record NodeSpec(int Id, string Name, NodeCondition Condition)
{
    /// <summary>Whether histories of it may exist.</summary>
    public bool HasHistory => Condition is not (NodeCondition.Unseen or NodeCondition.Offline or NodeCondition.Pending);
}
