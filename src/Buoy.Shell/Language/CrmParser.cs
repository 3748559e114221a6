using System.Xml.Linq;

namespace Buoy.Shell.Language;

/// <summary>
/// Reads one object-defining command of crm's configure level to the CIB XML that crmsh makes of it, ids included
/// (<c>crm configure help</c> describes each). Objects that contain others (group, clone, bundle) refer to them by
/// <c>crmsh-ref</c> elements, which the session resolves.
/// </summary>
public sealed partial class CrmParser
{
    private readonly ParseContext _context;
    private readonly IdMaker _ids;
    private readonly WordReader _words;

    private CrmParser(IReadOnlyList<string> words, ParseContext context)
    {
        _context = context;
        _ids = new IdMaker(context.UsedIds);
        _words = new WordReader(words, words[0]);
    }

    /// <summary>The name of the element that stands for a contained object.</summary>
    public const string Reference = "crmsh-ref";

    /// <summary>Commands that <see cref="Parse"/> reads.</summary>
    public static IReadOnlyList<string> Commands { get; } =
    [
        "node", "primitive", "rsc_template", "group", "clone", "ms", "bundle", "location", "colocation", "order", "rsc_ticket",
        "property", "rsc_defaults", "op_defaults", "tag", "fencing_topology", "role", "acl_target", "alert",
    ];

    /// <summary>The element that a command defines. Throws <see cref="CrmSyntaxException"/>.</summary>
    public static XElement Parse(IReadOnlyList<string> words, ParseContext context)
    {
        var parser = new CrmParser(words, context);
        try
        {
            XElement e = parser.Object();
            parser._words.End();
            return e;
        }
        catch (System.Xml.XmlException)
        {
            // NAME of a NAME=VALUE that becomes an XML attribute.
            throw parser._words.Error("Invalid attribute name");
        }
    }

    private XElement Object() => _words.Words[0] switch
    {
        "node" => Node(),
        "primitive" => Primitive("primitive"),
        "rsc_template" => Primitive("template"),
        "group" => Group(),
        "clone" => Clone("clone"),
        "ms" or "master" => Clone("master"),
        "bundle" => Bundle(),
        "location" => Location(),
        "colocation" => Colocation(),
        "order" => Order(),
        "rsc_ticket" => Ticket(),
        "property" => Options("cluster_property_set", "cib-bootstrap-options"),
        "rsc_defaults" => Options("meta_attributes", "rsc-options"),
        "op_defaults" => Options("meta_attributes", "op-options"),
        "tag" => Tag(),
        "fencing_topology" => FencingTopology(),
        "role" => Role(),
        "acl_target" => AclTarget(),
        "alert" => Alert(),
        _ => throw new CrmSyntaxException($"syntax: Unknown command near <{_words.Words[0]}> parsing '{_words.Line}'"),
    };

    private XElement Primitive(string tag)
    {
        _words.AtLeast(2);
        string id = _ids.Take(_words.Take());
        var e = new XElement(tag, new XAttribute("id", id));
        string agent = _words.Take();
        if (agent.StartsWith('@'))
        {
            e.SetAttributeValue("template", agent[1..]);
        }
        else
        {
            (string cls, string? provider, string type) = _context.ResolveAgent(agent);
            e.SetAttributeValue("class", cls);
            e.SetAttributeValue("provider", provider);
            e.SetAttributeValue("type", type);
        }

        Description(e);
        while (!_words.AtEnd)
        {
            if (!AttributeSet(e, id, ["params", "meta", "utilization"]) && !Operations(e, id))
            {
                if (e.Element("instance_attributes") is null && _words.Current!.IndexOf('=') > 0)
                {
                    SetBody(e, "instance_attributes", id);
                }
                else
                {
                    break;
                }
            }
        }

        return e;
    }

