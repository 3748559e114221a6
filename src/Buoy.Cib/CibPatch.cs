using System.Globalization;
using System.Xml.Linq;

namespace Buoy.Cib;

/// <summary>
/// The difference of two CIBs as a patch set of format 2 (<c>&lt;diff format="2"&gt;</c>): deletions by the paths of
/// the old CIB, then creations by parent and place. Made at the granularity of configured objects and node states;
/// any patch of format 2 applies, moves and changes of attributes included.
/// </summary>
public static class CibPatch
{
    private static readonly string[] Versions =
        ["admin_epoch", "epoch", "num_updates", "cib-last-written", "update-origin", "update-client", "update-user"];

    /// <summary>The patch that makes <paramref name="after"/> of <paramref name="before"/>; null where there is no
    /// difference.</summary>
    /// <param name="versions">Whether versions and the marks of the last change count.</param>
    public static XElement? Make(CibDocument before, CibDocument after, bool versions)
    {
        var deleted = new List<XElement>();
        var created = new List<XElement>();
        Attributes(before.Root, after.Root, versions, created);
        Containers(before.Root.Element("configuration"), after.Root.Element("configuration"), "/cib/configuration");
        Objects(before.Root.Element("status"), after.Root.Element("status"), "/cib/status");
        if (deleted.Count + created.Count == 0)
        {
            return null;
        }

        var diff = new XElement("diff", new XAttribute("format", "2"));
        if (versions)
        {
            diff.Add(new XElement("version", Version("source", before), Version("target", after)));
        }

        diff.Add(deleted, created);
        return diff;

        void Containers(XElement? old, XElement? now, string path)
        {
            foreach (XElement section in old?.Elements() ?? [])
            {
                if (now?.Element(section.Name) is null)
                {
                    deleted.Add(Delete($"{path}/{section.Name}"));
                }
            }

            int place = 0;
            foreach (XElement section in now?.Elements() ?? [])
            {
                if (old?.Element(section.Name) is { } same)
                {
                    Objects(same, section, $"{path}/{section.Name}");
                }
                else
                {
                    created.Add(Create(path, place, section));
                }

                place++;
            }
        }

        void Objects(XElement? old, XElement? now, string path)
        {
            List<XElement> was = [.. old?.Elements() ?? []], gets = [.. now?.Elements() ?? []];
            List<string> kept = [.. was.Where(w => gets.Any(g => XNode.DeepEquals(Bare(w), Bare(g)))).Select(Key)];
            bool ordered = kept.SequenceEqual(gets.Select(Key).Where(kept.Contains));
            foreach (XElement w in was.Where(w => !ordered || !kept.Contains(Key(w))))
            {
                deleted.Add(Delete($"{path}/{Key(w)}"));
            }

            for (int i = 0; i < gets.Count; i++)
            {
                if (!ordered || !kept.Contains(Key(gets[i])))
                {
                    created.Add(Create(path, i, gets[i]));
                }
            }
        }
    }

    /// <summary>Applies a patch of format 2 to a copy. Throws <see cref="CibException"/> (78) for another format,
    /// (105) where a path finds nothing.</summary>
    public static CibDocument Apply(CibDocument cib, XElement patch)
    {
        if (patch.Name != "diff" || (string?)patch.Attribute("format") != "2")
        {
            throw new CibException(78, $"expected <diff format=\"2\">, found <{patch.Name} format=\""
                + $"{(string?)patch.Attribute("format") ?? "1"}\">");
        }

        CibDocument copy = cib.Clone();
        foreach (XElement change in patch.Elements("change"))
        {
            string path = (string?)change.Attribute("path") ?? "";
            XElement? target = copy.Select(path).FirstOrDefault();
            string operation = (string?)change.Attribute("operation") ?? "";
            if (target is null)
            {
                throw new CibException(105, $"the patch names {path}, which is not there");
            }

            switch (operation)
            {
                case "delete":
                    target.Remove();
                    break;
                case "create":
                    Insert(target, new XElement(change.Elements().First()), Place(change));
                    break;
                case "move":
                    XElement parent = target.Parent ?? throw new CibException(78, $"{path} cannot be moved");
                    target.Remove();
                    Insert(parent, target, Place(change));
                    break;
                case "modify":
                    foreach (XElement a in change.Elements("change-list").Elements("change-attr"))
                    {
                        target.SetAttributeValue((string?)a.Attribute("name") ?? "",
                            (string?)a.Attribute("operation") == "unset" ? null : (string?)a.Attribute("value"));
                    }

                    break;
                default:
                    throw new CibException(78, $"unknown operation '{operation}' in the patch: expected create, "
                        + "delete, modify or move");
            }
        }

        return copy;
    }

