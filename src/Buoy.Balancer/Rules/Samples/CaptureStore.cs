namespace Buoy.Balancer.Rules.Samples;

/// <summary>
/// Captured text of one request and its response, by slot (<c>capture request header</c>, <c>declare capture</c>);
/// null = nothing captured. Slots are counted per direction from 0.
/// </summary>
internal sealed class CaptureStore
{
    public byte[]?[] Request { get; private set; } = [];

    public byte[]?[] Response { get; private set; } = [];

    /// <summary>Empty slots, as many as the frontend declares.</summary>
    public void Reset(int requestSlots, int responseSlots)
    {
        Request = Cleared(Request, requestSlots);
        Response = Cleared(Response, responseSlots);
    }

    private static byte[]?[] Cleared(byte[]?[] slots, int count)
    {
        if (slots.Length != count)
        {
            return new byte[]?[count];
        }

        Array.Clear(slots);
        return slots;
    }
}
