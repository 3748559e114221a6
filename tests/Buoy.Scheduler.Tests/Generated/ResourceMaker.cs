using System.Globalization;
using System.Xml.Linq;

namespace Buoy.Scheduler.Tests.Generated;

internal enum CloneKind
{
    None,
    Anonymous,
    Unique,
    Promotable,
}

/// <summary>A recurring monitor of a generated leaf.</summary>
internal sealed record MonitorSpec(long IntervalMs, string? Role);

/// <summary>A generated leaf, as its history needs it.</summary>
internal sealed record LeafSpec(
    string Id, string Top, CloneKind Kind, int CloneMax, bool Grouped, string Class, IReadOnlyList<MonitorSpec> Monitors,
    IReadOnlyDictionary<string, string> Parameters, bool MayMigrate);

/// <summary>Generates resources: leafs, groups and clones of either.</summary>
internal sealed class ResourceMaker(Dice dice, Features features)
{
    private int _ids;
    private int _nodes;

    public List<XElement> Elements { get; } = [];
    public List<LeafSpec> Leafs { get; } = [];

    /// <summary>Names that constraints may use, and whether they are promotable.</summary>
    public List<(string Id, CloneKind Clone)> Tops { get; } = [];

    public void MakeAll(IReadOnlyList<NodeSpec> nodes)
    {
        _nodes = nodes.Count;
        if (features.Fencing && dice.Chance(92))
        {
            Elements.Add(new XElement(
                "primitive", new XAttribute("id", "fencer"), new XAttribute("class", "stonith"),
                new XAttribute("type", "fence_xvm")));
            Leafs.Add(new LeafSpec(
                "fencer", "fencer", CloneKind.None, 1, false, "stonith", [], new Dictionary<string, string>(), false));
        }

        int count = dice.Between(1, 4);
        for (int i = 0; i < count; i++)
        {
            CloneKind kind = features.Clones && dice.Chance(50)
                ? dice.Pick(CloneKind.Anonymous, CloneKind.Anonymous, CloneKind.Unique, CloneKind.Promotable, CloneKind.Promotable)
                : CloneKind.None;
            bool group = features.Groups && dice.Chance(45);
            string inner = group ? $"g{i}" : $"r{i}";
            string top = kind == CloneKind.None ? inner : $"c{i}";
            (XElement? clone, int max) = kind == CloneKind.None ? (null, 1) : Clone(top, kind);
            XElement element = group ? Group(inner, i, top, kind, max) : Primitive(inner, top, kind, max, grouped: false);
            clone?.Add(element);
            Elements.Add(clone ?? element);
            Tops.Add((top, kind));
        }
    }

    private (XElement Clone, int Max) Clone(string id, CloneKind kind)
    {
        var clone = new XElement("clone", new XAttribute("id", id));
        var meta = Meta(id);
        int max = _nodes;
        void Set(string name, string value) => meta.Add(WideCib.Pair($"{id}-m{_ids++}", name, value));
        if (kind == CloneKind.Promotable)
        {
            Set("promotable", "true");
            if (dice.Chance(20))
            {
                Set("promoted-max", "2");
            }
        }

        if (kind == CloneKind.Unique)
        {
            Set("globally-unique", "true");
            if (dice.Chance(50))
            {
                Set("clone-node-max", "2");
            }
        }

        if (dice.Chance(20))
        {
            max = dice.Between(1, 3);
            Set("clone-max", max.ToString(CultureInfo.InvariantCulture));
        }

        if (dice.Chance(40))
        {
            Set("interleave", "true");
        }

        if (dice.Chance(15))
        {
            Set("ordered", "true");
        }

        if (features.Notify && dice.Chance(60))
        {
            Set("notify", "true");
        }

        if (dice.Chance(8))
        {
            Set("clone-min", "1");
        }

        AddCommon(meta, id);
        if (meta.HasElements)
        {
            clone.Add(meta);
        }

        return (clone, max);
    }

    private XElement Group(string id, int index, string top, CloneKind kind, int max)
    {
        var group = new XElement("group", new XAttribute("id", id));
        XElement meta = Meta(id);
        AddCommon(meta, id);
        if (features.OddMeta && dice.Chance(15))
        {
            meta.Add(WideCib.Pair($"{id}-m{_ids++}", "ordered", "false"));
        }

        if (meta.HasElements)
        {
            group.Add(meta);
        }

        int members = dice.Between(1, 3);
        for (int m = 0; m < members; m++)
        {
            group.Add(Primitive($"r{index}{(char)('a' + m)}", top, kind, max, grouped: true));
        }

        return group;
    }

