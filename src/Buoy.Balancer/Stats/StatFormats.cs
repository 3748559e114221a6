using System.Text;

namespace Buoy.Balancer.Stats;

/// <summary>Prints rows as CSV, typed lines or JSON (management manual 9.1, 9.2; <c>show schema json</c>).</summary>
public static class StatFormats
{
    /// <summary>The CSV's first line.</summary>
    public static string CsvHeader()
    {
        var s = new StringBuilder("# ");
        for (int i = 0; i < StatFields.All.Count; i++)
        {
            s.Append(i == StatFields.FirstOfModules ? "-," : "").Append(StatFields.All[i].Name).Append(',');
        }

        return s.Append('\n').ToString();
    }

    /// <summary>One CSV line.</summary>
    public static void Csv(StringBuilder s, StatRow r)
    {
        for (int i = 0; i < StatFields.All.Count; i++)
        {
            s.Append(i == StatFields.FirstOfModules ? "-," : "");
            string v = r[i] ?? "";
            if (v.AsSpan().IndexOfAny(",\"\n") >= 0)
            {
                s.Append('"').Append(v.Replace("\"", "\"\"", StringComparison.Ordinal)).Append('"');
            }
            else
            {
                s.Append(v);
            }

            s.Append(',');
        }

        s.Append('\n');
    }

    /// <summary>One line per column that holds.</summary>
    public static void Typed(StringBuilder s, StatRow r, bool description = false)
    {
        char type = r.Type switch { StatObject.Frontend => 'F', StatObject.Backend => 'B', _ => 'S' };
        for (int i = 0; i < StatFields.All.Count; i++)
        {
            if (r[i] is { } v)
            {
                var f = StatFields.All[i];
                s.Append(
                    FormattableString.Invariant(
                        $"{type}.{r.Proxy.Id}.{r.Id}.{i}.{f.Name}.1:{TagsOf(f, r)}:{f.Type}:{v}"));
                s.Append(description ? $":\"{Descriptions.Stat(f.Name)}\"\n" : "\n");
            }
        }
    }

    /// <summary>One JSON array of the row's columns.</summary>
    public static void Json(StringBuilder s, StatRow r)
    {
        s.Append('[');
        bool first = true;
        for (int i = 0; i < StatFields.All.Count; i++)
        {
            if (r[i] is not { } v)
            {
                continue;
            }

            var f = StatFields.All[i];
            s.Append(first ? "" : ",");
            first = false;
            s.Append(
                FormattableString.Invariant($"{{\"objType\":\"{r.Type}\",\"proxyId\":{r.Proxy.Id},\"id\":{r.Id},"));
            JsonField(s, i, f.Name, TagsOf(f, r), f.Type, v);
            s.Append('}');
        }

        s.Append(']');
    }

    /// <summary>The part of a JSON object that statistics and process information share.</summary>
    public static void JsonField(StringBuilder s, int position, string name, string tags, string type, string value)
    {
        s.Append(
            FormattableString.Invariant($"\"field\":{{\"pos\":{position},\"name\":\"{name}\"}},\"processNum\":1,"));
        s.Append(
            $"\"tags\":{{\"origin\":\"{Origin(tags[0])}\",\"nature\":\"{Nature(tags[1])}\",").Append(
            $"\"scope\":\"{Scope(tags[2])}\"}},");
        s.Append($"\"value\":{{\"type\":\"{type}\",\"value\":");
        if (type == "str")
        {
            JsonString(s, value);
        }
        else
        {
            s.Append(value);
        }

        s.Append('}');
    }

    /// <summary>A JSON string with its quotes.</summary>
    public static void JsonString(StringBuilder s, string value)
    {
        s.Append('"');
        foreach (char c in value)
        {
            _ = c switch
            {
                '"' => s.Append("\\\""),
                '\\' => s.Append("\\\\"),
                < ' ' => s.Append(FormattableString.Invariant($"\\u{(int)c:x4}")),
                _ => s.Append(c),
            };
        }

        s.Append('"');
    }

    private static string TagsOf(StatField f, StatRow r) => r.Type == StatObject.Backend ? f.BackendTags : f.Tags;

    private static string Origin(char c) =>
        c switch { 'M' => "Metric", 'S' => "Status", 'K' => "Key", 'C' => "Config", _ => "Product" };

    private static string Nature(char c) => c switch
    {
        'A' => "Age", 'a' => "Avg", 'C' => "Counter", 'D' => "Duration", 'G' => "Gauge", 'L' => "Limit", 'M' =>
            "Max", 'm' => "Min",
        'N' => "Name", 'R' => "Rate", 'T' => "Time", _ => "Output",
    };

    private static string Scope(char c) =>
        c switch { 'P' => "Process", 'C' => "Cluster", 's' => "System", _ => "Service" };
}
