using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>global <c>set-var</c> and <c>set-var-fmt</c> (manual 3.1): variables of the process before the first connection.</summary>
internal static class InitialVariableParser
{
    public static void Parse(ParseContext context)
    {
        string k = context.Keyword;
        bool format = k == "set-var-fmt";
        string text = context[1];
        if (text.Length == 0 || context[2].Length == 0)
        {
            context.Alert($"'{k}' requires a process-wide variable name ('proc.<name>') and "
                + $"{(format ? "a format string" : "a sample expression")}.");
            return;
        }

        var name = VariableName.Parse(text, out string error);
        if (name is null)
        {
            context.Alert($"'{k}': {error}");
            return;
        }

        if (name.Value.Scope != VariableScope.Process)
        {
            context.Alert(
                $"'{k}': cannot set variable '{text}', only scope 'proc' is permitted in the global section.");
            return;
        }

        RuleAction? action = format ? Format(context, name.Value, out error) : Expression(context, name.Value, out error);
        if (action is null)
        {
            context.Alert(error);
            return;
        }

        context.Rules.Variables.Add(new Rule(action, null, context.Place));
    }

    private static SampleContext Samples(ParseContext context) => new()
    {
        Places = SamplePlaces.Configuration, What = "global", Proxy = "", Place = context.Place,
        Patterns = context.Patterns,
    };

    private static SetVariableFormatAction? Format(ParseContext context, VariableName name, out string error)
    {
        var format = Logging.LogFormat.Parse(context[2], http: false, Samples(context), out error);
        return format is null ? null : new SetVariableFormatAction(name, format);
    }

    private static SetVariableAction? Expression(ParseContext context, VariableName name, out string error)
    {
        int at = 2;
        var expression = SampleParser.Parse(context.Words, ref at, Samples(context), out error);
        if (expression is not null
            && SampleParser.CheckPlace(expression, SamplePlaces.Configuration, $"set-var({context[1]})") is { } wrong)
        {
            (expression, error) = (null, wrong);
        }

        return expression is null ? null : new SetVariableAction(name, expression);
    }
}
