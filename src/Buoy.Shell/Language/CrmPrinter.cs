using System.Text;
using System.Xml.Linq;
using Buoy.Cib;

namespace Buoy.Shell.Language;

/// <summary>
/// Prints CIB objects as crm text. What the text cannot say without loss (the line, read again, gives another element) is
/// printed as <c>xml …</c>, as crmsh does.
/// </summary>
public static class CrmPrinter
{
    /// <summary>The object as crm lines, without a line feed at the end.</summary>
    /// <param name="nodes">Nodes of the cluster: fencing levels for all of them print without targets.</param>
    public static string Print(XElement e, IReadOnlyList<(string Id, string Uname)> nodes)
    {
        if (Text(e, nodes) is { } text && SaysAll(text, e, nodes))
        {
            return text;
        }

        return "xml " + CibText.Format(e).TrimEnd('\n').Replace("\n", " \\\n");
    }

    private static string? Text(XElement e, IReadOnlyList<(string Id, string Uname)> nodes)
    {
        var b = new StringBuilder();
        if (e.Name.LocalName is "rsc_colocation" or "rsc_order" && e.Descendants("resource_ref").Count() == 1)
        {
            // A set of one looks like half a pair: crmsh shows it as XML.
            return null;
        }

        switch (e.Name.LocalName)
        {
            case "node":
                Node(b, e);
                break;
            case "primitive" or "template":
                Primitive(b, e);
                break;
            case "group" or "clone" or "master":
                Container(b, e);
                break;
            case "bundle":
                Bundle(b, e);
                break;
            case "rsc_location":
                Location(b, e);
                break;
            case "rsc_colocation":
                b.Append("colocation ").Append(Id(e)).Append(' ').Append(ScoreOf(e)).Append(':');
                PairOrSets(b, e, "rsc", "rsc-role", "with-rsc", "with-rsc-role", "role");
                Attributes(b, e, ["node-attribute"]);
                break;
            case "rsc_order":
                b.Append("order ").Append(Id(e));
                if (Get(e, "kind") is { } kind)
                {
                    b.Append(' ').Append(kind).Append(':');
                }

                PairOrSets(b, e, "first", "first-action", "then", "then-action", "action");
                Attributes(b, e, ["symmetrical"]);
                break;
            case "rsc_ticket":
                b.Append("rsc_ticket ").Append(Id(e)).Append(' ').Append(Get(e, "ticket")).Append(':');
                PairOrSets(b, e, "rsc", "rsc-role", null, null, "role");
                Attributes(b, e, ["loss-policy"]);
                break;
            case "cluster_property_set":
                Options(b, "property", e);
                break;
            case "meta_attributes":
                Options(b, e.Parent?.Name == "op_defaults" ? "op_defaults" : "rsc_defaults", e);
                break;
            case "tag":
                b.Append("tag ").Append(Id(e));
                foreach (XElement r in e.Elements("obj_ref"))
                {
                    b.Append(' ').Append(Id(r));
                }

                break;
            case "fencing-topology":
                Topology(b, e, nodes);
                break;
            case "acl_role":
                b.Append("role ").Append(Id(e));
                foreach (XElement p in e.Elements("acl_permission"))
                {
                    b.Append(Next).Append(Permission(p));
                }

                break;
            case "acl_target":
                b.Append("acl_target ").Append(Id(e));
                foreach (XElement r in e.Elements("role"))
                {
                    b.Append(Next).Append(Id(r));
                }

                break;
            case "alert":
                Alert(b, e);
                break;
            default:
                return null;
        }

        return b.ToString();
    }

    private const string Next = " \\\n\t";

    private static void Node(StringBuilder b, XElement e)
    {
        string id = Id(e), uname = Get(e, "uname") ?? "";
        b.Append("node ");
        if (id != uname)
        {
            b.Append(id).Append(": ");
        }

        b.Append(uname);
        if (Get(e, "type") is { } type && type != "member" && type != "normal")
        {
            b.Append(':').Append(type);
        }

        Description(b, e);
        Sets(b, e, "attributes");
    }

    private static void Primitive(StringBuilder b, XElement e)
    {
        b.Append(e.Name == "template" ? "rsc_template " : "primitive ").Append(Id(e)).Append(' ').Append(Agent(e));
        Description(b, e);
        foreach (XElement child in e.Elements())
        {
            if (child.Name != "operations")
            {
                Set(b, child, "params");
                continue;
            }

            if (Get(child, "id") is { } id)
            {
                b.Append(Next).Append("operations $id=").Append(CrmTokenizer.Quote(id));
            }

            foreach (XElement op in child.Elements("op"))
            {
                Operation(b, op);
            }
        }
    }

