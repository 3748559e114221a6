namespace Buoy.Balancer.Engine.Http;

/// <summary>How a message's body ends (RFC 9112, 6.3).</summary>
internal enum BodyKind : byte
{
    None,
    Length,
    Chunked,

    /// <summary>Until the connection ends: responses only.</summary>
    Close,
}

/// <summary>Finds the end of a body in bytes that are passed on as they are.</summary>
internal struct BodyTracker
{
    private enum Chunk : byte
    {
        SizeStart,
        Size,
        Extension,
        SizeLineFeed,
        Data,
        DataReturn,
        DataLineFeed,
        TrailerStart,
        Trailer,
        TrailerLineFeed,
        EndLineFeed,
        Done,
    }

    /// <summary>Longest extension or trailer part in bytes: more is an attack.</summary>
    private const int MaxOverhead = 16384;

    private Chunk _chunk;
    private int _overhead;

    public BodyKind Kind { get; private set; }

    /// <summary>Length: bytes to come. Chunked: bytes of the current chunk to come.</summary>
    public long Left { get; private set; }

    /// <summary>The body is complete.</summary>
    public readonly bool Done => Kind switch
    {
        BodyKind.None => true,
        BodyKind.Length => Left == 0,
        BodyKind.Chunked => _chunk == Chunk.Done,
        _ => false,
    };

    public static BodyTracker None => default;

    public static BodyTracker OfLength(long length) => new() { Kind = BodyKind.Length, Left = length };

    public static BodyTracker Chunks => new() { Kind = BodyKind.Chunked };

    public static BodyTracker UntilClose => new() { Kind = BodyKind.Close };

    /// <summary>Takes note of bytes that were passed without being seen (splice); only for Length and Close.</summary>
    public void Skip(long bytes)
    {
        if (Kind == BodyKind.Length)
        {
            Left -= bytes;
        }
    }

    /// <summary>How many of these bytes belong to the body; -1 = broken chunk framing.</summary>
    public unsafe int Advance(byte* data, int length)
    {
        switch (Kind)
        {
            case BodyKind.Close:
                return length;
            case BodyKind.Length:
                int n = (int)Math.Min(length, Left);
                Left -= n;
                return n;
            case BodyKind.Chunked:
                return AdvanceChunks(data, length);
            default:
                return 0;
        }
    }

    private unsafe int AdvanceChunks(byte* data, int length)
    {
        int i = 0;
        while (i < length && _chunk != Chunk.Done)
        {
            if (_chunk == Chunk.Data)
            {
                int n = (int)Math.Min(length - i, Left);
                Left -= n;
                i += n;
                if (Left == 0)
                {
                    _chunk = Chunk.DataReturn;
                }

                continue;
            }

            if (!Step(data[i++]))
            {
                return -1;
            }
        }

        return i;
    }

    private bool Step(byte b)
    {
        switch (_chunk)
        {
            case Chunk.SizeStart:
                Left = 0;
                return Digit(b);
            case Chunk.Size:
                if (b == '\r')
                {
                    _chunk = Chunk.SizeLineFeed;
                    return true;
                }

                if (b is (byte)';' or (byte)' ' or (byte)'\t')
                {
                    _chunk = Chunk.Extension;
                    return true;
                }

                return Digit(b);
            case Chunk.Extension:
                if (b == '\r')
                {
                    _chunk = Chunk.SizeLineFeed;
                    return true;
                }

                return b != '\n' && b != 0 && ++_overhead <= MaxOverhead;
            case Chunk.SizeLineFeed:
                _chunk = Left == 0 ? Chunk.TrailerStart : Chunk.Data;
                return b == '\n';
            case Chunk.DataReturn:
                _chunk = Chunk.DataLineFeed;
                return b == '\r';
            case Chunk.DataLineFeed:
                _chunk = Chunk.SizeStart;
                return b == '\n';
            case Chunk.TrailerStart:
                _chunk = b == '\r' ? Chunk.EndLineFeed : Chunk.Trailer;
                return b is not ((byte)'\n' or 0 or (byte)' ' or (byte)'\t') && ++_overhead <= MaxOverhead;
            case Chunk.Trailer:
                if (b == '\r')
                {
                    _chunk = Chunk.TrailerLineFeed;
                }

                return b is not ((byte)'\n' or 0) && ++_overhead <= MaxOverhead;
            case Chunk.TrailerLineFeed:
                _chunk = Chunk.TrailerStart;
                return b == '\n';
            case Chunk.EndLineFeed:
                _chunk = Chunk.Done;
                return b == '\n';
            default:
                return false;
        }
    }

    private bool Digit(byte b)
    {
        int v = b switch
        {
            >= (byte)'0' and <= (byte)'9' => b - '0',
            >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
            >= (byte)'A' and <= (byte)'F' => b - 'A' + 10,
            _ => -1,
        };
        if (v < 0 || Left > (long.MaxValue >> 8))
        {
            return false;
        }

        Left = (Left << 4) | (uint)v;
        _chunk = Chunk.Size;
        return true;
    }
}
