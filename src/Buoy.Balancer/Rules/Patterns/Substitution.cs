using System.Text;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>
/// The replacement text of a regular expression: <c>\0</c> to <c>\9</c> stand for the groups, <c>\xHH</c> for a byte, a
/// backslash before anything else for that character.
/// </summary>
internal sealed class Substitution
{
    private readonly byte[] _text;

    private Substitution(byte[] text) => _text = text;

    /// <summary>Reads a replacement; null where a backslash ends it or <c>\x</c> lacks its digits.</summary>
    public static Substitution? Create(ReadOnlySpan<byte> text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                continue;
            }

            i++;
            if (i == text.Length || (text[i] == 'x'
                && !(i + 2 < text.Length && IsHex(text[i + 1]) && IsHex(text[i + 2]))))
            {
                return null;
            }
        }

        return new Substitution(text.ToArray());
    }

    /// <summary>As <see cref="Create(ReadOnlySpan{byte})"/>, bytes as Latin-1 characters.</summary>
    public static Substitution? Create(string text) => Create(Encoding.Latin1.GetBytes(text));

    /// <summary>Writes the replacement of a match.</summary>
    /// <returns>Bytes written; -1 where they do not fit.</returns>
    public int Write(ReadOnlySpan<byte> subject, ReadOnlySpan<ByteGroup> groups, Span<byte> into)
    {
        int n = 0;
        var t = _text;
        for (int i = 0; i < t.Length; i++)
        {
            byte b = t[i];
            if (b == '\\')
            {
                b = t[++i];
                if (char.IsAsciiDigit((char)b))
                {
                    int g = b - '0';
                    var part = g < groups.Length && groups[g].Start >= 0
                        ? subject.Slice(groups[g].Start, groups[g].Length) : default;
                    if (!part.TryCopyTo(into[n..]))
                    {
                        return -1;
                    }

                    n += part.Length;
                    continue;
                }

                if (b == 'x')
                {
                    b = (byte)((Hex(t[i + 1]) << 4) | Hex(t[i + 2]));
                    i += 2;
                }
            }

            if (n >= into.Length)
            {
                return -1;
            }

            into[n++] = b;
        }

        return n;
    }

    private static bool IsHex(byte b) => char.IsAsciiHexDigit((char)b);

    private static int Hex(byte b) => b <= '9' ? b - '0' : (b | 0x20) - 'a' + 10;
}
