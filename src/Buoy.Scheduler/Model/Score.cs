using System.Globalization;

namespace Buoy.Scheduler;

/// <summary>Score arithmetic: integers clamped to ±1000000, which stands for infinity (SCHEDULER 1.1).</summary>
internal static class Score
{
    public const int Infinity = 1000000;

    /// <summary>Sum: -INFINITY wins over INFINITY, both over any number.</summary>
    public static int Add(int a, int b)
    {
        if (a <= -Infinity || b <= -Infinity)
        {
            return -Infinity;
        }

        return a >= Infinity || b >= Infinity ? Infinity : Math.Clamp(a + b, -Infinity, Infinity);
    }

    /// <summary>A number or a spelling of infinity; null for anything else.</summary>
    public static int? Parse(string? text) => text switch
    {
        null => null,
        "INFINITY" or "+INFINITY" => Infinity,
        "-INFINITY" => -Infinity,
        _ => ParseNumber(text),
    };

    public static string Format(int score) => score switch
    {
        >= Infinity => "INFINITY",
        <= -Infinity => "-INFINITY",
        _ => score.ToString(CultureInfo.InvariantCulture),
    };

    private static int? ParseNumber(string text)
    {
        ReadOnlySpan<char> s = text.AsSpan().Trim();
        int end = s.Length > 0 && s[0] is '-' or '+' ? 1 : 0;
        int first = end;
        while (end < s.Length && char.IsAsciiDigit(s[end]))
        {
            end++;
        }

        if (end == first)
        {
            return null;
        }

        return long.TryParse(s[..end], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long n)
            ? (int)Math.Clamp(n, -Infinity, Infinity)
            : s[0] == '-' ? -Infinity : Infinity;
    }
}
