using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Shell.Cluster;
using Buoy.Shell.Language;
using Buoy.Shell.Status;

namespace Buoy.Shell.Configure;

/// <summary>
/// A configure session: commands change a working copy, commit hands the changed sections to the cluster on condition
/// that
/// nobody else changed them meanwhile.
/// </summary>
public sealed partial class ConfigureSession
{
    private readonly ICibSource _source;
    private readonly ShellServices _services;
    private readonly Messages _messages;
    private CibDocument _base;
    private CibDocument _cib;

    /// <summary>Reads the CIB. Throws <see cref="CibException"/> where there is none.</summary>
    public ConfigureSession(ICibSource source, ShellServices services, Messages messages)
    {
        (_source, _services, _messages) = (source, services, messages);
        _base = source.Query();
        _cib = _base.Clone();
    }

    /// <summary>Commit in spite of warnings and complaints (-F).</summary>
    public bool Force { get; set; }

    /// <summary>The working copy.</summary>
    public CibDocument Cib => _cib;

    /// <summary>Whether the working copy differs from what was read.</summary>
    public bool IsChanged => ChangedSections().Any();

    /// <summary>Forgets the changes and reads the CIB again.</summary>
    public void Refresh()
    {
        _base = _source.Query();
        _cib = _base.Clone();
    }

    /// <summary>Takes one object-defining command. False after an error, which has been told.</summary>
    /// <param name="line">Line number for messages, where there is one.</param>
    public bool Define(IReadOnlyList<string> words, int? line = null, bool update = false)
    {
        XElement e;
        try
        {
            e = CrmParser.Parse(words, Context());
        }
        catch (CrmSyntaxException x)
        {
            _messages.Error(line is { } n ? $"{n}: {x.Message}" : x.Message);
            return false;
        }

        return Put(e, words[0], update);
    }

    private ParseContext Context()
    {
        var used = _cib.Section("configuration")!.DescendantsAndSelf()
            .Where(e => e.Name.LocalName is not ("obj_ref" or "resource_ref" or "role" or "node"))
            .Select(e => (string?)e.Attribute("id")).OfType<string>().ToHashSet();
        return new ParseContext(used, [.. _cib.Nodes()], _services.Agents.Resolve);
    }

    /// <summary>Adds (or, for nodes and options, merges) an element that a command or XML gave.</summary>
    private bool Put(XElement e, string word, bool update)
    {
        switch (e.Name.LocalName)
        {
            case "cluster_property_set":
                return Merge(SectionOf("crm_config"), e);
            case "meta_attributes":
                return Merge(SectionOf(word), e);
            case "node":
                return PutNode(e);
            case "fencing-topology":
                if (_cib.Section("fencing-topology") is { } old)
                {
                    if (!update)
                    {
                        return Exists("fencing_topology", "fencing_topology");
                    }

                    old.ReplaceWith(e);
                    return true;
                }

                _cib.Section("configuration")!.Add(e);
                return true;
        }

        string id = (string?)e.Attribute("id") ?? "";
        if (!CibDocument.IsId(id))
        {
            _messages.Error($"{id}: invalid object id");
            _messages.Error($"No ID found for {word}: {CibText.Compact(e)}");
            return false;
        }

        XElement? existing = Find(id);
        if (existing is not null)
        {
            return update ? Replace(existing, e) : Exists(word, id);
        }

        if (!Adopt(e, word))
        {
            return false;
        }

        SectionOf(SectionName(e)).Add(e);
        return true;
    }

    private bool Exists(string word, string id)
    {
        _messages.Error($"Cannot create {word} with ID '{id}': Found existing {word} with same ID.");
        return false;
    }

