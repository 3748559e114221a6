using System.Globalization;
using System.Xml.Linq;
using System.Xml.XPath;

namespace Buoy.Cib;

/// <summary>Operations with cibadmin(8)'s semantics.</summary>
public sealed partial class CibDocument
{
    /// <summary>The sections below <c>configuration</c>, in the order Pacemaker's schema names them.</summary>
    public static IReadOnlyList<string> Sections { get; } =
    [
        "crm_config", "rsc_defaults", "op_defaults", "nodes", "resources", "constraints", "fencing-topology", "acls",
            "tags", "alerts",
    ];

    /// <summary>Whether any of the operations may change more than the status section (then the epoch must
    /// grow).</summary>
    public static bool TouchesConfiguration(IReadOnlyList<CibOperation> operations) => operations.Any(o =>
        o.Kind == CibOperationKind.Erase || !(o.Section == "status"
            || (o.XPath?.StartsWith("/cib/status", StringComparison.Ordinal) ?? false)
            || (o.XPath?.StartsWith("//node_state", StringComparison.Ordinal) ?? false)
            || (o.Section is null && o.XPath is null && o.Xml is not null && IsStatusElement(o.Xml))));

    /// <summary>
    /// Carries out all operations, or none: where one fails the document is as before and a <see cref="CibException"/>
    /// tells why
    /// (105 no such object, 108 exists, 78 not valid). Versions are not changed here; see <see cref="BumpEpoch"/>,
    /// <see cref="BumpUpdates"/>.
    /// </summary>
    public void Apply(IReadOnlyList<CibOperation> operations)
    {
        var undo = new Stack<Action>();
        XElement root = Root;
        try
        {
            foreach (CibOperation o in operations)
            {
                Apply(o, undo);
            }
        }
        catch (CibException)
        {
            while (undo.TryPop(out Action? back))
            {
                back();
            }

            Root = root;
            throw;
        }
    }

    /// <summary>
    /// Hands the root to a caller that owns this copy, for edits that are too many or too small for operations (a
    /// daemon
    /// recording results). Versions are the caller's business.
    /// </summary>
    public void Edit(Action<XElement> edit) => edit(Root);

    /// <summary>The configuration changed: epoch + 1, num_updates = 0, and who did it.</summary>
    /// <param name="at">When; written in Pacemaker's form (local time, as ctime(3)).</param>
    public void BumpEpoch(string origin, string client, string user, DateTimeOffset at)
    {
        CibVersion v = Version;
        Root.SetAttributeValue("epoch", v.Epoch + 1);
        Root.SetAttributeValue("num_updates", 0);
        Root.SetAttributeValue("cib-last-written", CTime(at));
        Root.SetAttributeValue("update-origin", origin);
        Root.SetAttributeValue("update-client", client);
        Root.SetAttributeValue("update-user", user);
    }

    /// <summary>The status changed: num_updates + 1.</summary>
    public void BumpUpdates() => Root.SetAttributeValue("num_updates", Version.NumUpdates + 1);

    /// <summary>Puts another CIB in place of this one. Throws <see cref="CibException"/> (78) when the text is not a
    /// CIB.</summary>
    public void ReplaceWhole(string xml) => Root = Parse(xml).Root;

    /// <summary>MD5 over the canonical form, hex; equal on members that hold the same CIB.</summary>
    public string Digest() => CibText.Digest(Root);

    /// <summary>The CIB as Pacemaker writes it.</summary>
    public string ToXml() => CibText.Format(Root);

    /// <summary>The element of a section, or null where the CIB has none yet. <c>configuration</c>, <c>status</c>, or
    /// one of <see cref="Sections"/>.</summary>
    public XElement? Section(string? name) => name switch
    {
        null or "" or "cib" or "all" => Root,
        "configuration" or "status" => Root.Element(name),
        _ => Root.Element("configuration")?.Element(name),
    };

    /// <summary>Elements that an XPath selects. Throws <see cref="CibException"/> (64) when it is not an
    /// XPath.</summary>
    public IReadOnlyList<XElement> Select(string xpath)
    {
        try
        {
            // An absolute path must start above the cib element, so the tree gets a document for the time of the query.
            XElement root = Root;
            var doc = root.Document;
            if (doc is null)
            {
                doc = new XDocument();
                doc.Add(root);
                Root = doc.Root!;
            }

            return [.. doc.XPathSelectElements(xpath)];
        }
        catch (XPathException e)
        {
            throw new CibException(64, $"not an XPath: {xpath}: {e.Message}");
        }
        catch (InvalidOperationException e)
        {
            throw new CibException(64, $"the XPath selects no elements: {xpath}: {e.Message}");
        }
    }

