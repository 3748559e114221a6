using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;

namespace Buoy.Cib;

/// <summary>Writes XML as Pacemaker does: two blanks per level, one element per line, attributes in the order they
/// have.</summary>
public static class CibText
{
    /// <summary>The element with its children, ending in a line feed.</summary>
    /// <param name="indent">Levels of two blanks before the first line.</param>
    public static string Format(XElement e, int indent = 0)
    {
        var b = new StringBuilder(1024);
        Write(b, e, indent);
        return b.ToString();
    }

    /// <summary>The element without line feeds or indentation.</summary>
    public static string Compact(XElement e)
    {
        var b = new StringBuilder(256);
        WriteCompact(b, e, sorted: false);
        return b.ToString();
    }

    /// <summary>
    /// MD5 (hex) over the canonical form: attributes sorted by name, no white space between elements, and without the
    /// attributes
    /// that say who wrote it and when (they do not change what the configuration means).
    /// </summary>
    public static string Digest(XElement e)
    {
        var b = new StringBuilder(4096);
        WriteCompact(b, e, sorted: true);
        return Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(b.ToString())));
    }

    private static readonly HashSet<string> NotDigested =
        ["cib-last-written", "update-origin", "update-client", "update-user", "crm-debug-origin", "have-quorum",
            "dc-uuid"];

    private static void Write(StringBuilder b, XElement e, int level)
    {
        b.Append(' ', level * 2).Append('<').Append(e.Name.LocalName);
        foreach (XAttribute a in e.Attributes())
        {
            Attribute(b, a);
        }

        if (!e.HasElements)
        {
            if (Text(e) is { Length: > 0 } text)
            {
                b.Append('>');
                Escape(b, text);
                b.Append("</").Append(e.Name.LocalName).Append(">\n");
            }
            else
            {
                b.Append("/>\n");
            }

            return;
        }

        b.Append(">\n");
        foreach (XElement child in e.Elements())
        {
            Write(b, child, level + 1);
        }

        b.Append(' ', level * 2).Append("</").Append(e.Name.LocalName).Append(">\n");
    }

    private static void WriteCompact(StringBuilder b, XElement e, bool sorted)
    {
        b.Append('<').Append(e.Name.LocalName);
        IEnumerable<XAttribute> attributes = e.Attributes();
        if (sorted)
        {
            attributes = attributes.Where(a => !NotDigested.Contains(a.Name.LocalName))
                .OrderBy(a => a.Name.LocalName, StringComparer.Ordinal);
        }

        foreach (XAttribute a in attributes)
        {
            Attribute(b, a);
        }

        string text = e.HasElements ? "" : Text(e);
        if (!e.HasElements && text.Length == 0)
        {
            b.Append("/>");
            return;
        }

        b.Append('>');
        Escape(b, text);
        foreach (XElement child in e.Elements())
        {
            WriteCompact(b, child, sorted);
        }

        b.Append("</").Append(e.Name.LocalName).Append('>');
    }

    private static string Text(XElement e) => e.FirstNode is null ? "" : e.Value.Trim();

    private static void Attribute(StringBuilder b, XAttribute a)
    {
        string name = a.Name.NamespaceName.Length == 0 ? a.Name.LocalName : "xsi:" + a.Name.LocalName;
        b.Append(' ').Append(a.IsNamespaceDeclaration ? "xmlns:" + a.Name.LocalName : name).Append("=\"");
        Escape(b, a.Value);
        b.Append('"');
    }

    private static void Escape(StringBuilder b, string text)
    {
        foreach (char c in text)
        {
            _ = c switch
            {
                '&' => b.Append("&amp;"),
                '<' => b.Append("&lt;"),
                '>' => b.Append("&gt;"),
                '"' => b.Append("&quot;"),
                '\'' => b.Append("&apos;"),
                '\n' => b.Append("&#10;"),
                '\r' => b.Append("&#13;"),
                '\t' => b.Append("&#9;"),
                _ => b.Append(c),
            };
        }
    }
}