    /// <summary>An agent's name as crmsh prints it: ocf:heartbeat needs not be said.</summary>
    public static string Agent(XElement e)
    {
        if (Get(e, "template") is { } template)
        {
            return "@" + template;
        }

        string cls = Get(e, "class") ?? "", type = Get(e, "type") ?? "";
        return (cls, Get(e, "provider")) switch
        {
            ("ocf", "heartbeat") => type,
            (_, null) => $"{cls}:{type}",
            (_, var provider) => $"{cls}:{provider}:{type}",
        };
    }

    private static void Operation(StringBuilder b, XElement op)
    {
        b.Append(Next).Append("op ").Append(Get(op, "name"));
        foreach (XAttribute a in op.Attributes().Where(a => a.Name.LocalName is not ("id" or "name")))
        {
            b.Append(' ').Append(a.Name).Append('=').Append(CrmTokenizer.Quote(a.Value));
        }

        foreach (XElement set in op.Elements())
        {
            Set(b, set, "op_params", "op_meta");
        }
    }

    private static void Container(StringBuilder b, XElement e)
    {
        b.Append(e.Name == "master" ? "ms" : e.Name.LocalName).Append(' ').Append(Id(e));
        foreach (XElement child in e.Elements().Where(IsResource))
        {
            b.Append(' ').Append(Id(child));
        }

        Description(b, e);
        Sets(b, e, "params");
    }

    private static void Bundle(StringBuilder b, XElement e)
    {
        b.Append("bundle ").Append(Id(e));
        foreach (XElement child in e.Elements())
        {
            switch (child.Name.LocalName)
            {
                case "network" or "storage":
                    b.Append(Next).Append(child.Name.LocalName);
                    Attributes(b, child, null);
                    foreach (XElement mapping in child.Elements())
                    {
                        b.Append(' ').Append(mapping.Name.LocalName);
                        Attributes(b, mapping, null);
                    }

                    break;
                case "meta_attributes":
                    Set(b, child, "params");
                    break;
                case "primitive" or CrmParser.Reference:
                    b.Append(Next).Append("primitive ").Append(Id(child));
                    break;
                default:
                    b.Append(Next).Append(child.Name.LocalName);
                    Attributes(b, child, null);
                    break;
            }
        }
    }

    private static void Location(StringBuilder b, XElement e)
    {
        b.Append("location ").Append(Id(e)).Append(' ');
        if (Get(e, "rsc-pattern") is { } pattern)
        {
            b.Append('/').Append(pattern).Append('/');
        }
        else if (e.Element("resource_set") is { } set)
        {
            b.Append("{ ");
            Attributes(b, set, ["role", "sequential", "require-all"], trailing: true);
            foreach (XElement r in set.Elements("resource_ref"))
            {
                b.Append(Id(r)).Append(' ');
            }

            b.Append('}');
        }
        else
        {
            b.Append(Get(e, "rsc"));
        }

        Attributes(b, e, ["role", "resource-discovery"]);
        if (e.Element("rule") is not null)
        {
            foreach (XElement rule in e.Elements("rule"))
            {
                b.Append(Next).Append(Rule(rule));
            }
        }
        else
        {
            b.Append(' ').Append(ScoreOf(e)).Append(": ").Append(Get(e, "node"));
        }
    }

    private static void PairOrSets(StringBuilder b, XElement e, string first, string firstRole, string? then, string? thenRole, string role)
    {
        if (Get(e, first) is { } a)
        {
            b.Append(' ').Append(a).Append(Suffix(Get(e, firstRole)));
            if (then is not null)
            {
                b.Append(' ').Append(Get(e, then)).Append(Suffix(Get(e, thenRole!)));
            }

            return;
        }

        foreach (XElement set in e.Elements("resource_set"))
        {
            bool sequential = Get(set, "sequential") is null or "true";
            bool any = Get(set, "require-all") is "false";
            string suffix = Suffix(Get(set, role));
            string list = string.Join(' ', set.Elements("resource_ref").Select(r => Id(r) + suffix));
            b.Append(' ').Append(any ? $"[ {list}{(sequential ? " sequential=true" : "")} ]" : sequential ? list : $"( {list} )");
        }
    }

    private static string Suffix(string? role) => role is null ? "" : ":" + role;

    private static void Options(StringBuilder b, string word, XElement e)
    {
        b.Append(word).Append(' ').Append(Id(e)).Append(':');
        if (Get(e, "score") is { } score)
        {
            b.Append(' ').Append(ShortScore(score)).Append(':');
        }

        foreach (XElement child in e.Elements())
        {
            b.Append(Next).Append(child.Name == "rule" ? Rule(child) : Pair(child));
        }
    }

