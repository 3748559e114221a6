using System.Globalization;
using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Shell.Language;

namespace Buoy.Shell.Cluster;

/// <summary>The small changes that crm_resource, crm_attribute and the shell's resource and node levels make, with Pacemaker's ids.</summary>
public sealed class CibEdits(ICibSource source, string client)
{
    /// <summary>The set element of each kind of attribute.</summary>
    public static string SetName(string kind) => kind switch
    {
        "meta" => "meta_attributes",
        "utilization" => "utilization",
        _ => "instance_attributes",
    };

    /// <summary>A resource's element, or null.</summary>
    public static XElement? Resource(CibDocument cib, string id) => cib.Section("resources")?.Descendants()
        .FirstOrDefault(e => e.Name.LocalName is "primitive" or "group" or "clone" or "master" or "bundle" && (string?)e.Attribute("id") == id);

    /// <summary>The nvpair of a resource's attribute, or null.</summary>
    public static XElement? Attribute(CibDocument cib, string rsc, string kind, string name) => Resource(cib, rsc)?.Elements(SetName(kind))
        .Elements("nvpair").FirstOrDefault(p => (string?)p.Attribute("name") == name);

    /// <summary>Sets an attribute of a resource. Gives the ids of pair and set; the set's is null when the pair was there before.</summary>
    public (string Pair, string? Set) SetAttribute(string rsc, string kind, string name, string value)
    {
        CibDocument cib = source.Query();
        XElement r = Resource(cib, rsc) ?? throw new CibException(105, $"Resource not found: {rsc}");
        if (Attribute(cib, rsc, kind, name) is { } pair)
        {
            string pairId = (string)pair.Attribute("id")!;
            Apply(new CibOperation(CibOperationKind.Modify, "resources", Xml: Pair(pairId, name, value)));
            return (pairId, null);
        }

        string set = (string?)r.Elements(SetName(kind)).FirstOrDefault()?.Attribute("id") ?? $"{rsc}-{SetName(kind)}";
        string id = $"{set}-{name}";
        var change = new XElement(r.Name, new XAttribute("id", rsc),
            new XElement(SetName(kind), new XAttribute("id", set), XElement.Parse(Pair(id, name, value))));
        Apply(new CibOperation(CibOperationKind.Modify, "resources", Xml: CibText.Compact(change), AllowCreate: true));
        return (id, set);
    }

    /// <summary>Removes an attribute of a resource; gives its id, or null where it had none.</summary>
    public string? DeleteAttribute(string rsc, string kind, string name)
    {
        CibDocument cib = source.Query();
        if (Resource(cib, rsc) is null)
        {
            throw new CibException(105, $"Resource not found: {rsc}");
        }

        if (Attribute(cib, rsc, kind, name) is not { } pair)
        {
            return null;
        }

        Apply(new CibOperation(CibOperationKind.Delete, "resources", Xml: $"<nvpair id=\"{(string?)pair.Attribute("id")}\"/>"));
        return (string?)pair.Attribute("id");
    }

    /// <summary>Sets a permanent node attribute (or utilization): <c>nodes-ID-NAME</c>.</summary>
    public void SetNodeAttribute(string node, string name, string value, bool utilization = false)
    {
        CibDocument cib = source.Query();
        XElement n = Node(cib, node);
        string nodeId = (string)n.Attribute("id")!;
        string tag = utilization ? "utilization" : "instance_attributes";
        XElement? pair = n.Elements(tag).Elements("nvpair").FirstOrDefault(p => (string?)p.Attribute("name") == name);
        string set = (string?)n.Elements(tag).FirstOrDefault()?.Attribute("id") ?? $"nodes-{nodeId}{(utilization ? "-utilization" : "")}";
        string id = (string?)pair?.Attribute("id") ?? $"{set}-{CibDocument.SafeId(name)}";
        var change = new XElement("node", new XAttribute("id", nodeId),
            new XElement(tag, new XAttribute("id", set), XElement.Parse(Pair(id, name, value))));
        Apply(new CibOperation(CibOperationKind.Modify, "nodes", Xml: CibText.Compact(change), AllowCreate: true));
    }

