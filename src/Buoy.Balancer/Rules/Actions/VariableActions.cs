using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Actions;

/// <summary>set-var.</summary>
internal sealed class SetVariableAction(VariableName name, SampleExpression expression) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        if (expression.Evaluate(run.Scope, out var sample))
        {
            run.Scope.SetVariable(name, sample);
        }
        else
        {
            run.Scope.UnsetVariable(name);
        }

        return RuleResult.Continue;
    }
}

/// <summary>set-var-fmt.</summary>
internal sealed unsafe class SetVariableFormatAction(VariableName name, IFormatString format) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        byte* p = run.Format(format, out int length);
        if (p != null)
        {
            var sample = default(Sample);
            sample.SetText(p, length);
            run.Scope.SetVariable(name, sample);
        }

        return RuleResult.Continue;
    }
}

/// <summary>unset-var.</summary>
internal sealed class UnsetVariableAction(VariableName name) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        run.Scope.UnsetVariable(name);
        return RuleResult.Continue;
    }
}

/// <summary>capture into a slot.</summary>
internal sealed class CaptureAction(SampleExpression expression, int slot, int length, bool response) : RuleAction
{
    /// <summary>The slot; known once the frontend is.</summary>
    public int Slot { get; set; } = slot;

    public override RuleResult Run(RuleRun run)
    {
        if (!expression.Evaluate(run.Scope, SampleType.Str, out var sample))
        {
            return RuleResult.Continue;
        }

        var slots = response ? run.Scope.Captures?.Response : run.Scope.Captures?.Request;
        if (slots is not null && Slot < slots.Length)
        {
            int most = length > 0 ? length : int.MaxValue;
            slots[Slot] = sample.Bytes[..Math.Min(sample.Length, most)].ToArray();
        }

        return RuleResult.Continue;
    }
}
