using Buoy.Balancer.Logging;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Configuration;

/// <summary>Log-formats, expressions and variables of check rules (configuration manual 4.2 <c>tcp-check set-var</c> …).</summary>
/// <param name="proxy">Name of the section, empty in defaults: names without a section in expressions mean it.</param>
/// <param name="http">The section is in HTTP mode up to here.</param>
internal sealed class CheckFormats(ParseContext context, string proxy, bool http)
{
    /// <summary>A log-format as an argument; <paramref name="shown"/> is what the message calls it.</summary>
    public CheckText Text(string text, string shown)
    {
        try
        {
            return Text(text);
        }
        catch (ConfigurationException e)
        {
            throw new ConfigurationException($"'{shown}' invalid log-format string ({e.Message}).\n.");
        }
    }

    /// <summary>A log-format; the error is the reader's own.</summary>
    public CheckText Text(string text)
    {
        var format = LogFormat.Parse(text, http, Samples("log-format"), out string error);
        return format is null ? throw new ConfigurationException(error) : new CheckText(text) { Format = format };
    }

    /// <summary>An expression in one word.</summary>
    /// <param name="what">"port", "status-code".</param>
    public SampleExpression Expression(string text, string what)
    {
        string head = $"error detected while parsing {what} expression : ";
        var expression = SampleParser.Parse(text, Samples(what), out string error);
        if (expression is null)
        {
            throw new ConfigurationException($"{head}{error}.");
        }

        return SampleParser.CheckPlace(expression, SamplePlaces.Check, text) is { } wrong
            ? throw new ConfigurationException($"{head} {wrong}.\n.") : expression;
    }

    /// <summary>set-var(NAME[,CONDITION…]), set-var-fmt(…), unset-var(NAME).</summary>
    public CheckStep Variable(string verb)
    {
        string head = $"'{verb}' : ";
        string action = context[1];
        if (!action.Contains('(', StringComparison.Ordinal))
        {
            throw new ConfigurationException($"{head}invalid or incomplete action '{verb}'. {Expected}");
        }

        if (!action.EndsWith(')'))
        {
            throw new ConfigurationException($"{head}incomplete argument after action '{action}'. {Expected}");
        }

        string[] inside = action[(verb.Length + 1)..^1].Split(',');
        if (inside[0].Length == 0)
        {
            throw new ConfigurationException($"{head}Empty variable name cannot be accepted.");
        }

        if (VariableName.Parse(inside[0], out string error) is not { } name)
        {
            bool syntax = error.StartsWith("invalid syntax", StringComparison.Ordinal);
            throw new ConfigurationException(head + (syntax ? error[..^1] + ")'" : error.TrimEnd('.')) + ".");
        }

        if (verb == "unset-var")
        {
            return inside.Length > 1 ? throw new ConfigurationException($"{head}unset-var does not expect parameters after the "
                + "variable name. Only \"set-var\" and \"set-var-fmt\" manage conditions.") : new CheckUnsetVariable { Name = name };
        }

        string[] conditions = [.. inside.Skip(1).Where(c => c.Length > 0)];
        if (conditions.FirstOrDefault(c => !VariableConverters.IsCondition(c)) is { } unknown)
        {
            throw new ConfigurationException($"{head}unknown condition \"{unknown}\".");
        }

        try
        {
            return verb == "set-var" ? new CheckSetVariable { Name = name, Conditions = conditions, Expression = Value() }
                : new CheckSetVariable { Name = name, Conditions = conditions, Value = Text(context[2]) };
        }
        catch (ConfigurationException e)
        {
            throw new ConfigurationException($"{head}{e.Message}.");
        }
    }

    private const string Expected = "Expects 'set-var(<var-name>)', 'set-var-fmt(<var-name>)' or 'unset-var(<var-name>)'.";

    /// <summary>What set-var sets; words behind the expression are passed over, as the original does.</summary>
    private SampleExpression Value()
    {
        int at = 2;
        var expression = SampleParser.Parse(context.Words, ref at, Samples("set-var"), out string error)
            ?? throw new ConfigurationException(error);
        return SampleParser.CheckPlace(expression, SamplePlaces.Check, context[1]) is { } wrong
            ? throw new ConfigurationException(wrong) : expression;
    }

    private SampleContext Samples(string what) => new()
    {
        Places = SamplePlaces.Check, What = what, Proxy = proxy, Place = context.Place, Pending = context.Rules.Pending,
        Patterns = context.Patterns,
    };
}
