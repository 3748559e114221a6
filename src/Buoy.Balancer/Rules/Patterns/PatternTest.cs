using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>What an ACL compares its sample with: a method and the lists of patterns, of which one must
/// match.</summary>
internal sealed class PatternTest(MatchMethod method, IReadOnlyList<PatternSet> sets)
{
    private readonly PatternSet[] _sets = [.. sets];

    public MatchMethod Method { get; } = method;

    public IReadOnlyList<PatternSet> Sets => _sets;

    /// <summary>Does the sample match? It may be changed: it is cast to what the method compares.</summary>
    public bool Match(SampleScope scope, ref Sample sample)
    {
        if (Method == MatchMethod.Found)
        {
            return true;
        }

        if (!SampleCasts.Apply(scope, ref sample, Method.Input()))
        {
            return false;
        }

        if (Method == MatchMethod.Bool)
        {
            return sample.Integer != 0;
        }

        foreach (var set in _sets)
        {
            if (set.Find(sample) is not null)
            {
                return true;
            }
        }

        return false;
    }
}