    /// <summary>Puts the primitives and groups that a container names in place of their references.</summary>
    private bool Adopt(XElement e, string word, XElement? current = null)
    {
        string id = (string?)e.Attribute("id") ?? "";
        List<XElement> references = [.. e.Elements(CrmParser.Reference)];
        var children = new List<XElement>();
        foreach (XElement r in references)
        {
            string child = (string?)r.Attribute("id") ?? "";
            XElement? found = Resource(child);
            if (found is null)
            {
                _messages.Error($"{id} refers to missing object {child}");
                return false;
            }

            XElement? parent = found.Parent;
            if (parent is not null && parent.Name != "resources" && parent != current)
            {
                _messages.Error($"Cannot create {word}:{id}: Child {found.Name}:{child} already in "
                    + $"{Word(parent)}:{(string?)parent.Attribute("id")}");
                return false;
            }

            children.Add(found);
        }

        for (int i = 0; i < references.Count; i++)
        {
            children[i].Remove();
            references[i].ReplaceWith(children[i]);
        }

        return true;
    }

    private bool Replace(XElement existing, XElement e)
    {
        List<XElement> before = [.. Members(existing)];
        XElement parent = existing.Parent!;
        if (!Adopt(e, Word(e), existing))
        {
            return false;
        }

        // Members that the new text does not name any more stand alone from now on.
        foreach (XElement left in before.Where(m => m.Parent == existing))
        {
            left.Remove();
            SectionOf("resources").Add(left);
        }

        if (existing.Parent == parent)
        {
            existing.ReplaceWith(e);
        }

        return true;
    }

    private bool PutNode(XElement e)
    {
        string uname = (string?)e.Attribute("uname") ?? "";
        XElement nodes = SectionOf("nodes");
        XElement? old = nodes.Elements("node").FirstOrDefault(n => (string?)n.Attribute("uname") == uname);
        if (old is null)
        {
            nodes.Add(e);
        }
        else
        {
            if (old.Attribute("type") is { } type && e.Attribute("type") is null)
            {
                e.SetAttributeValue("type", type.Value);
            }

            // An unchanged set keeps the ids it had (those of crm_attribute, for one).
            foreach (XElement set in e.Elements().ToList())
            {
                XElement? was = old.Elements(set.Name).FirstOrDefault();
                if (was is not null)
                {
                    KeepIds(was, set);
                }
            }

            old.ReplaceWith(e);
        }

        return true;
    }

    private static void KeepIds(XElement was, XElement set)
    {
        set.SetAttributeValue("id", (string?)was.Attribute("id"));
        foreach (XElement pair in set.Elements("nvpair"))
        {
            string name = (string?)pair.Attribute("name") ?? "";
            pair.SetAttributeValue("id", (string?)was.Elements("nvpair").FirstOrDefault(p =>
                (string?)p.Attribute("name") == name)?.Attribute("id")
                ?? $"{(string?)was.Attribute("id")}-{name}");
        }
    }

    /// <summary>Options of an existing set are changed one by one; a new set is added.</summary>
    private static bool Merge(XElement section, XElement set)
    {
        XElement? old = section.Elements(set.Name).FirstOrDefault(s =>
            (string?)s.Attribute("id") == (string?)set.Attribute("id"));
        if (old is null)
        {
            section.Add(set);
            return true;
        }

        if (set.Attribute("score") is { } score)
        {
            old.SetAttributeValue("score", score.Value);
        }

        if (set.Element("rule") is not null)
        {
            old.Elements("rule").Remove();
            old.AddFirst(set.Elements("rule"));
        }

        foreach (XElement pair in set.Elements("nvpair"))
        {
            XElement? same = old.Elements("nvpair").FirstOrDefault(p =>
                (string?)p.Attribute("name") == (string?)pair.Attribute("name"));
            if (same is not null)
            {
                same.SetAttributeValue("value", (string?)pair.Attribute("value"));
            }
            else
            {
                old.Add(pair);
            }
        }

        return true;
    }

    private XElement SectionOf(string name)
    {
        XElement configuration = _cib.Section("configuration")!;
        if (configuration.Element(name) is { } s)
        {
            return s;
        }

        var made = new XElement(name);
        configuration.Add(made);
        return made;
    }

