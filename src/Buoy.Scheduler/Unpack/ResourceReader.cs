using System.Globalization;
using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Resources of the configuration as a tree, instances of clones included (SCHEDULER 1.3).</summary>
internal sealed class ResourceReader(Cluster cluster, ConfigReader reader)
{
    public void ReadAll()
    {
        XElement section = reader.Section("resources");
        cluster.HasFenceDevice = cluster.Options.HasWatchdog
            || section.Descendants("primitive").Any(p => (string?)p.Attribute("class") == "stonith");
        cluster.NeedsUnfencing = section.Descendants("nvpair").Any(
            n => (string?)n.Attribute("name") is "requires" or "provides"
                && string.Equals((string?)n.Attribute("value"), "unfencing", StringComparison.OrdinalIgnoreCase));
        ReadTags();
        var resources = new List<Resource>();
        foreach (XElement e in section.Elements())
        {
            if (e.Name.LocalName == "template")
            {
                cluster.Templates.TryAdd((string?)e.Attribute("id") ?? "", []);
            }
            else if (Read(e, null, [], null) is { } resource)
            {
                resources.Add(resource);
            }
        }

        cluster.Resources.AddRange(resources.OrderByDescending(r => r.Priority));
        foreach (Resource resource in cluster.Resources)
        {
            cluster.Register(resource);
        }
    }

    /// <summary>A resource that only the history knows.</summary>
    public Resource AddRemoved(XElement history)
    {
        string id = (string?)history.Attribute("id") ?? "";
        Resource resource = ReadLeaf(
            new XElement(
                "primitive",
                history.Attributes().Where(a => a.Name.LocalName is "id" or "class" or "provider" or "type")),
            null, [], null);
        resource.Removed = true;
        if (cluster.Options.StopRemoved)
        {
            foreach (Node node in cluster.Nodes)
            {
                resource.Scores[node] = -Score.Infinity;
            }
        }
        else
        {
            resource.Managed = false;
        }

        cluster.Resources.Add(resource);
        if (cluster.Find(id) is null)
        {
            cluster.Register(resource);
        }

        return resource;
    }

    /// <summary>One more instance of a clone, for a history that no existing one can take.</summary>
    public Resource AddInstance(Resource clone)
    {
        int number = clone.Children.Count;
        Resource instance = Read(_childElement[clone], clone, _parents[clone], number)!;
        clone.Children.Add(instance);
        cluster.Register(instance);
        if (number >= clone.Clone!.Max)
        {
            foreach (Resource part in instance.Leafs().Append(instance))
            {
                part.Removed = true;
            }
        }

        return instance;
    }

    private readonly Dictionary<Resource, XElement> _childElement = [];
    private readonly Dictionary<Resource, IReadOnlyList<XElement>> _parents = [];

    private Resource? Read(XElement e, Resource? parent, IReadOnlyList<XElement> parents, int? instance) =>
        e.Name.LocalName switch
        {
            "primitive" => ReadLeaf(e, parent, parents, instance),
            "group" => ReadGroup(e, parent, parents, instance),
            "clone" or "master" when parent is null => ReadClone(e),
            _ => null,
        };

