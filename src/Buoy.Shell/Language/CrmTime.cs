using System.Globalization;

namespace Buoy.Shell.Language;

/// <summary>Times as crm and Pacemaker write them: a number with ms, us, s, min, m, h, or nothing (seconds).</summary>
public static class CrmTime
{
    /// <summary>Milliseconds, or null where the text is not a time.</summary>
    public static long? Milliseconds(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }

        int digits = 0;
        while (digits < text.Length && char.IsAsciiDigit(text[digits]))
        {
            digits++;
        }

        if (digits == 0 || !long.TryParse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out long n))
        {
            return null;
        }

        return text[digits..].Trim() switch
        {
            "" or "s" or "sec" => n * 1000,
            "ms" or "msec" => n,
            "us" or "usec" => n / 1000,
            "m" or "min" => n * 60_000,
            "h" or "hr" => n * 3_600_000,
            _ => null,
        };
    }
}
