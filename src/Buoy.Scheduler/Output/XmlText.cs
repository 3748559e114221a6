using System.Text;

namespace Buoy.Scheduler;

internal static class XmlText
{
    /// <summary>An attribute value, escaped as the original's XML library writes it.</summary>
    public static string Escape(string value)
    {
        if (value.AsSpan().IndexOfAny("&<>\"\n\t\r") < 0)
        {
            return value;
        }

        var text = new StringBuilder();
        foreach (char c in value)
        {
            text.Append(c switch
            {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                '\n' => "&#10;",
                '\t' => "&#9;",
                '\r' => "&#13;",
                _ => c.ToString(),
            });
        }

        return text.ToString();
    }
}
