namespace Buoy.Balancer.Engine.Http;

/// <summary>What a parse came to.</summary>
internal enum ParseResult
{
    Complete,
    Incomplete,
    Bad,
}

/// <summary>Header fields that the proxy itself must understand.</summary>
internal enum KnownField : byte
{
    Other,
    Connection,
    ContentLength,
    TransferEncoding,
    Host,
    Upgrade,

    /// <summary>A field that is not passed on: a repeated equal Content-Length or Host.</summary>
    Dropped,
}

/// <summary>One field line: offsets into the head.</summary>
internal struct HeaderField
{
    public int Name;
    public int NameLength;
    public int Value;
    public int ValueLength;
    public KnownField Known;
}

/// <summary>
/// An HTTP/1.x message head, parsed strictly (RFC 9112) in place: field names are lower-cased where they stand. What
/// could be read in two ways (smuggling) is refused or made one: spaces before colons, differing or malformed lengths,
/// codings other than chunked, several hosts, NUL and bare CR are refused; folded lines are joined, equal lengths and
/// hosts become one, a length beside a transfer coding is taken out. A bare LF ends a line, as in HAProxy. One object per
/// shard, used again for every message.
/// </summary>
internal sealed unsafe class HttpHead
{
    /// <summary>HAProxy's tune.http.maxhdr.</summary>
    public const int MaxFields = 101;

    private static readonly byte[] TokenTable = BuildTokenTable();

    public HeaderField[] Fields { get; } = new HeaderField[MaxFields];

    public int Count { get; private set; }

    /// <summary>Bytes of the head with its empty line, and with empty lines before it.</summary>
    public int Length { get; private set; }

    /// <summary>Request: method and target. Response: the reason stands in Target.</summary>
    public int Method { get; private set; }

    public int MethodLength { get; private set; }

    public int Target { get; private set; }

    public int TargetLength { get; private set; }

    /// <summary>Minor version: 0 or 1.</summary>
    public int Minor { get; private set; }

    public int Status { get; private set; }

    /// <summary>-1 = none.</summary>
    public long ContentLength { get; private set; }

    public bool Chunked { get; private set; }

    /// <summary>Tokens of Connection.</summary>
    public bool Close { get; private set; }

    public bool KeepAlive { get; private set; }

    public bool UpgradeToken { get; private set; }

    public bool HasUpgrade { get; private set; }

    /// <summary>A Connection field has tokens other than close and keep-alive.</summary>
    public bool OtherTokens { get; private set; }

    /// <summary>Why it is <see cref="ParseResult.Bad"/>.</summary>
    public string Error { get; private set; } = "";

    /// <summary>What the original keeps for a start line beside its texts, bytes.</summary>
    public const int StartLineSize = 20;

    /// <summary>Parses a request head at <paramref name="data"/>.</summary>
    public ParseResult ParseRequest(byte* data, int length)
    {
        int at = SkipEmptyLines(data, length);
        var result = Line(data, length, at, request: true, out int end, out int next);
        if (result != ParseResult.Complete)
        {
            return result == ParseResult.Incomplete && !MayBecomeRequest(data, at, length) ? Bad("malformed request line") : result;
        }

        int i = at;
        while (i < end && TokenTable[data[i]] != 0)
        {
            i++;
        }

        Method = at;
        MethodLength = i - at;
        if (MethodLength == 0 || i >= end || !IsBlank(data[i]))
        {
            return Bad("malformed request line");
        }

        for (; i < end && IsBlank(data[i]); i++)
        {
        }

        Target = i;
        while (i < end && data[i] is > 0x20 and < 0x7f and not (byte)'#')
        {
            i++;
        }

        TargetLength = i - Target;
        int version = i;
        for (; version < end && IsBlank(data[version]); version++)
        {
        }

        if (TargetLength == 0 || version == i || end - version != 8 || !RequestVersion(data + version)
            || (data[Target] == '/' && new ReadOnlySpan<byte>(data + Method, MethodLength).SequenceEqual("CONNECT"u8)))
        {
            return Bad("malformed request line");
        }

        Compact(data, at, version);
        result = ParseFields(data, length, next);
        if (result != ParseResult.Complete)
        {
            return result;
        }

        if (Chunked && Minor == 0)
        {
            return Bad("transfer coding in HTTP/1.0");
        }

        if (Chunked)
        {
            // The coding wins over a length beside it (RFC 9112, 6.1); the connection ends with this exchange.
            DropLength();
        }

        return CheckAuthority(data);
    }