    /// <summary>ctime(3)'s form of a time, local: <c>Sun Nov 22 14:38:29 2026</c>.</summary>
    public static string CTime(DateTimeOffset at)
    {
        DateTimeOffset l = at.ToLocalTime();
        return l.ToString("ddd MMM ", CultureInfo.InvariantCulture)
            + l.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2)
            + l.ToString(" HH:mm:ss yyyy", CultureInfo.InvariantCulture);
    }

    private static bool IsStatusElement(string xml) =>
        xml.TrimStart() is { } t && (t.StartsWith("<node_state", StringComparison.Ordinal) || t.StartsWith("<status",
            StringComparison.Ordinal));

    private void Apply(CibOperation o, Stack<Action> undo)
    {
        if (o.Section is not null && o.Section is not ("configuration" or "status" or "all" or "cib")
            && !Sections.Contains(o.Section))
        {
            throw new CibException(64, $"no section '{o.Section}' in a CIB");
        }

        switch (o.Kind)
        {
            case CibOperationKind.Create:
                Create(o, Element(o), undo);
                break;
            case CibOperationKind.Modify:
                Modify(o, Element(o), undo);
                break;
            case CibOperationKind.Replace:
                Replace(o, Element(o), undo);
                break;
            case CibOperationKind.Delete:
                Delete(o, undo);
                break;
            case CibOperationKind.Erase:
                XElement configuration = Configuration(undo);
                foreach (XElement section in configuration.Elements().ToList())
                {
                    ReplaceElement(section, new XElement(section.Name), undo);
                }

                if (Root.Element("status") is { } status)
                {
                    ReplaceElement(status, new XElement("status"), undo);
                }

                break;
            default:
                throw new CibException(64, $"unknown operation {o.Kind}");
        }
    }

    private static XElement Element(CibOperation o)
    {
        if (string.IsNullOrWhiteSpace(o.Xml))
        {
            throw new CibException(78, $"{o.Kind} needs an XML element");
        }

        try
        {
            return XElement.Parse(o.Xml);
        }
        catch (System.Xml.XmlException e)
        {
            throw new CibException(78, $"not XML: {e.Message}");
        }
    }

    private void Create(CibOperation o, XElement e, Stack<Action> undo)
    {
        if (IsSectionName(e.Name.LocalName) && (o.Section is null || o.Section == e.Name.LocalName) && o.XPath is null)
        {
            // cibadmin accepts a whole section as what to create: its children are created.
            XElement section = SectionOrMake(e.Name.LocalName, undo);
            foreach (XElement child in e.Elements())
            {
                CreateIn(section, child, undo);
            }

            return;
        }

        XElement parent = o.XPath is not null
            ? Select(o.XPath).FirstOrDefault() ?? throw new CibException(105, $"nothing is at {o.XPath}")
            : SectionOrMake(o.Section ?? SectionOf(e), undo);
        CreateIn(parent, e, undo);
    }

    private void CreateIn(XElement parent, XElement e, Stack<Action> undo)
    {
        if ((string?)e.Attribute("id") is { } id && FindIn(parent, e.Name.LocalName, id) is not null)
        {
            throw new CibException(108, $"<{e.Name} id=\"{id}\"> exists");
        }

        Add(parent, new XElement(e), undo);
    }

    private void Modify(CibOperation o, XElement e, Stack<Action> undo)
    {
        if (o.XPath is not null)
        {
            XElement target = Select(o.XPath).FirstOrDefault() ?? throw new CibException(105,
                $"nothing is at {o.XPath}");
            Merge(target, e, undo);
            return;
        }

        if (e.Name == "cib")
        {
            Merge(Root, e, undo);
            return;
        }

        if (Section(e.Name.LocalName) is { } section)
        {
            Merge(section, e, undo);
            return;
        }

        XElement? found = Find(o.Section, e);
        if (found is not null)
        {
            Merge(found, e, undo);
        }
        else if (o.AllowCreate || IsSectionName(e.Name.LocalName))
        {
            Add(IsSectionName(e.Name.LocalName) ? Configuration(undo) : SectionOrMake(o.Section ?? SectionOf(e), undo),
                new XElement(e), undo);
        }
        else
        {
            throw new CibException(105, $"no {Describe(e)} to modify");
        }
    }

    private void Replace(CibOperation o, XElement e, Stack<Action> undo)
    {
        if (o.XPath is not null)
        {
            XElement target = Select(o.XPath).FirstOrDefault() ?? throw new CibException(105,
                $"nothing is at {o.XPath}");
            ReplaceElement(target, e, undo);
            return;
        }

        if (e.Name == "cib")
        {
            if (o.Section is not (null or "all" or "cib"))
            {
                e = (o.Section is "configuration" or "status" ? e.Element(o.Section)
                    : e.Element("configuration")?.Element(o.Section))
                    ?? throw new CibException(105, $"the XML has no section {o.Section}");
            }
            else
            {
                XElement before = Root;
                undo.Push(() => Root = before);
                Root = e;
                return;
            }
        }

        if (IsSectionName(e.Name.LocalName) || e.Name == "configuration" || e.Name == "status")
        {
            XElement section = SectionOrMake(e.Name.LocalName, undo);
            ReplaceElement(section, e, undo);
            return;
        }

        XElement found = Find(o.Section, e) ?? throw new CibException(105, $"no {Describe(e)} to replace");
        ReplaceElement(found, e, undo);
    }

    private void Delete(CibOperation o, Stack<Action> undo)
    {
        if (o.XPath is not null)
        {
            foreach (XElement match in Select(o.XPath).ToList())
            {
                Remove(match, undo);
            }

            return;
        }

        if (Find(o.Section, Element(o)) is { } found)
        {
            Remove(found, undo);
        }
    }

    /// <summary>The element of the same name that has all attributes of the sample; the id alone decides where the
    /// sample has one.</summary>
    private XElement? Find(string? section, XElement sample)
    {
        XElement? start = Section(section);
        if (start is null)
        {
            return null;
        }

        string? id = (string?)sample.Attribute("id");
        return start.DescendantsAndSelf(sample.Name).FirstOrDefault(e =>
            id is not null ? (string?)e.Attribute("id") == id : sample.Attributes().All(a =>
                (string?)e.Attribute(a.Name) == a.Value));
    }

    private static XElement? FindIn(XElement parent, string name, string id) =>
        parent.Descendants(name).FirstOrDefault(e => (string?)e.Attribute("id") == id);

    private void Merge(XElement target, XElement from, Stack<Action> undo)
    {
        foreach (XAttribute a in from.Attributes())
        {
            string? before = (string?)target.Attribute(a.Name);
            string value = a.Value;
            // cibadmin's own notation: NAME="NAME++" counts up.
            if (value == a.Name.LocalName + "++")
            {
                value = (long.TryParse(before, out long n) ? n + 1 : 1).ToString(CultureInfo.InvariantCulture);
            }

            if (before != value)
            {
                XName name = a.Name;
                undo.Push(() => target.SetAttributeValue(name, before));
                target.SetAttributeValue(name, value);
            }
        }

        foreach (XElement child in from.Elements())
        {
            string? id = (string?)child.Attribute("id");
            XElement? same = target.Elements(child.Name).FirstOrDefault(e => id is null
                || (string?)e.Attribute("id") == id);
            if (same is null)
            {
                Add(target, new XElement(child), undo);
            }
            else
            {
                Merge(same, child, undo);
            }
        }
    }

    private static void Add(XElement parent, XElement child, Stack<Action> undo)
    {
        parent.Add(child);
        undo.Push(child.Remove);
    }

    private static void Remove(XElement e, Stack<Action> undo)
    {
        XElement parent = e.Parent ?? throw new CibException(64, "the cib element itself cannot be deleted");
        XNode? next = e.NextNode;
        e.Remove();
        undo.Push(() =>
        {
            if (next is null)
            {
                parent.Add(e);
            }
            else
            {
                next.AddBeforeSelf(e);
            }
        });
    }

    private static void ReplaceElement(XElement old, XElement with, Stack<Action> undo)
    {
        var fresh = new XElement(with);
        old.ReplaceWith(fresh);
        undo.Push(() => fresh.ReplaceWith(old));
    }

    private XElement Configuration(Stack<Action> undo)
    {
        if (Root.Element("configuration") is { } c)
        {
            return c;
        }

        var made = new XElement("configuration");
        Root.AddFirst(made);
        undo.Push(made.Remove);
        return made;
    }

    private XElement SectionOrMake(string name, Stack<Action> undo)
    {
        if (Section(name) is { } found)
        {
            return found;
        }

        var made = new XElement(name);
        Add(name == "status" ? Root : Configuration(undo), made, undo);
        return made;
    }

    private static bool IsSectionName(string name) => Sections.Contains(name);

    private static string SectionOf(XElement e) => e.Name.LocalName switch
    {
        "node" => "nodes",
        "primitive" or "group" or "clone" or "master" or "bundle" or "template" => "resources",
        "rsc_location" or "rsc_colocation" or "rsc_order" or "rsc_ticket" => "constraints",
        "cluster_property_set" => "crm_config",
        "fencing-level" => "fencing-topology",
        "acl_role" or "acl_target" or "acl_group" => "acls",
        "tag" => "tags",
        "alert" => "alerts",
        "node_state" => "status",
        _ => throw new CibException(64, $"say in which section <{e.Name}> belongs"),
    };

    private static string Describe(XElement e) =>
        (string?)e.Attribute("id") is { } id ? $"<{e.Name} id=\"{id}\">" : $"<{e.Name}>";
}