    /// <summary>Removes a permanent node attribute; gives its id, or null.</summary>
    public string? DeleteNodeAttribute(string node, string name, bool utilization = false)
    {
        CibDocument cib = source.Query();
        XElement? pair = Node(cib, node).Elements(utilization ? "utilization" : "instance_attributes").Elements("nvpair")
            .FirstOrDefault(p => (string?)p.Attribute("name") == name);
        if (pair is null)
        {
            return null;
        }

        Apply(new CibOperation(CibOperationKind.Delete, "nodes", Xml: $"<nvpair id=\"{(string?)pair.Attribute("id")}\"/>"));
        return (string?)pair.Attribute("id");
    }

    /// <summary>A permanent or transient attribute's value, or null.</summary>
    public static string? NodeAttribute(CibDocument cib, string node, string name, bool transient, bool utilization = false)
    {
        XElement n = Node(cib, node);
        IEnumerable<XElement> sets = transient
            ? State(cib, (string)n.Attribute("id")!)?.Elements("transient_attributes").Elements("instance_attributes") ?? []
            : n.Elements(utilization ? "utilization" : "instance_attributes");
        return (string?)sets.Elements("nvpair").FirstOrDefault(p => (string?)p.Attribute("name") == name)?.Attribute("value");
    }

    /// <summary>Sets (null: removes) transient attributes of a node: <c>status-ID-NAME</c>. Gives whether anything was there to remove.</summary>
    public bool SetTransient(string node, string name, string? value)
    {
        CibDocument cib = source.Query();
        XElement n = Node(cib, node);
        string id = (string)n.Attribute("id")!;
        XElement? pair = State(cib, id)?.Elements("transient_attributes").Elements("instance_attributes").Elements("nvpair")
            .FirstOrDefault(p => (string?)p.Attribute("name") == name);
        if (value is null)
        {
            if (pair is null)
            {
                return false;
            }

            Apply(new CibOperation(CibOperationKind.Delete, "status", Xml: $"<nvpair id=\"{(string?)pair.Attribute("id")}\"/>"));
            return true;
        }

        string pairId = (string?)pair?.Attribute("id") ?? $"status-{id}-{CibDocument.SafeId(name)}";
        string set = (string?)pair?.Parent?.Attribute("id") ?? $"status-{id}";
        var change = new XElement("node_state", new XAttribute("id", id), new XAttribute("uname", (string)n.Attribute("uname")!),
            new XElement("transient_attributes", new XAttribute("id", id),
                new XElement("instance_attributes", new XAttribute("id", set), XElement.Parse(Pair(pairId, name, value)))));
        Apply(new CibOperation(CibOperationKind.Modify, "status", Xml: CibText.Compact(change), AllowCreate: true));
        return true;
    }

    /// <summary>Sets a cluster property in the first set that has it, else in cib-bootstrap-options.</summary>
    public void SetProperty(string name, string? value, string section = "crm_config")
    {
        CibDocument cib = source.Query();
        string tag = section == "crm_config" ? "cluster_property_set" : "meta_attributes";
        string standard = section switch { "rsc_defaults" => "rsc-options", "op_defaults" => "op-options", _ => "cib-bootstrap-options" };
        XElement? pair = cib.Section(section)?.Elements(tag).Elements("nvpair").FirstOrDefault(p => (string?)p.Attribute("name") == name);
        if (value is null)
        {
            if (pair is not null)
            {
                Apply(new CibOperation(CibOperationKind.Delete, section, Xml: $"<nvpair id=\"{(string?)pair.Attribute("id")}\"/>"));
            }

            return;
        }

        string set = (string?)pair?.Parent?.Attribute("id") ?? standard;
        string id = (string?)pair?.Attribute("id") ?? $"{set}-{name}";
        var change = new XElement(tag, new XAttribute("id", set), XElement.Parse(Pair(id, name, value)));
        Apply(new CibOperation(CibOperationKind.Modify, section, Xml: CibText.Compact(change), AllowCreate: true));
    }

    /// <summary>The location that crm_resource --move makes: cli-prefer-RSC. A ban of the same node is lifted.</summary>
    public void Prefer(string rsc, string node, DateTimeOffset? until)
    {
        CibDocument cib = source.Query();
        var operations = new List<CibOperation>
        {
            Drop($"cli-prefer-{rsc}"), Drop($"cli-ban-{rsc}-on-{node}"),
            new(CibOperationKind.Create, "constraints", Xml: CibText.Compact(Location(cib, $"cli-prefer-{rsc}", "cli-prefer", rsc, node, "INFINITY", until))),
        };
        source.Apply(operations, null, client);
    }

