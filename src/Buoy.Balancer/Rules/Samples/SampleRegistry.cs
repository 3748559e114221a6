namespace Buoy.Balancer.Rules.Samples;

/// <summary>Gets a sample; false = there is none. Called again with the same sample where it said NotLast.</summary>
internal delegate bool FetchFunction(SampleScope scope, SampleArguments arguments, ref Sample sample);

/// <summary>Changes a sample, which has the converter's input type already; false = there is none any more.</summary>
internal delegate bool ConvertFunction(SampleScope scope, SampleArguments arguments, ref Sample sample);

/// <summary>
/// Checks the arguments when the configuration is read, and keeps what it made of them in
/// <see cref="SampleArguments.Data"/>. An error's text, null = all is well.
/// </summary>
internal delegate string? ArgumentCheck(SampleArguments arguments, SampleContext context);

/// <summary>A fetch.</summary>
/// <param name="Name">Its keyword.</param>
/// <param name="Signature">Arguments as <c>haproxy -dKsmp</c> prints them, without parentheses.</param>
/// <param name="Type">What it gives; Any = known at run time.</param>
/// <param name="Source">What it looks at.</param>
internal sealed record FetchEntry(
    string Name, string Signature, SampleType Type, SampleSource Source, FetchFunction Run, ArgumentCheck? Check = null)
{
    public ArgumentSignature Arguments { get; } = ArgumentSignature.Parse(Signature);
}

/// <summary>A converter.</summary>
/// <param name="Signature">Arguments as <c>haproxy -dKcnv</c> prints them, without parentheses.</param>
internal sealed record ConverterEntry(
    string Name, string Signature, SampleType Input, SampleType Output, ConvertFunction Run, ArgumentCheck? Check = null)
{
    public ArgumentSignature Arguments { get; } = ArgumentSignature.Parse(Signature);
}

/// <summary>
/// All fetches and converters by keyword.
/// <para>
/// How to add some: make a file <c>Fetches.Topic.cs</c> or <c>Converters.Topic.cs</c> with a static class of its own that
/// has <c>static IEnumerable&lt;FetchEntry&gt; Entries()</c> (or ConverterEntry), one entry per keyword, and add one line to
/// the lists below. Copy the signature and the types from <c>haproxy -dKsmp,cnv</c> (a converter is printed OUTPUT =&gt;
/// INPUT): a test compares our table with what the original prints. An entry's function is static, allocates nothing,
/// and takes memory for new text from <c>scope.Temporary</c> (<see cref="Sample.SetCopy"/>). A converter gets its input
/// already cast to its input type. Aliases are entries of their own with the same function.
/// </para>
/// </summary>
internal static class SampleRegistry
{
    private static readonly Dictionary<string, FetchEntry> Fetches = Build(
        [.. ConstantFetches.Entries(), .. ConnectionFetches.Entries(), .. HttpFetches.Entries(), .. BodyFetches.Entries(),
            .. CookieFetches.Entries(), .. UrlFetches.Entries(), .. InternalFetches.Entries(), .. StateFetches.Entries(),
            .. SideFetches.Entries(), .. BufferFetches.Entries(), .. TlsHelloFetches.Entries(),
            .. AuthenticationFetches.Entries(), .. CaptureFetches.Entries(), .. StickFetches.Entries()]);

    private static readonly Dictionary<string, ConverterEntry> Converters = BuildConverters(
        [.. BasicConverters.Entries(), .. MapConverters.Entries(), .. NumberConverters.Entries(), .. HashConverters.Entries(),
            .. EncodingConverters.Entries(), .. TextConverters.Entries(), .. VariableConverters.Entries(),
            .. TimeConverters.Entries(), .. JsonConverters.Entries(), .. StateFetches.Converters(),
            .. CryptoConverters.Entries(), .. StickConverters.Entries()]);

    public static IReadOnlyCollection<FetchEntry> AllFetches => Fetches.Values;

    public static IReadOnlyCollection<ConverterEntry> AllConverters => Converters.Values;

    public static FetchEntry? FindFetch(string name) => Fetches.GetValueOrDefault(name);

    public static ConverterEntry? FindConverter(string name) => Converters.GetValueOrDefault(name);

    private static Dictionary<string, FetchEntry> Build(IEnumerable<FetchEntry> entries)
    {
        var table = new Dictionary<string, FetchEntry>(StringComparer.Ordinal);
        foreach (var e in entries)
        {
            table.Add(e.Name, e);
        }

        return table;
    }

    private static Dictionary<string, ConverterEntry> BuildConverters(IEnumerable<ConverterEntry> entries)
    {
        var table = new Dictionary<string, ConverterEntry>(StringComparer.Ordinal);
        foreach (var e in entries)
        {
            table.Add(e.Name, e);
        }

        return table;
    }
}