    /// <summary>Parses a response head at <paramref name="data"/>.</summary>
    public ParseResult ParseResponse(byte* data, int length)
    {
        var result = Line(data, length, 0, request: false, out int end, out int next);
        if (result != ParseResult.Complete)
        {
            return result == ParseResult.Incomplete && !MayBecomeResponse(data, length) ? Bad("malformed status line") : result;
        }

        if (end < 12 || !Version(data) || data[8] != ' ' || (end > 12 && data[12] != ' '))
        {
            return Bad("malformed status line");
        }

        int status = 0;
        for (int i = 9; i < 12; i++)
        {
            if (data[i] is < (byte)'0' or > (byte)'9')
            {
                return Bad("malformed status line");
            }

            status = (status * 10) + data[i] - '0';
        }

        if (status < 100)
        {
            return Bad("malformed status line");
        }

        Status = status;
        Method = 0;
        MethodLength = 0;
        Target = Math.Min(13, end);
        TargetLength = end - Target;
        result = ParseFields(data, length, next);
        if (result == ParseResult.Complete && Chunked)
        {
            DropLength();
        }

        return result;
    }

    private static bool IsBlank(byte b) => b is (byte)' ' or (byte)'\t';

    /// <summary>
    /// The request line with one space between its parts, moved to its end: what comes free before it is filled with line
    /// ends, which are skipped when the head is read once more.
    /// </summary>
    private void Compact(byte* data, int start, int version)
    {
        int target = version - 1 - TargetLength;
        int method = target - 1 - MethodLength;
        if (method == start)
        {
            data[target - 1] = data[version - 1] = (byte)' ';
            return;
        }

        Buffer.MemoryCopy(data + Target, data + target, TargetLength, TargetLength);
        Buffer.MemoryCopy(data + Method, data + method, MethodLength, MethodLength);
        data[target - 1] = data[version - 1] = (byte)' ';
        new Span<byte>(data + start, method - start).Fill((byte)'\n');
        (Method, Target) = (method, target);
    }

    /// <summary>HTTP/d.d; what is newer than 1.1 is treated as 1.1, what is older as 1.0.</summary>
    private bool RequestVersion(byte* p)
    {
        if (!new ReadOnlySpan<byte>(p, 5).SequenceEqual("HTTP/"u8) || p[6] != '.'
            || !char.IsAsciiDigit((char)p[5]) || !char.IsAsciiDigit((char)p[7]))
        {
            return false;
        }

        Minor = p[5] > '1' || (p[5] == '1' && p[7] >= '1') ? 1 : 0;
        if (Minor == 1)
        {
            p[5] = p[7] = (byte)'1';
        }

        return true;
    }

    /// <summary>A field's value, trimmed.</summary>
    public static ReadOnlySpan<byte> Value(byte* data, in HeaderField field) =>
        new(data + field.Value, field.ValueLength);

    /// <summary>A field's name, lower-case.</summary>
    public static ReadOnlySpan<byte> Name(byte* data, in HeaderField field) => new(data + field.Name, field.NameLength);

