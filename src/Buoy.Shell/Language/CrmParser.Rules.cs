using System.Xml.Linq;

namespace Buoy.Shell.Language;

/// <summary>Rules: in locations, attribute sets and option sets.</summary>
public sealed partial class CrmParser
{
    private static readonly HashSet<string> DateFields =
    [
        "hours", "monthdays", "weekdays", "yearsdays", "yeardays", "months", "weeks", "years", "weekyears", "moon",
            "seconds", "minutes", "days",
    ];

    /// <summary>rule [$id=ID|$id-ref=ID] [$role=ROLE] [SCORE:] EXPRESSION {and|or EXPRESSION}</summary>
    private void Rule(XElement parent, string prefix)
    {
        _words.Take();
        var rule = new XElement("rule");
        parent.Add(rule);
        while (_words.Current is { } c && c.StartsWith('$') && _words.TryPair(out string name, out string value))
        {
            rule.SetAttributeValue(name[1..], value);
            if (name == "$id")
            {
                _ids.Take(value);
            }
            else if (name == "$id-ref")
            {
                return;
            }
        }

        if (_words.Current is { } s && s.Length > 1 && s.EndsWith(':'))
        {
            string score = _words.Take()[..^1];
            rule.SetAttributeValue(IsScore(score) ? "score" : "score-attribute", Score(score));
        }
        else
        {
            rule.SetAttributeValue("score", "INFINITY");
        }

        string? op = null;
        var expressions = new List<XElement> { Expression() };
        while (_words.Current is "and" or "or")
        {
            string next = _words.Take();
            if (op is not null && op != next)
            {
                throw _words.Error("rule contains different bool operations");
            }

            op = next;
            expressions.Add(Expression());
        }

        if (op == "or")
        {
            rule.SetAttributeValue("boolean-op", op);
        }

        if (rule.Attribute("id") is null)
        {
            rule.SetAttributeValue("id", _ids.Make($"{prefix}-rule"));
        }

        foreach (XElement e in expressions)
        {
            rule.Add(e);
            e.SetAttributeValue("id", _ids.Make($"{(string?)rule.Attribute("id")}-expression"));
            foreach (XElement sub in e.Elements())
            {
                sub.SetAttributeValue("id", _ids.Make($"{(string?)e.Attribute("id")}-{sub.Name}"));
            }
        }
    }

    private XElement Expression()
    {
        if (_words.Current == "date")
        {
            return DateExpression();
        }

        if (_words.Current is { } unary && unary.ToLowerInvariant() is "defined" or "not_defined")
        {
            string op = _words.Take().ToLowerInvariant();
            return new XElement("expression", new XAttribute("operation", op), new XAttribute("attribute",
                _words.Take()));
        }

        string first = _words.Take();
        if (first is "(" or ")" || first.Contains('='))
        {
            _words.Back();
            throw _words.Error("Expected identifier");
        }

        string[] typed = _words.Current?.Split(':') ?? [];
        bool isOp = typed.Length switch
        {
            1 => IsOperator(typed[0]),
            2 => typed[0] is "string" or "integer" or "number" or "version" && IsOperator(typed[1]),
            _ => false,
        };
        if (!isOp)
        {
            throw _words.Error("Expected ((string|integer|number|version):)?(lt|gt|lte|gte|eq|ne)");
        }

        _words.Take();
        var e = new XElement("expression");
        if (typed.Length == 2)
        {
            e.SetAttributeValue("type", typed[0]);
        }

        e.SetAttributeValue("operation", typed[^1].ToLowerInvariant());
        e.SetAttributeValue("attribute", first);
        e.SetAttributeValue("value", _words.Take());
        return e;
    }

    private static bool IsOperator(string word) =>
        word.ToLowerInvariant() is "lt" or "gt" or "lte" or "gte" or "eq" or "ne";

    private XElement DateExpression()
    {
        _words.Take();
        string? op = _words.Current;
        if (op is not ("in_range" or "gt" or "lt" or "date_spec" or "spec" or "in"))
        {
            throw _words.Error("Expected (in_range|gt|lt|date_spec|spec|in)$");
        }

        _words.Take();
        var e = new XElement("date_expression");
        switch (op)
        {
            case "gt":
                e.SetAttributeValue("operation", "gt");
                e.SetAttributeValue("start", _words.Take());
                return e;
            case "lt":
                e.SetAttributeValue("operation", "lt");
                e.SetAttributeValue("end", _words.Take());
                return e;
            case "in" or "in_range":
                e.SetAttributeValue("operation", "in_range");
                var duration = new XElement("duration");
                while (_words.TryPair(out string name, out string value))
                {
                    if (name is "start" or "end")
                    {
                        e.SetAttributeValue(name, value);
                    }
                    else if (DateFields.Contains(name))
                    {
                        duration.SetAttributeValue(name, value);
                    }
                    else
                    {
                        _words.Back();
                        break;
                    }
                }

                if (duration.HasAttributes)
                {
                    e.Add(duration);
                }

                return e;
            default:
                e.SetAttributeValue("operation", "date_spec");
                var spec = new XElement("date_spec");
                while (_words.TryPair(out string field, out string range))
                {
                    if (!DateFields.Contains(field))
                    {
                        _words.Back();
                        break;
                    }

                    spec.SetAttributeValue(field, range);
                }

                e.Add(spec);
                return e;
        }
    }
}
