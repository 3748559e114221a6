using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Actions;

/// <summary>disable-l7-retry: no further attempt once the request was sent.</summary>
internal sealed class NoReplayAction : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        run.Stream.NoReplay = true;
        return RuleResult.Continue;
    }
}

/// <summary>expect-proxy layer4: a PROXY header comes first on this connection.</summary>
internal sealed class ExpectProxyAction : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        run.Stream.ExpectsProxy = true;
        return RuleResult.Continue;
    }
}

/// <summary>set-priority-class and set-priority-offset: the place in a queue (manual 4.2). Values out of range are cut.</summary>
internal sealed class PriorityAction(SampleExpression expression, bool offset) : RuleAction
{
    /// <summary>Classes are -2047 … 2047.</summary>
    public const int MaxClass = 2047;

    /// <summary>Offsets are -524287 … 524287 ms.</summary>
    public const int MaxOffset = 524287;

    public override RuleResult Run(RuleRun run)
    {
        if (!expression.Evaluate(run.Scope, SampleType.Sint, out var sample))
        {
            return RuleResult.Continue;
        }

        if (offset)
        {
            run.Stream.PriorityOffset = (int)Math.Clamp(sample.Integer, -MaxOffset, MaxOffset);
        }
        else
        {
            run.Stream.PriorityClass = (int)Math.Clamp(sample.Integer, -MaxClass, MaxClass);
        }

        return RuleResult.Continue;
    }
}
