using System.Xml.Linq;

namespace Buoy.Shell.Language;

/// <summary>Location, colocation, order and ticket constraints with their resource sets.</summary>
public sealed partial class CrmParser
{
    private XElement Location()
    {
        _words.AtLeast(2);
        string id = _ids.Take(_words.Take());
        var e = new XElement("rsc_location", new XAttribute("id", id));
        string rsc = _words.Take();
        if (rsc == "{")
        {
            var set = new XElement("resource_set");
            e.Add(set);
            while (_words.Current is not ("}" or null))
            {
                if (_words.TryPair(out string name, out string value))
                {
                    set.SetAttributeValue(name, value);
                }
                else
                {
                    set.Add(new XElement("resource_ref", new XAttribute("id", _words.Take())));
                }
            }

            if (!_words.Try("}"))
            {
                throw _words.Error("Expected '}'");
            }

            set.SetAttributeValue("id", _ids.Make(id + "-0"));
        }
        else if (rsc.Length > 2 && rsc.StartsWith('/') && rsc.EndsWith('/'))
        {
            e.SetAttributeValue("rsc-pattern", rsc[1..^1]);
        }
        else
        {
            e.SetAttributeValue("rsc", rsc);
        }

        while (_words.Current != "rule" && _words.TryPair(out string name, out string value))
        {
            e.SetAttributeValue(name, value);
        }

        if (_words.Current == "rule")
        {
            while (_words.Current == "rule")
            {
                Rule(e, id);
            }

            return e;
        }

        if (_words.Current is not { } s || !s.EndsWith(':') || s.Length < 2)
        {
            throw _words.Error("expected <score>: <node> or <rule> [<rule> ...]");
        }

        string score = _words.Take()[..^1];
        e.SetAttributeValue(IsScore(score) ? "score" : "score-attribute", Score(score));
        e.SetAttributeValue("node", _words.Take());
        return e;
    }

    private XElement Colocation()
    {
        _words.AtLeast(2);
        string id = _ids.Take(_words.Take());
        var e = new XElement("rsc_colocation", new XAttribute("id", id));
        if (_words.Current is not { } s || !s.EndsWith(':') || s.Length < 2)
        {
            throw _words.Error("Expected <score>:");
        }

        string score = _words.Take()[..^1];
        e.SetAttributeValue(IsScore(score) ? "score" : "score-attribute", Score(score));
        if (_words.AtEnd)
        {
            throw _words.Error("Expected <rsc>[:<role>] <rsc>[:<role>] | resource_sets");
        }

        List<XElement> sets = Sets("role", ["node-attribute"], e);
        if (SimplePair(sets) is { } pair)
        {
            Attributes(e, ("rsc", pair.First.Id), ("rsc-role", pair.First.Role), ("with-rsc", pair.Then.Id),
                ("with-rsc-role", pair.Then.Role));
        }
        else
        {
            AddSets(e, id, sets);
        }

        return e;
    }

    private XElement Order()
    {
        _words.AtLeast(2);
        string id = _ids.Take(_words.Take());
        var e = new XElement("rsc_order", new XAttribute("id", id));
        if (_words.Current is { } k && k.EndsWith(':') && k.Length > 1)
        {
            string kind = _words.Take()[..^1];
            e.SetAttributeValue("kind", kind.ToLowerInvariant() switch
            {
                "mandatory" => "Mandatory",
                "optional" => "Optional",
                "serialize" => "Serialize",
                _ when IsScore(kind) => Score(kind) == "0" ? "Optional" : "Mandatory",
                _ => throw _words.Error($"Invalid kind: {kind}"),
            });
        }

        if (_words.AtEnd)
        {
            throw _words.Error("Expected <rsc>[:<action>] <rsc>[:<action>] | resource_sets");
        }

        List<XElement> sets = Sets("action", ["symmetrical"], e);
        if (SimplePair(sets) is { } pair)
        {
            Attributes(e, ("first", pair.First.Id), ("first-action", pair.First.Role), ("then", pair.Then.Id),
                ("then-action", pair.Then.Role));
        }
        else
        {
            AddSets(e, id, sets);
        }

        return e;
    }