    private Resource ReadLeaf(XElement configured, Resource? parent, IReadOnlyList<XElement> parents, int? instance)
    {
        XElement e = Expand(configured);
        string xmlId = (string?)e.Attribute("id") ?? "";
        string type = (string?)e.Attribute("type") ?? "";
        string provider = (string?)e.Attribute("provider") ?? "";
        var context = new RuleContext(cluster)
        {
            Class = (string?)e.Attribute("class") ?? "",
            Provider = provider.Length == 0 ? null : provider,
            Type = type,
        };
        Dictionary<string, string> meta = ReadMeta(e, parent, parents, context);
        IReadOnlyList<XElement> sources = [e, .. parents];
        RuleContext withTables = context with { Meta = meta };
        var parameters = new ParameterSource(reader, withTables, sources);
        var resource = new Resource(Number(xmlId, instance), xmlId, ResourceKind.Leaf, parent)
        {
            Class = context.Class,
            Provider = context.Class == "ocf" || provider.Length > 0 ? context.Provider : null,
            Type = type,
            Meta = meta,
            Parameters = parameters,
            Operations = new OperationTable(
                reader, withTables with { Params = parameters.On(null) },
                e.Elements("operations").Select(reader.Resolve).SelectMany(o => reader.Children(o, "op"))),
            Stickiness = Score.Parse(meta.GetValueOrDefault("resource-stickiness")) ?? 0,
            Critical = Bool(meta, "critical", true),
            Unique = parent is { Kind: ResourceKind.Clone, Unique: true } || parent?.IsLeafOfUnique == true || parent?.IsInClone != true,
            AllowUnhealthy = Bool(meta, "allow-unhealthy-nodes", false),
            AllowMigrate = Bool(meta, "allow-migrate", false),
            Requires = ReadRequirement(meta, context.Class == "stonith"),
            MigrationThreshold = Score.Parse(meta.GetValueOrDefault("migration-threshold")) is >= 0 and int t ? t : Score.Infinity,
            FailureTimeout = (Values.Duration(meta.GetValueOrDefault("failure-timeout")) ?? 0) / 1000,
            MultipleActive = meta.GetValueOrDefault("multiple-active") switch
            {
                "block" => MultipleActive.Block,
                "stop_only" => MultipleActive.StopOnly,
                "stop_unexpected" => MultipleActive.StopUnexpected,
                _ => MultipleActive.StopStart,
            },
            Utilization = ReadUtilization(e, context),
        };
        Finish(resource);
        return resource;
    }

    private Resource ReadGroup(XElement e, Resource? parent, IReadOnlyList<XElement> parents, int? instance)
    {
        string xmlId = (string?)e.Attribute("id") ?? "";
        Dictionary<string, string> meta = ReadMeta(e, parent, parents, new RuleContext(cluster));
        var group = new Resource(Number(xmlId, instance), xmlId, ResourceKind.Group, parent)
        {
            Meta = meta,
            Ordered = Bool(meta, "ordered", true),
            Collocated = Bool(meta, "collocated", true),
            Critical = Bool(meta, "critical", true),
            Unique = parent?.Unique ?? true,
            Stickiness = Score.Parse(meta.GetValueOrDefault("resource-stickiness")) ?? 0,
            AllowUnhealthy = Bool(meta, "allow-unhealthy-nodes", false),
        };
        Finish(group);
        foreach (XElement child in e.Elements("primitive"))
        {
            group.Children.Add(ReadLeaf(child, group, [e, .. parents], instance));
        }

        return group;
    }

    private Resource ReadClone(XElement e)
    {
        string id = (string?)e.Attribute("id") ?? "";
        Dictionary<string, string> meta = ReadMeta(e, null, [], new RuleContext(cluster));
        XElement? child = e.Elements().FirstOrDefault(c => c.Name.LocalName is "primitive" or "group");
        bool promotable = e.Name.LocalName == "master" || Bool(meta, "promotable", false);
        int promotedNodeMax = Int(meta, 1, "promoted-node-max", "master-node-max");
        int nodeMax = Int(meta, promotable ? promotedNodeMax : 1, "clone-node-max");
        bool unique = Bool(meta, "globally-unique", nodeMax > 1);
        if (!unique || child is null)
        {
            nodeMax = Math.Min(nodeMax, 1);
        }

        if (unique && child is not null && !CanBeUnique(child))
        {
            unique = false;
            nodeMax = Math.Min(nodeMax, 1);
        }

        meta.TryAdd("resource-stickiness", "1");
        meta["promotable"] = promotable ? "true" : "false";
        var clone = new Resource(id, id, ResourceKind.Clone, null)
        {
            Meta = meta,
            Unique = unique,
            Critical = Bool(meta, "critical", true),
            Stickiness = Score.Parse(meta["resource-stickiness"]) ?? 1,
            AllowUnhealthy = Bool(meta, "allow-unhealthy-nodes", false),
            Clone = new CloneOptions
            {
                Max = Int(meta, Math.Max(1, cluster.Nodes.Count), "clone-max"),
                NodeMax = nodeMax,
                Min = Int(meta, 0, "clone-min"),
                Ordered = Bool(meta, "ordered", false),
                Interleave = Bool(meta, "interleave", false),
                Notify = Bool(meta, "notify", false),
                Promotable = promotable,
                PromotedMax = Int(meta, 1, "promoted-max", "master-max"),
                PromotedNodeMax = promotedNodeMax,
            },
        };
        Finish(clone);
        if (child is not null)
        {
            _childElement[clone] = child;
            _parents[clone] = [e];
            for (int i = 0; i < Math.Max(1, clone.Clone.Max); i++)
            {
                clone.Children.Add(Read(child, clone, [e], i)!);
            }

            if (clone.Clone.Max <= 0)
            {
                foreach (Resource part in clone.Leafs().Append(clone.Children[0]))
                {
                    part.Removed = true;
                }
            }
        }

        return clone;
    }

