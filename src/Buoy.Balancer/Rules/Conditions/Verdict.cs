namespace Buoy.Balancer.Rules.Conditions;

/// <summary>What came of a condition. The values are such that AND and OR of bits are theirs.</summary>
internal enum Verdict : byte
{
    False = 0,

    /// <summary>Not known yet: more bytes may change it.</summary>
    Maybe = 1,
    True = 3,
}
