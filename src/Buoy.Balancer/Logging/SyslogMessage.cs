using System.Globalization;
using System.Text;

namespace Buoy.Balancer.Logging;

/// <summary>
/// A syslog message as it came in (RFC 5424, RFC 3164, or less), taken apart so that it can go out in another format. What is
/// absent is null.
/// </summary>
/// <param name="Priority">Facility × 8 + level; -1 = none.</param>
/// <param name="Time">The time stamp as written.</param>
internal sealed record SyslogMessage(
    int Priority, bool Iso, string? Time, string? Host, string? Tag, string? Pid, string? Id, string? Data, string Text)
{
    /// <summary>0 … 7; what has none is as grave as can be, as in the original.</summary>
    public int Level => Priority < 0 ? 0 : Priority & 7;

    /// <summary>Takes a message apart; never throws, what fits no form is all text.</summary>
    public static SyslogMessage Parse(ReadOnlySpan<byte> bytes)
    {
        string text = Encoding.Latin1.GetString(bytes).TrimEnd('\n', '\0');
        int priority = -1;
        int close = text.IndexOf('>');
        if (text.StartsWith('<') && close is > 1 and < 5
            && int.TryParse(text.AsSpan(1, close - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int p))
        {
            (priority, text) = (p, text[(close + 1)..]);
        }

        if (priority >= 0 && text.StartsWith("1 ", StringComparison.Ordinal))
        {
            return Structured(priority, text[2..]);
        }

        return priority >= 0 && Bsd(priority, text) is { } bsd ? bsd
            : new SyslogMessage(priority, false, null, null, null, null, null, null, text);
    }

    private static SyslogMessage Structured(int priority, string text)
    {
        string rest = text;
        string?[] fields = new string?[5];
        for (int i = 0; i < fields.Length; i++)
        {
            int space = rest.IndexOf(' ');
            string word = space < 0 ? rest : rest[..space];
            rest = space < 0 ? "" : rest[(space + 1)..];
            fields[i] = word is "-" or "" ? null : word;
        }

        int end = DataEnd(rest);
        string data = rest[..end];
        string message = end < rest.Length ? rest[(end + 1)..] : "";
        return new SyslogMessage(
            priority, true, fields[0], fields[1], fields[2], fields[3], fields[4], data is "-" or "" ? null : data, message);
    }

    /// <summary>The space behind the structured data, or the end.</summary>
    private static int DataEnd(string text)
    {
        bool quoted = false;
        int depth = 0;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (quoted)
            {
                i += c == '\\' ? 1 : 0;
                quoted = c != '"';
            }
            else if (c == '"' && depth > 0)
            {
                quoted = true;
            }
            else if (c is '[' or ']')
            {
                depth += c == '[' ? 1 : -1;
            }
            else if (c == ' ' && depth <= 0)
            {
                return i;
            }
        }

        return text.Length;
    }

    /// <summary><c>Mmm dd hh:mm:ss host tag[pid]: text</c>; null where it is not that.</summary>
    private static SyslogMessage? Bsd(int priority, string text)
    {
        const int TimeLength = 15;
        if (text.Length <= TimeLength || text[3] != ' ' || text[6] != ' ' || text[9] != ':' || text[12] != ':'
            || text[TimeLength] != ' ')
        {
            return null;
        }

        string time = text[..TimeLength];
        string rest = text[(TimeLength + 1)..];
        int space = rest.IndexOf(' ');
        if (space < 0)
        {
            return new SyslogMessage(priority, false, time, null, null, null, null, null, rest);
        }

        // The first word is the host, also where it looks like a tag, as in the original.
        string host = rest[..space];
        rest = rest[(space + 1)..];
        int end = rest.IndexOf(": ", StringComparison.Ordinal);
        if (end < 0 || rest[..end].Contains(' '))
        {
            return new SyslogMessage(priority, false, time, host, null, null, null, null, rest);
        }

        string tag = rest[..end];
        string? pid = null;
        int open = tag.IndexOf('[');
        if (open >= 0 && tag.EndsWith(']'))
        {
            (pid, tag) = (tag[(open + 1)..^1], tag[..open]);
        }

        return new SyslogMessage(priority, false, time, host, tag, pid, null, null, rest[(end + 2)..]);
    }

    /// <summary>The message in the format of a target; empty = as it came.</summary>
    /// <param name="facility">Used where the message has none.</param>
    public string Write(string format, int facility, int level, DateTimeOffset now)
    {
        int priority = Priority < 0 ? (facility * 8) + level : (Priority & ~7) | level;
        bool nothing = Time is null && Host is null && Tag is null && Pid is null && Id is null && Data is null;
        string form = format.Length > 0 ? format
            : nothing ? Priority >= 0 ? "priority" : "raw" : Iso ? "rfc5424" : "rfc3164";
        var local = now.ToLocalTime();
        string iso = Iso ? Time ?? (form == "rfc5424" ? "-" : IsoText(local)) : Time is null ? IsoText(local) : FromBsd(Time, local);
        string bsd = Time is null ? BsdText(local) : Iso ? FromIso(Time) ?? BsdText(local) : Time;
        string name = Tag is null ? "" : $"{Tag}{(Pid is null ? "" : $"[{Pid}]")}: ";
        return form switch
        {
            "rfc5424" => $"<{priority}>1 {iso} {Host ?? "-"} {Tag ?? "-"} {Pid ?? "-"} {Id ?? "-"} {Data ?? "-"} {Text}",
            "rfc3164" => $"<{priority}>{bsd} {Host ?? "localhost"} {name}{Text}",
            "local" => $"<{priority}>{bsd} {name}{Text}",
            "short" => $"<{level}>{Text}",
            "timed" => $"<{level}>{iso} {Text}",
            "iso" => $"{iso} {Text}",
            "priority" => $"<{priority}>{Text}",
            _ => Text,
        } + "\n";
    }

    private static string IsoText(DateTimeOffset at) => at.ToString("yyyy-MM-ddTHH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture);

    private static string BsdText(DateTimeOffset at) =>
        string.Create(CultureInfo.InvariantCulture, $"{at:MMM} {at.Day,2} {at:HH:mm:ss}");

    /// <summary>The year is now's, the zone unknown.</summary>
    private static string FromBsd(string time, DateTimeOffset now) =>
        DateTime.TryParseExact(
            time, ["MMM  d HH:mm:ss", "MMM dd HH:mm:ss"], CultureInfo.InvariantCulture, DateTimeStyles.None, out var at)
            ? string.Create(CultureInfo.InvariantCulture, $"{now.Year:D4}-{at:MM-dd}T{at:HH:mm:ss}-00:00") : IsoText(now);

    /// <summary>The time as written, whatever its zone.</summary>
    private static string? FromIso(string time)
    {
        const int Seconds = 19;
        return time.Length >= Seconds && DateTime.TryParseExact(
            time[..Seconds], "yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.None, out var at)
            ? string.Create(CultureInfo.InvariantCulture, $"{at:MMM} {at.Day,2} {at:HH:mm:ss}") : null;
    }
}