    private static string SectionName(XElement e) => e.Name.LocalName switch
    {
        "primitive" or "template" or "group" or "clone" or "master" or "bundle" => "resources",
        "rsc_location" or "rsc_colocation" or "rsc_order" or "rsc_ticket" => "constraints",
        "acl_role" or "acl_target" or "acl_group" => "acls",
        "tag" => "tags",
        "alert" => "alerts",
        "node" => "nodes",
        var other => throw new CibException(78, $"<{other}> is not an object of a configuration"),
    };

    /// <summary>crm's word for an element.</summary>
    internal static string Word(XElement e) => e.Name.LocalName switch
    {
        "template" => "rsc_template",
        "master" => "ms",
        "rsc_location" => "location",
        "rsc_colocation" => "colocation",
        "rsc_order" => "order",
        "cluster_property_set" => "property",
        "meta_attributes" => e.Parent?.Name.LocalName ?? "rsc_defaults",
        "fencing-topology" => "fencing_topology",
        "acl_role" => "role",
        var n => n,
    };

    private static IEnumerable<XElement> Members(XElement e) => e.Elements().Where(c =>
        c.Name.LocalName is "primitive" or "group");

    private XElement? Resource(string id) => _cib.Section("resources")?.Descendants()
        .FirstOrDefault(e => e.Name.LocalName is "primitive" or "group" or "clone" or "master" or "bundle"
            or "template" && (string?)e.Attribute("id") == id);

    /// <summary>An object of the configuration by its id (a node's name, fencing_topology), or null.</summary>
    internal XElement? Find(string id) => Objects(_cib).FirstOrDefault(o => IdOf(o) == id);

    internal static string IdOf(XElement e) => e.Name.LocalName switch
    {
        "node" => (string?)e.Attribute("uname") ?? "",
        "fencing-topology" => "fencing_topology",
        _ => (string?)e.Attribute("id") ?? "",
    };

    /// <summary>All objects in the order that show prints them.</summary>
    internal static IEnumerable<XElement> Objects(CibDocument cib)
    {
        XElement? c = cib.Section("configuration");
        if (c is null)
        {
            return [];
        }

        var resources = (c.Element("resources")?.Descendants() ?? [])
            .Where(e => e.Name.LocalName is "primitive" or "template" or "group" or "clone" or "master" or "bundle");
        return (c.Element("nodes")?.Elements("node") ?? []).Concat(resources)
            .Concat(c.Elements("tags").Elements()).Concat(c.Elements("constraints").Elements())
            .Concat(c.Elements("fencing-topology")).Concat(c.Elements("crm_config").Elements())
            .Concat(c.Elements("rsc_defaults").Elements()).Concat(c.Elements("op_defaults").Elements())
            .Concat(c.Elements("acls").Elements()).Concat(c.Elements("alerts").Elements())
            .OrderBy(Rank).ThenBy(e => Rank(e) is 0 or 11 or 12 or 13 ? "" : IdOf(e), StringComparer.Ordinal);
    }

    private static int Rank(XElement e) => e.Name.LocalName switch
    {
        "node" => 0,
        "template" => 1,
        "primitive" => 2,
        "bundle" => 3,
        "group" => 4,
        "master" => 5,
        "clone" => 6,
        "tag" => 7,
        "rsc_location" or "rsc_colocation" or "rsc_order" => 8,
        "fencing-topology" => 9,
        "rsc_ticket" => 10,
        "cluster_property_set" => 11,
        "meta_attributes" => e.Parent?.Name == "op_defaults" ? 13 : 12,
        "acl_role" => 14,
        "acl_target" => 15,
        _ => 16,
    };

    /// <summary>Names of the sections that differ from what was read.</summary>
    private IEnumerable<string> ChangedSections() => CibDocument.Sections.Where(s =>
        Text(_base.Section(s)) != Text(_cib.Section(s)));

    private static string Text(XElement? e) => e is null || !e.HasElements ? "" : CibText.Compact(e);

    /// <summary>The state at this moment, not that of the time when the configuration was read.</summary>
    private IStatusView StatusNow() => _services.Status(_source.Query(), _services.Now());
}