    private XElement Ticket()
    {
        _words.AtLeast(2);
        string id = _ids.Take(_words.Take());
        var e = new XElement("rsc_ticket", new XAttribute("id", id));
        if (_words.Current is not { } t || !t.EndsWith(':') || t.Length < 2)
        {
            throw _words.Error("Expected <ticket-id>:");
        }

        e.SetAttributeValue("ticket", _words.Take()[..^1]);
        if (_words.AtEnd)
        {
            throw _words.Error("Expected <rsc>[:<role>] | resource_sets");
        }

        List<XElement> sets = Sets("role", ["loss-policy"], e);
        if (sets is [{ } only] && only.Elements().Count() == 1 && only.Attribute("sequential") is null)
        {
            Attributes(e, ("rsc", (string)only.Elements().First().Attribute("id")!), ("rsc-role",
                (string?)only.Attribute("role")));
        }
        else
        {
            AddSets(e, id, sets);
        }

        return e;
    }

    private static void Attributes(XElement e, params (string Name, string? Value)[] attributes)
    {
        foreach ((string name, string? value) in attributes)
        {
            e.SetAttributeValue(name, value);
        }
    }

    private void AddSets(XElement e, string id, List<XElement> sets)
    {
        foreach (XElement set in sets)
        {
            set.SetAttributeValue("id", _ids.Make($"{id}-{e.Elements("resource_set").Count()}"));
            e.Add(set);
        }
    }

    /// <summary>Two single resources outside brackets: what an attribute pair can say.</summary>
    private static ((string Id, string? Role) First, (string Id, string? Role) Then)? SimplePair(List<XElement> sets)
    {
        if (sets.Any(s => s.Attribute("sequential") is not null || s.Attribute("require-all") is not null))
        {
            return null;
        }

        var all = sets.SelectMany(s => s.Elements().Select(r =>
            (Id: (string)r.Attribute("id")!, Role: (string?)s.Attribute("role")
                ?? (string?)s.Attribute("action")))).ToList();
        return all.Count == 2 ? (all[0], all[1]) : null;
    }

    /// <summary>
    /// Resources with their roles or actions in sets: neighbours of the same role share one, ( ) is not sequential, [
    /// ] needs any one.
    /// NAME=VALUE outside brackets goes to the constraint.
    /// </summary>
    private List<XElement> Sets(string roleName, string[] attributes, XElement constraint)
    {
        _words.Kind = "role";
        var sets = new List<XElement>();
        XElement? open = null;
        bool bracket = false;
        string closing = "";
        while (_words.Current is { } c)
        {
            if (c is "(" or "[")
            {
                if (bracket)
                {
                    throw _words.Error("Cannot nest resource sets");
                }

                _words.Take();
                open = new XElement("resource_set");
                sets.Add(open);
                if (c == "[")
                {
                    open.SetAttributeValue("require-all", "false");
                }

                open.SetAttributeValue("sequential", "false");
                bracket = true;
                closing = c == "(" ? ")" : "]";
            }
            else if (c is ")" or "]")
            {
                if (!bracket || c != closing)
                {
                    throw _words.Error("Unmatched closing bracket");
                }

                _words.Take();
                if (!open!.HasElements)
                {
                    throw _words.Error("Empty resource set");
                }

                bracket = false;
                open = null;
            }
            else if (_words.TryPair(out string name, out string value))
            {
                if (bracket && name is "sequential" or "require-all" or "action" or "role")
                {
                    open!.SetAttributeValue(name, name == "sequential" && value is "true" or "yes" ? null : value);
                }
                else if (!bracket && attributes.Contains(name) && IsAllowed(name, value))
                {
                    constraint.SetAttributeValue(name, value);
                }
                else
                {
                    _words.Back();
                    throw _words.Error("Unknown attribute");
                }
            }
            else
            {
                _words.Take();
                int colon = c.LastIndexOf(':');
                string rsc = colon > 0 ? c[..colon] : c;
                string? role = colon > 0 ? c[(colon + 1)..] : null;
                if (!bracket && (open is null || (string?)open.Attribute(roleName) != role))
                {
                    open = new XElement("resource_set");
                    sets.Add(open);
                }

                if (open!.HasElements && (string?)open.Attribute(roleName) != role)
                {
                    _words.Back();
                    throw _words.Error($"Conflicting {roleName} in a resource set");
                }

                open.SetAttributeValue(roleName, role);
                open.Add(new XElement("resource_ref", new XAttribute("id", rsc)));
            }
        }

        if (bracket)
        {
            _words.Back();
            throw _words.Error("Unmatched opening bracket");
        }

        _words.Kind = _words.Words[0];
        return sets;
    }

    private static bool IsAllowed(string name, string value) => name switch
    {
        "loss-policy" => value is "stop" or "demote" or "fence" or "freeze",
        "symmetrical" => value is "true" or "false" or "yes" or "no" or "on" or "off",
        _ => true,
    };
}
