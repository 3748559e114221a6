using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>How a sample is compared with patterns (configuration manual 7.1, <c>-m</c>).</summary>
internal enum MatchMethod : byte
{
    /// <summary>Is there a sample at all?</summary>
    Found,
    Bool,
    Int,
    Ip,
    Bin,
    Len,
    Str,
    Beg,
    Sub,
    Dir,
    Dom,
    End,
    Reg,

    /// <summary>Reg, the groups are used (map_regm). No name for <c>-m</c>.</summary>
    Regm,

    /// <summary>Int, patterns written as versions: <c>3.1</c> (req.ssl_ver). No name for <c>-m</c>.</summary>
    Version,
}

/// <summary>Facts about <see cref="MatchMethod"/>.</summary>
internal static class MatchMethods
{
    /// <summary>The name after <c>-m</c>, and in <c>get map</c>.</summary>
    public static string Text(this MatchMethod method) => method switch
    {
        MatchMethod.Found => "found",
        MatchMethod.Bool => "bool",
        MatchMethod.Int or MatchMethod.Version => "int",
        MatchMethod.Ip => "ip",
        MatchMethod.Bin => "bin",
        MatchMethod.Len => "len",
        MatchMethod.Str => "str",
        MatchMethod.Beg => "beg",
        MatchMethod.Sub => "sub",
        MatchMethod.Dir => "dir",
        MatchMethod.Dom => "dom",
        MatchMethod.End => "end",
        _ => "reg",
    };

    /// <summary>The method of a name, null = there is none.</summary>
    public static MatchMethod? Find(ReadOnlySpan<char> name) => name switch
    {
        "found" => MatchMethod.Found,
        "bool" => MatchMethod.Bool,
        "int" => MatchMethod.Int,
        "ip" => MatchMethod.Ip,
        "bin" => MatchMethod.Bin,
        "len" => MatchMethod.Len,
        "str" => MatchMethod.Str,
        "beg" => MatchMethod.Beg,
        "sub" => MatchMethod.Sub,
        "dir" => MatchMethod.Dir,
        "dom" => MatchMethod.Dom,
        "end" => MatchMethod.End,
        "reg" => MatchMethod.Reg,
        _ => null,
    };

    /// <summary>The method that a sample's type implies; null = <c>-m</c> must be given.</summary>
    public static MatchMethod? Implied(SampleType type) => type switch
    {
        SampleType.Bool => MatchMethod.Bool,
        SampleType.Sint => MatchMethod.Int,
        SampleType.Address or SampleType.Ipv4 or SampleType.Ipv6 => MatchMethod.Ip,
        SampleType.Str or SampleType.Method => MatchMethod.Str,
        _ => null,
    };

    /// <summary>What a sample is made into before it is compared; Any = as it is.</summary>
    public static SampleType Input(this MatchMethod method) => method switch
    {
        MatchMethod.Found => SampleType.Any,
        MatchMethod.Bool or MatchMethod.Int or MatchMethod.Version => SampleType.Sint,
        MatchMethod.Ip => SampleType.Address,
        MatchMethod.Bin => SampleType.Bin,
        _ => SampleType.Str,
    };

    /// <summary>Patterns are ignored?</summary>
    public static bool TakesNoPattern(this MatchMethod method) => method is MatchMethod.Found or MatchMethod.Bool;
}
