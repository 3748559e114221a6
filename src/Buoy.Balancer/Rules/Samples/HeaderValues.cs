namespace Buoy.Balancer.Rules.Samples;

/// <summary>
/// The comma-separated values of all fields of a name, in order; commas in quoted strings do not count. An empty name
/// means every field.
/// </summary>
internal unsafe ref struct HeaderValues(HttpMessage message, ReadOnlySpan<byte> name)
{
    private readonly ReadOnlySpan<byte> _name = name;

    /// <summary>Where it goes on: line and offset in one number, 0 at the start.</summary>
    public long Position { get; set; }

    public byte* Data { get; private set; }

    public int Length { get; private set; }

    /// <summary>The line of the current value.</summary>
    public int Line { get; private set; }

    public bool MoveNext()
    {
        int line = (int)(Position >> 32);
        int at = (int)(uint)Position;
        while (true)
        {
            line = _name.IsEmpty ? (line < message.Count ? line : -1) : message.Find(_name, line);
            if (line < 0)
            {
                return false;
            }

            ref var field = ref message.Lines[line];
            if (at > field.ValueLength || (at == field.ValueLength && at > 0))
            {
                line++;
                at = 0;
                continue;
            }

            int end = End(field.ValueBytes, at);
            int start = at;
            int stop = end;
            while (start < stop && field.Value[start] is (byte)' ' or (byte)'\t')
            {
                start++;
            }

            while (stop > start && field.Value[stop - 1] is (byte)' ' or (byte)'\t')
            {
                stop--;
            }

            Data = field.Value + start;
            Length = stop - start;
            Line = line;
            bool last = end >= field.ValueLength;
            Position = last ? (long)(line + 1) << 32 : ((long)line << 32) | (uint)(end + 1);
            return true;
        }
    }

    /// <summary>Where the value that begins at <paramref name="at"/> ends: at its comma or at the end.</summary>
    public static int End(ReadOnlySpan<byte> value, int at)
    {
        bool quoted = false;
        for (; at < value.Length; at++)
        {
            byte b = value[at];
            if (b == '"')
            {
                quoted = !quoted;
            }
            else if (b == '\\' && quoted)
            {
                at++;
            }
            else if (b == ',' && !quoted)
            {
                return at;
            }
        }

        return value.Length;
    }
}
