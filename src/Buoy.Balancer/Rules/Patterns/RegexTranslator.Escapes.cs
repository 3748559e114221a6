using System.Globalization;

namespace Buoy.Balancer.Rules.Patterns;

/// <content>What stands behind a backslash outside a class, references to groups among it.</content>
internal sealed partial class RegexTranslator
{
    private void Escape()
    {
        if (_at + 1 >= _pattern.Length)
        {
            Fail("\\ at end of pattern", _pattern.Length);
            return;
        }

        char c = _pattern[_at + 1];
        Begin();
        _at += 2;
        switch (c)
        {
            case 'Q':
                Quoted();
                break;
            case 'E':
                _atom = -1;
                break;
            case 'd' or 'D' or 'w' or 'W' or 's' or 'S':
                _out.Append('\\').Append(c);
                break;
            case 'b' or 'B' or 'A' or 'Z' or 'z' or 'G':
                _out.Append('\\').Append(c);
                _atom = -1;
                break;
            case 'h' or 'H' or 'v' or 'V' or 'N':
                _out.Append(c == 'N' ? "[^\\n]" : char.IsLower(c) ? $"[{Blank(c)}]"
                    : $"[^{Blank(char.ToLowerInvariant(c))}]");
                break;
            case 'R':
                _out.Append("(?>\\r\\n|[").Append(Blank('v')).Append("])");
                break;
            case 'g' or 'k':
                NamedReference(c);
                break;
            case >= '1' and <= '9' when DecimalReference() is { } number:
                Reference(number, _at - number.Length);
                break;
            case 'K' or 'C' or 'X':
                Fail($"\\{c} is not supported", _at);
                break;
            case 'p' or 'P':
                Property(c);
                break;
            default:
                if (Character(c) is { } value)
                {
                    Literal(value);
                }

                break;
        }
    }

    private void Quoted()
    {
        int end = _pattern.IndexOf("\\E", _at, StringComparison.Ordinal);
        string text = end < 0 ? _pattern[_at..] : _pattern[_at..end];
        foreach (char c in text)
        {
            Begin();
            Literal(c);
        }

        _atom = text.Length == 0 ? -1 : _atom;
        _at = end < 0 ? _pattern.Length : end + 2;
    }

    private void Property(char c)
    {
        int end = _at < _pattern.Length && _pattern[_at] == '{' ? _pattern.IndexOf('}', _at) : -1;
        string name = end > 0 ? _pattern[(_at + 1)..end] : _at < _pattern.Length ? _pattern[_at].ToString() : "";
        if (name.Length is 0 or > 2 || !name.All(char.IsAsciiLetter))
        {
            Fail("unknown property name after \\P or \\p", _at);
            return;
        }

        _at = end > 0 ? end + 1 : _at + 1;
        _out.Append('\\').Append(c).Append('{').Append(name).Append('}');
    }

    private void Reference(string name, int from)
    {
        int number = int.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int n)
            ? (n < 0 ? _groups + 1 + n : n) : _names.GetValueOrDefault(name, -1);
        if (number <= 0 || number > _totalGroups)
        {
            Fail("reference to non-existent subpattern", from);
            return;
        }

        _out.Append(CultureInfo.InvariantCulture, $"(?:\\{number})");
    }

    private void NamedReference(char c)
    {
        char open = _at < _pattern.Length ? _pattern[_at] : '\0';
        char close = open switch { '{' => '}', '<' => '>', '\'' => '\'', _ => '\0' };
        if (c == 'g' && (close is '>' or '\''))
        {
            Fail("recursion \\g<name> is not supported", _at);
            return;
        }

        if (close != '\0' && _pattern.IndexOf(close, _at + 1) is var end and > 0)
        {
            string name = _pattern[(_at + 1)..end];
            int from = _at;
            _at = end + 1;
            Reference(name, from);
            return;
        }

        int i = _at + (open is '-' or '+' ? 1 : 0);
        while (c == 'g' && i < _pattern.Length && char.IsAsciiDigit(_pattern[i]))
        {
            i++;
        }

        if (i == _at)
        {
            Fail("a numbered reference must not be zero", _at);
            return;
        }

        string number = _pattern[_at..i];
        _at = i;
        Reference(number, i - number.Length);
    }

    /// <summary>The number behind a backslash, where it is a reference and no octal character.</summary>
    private string? DecimalReference()
    {
        int i = _at;
        while (i < _pattern.Length && char.IsAsciiDigit(_pattern[i]))
        {
            i++;
        }

        string digits = _pattern[(_at - 1)..i];
        bool reference = digits.Length == 1
            || (int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int n) && n <= _totalGroups);
        _at = reference ? i : _at;
        return reference ? digits : null;
    }

    /// <summary>Value of an escaped character (the position is behind <paramref name="c"/>); null after an
    /// error.</summary>
    private int? Character(char c)
    {
        switch (c)
        {
            case 'a':
                return 7;
            case 'e':
                return 27;
            case 'f':
                return 12;
            case 'n':
                return 10;
            case 'r':
                return 13;
            case 't':
                return 9;
            case 'c' when _at < _pattern.Length:
                return char.ToUpperInvariant(_pattern[_at++]) ^ 64;
            case 'x':
                return Hexadecimal();
            case 'o' when _at < _pattern.Length && _pattern[_at] == '{':
                return Braced(8);
            case >= '0' and <= '7':
                int value = c - '0';
                for (int i = 0; i < 2 && _at < _pattern.Length && _pattern[_at] is >= '0' and <= '7'; i++)
                {
                    value = (value * 8) + _pattern[_at++] - '0';
                }

                return value & 0xff;
            case var _ when char.IsAsciiLetterOrDigit(c):
                Fail(c is 'l' or 'u' or 'L' or 'U' ? "PCRE2 does not support \\F, \\L, \\l, \\N{name}, \\U, or \\u"
                    : "unrecognized character follows \\", _at - 1);
                return null;
            default:
                return c;
        }
    }

    private int? Hexadecimal()
    {
        if (_at < _pattern.Length && _pattern[_at] == '{')
        {
            return Braced(16);
        }

        int value = 0;
        for (int i = 0; i < 2 && _at < _pattern.Length && char.IsAsciiHexDigit(_pattern[_at]); i++)
        {
            value = (value * 16) + Convert.ToInt32(_pattern[_at++].ToString(), 16);
        }

        return value;
    }

    private int? Braced(int radix)
    {
        int end = _pattern.IndexOf('}', _at);
        int value = 0;
        if (end < 0 || end == _at + 1)
        {
            Fail("missing terminating } or no digits", _at);
            return null;
        }

        for (int i = _at + 1; i < end; i++)
        {
            int digit = char.IsAsciiHexDigit(_pattern[i]) ? Convert.ToInt32(_pattern[i].ToString(), 16) : 99;
            value = (value * radix) + digit;
            if (digit >= radix || value > 255)
            {
                Fail(digit >= radix ? "non-hex or non-octal character in {}"
                    : "character code point value in \\x{} or \\o{} is too large", i);
                return null;
            }
        }

        _at = end + 1;
        return value;
    }
}
