using System.Globalization;
using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Date expressions; times are UTC unless they say otherwise.</summary>
internal static class DateRules
{
    public static bool Evaluate(ConfigReader reader, XElement e, RuleContext context)
    {
        Cluster cluster = context.Cluster;
        DateTimeOffset now = cluster.Now;
        DateTimeOffset? start = Parse((string?)e.Attribute("start"));
        DateTimeOffset? end = Parse((string?)e.Attribute("end"));
        switch (((string?)e.Attribute("operation") ?? "in_range").ToLowerInvariant())
        {
            case "gt":
                if (start is not { } after)
                {
                    return false;
                }

                cluster.RecheckAt(after.AddSeconds(1));
                return now > after;
            case "lt":
                if (end is not { } before)
                {
                    return false;
                }

                cluster.RecheckAt(before);
                return now < before;
            case "date_spec":
                return e.Element("date_spec") is not { } spec || InSpec(reader.Resolve(spec), now);
            default:
                if (end is null && start is { } s && e.Element("duration") is { } duration)
                {
                    end = AddDuration(s, reader.Resolve(duration));
                }

                if (start is { } from && now < from)
                {
                    cluster.RecheckAt(from);
                    return false;
                }

                if (end is { } until)
                {
                    cluster.RecheckAt(until.AddSeconds(1));
                    return now <= until;
                }

                return start is not null;
        }
    }

    /// <summary>ISO 8601: calendar, ordinal (2005-020) and week dates, with or without time.</summary>
    public static DateTimeOffset? Parse(string? text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return null;
        }

        string s = text.Trim();
        int split = s.IndexOfAny(['T', ' ']);
        string date = split < 0 ? s : s[..split];
        string time = split < 0 ? "" : s[(split + 1)..].Trim();
        string[] parts = date.Split('-');
        if (parts.Length == 2 && parts[1].Length == 3
            && int.TryParse(parts[0], out int year) && int.TryParse(parts[1], out int day))
        {
            date = new DateTime(year, 1, 1).AddDays(day - 1).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        }
        else if (parts.Length == 3 && parts[1].StartsWith('W')
            && int.TryParse(parts[0], out year) && int.TryParse(parts[1].AsSpan(1), out int week)
            && int.TryParse(parts[2], out day))
        {
            date = ISOWeek.ToDateTime(year, week, (DayOfWeek)(day % 7)).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        }
        else if (parts.Length == 1 && date.Length == 8)
        {
            date = $"{date[..4]}-{date[4..6]}-{date[6..]}";
        }

        return DateTimeOffset.TryParse(
            time.Length == 0 ? date : $"{date}T{time.Replace(" ", "", StringComparison.Ordinal)}",
            CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset result)
            ? result
            : null;
    }

    private static DateTimeOffset AddDuration(DateTimeOffset from, XElement duration)
    {
        int Get(string name) => (int)(Values.Number((string?)duration.Attribute(name)) ?? 0);
        return from.AddYears(Get("years")).AddMonths(Get("months")).AddDays(7 * Get("weeks") + Get("days"))
            .AddHours(Get("hours")).AddMinutes(Get("minutes")).AddSeconds(Get("seconds"));
    }

    private static bool InSpec(XElement spec, DateTimeOffset now)
    {
        DateTime t = now.UtcDateTime;
        int weekday = t.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)t.DayOfWeek;
        (string Name, int Value)[] fields =
        [
            ("seconds", t.Second), ("minutes", t.Minute), ("hours", t.Hour), ("monthdays", t.Day),
            ("weekdays", weekday), ("yearsdays", t.DayOfYear), ("yeardays", t.DayOfYear), ("months", t.Month),
            ("weeks", ISOWeek.GetWeekOfYear(t)), ("years", t.Year), ("weekyears", ISOWeek.GetYear(t)),
        ];
        return fields.All(f => InRange((string?)spec.Attribute(f.Name), f.Value));
    }

    private static bool InRange(string? range, int value)
    {
        if (range is null)
        {
            return true;
        }

        int dash = range.IndexOf('-');
        long? low = Values.Number(dash < 0 ? range : range[..dash]);
        long? high = dash < 0 ? low : Values.Number(range[(dash + 1)..]);
        return (low is not null || high is not null) && value >= (low ?? long.MinValue) && value <= (high ?? long.MaxValue);
    }
}