    private static bool CanBeUnique(XElement child) =>
        child.DescendantsAndSelf("primitive").All(p => (string?)p.Attribute("class") is "ocf" or "stonith" or null);

    /// <summary>What every kind of resource takes from its meta table.</summary>
    private void Finish(Resource resource)
    {
        Dictionary<string, string> meta = resource.Meta;
        resource.Priority = Score.Parse(meta.GetValueOrDefault("priority")) ?? 0;
        resource.Maintenance = Bool(meta, "maintenance", false) || cluster.Options.MaintenanceMode;
        resource.Managed = !resource.Maintenance && Bool(meta, "is-managed", true);
        resource.Scores = new ScoreTable(cluster.Nodes);
        if (cluster.Options.Symmetric)
        {
            foreach (Node node in cluster.Nodes)
            {
                resource.Scores[node] = node.BaseScore;
            }
        }

        LimitByTargetRole(resource);
    }

    /// <summary>target-role as an upper limit of the next role.</summary>
    public static void LimitByTargetRole(Resource resource)
    {
        ResourceRole limit = Roles.Parse(resource.Meta.GetValueOrDefault("target-role")) switch
        {
            ResourceRole.Stopped => ResourceRole.Stopped,
            ResourceRole.Unpromoted when resource.IsPromotable => ResourceRole.Unpromoted,
            _ => ResourceRole.Unknown,
        };
        if (limit != ResourceRole.Unknown
            && (resource.NextRole == ResourceRole.Unknown || limit < resource.NextRole))
        {
            resource.NextRole = limit;
        }
    }

    private Dictionary<string, string> ReadMeta(
        XElement e, Resource? parent, IReadOnlyList<XElement> parents, RuleContext context)
    {
        var meta = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (XAttribute a in e.Attributes())
        {
            meta.TryAdd(a.Name.LocalName, a.Value);
        }

        reader.Fill(meta, e, "meta_attributes", context);
        foreach (XElement p in parents)
        {
            reader.Fill(meta, p, "meta_attributes", context);
        }

        reader.Fill(meta, reader.Section("rsc_defaults"), "meta_attributes", context);
        foreach ((string key, string value) in parent?.Meta ?? [])
        {
            meta.TryAdd(key, value);
        }

        foreach (string unset in meta.Where(m => m.Value == "#default").Select(m => m.Key).ToArray())
        {
            meta.Remove(unset);
        }

        return meta;
    }

