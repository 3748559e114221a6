using System.Xml.Linq;

namespace Buoy.Cib;

/// <summary>The rules of structure that every CIB must keep.</summary>
public sealed partial class CibDocument
{
    private static readonly Dictionary<string, string[]> Required = new()
    {
        ["node"] = ["id", "uname"],
        ["primitive"] = ["id"],
        ["template"] = ["id", "class", "type"],
        ["group"] = ["id"],
        ["clone"] = ["id"],
        ["master"] = ["id"],
        ["bundle"] = ["id"],
        ["op"] = ["id", "name", "interval"],
        ["rsc_location"] = ["id"],
        ["rsc_colocation"] = ["id"],
        ["rsc_order"] = ["id"],
        ["rsc_ticket"] = ["id", "ticket"],
        ["tag"] = ["id"],
        ["obj_ref"] = ["id"],
        ["resource_ref"] = ["id"],
        ["alert"] = ["id", "path"],
        ["recipient"] = ["id", "value"],
        ["fencing-level"] = ["id", "index", "devices"],
        ["acl_role"] = ["id"],
        ["acl_permission"] = ["id", "kind"],
        ["expression"] = ["id", "attribute", "operation"],
        ["date_expression"] = ["id"],
    };

    private static readonly HashSet<string> Roles = ["Stopped", "Started", "Master", "Slave", "Promoted", "Unpromoted"];

    /// <summary>What is wrong with the configuration, one line each in terms of ids; empty when nothing is.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (Root.Element("configuration") is not { } configuration)
        {
            return ["the CIB has no <configuration>"];
        }

        foreach (XElement section in configuration.Elements().Where(s => !Sections.Contains(s.Name.LocalName)))
        {
            problems.Add($"<{section.Name}> is not a section of a configuration");
        }

        var ids = new Dictionary<string, string>();
        foreach (XElement e in configuration.Descendants())
        {
            CheckElement(e, ids, problems);
        }

        CheckReferences(configuration, problems);
        return problems;
    }

    private static void CheckElement(XElement e, Dictionary<string, string> ids, List<string> problems)
    {
        string name = e.Name.LocalName;
        string? id = (string?)e.Attribute("id");
        if (id is not null && name is not ("node" or "obj_ref" or "resource_ref" or "role" or "port-mapping"
            or "storage-mapping"))
        {
            if (!IsId(id))
            {
                problems.Add($"{name}: '{id}' is not an id (a letter or '_' first, then letters, digits, '.', '-', "
                    + $"'_')");
            }

            if (!ids.TryAdd(id, name))
            {
                problems.Add($"id '{id}' is used by <{ids[id]}> and <{name}>");
            }
        }

        if (Required.TryGetValue(name, out string[]? needed) && e.Attribute("id-ref") is null)
        {
            foreach (string a in needed.Where(a => e.Attribute(a) is null))
            {
                problems.Add($"<{name} id=\"{id}\"> lacks the attribute {a}");
            }
        }

        switch (name)
        {
            case "primitive" when e.Attribute("template") is null && (e.Attribute("class") is null
                || e.Attribute("type") is null):
                problems.Add($"primitive {id} lacks class and type, or a template");
                break;
            case "op" or "rule" or "resource_set" or "rsc_location" when (string?)e.Attribute("role") is { } role
                && !Roles.Contains(role):
                problems.Add($"{name} {id}: role '{role}' is none of {string.Join(", ", Roles)}");
                break;
            case "rsc_order" when (string?)e.Attribute("kind") is { } kind
                && kind is not ("Mandatory" or "Optional" or "Serialize"):
                problems.Add($"rsc_order {id}: kind '{kind}' is none of Mandatory, Optional, Serialize");
                break;
        }

        if (name is "rsc_location" or "rsc_colocation" or "rule" && (string?)e.Attribute("score") is { } score
            && !IsScore(score))
        {
            problems.Add($"{name} {id}: '{score}' is not a score");
        }
    }

    private static void CheckReferences(XElement configuration, List<string> problems)
    {
        var known = new HashSet<string>();
        foreach (XElement r in (configuration.Element("resources")?.Descendants() ?? [])
            .Concat(configuration.Element("tags")?.Elements() ?? []))
        {
            if (r.Name.LocalName is "primitive" or "group" or "clone" or "master" or "bundle" or "template" or "tag"
                && (string?)r.Attribute("id") is { } id)
            {
                known.Add(id);
            }
        }

        foreach (XElement p in (configuration.Element("resources")?.Descendants("primitive") ?? []).Where(p =>
            p.Attribute("template") is not null))
        {
            if (!known.Contains((string)p.Attribute("template")!))
            {
                problems.Add($"primitive {(string?)p.Attribute("id")}: no template "
                    + $"'{(string?)p.Attribute("template")}'");
            }
        }

        foreach (XElement c in configuration.Element("constraints")?.Elements() ?? [])
        {
            string what = $"{c.Name.LocalName} {(string?)c.Attribute("id")}";
            foreach (string a in (string[])["rsc", "with-rsc", "first", "then"])
            {
                if ((string?)c.Attribute(a) is { } target && !known.Contains(target))
                {
                    problems.Add($"{what}: {a} refers to '{target}', which is no resource");
                }
            }

            foreach (XElement r in c.Descendants("resource_ref").Where(r => !known.Contains((string?)r.Attribute("id")
                ?? "")))
            {
                problems.Add($"{what}: a set refers to '{(string?)r.Attribute("id")}', which is no resource");
            }
        }
    }

    /// <summary>Whether a text is an XML id (NCName).</summary>
    public static bool IsId(string id) => id.Length > 0 && (char.IsLetter(id[0]) || id[0] == '_')
        && id.All(c => char.IsLetterOrDigit(c) || c is '.' or '-' or '_');

    /// <summary>Whether a text is a score: a whole number, or INFINITY with a sign or without.</summary>
    public static bool IsScore(string score) =>
        score.TrimStart('+', '-') is "INFINITY" or "infinity" || long.TryParse(score, out _);
}
