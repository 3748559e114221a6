using System.Xml.Linq;

namespace Buoy.Scheduler.Tests.Generated;

/// <summary>Generates constraints over the resources there are, no pair of them twice or in both directions.</summary>
internal sealed class ConstraintMaker(Dice dice, Features features, IReadOnlyList<NodeSpec> nodes, ResourceMaker resources)
{
    private readonly List<string> _tickets = ["T1", "T2"];
    private int _ids;

    public IEnumerable<XElement> All()
    {
        var all = new List<XElement>();
        for (int i = dice.Below(4); i > 0; i--)
        {
            all.Add(Location());
        }

        var seen = new HashSet<(string, string)>();
        for (int i = dice.Below(3); i > 0; i--)
        {
            all.AddRange(Colocation(seen));
        }

        seen.Clear();
        for (int i = dice.Below(3); i > 0; i--)
        {
            all.AddRange(Order(seen));
        }

        if (features.Tickets)
        {
            all.AddRange(Tickets());
        }

        return all;
    }

    public IEnumerable<XElement> TicketStates()
    {
        foreach (string ticket in _tickets)
        {
            if (dice.Chance(70))
            {
                yield return new XElement(
                    "ticket_state", new XAttribute("id", ticket), new XAttribute("granted", dice.Pick("true", "false")),
                    new XAttribute("standby", dice.Chance(20) ? "true" : "false"));
            }
        }
    }

    private string Id(string prefix) => $"{prefix}-{_ids++}";

    private XElement Location()
    {
        (string id, CloneKind clone) = dice.Of(resources.Tops);
        var location = new XElement("rsc_location", new XAttribute("id", Id("location")), new XAttribute("rsc", id));
        string score = dice.Pick("INFINITY", "-INFINITY", "100", "20", "-50");
        if (features.Rules && dice.Chance(60))
        {
            location.Add(Rule(score, clone));
            return location;
        }

        location.SetAttributeValue("node", dice.Of(nodes).Name);
        location.SetAttributeValue("score", score);
        if (clone == CloneKind.Promotable && features.Roles && dice.Chance(30))
        {
            location.SetAttributeValue("role", dice.Pick("Master", "Promoted"));
        }

        if (features.OddMeta && dice.Chance(15))
        {
            location.SetAttributeValue("resource-discovery", dice.Pick("never", "exclusive", "always"));
        }

        return location;
    }

    private XElement Rule(string score, CloneKind clone)
    {
        var rule = new XElement("rule", new XAttribute("id", Id("rule")));
        if (dice.Chance(25))
        {
            rule.SetAttributeValue("score-attribute", "level");
        }
        else
        {
            rule.SetAttributeValue("score", score);
        }

        if (clone == CloneKind.Promotable && dice.Chance(40))
        {
            rule.SetAttributeValue("role", "Promoted");
        }

        int count = dice.Between(1, 2);
        if (count == 2)
        {
            rule.SetAttributeValue("boolean-op", dice.Pick("and", "or"));
        }

        for (int i = 0; i < count; i++)
        {
            var expression = new XElement("expression", new XAttribute("id", Id("expression")));
            (string attribute, string operation, string? value) = dice.Pick<(string, string, string?)>(
                ("#uname", "eq", dice.Of(nodes).Name), ("#uname", "ne", dice.Of(nodes).Name), ("site", "eq", "a"),
                ("site", "ne", "b"), ("weight", "defined", null), ("weight", "not_defined", null), ("weight", "gt", "6"),
                ("weight", "lte", "20"));
            expression.SetAttributeValue("attribute", attribute);
            expression.SetAttributeValue("operation", operation);
            expression.SetAttributeValue("value", value);
            rule.Add(expression);
        }

        return rule;
    }

    private (string A, string B)? Two(HashSet<(string, string)> seen)
    {
        string a = Name(), b = Name();
        return Top(a) != Top(b) && seen.Add((Top(a), Top(b))) && seen.Add((Top(b), Top(a))) ? (a, b) : null;
    }

    /// <summary>Mostly a whole resource, sometimes a member of a group.</summary>
    private string Name()
    {
        LeafSpec[] members = [.. resources.Leafs.Where(l => l.Grouped && l.Kind == CloneKind.None)];
        return members.Length > 0 && dice.Chance(10) ? dice.Of(members).Id : dice.Of(resources.Tops).Id;
    }

    private string Top(string name) => resources.Leafs.FirstOrDefault(l => l.Id == name)?.Top ?? name;

    private CloneKind Kind(string name) => resources.Tops.Find(t => t.Id == name).Clone;

