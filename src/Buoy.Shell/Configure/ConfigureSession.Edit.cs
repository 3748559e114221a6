using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Shell.Agents;
using Buoy.Shell.Language;

namespace Buoy.Shell.Configure;

/// <summary>Commands that change objects which exist.</summary>
public sealed partial class ConfigureSession
{
    /// <summary>delete [--force] ID …</summary>
    public bool Delete(IEnumerable<string> arguments)
    {
        bool force = Force, good = true;
        HashSet<string> running = Running();
        foreach (string id in arguments)
        {
            if (id is "--force" or "-f")
            {
                force = true;
                continue;
            }

            XElement? e = Find(id);
            if (e is null)
            {
                if (!force)
                {
                    _messages.Error($"object {id} does not exist");
                    good = false;
                }

                continue;
            }

            if (!force && e.DescendantsAndSelf("primitive").Any(p => running.Contains((string?)p.Attribute("id")
                ?? "")))
            {
                _messages.Error($"resource {id} is running, can't delete it");
                good = false;
                continue;
            }

            DeleteObject(e);
        }

        return good;
    }

    private void DeleteObject(XElement e)
    {
        string id = IdOf(e);
        XElement? parent = e.Parent;
        if (e.Name.LocalName is "group" or "clone" or "master" or "bundle")
        {
            foreach (XElement child in e.Elements().Where(c => c.Name.LocalName is "primitive" or "group").ToList())
            {
                child.Remove();
                SectionOf("resources").Add(child);
            }
        }

        e.Remove();
        if (SectionName(e.Name.LocalName) == "resources")
        {
            RemoveHanging(id);
        }

        // A container without members, an optional section without objects: nothing is left to say with them.
        if (parent is not null && parent.Name.LocalName is "group" or "clone" or "master"
            && !parent!.Elements().Any(c => c.Name.LocalName is "primitive" or "group"))
        {
            DeleteObject(parent);
        }
        else if (parent is not null && !parent.HasElements
            && parent.Name.LocalName is "tags" or "acls" or "alerts" or "rsc_defaults" or "op_defaults")
        {
            parent!.Remove();
        }
    }

    private static string SectionName(string element) =>
        element is "primitive" or "template" or "group" or "clone" or "master" or "bundle" ? "resources" : "";

    private void RemoveHanging(string id)
    {
        foreach (XElement c in SectionOf("constraints").Elements().ToList())
        {
            bool named = c.Attributes().Any(a => a.Name.LocalName is "rsc" or "with-rsc" or "first" or "then"
                && a.Value == id);
            List<XElement> refs = [.. c.Descendants("resource_ref").Where(r => (string?)r.Attribute("id") == id)];
            foreach (XElement r in refs)
            {
                XElement set = r.Parent!;
                r.Remove();
                if (!set.HasElements)
                {
                    set.Remove();
                }
            }

            if (named || (refs.Count > 0 && c.Descendants("resource_ref").Count() < 2))
            {
                c.Remove();
                _messages.Info($"hanging {Word(c)}:{(string?)c.Attribute("id")} deleted");
            }
        }

        foreach (XElement tag in (_cib.Section("tags")?.Elements("tag") ?? []).ToList())
        {
            tag.Elements("obj_ref").Where(r => (string?)r.Attribute("id") == id).Remove();
            if (!tag.HasElements)
            {
                DeleteObject(tag);
            }
        }
    }

    /// <summary>Primitives that are active somewhere.</summary>
    private HashSet<string> Running() => [.. StatusNow().Resources.SelectMany(r => r.Primitives())
        .Where(p => p.On.Count > 0).Select(p => p.Id)];

    /// <summary>rename OLD NEW</summary>
    public bool Rename(string old, string name)
    {
        XElement? e = Find(old);
        if (e is null)
        {
            _messages.Error($"object {old} does not exist");
            return false;
        }

        if (Find(name) is not null)
        {
            _messages.Error($"{name}: id is already in use");
            return false;
        }

        HashSet<string> running = Running();
        if (e.DescendantsAndSelf("primitive").Any(p => running.Contains((string?)p.Attribute("id") ?? "")))
        {
            _messages.Error($"cannot rename a running resource ({old})");
            return false;
        }

        if (!CibDocument.IsId(name))
        {
            _messages.Error($"{name}: invalid object id");
            return false;
        }

        e.SetAttributeValue("id", name);
        foreach (XElement sub in e.Descendants())
        {
            if ((string?)sub.Attribute("id") is { } id && id.StartsWith(old + "-", StringComparison.Ordinal))
            {
                sub.SetAttributeValue("id", name + id[old.Length..]);
            }
        }

        foreach (XElement c in SectionOf("constraints").Elements())
        {
            bool changed = false;
            foreach (XAttribute a in c.Attributes().Where(a =>
                a.Name.LocalName is "rsc" or "with-rsc" or "first" or "then" && a.Value == old))
            {
                a.Value = name;
                changed = true;
            }

            foreach (XElement r in c.Descendants("resource_ref").Where(r => (string?)r.Attribute("id") == old))
            {
                r.SetAttributeValue("id", name);
                changed = true;
            }

            if (changed)
            {
                _messages.Info($"modified {Word(c)}:{(string?)c.Attribute("id")} from {old} to {name}");
            }
        }

        foreach (XElement r in (_cib.Section("tags")?.Descendants("obj_ref") ?? []).Where(r =>
            (string?)r.Attribute("id") == old))
        {
            r.SetAttributeValue("id", name);
        }

        foreach (XElement p in (_cib.Section("resources")?.Descendants("primitive") ?? []).Where(p =>
            (string?)p.Attribute("template") == old))
        {
            p.SetAttributeValue("template", name);
        }

        return true;
    }

