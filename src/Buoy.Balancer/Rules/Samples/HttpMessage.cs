using Buoy.Balancer.Engine.Http;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>One field line of a message under rules.</summary>
internal unsafe struct HeaderLine
{
    /// <summary>Lower-case.</summary>
    public byte* Name;
    public byte* Value;
    public int NameLength;
    public int ValueLength;
    public KnownField Known;

    public readonly ReadOnlySpan<byte> NameBytes => new(Name, NameLength);

    public readonly ReadOnlySpan<byte> ValueBytes => new(Value, ValueLength);
}

/// <summary>
/// A message head as rules see and change it: pointers into the received bytes, or into the scope's memory for what a
/// rule wrote. One object per shard and direction, loaded anew for each message that has rules.
/// </summary>
internal sealed unsafe class HttpMessage
{
    /// <summary>Fields a head may have after rules: those it came with and as many more.</summary>
    public const int MaxLines = HttpHead.MaxFields * 2;

    /// <summary>There is a complete head.</summary>
    public bool Present { get; set; }

    public byte* Method { get; private set; }

    public int MethodLength { get; private set; }

    public byte* Uri { get; private set; }

    public int UriLength { get; private set; }

    /// <summary>Minor version: 0 or 1.</summary>
    public int Minor { get; set; }

    public int Status { get; set; }

    public byte* Reason { get; private set; }

    public int ReasonLength { get; private set; }

    public HeaderLine[] Lines { get; } = new HeaderLine[MaxLines];

    public int Count { get; private set; }

    /// <summary>The body as far as it was received, chunk framing taken away.</summary>
    public byte* Body { get; private set; }

    public int BodyLength { get; private set; }

    /// <summary>Announced length of the body, -1 = not known.</summary>
    public long BodySize { get; set; } = -1;

    /// <summary>Nothing more of the body is to come.</summary>
    public bool BodyComplete { get; set; }

    public ReadOnlySpan<byte> MethodBytes => new(Method, MethodLength);

    public ReadOnlySpan<byte> UriBytes => new(Uri, UriLength);

    public ReadOnlySpan<byte> ReasonBytes => new(Reason, ReasonLength);

    /// <summary>The connection is to end behind it.</summary>
    public bool Closes { get; set; }

    /// <summary>Nothing is there any more.</summary>
    public void Clear()
    {
        Present = false;
        Closes = false;
        Count = 0;
        Body = null;
        BodyLength = 0;
        BodySize = -1;
        BodyComplete = false;
    }

    public void LoadRequest(HttpHead head, byte* data)
    {
        Clear();
        SetMethod(data + head.Method, head.MethodLength);
        SetUri(data + head.Target, head.TargetLength);
        LoadFields(head, data);
    }

    public void LoadResponse(HttpHead head, byte* data)
    {
        Clear();
        MethodLength = 0;
        Status = head.Status;
        SetReason(data + head.Target, head.TargetLength);
        LoadFields(head, data);
    }

    public void SetMethod(byte* data, int length)
    {
        Method = data;
        MethodLength = length;
    }

    public void SetUri(byte* data, int length)
    {
        Uri = data;
        UriLength = length;
    }

    public void SetReason(byte* data, int length)
    {
        Reason = data;
        ReasonLength = length;
    }

    public void SetBody(byte* data, int length, bool complete)
    {
        Body = data;
        BodyLength = length;
        BodyComplete = complete;
    }

    /// <summary>
    /// Bytes the original needs for the message as far as it is here, which is what its req.len, res.len and byte counts
    /// say: 20 for the start line beside its three texts, names and values, one for the end of the fields, the body, and
    /// one for the end of chunks.
    /// </summary>
    public int StoredSize
    {
        get
        {
            const int Version = 8;
            const int Status = 3;
            int size = HttpHead.StartLineSize + Version + 1 + BodyLength
                + (MethodLength > 0 ? MethodLength + UriLength : Status + ReasonLength);
            bool chunked = false;
            for (int i = 0; i < Count; i++)
            {
                size += Lines[i].NameLength + Lines[i].ValueLength;
                chunked |= Lines[i].Known == KnownField.TransferEncoding;
            }

            return size + (chunked && BodyComplete ? 1 : 0);
        }
    }

    /// <summary>Appends a field; false where there are too many. The name must be lower-case.</summary>
    public bool Add(byte* name, int nameLength, byte* value, int valueLength, KnownField known = KnownField.Other)
    {
        if (Count == MaxLines)
        {
            return false;
        }

        ref var line = ref Lines[Count++];
        line.Name = name;
        line.NameLength = nameLength;
        line.Value = value;
        line.ValueLength = valueLength;
        line.Known = known;
        return true;
    }

    /// <summary>Takes field <paramref name="index"/> out; those behind it move up.</summary>
    public void RemoveAt(int index)
    {
        Array.Copy(Lines, index + 1, Lines, index, Count - index - 1);
        Count--;
    }

    /// <summary>Index of the next field of that name from <paramref name="from"/> on, -1 = none.</summary>
    public int Find(ReadOnlySpan<byte> lowerName, int from = 0)
    {
        for (int i = from; i < Count; i++)
        {
            if (Lines[i].NameBytes.SequenceEqual(lowerName))
            {
                return i;
            }
        }

        return -1;
    }

    /// <summary>
    /// The path of the target: from its first slash (behind an authority) to the question mark. Empty where there is
    /// none (<c>*</c>, an authority alone).
    /// </summary>
    public ReadOnlySpan<byte> Path
    {
        get
        {
            var path = PathAndQuery;
            int end = path.IndexOfAny((byte)'?', (byte)'#');
            return end < 0 ? path : path[..end];
        }
    }

    /// <summary>Path and query string.</summary>
    public ReadOnlySpan<byte> PathAndQuery
    {
        get
        {
            var uri = UriBytes;
            if (uri.IsEmpty || uri[0] == '/')
            {
                return uri;
            }

            int scheme = uri.IndexOf("://"u8);
            if (scheme < 0)
            {
                return default;
            }

            int slash = uri[(scheme + 3)..].IndexOf((byte)'/');
            return slash < 0 ? default : uri[(scheme + 3 + slash)..];
        }
    }

    /// <summary>What stands behind the question mark.</summary>
    public ReadOnlySpan<byte> Query
    {
        get
        {
            var uri = UriBytes;
            int mark = uri.IndexOf((byte)'?');
            return mark < 0 ? default : uri[(mark + 1)..];
        }
    }

    private void LoadFields(HttpHead head, byte* data)
    {
        Minor = head.Minor;
        for (int i = 0; i < head.Count; i++)
        {
            ref readonly var f = ref head.Fields[i];
            if (f.Known != KnownField.Dropped)
            {
                Add(data + f.Name, f.NameLength, data + f.Value, f.ValueLength, f.Known);
            }
        }

        BodySize = head.ContentLength;
        Present = true;
    }
}