    private string? Role(string name) => features.Roles && Kind(name) == CloneKind.Promotable && dice.Chance(70)
        ? dice.Pick("Master", "Promoted", "Promoted", "Unpromoted", "Started")
        : null;

    private IEnumerable<XElement> Colocation(HashSet<(string, string)> seen)
    {
        string score = features.FiniteColocations
            ? dice.Pick("INFINITY", "-INFINITY", "30", "-30", "200")
            : dice.Pick("INFINITY", "INFINITY", "-INFINITY");
        if (Two(seen) is not { } two)
        {
            yield break;
        }

        var c = new XElement("rsc_colocation", new XAttribute("id", Id("colocation")), new XAttribute("score", score));
        if (features.Sets && dice.Chance(50))
        {
            yield return WithSets(c, two, forColocation: true);
            yield break;
        }

        c.SetAttributeValue("rsc", two.A);
        c.SetAttributeValue("with-rsc", two.B);
        c.SetAttributeValue("rsc-role", Role(two.A));
        c.SetAttributeValue("with-rsc-role", Role(two.B));
        if (features.Rules && dice.Chance(20))
        {
            c.SetAttributeValue("node-attribute", "site");
        }

        if (features.FiniteColocations && dice.Chance(15))
        {
            c.SetAttributeValue("influence", "false");
        }

        yield return c;
    }

    private XElement WithSets(XElement constraint, (string A, string B) two, bool forColocation)
    {
        string[] names = [.. resources.Tops.Select(t => t.Id).Where(n => n != Top(two.A) && n != Top(two.B))];
        List<string>[] sets = [[two.A], [two.B]];
        foreach (string name in names)
        {
            if (dice.Chance(60))
            {
                sets[dice.Below(2)].Add(name);
            }
        }

        if (dice.Chance(30) && sets.Sum(s => s.Count) > 1)
        {
            sets = [[.. sets[0], .. sets[1]]];
        }

        foreach (List<string> set in sets)
        {
            var element = new XElement("resource_set", new XAttribute("id", Id("set")));
            if (dice.Chance(40))
            {
                element.SetAttributeValue("sequential", dice.Pick("true", "false"));
            }

            if (!forColocation && dice.Chance(25))
            {
                element.SetAttributeValue("require-all", "false");
                element.SetAttributeValue("sequential", "false");
            }

            element.Add(set.Select(n => new XElement("resource_ref", new XAttribute("id", n))));
            constraint.Add(element);
        }

        return constraint;
    }

    private IEnumerable<XElement> Order(HashSet<(string, string)> seen)
    {
        if (Two(seen) is not { } two)
        {
            yield break;
        }

        var o = new XElement("rsc_order", new XAttribute("id", Id("order")));
        o.SetAttributeValue("kind", dice.Pick("Mandatory", "Mandatory", "Mandatory", "Optional", "Serialize"));
        if (features.Asymmetric && dice.Chance(50) && (string?)o.Attribute("kind") != "Serialize")
        {
            o.SetAttributeValue("symmetrical", "false");
        }

        if (features.Sets && dice.Chance(50))
        {
            yield return WithSets(o, two, forColocation: false);
            yield break;
        }

        o.SetAttributeValue("first", two.A);
        o.SetAttributeValue("then", two.B);
        if (features.Roles && Kind(two.A) == CloneKind.Promotable && dice.Chance(60))
        {
            o.SetAttributeValue("first-action", dice.Pick("promote", "promote", "demote", "stop"));
            o.SetAttributeValue("then-action", Kind(two.B) == CloneKind.Promotable ? dice.Pick("start", "promote") : "start");
        }
        else if (features.Roles && Kind(two.B) == CloneKind.Promotable && dice.Chance(30))
        {
            o.SetAttributeValue("first-action", "start");
            o.SetAttributeValue("then-action", "promote");
        }

        yield return o;
    }

    private IEnumerable<XElement> Tickets()
    {
        foreach (string ticket in _tickets)
        {
            (string id, CloneKind clone) = dice.Of(resources.Tops);
            var t = new XElement(
                "rsc_ticket", new XAttribute("id", Id("ticket")), new XAttribute("rsc", id), new XAttribute("ticket", ticket));
            if (clone == CloneKind.Promotable && dice.Chance(60))
            {
                t.SetAttributeValue("rsc-role", "Master");
            }

            if (dice.Chance(75))
            {
                t.SetAttributeValue(
                    "loss-policy",
                    clone == CloneKind.Promotable ? dice.Pick("stop", "demote", "freeze", "fence") : dice.Pick("stop", "freeze", "fence"));
            }

            yield return t;
        }
    }
}
