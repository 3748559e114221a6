using System.Globalization;
using System.Text;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>strftime(3) in the C locale.</summary>
internal static class StrfTime
{
    private static readonly CultureInfo C = CultureInfo.InvariantCulture;

    /// <summary>The format with its conversions replaced; an unknown one stays as it is.</summary>
    public static string Format(string format, DateTimeOffset time, TimeZoneInfo zone)
    {
        var s = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                s.Append(format[i]);
                continue;
            }

            char c = format[++i];
            if (c is 'E' or 'O' && i + 1 < format.Length)
            {
                c = format[++i];
            }

            s.Append(One(c, time, zone) ?? $"%{c}");
        }

        return s.ToString();
    }

    private static string? One(char c, DateTimeOffset t, TimeZoneInfo zone) => c switch
    {
        'a' => t.ToString("ddd", C),
        'A' => t.ToString("dddd", C),
        'b' or 'h' => t.ToString("MMM", C),
        'B' => t.ToString("MMMM", C),
        'c' => Format("%a %b %e %H:%M:%S %Y", t, zone),
        'C' => (t.Year / 100).ToString("00", C),
        'd' => t.ToString("dd", C),
        'D' or 'x' => Format("%m/%d/%y", t, zone),
        'e' => t.Day.ToString(C).PadLeft(2),
        'F' => Format("%Y-%m-%d", t, zone),
        'g' => (ISOWeek.GetYear(t.DateTime) % 100).ToString("00", C),
        'G' => ISOWeek.GetYear(t.DateTime).ToString(C),
        'H' => t.ToString("HH", C),
        'I' => t.ToString("hh", C),
        'j' => t.DayOfYear.ToString("000", C),
        'k' => t.Hour.ToString(C).PadLeft(2),
        'l' => (((t.Hour + 11) % 12) + 1).ToString(C).PadLeft(2),
        'm' => t.ToString("MM", C),
        'M' => t.ToString("mm", C),
        'n' => "\n",
        'p' => t.Hour < 12 ? "AM" : "PM",
        'P' => t.Hour < 12 ? "am" : "pm",
        'r' => Format("%I:%M:%S %p", t, zone),
        'R' => Format("%H:%M", t, zone),
        's' => t.ToUnixTimeSeconds().ToString(C),
        'S' => t.ToString("ss", C),
        't' => "\t",
        'T' or 'X' => Format("%H:%M:%S", t, zone),
        'u' => (((int)t.DayOfWeek + 6) % 7 + 1).ToString(C),
        'U' => ((t.DayOfYear + 6 - (int)t.DayOfWeek) / 7).ToString("00", C),
        'V' => ISOWeek.GetWeekOfYear(t.DateTime).ToString("00", C),
        'w' => ((int)t.DayOfWeek).ToString(C),
        'W' => ((t.DayOfYear + 6 - (((int)t.DayOfWeek + 6) % 7)) / 7).ToString("00", C),
        'y' => (t.Year % 100).ToString("00", C),
        'Y' => t.Year.ToString(C),
        'z' => (t.Offset < TimeSpan.Zero ? "-" : "+") + t.Offset.ToString("hhmm", C),
        'Z' => ReferenceEquals(zone, TimeZoneInfo.Utc) || zone.BaseUtcOffset == TimeSpan.Zero
            && !zone.SupportsDaylightSavingTime
            ? (ReferenceEquals(zone, TimeZoneInfo.Utc) ? "GMT" : "UTC")
            : zone.IsDaylightSavingTime(t) ? zone.DaylightName : zone.StandardName,
        '%' => "%",
        _ => null,
    };
}
