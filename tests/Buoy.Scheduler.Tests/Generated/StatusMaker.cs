using System.Globalization;
using System.Xml.Linq;

namespace Buoy.Scheduler.Tests.Generated;

/// <summary>Generates the status: node states and the histories of operations that a living cluster would have written.</summary>
internal sealed class StatusMaker(Dice dice, Features features, IReadOnlyList<NodeSpec> nodes, ResourceMaker resources)
{
    private readonly Dictionary<string, NodeSpec?> _homes = [];
    private readonly Dictionary<NodeSpec, XElement> _histories = [];
    private readonly Dictionary<NodeSpec, XElement> _attributes = [];
    private int _calls = 10;
    private int _ids;

    public XElement Build()
    {
        foreach (NodeSpec node in nodes)
        {
            _histories[node] = new XElement("lrm_resources");
            _attributes[node] = new XElement("instance_attributes", new XAttribute("id", $"ta{node.Id}"));
            if (node.Condition == NodeCondition.ShuttingDown)
            {
                Attribute(node, "shutdown", (WideCib.Recorded + 5).ToString(CultureInfo.InvariantCulture));
            }
        }

        foreach (LeafSpec leaf in resources.Leafs)
        {
            if (leaf.Kind == CloneKind.None)
            {
                Single(leaf);
            }
            else if (leaf.Kind == CloneKind.Unique)
            {
                for (int i = 0; i < leaf.CloneMax; i++)
                {
                    Unique(leaf, i);
                }
            }
            else
            {
                Anonymous(leaf);
            }
        }

        if (features.Removed)
        {
            NodeSpec[] alive = [.. nodes.Where(n => n.HasHistory)];
            if (alive.Length > 0)
            {
                var gone = new LeafSpec(
                    "gone", "gone", CloneKind.None, 1, false, "ocf", [new MonitorSpec(10000, null)],
                    new Dictionary<string, string>(), false);
                Running(gone, "gone", dice.Of(alive), promoted: false);
            }
        }

        return new XElement("status", nodes.Where(n => n.Condition != NodeCondition.Unseen).Select(State));
    }

    private XElement State(NodeSpec node)
    {
        (string inCcm, string crmd, string join, string expected) = node.Condition switch
        {
            NodeCondition.Offline => ("false", "offline", "down", "down"),
            NodeCondition.Lost => ("false", "offline", "down", "member"),
            NodeCondition.Hung => ("true", "offline", "member", "member"),
            NodeCondition.Pending => ("true", "online", "down", "member"),
            _ => ("true", "online", "member", "member"),
        };
        var state = new XElement(
            "node_state", new XAttribute("id", node.Id), new XAttribute("uname", node.Name), new XAttribute("in_ccm", inCcm),
            new XAttribute("crmd", crmd), new XAttribute("join", join), new XAttribute("expected", expected));
        if (_attributes[node].HasElements)
        {
            state.Add(new XElement("transient_attributes", new XAttribute("id", node.Id), _attributes[node]));
        }

        if (node.HasHistory)
        {
            state.Add(new XElement("lrm", new XAttribute("id", node.Id), _histories[node]));
        }

        return state;
    }

    private void Single(LeafSpec leaf)
    {
        string key = leaf.Grouped ? leaf.Top : leaf.Id;
        NodeSpec[] alive = [.. nodes.Where(n => n.HasHistory)];
        if (!_homes.TryGetValue(key, out NodeSpec? home))
        {
            home = alive.Length > 0 && dice.Chance(75) ? dice.Of(alive) : null;
            _homes[key] = home;
        }

        bool runs = home is not null && (!leaf.Grouped || dice.Chance(88));
        NodeSpec? second = runs && features.Multiple && dice.Chance(30) ? dice.Of(alive) : null;
        NodeSpec? target = runs && leaf.MayMigrate && second is null && dice.Chance(35) ? dice.Of(alive) : null;
        if (target is not null && target != home)
        {
            Migrating(leaf, home!, target);
        }

        foreach (NodeSpec node in alive)
        {
            if (target is not null && target != home && (node == home || node == target))
            {
                continue;
            }

            if ((runs && node == home) || node == second)
            {
                Running(leaf, leaf.Id, node, promoted: false);
            }
            else
            {
                Idle(leaf, leaf.Id, node);
            }
        }
    }