    /// <summary>What replaces the sections in which two CIBs differ.</summary>
    public static IReadOnlyList<CibOperation> Replacements(CibDocument before, CibDocument after)
    {
        var operations = new List<CibOperation>();
        foreach (string name in CibDocument.Sections.Append("status").Distinct())
        {
            XElement? was = before.Section(name), now = after.Section(name);
            if (now is null && was is not null)
            {
                operations.Add(new CibOperation(CibOperationKind.Delete, XPath: $"/cib/configuration/{name}"));
            }
            else if (now is not null && (was is null || !XNode.DeepEquals(Bare(was), Bare(now))))
            {
                operations.Add(was is null
                    ? new CibOperation(CibOperationKind.Create, "configuration", Xml: CibText.Compact(now))
                    : new CibOperation(CibOperationKind.Replace, name, Xml: CibText.Compact(now)));
            }
        }

        return operations;
    }

    private static void Attributes(XElement old, XElement now, bool versions, List<XElement> changes)
    {
        var list = new XElement("change-list");
        foreach (XName name in old.Attributes().Concat(now.Attributes()).Select(a => a.Name).Distinct())
        {
            string? was = (string?)old.Attribute(name), gets = (string?)now.Attribute(name);
            if (was == gets || (!versions && (Versions.Contains(name.LocalName) || gets is null)))
            {
                continue;
            }

            var a = new XElement("change-attr", new XAttribute("name", name.LocalName),
                new XAttribute("operation", gets is null ? "unset" : "set"));
            a.SetAttributeValue("value", gets);
            list.Add(a);
        }

        if (list.HasElements)
        {
            changes.Add(new XElement("change", new XAttribute("operation", "modify"), new XAttribute("path", "/cib"),
                list));
        }
    }

    /// <summary>Without what only lays out the text.</summary>
    private static XElement Bare(XElement e)
    {
        var copy = new XElement(e);
        copy.DescendantNodes().Where(n => n is XComment || (n is XText t && string.IsNullOrWhiteSpace(t.Value)))
            .Remove();
        foreach (XElement empty in copy.DescendantsAndSelf().Where(d => !d.Nodes().Any()))
        {
            empty.RemoveNodes();
        }

        return copy;
    }

    private static string Key(XElement e) => (string?)e.Attribute("id") is { } id ? $"{e.Name}[@id='{id}']"
        : $"{e.Name}";

    private static XElement Delete(string path) =>
        new("change", new XAttribute("operation", "delete"), new XAttribute("path", path));

    private static XElement Create(string path, int place, XElement e) =>
        new("change", new XAttribute("operation", "create"), new XAttribute("path", path),
            new XAttribute("position", place), Bare(e));

    private static int Place(XElement change) => int.TryParse(
        (string?)change.Attribute("position"), NumberStyles.None, CultureInfo.InvariantCulture, out int n)
        ? n : int.MaxValue;

    private static void Insert(XElement parent, XElement e, int place)
    {
        if (parent.Elements().Skip(place).FirstOrDefault() is { } next)
        {
            next.AddBeforeSelf(e);
        }
        else
        {
            parent.Add(e);
        }
    }

    private static XElement Version(string name, CibDocument cib) => new(
        name, new XAttribute("admin_epoch", cib.Version.AdminEpoch), new XAttribute("epoch", cib.Version.Epoch),
        new XAttribute("num_updates", cib.Version.NumUpdates));
}
