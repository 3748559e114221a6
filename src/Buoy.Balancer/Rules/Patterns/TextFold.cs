using System.Text;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>Comparison of bytes with ASCII letters of both cases alike.</summary>
internal static class TextFold
{
    public static byte Lower(byte b) => (uint)(b - 'A') <= 'Z' - 'A' ? (byte)(b | 0x20) : b;

    public static byte[] Lower(byte[] text)
    {
        byte[] copy = new byte[text.Length];
        for (int i = 0; i < text.Length; i++)
        {
            copy[i] = Lower(text[i]);
        }

        return copy;
    }

    /// <summary>Are they alike? <paramref name="lower"/> is in lower case already.</summary>
    public static bool Equals(ReadOnlySpan<byte> text, ReadOnlySpan<byte> lower, bool fold)
    {
        if (!fold || text.Length != lower.Length)
        {
            return text.SequenceEqual(lower);
        }

        for (int i = 0; i < text.Length; i++)
        {
            if (Lower(text[i]) != lower[i])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>First place of <paramref name="lower"/> at or behind <paramref name="from"/>; -1 = none.</summary>
    public static int IndexOf(ReadOnlySpan<byte> text, ReadOnlySpan<byte> lower, bool fold, int from = 0)
    {
        if (from > text.Length)
        {
            return -1;
        }

        if (!fold)
        {
            int at = text[from..].IndexOf(lower);
            return at < 0 ? -1 : at + from;
        }

        if (lower.IsEmpty)
        {
            return from;
        }

        byte first = lower[0];
        byte other = Ascii.IsValid(first) && first is >= (byte)'a' and <= (byte)'z' ? (byte)(first & ~0x20) : first;
        for (int i = from; i + lower.Length <= text.Length;)
        {
            int at = text[i..(text.Length - lower.Length + 1)].IndexOfAny(first, other);
            if (at < 0)
            {
                return -1;
            }

            i += at;
            if (Equals(text.Slice(i, lower.Length), lower, fold: true))
            {
                return i;
            }

            i++;
        }

        return -1;
    }
}
