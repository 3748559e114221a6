using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Ordering constraints of the configuration (SCHEDULER 5.2).</summary>
internal sealed class OrderReader(Cluster cluster, ConfigReader reader, ActionFactory actions, OrderBook orders)
{
    private enum Kind
    {
        Optional,
        Mandatory,
        Serialize,
    }

    public void Read(XElement e)
    {
        string id = (string?)e.Attribute("id") ?? "";
        Kind kind = ReadKind(e);
        bool symmetrical = kind != Kind.Serialize && (Values.Bool((string?)e.Attribute("symmetrical")) ?? true);
        XElement[] sets = [.. reader.Children(e, "resource_set")];
        if (sets.Length > 0)
        {
            ReadSets(id, e, kind, symmetrical, sets);
            return;
        }

        string firstAction = Normal((string?)e.Attribute("first-action") ?? "start");
        string thenAction = Normal((string?)e.Attribute("then-action") ?? firstAction);
        Resource[] firsts = Named((string?)e.Attribute("first"), id);
        Resource[] thens = Named((string?)e.Attribute("then"), id);
        foreach (Resource first in firsts)
        {
            foreach (Resource then in thens)
            {
                Order(id, first, firstAction, then, thenAction, kind, symmetrical, (string?)e.Attribute("require-all"));
            }
        }
    }

    private void Order(
        string id, Resource first, string firstAction, Resource then, string thenAction, Kind kind, bool symmetrical,
        string? requireAll)
    {
        if (first == then)
        {
            return;
        }

        OrderKinds kinds = Forward(kind, firstAction, symmetrical);
        int minimum = first.Kind == ResourceKind.Clone && firstAction is "start" or "promote"
            ? first.Clone?.Min > 0 ? first.Clone.Min : Values.Bool(requireAll) == false ? 1 : 0
            : 0;
        if (minimum > 0 && first.Kind == ResourceKind.Clone)
        {
            OrderMinimum(id, first, firstAction, then, thenAction, kinds, minimum);
        }
        else
        {
            orders.Add(first, firstAction, then, thenAction, kinds);
        }

        if (symmetrical && Inverse(firstAction) is { } firstDown && Inverse(thenAction) is { } thenDown)
        {
            orders.Add(then, thenDown, first, firstDown, Backward(kind));
        }
    }

    private void OrderMinimum(
        string id, Resource clone, string firstAction, Resource then, string thenAction, OrderKinds kinds, int minimum)
    {
        string task = $"clone-one-or-more:{id}";
        PlannedAction gate = Gate(task, minimum);
        foreach (Resource instance in clone.Children)
        {
            orders.Add(
                OrderSide.Of(instance, firstAction), OrderSide.Of(gate), OrderKinds.Minimum | OrderKinds.ShowThen);
        }

        orders.Add(OrderSide.Of(gate), OrderSide.Of(then, thenAction), kinds | OrderKinds.Gate);
    }

    private PlannedAction Gate(string task, int minimum)
    {
        PlannedAction gate = actions.Single(task, task, null, optional: true);
        gate.Pseudo = true;
        gate.RequiredBefore = minimum;
        return gate;
    }

    private sealed record OrderSet(
        string Id, Resource[] Members, string Action, bool SequentialInside, bool SequentialOutside, bool RequireAll,
        Kind Kind, bool Symmetrical);

    private void ReadSets(string id, XElement constraint, Kind kind, bool symmetrical, XElement[] elements)
    {
        OrderSet? previous = null;
        foreach (XElement e in elements)
        {
            bool? sequential = Values.Bool((string?)e.Attribute("sequential"));
            Kind inner = e.Attribute("kind") is null && e.Attribute("score") is null ? kind : ReadKind(e);
            var set = new OrderSet(
                (string?)e.Attribute("id") ?? "",
                [.. e.Elements("resource_ref").SelectMany(r => Named((string?)r.Attribute("id"), id))],
                Normal((string?)e.Attribute("action") ?? "start"), sequential ?? true, sequential ?? false,
                Values.Bool((string?)e.Attribute("require-all")) ?? true, inner,
                Values.Bool((string?)e.Attribute("symmetrical")) ?? (inner != Kind.Serialize && symmetrical));
            Inside(set);
            if (previous is not null)
            {
                Between(id, previous, set, kind, symmetrical);
            }

            previous = set;
        }
    }