    private ParseResult ParseFields(byte* data, int length, int at)
    {
        Count = 0;
        ContentLength = -1;
        Chunked = Close = KeepAlive = UpgradeToken = HasUpgrade = OtherTokens = false;
        while (true)
        {
            int lf = new ReadOnlySpan<byte>(data + at, length - at).IndexOf((byte)'\n');
            if (lf < 0)
            {
                return ParseResult.Incomplete;
            }

            int end = at + lf;
            int next = end + 1;
            bool empty = lf == 0 || (lf == 1 && data[at] == '\r');
            while (!empty && (next == length || IsBlank(data[next])))
            {
                // A folded line: its line end is white space (RFC 9112, 5.2).
                lf = next == length ? -1 : new ReadOnlySpan<byte>(data + next, length - next).IndexOf((byte)'\n');
                if (lf < 0)
                {
                    return ParseResult.Incomplete;
                }

                data[end] = (byte)' ';
                data[end - 1] = data[end - 1] == '\r' ? (byte)' ' : data[end - 1];
                end = next + lf;
                next = end + 1;
            }

            if (end > at && data[end - 1] == '\r')
            {
                end--;
            }

            if (end == at)
            {
                Length = next;
                return ParseResult.Complete;
            }

            int i = at;
            byte lower;
            while (i < end && (lower = TokenTable[data[i]]) != 0)
            {
                data[i++] = lower;
            }

            if (i == at || i >= end || data[i] != ':')
            {
                return Bad("malformed field name");
            }

            if (Count == MaxFields)
            {
                return Bad("too many fields");
            }

            ref var f = ref Fields[Count++];
            f.Name = at;
            f.NameLength = i - at;
            i++;
            while (i < end && data[i] is (byte)' ' or (byte)'\t')
            {
                i++;
            }

            int stop = end;
            while (stop > i && data[stop - 1] is (byte)' ' or (byte)'\t')
            {
                stop--;
            }

            f.Value = i;
            f.ValueLength = stop - i;
            f.Known = KnownField.Other;
            if (new ReadOnlySpan<byte>(data + i, stop - i).IndexOfAny((byte)0, (byte)'\r') >= 0)
            {
                return Bad("forbidden character in a field value");
            }

            if (!Understand(data, ref f))
            {
                return ParseResult.Bad;
            }

            at = next;
        }
    }

    private bool Understand(byte* data, ref HeaderField f)
    {
        var name = Name(data, f);
        var value = Value(data, f);
        switch (f.NameLength)
        {
            case 4 when name.SequenceEqual("host"u8):
                for (int i = 0; i < Count - 1; i++)
                {
                    if (Fields[i].Known != KnownField.Host)
                    {
                        continue;
                    }

                    if (!Value(data, Fields[i]).SequenceEqual(value))
                    {
                        Error = "several Host fields";
                        return false;
                    }

                    f.Known = KnownField.Dropped;
                    return true;
                }

                f.Known = KnownField.Host;
                return true;
            case 7 when name.SequenceEqual("upgrade"u8):
                f.Known = KnownField.Upgrade;
                HasUpgrade = true;
                return true;
            case 10 when name.SequenceEqual("connection"u8):
                f.Known = KnownField.Connection;
                foreach (var range in value.Split((byte)','))
                {
                    Token(Trim(value[range]));
                }

                return true;
            case 14 when name.SequenceEqual("content-length"u8):
                return Length10(value, ref f);
            case 17 when name.SequenceEqual("transfer-encoding"u8):
                if (Chunked || !System.Text.Ascii.EqualsIgnoreCase(value, "chunked"u8))
                {
                    Error = "transfer coding other than one chunked";
                    return false;
                }

                f.Known = KnownField.TransferEncoding;
                Chunked = true;
                return true;
            default:
                return true;
        }
    }

    /// <summary>Content-Length, also as a list of equal numbers: one is passed on.</summary>
    private bool Length10(ReadOnlySpan<byte> value, ref HeaderField f)
    {
        int first = -1;
        while (true)
        {
            int comma = value.IndexOf((byte)',');
            var part = comma < 0 ? value : Trim(value[..comma]);
            if (!OneLength(part))
            {
                Error = "malformed or differing Content-Length";
                return false;
            }

            first = first < 0 ? part.Length : first;
            if (comma < 0)
            {
                break;
            }

            value = Trim(value[(comma + 1)..]);
        }

        f.ValueLength = first;
        for (int i = 0; i < Count - 1; i++)
        {
            if (Fields[i].Known == KnownField.ContentLength)
            {
                f.Known = KnownField.Dropped;
                return true;
            }
        }

        f.Known = KnownField.ContentLength;
        return true;
    }

    private bool OneLength(ReadOnlySpan<byte> value)
    {
        long length = 0;
        bool good = value.Length is > 0 and <= 18;
        foreach (byte b in value)
        {
            good &= b is >= (byte)'0' and <= (byte)'9';
            length = unchecked((length * 10) + b - '0');
        }

        if (!good || (ContentLength >= 0 && ContentLength != length))
        {
            return false;
        }

        ContentLength = length;
        return true;
    }

    private void Token(ReadOnlySpan<byte> token)
    {
        if (System.Text.Ascii.EqualsIgnoreCase(token, "close"u8))
        {
            Close = true;
        }
        else if (System.Text.Ascii.EqualsIgnoreCase(token, "keep-alive"u8))
        {
            KeepAlive = true;
        }
        else if (!token.IsEmpty)
        {
            OtherTokens = true;
            UpgradeToken |= System.Text.Ascii.EqualsIgnoreCase(token, "upgrade"u8);
        }
    }

