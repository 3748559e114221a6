using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Reads elements of one CIB: resolves <c>id-ref</c>, and evaluates blocks of name-value pairs.</summary>
internal sealed class ConfigReader(XElement cib)
{
    private Dictionary<(string, string), XElement>? _byId;

    public XElement Cib { get; } = cib;

    /// <summary>A section of <c>configuration</c>; an empty element where it is missing.</summary>
    public XElement Section(string name) =>
        Cib.Element("configuration")?.Element(name) ?? new XElement(name);

    /// <summary>The element itself, or the one its <c>id-ref</c> names.</summary>
    public XElement Resolve(XElement element)
    {
        if ((string?)element.Attribute("id-ref") is not { } reference)
        {
            return element;
        }

        _byId ??= Index();
        return _byId.GetValueOrDefault((element.Name.LocalName, reference), element);
    }

    public IEnumerable<XElement> Children(XElement parent, string name) => parent.Elements(name).Select(Resolve);

    /// <summary>Blocks by descending score (ties in file order); <paramref name="firstId"/> goes before all.</summary>
    public IEnumerable<XElement> Blocks(XElement parent, string name, string? firstId = null) =>
        Children(parent, name)
            .OrderByDescending(b => firstId is not null && (string?)b.Attribute("id") == firstId)
            .ThenByDescending(b => Score.Parse((string?)b.Attribute("score")) ?? 0);

    /// <summary>Fills a table first-wins from the blocks of an element whose rules pass.</summary>
    public void Fill(
        IDictionary<string, string> table, XElement parent, string blockName, RuleContext context, string? firstId = null)
    {
        foreach (XElement block in Blocks(parent, blockName, firstId))
        {
            if (!Passes(block, context))
            {
                continue;
            }

            foreach (XElement pair in Children(block, "nvpair"))
            {
                // An nvpair reference may give the value another name.
                if (((string?)pair.Attribute("name")) is { Length: > 0 } name
                    && (string?)pair.Attribute("value") is { } value)
                {
                    table.TryAdd(name, value);
                }
            }

            // Attribute lists of the oldest schemas.
            foreach (XElement pair in block.Elements("attributes").SelectMany(a => a.Elements("nvpair")))
            {
                if ((string?)pair.Attribute("name") is { } name && (string?)pair.Attribute("value") is { } value)
                {
                    table.TryAdd(name, value);
                }
            }
        }
    }

    public bool Passes(XElement block, RuleContext context)
    {
        bool any = false;
        foreach (XElement rule in Children(block, "rule"))
        {
            any = true;
            if (Rules.Evaluate(this, rule, context))
            {
                return true;
            }
        }

        return !any;
    }

    private Dictionary<(string, string), XElement> Index()
    {
        var index = new Dictionary<(string, string), XElement>();
        foreach (XElement e in Cib.Element("configuration")?.Descendants() ?? [])
        {
            if ((string?)e.Attribute("id") is { } id)
            {
                index.TryAdd((e.Name.LocalName, id), e);
            }
        }

        return index;
    }
}