    private Requirement ReadRequirement(Dictionary<string, string> meta, bool fenceDevice)
    {
        string? value = meta.GetValueOrDefault("requires")?.ToLowerInvariant();
        bool remote = meta.GetValueOrDefault("class") == "ocf" && meta.GetValueOrDefault("provider") == "pacemaker"
            && meta.GetValueOrDefault("type") == "remote";
        return value switch
        {
            "nothing" => Requirement.Nothing,
            "quorum" => Requirement.Quorum,
            "unfencing" when fenceDevice => Requirement.Quorum,
            "unfencing" when cluster.FencingOn => Requirement.Unfencing,
            "fencing" when cluster.FencingOn => Requirement.Fencing,
            "unfencing" or "fencing" => Requirement.Quorum,
            _ when fenceDevice || remote => Requirement.Quorum,
            _ when cluster.NeedsUnfencing && cluster.FencingOn => Requirement.Unfencing,
            _ when cluster.FencingOn => Requirement.Fencing,
            _ when cluster.Options.Quorum == QuorumPolicy.Ignore => Requirement.Nothing,
            _ => Requirement.Quorum,
        };
    }

    private Dictionary<string, int> ReadUtilization(XElement e, RuleContext context)
    {
        var table = new Dictionary<string, string>(StringComparer.Ordinal);
        reader.Fill(table, e, "utilization", context);
        return table.ToDictionary(p => p.Key, p => Score.Parse(p.Value) ?? 0);
    }

    /// <summary>A primitive with its template's children in front; its own operations replace equal ones.</summary>
    private XElement Expand(XElement e)
    {
        if ((string?)e.Attribute("template") is not { } name)
        {
            return e;
        }

        XElement? template = reader.Section("resources").Elements("template")
            .FirstOrDefault(t => (string?)t.Attribute("id") == name);
        if (template is null)
        {
            cluster.Problems.Add($"error: No template '{name}' for resource '{(string?)e.Attribute("id")}'");
            return e;
        }

        if (!cluster.Templates.TryGetValue(name, out List<string>? users))
        {
            cluster.Templates[name] = users = [];
        }

        string id = (string?)e.Attribute("id") ?? "";
        if (!users.Contains(id))
        {
            users.Add(id);
        }

        var merged = new XElement("primitive", e.Attributes(), template.Attributes().Where(a => e.Attribute(a.Name) is null));

        // Own blocks come first, so that they win; template blocks follow.
        XElement[] own = [.. e.Elements("operations").Select(reader.Resolve).SelectMany(o => reader.Children(o, "op"))];
        IEnumerable<XElement> inherited = template.Elements("operations").Select(reader.Resolve)
            .SelectMany(o => reader.Children(o, "op"))
            .Where(t => !own.Any(o => SameOperation(o, t)));
        merged.Add(new XElement("operations", own.Concat(inherited).Select(o => new XElement(o))));
        merged.Add(e.Elements().Where(c => c.Name.LocalName != "operations").Select(c => new XElement(c)));
        merged.Add(template.Elements().Where(c => c.Name.LocalName != "operations").Select(c => new XElement(c)));
        return merged;
    }

    private static bool SameOperation(XElement a, XElement b) =>
        (string?)a.Attribute("name") == (string?)b.Attribute("name") && NormalRole(a) == NormalRole(b);

    private static string NormalRole(XElement op) => ((string?)op.Attribute("role"))?.ToLowerInvariant() switch
    {
        null or "started" or "slave" or "unpromoted" => "started",
        "master" => "promoted",
        string role => role,
    };

    private void ReadTags()
    {
        foreach (XElement tag in reader.Section("tags").Elements("tag"))
        {
            cluster.Tags[(string?)tag.Attribute("id") ?? ""] =
                [.. tag.Elements("obj_ref").Select(o => (string?)o.Attribute("id") ?? "")];
        }
    }

    private static string Number(string id, int? instance) =>
        instance is int n ? string.Create(CultureInfo.InvariantCulture, $"{id}:{n}") : id;

    private static bool Bool(Dictionary<string, string> meta, string name, bool otherwise) =>
        Values.Bool(meta.GetValueOrDefault(name)) ?? otherwise;

    private static int Int(Dictionary<string, string> meta, int otherwise, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (Score.Parse(meta.GetValueOrDefault(name)) is int n)
            {
                return n;
            }
        }

        return otherwise;
    }
}
