using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Colocation constraints of the configuration, sets, tags and templates included (SCHEDULER 3.5).</summary>
internal sealed class ColocationReader(Cluster cluster, ConfigReader reader, OrderBook orders)
{
    public void Read(XElement e)
    {
        string id = (string?)e.Attribute("id") ?? "";
        int score = Score.Parse((string?)e.Attribute("score")) ?? 0;
        bool? influence = Values.Bool((string?)e.Attribute("influence"));
        string attribute = (string?)e.Attribute("node-attribute") ?? "#uname";
        XElement[] sets = [.. reader.Children(e, "resource_set")];
        if (sets.Length > 0)
        {
            ReadSets(id, score, influence, attribute, sets);
            return;
        }

        if (score == 0)
        {
            return;
        }

        Resource[]? dependents = Named((string?)e.Attribute("rsc"), id);
        Resource[]? primaries = Named((string?)e.Attribute("with-rsc"), id);
        if (dependents is null || primaries is null)
        {
            return;
        }

        string? dependentRole = (string?)e.Attribute("rsc-role"), primaryRole = (string?)e.Attribute("with-rsc-role");
        foreach (Resource dependent in dependents)
        {
            foreach (Resource primary in primaries)
            {
                Add(id, attribute, score, dependent, primary, dependentRole, primaryRole, influence);
            }
        }
    }

    /// <summary>One colocation, unless a side is its own partner.</summary>
    public void Add(
        string id, string attribute, int score, Resource dependent, Resource primary, string? dependentRole,
        string? primaryRole, bool? influence)
    {
        if (score == 0 || dependent == primary)
        {
            return;
        }

        var colocation = new Colocation
        {
            Id = id,
            Dependent = dependent,
            Primary = primary,
            Score = score,
            DependentRole = Role(dependentRole),
            PrimaryRole = Role(primaryRole),
            NodeAttribute = attribute,
            Influence = influence,
        };
        ColocationLists.Insert(dependent.With, colocation, byPrimary: true);
        ColocationLists.Insert(primary.WithThis, colocation, byPrimary: false);
        cluster.Colocations.Add(colocation);
        if (score <= -Score.Infinity)
        {
            OrderApart(dependent, colocation.DependentRole, primary, colocation.PrimaryRole);
            OrderApart(primary, colocation.PrimaryRole, dependent, colocation.DependentRole);
        }
    }

    /// <summary>What must not be together stops first on a node before the other starts there.</summary>
    private void OrderApart(Resource first, ResourceRole firstRole, Resource then, ResourceRole thenRole)
    {
        string[] down = firstRole switch
        {
            ResourceRole.Promoted => ["demote"],
            ResourceRole.Unpromoted => ["promote", "stop"],
            _ => ["stop"],
        };
        string[] up = thenRole switch
        {
            ResourceRole.Promoted => ["promote"],
            ResourceRole.Unpromoted => ["start", "demote"],
            _ => ["start"],
        };
        foreach (string d in down)
        {
            foreach (string u in up)
            {
                orders.Add(first, d, then, u, OrderKinds.Anti);
            }
        }
    }

    private static ResourceRole Role(string? text) =>
        Roles.Parse(text) is { } role and not ResourceRole.Started ? role : ResourceRole.Unknown;

    private Resource[]? Named(string? id, string constraint)
    {
        if (id is null)
        {
            return null;
        }

        if (cluster.FindForConstraint(id) is { } resource)
        {
            return [resource];
        }

        if (cluster.Tags.TryGetValue(id, out List<string>? ids) || cluster.Templates.TryGetValue(id, out ids))
        {
            return [.. ids.Select(cluster.FindForConstraint).OfType<Resource>()];
        }

        cluster.Problems.Add($"error: Ignoring constraint '{constraint}' because '{id}' does not exist");
        return null;
    }

    private sealed record ResourceSet(Resource[] Members, bool Sequential, string? Role, int Score, bool Reverse);

    private void ReadSets(string id, int score, bool? influence, string attribute, XElement[] elements)
    {
        var sets = new List<ResourceSet>();
        foreach (XElement e in elements)
        {
            string setId = (string?)e.Attribute("id") ?? "";
            Resource[] members =
                [.. e.Elements("resource_ref").SelectMany(r => Named((string?)r.Attribute("id"), id) ?? [])];
            string ordering = (string?)e.Attribute("ordering") ?? "group";
            var set = new ResourceSet(
                members, Values.Bool((string?)e.Attribute("sequential")) ?? true, (string?)e.Attribute("role"),
                Score.Parse((string?)e.Attribute("score")) ?? score, ordering != "group");
            sets.Add(set);
            AddInside(setId, set, influence, attribute);
        }

        for (int i = 1; i < sets.Count; i++)
        {
            AddBetween(id, sets[i - 1], sets[i], score, influence, attribute);
        }
    }

    private void AddInside(string id, ResourceSet set, bool? influence, string attribute)
    {
        if (set.Score == 0 || !set.Sequential)
        {
            return;
        }

        Resource[] m = set.Reverse ? [.. set.Members.Reverse()] : set.Members;
        for (int i = 1; i < m.Length; i++)
        {
            if (set.Score > 0)
            {
                Add(id, attribute, set.Score, m[i], m[i - 1], set.Role, set.Role, influence);
                continue;
            }

            for (int j = 0; j < i; j++)
            {
                Add(id, attribute, set.Score, m[i], m[j], set.Role, set.Role, influence);
            }
        }
    }

    private void AddBetween(string id, ResourceSet a, ResourceSet b, int score, bool? influence, string attribute)
    {
        if (a.Members.Length == 0 || b.Members.Length == 0)
        {
            return;
        }

        Resource[] dependents = a.Sequential ? [a.Members[0]] : a.Members;
        Resource[] primaries = b.Sequential ? [b.Members[^1]] : b.Members;
        foreach (Resource dependent in dependents)
        {
            foreach (Resource primary in primaries)
            {
                Add(id, attribute, score, dependent, primary, a.Role, b.Role, influence);
            }
        }
    }
}
