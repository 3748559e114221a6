namespace Buoy.Balancer.Rules.Samples;

/// <summary>What is kept of a request and its response: captured fields, the request line (manual 7.3.6).</summary>
internal static unsafe class CaptureFetches
{
    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("capture.req.hdr", "integer", SampleType.Str, SampleSource.Request, RequestSlot),
        new("capture.res.hdr", "integer", SampleType.Str, SampleSource.Response, ResponseSlot),
        new("http_first_req", "", SampleType.Bool, SampleSource.Request, FirstRequest),
    ];

    private static bool RequestSlot(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Slot(scope, scope.Captures?.Request, arguments.Integer(0, 0), ref sample);

    private static bool ResponseSlot(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Slot(scope, scope.Captures?.Response, arguments.Integer(0, 0), ref sample);

    private static bool Slot(SampleScope scope, byte[]?[]? slots, long index, ref Sample sample) =>
        slots is not null && index >= 0 && index < slots.Length && slots[index] is { } text
            && sample.SetCopy(scope, text);

    private static bool FirstRequest(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetBool(scope.FirstRequest);
        return true;
    }
}
