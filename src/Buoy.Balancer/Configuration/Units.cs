using System.Globalization;

namespace Buoy.Balancer.Configuration;

/// <summary>Numbers, times and sizes (configuration manual 2.5), and the C library's forgiving reading of integers.</summary>
internal static class Units
{
    /// <summary>The number at the start of the text, 0 where there is none, as atoi(3).</summary>
    public static int Atoi(string text) => (int)Math.Clamp(Atol(text, out _), int.MinValue, int.MaxValue);

    /// <summary>As strtol(3); <paramref name="rest"/> is what follows the number.</summary>
    public static long Atol(string text, out string rest)
    {
        int i = 0;
        while (i < text.Length && text[i] is ' ' or '\t')
        {
            i++;
        }

        int start = i;
        i += i < text.Length && text[i] is '-' or '+' ? 1 : 0;
        int digits = i;
        while (i < text.Length && char.IsAsciiDigit(text[i]))
        {
            i++;
        }

        if (i == digits)
        {
            rest = text;
            return 0;
        }

        rest = text[i..];
        return long.TryParse(text.AsSpan(start, i - start), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long v)
            ? v : text[start] == '-' ? long.MinValue : long.MaxValue;
    }

    /// <summary>Permission bits in octal digits; null where the text is not that.</summary>
    public static int? Octal(string text)
    {
        const int Most = 0x10000;
        int bits = 0;
        foreach (char c in text)
        {
            if (c is < '0' or > '7' || bits >= Most)
            {
                return null;
            }

            bits = (bits * 8) + (c - '0');
        }

        return text.Length > 0 ? bits : null;
    }

    /// <summary>What is wrong with a time.</summary>
    public enum TimeError { None, Unexpected, Overflow, Underflow }

    /// <summary>
    /// Reads a time; without a unit it counts in <paramref name="unit"/> ms. Values of microseconds are rounded up.
    /// </summary>
    public static TimeError Time(string text, out int milliseconds, out string unexpected, int unit = 1)
    {
        milliseconds = 0;
        unexpected = "";
        int i = 0;
        decimal value = 0;
        while (i < text.Length && char.IsAsciiDigit(text[i]))
        {
            value = Math.Min((value * 10) + (text[i++] - '0'), 1e20m);
        }

        string suffix = text[i..];
        if (i == 0)
        {
            unexpected = text.Length > 0 ? text[..1] : "";
            return TimeError.Unexpected;
        }

        decimal factor = suffix switch
        {
            "" => unit, "us" => 0.001m, "ms" => 1, "s" => 1000, "m" => 60_000, "h" => 3_600_000, "d" => 86_400_000, _ => 0,
        };
        if (factor == 0)
        {
            int unitLength = suffix.StartsWith("ms", StringComparison.Ordinal) || suffix.StartsWith("us", StringComparison.Ordinal) ? 2
                : suffix[0] is 's' or 'm' or 'h' or 'd' ? 1 : 0;
            unexpected = suffix.Substring(Math.Min(unitLength, suffix.Length - 1), 1);
            if (unitLength > 0 && suffix.Length > unitLength)
            {
                // What follows a unit is only warned of: the caller sees it in the unexpected character.
                var error = Time(text[..(i + unitLength)], out milliseconds, out _, unit);
                return error;
            }

            return TimeError.Unexpected;
        }

        decimal ms = Math.Ceiling(value * factor);
        if (ms > int.MaxValue)
        {
            return TimeError.Overflow;
        }

        milliseconds = (int)ms;
        return value > 0 && value * factor < 1 && suffix == "us" && ms == 0 ? TimeError.Underflow : TimeError.None;
    }

    /// <summary>Is every character one that names of sections and servers may have?</summary>
    public static char? BadNameCharacter(string name)
    {
        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('_' or '-' or '.' or ':'))
            {
                return c;
            }
        }

        return null;
    }
}
