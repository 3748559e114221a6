using Buoy.Balancer.Rules.Patterns;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Conditions;

/// <summary>One line of an ACL: a sample and what it is compared with (manual 7.1).</summary>
/// <param name="keyword">The criterion's name as written, for messages.</param>
internal sealed class AclExpression(SampleExpression expression, PatternTest test, string keyword)
{
    public SampleExpression Expression { get; } = expression;

    public PatternTest Test { get; } = test;

    public string Keyword { get; } = keyword;

    /// <summary>True where one of the sample's values matches.</summary>
    public Verdict Evaluate(SampleScope scope)
    {
        var sample = default(Sample);
        do
        {
            if (Expression.Next(scope, ref sample))
            {
                var value = sample;
                if (Test.Match(scope, ref value))
                {
                    return Verdict.True;
                }
            }
        }
        while ((sample.Flags & SampleFlags.NotLast) != 0);
        return (sample.Flags & SampleFlags.MayChange) != 0 && !scope.Final ? Verdict.Maybe : Verdict.False;
    }
}

/// <summary>A named ACL, or an anonymous one: true where one of its lines is. Lines may be added to it later.</summary>
internal sealed class Acl(string name)
{
    private AclExpression[] _lines = [];

    /// <summary>Empty for an anonymous one.</summary>
    public string Name { get; } = name;

    public IReadOnlyList<AclExpression> Lines => _lines;

    public void Add(AclExpression line) => _lines = [.. _lines, line];

    public Verdict Evaluate(SampleScope scope)
    {
        var all = Verdict.False;
        foreach (var line in _lines)
        {
            var one = line.Evaluate(scope);
            if (one == Verdict.True)
            {
                return one;
            }

            all |= one;
        }

        return all;
    }
}