    private void Unique(LeafSpec leaf, int number)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"{leaf.Id}:{number}");
        NodeSpec[] alive = [.. nodes.Where(n => n.HasHistory)];
        string key = $"{leaf.Top}:{number}";
        if (!_homes.TryGetValue(key, out NodeSpec? home))
        {
            home = alive.Length > 0 && dice.Chance(75) ? dice.Of(alive) : null;
            _homes[key] = home;
        }

        foreach (NodeSpec node in alive)
        {
            if (node == home && (!leaf.Grouped || dice.Chance(88)))
            {
                Running(leaf, name, node, promoted: false);
            }
            else
            {
                Idle(leaf, name, node);
            }
        }
    }

    private void Anonymous(LeafSpec leaf)
    {
        int running = 0;
        bool promotedSomewhere = false;
        foreach (NodeSpec node in nodes.Where(n => n.HasHistory))
        {
            string key = $"{leaf.Top}@{node.Id}";
            if (!_homes.TryGetValue(key, out NodeSpec? home))
            {
                home = dice.Chance(70) ? node : null;
                _homes[key] = home;
            }

            if (home is not null && running < leaf.CloneMax + (dice.Chance(10) ? 1 : 0) && (!leaf.Grouped || dice.Chance(90)))
            {
                running++;
                string promotedKey = $"{leaf.Top}!{node.Id}";
                if (!_homes.TryGetValue(promotedKey, out NodeSpec? promoted))
                {
                    promoted = leaf.Kind == CloneKind.Promotable && (!promotedSomewhere || dice.Chance(10)) && dice.Chance(60)
                        ? node : null;
                    _homes[promotedKey] = promoted;
                }

                promotedSomewhere |= promoted is not null;
                Running(leaf, leaf.Id, node, promoted is not null);
            }
            else
            {
                Idle(leaf, leaf.Id, node);
            }

            if (leaf.Kind == CloneKind.Promotable && dice.Chance(70))
            {
                Attribute(node, "master-" + leaf.Id, dice.Pick("10", "5", "100", "-5"));
            }
        }
    }

    private void Attribute(NodeSpec node, string name, string value) =>
        _attributes[node].Add(WideCib.Pair($"ta{node.Id}-{_ids++}", name, value));

    private History New(LeafSpec leaf, string name, NodeSpec node)
    {
        var element = new XElement(
            "lrm_resource", new XAttribute("id", name), new XAttribute("class", leaf.Class),
            new XAttribute("type", leaf.Class == "stonith" ? "fence_xvm" : leaf.Kind == CloneKind.Promotable ? "Stateful" : "Dummy"));
        if (leaf.Class == "ocf")
        {
            element.SetAttributeValue("provider", "pacemaker");
        }

        _histories[node].Add(element);
        return new History(element, name, leaf, Digest);
    }

    private string? Digest(string right) => features.Digests && dice.Chance(12)
        ? dice.Pick<string?>("00000000000000000000000000000000", null) : right;

    private void Idle(LeafSpec leaf, string name, NodeSpec node)
    {
        if (features.Unprobed && dice.Chance(30))
        {
            return;
        }

        History history = New(leaf, name, node);
        if (features.Failures && dice.Chance(10))
        {
            // A probe that found no agent, or failed.
            history.Add("monitor", 0, dice.Pick(5, 1, 2), 7, $"{name}_last_0", _calls++, dice.Chance(50) ? 0 : 4);
            if (dice.Chance(50))
            {
                Count(node, name, "monitor_0", "1");
            }
        }
        else if (features.Failures && dice.Chance(10))
        {
            history.Add("start", 0, 1, 0, $"{name}_last_failure_0", _calls, 0, 20);
            history.Add("stop", 0, 0, 0, $"{name}_last_0", _calls + 1, 0, 22);
            _calls += 2;
            Count(node, name, "start_0", "INFINITY");
        }
        else if (features.Pending && dice.Chance(15))
        {
            history.Add(dice.Pick("monitor", "start"), 0, 193, dice.Pick(7, 0), $"{name}_last_0", -1, -1);
        }
        else if (dice.Chance(30))
        {
            history.Add("stop", 0, 0, 0, $"{name}_last_0", _calls++);
        }
        else
        {
            history.Add("monitor", 0, 7, 7, $"{name}_last_0", _calls++);
        }
    }

    private void Count(NodeSpec node, string name, string operation, string value)
    {
        string leaf = name.Split(':')[0];
        bool unique = resources.Leafs.Exists(l => l.Kind == CloneKind.Unique && l.Id == leaf);
        string attribute = unique ? name : leaf;
        Attribute(node, $"fail-count-{attribute}#{operation}", value);
        Attribute(
            node, $"last-failure-{attribute}#{operation}",
            (WideCib.Recorded + 20).ToString(CultureInfo.InvariantCulture));
    }

    private void Running(LeafSpec leaf, string name, NodeSpec node, bool promoted)
    {
        History history = New(leaf, name, node);
        int failure = features.Failures && dice.Chance(30) ? dice.Between(1, 6) : 0;
        if (features.Pending && dice.Chance(12))
        {
            history.Add("start", 0, 0, 0, $"{name}_last_0", _calls++);
            history.Add(dice.Pick("stop", promoted ? "demote" : "stop"), 0, 193, 0, $"{name}_last_0", -1, -1);
            return;
        }

        if (failure == 1)
        {
            // The start failed and was never cleaned up.
            history.Add("start", 0, 1, 0, $"{name}_last_0", _calls, 0, 20);
            history.Add("start", 0, 1, 0, $"{name}_last_failure_0", _calls++, 0, 20);
            Count(node, name, "start_0", "INFINITY");
            return;
        }

        if (failure == 2)
        {
            history.Add("stop", 0, 1, 0, $"{name}_last_0", _calls, dice.Pick(0, 2), 20);
            history.Add("stop", 0, 1, 0, $"{name}_last_failure_0", _calls++, dice.Pick(0, 2), 20);
            Count(node, name, "stop_0", "INFINITY");
            return;
        }

        if (failure == 3)
        {
            // An old failure that a later start has made good.
            history.Add("monitor", 10000, 7, 0, $"{name}_last_failure_0", _calls++, 0, -20);
            Count(node, name, "monitor_10000", "1");
        }

        string task = promoted ? "promote" : "start";
        if (failure == 4 && leaf.Kind == CloneKind.Promotable)
        {
            string bad = promoted ? "promote" : "demote";
            history.Add(bad, 0, 1, 0, $"{name}_last_0", _calls, 0, 20);
            history.Add(bad, 0, 1, 0, $"{name}_last_failure_0", _calls++, 0, 20);
            Count(node, name, bad + "_0", "1");
            return;
        }

        if (dice.Chance(8) && !promoted)
        {
            // Found running, not started by the cluster.
            history.Add("monitor", 0, 0, 7, $"{name}_last_failure_0", _calls++);
        }
        else
        {
            history.Add(task, 0, 0, 0, $"{name}_last_0", _calls++);
        }

        foreach (MonitorSpec monitor in leaf.Monitors)
        {
            if (monitor.Role is null == promoted && leaf.Kind == CloneKind.Promotable)
            {
                continue;
            }

            int right = promoted ? 8 : 0;
            string id = string.Create(CultureInfo.InvariantCulture, $"{name}_monitor_{monitor.IntervalMs}");
            if (failure >= 5)
            {
                int rc = dice.Pick(7, 1, promoted ? 9 : 1, 8, 5);
                int status = rc == 1 && dice.Chance(30) ? 2 : 0;
                history.Add("monitor", monitor.IntervalMs, rc, right, id, _calls, status, 20);
                history.Add("monitor", monitor.IntervalMs, rc, right, $"{name}_last_failure_0", _calls++, status, 20);
                Count(node, name, string.Create(CultureInfo.InvariantCulture, $"monitor_{monitor.IntervalMs}"), dice.Pick("1", "2"));
                failure = 0;
            }
            else
            {
                history.Add("monitor", monitor.IntervalMs, right, right, id, _calls++);
            }
        }
    }

    private void Migrating(LeafSpec leaf, NodeSpec from, NodeSpec to)
    {
        History source = New(leaf, leaf.Id, from), target = New(leaf, leaf.Id, to);
        source.Add("start", 0, 0, 0, $"{leaf.Id}_last_0", _calls++);
        int how = dice.Below(4);
        source.Migration("migrate_to", how == 3 ? 1 : 0, _calls++, from.Name, to.Name);
        if (how == 1)
        {
            target.Migration("migrate_from", 0, _calls++, from.Name, to.Name);
        }
        else if (how == 2)
        {
            target.Migration("migrate_from", 1, _calls++, from.Name, to.Name);
        }
        else
        {
            target.Add("monitor", 0, 7, 7, $"{leaf.Id}_last_0", 2);
        }
    }
}
