namespace Buoy.Balancer.Rules.Samples;

/// <summary><c>set-var</c> and <c>unset-var</c> (manual 7.3.1).</summary>
internal static class VariableConverters
{
    private sealed record Target(VariableName Name, string[] Conditions);

    public static IEnumerable<ConverterEntry> Entries() =>
    [
        new("set-var", "string[,string,string,string,string]", SampleType.Any, SampleType.Any, Set, Check),
        new("unset-var", "string", SampleType.Any, SampleType.Any, Unset, Check),
    ];

    private static string? Check(SampleArguments arguments, SampleContext context)
    {
        if (VariableName.Parse(arguments[0]?.Text ?? "", out string error) is not { } name)
        {
            return error.TrimEnd('.');
        }

        var conditions = new List<string>();
        for (int i = 1; i < arguments.Count; i++)
        {
            string c = arguments[i]!.Text;
            if (!IsCondition(c))
            {
                return $"unknown condition \"{c}\"";
            }

            conditions.Add(c);
        }

        arguments.Data = new Target(name, [.. conditions]);
        return null;
    }

    /// <summary>Is it the name of a condition?</summary>
    public static bool IsCondition(string name) =>
        name is "ifexists" or "ifnotexists" or "ifempty" or "ifnotempty" or "ifset" or "ifnotset" or "ifgt" or "iflt";

    private static bool Set(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var target = (Target)arguments.Data!;
        return Hold(scope, target.Name, target.Conditions, sample) && scope.SetVariable(target.Name, sample);
    }

    /// <summary>Do all conditions hold for setting the variable to this value?</summary>
    public static bool Hold(SampleScope scope, VariableName name, IReadOnlyList<string> conditions, in Sample sample)
    {
        for (int i = 0; i < conditions.Count; i++)
        {
            if (!Holds(scope, name, conditions[i], sample))
            {
                return false;
            }
        }

        return true;
    }

    private static bool Holds(SampleScope scope, VariableName name, string condition, in Sample sample)
    {
        var value = default(Sample);
        bool set = scope.TryGetVariable(name, ref value);
        bool numbers = set && value.Type == SampleType.Sint && sample.Type == SampleType.Sint;
        bool empty = sample.IsText && sample.Length == 0;
        return condition switch
        {
            "ifexists" => set || name.Scope == VariableScope.Process,
            "ifnotexists" => !set && name.Scope != VariableScope.Process,
            "ifset" => set,
            "ifnotset" => !set,
            "ifempty" => empty,
            "ifnotempty" => !empty,
            "ifgt" => !numbers || value.Integer > sample.Integer,
            _ => !numbers || value.Integer < sample.Integer,
        };
    }

    private static bool Unset(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        scope.UnsetVariable(((Target)arguments.Data!).Name);
        return true;
    }
}