    private static void Topology(StringBuilder b, XElement e, IReadOnlyList<(string Id, string Uname)> nodes)
    {
        b.Append("fencing_topology");
        var targets = new List<(string Key, List<string> Devices)>();
        foreach (XElement level in e.Elements("fencing-level"))
        {
            string key = Get(level, "target") is { } t ? t + ":"
                : Get(level, "target-pattern") is { } p ? "pattern:" + p
                : $"attr:{Get(level, "target-attribute")}={Get(level, "target-value")}";
            int at = targets.FindIndex(x => x.Key == key);
            if (at < 0)
            {
                at = targets.Count;
                targets.Add((key, []));
            }

            targets[at].Devices.Add(Get(level, "devices") ?? "");
        }

        bool same = targets.Count > 0 && targets.All(t => t.Devices.SequenceEqual(targets[0].Devices))
            && targets.Select(t => t.Key).Order().SequenceEqual(nodes.Select(n => n.Uname + ":").Order());
        if (same)
        {
            b.Append(' ').AppendJoin(' ', targets[0].Devices);
            return;
        }

        foreach ((string key, List<string> devices) in targets)
        {
            b.Append(Next).Append(key).Append(' ').AppendJoin(' ', devices);
        }
    }

    private static string Permission(XElement p)
    {
        var words = new List<string> { Get(p, "kind") ?? "" };
        if (Get(p, "xpath") is { } xpath)
        {
            words.Add(AclShortcuts.Shorten(xpath) ?? "xpath:" + CrmTokenizer.QuoteAlways(xpath));
        }

        AddIf("ref", "reference");
        AddIf("attr", "attribute");
        AddIf("type", "object-type");
        return string.Join(' ', words);

        void AddIf(string word, string attribute)
        {
            if (Get(p, attribute) is { } value)
            {
                words.Add($"{word}:{value}");
            }
        }
    }

    private static void Alert(StringBuilder b, XElement e)
    {
        b.Append("alert ").Append(Id(e)).Append(' ').Append(CrmTokenizer.Quote(Get(e, "path") ?? ""));
        Description(b, e);
        foreach (XElement child in e.Elements())
        {
            switch (child.Name.LocalName)
            {
                case "select":
                    b.Append(Next).Append("select");
                    foreach (XElement what in child.Elements())
                    {
                        b.Append(' ').Append(what.Name.LocalName["select_".Length..]);
                        if (what.HasElements)
                        {
                            b.Append(" { ").AppendJoin(' ', what.Elements().Select(a => Get(a, "name"))).Append(" }");
                        }
                    }

                    break;
                case "recipient":
                    b.Append(Next).Append("to ").Append(CrmTokenizer.Quote(Get(child, "value") ?? ""));
                    foreach (XElement set in child.Elements())
                    {
                        b.Append(' ').Append(SetText(set, "attributes"));
                    }

                    break;
                default:
                    Set(b, child, "attributes");
                    break;
            }
        }
    }

    private static void Sets(StringBuilder b, XElement e, string instanceWord)
    {
        foreach (XElement set in e.Elements().Where(c => c.Name.LocalName is "instance_attributes" or "meta_attributes" or "utilization"))
        {
            Set(b, set, instanceWord);
        }
    }

    private static void Set(StringBuilder b, XElement set, string instanceWord, string metaWord = "meta") =>
        b.Append(Next).Append(SetText(set, instanceWord, metaWord));

    private static string SetText(XElement set, string instanceWord, string metaWord = "meta")
    {
        var words = new List<string>
        {
            set.Name.LocalName switch { "instance_attributes" => instanceWord, "meta_attributes" => metaWord, var n => n },
        };
        if (Get(set, "id-ref") is { } reference)
        {
            words.Add("$id-ref=" + CrmTokenizer.Quote(reference));
        }

        if (Get(set, "score") is { } score)
        {
            words.Add(ShortScore(score) + ":");
        }

        words.AddRange(set.Elements().Select(c => c.Name == "rule" ? Rule(c) : Pair(c)));
        return string.Join(' ', words);
    }

    private static string Pair(XElement p) => Get(p, "value") is { } v
        ? $"{Get(p, "name")}={CrmTokenizer.Quote(v)}"
        : Get(p, "name") ?? "";

    private static string Rule(XElement rule)
    {
        var b = new StringBuilder("rule");
        if (Get(rule, "id-ref") is { } reference)
        {
            return b.Append(" $id-ref=").Append(reference).ToString();
        }

        if (Get(rule, "role") is { } role)
        {
            b.Append(" $role=").Append(role);
        }

        if (Get(rule, "score-attribute") is { } attribute)
        {
            b.Append(' ').Append(attribute).Append(':');
        }
        else if (Get(rule, "score") is { } score && score != "INFINITY")
        {
            b.Append(' ').Append(ShortScore(score)).Append(':');
        }

        string op = " " + (Get(rule, "boolean-op") ?? "and") + " ";
        b.Append(' ').AppendJoin(op, rule.Elements().Select(Expression));
        return b.ToString();
    }

