using System.Buffers.Text;
using System.Text;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>Base64, hexadecimal, URL and JSON encodings (manual 7.3.1).</summary>
internal static unsafe class EncodingConverters
{
    private const int LongestNumber = 20;

    public static IEnumerable<ConverterEntry> Entries() =>
    [
        new("base64", "", SampleType.Bin, SampleType.Str, (SampleScope s, SampleArguments _, ref Sample v) =>
            Encode(s, ref v, false)),
        new("ub64enc", "", SampleType.Bin, SampleType.Str, (SampleScope s, SampleArguments _, ref Sample v) =>
            Encode(s, ref v, true)),
        new("b64dec", "", SampleType.Str, SampleType.Bin, (SampleScope s, SampleArguments _, ref Sample v) =>
            Decode(s, ref v, false)),
        new("ub64dec", "", SampleType.Str, SampleType.Bin, (SampleScope s, SampleArguments _, ref Sample v) =>
            Decode(s, ref v, true)),
        new("hex", "", SampleType.Bin, SampleType.Str, Hex),
        new("hex2i", "", SampleType.Str, SampleType.Sint, HexToInteger),
        new("be2hex", "string[,integer,integer]", SampleType.Bin, SampleType.Str, Chunks, CheckHexChunks),
        new("be2dec", "string[,integer,integer]", SampleType.Bin, SampleType.Str, Chunks, CheckDecimalChunks),
        new("url_dec", "[integer]", SampleType.Str, SampleType.Str, UrlDecode),
        new("url_enc", "string", SampleType.Str, SampleType.Str, UrlEncode, CheckUrlEncode),
        new("json", "string", SampleType.Str, SampleType.Str, JsonText.Escape, JsonText.CheckEscape),
    ];

    private static bool Encode(SampleScope scope, ref Sample sample, bool url)
    {
        byte* p = scope.Temporary.Take(Base64Text.EncodedLength(sample.Length));
        if (p == null)
        {
            return false;
        }

        sample.SetText(p, Base64Text.Encode(
            sample.Bytes, new Span<byte>(p, Base64Text.EncodedLength(sample.Length)), url));
        return true;
    }

    private static bool Decode(SampleScope scope, ref Sample sample, bool url)
    {
        byte* p = scope.Temporary.Take(sample.Length);
        int n = p == null ? -1 : Base64Text.Decode(sample.Bytes, new Span<byte>(p, sample.Length), url);
        if (n < 0)
        {
            return false;
        }

        sample.SetText(p, n, SampleType.Bin);
        return true;
    }

    private static bool Hex(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        int length = sample.Length * 2;
        byte* p = scope.Temporary.Take(length);
        if (p == null || !Convert.TryToHexString(sample.Bytes, new Span<byte>(p, length), out _))
        {
            return false;
        }

        sample.SetText(p, length);
        return true;
    }

    private static bool HexToInteger(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        long value = 0;
        foreach (byte b in sample.Bytes)
        {
            if (!char.IsAsciiHexDigit((char)b))
            {
                return false;
            }

            value = (value << 4) | (uint)(b <= '9' ? b - '0' : (b | 0x20) - 'a' + 10);
        }

        sample.SetInteger(value);
        return true;
    }

    private static string? CheckHexChunks(SampleArguments arguments, SampleContext context)
    {
        if (arguments.Count > 0)
        {
            long size = arguments.Integer(1, 0);
            if (size <= 0 && arguments[0]!.Text.Length + arguments.Count > 1)
            {
                return $"chunk_size needs to be positive ({size})";
            }
        }

        return CheckTruncate(arguments, isHex: true);
    }

    private static string? CheckDecimalChunks(SampleArguments arguments, SampleContext context)
    {
        long size = arguments.Integer(1, 0);
        return size is < 1 or > 8 ? $"chunk_size out of [1..8] range ({size})" : CheckTruncate(arguments, isHex: false);
    }

    private static string? CheckTruncate(SampleArguments arguments, bool isHex)
    {
        arguments.Data = isHex;
        return arguments.Integer(2, 0) is not (0 or 1) ? $"Unsupported truncate value ({arguments.Integer(2, 0)})"
            : null;
    }

    /// <summary>be2hex and be2dec: chunks of bytes with a separator between.</summary>
    private static bool Chunks(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        bool hex = (bool)arguments.Data!;
        var separator = arguments[0] is { } s ? s.Bytes : default;
        int size = (int)Math.Min(arguments.Integer(1, int.MaxValue), int.MaxValue);
        bool truncate = arguments.Integer(2, 0) == 1;
        int count = (sample.Length / size) + 1;
        int room = (sample.Length * 2) + (count * (separator.Length + (hex ? 0 : LongestNumber)));
        byte* p = scope.Temporary.Take(room);
        if (p == null)
        {
            return false;
        }

        var into = new Span<byte>(p, room);
        var bytes = sample.Bytes;
        int end = truncate ? bytes.Length / size * size : bytes.Length;
        int n = 0;
        for (int i = 0; i < end; i += size)
        {
            if (i > 0)
            {
                separator.CopyTo(into[n..]);
                n += separator.Length;
            }

            var chunk = bytes.Slice(i, Math.Min(size, end - i));
            int written;
            if (hex)
            {
                _ = Convert.TryToHexString(chunk, into[n..], out written);
            }
            else
            {
                ulong value = 0;
                foreach (byte b in chunk)
                {
                    value = (value << 8) | b;
                }

                _ = Utf8Formatter.TryFormat(value, into[n..], out written);
            }

            n += written;
        }

        sample.SetText(p, n);
        return true;
    }

    private static bool UrlDecode(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        byte* p = scope.Temporary.Take(sample.Length);
        if (p == null)
        {
            return false;
        }

        bool form = arguments.Integer(0, 0) != 0;
        var text = sample.Bytes;
        int n = 0;
        for (int i = 0; i < text.Length; i++)
        {
            byte b = text[i];
            switch (b)
            {
                case (byte)'+' when form:
                    b = (byte)' ';
                    break;
                case (byte)'%':
                    if (i + 2 >= text.Length || !char.IsAsciiHexDigit((char)text[i + 1])
                        || !char.IsAsciiHexDigit((char)text[i + 2]))
                    {
                        return false;
                    }

                    b = (byte)((Digit(text[i + 1]) << 4) | Digit(text[i + 2]));
                    i += 2;
                    break;
                case (byte)'?':
                    form = true;
                    break;
                default:
                    break;
            }

            p[n++] = b;
        }

        sample.SetText(p, n);
        return true;
    }

    private static int Digit(byte b) => b <= '9' ? b - '0' : (b | 0x20) - 'a' + 10;

    private static string? CheckUrlEncode(SampleArguments arguments, SampleContext context) =>
        arguments[0] is { Text.Length: > 0 } a && a.Text != "query"
            ? "Unexpected encode type. Allowed value is 'query'" : null;

    private static bool UrlEncode(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        byte* p = scope.Temporary.Take(sample.Length * 3);
        if (p == null)
        {
            return false;
        }

        var digits = "0123456789ABCDEF"u8;
        int n = 0;
        foreach (byte b in sample.Bytes)
        {
            if (char.IsAsciiLetterOrDigit((char)b) || b is (byte)'-' or (byte)'.' or (byte)'_' or (byte)'~')
            {
                p[n++] = b;
            }
            else
            {
                p[n++] = (byte)'%';
                p[n++] = digits[b >> 4];
                p[n++] = digits[b & 15];
            }
        }

        sample.SetText(p, n);
        return true;
    }
}