    /// <summary>modgroup GROUP add ID [before|after MEMBER] | remove ID</summary>
    public bool ModGroup(IReadOnlyList<string> a)
    {
        if (a.Count < 3)
        {
            _messages.Error($"configure.modgroup: Expected (group_id subcmd prim_id [args ...]), takes at least 3 "
                + $"arguments ({a.Count} given)");
            return false;
        }

        XElement? group = Resource(a[0]);
        if (group?.Name != "group")
        {
            _messages.Error($"configure.modgroup: group {a[0]} does not exist");
            return false;
        }

        XElement? member = group.Elements("primitive").FirstOrDefault(p => (string?)p.Attribute("id") == a[2]);
        if (a[1] == "remove")
        {
            if (member is null)
            {
                _messages.Error($"configure.modgroup: {a[2]} is not member of {a[0]}");
                return false;
            }

            if (group.Elements("primitive").Count() == 1)
            {
                _messages.Error($"1: syntax in group: Expected at least 2 arguments near <group> parsing 'group "
                    + $"{a[0]}'");
                return false;
            }

            member.Remove();
            SectionOf("resources").Add(member);
            return true;
        }

        if (a[1] != "add")
        {
            _messages.Error($"modgroup subcommand {a[1]} unknown");
            return false;
        }

        XElement? primitive = Resource(a[2]);
        if (member is not null || primitive is null)
        {
            _messages.Error(member is not null ? $"configure.modgroup: {a[2]} is already member of {a[0]}"
                : $"{a[0]} refers to missing object {a[2]}");
            return false;
        }

        if (primitive.Name != "primitive" || primitive.Parent?.Name != "resources")
        {
            _messages.Error($"configure.modgroup: {a[2]} cannot be added to {a[0]}: it is in another container");
            return false;
        }

        XElement? beside = null;
        if (a.Count > 3)
        {
            beside = a.Count == 5 && a[3] is "before" or "after"
                ? group.Elements("primitive").FirstOrDefault(p => (string?)p.Attribute("id") == a[4])
                : null;
            if (beside is null)
            {
                _messages.Error(a.Count == 5 ? $"configure.modgroup: {a[4]} is not member of {a[0]}"
                    : "configure.modgroup: expected before|after <member>");
                return false;
            }
        }

        primitive.Remove();
        if (beside is null)
        {
            group.Add(primitive);
        }
        else if (a[3] == "before")
        {
            beside.AddBeforeSelf(primitive);
        }
        else
        {
            beside.AddAfterSelf(primitive);
        }

        return true;
    }

    /// <summary>monitor RSC[:ROLE] INTERVAL[:TIMEOUT]</summary>
    public bool Monitor(IReadOnlyList<string> words)
    {
        var reader = new WordReader(words, "monitor");
        try
        {
            reader.AtLeast(2);
            string[] rsc = reader.Take().Split(':');
            string[] times = reader.Current!.Split(':');
            if (rsc.Length > 1 && rsc[1] is not ("Started" or "Master" or "Slave" or "Promoted"
                or "Unpromoted" or "Stopped"))
            {
                throw reader.Error($"Invalid role '{rsc[1]}' for resource '{rsc[0]}'");
            }

            reader.Take();
            reader.End();
            XElement? e = Resource(rsc[0]);
            if (e is null)
            {
                _messages.Error($"object {rsc[0]} does not exist");
                return false;
            }

            XElement operations = Child(e, "operations");
            if (operations.Elements("op").Any(o => (string?)o.Attribute("name") == "monitor"
                && (string?)o.Attribute("interval") == times[0]
                && (rsc.Length == 1 || (string?)o.Attribute("role") == rsc[1])))
            {
                _messages.Error($"{rsc[0]} already has a monitor op with interval {times[0]}");
                return false;
            }

            var op = new XElement("op", new XAttribute("name", "monitor"));
            op.SetAttributeValue("role", rsc.Length > 1 ? rsc[1] : null);
            op.SetAttributeValue("interval", times[0]);
            op.SetAttributeValue("timeout", times.Length > 1 ? times[1] : null);
            op.SetAttributeValue("id", new IdMaker(Context().UsedIds).Make($"{rsc[0]}-monitor-{times[0]}"));
            operations.Add(op);
            return true;
        }
        catch (CrmSyntaxException x)
        {
            _messages.Error(x.Message);
            return false;
        }
    }

