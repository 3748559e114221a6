namespace Buoy.Balancer.Rules.Samples;

/// <summary>Base64 and base64url (RFC 4648) as the original reads and writes them.</summary>
internal static class Base64Text
{
    /// <summary>Bytes that the encoding of <paramref name="length"/> bytes takes at most.</summary>
    public static int EncodedLength(int length) => ((length + 2) / 3) * 4;

    public static int Encode(ReadOnlySpan<byte> data, Span<byte> into, bool url)
    {
        var alphabet = url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"u8
            : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"u8;
        int n = 0;
        for (int i = 0; i < data.Length; i += 3)
        {
            int left = Math.Min(3, data.Length - i);
            int bits = (data[i] << 16) | (left > 1 ? data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
            for (int k = 0; k <= left; k++)
            {
                into[n++] = alphabet[(bits >> (18 - (6 * k))) & 63];
            }

            for (int k = left; k < 3 && !url; k++)
            {
                into[n++] = (byte)'=';
            }
        }

        return n;
    }

    /// <summary>Bytes decoded, -1 where it is not base64.</summary>
    public static int Decode(ReadOnlySpan<byte> text, Span<byte> into, bool url)
    {
        if (!url && text.Length % 4 != 0)
        {
            return -1;
        }

        int pad = 0;
        while (pad < 2 && pad < text.Length && text[text.Length - 1 - pad] == '=')
        {
            pad++;
        }

        // In base64url the original takes padding for six set bits each.
        int ones = url ? text.Length - pad : text.Length;
        text = url ? text : text[..^pad];
        if (text.Length % 4 == 1)
        {
            return -1;
        }

        int n = 0;
        int bits = 0;
        for (int i = 0; i < text.Length; i++)
        {
            int value = i >= ones ? 63 : Value(text[i], url);
            if (value < 0)
            {
                return -1;
            }

            bits = (bits << 6) | value;
            if (i % 4 == 3)
            {
                into[n++] = (byte)(bits >> 16);
                into[n++] = (byte)(bits >> 8);
                into[n++] = (byte)bits;
                bits = 0;
            }
        }

        switch (text.Length % 4)
        {
            case 2:
                into[n++] = (byte)(bits >> 4);
                break;
            case 3:
                into[n++] = (byte)(bits >> 10);
                into[n++] = (byte)(bits >> 2);
                break;
            default:
                break;
        }

        return n;
    }

    private static int Value(byte b, bool url) => b switch
    {
        >= (byte)'A' and <= (byte)'Z' => b - 'A',
        >= (byte)'a' and <= (byte)'z' => b - 'a' + 26,
        >= (byte)'0' and <= (byte)'9' => b - '0' + 52,
        (byte)'+' when !url => 62,
        (byte)'/' when !url => 63,
        (byte)'-' when url => 62,
        (byte)'_' when url => 63,
        _ => -1,
    };
}
