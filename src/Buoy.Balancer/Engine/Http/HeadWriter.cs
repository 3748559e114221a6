namespace Buoy.Balancer.Engine.Http;

/// <summary>Writes a parsed head anew: names lower-case, hop-by-hop tokens replaced, fields added at the end.</summary>
internal unsafe ref struct HeadWriter(byte* into)
{
    private byte* _at = into;
    private readonly byte* _start = into;

    /// <summary>Bytes written.</summary>
    public readonly int Length => (int)(_at - _start);

    public void Raw(byte* data, int length)
    {
        Buffer.MemoryCopy(data, _at, length, length);
        _at += length;
    }

    public void Raw(scoped ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(new Span<byte>(_at, bytes.Length));
        _at += bytes.Length;
    }

    /// <summary>
    /// All fields but those that the proxy decides on; of Connection the tokens other than close and keep-alive remain.
    /// </summary>
    public void Fields(HttpHead head, byte* data, List<(int Field, int From, int Length, byte[] With)>? edits = null)
    {
        var fields = head.Fields;
        for (int i = 0; i < head.Count; i++)
        {
            ref readonly var f = ref fields[i];
            if (f.Known == KnownField.Dropped || (f.Known == KnownField.Connection && !head.OtherTokens))
            {
                continue;
            }

            if (f.Known == KnownField.Connection)
            {
                Connection(HttpHead.Value(data, f));
                continue;
            }

            Raw(data + f.Name, f.NameLength);
            *(ushort*)_at = ':' | (' ' << 8);
            _at += 2;
            if (edits is null || !Edited(edits, i, data, f))
            {
                Raw(data + f.Value, f.ValueLength);
            }

            *(ushort*)_at = '\r' | ('\n' << 8);
            _at += 2;
        }
    }

    private bool Edited(
        List<(int Field, int From, int Length, byte[] With)> edits, int field, byte* data, in HeaderField f)
    {
        foreach (var (edited, from, length, with) in edits)
        {
            if (edited == field)
            {
                Raw(data + f.Value, from);
                Raw(with);
                Raw(data + f.Value + from + length, f.ValueLength - from - length);
                return true;
            }
        }

        return false;
    }

    public void End() => Raw("\r\n"u8);

    /// <summary>A Connection field without the tokens that this side decides on.</summary>
    public void Connection(ReadOnlySpan<byte> value)
    {
        bool any = false;
        foreach (var range in value.Split((byte)','))
        {
            var token = HttpHead.Trim(value[range]);
            if (token.IsEmpty || System.Text.Ascii.EqualsIgnoreCase(token, "close"u8)
                || System.Text.Ascii.EqualsIgnoreCase(token, "keep-alive"u8))
            {
                continue;
            }

            Raw(any ? ", "u8 : "connection: "u8);
            Raw(token);
            any = true;
        }

        if (any)
        {
            Raw("\r\n"u8);
        }
    }
}
