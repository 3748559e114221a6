namespace Buoy.Balancer.Rules.Samples;

/// <summary>The <c>language</c> converter: the wanted language with the highest q-factor (manual 7.3.1).</summary>
internal static unsafe class Language
{
    private const int FullQuality = 1000;

    public static bool Choose(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var offered = arguments[0] is { } a ? a.Bytes : default;
        int best = 0;
        int start = 0;
        int length = 0;
        var rest = sample.Bytes;
        while (!rest.IsEmpty)
        {
            int comma = rest.IndexOf((byte)',');
            var item = comma < 0 ? rest : rest[..comma];
            rest = comma < 0 ? default : rest[(comma + 1)..];
            int semicolon = item.IndexOf((byte)';');
            int quality = semicolon < 0 ? FullQuality : Quality(item[(semicolon + 1)..]);
            var name = (semicolon < 0 ? item : item[..semicolon]).Trim(" \t"u8);
            if (quality > best && !name.IsEmpty && Find(offered, name, out int at, out int size))
            {
                (best, start, length) = (quality, at, size);
            }
        }

        if (best > 0)
        {
            sample.SetText(arguments[0]!.Data + start, length);
            return true;
        }

        if (arguments[1] is not { } otherwise)
        {
            return false;
        }

        sample.SetText(otherwise.Data, otherwise.Length);
        return true;
    }

    /// <summary>q=0.8 in thousandths.</summary>
    private static int Quality(ReadOnlySpan<byte> text)
    {
        text = text.Trim(" \t"u8);
        if (text.Length < 3 || (text[0] | 0x20) != 'q' || text[1] != '=')
        {
            return FullQuality;
        }

        int value = 0;
        int scale = FullQuality;
        bool dot = false;
        foreach (byte b in text[2..])
        {
            if (b == '.' && !dot)
            {
                dot = true;
            }
            else if (b is >= (byte)'0' and <= (byte)'9')
            {
                value += (b - '0') * scale;
                scale /= 10;
            }
            else
            {
                break;
            }
        }

        return Math.Min(value, FullQuality);
    }

    /// <summary>The first of those separated by semicolons that is the name, or its base before a hyphen.</summary>
    private static bool Find(ReadOnlySpan<byte> offered, ReadOnlySpan<byte> name, out int at, out int size)
    {
        size = 0;
        for (at = 0; at <= offered.Length; at += size + 1)
        {
            int end = offered[at..].IndexOf((byte)';');
            size = end < 0 ? offered.Length - at : end;
            if (size > 0 && name.StartsWith(offered.Slice(at, size)) && (name.Length == size || name[size] == '-'))
            {
                return true;
            }
        }

        return false;
    }
}
