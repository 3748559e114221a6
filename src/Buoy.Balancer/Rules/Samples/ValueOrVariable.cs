using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>An argument that is a number or text in the configuration, or a variable looked up when it is
/// needed.</summary>
internal static class ValueOrVariable
{
    /// <summary>The check of arithmetic converters: an integer or a variable's name.</summary>
    public static string? CheckInteger(SampleArguments arguments, SampleContext context)
    {
        string text = arguments[0]?.Text ?? "";
        if (VariableName.Parse(text, out _) is { } name)
        {
            arguments.Data = name;
            return null;
        }

        long value = Units.Atol(text, out string rest);
        if (rest.Length > 0)
        {
            return "expects an integer or a variable name";
        }

        arguments.Data = value;
        return null;
    }

    /// <summary>The number; false where the variable is not set or is none.</summary>
    public static bool Integer(SampleScope scope, SampleArguments arguments, out long value)
    {
        if (arguments.Data is long number)
        {
            value = number;
            return true;
        }

        var sample = default(Sample);
        bool good = scope.TryGetVariable((VariableName)arguments.Data!, ref sample)
            && SampleCasts.Apply(scope, ref sample, SampleType.Sint);
        value = sample.Integer;
        return good;
    }

    /// <summary>The check of an argument that must name a variable.</summary>
    public static string? CheckName(SampleArguments arguments, SampleContext context)
    {
        string text = arguments[0]?.Text ?? "";
        if (VariableName.Parse(text, out _) is not { } name)
        {
            return $"failed to register variable name '{text}'";
        }

        arguments.Data = name;
        return null;
    }

}
