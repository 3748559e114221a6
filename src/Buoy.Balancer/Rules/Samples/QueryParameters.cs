namespace Buoy.Balancer.Rules.Samples;

/// <summary>name=value pairs of a query string or a form body.</summary>
internal static unsafe class QueryParameters
{
    /// <summary>
    /// The next parameter of that name at or behind <paramref name="at"/>, any where the name is empty. Its value is
    /// the sample, which notes where to go on.
    /// </summary>
    public static bool Find(
        byte* data, int length, int at, byte delimiter, ReadOnlySpan<byte> name, ref Sample sample)
    {
        if (!FindOne(data, length, at, delimiter, name, out int start, out int end))
        {
            return false;
        }

        sample.SetText(data + start, end - start);
        sample.Cursor = end + 1;
        if (FindOne(data, length, end + 1, delimiter, name, out _, out _))
        {
            sample.Flags |= SampleFlags.NotLast;
        }

        return true;
    }

    private static bool FindOne(
        byte* data, int length, int at, byte delimiter, ReadOnlySpan<byte> name, out int start, out int end)
    {
        while (at < length)
        {
            end = at;
            while (end < length && data[end] != '&' && data[end] != ';' && data[end] != delimiter)
            {
                end++;
            }

            var pair = new ReadOnlySpan<byte>(data + at, end - at);
            int equals = pair.IndexOf((byte)'=');
            if (equals > 0 && (name.IsEmpty || pair[..equals].SequenceEqual(name)))
            {
                start = at + equals + 1;
                return true;
            }

            at = end + 1;
        }

        start = end = 0;
        return false;
    }
}
