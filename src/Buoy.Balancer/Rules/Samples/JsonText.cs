using System.Text;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>The <c>json</c> converter: text made ready for a JSON string (manual 7.3.1).</summary>
internal static unsafe class JsonText
{
    /// <summary>Bytes that one byte of input becomes at most: <c>\u00xx</c>.</summary>
    private const int MaxGrowth = 6;

    private enum Input { Ascii, Utf8, Utf8Silent, Utf8Permissive, Utf8PermissiveSilent }

    public static string? CheckEscape(SampleArguments arguments, SampleContext context)
    {
        Input? input = (arguments[0]?.Text ?? "") switch
        {
            "" or "ascii" => Input.Ascii,
            "utf8" => Input.Utf8,
            "utf8s" => Input.Utf8Silent,
            "utf8p" => Input.Utf8Permissive,
            "utf8ps" => Input.Utf8PermissiveSilent,
            _ => null,
        };
        if (input is null)
        {
            return "Unexpected input code type. Allowed value are 'ascii', 'utf8', 'utf8s', 'utf8p' and 'utf8ps'";
        }

        arguments.Data = input;
        return null;
    }

    public static bool Escape(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var input = (Input)arguments.Data!;
        byte* p = scope.Temporary.Take(sample.Length * MaxGrowth);
        if (p == null)
        {
            return false;
        }

        bool silent = input is Input.Utf8Silent or Input.Utf8PermissiveSilent;
        bool permissive = input is Input.Utf8Permissive or Input.Utf8PermissiveSilent;
        var text = sample.Bytes;
        int n = 0;
        while (!text.IsEmpty)
        {
            uint c = text[0];
            int used = 1;
            if (input != Input.Ascii && !Decode(text, permissive, out c, out used))
            {
                if (!silent)
                {
                    return false;
                }

                text = text[used..];
                continue;
            }

            text = text[used..];
            if (c > char.MaxValue)
            {
                if (!silent)
                {
                    return false;
                }

                continue;
            }

            n += Write(p + n, c);
        }

        sample.SetText(p, n);
        return true;
    }

    private static int Write(byte* p, uint c)
    {
        byte letter = c switch
        {
            '"' or '\\' or '/' => (byte)c,
            '\b' => (byte)'b',
            '\f' => (byte)'f',
            '\n' => (byte)'n',
            '\r' => (byte)'r',
            '\t' => (byte)'t',
            _ => 0,
        };
        if (letter != 0)
        {
            p[0] = (byte)'\\';
            p[1] = letter;
            return 2;
        }

        if (c is >= 0x20 and < 0x7f)
        {
            p[0] = (byte)c;
            return 1;
        }

        var digits = "0123456789abcdef"u8;
        p[0] = (byte)'\\';
        p[1] = (byte)'u';
        for (int i = 0; i < 4; i++)
        {
            p[2 + i] = digits[(int)(c >> (12 - (4 * i))) & 15];
        }

        return 6;
    }

    /// <summary>One character; false for a bad sequence, of which <paramref name="used"/> bytes are left out.</summary>
    private static bool Decode(ReadOnlySpan<byte> text, bool permissive, out uint c, out int used)
    {
        c = text[0];
        used = 1;
        if (c < 0x80)
        {
            return true;
        }

        int length = c switch { >= 0xC0 and < 0xE0 => 2, >= 0xE0 and < 0xF0 => 3, >= 0xF0 and < 0xF8 => 4, _ => 0 };
        if (length == 0)
        {
            return false;
        }

        c &= 0xffu >> (length + 1);
        while (used < length && used < text.Length && (text[used] & 0xC0) == 0x80)
        {
            c = (c << 6) | (text[used++] & 0x3fu);
        }

        bool overlong = c < length switch { 2 => 0x80u, 3 => 0x800u, _ => 0x10000u };
        return used == length && (permissive || !overlong) && Rune.IsValid(c) && c is not (0xFFFE or 0xFFFF);
    }
}
