using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Conditions;

/// <summary>One ACL in a condition.</summary>
/// <param name="Negated">Preceded by <c>!</c>.</param>
/// <param name="EndsGroup">The last of the ACLs that must all be true; after it comes <c>or</c> or the end.</param>
internal readonly record struct ConditionTerm(Acl Acl, bool Negated, bool EndsGroup);

/// <summary><c>if</c> or <c>unless</c> with ACLs (manual 7.2), flat: groups of terms, of which one must be all true.</summary>
internal sealed class Condition(bool unless, IReadOnlyList<ConditionTerm> terms)
{
    private readonly ConditionTerm[] _terms = [.. terms];

    public bool Unless { get; } = unless;

    public IReadOnlyList<ConditionTerm> Terms => _terms;

    /// <summary>Is the rule to be applied?</summary>
    public Verdict Evaluate(SampleScope scope)
    {
        var result = Verdict.False;
        var group = Verdict.True;
        for (int i = 0; i < _terms.Length; i++)
        {
            ref readonly var term = ref _terms[i];
            if (group != Verdict.False)
            {
                var one = term.Acl.Evaluate(scope);
                group &= term.Negated ? Not(one) : one;
            }

            if (!term.EndsGroup)
            {
                continue;
            }

            if (group == Verdict.True)
            {
                result = Verdict.True;
                break;
            }

            result |= group;
            group = Verdict.True;
        }

        return Unless ? Not(result) : result;
    }

    private static Verdict Not(Verdict v) => v switch
    {
        Verdict.True => Verdict.False,
        Verdict.False => Verdict.True,
        _ => v,
    };
}