    private static string Expression(XElement e)
    {
        string op = Get(e, "operation") ?? "";
        if (e.Name == "date_expression")
        {
            string fields = string.Join(' ', new[] { "start", "end" }.Where(a => Get(e, a) is not null)
                .Select(a => $"{a}={CrmTokenizer.Quote(Get(e, a)!)}")
                .Concat(e.Elements().SelectMany(c => c.Attributes()).Where(a => a.Name != "id")
                    .Select(a => $"{a.Name}={CrmTokenizer.Quote(a.Value)}")));
            return op switch
            {
                "gt" => "date gt " + CrmTokenizer.Quote(Get(e, "start") ?? ""),
                "lt" => "date lt " + CrmTokenizer.Quote(Get(e, "end") ?? ""),
                "in_range" => "date in " + fields,
                _ => "date spec " + fields,
            };
        }

        string name = Get(e, "attribute") ?? "";
        if (op is "defined" or "not_defined")
        {
            return $"{op} {name}";
        }

        string type = Get(e, "type") is { } t && t != "string" ? t + ":" : "";
        return $"{name} {type}{op} {CrmTokenizer.Quote(Get(e, "value") ?? "")}";
    }

    private static void Description(StringBuilder b, XElement e)
    {
        if (Get(e, "description") is { } text)
        {
            b.Append(Next).Append("description=").Append(CrmTokenizer.Quote(text));
        }
    }

    private static void Attributes(StringBuilder b, XElement e, string[]? names, bool trailing = false)
    {
        foreach (XAttribute a in e.Attributes().Where(a => names?.Contains(a.Name.LocalName) ?? true))
        {
            string text = $"{a.Name}={CrmTokenizer.Quote(a.Value)}";
            b.Append(trailing ? text + " " : " " + text);
        }
    }

    private static string ScoreOf(XElement e) => Get(e, "score") is { } s ? ShortScore(s) : Get(e, "score-attribute") ?? "";

    private static string ShortScore(string score) => score switch { "INFINITY" => "inf", "-INFINITY" => "-inf", _ => score };

    private static bool IsResource(XElement e) => e.Name.LocalName is "primitive" or "group" or CrmParser.Reference;

    private static string Id(XElement e) => (string?)e.Attribute("id") ?? "";

    private static string? Get(XElement e, string name) => (string?)e.Attribute(name);

    /// <summary>Whether the text, read again, gives the element (generated ids aside).</summary>
    private static bool SaysAll(string text, XElement e, IReadOnlyList<(string Id, string Uname)> nodes)
    {
        try
        {
            List<string> words = CrmTokenizer.Split(text.Replace("\\\n", " "));
            XElement read = CrmParser.Parse(words, ParseContext.Empty with { Nodes = nodes });
            return Same(e, read, top: true);
        }
        catch (CrmSyntaxException)
        {
            return false;
        }
    }

    private static readonly HashSet<string> IdMatters = ["obj_ref", "resource_ref", "role", "port-mapping", "storage-mapping", CrmParser.Reference];

    private static bool Same(XElement a, XElement b, bool top)
    {
        string name = IsResource(a) && !top ? CrmParser.Reference : a.Name.LocalName;
        if (name != b.Name.LocalName)
        {
            return false;
        }

        if (name == CrmParser.Reference)
        {
            return Id(a) == Id(b);
        }

        bool ids = top || IdMatters.Contains(name);
        return Signature(a, ids) == Signature(b, ids)
            && Children(a).Zip(Children(b)).All(p => Same(p.First, p.Second, top: false))
            && Children(a).Count() == Children(b).Count();

        static IEnumerable<XElement> Children(XElement e) => e.Name.LocalName is "group" or "clone" or "master"
            ? e.Elements().Where(c => !IsResource(c)).Concat(e.Elements().Where(IsResource))
            : e.Elements();
    }

    private static string Signature(XElement e, bool ids) => string.Join('\0', e.Attributes()
        .Where(a => (a.Name != "id" || (ids && e.Name != "fencing-topology"))
            && !(a.Name == "type" && ((e.Name == "expression" && a.Value == "string") || (e.Name == "node" && a.Value is "member" or "normal")))
            && !(a.Name == "boolean-op" && a.Value == "and")
            && !(a.Name == "require-all" && a.Value == "true") && !(a.Name == "sequential" && a.Value == "true"))
        .Select(a => $"{a.Name}={a.Value}").Order(StringComparer.Ordinal));
}
