using System.Globalization;
using System.Text;

namespace Buoy.Agents;

/// <summary>Intervals as people write them.</summary>
internal static class Interval
{
    /// <summary>90000 → 1m30s, 1500 → 1.500s, 20 → 20ms.</summary>
    public static string Text(long milliseconds)
    {
        if (milliseconds is > 0 and < 1000)
        {
            return $"{milliseconds}ms";
        }

        var text = new StringBuilder();
        foreach (var (unit, name) in ((long, string)[])[(86_400_000, "d"), (3_600_000, "h"), (60_000, "m")])
        {
            if (milliseconds >= unit)
            {
                text.Append(milliseconds / unit).Append(name);
                milliseconds %= unit;
            }
        }

        if (milliseconds > 0 || text.Length == 0)
        {
            text.Append(milliseconds / 1000);
            text.Append(milliseconds % 1000 > 0 ? $".{milliseconds % 1000:D3}s" : "s");
        }

        return text.ToString();
    }

    /// <summary>Milliseconds of <c>500ms</c>, <c>10s</c>, <c>2m</c>, <c>2min</c>, <c>1h</c>; a bare number counts
    /// <paramref name="bareUnit"/> ms each. Null: it is none of these.</summary>
    public static long? Parse(string text, int bareUnit)
    {
        int digits = text.TakeWhile(char.IsAsciiDigit).Count();
        if (!long.TryParse(text.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out long n)
            || n > 1L << 40)
        {
            return null;
        }

        return text[digits..].Trim() switch
        {
            "" => n * bareUnit,
            "ms" or "msec" => n,
            "s" or "sec" => n * 1000,
            "m" or "min" => n * 60_000,
            "h" or "hr" => n * 3_600_000,
            _ => null,
        };
    }
}
