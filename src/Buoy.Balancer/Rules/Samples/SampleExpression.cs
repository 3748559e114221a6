namespace Buoy.Balancer.Rules.Samples;

/// <summary>A fetch and the converters behind it, ready to run. Immutable once all references are resolved.</summary>
internal sealed class SampleExpression(
    FetchEntry fetch, SampleArguments arguments, IReadOnlyList<(ConverterEntry Entry, SampleArguments Arguments)> converters,
    string text)
{
    private readonly (ConverterEntry Entry, SampleArguments Arguments)[] _converters = [.. converters];

    public FetchEntry Fetch { get; } = fetch;

    public SampleArguments Arguments { get; } = arguments;

    public IReadOnlyList<(ConverterEntry Entry, SampleArguments Arguments)> Converters => _converters;

    /// <summary>As written.</summary>
    public string Text { get; } = text;

    /// <summary>What comes out; Any = known at run time.</summary>
    public SampleType Type
    {
        get
        {
            var type = Fetch.Type;
            foreach (var (entry, _) in _converters)
            {
                type = entry.Output;
            }

            return type;
        }
    }

    /// <summary>The places it may stand in.</summary>
    public SamplePlaces Places => Fetch.Source.Places();

    /// <summary>
    /// Fetches and converts one value (of a header without number: the last); false = no sample. MayChange in the flags
    /// tells that waiting may help.
    /// </summary>
    public bool Evaluate(SampleScope scope, out Sample sample)
    {
        sample = default;
        scope.Iterate = false;
        return Run(scope, ref sample);
    }

    /// <summary>As above, the result cast to a type.</summary>
    public bool Evaluate(SampleScope scope, SampleType type, out Sample sample) =>
        Evaluate(scope, out sample) && SampleCasts.Apply(scope, ref sample, type);

    /// <summary>
    /// The first value where <paramref name="sample"/> is zeroed, else the next one: how an ACL sees all values of a
    /// header. False = none, or this one could not be converted. NotLast tells that there is another.
    /// </summary>
    public bool Next(SampleScope scope, ref Sample sample)
    {
        long cursor = sample.Cursor;
        sample = default;
        sample.Cursor = cursor;
        scope.Iterate = true;
        return Run(scope, ref sample);
    }

    private bool Run(SampleScope scope, ref Sample sample)
    {
        if (!Fetch.Run(scope, Arguments, ref sample))
        {
            sample.Flags &= ~SampleFlags.NotLast;
            return false;
        }

        foreach (var (entry, arguments) in _converters)
        {
            if (!SampleCasts.Apply(scope, ref sample, entry.Input) || !entry.Run(scope, arguments, ref sample))
            {
                return false;
            }
        }

        return true;
    }
}