    private bool Operations(XElement e, string id)
    {
        if (_words.Try("operations"))
        {
            XElement operations = OperationsOf(e);
            while (_words.TryPair(out string name, out string value))
            {
                operations.SetAttributeValue(name.TrimStart('$'), value);
            }

            return true;
        }

        if (!_words.Try("op"))
        {
            return false;
        }

        var op = new XElement("op", new XAttribute("name", _words.Take()));
        OperationsOf(e).Add(op);
        var parameters = new List<(string Name, string Value)>();
        bool inParameters = false, unnamed = false;
        while (_words.Current is { } c)
        {
            if (_words.TryPair(out string name, out string value))
            {
                if (name.StartsWith('$') || (!inParameters && OperationAttributes.Contains(name)))
                {
                    op.SetAttributeValue(name.TrimStart('$'), value);
                }
                else
                {
                    parameters.Add((name, value));
                }
            }
            else if (c == "op_params")
            {
                _words.Take();
                inParameters = true;
            }
            else if (IsKeyword(c) || c == "op_meta")
            {
                break;
            }
            else
            {
                _words.Take();
                unnamed = true;
            }
        }

        if (unnamed)
        {
            throw _words.Error("Attribute order error: interval must appear before any instance attribute");
        }

        if (op.Attribute("interval") is null)
        {
            op.SetAttributeValue("interval", "0");
        }

        if (op.Attribute("id") is { } given)
        {
            _ids.Take(given.Value);
        }
        else
        {
            op.SetAttributeValue("id", _ids.Make($"{id}-{(string?)op.Attribute("name")}-{(string?)op.Attribute("interval")}"));
        }

        string opId = (string)op.Attribute("id")!;
        if (parameters.Count > 0)
        {
            var set = new XElement("instance_attributes", new XAttribute("id", _ids.Make($"{opId}-instance_attributes")));
            op.Add(set);
            foreach ((string name, string value) in parameters)
            {
                set.Add(Pair(set, name, value));
            }
        }

        if (_words.Try("op_meta"))
        {
            SetBody(op, "meta_attributes", opId);
        }

        return true;
    }

    private static readonly HashSet<string> OperationAttributes =
    [
        "interval", "timeout", "start-delay", "interval-origin", "on-fail", "role", "enabled", "record-pending", "requires", "description",
    ];

    private static XElement OperationsOf(XElement e)
    {
        if (e.Element("operations") is { } found)
        {
            return found;
        }

        var made = new XElement("operations");
        e.Add(made);
        return made;
    }

    private static bool IsKeyword(string word) => word is "params" or "meta" or "utilization" or "operations" or "op" or "attributes"
        or "op_params" or "op_meta" or "to" or "select" or "rule";

    private XElement Group()
    {
        _words.AtLeast(2);
        string id = _ids.Take(_words.Take());
        var e = new XElement("group", new XAttribute("id", id));
        var members = new List<string>();
        while (_words.Current is { } c && !IsKeyword(c) && c.IndexOf('=') < 0)
        {
            if (members.Contains(c))
            {
                throw _words.Error($"child {c} listed more than once in group {id}", null);
            }

            members.Add(_words.Take());
        }

        Description(e);
        while (AttributeSet(e, id, ["params", "meta", "utilization"]))
        {
        }

        e.Add(members.Select(m => new XElement(Reference, new XAttribute("id", m))));
        return e;
    }

    private XElement Clone(string tag)
    {
        _words.AtLeast(2);
        string id = _ids.Take(_words.Take());
        var e = new XElement(tag, new XAttribute("id", id));
        string child = _words.Take();
        Description(e);
        while (AttributeSet(e, id, ["params", "meta"]))
        {
        }

        e.Add(new XElement(Reference, new XAttribute("id", child)));
        return e;
    }

    private XElement Bundle()
    {
        _words.AtLeast(2);
        string id = _ids.Take(_words.Take());
        var e = new XElement("bundle", new XAttribute("id", id));
        if (_words.Current is not ("docker" or "rkt"))
        {
            _words.End();
        }

        var container = new XElement(_words.Take());
        e.Add(container);
        Pairs(container);
        if (_words.Try("network"))
        {
            var network = new XElement("network");
            e.Add(network);
            Pairs(network);
            Mappings(network, "port-mapping");
        }

        if (_words.Try("storage"))
        {
            var storage = new XElement("storage");
            e.Add(storage);
            Mappings(storage, "storage-mapping");
        }

        while (AttributeSet(e, id, ["meta"]))
        {
        }

        if (_words.Try("primitive"))
        {
            e.Add(new XElement(Reference, new XAttribute("id", _words.Take())));
        }

        return e;
    }