    private void Inside(OrderSet set)
    {
        if (!set.SequentialInside && set.Kind != Kind.Serialize)
        {
            return;
        }

        for (int i = 1; i < set.Members.Length; i++)
        {
            for (int j = set.Kind == Kind.Serialize ? 0 : i - 1; j < i; j++)
            {
                orders.Add(
                    set.Members[j], set.Action, set.Members[i], set.Action, Forward(set.Kind, set.Action, set.Symmetrical));
            }
        }

        if (set.Symmetrical && Inverse(set.Action) is { } down)
        {
            for (int i = 1; i < set.Members.Length; i++)
            {
                orders.Add(set.Members[i], down, set.Members[i - 1], down, Backward(set.Kind));
            }
        }
    }

    private void Between(string id, OrderSet a, OrderSet b, Kind kind, bool symmetrical)
    {
        if (a.Members.Length == 0 || b.Members.Length == 0)
        {
            return;
        }

        OrderKinds forward = Forward(kind, a.Action, symmetrical);
        if (!a.RequireAll && a.Action is not ("stop" or "demote"))
        {
            PlannedAction gate = Gate($"one-or-more:{a.Id}", 1);
            foreach (Resource first in a.Members)
            {
                orders.Add(OrderSide.Of(first, a.Action), OrderSide.Of(gate), OrderKinds.Minimum | OrderKinds.ShowThen);
            }

            foreach (Resource then in b.Members)
            {
                orders.Add(OrderSide.Of(gate), OrderSide.Of(then, b.Action), forward | OrderKinds.Gate);
            }
        }
        else
        {
            Cross(
                a.SequentialOutside ? [a.Members[^1]] : a.Members, a.Action,
                b.SequentialOutside ? [b.Members[0]] : b.Members, b.Action, forward);
        }

        if (symmetrical && Inverse(a.Action) is { } firstDown && Inverse(b.Action) is { } thenDown)
        {
            Cross(
                b.SequentialOutside ? [b.Members[0]] : b.Members, thenDown,
                a.SequentialOutside ? [a.Members[^1]] : a.Members, firstDown, Backward(kind));
        }
    }

    private void Cross(Resource[] firsts, string firstAction, Resource[] thens, string thenAction, OrderKinds kinds)
    {
        foreach (Resource first in firsts)
        {
            foreach (Resource then in thens)
            {
                orders.Add(first, firstAction, then, thenAction, kinds);
            }
        }
    }

    private Resource[] Named(string? id, string constraint)
    {
        if (id is not null && cluster.FindForConstraint(id) is { } resource)
        {
            return [resource];
        }

        if (id is not null
            && (cluster.Tags.TryGetValue(id, out List<string>? ids) || cluster.Templates.TryGetValue(id, out ids)))
        {
            return [.. ids.Select(cluster.FindForConstraint).OfType<Resource>()];
        }

        cluster.Problems.Add($"error: Ignoring constraint '{constraint}' because '{id}' does not exist");
        return [];
    }

    private static Kind ReadKind(XElement e) => ((string?)e.Attribute("kind"))?.ToLowerInvariant() switch
    {
        "optional" => Kind.Optional,
        "serialize" => Kind.Serialize,
        "mandatory" => Kind.Mandatory,
        _ => (string?)e.Attribute("score") is { } score && Score.Parse(score) == 0 ? Kind.Optional : Kind.Mandatory,
    };

    private static OrderKinds Forward(Kind kind, string firstAction, bool symmetrical) => kind switch
    {
        Kind.Optional => OrderKinds.Sequence,
        Kind.Serialize => OrderKinds.Serial,
        _ when !symmetrical => OrderKinds.Sequence | OrderKinds.Asymmetric,
        _ when firstAction is "start" or "running" or "promote" or "promoted" =>
            OrderKinds.Sequence | OrderKinds.NeedThen | OrderKinds.Gate,
        _ => OrderKinds.Sequence | OrderKinds.NeedThen,
    };

    private static OrderKinds Backward(Kind kind) =>
        kind == Kind.Mandatory ? OrderKinds.Sequence | OrderKinds.NeedFirst : OrderKinds.Sequence;

    private static string Normal(string action) => action.ToLowerInvariant();

    private static string? Inverse(string action) => action switch
    {
        "start" => "stop",
        "stop" => "start",
        "promote" => "demote",
        "demote" => "promote",
        _ => null,
    };
}
