using System.Xml.Linq;

namespace Buoy.Shell.Language;

/// <summary>Options, nodes, tags, fencing levels, access control and alerts.</summary>
public sealed partial class CrmParser
{
    private XElement Options(string tag, string defaultId)
    {
        _words.AtLeast(1);
        var set = new XElement(tag);
        if (_words.Current is { } c && c.EndsWith(':') && c.Length > 1 && !IsScore(c[..^1]))
        {
            // The form that show prints: the set's id, then its content.
            _words.Take();
            SetContent(set, c[..^1], bare: false, given: c[..^1]);
        }
        else
        {
            SetContent(set, defaultId, bare: false);
        }

        if (set.Attribute("id") is { } made && made.Value.StartsWith(defaultId + "-", StringComparison.Ordinal)
            && _context.UsedIds.Contains(defaultId))
        {
            // The default set exists already: the session merges into it, so its id is wanted, not a new one.
            made.Value = defaultId;
            foreach (XElement pair in set.Elements("nvpair"))
            {
                pair.SetAttributeValue("id", $"{defaultId}-{(string?)pair.Attribute("name")}");
            }
        }

        _words.End();
        return set;
    }

    private XElement Node()
    {
        _words.AtLeast(1);
        string first = _words.Take();
        string? id = null;
        if (first.EndsWith(':') && first.Length > 1)
        {
            id = first[..^1];
            first = _words.Take();
        }
        else if (first.StartsWith("$id=", StringComparison.Ordinal))
        {
            id = first[4..];
            first = _words.Take();
        }

        int colon = first.IndexOf(':');
        string uname = colon > 0 ? first[..colon] : first;
        var e = new XElement("node");
        e.SetAttributeValue("uname", uname);
        e.SetAttributeValue("type", colon > 0 ? first[(colon + 1)..] : null);
        e.SetAttributeValue("id", id ?? _context.Nodes.FirstOrDefault(n => n.Uname == uname).Id ?? uname);
        Description(e);
        while (AttributeSet(e, uname, ["attributes", "utilization"]))
        {
        }

        return e;
    }

    private XElement Tag()
    {
        _words.AtLeast(2);
        string id = _words.Take().TrimEnd(':');
        var e = new XElement("tag", new XAttribute("id", _ids.Take(id)));
        while (!_words.AtEnd)
        {
            e.Add(new XElement("obj_ref", new XAttribute("id", _words.Take())));
        }

        return e;
    }

    private XElement FencingTopology()
    {
        var e = new XElement("fencing-topology");
        IEnumerable<(string Name, string Value)[]> targets = _context.Nodes.Select(n => new[] { ("target", n.Uname) });
        var index = new Dictionary<string, int>();
        var rows = new List<((string Name, string Value)[]? Target, string Devices)>();
        (string, string)[]? target = null;
        while (!_words.AtEnd)
        {
            string word = _words.Take();
            if (word.EndsWith(':') && word.Length > 1)
            {
                target = [("target", word[..^1])];
            }
            else if (word.StartsWith("pattern:", StringComparison.Ordinal))
            {
                target = [("target-pattern", word[8..])];
            }
            else if (word.StartsWith("attr:", StringComparison.Ordinal) && word.Contains('='))
            {
                int eq = word.IndexOf('=');
                target = [("target-attribute", word[5..eq]), ("target-value", word[(eq + 1)..])];
            }
            else
            {
                rows.Add((target, word));
            }
        }

        var levels = new List<((string Name, string Value)[] Target, string Devices)>();
        if (rows.Count > 0 && rows[0].Target is null)
        {
            levels.AddRange(targets.SelectMany(t => rows.Select(r => (t, r.Devices))));
        }
        else
        {
            levels.AddRange(rows.Select(r => (r.Target!, r.Devices)));
        }

        foreach (((string Name, string Value)[] t, string devices) in levels)
        {
            string key = string.Join('=', t.Select(x => x.Value));
            int n = index[key] = index.GetValueOrDefault(key) + 1;
            var level = new XElement("fencing-level", t.Select(x => new XAttribute(x.Name, x.Value)));
            Attributes(level, ("index", n.ToString()), ("devices", devices), ("id", _ids.Make("fencing")));
            e.Add(level);
        }

        return e;
    }

