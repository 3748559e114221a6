using System.Globalization;

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
            return IsoDuration(s.AsSpan(1));
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

    /// <summary>ISO 8601 without the P; a missing T is forgiven, as the original does.</summary>
    private static long? IsoDuration(ReadOnlySpan<char> s)
    {
        long total = 0;
        bool time = false;
        while (s.Length > 0)
        {
            if (s[0] == 'T')
            {
                time = true;
                s = s[1..];
                continue;
            }

            int end = 0;
            while (end < s.Length && char.IsAsciiDigit(s[end]))
            {
                end++;
            }

            if (end == 0 || end == s.Length || !long.TryParse(s[..end], NumberStyles.None, CultureInfo.InvariantCulture, out long n))
            {
                return null;
            }

            long? unit = s[end] switch
            {
                'Y' => 365 * 86400000L,
                'M' when !time => 30 * 86400000L,
                'W' => 7 * 86400000L,
                'D' => 86400000L,
                'H' => 3600000L,
                'M' => 60000L,
                'S' => 1000L,
                _ => null,
            };
            if (unit is null)
            {
                return null;
            }

            total += n * unit.Value;
            s = s[(end + 1)..];
        }

        return total;
    }

    public static long? Number(string? text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long n) ? n : null;

    /// <summary>Epoch seconds; null for absent or zero.</summary>
    public static DateTimeOffset? Epoch(string? text) =>
        Number(text) is > 0 and < 253402300800 and long n ? DateTimeOffset.FromUnixTimeSeconds(n) : null;
}
