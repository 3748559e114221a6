using System.Globalization;
using System.Xml;

namespace Buoy.Scheduler;

/// <summary>Texts of a CIB as values (SCHEDULER 1.1). Each returns null for text that is not one.</summary>
internal static class Values
{
    public static bool? Bool(string? text) => text?.ToLowerInvariant() switch
    {
        "true" or "on" or "yes" or "y" or "1" => true,
        "false" or "off" or "no" or "n" or "0" => false,
        _ => null,
    };

    /// <summary>Milliseconds: a number with unit (bare = seconds) or an ISO 8601 duration.</summary>
    public static long? Duration(string? text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return null;
        }

        string s = text.Trim();
        if (s[0] == 'P')
        {
            try
            {
                return (long)XmlConvert.ToTimeSpan(s).TotalMilliseconds;
            }
            catch (FormatException)
            {
                return null;
            }
        }

        int end = s[0] is '-' or '+' ? 1 : 0;
        int first = end;
        while (end < s.Length && char.IsAsciiDigit(s[end]))
        {
            end++;
        }

        if (end == first || !long.TryParse(s.AsSpan(0, end), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long n))
        {
            return null;
        }

        // A fraction is cut off, as the original does.
        int unit = end;
        if (unit < s.Length && s[unit] == '.')
        {
            unit++;
            while (unit < s.Length && char.IsAsciiDigit(s[unit]))
            {
                unit++;
            }
        }

        return s[unit..].Trim().ToLowerInvariant() switch
        {
            "" or "s" or "sec" => n * 1000,
            "ms" or "msec" => n,
            "us" or "usec" => n / 1000,
            "m" or "min" => n * 60000,
            "h" or "hr" => n * 3600000,
            _ => null,
        };
    }

    public static long? Number(string? text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long n) ? n : null;

    /// <summary>Epoch seconds; null for absent or zero.</summary>
    public static DateTimeOffset? Epoch(string? text) =>
        Number(text) is > 0 and < 253402300800 and long n ? DateTimeOffset.FromUnixTimeSeconds(n) : null;
}