    private XElement AclTarget()
    {
        _words.AtLeast(2);
        var e = new XElement("acl_target", new XAttribute("id", _ids.Take(_words.Take())));
        while (!_words.AtEnd)
        {
            e.Add(new XElement("role", new XAttribute("id", _words.Take())));
        }

        return e;
    }

    private XElement Role()
    {
        _words.AtLeast(2);
        string id = _ids.Take(_words.Take());
        var e = new XElement("acl_role", new XAttribute("id", id));
        while (_words.Current is { } kind)
        {
            if (kind is not ("read" or "write" or "deny"))
            {
                throw _words.Error("Expected (read|write|deny)");
            }

            _words.Take();
            var p = new XElement("acl_permission", new XAttribute("kind", kind));
            bool any = false;
            while (_words.Current is { } spec && spec is not ("read" or "write" or "deny") && Permission(p, spec))
            {
                _words.Take();
                any = true;
            }

            if (!any)
            {
                throw _words.Error("Invalid ACL rule specification");
            }

            p.SetAttributeValue("id", _ids.Make($"{id}-{e.Elements().Count()}"));
            e.Add(p);
        }

        return e;
    }

    private static bool Permission(XElement p, string spec)
    {
        int colon = spec.IndexOf(':');
        string word = colon < 0 ? spec : spec[..colon];
        string rest = colon < 0 ? "" : spec[(colon + 1)..];
        (string, string)? set = word switch
        {
            "xpath" => ("xpath", rest),
            "ref" => ("reference", rest),
            "type" or "tag" => ("object-type", rest),
            "attr" or "attribute" => ("attribute", rest),
            _ => AclShortcuts.Expand(word, rest) is { } xpath ? ("xpath", xpath) : null,
        };
        if (set is not var (name, value) || (colon >= 0 && rest.Length == 0))
        {
            return false;
        }

        p.SetAttributeValue(name, value);
        return true;
    }

    private XElement Alert()
    {
        _words.AtLeast(2);
        string id = _ids.Take(_words.Take());
        var e = new XElement("alert", new XAttribute("id", id), new XAttribute("path", _words.Take()));
        Description(e);
        while (AttributeSet(e, id, ["attributes", "meta"]) || Select(e))
        {
        }

        for (int n = 1; _words.Try("to"); n++)
        {
            bool braces = _words.Try("{");
            string rid = $"{id}-recipient-{n}";
            if (_words.Current is { } c && c.StartsWith("$id=", StringComparison.Ordinal))
            {
                rid = _words.Take()[4..];
            }

            var r = new XElement("recipient", new XAttribute("id", _ids.Take(rid)), new XAttribute("value",
                _words.Take()));
            e.Add(r);
            Description(r);
            while (AttributeSet(r, rid, ["attributes", "meta"]))
            {
            }

            if (braces && !_words.Try("}"))
            {
                throw _words.Error("Expected }");
            }
        }

        return e;
    }

    /// <summary>select [nodes | fencing | resources | attributes '{' NAME … '}' ]</summary>
    private bool Select(XElement e)
    {
        if (!_words.Try("select"))
        {
            return false;
        }

        var select = new XElement("select");
        e.Add(select);
        while (_words.Current is "nodes" or "fencing" or "resources" or "attributes")
        {
            string what = _words.Take();
            var which = new XElement("select_" + what);
            select.Add(which);
            if (what == "attributes" && _words.Try("{"))
            {
                while (_words.Current is not ("}" or null))
                {
                    string name = _words.Take();
                    which.Add(new XElement("attribute", new XAttribute("name", name),
                        new XAttribute("id", _ids.Make($"{(string?)e.Attribute("id")}-select-{name}"))));
                }

                if (!_words.Try("}"))
                {
                    throw _words.Error("Expected }");
                }
            }
        }

        return true;
    }
}
