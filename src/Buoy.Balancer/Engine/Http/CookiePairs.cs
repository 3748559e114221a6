namespace Buoy.Balancer.Engine.Http;

/// <summary>One <c>name=value</c> of a Cookie field: offsets into it.</summary>
internal readonly record struct CookiePair(int Start, int Value, int End)
{
    public int Length => End - Value;
}

/// <summary>Cookie and Set-Cookie fields (RFC 6265): finding, not judging.</summary>
internal static class CookiePairs
{
    /// <summary>The next pair of that name at or after <paramref name="from"/>; false = none.</summary>
    public static bool Find(ReadOnlySpan<byte> field, ReadOnlySpan<byte> name, int from, out CookiePair pair)
    {
        for (int at = from; at < field.Length;)
        {
            int start = at;
            while (start < field.Length && field[start] is (byte)' ' or (byte)'\t' or (byte)';' or (byte)',')
            {
                start++;
            }

            int end = start;
            bool quoted = false;
            while (end < field.Length && (quoted || field[end] is not ((byte)';' or (byte)',')))
            {
                quoted ^= field[end] == '"';
                end++;
            }

            int equals = field[start..end].IndexOf((byte)'=');
            if (equals >= 0 && HttpHead.Trim(field[start..(start + equals)]).SequenceEqual(name))
            {
                pair = Trimmed(field, start, start + equals + 1, end);
                return true;
            }

            at = end + 1;
        }

        pair = default;
        return false;
    }

    /// <summary>A Set-Cookie's own pair, where it has that name.</summary>
    public static bool OfSetCookie(ReadOnlySpan<byte> field, ReadOnlySpan<byte> name, out CookiePair pair)
    {
        int end = field.IndexOf((byte)';');
        end = end < 0 ? field.Length : end;
        int equals = field[..end].IndexOf((byte)'=');
        if (equals < 0 || !HttpHead.Trim(field[..equals]).SequenceEqual(name))
        {
            pair = default;
            return false;
        }

        pair = Trimmed(field, 0, equals + 1, end);
        return true;
    }

    private static CookiePair Trimmed(ReadOnlySpan<byte> field, int start, int value, int end)
    {
        while (value < end && field[value] is (byte)' ' or (byte)'\t')
        {
            value++;
        }

        while (end > value && field[end - 1] is (byte)' ' or (byte)'\t')
        {
            end--;
        }

        return new CookiePair(start, value, end);
    }
}

/// <summary>Dates in persistence cookies: units of four seconds in five characters of base64, as the original has them.</summary>
internal static class CookieDate
{
    public const int Length = 5;
    private const string Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// <summary>Seconds since 1970 to text.</summary>
    public static void Write(long seconds, Span<byte> into)
    {
        long units = seconds >> 2;
        for (int i = Length - 1; i >= 0; i--)
        {
            into[i] = (byte)Digits[(int)(units & 63)];
            units >>= 6;
        }
    }

    /// <summary>Seconds since 1970; 0 = this is no date.</summary>
    public static long Read(ReadOnlySpan<byte> text)
    {
        if (text.Length < Length)
        {
            return 0;
        }

        long units = 0;
        foreach (byte b in text[..Length])
        {
            int digit = Digits.IndexOf((char)b);
            if (digit < 0)
            {
                return 0;
            }

            units = (units << 6) | (uint)digit;
        }

        return units << 2;
    }
}