    /// <summary>default-timeouts ID …: time-outs from the agents' meta-data for operations that have none.</summary>
    public bool DefaultTimeouts(IEnumerable<string> ids)
    {
        bool good = true;
        foreach (string id in ids)
        {
            XElement? e = Resource(id);
            if (e is null)
            {
                _messages.Error($"object {id} does not exist");
                good = false;
                continue;
            }

            string agent = (string?)e.Attribute("class") + ":" + (e.Attribute("provider") is { } p ? p.Value + ":"
                : "") + (string?)e.Attribute("type");
            AgentDescription? d = AgentDescription.Parse(_services.Agents.MetaData(agent));
            if (d is null)
            {
                _messages.Error($"{agent}: got no meta-data, does this RA exist?");
                good = false;
                continue;
            }

            XElement operations = Child(e, "operations");
            foreach (XElement op in operations.Elements("op").Where(o => o.Attribute("timeout") is null))
            {
                op.SetAttributeValue("timeout", d.Actions.FirstOrDefault(a =>
                    a.Name == (string?)op.Attribute("name"))?.Timeout);
            }

            foreach (string name in (string[])["start", "stop"])
            {
                if (operations.Elements("op").All(o => (string?)o.Attribute("name") != name)
                    && d.Actions.FirstOrDefault(a => a.Name == name)?.Timeout is { } timeout)
                {
                    operations.Add(new XElement("op", new XAttribute("name", name), new XAttribute("timeout", timeout),
                        new XAttribute("interval", "0"), new XAttribute("id", $"{id}-{name}-0")));
                }
            }
        }

        return good;
    }

    /// <summary>set ID.[OP.][INTERVAL.]NAME VALUE</summary>
    public bool Set(string path, string value)
    {
        string[] parts = path.Split('.');
        if (parts.Length < 2)
        {
            _messages.Error($"configure.set: Invalid path: \"{path}\"; Valid path: \"id.[op_type.][interval.]name\"");
            return false;
        }

        XElement? e = Find(parts[0]);
        if (e is null)
        {
            _messages.Error($"configure.set: Object {parts[0]} not found");
            return false;
        }

        if (parts.Length == 2)
        {
            XElement? pair = e.Elements().Where(s =>
                s.Name.LocalName is "instance_attributes" or "meta_attributes" or "utilization")
                .Elements("nvpair").Concat(e.Elements("nvpair")).FirstOrDefault(p =>
                    (string?)p.Attribute("name") == parts[1]);
            if (pair is null)
            {
                _messages.Error($"configure.set: Attribute not found: {path}");
                return false;
            }

            pair.SetAttributeValue("value", value);
            return true;
        }

        XElement? op = e.Elements("operations").Elements("op").FirstOrDefault(o =>
            (string?)o.Attribute("name") == parts[1]
            && (parts.Length < 4 || (string?)o.Attribute("interval") == parts[2]));
        if (op?.Attribute(parts[^1]) is null)
        {
            _messages.Error($"configure.set: Attribute not found: {path}");
            return false;
        }

        op.SetAttributeValue(parts[^1], value);
        return true;
    }

    /// <summary>erase [nodes]</summary>
    public bool Erase(bool nodes)
    {
        foreach (XElement section in _cib.Section("configuration")!.Elements().ToList())
        {
            if (section.Name != "nodes" || nodes)
            {
                section.RemoveNodes();
            }
        }

        return true;
    }

    /// <summary>xml TEXT: an element as it is.</summary>
    public bool Xml(string text)
    {
        XElement e;
        try
        {
            e = XElement.Parse(text);
        }
        catch (System.Xml.XmlException x)
        {
            _messages.Error($"Cannot parse XML data: {text}");
            _messages.Error($"syntax in xml: {x.Message} parsing 'xml {text}'");
            return false;
        }

        try
        {
            string section = e.Name == "cluster_property_set" ? "crm_config" : SectionName(e);
            if (e.Name != "cluster_property_set" && Find(IdOf(e)) is { } old)
            {
                old.ReplaceWith(e);
                return true;
            }

            return section == "crm_config" ? Merge(SectionOf(section), e) : Put(e, Word(e), update: false);
        }
        catch (CibException)
        {
            _messages.Error($"syntax in xml: Element {e.Name} not recognized parsing 'xml {text}'");
            return false;
        }
    }

    private static XElement Child(XElement e, string name)
    {
        if (e.Element(name) is { } c)
        {
            return c;
        }

        var made = new XElement(name);
        e.Add(made);
        return made;
    }
}