    /// <summary>RFC 9112, 3.2.2: an absolute target and Host must agree.</summary>
    private ParseResult CheckAuthority(byte* data)
    {
        var target = new ReadOnlySpan<byte>(data + Target, TargetLength);
        if (target[0] == '/')
        {
            return ParseResult.Complete;
        }

        int scheme = target.IndexOf("://"u8);
        if (scheme < 0)
        {
            return ParseResult.Complete;
        }

        var authority = target[(scheme + 3)..];
        int slash = authority.IndexOfAny((byte)'/', (byte)'?');
        authority = slash >= 0 ? authority[..slash] : authority;
        for (int i = 0; i < Count; i++)
        {
            if (Fields[i].Known == KnownField.Host
                && !System.Text.Ascii.EqualsIgnoreCase(Value(data, Fields[i]), authority))
            {
                return Bad("Host differs from the target's authority");
            }
        }

        return ParseResult.Complete;
    }

    private void DropLength()
    {
        for (int i = 0; i < Count; i++)
        {
            if (Fields[i].Known == KnownField.ContentLength)
            {
                Fields[i].Known = KnownField.Dropped;
                ContentLength = -1;
                Close = true;
            }
        }
    }

    private bool Version(byte* p)
    {
        bool good = new ReadOnlySpan<byte>(p, 7).SequenceEqual("HTTP/1."u8) && p[7] is (byte)'0' or (byte)'1';
        Minor = p[7] - '0';
        return good && Minor is 0 or 1;
    }

    private ParseResult Line(byte* data, int length, int at, bool request, out int end, out int next)
    {
        int lf = new ReadOnlySpan<byte>(data + at, length - at).IndexOf((byte)'\n');
        end = at + lf;
        next = end + 1;
        if (lf < 0)
        {
            return ParseResult.Incomplete;
        }

        if (end > at && data[end - 1] == '\r')
        {
            end--;
        }

        return new ReadOnlySpan<byte>(data + at, end - at).IndexOfAny((byte)0, (byte)'\r') >= 0
            ? Bad(request ? "malformed request line" : "malformed status line")
            : ParseResult.Complete;
    }

    /// <summary>A request line without its end yet: a wrong byte is told at once, nobody waits for the rest of it.</summary>
    private static bool MayBecomeRequest(byte* data, int at, int length)
    {
        int i = at;
        while (i < length && TokenTable[data[i]] != 0)
        {
            i++;
        }

        if (i == length || (i == at && data[i] == '\r'))
        {
            return true;
        }

        if (i == at || !IsBlank(data[i]))
        {
            return false;
        }

        while (i < length && IsBlank(data[i]))
        {
            i++;
        }

        while (i < length && data[i] is > 0x20 and < 0x7f and not (byte)'#')
        {
            i++;
        }

        return i == length || IsBlank(data[i]) || data[i] == '\r';
    }

    /// <summary>A status line without its end yet.</summary>
    private static bool MayBecomeResponse(byte* data, int length)
    {
        var shape = "HTTP/0.0 000"u8;
        for (int i = 0; i < Math.Min(length, shape.Length); i++)
        {
            if (shape[i] == '0' ? data[i] is < (byte)'0' or > (byte)'9' : data[i] != shape[i])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Bytes of empty lines at the beginning, which are skipped.</summary>
    internal static int SkipEmptyLines(byte* data, int length)
    {
        int at = 0;
        while (at < length)
        {
            if (data[at] == '\n')
            {
                at++;
            }
            else if (data[at] == '\r' && at + 1 < length && data[at + 1] == '\n')
            {
                at += 2;
            }
            else
            {
                break;
            }
        }

        return at;
    }

    internal static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> value) => value.Trim(" \t"u8);

    private ParseResult Bad(string error)
    {
        Error = error;
        return ParseResult.Bad;
    }

    private static byte[] BuildTokenTable()
    {
        var table = new byte[256];
        foreach (char c in "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
        {
            table[c] = (byte)c;
        }

        for (char c = 'A'; c <= 'Z'; c++)
        {
            table[c] = (byte)(c + 32);
        }

        return table;
    }
}
