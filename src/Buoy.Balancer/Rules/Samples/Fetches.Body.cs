namespace Buoy.Balancer.Rules.Samples;

/// <summary>The body of a message as far as it was received (manual 7.3.6).</summary>
internal static unsafe class BodyFetches
{
    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("req.body", "", SampleType.Bin, SampleSource.RequestHeaders, RequestBody),
        new("req.body_len", "", SampleType.Sint, SampleSource.RequestHeaders, RequestLength),
        new("req.body_size", "", SampleType.Sint, SampleSource.RequestHeaders, RequestSize),
        new("req.body_param", "[string]", SampleType.Bin, SampleSource.RequestHeaders, Parameter),
        new("res.body", "", SampleType.Bin, SampleSource.ResponseHeaders, ResponseBody),
        new("res.body_len", "", SampleType.Sint, SampleSource.ResponseHeaders, ResponseLength),
        new("res.body_size", "", SampleType.Sint, SampleSource.ResponseHeaders, ResponseSize),
    ];

    private static bool RequestBody(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Body(scope, scope.Request, ref sample);

    private static bool ResponseBody(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Body(scope, scope.Response, ref sample);

    private static bool RequestLength(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Length(scope, scope.Request, ref sample);

    private static bool ResponseLength(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Length(scope, scope.Response, ref sample);

    private static bool RequestSize(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Size(scope, scope.Request, ref sample);

    private static bool ResponseSize(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Size(scope, scope.Response, ref sample);

    private static void Note(SampleScope scope, HttpMessage m, ref Sample sample) =>
        sample.Flags |= m.BodyComplete || scope.Final ? SampleFlags.None : SampleFlags.MayChange;

    private static bool Body(SampleScope scope, HttpMessage m, ref Sample sample)
    {
        if (!HttpFetches.Ready(scope, m, ref sample))
        {
            return false;
        }

        sample.SetText(m.Body, m.BodyLength, SampleType.Bin);
        Note(scope, m, ref sample);
        return true;
    }

    private static bool Length(SampleScope scope, HttpMessage m, ref Sample sample)
    {
        if (!HttpFetches.Ready(scope, m, ref sample))
        {
            return false;
        }

        sample.SetInteger(m.BodyLength);
        Note(scope, m, ref sample);
        return true;
    }

    /// <summary>The announced length, or what is there where it is not announced.</summary>
    private static bool Size(SampleScope scope, HttpMessage m, ref Sample sample)
    {
        if (!HttpFetches.Ready(scope, m, ref sample))
        {
            return false;
        }

        sample.SetInteger(Math.Max(m.BodySize, m.BodyLength));
        Note(scope, m, ref sample);
        return true;
    }

    /// <summary>A parameter of a form: name=value pairs between ampersands.</summary>
    private static bool Parameter(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var m = scope.Request;
        if (!HttpFetches.Ready(scope, m, ref sample))
        {
            return false;
        }

        var name = arguments[0] is { } a ? a.Bytes : default;
        bool found = QueryParameters.Find(m.Body, m.BodyLength, (int)sample.Cursor, (byte)'&', name, ref sample);
        sample.Type = SampleType.Bin;
        Note(scope, m, ref sample);
        return found;
    }
}
