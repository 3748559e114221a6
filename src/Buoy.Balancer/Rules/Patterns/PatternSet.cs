using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>The elements of one reference, made ready for one method: what an ACL or a map converter looks
/// into.</summary>
internal sealed class PatternSet(
    PatternReference reference, int ordinal, MatchMethod method, bool ignoreCase, MapOutput output, bool resolve)
{
    public PatternReference Reference { get; } = reference;

    public MatchMethod Method { get; } = method;

    public bool IgnoreCase { get; } = ignoreCase;

    /// <summary>What values are made into.</summary>
    public MapOutput Output { get; } = output;

    /// <summary>Names of hosts may be looked up while the configuration is read.</summary>
    public bool Resolve { get; } = resolve;

    /// <summary>The version in force now.</summary>
    public PatternIndex Index => Reference.Current.Indexes[ordinal];

    /// <summary>The matching entry; the sample has the method's input type already.</summary>
    public PatternEntry? Find(in Sample sample) => sample.Type switch
    {
        SampleType.Sint => Index.Find(sample.Integer),
        SampleType.Ipv4 or SampleType.Ipv6 => Index.Find(sample.AddressSpan),
        _ => Index.Find(sample.Bytes),
    };
}
