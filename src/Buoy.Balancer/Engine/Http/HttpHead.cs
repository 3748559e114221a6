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

    /// <summary>A field that is not passed on: a repeated equal Content-Length, Proxy-Connection.</summary>
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
/// could be read in two ways (smuggling) is refused: spaces before colons, folded lines, several or malformed lengths,
/// a length beside a transfer coding, codings other than chunked, several hosts, NUL and bare CR. A bare LF ends a
/// line, as in HAProxy. One object per shard, used again for every message.
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

    /// <summary>Parses a request head at <paramref name="data"/>.</summary>
    public ParseResult ParseRequest(byte* data, int length)
    {
        int at = SkipEmptyLines(data, length);
        var result = Line(data, length, at, out int end, out int next);
        if (result != ParseResult.Complete)
        {
            return result;
        }

        int i = at;
        while (i < end && TokenTable[data[i]] != 0)
        {
            i++;
        }

        Method = at;
        MethodLength = i - at;
        if (MethodLength == 0 || i >= end || data[i] != ' ')
        {
            return Bad("malformed method");
        }

        Target = ++i;
        while (i < end && data[i] is > 0x20 and < 0x7f)
        {
            i++;
        }

        TargetLength = i - Target;
        if (TargetLength == 0 || end - i != 9 || data[i] != ' ' || !Version(data + i + 1))
        {
            return Bad("malformed request line");
        }

        result = ParseFields(data, length, next);
        if (result != ParseResult.Complete)
        {
            return result;
        }

        if (Chunked && (ContentLength >= 0 || Minor == 0))
        {
            return Bad(Minor == 0 ? "transfer coding in HTTP/1.0" : "length beside a transfer coding");
        }

        return CheckAuthority(data);
    }

    /// <summary>Parses a response head at <paramref name="data"/>.</summary>
    public ParseResult ParseResponse(byte* data, int length)
    {
        var result = Line(data, length, 0, out int end, out int next);
        if (result != ParseResult.Complete)
        {
            return result;
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
                return Bad("malformed status");
            }

            status = (status * 10) + data[i] - '0';
        }

        if (status < 100)
        {
            return Bad("malformed status");
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
                    if (Fields[i].Known == KnownField.Host)
                    {
                        Error = "several Host fields";
                        return false;
                    }
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
            case 16 when name.SequenceEqual("proxy-connection"u8):
                f.Known = KnownField.Dropped;
                return true;
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

    private bool Length10(ReadOnlySpan<byte> value, ref HeaderField f)
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
            Error = "malformed or differing Content-Length";
            return false;
        }

        f.Known = ContentLength >= 0 ? KnownField.Dropped : KnownField.ContentLength;
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

    private ParseResult Line(byte* data, int length, int at, out int end, out int next)
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
            ? Bad("forbidden character in the start line")
            : ParseResult.Complete;
    }

    private static int SkipEmptyLines(byte* data, int length)
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