    /// <summary>The location that crm_resource --ban makes: cli-ban-RSC-on-NODE.</summary>
    public void Ban(string rsc, string node, DateTimeOffset? until)
    {
        CibDocument cib = source.Query();
        string id = $"cli-ban-{rsc}-on-{node}";
        source.Apply(
            [Drop(id), new CibOperation(CibOperationKind.Create, "constraints",
                Xml: CibText.Compact(Location(cib, id, $"cli-ban-{node}", rsc, node, "-INFINITY", until)))], null, client);
    }

    /// <summary>Removes the constraints of move and ban; of one node only, where it is named.</summary>
    public void Clear(string rsc, string? node)
    {
        CibDocument cib = source.Query();
        List<CibOperation> operations =
        [
            .. (cib.Section("constraints")?.Elements("rsc_location") ?? []).Select(l => (string?)l.Attribute("id") ?? "")
                .Where(id => id == $"cli-prefer-{rsc}" && (node is null || Mentions(cib, id, node))
                    || (node is null ? id.StartsWith($"cli-ban-{rsc}-on-", StringComparison.Ordinal) : id == $"cli-ban-{rsc}-on-{node}"))
                .Select(Drop)
        ];
        if (operations.Count > 0)
        {
            source.Apply(operations, null, client);
        }
    }

    /// <summary>A node's element. Throws (105 as Pacemaker's tools) where there is none of the name or id.</summary>
    public static XElement Node(CibDocument cib, string name) =>
        cib.Section("nodes")?.Elements("node").FirstOrDefault(n => (string?)n.Attribute("uname") == name || (string?)n.Attribute("id") == name)
            ?? throw new CibException(105, $"Could not map name={name} to a UUID");

    private static bool Mentions(CibDocument cib, string id, string node)
    {
        XElement? l = cib.Section("constraints")!.Elements().FirstOrDefault(e => (string?)e.Attribute("id") == id);
        return (string?)l?.Attribute("node") == node || (l?.Descendants("expression").Any(x => (string?)x.Attribute("value") == node) ?? false);
    }

    private static XElement Location(CibDocument cib, string id, string part, string rsc, string node, string score, DateTimeOffset? until)
    {
        XElement? r = Resource(cib, rsc);
        bool promotable = r?.Name == "master" || (r?.Name == "clone" && (string?)Attribute(cib, rsc, "meta", "promotable")?.Attribute("value") == "true");
        var e = new XElement("rsc_location", new XAttribute("id", id), new XAttribute("rsc", rsc));
        if (!promotable || score == "-INFINITY")
        {
            e.SetAttributeValue("role", "Started");
        }

        if (until is { } end)
        {
            e.Add(new XElement("rule", new XAttribute("id", $"{part}-rule-{rsc}"), new XAttribute("score", score), new XAttribute("boolean-op", "and"),
                new XElement("expression", new XAttribute("id", $"{part}-expr-{rsc}"), new XAttribute("attribute", "#uname"),
                    new XAttribute("operation", "eq"), new XAttribute("value", node), new XAttribute("type", "string")),
                new XElement("date_expression", new XAttribute("id", $"{part}-lifetime-end-{rsc}"), new XAttribute("operation", "lt"),
                    new XAttribute("end", end.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) + "Z"))));
        }
        else
        {
            e.SetAttributeValue("node", node);
            e.SetAttributeValue("score", score);
        }

        return e;
    }

    /// <summary>An ISO 8601 duration (P1DT2H, PT5M) after a time; null where the text is none.</summary>
    public static DateTimeOffset? After(DateTimeOffset now, string duration)
    {
        try
        {
            return now + System.Xml.XmlConvert.ToTimeSpan(duration);
        }
        catch (FormatException)
        {
            return CrmTime.Milliseconds(duration) is { } ms ? now.AddMilliseconds(ms) : null;
        }
    }

    private static CibOperation Drop(string id) => new(CibOperationKind.Delete, "constraints", Xml: $"<rsc_location id=\"{id}\"/>");

    private static XElement? State(CibDocument cib, string id) =>
        cib.Root.Element("status")?.Elements("node_state").FirstOrDefault(s => (string?)s.Attribute("id") == id);

    private static string Pair(string id, string name, string value) =>
        CibText.Compact(new XElement("nvpair", new XAttribute("id", id), new XAttribute("name", name), new XAttribute("value", value)));

    private void Apply(CibOperation operation) => source.Apply([operation], null, client);
}
