using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>What a rule may look at.</summary>
internal sealed record RuleContext(Cluster Cluster)
{
    public IReadOnlyDictionary<string, string>? NodeAttributes { get; init; }
    public string? Class { get; init; }
    public string? Provider { get; init; }
    public string? Type { get; init; }
    public string? OperationName { get; init; }
    public long OperationIntervalMs { get; init; }
    public IReadOnlyDictionary<string, string>? Params { get; init; }
    public IReadOnlyDictionary<string, string>? Meta { get; init; }
    public Match? Submatches { get; init; }
}

/// <summary>Rules (Pacemaker Explained, "Rules"; SCHEDULER 1.5).</summary>
internal static class Rules
{
    public static bool Evaluate(ConfigReader reader, XElement rule, RuleContext context)
    {
        bool any = string.Equals((string?)rule.Attribute("boolean-op"), "or", StringComparison.OrdinalIgnoreCase);
        bool empty = true;
        bool passed = !any;
        foreach (XElement raw in rule.Elements())
        {
            XElement condition = reader.Resolve(raw);
            bool? result = condition.Name.LocalName switch
            {
                "rule" => Evaluate(reader, condition, context),
                "expression" => Expression(condition, context),
                "date_expression" => DateRules.Evaluate(reader, condition, context),
                "rsc_expression" => ResourceExpression(condition, context),
                "op_expression" => OperationExpression(condition, context),
                _ => null,
            };
            if (result is not bool b)
            {
                continue;
            }

            empty = false;
            passed = any ? passed | b : passed & b;
        }

        return empty || passed;
    }

    private static bool Expression(XElement e, RuleContext context)
    {
        if (context.NodeAttributes is null)
        {
            return false;
        }

        string? name = (string?)e.Attribute("attribute");
        string operation = ((string?)e.Attribute("operation") ?? "").ToLowerInvariant();
        string? wanted = (string?)e.Attribute("value");
        string? type = ((string?)e.Attribute("type"))?.ToLowerInvariant();
        if (name is null)
        {
            return false;
        }

        if (context.Submatches is { } match)
        {
            name = Regex.Replace(name, "%([0-9])", m => match.Groups[m.Value[1] - '0'].Value);
        }

        IReadOnlyDictionary<string, string>? source = (string?)e.Attribute("value-source") switch
        {
            "param" => context.Params,
            "meta" => context.Meta,
            _ => null,
        };
        if (source is not null && wanted is not null)
        {
            wanted = source.GetValueOrDefault(wanted);
        }

        string? found = context.NodeAttributes.GetValueOrDefault(name);
        switch (operation)
        {
            case "defined":
                return found is not null;
            case "not_defined":
                return found is null;
            case "eq":
                return found is not null && wanted is not null && Compare(found, wanted, type ?? "string") == 0;
            case "ne":
                return found is null || wanted is null || Compare(found, wanted, type ?? "string") != 0;
        }

        if (found is null || wanted is null)
        {
            return false;
        }

        type ??= found.Contains('.') || wanted.Contains('.') ? "number" : "integer";
        int c = Compare(found, wanted, type);
        return operation switch
        {
            "lt" => c < 0,
            "lte" => c <= 0,
            "gt" => c > 0,
            "gte" => c >= 0,
            _ => false,
        };
    }

    private static int Compare(string a, string b, string type)
    {
        switch (type)
        {
            case "integer" or "number" when Number(a, type) is { } x && Number(b, type) is { } y:
                return x.CompareTo(y);
            case "version":
                return CompareVersions(a, b);
            default:
                return string.Compare(a, b, StringComparison.OrdinalIgnoreCase);
        }
    }

    /// <summary>Null for what is no number: such values compare as strings.</summary>
    private static double? Number(string text, string type)
    {
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double n))
        {
            return null;
        }

        return type == "integer" ? Math.Truncate(n) : n;
    }

    private static int CompareVersions(string a, string b)
    {
        string[] x = a.Split('.'), y = b.Split('.');
        for (int i = 0; i < Math.Max(x.Length, y.Length); i++)
        {
            long m = i < x.Length ? Values.Number(x[i]) ?? 0 : 0;
            long n = i < y.Length ? Values.Number(y[i]) ?? 0 : 0;
            if (m != n)
            {
                return m.CompareTo(n);
            }
        }

        return 0;
    }

    private static bool ResourceExpression(XElement e, RuleContext context) =>
        Matches(e, "class", context.Class) && Matches(e, "provider", context.Provider) && Matches(e, "type", context.Type);

    private static bool OperationExpression(XElement e, RuleContext context) =>
        context.OperationName is not null && Matches(e, "name", context.OperationName)
        && ((string?)e.Attribute("interval") is not { } interval
            || Values.Duration(interval) == context.OperationIntervalMs);

    private static bool Matches(XElement e, string attribute, string? value) =>
        (string?)e.Attribute(attribute) is not { } wanted || wanted == value;
}