    private void Mappings(XElement parent, string tag)
    {
        while (_words.Try(tag))
        {
            var mapping = new XElement(tag);
            parent.Add(mapping);
            Pairs(mapping);
            if (mapping.Attribute("id") is null)
            {
                mapping.SetAttributeValue("id", _ids.Make($"{(string?)parent.Parent!.Attribute("id")}-{tag}"));
            }
        }
    }

    private void Pairs(XElement e)
    {
        while (_words.TryPair(out string name, out string value))
        {
            e.SetAttributeValue(name.TrimStart('$'), value);
        }
    }

    private void Description(XElement e)
    {
        if (_words.Current is { } c && c.StartsWith("description=", StringComparison.Ordinal))
        {
            e.SetAttributeValue("description", _words.Take()["description=".Length..]);
        }
    }

    /// <summary>A keyword of <paramref name="allowed"/> with its name-value pairs, added to <paramref name="e"/>.</summary>
    private bool AttributeSet(XElement e, string prefix, string[] allowed)
    {
        if (_words.Current is not { } c || !allowed.Contains(c))
        {
            return false;
        }

        _words.Take();
        SetBody(e, c switch
        {
            "params" or "attributes" => "instance_attributes",
            "meta" => "meta_attributes",
            _ => "utilization",
        }, prefix);
        return true;
    }

    private void SetBody(XElement e, string tag, string prefix)
    {
        var set = new XElement(tag);
        e.Add(set);
        SetContent(set, $"{prefix}-{tag}", bare: true);
    }

    /// <summary>[$id=ID|$id-ref=ID] [SCORE:] [rule …] {NAME=VALUE}</summary>
    private void SetContent(XElement set, string wish, bool bare, string? given = null)
    {
        if (_words.Current is { } r && r.StartsWith("$id-ref=", StringComparison.Ordinal))
        {
            set.SetAttributeValue("id-ref", _words.Take()[8..]);
            return;
        }

        if (_words.Current is { } c && c.StartsWith("$id=", StringComparison.Ordinal))
        {
            given = _words.Take()[4..];
        }

        if (_words.Current is { } s && s.EndsWith(':') && s.Length > 1)
        {
            set.SetAttributeValue("score", Score(_words.Take()[..^1]));
        }

        set.SetAttributeValue("id", given is null ? _ids.Make(wish) : _ids.Take(given));
        while (_words.Current is "rule")
        {
            Rule(set, (string)set.Attribute("id")!);
        }

        while (_words.Current is { } word)
        {
            if (_words.TryPair(out string name, out string value))
            {
                set.Add(Pair(set, name, value));
            }
            else if (bare && !IsKeyword(word) && IsName(word))
            {
                set.Add(Pair(set, _words.Take(), null));
            }
            else
            {
                break;
            }
        }
    }

    private XElement Pair(XElement set, string name, string? value)
    {
        var pair = new XElement("nvpair", new XAttribute("name", name));
        pair.SetAttributeValue("value", value);
        pair.SetAttributeValue("id", _ids.Make($"{(string?)set.Attribute("id")}-{name}"));
        return pair;
    }

    private static bool IsName(string word) => word.All(c => char.IsLetterOrDigit(c) || c is '_' or '-' or '.');

    private static string Score(string text) => text.ToLowerInvariant() switch
    {
        "inf" or "+inf" or "infinity" or "+infinity" => "INFINITY",
        "-inf" or "-infinity" => "-INFINITY",
        _ => text,
    };

    private static bool IsScore(string text) => Score(text) is "INFINITY" or "-INFINITY" || long.TryParse(text, out _);
}