    private XElement Primitive(string id, string top, CloneKind kind, int max, bool grouped)
    {
        var primitive = new XElement(
            "primitive", new XAttribute("id", id), new XAttribute("class", "ocf"), new XAttribute("provider", "pacemaker"),
            new XAttribute("type", kind == CloneKind.Promotable ? "Stateful" : "Dummy"));
        XElement meta = Meta(id);
        AddCommon(meta, id);
        bool migrate = features.Migration && dice.Chance(60);
        if (migrate)
        {
            meta.Add(WideCib.Pair($"{id}-m{_ids++}", "allow-migrate", "true"));
        }

        if (meta.HasElements)
        {
            primitive.Add(meta);
        }

        var parameters = new Dictionary<string, string>();
        if (dice.Chance(15))
        {
            parameters["state"] = "/run/" + id;
            primitive.Add(new XElement(
                "instance_attributes", new XAttribute("id", $"{id}-i"), WideCib.Pair($"{id}-is", "state", parameters["state"])));
        }

        if (features.Utilization && dice.Chance(80))
        {
            primitive.Add(new XElement(
                "utilization", new XAttribute("id", $"{id}-u"), WideCib.Pair($"{id}-uc", "cpu", dice.Pick("1", "2", "3")),
                WideCib.Pair($"{id}-um", "ram", dice.Pick("1", "2"))));
        }

        var monitors = new List<MonitorSpec>();
        XElement operations = Operations(id, kind, monitors);
        if (operations.HasElements)
        {
            primitive.Add(operations);
        }

        Leafs.Add(new LeafSpec(id, top, kind, max, grouped, "ocf", monitors, parameters, migrate));
        return primitive;
    }

    private XElement Operations(string id, CloneKind kind, List<MonitorSpec> monitors)
    {
        var operations = new XElement("operations");
        void Add(string name, long interval, string? role, string? onFail)
        {
            var op = new XElement(
                "op", new XAttribute("id", $"{id}-{name}-{_ids++}"), new XAttribute("name", name),
                new XAttribute("interval", interval == 0 ? "0" : $"{interval / 1000}s"));
            if (role is not null)
            {
                op.SetAttributeValue("role", role);
            }

            if (onFail is not null)
            {
                op.SetAttributeValue("on-fail", onFail);
            }

            operations.Add(op);
        }

        string? OnFail(params ReadOnlySpan<string> of) => features.Failures && dice.Chance(35) ? dice.Pick(of) : null;
        if (dice.Chance(55))
        {
            monitors.Add(new MonitorSpec(10000, null));
            Add("monitor", 10000, null, OnFail("ignore", "restart", "block", "stop", "standby", "fence"));
        }

        if (kind == CloneKind.Promotable && dice.Chance(60))
        {
            monitors.Add(new MonitorSpec(11000, "Promoted"));
            Add("monitor", 11000, dice.Pick("Master", "Promoted"), OnFail("demote", "restart", "block", "fence"));
        }

        if (kind is CloneKind.None && features.OddMeta && dice.Chance(15))
        {
            Add("monitor", 12000, "Stopped", null);
        }

        if (features.Failures && dice.Chance(20))
        {
            Add("start", 0, null, OnFail("ignore", "restart", "block", "stop", "standby", "fence"));
        }

        if (features.Failures && dice.Chance(20))
        {
            Add("stop", 0, null, OnFail("ignore", "block", "fence"));
        }

        return operations;
    }

    private static XElement Meta(string id) => new("meta_attributes", new XAttribute("id", $"{id}-m"));

    private void AddCommon(XElement meta, string id)
    {
        void Maybe(bool feature, int percent, string name, params ReadOnlySpan<string> values)
        {
            if (feature && dice.Chance(percent))
            {
                meta.Add(WideCib.Pair($"{id}-m{_ids++}", name, dice.Pick(values)));
            }
        }

        Maybe(true, 20, "resource-stickiness", "0", "1", "50", "100", "INFINITY");
        Maybe(features.Priorities, 40, "priority", "5", "10");
        Maybe(features.Targets, 25, "target-role", "Stopped", "Started", "Slave", "Promoted");
        Maybe(features.OddMeta, 15, "is-managed", "false");
        Maybe(features.OddMeta, 10, "maintenance", "true");
        Maybe(features.OddMeta, 15, "requires", "nothing", "quorum", "fencing");
        Maybe(features.Multiple, 50, "multiple-active", "block", "stop_only", "stop_unexpected", "stop_start");
        Maybe(features.Failures, 30, "migration-threshold", "1", "2");
        Maybe(features.Failures, 20, "failure-timeout", "30s", "10min");
        Maybe(features.FiniteColocations, 15, "critical", "false");
    }
}
