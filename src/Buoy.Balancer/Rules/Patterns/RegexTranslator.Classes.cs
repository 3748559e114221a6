using System.Globalization;
using System.Text;

namespace Buoy.Balancer.Rules.Patterns;

/// <content>Classes in brackets, with ranges and POSIX names.</content>
internal sealed partial class RegexTranslator
{
    private void Class()
    {
        int i = _at + 1;
        var set = new StringBuilder("[");
        if (i < _pattern.Length && _pattern[i] == '^')
        {
            set.Append('^');
            i++;
        }

        bool first = true;
        for (_at = i; _error is null; first = false)
        {
            if (_at >= _pattern.Length)
            {
                Fail("missing terminating ] for character class", _pattern.Length);
                return;
            }

            char c = _pattern[_at];
            if (c == ']' && !first)
            {
                _at++;
                break;
            }

            if (c == '[' && Posix(set))
            {
                continue;
            }

            int? value = Member(set);
            if (_error is not null)
            {
                return;
            }

            if (value is not { } low)
            {
                continue;
            }

            if (_at + 1 < _pattern.Length && _pattern[_at] == '-' && _pattern[_at + 1] != ']')
            {
                int mark = _at++;
                int length = set.Length;
                int? high = _pattern[_at] == '[' && IsPosix() ? null : Member(set);
                if (high is null)
                {
                    // A class behind the hyphen: the hyphen is one.
                    _at = set.Length == length ? mark + 1 : _at;
                    Range(set, low, low);
                    Range(set, '-', '-');
                    continue;
                }

                if (high < low)
                {
                    Fail("range out of order in character class", _at - 1);
                    return;
                }

                Range(set, low, high.Value);
                continue;
            }

            Range(set, low, low);
        }

        _out.Append(set).Append(']');
    }

    /// <summary>One member of a class: its value, or null where it was a set (written already) or nothing.</summary>
    private int? Member(StringBuilder set)
    {
        char c = _pattern[_at++];
        if (c != '\\')
        {
            return c;
        }

        if (_at >= _pattern.Length)
        {
            Fail("\\ at end of pattern", _pattern.Length);
            return null;
        }

        c = _pattern[_at++];
        switch (c)
        {
            case 'd' or 'D' or 'w' or 'W' or 's' or 'S':
                set.Append('\\').Append(c);
                return null;
            case 'h' or 'v':
                set.Append(Blank(c));
                return null;
            case 'H' or 'V':
                Complement(set, c == 'H' ? [9, 32, 0xA0] : [10, 11, 12, 13, 0x85]);
                return null;
            case 'b':
                return 8;
            case 'Q':
                int end = _pattern.IndexOf("\\E", _at, StringComparison.Ordinal);
                end = end < 0 ? _pattern.Length : end;
                foreach (char q in _pattern[_at..end])
                {
                    Range(set, q, q);
                }

                _at = Math.Min(_pattern.Length, end + 2);
                return null;
            case 'E':
                return null;
            case 'B' or 'R' or 'X' or 'N':
                Fail("escape sequence is invalid in character class", _at);
                return null;
            default:
                return Character(c);
        }
    }

    /// <summary>Members of \h and \v.</summary>
    private static string Blank(char kind) => kind == 'h' ? "\\t\\u0020\\uE0A0" : "\\n\\u000B\\f\\r\\uE085";

    private static void Complement(StringBuilder set, ReadOnlySpan<int> without)
    {
        int from = 0;
        foreach (int w in without)
        {
            if (w > from)
            {
                Range(set, from, w - 1);
            }

            from = w + 1;
        }

        if (from <= 255)
        {
            Range(set, from, 255);
        }
    }

    private static void Range(StringBuilder set, int low, int high)
    {
        if (low < 0x80 && high >= 0x80)
        {
            Range(set, low, 0x7f);
            Range(set, 0x80, high);
            return;
        }

        int offset = low >= 0x80 ? HighBase : 0;
        set.Append(CultureInfo.InvariantCulture, $"\\u{low + offset:X4}");
        if (high > low)
        {
            set.Append(CultureInfo.InvariantCulture, $"-\\u{high + offset:X4}");
        }
    }

    private bool IsPosix() => _at + 1 < _pattern.Length && _pattern[_at + 1] == ':'
        && _pattern.IndexOf(":]", _at + 2, StringComparison.Ordinal) is var end and > 0
        && _pattern.AsSpan(_at + 2, end - _at - 2).TrimStart('^') is var name
        && !name.ContainsAnyExceptInRange('a', 'z') && !name.IsEmpty;

    /// <summary>Reads <c>[:name:]</c> into the class; false where it is none.</summary>
    private bool Posix(StringBuilder set)
    {
        if (!IsPosix())
        {
            return false;
        }

        int end = _pattern.IndexOf(":]", _at + 2, StringComparison.Ordinal);
        string name = _pattern[(_at + 2)..end];
        bool not = name[0] == '^';
        Func<int, bool>? member = name.TrimStart('^') switch
        {
            "alpha" => c => char.IsAsciiLetter((char)c),
            "lower" => c => char.IsAsciiLetterLower((char)c),
            "upper" => c => char.IsAsciiLetterUpper((char)c),
            "alnum" => c => char.IsAsciiLetterOrDigit((char)c),
            "ascii" => c => c < 128,
            "blank" => c => c is 32 or 9,
            "cntrl" => c => c is < 32 or 127,
            "digit" => c => char.IsAsciiDigit((char)c),
            "graph" => c => c is > 32 and < 127,
            "print" => c => c is >= 32 and < 127,
            "punct" => c => c is > 32 and < 127 && !char.IsAsciiLetterOrDigit((char)c),
            "space" => c => c is 32 or (>= 9 and <= 13),
            "word" => c => char.IsAsciiLetterOrDigit((char)c) || c == '_',
            "xdigit" => c => char.IsAsciiHexDigit((char)c),
            _ => null,
        };
        if (member is null)
        {
            Fail("unknown POSIX class name", _at + 2);
            return true;
        }

        for (int c = 0; c < 256; c++)
        {
            if (member(c) != not)
            {
                int from = c;
                while (c < 255 && member(c + 1) != not)
                {
                    c++;
                }

                Range(set, from, c);
            }
        }

        _at = end + 2;
        return true;
    }
}
