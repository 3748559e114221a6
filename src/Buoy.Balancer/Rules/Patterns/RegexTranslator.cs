using System.Globalization;
using System.Text;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>An error in a regular expression, in PCRE's words.</summary>
/// <param name="Text">What is wrong.</param>
/// <param name="Offset">Where, in bytes from the start.</param>
internal readonly record struct RegexError(string Text, int Offset);

/// <summary>
/// Turns a PCRE pattern over bytes into one for .NET's engine. Text is matched as characters of which those below 0x80
/// are
/// ASCII and byte b from 0x80 on is U+E000+b, a private character: so <c>\w</c>, <c>\d</c>, <c>\s</c>, <c>\b</c> and
/// ignoring case concern ASCII only, as in PCRE without UTF. What PCRE has and .NET has not is rewritten (POSIX
/// classes,
/// possessive quantifiers, <c>\Q…\E</c>, numbers of named groups, <c>\h</c>, <c>\R</c>) or refused by name (recursion,
/// branch reset, <c>\K</c>, <c>\C</c>, <c>\X</c>, verbs).
/// </summary>
internal sealed class RegexTranslator
{
    /// <summary>Character of byte 0: bytes from 0x80 on are this plus their value.</summary>
    public const char HighBase = '\uE000';

    private const string Missing = "missing closing parenthesis";
    private readonly string _pattern;
    private readonly StringBuilder _out = new();
    private readonly Stack<Group> _open = new();
    private readonly Dictionary<string, int> _names = new(StringComparer.Ordinal);
    private readonly int _totalGroups;
    private readonly bool _capture;
    private int _at;
    private int _groups;
    private bool _extended;

    /// <summary>Where the last atom begins in the output, -1 = nothing to repeat.</summary>
    private int _atom = -1;

    /// <summary>The last atom has a quantifier already.</summary>
    private bool _quantified;
    private RegexError? _error;

    private RegexTranslator(string pattern, bool capture)
    {
        _pattern = pattern;
        _capture = capture;
        _totalGroups = CountGroups(pattern, capture);
    }

    private readonly record struct Group(int Start, bool Extended);

    /// <summary>The .NET pattern, or null and what is wrong.</summary>
    /// <param name="pattern">Bytes as Latin-1 characters.</param>
    /// <param name="capture">False: plain groups have no number, as where the original does not use them.</param>
    /// <param name="error">What is wrong.</param>
    public static string? Translate(string pattern, bool capture, out RegexError error)
    {
        var t = new RegexTranslator(pattern, capture);
        t.Run();
        error = t._error ?? default;
        return t._error is null ? t._out.ToString() : null;
    }

    private void Run()
    {
        while (_at < _pattern.Length && _error is null)
        {
            Next();
        }

        if (_error is null && _open.Count > 0)
        {
            Fail(Missing, _pattern.Length);
        }
    }

    private void Next()
    {
        char c = _pattern[_at];
        switch (c)
        {
            case '\\':
                Escape();
                break;
            case '[':
                Begin();
                Class();
                break;
            case '(':
                Open();
                break;
            case ')':
                Close();
                break;
            case '*' or '+' or '?':
                _at++;
                Quantify(c.ToString());
                break;
            case '{':
                Brace();
                break;
            case '|' or '^':
                _at++;
                _atom = -1;
                _out.Append(c);
                break;
            case ' ' or '\t' or '\n' or '\r' or '\f' or '\v' when _extended:
                _at++;
                break;
            case '#' when _extended:
                while (_at < _pattern.Length && _pattern[_at] != '\n')
                {
                    _at++;
                }

                break;
            case '.' or '$':
                Begin();
                _at++;
                _out.Append(c);
                break;
            default:
                Begin();
                _at++;
                Literal(c);
                break;
        }
    }

    private void Begin()
    {
        _atom = _out.Length;
        _quantified = false;
    }

    private void Fail(string text, int offset) => _error ??= new RegexError(text, offset);

    private void Literal(int value)
    {
        if (value < 0x80 && char.IsAsciiLetterOrDigit((char)value))
        {
            _out.Append((char)value);
        }
        else
        {
            _out.Append(CultureInfo.InvariantCulture, $"\\u{(value < 0x80 ? value : HighBase + value):X4}");
        }
    }

    private void Open()
    {
        int start = _out.Length;
        int from = _at;
        var group = new Group(start, _extended);
        string rest = _pattern[(_at + 1)..];
        if (rest.StartsWith("?#", StringComparison.Ordinal))
        {
            int end = _pattern.IndexOf(')', _at);
            if (end < 0)
            {
                Fail("missing ) following (?# comment", _pattern.Length);
                return;
            }

            _at = end + 1;
            return;
        }

        if (rest.StartsWith('*'))
        {
            Fail("verbs (*…) are not supported", from + 1);
            return;
        }

        if (!rest.StartsWith('?'))
        {
            _groups += _capture ? 1 : 0;
            _at++;
            Push(_capture ? "(" : "(?:");
            return;
        }

        foreach (string plain in (ReadOnlySpan<string>)["?:", "?=", "?!", "?<=", "?<!", "?>"])
        {
            if (rest.StartsWith(plain, StringComparison.Ordinal))
            {
                _at += 1 + plain.Length;
                Push("(" + plain);
                return;
            }
        }

        if (Name(rest) is { } name)
        {
            _groups++;
            _names.TryAdd(name, _groups);
            _at += 1 + rest.IndexOf(rest.StartsWith("?'", StringComparison.Ordinal) ? '\'' : '>', 2) + 1;
            Push("(");
            return;
        }

        if (rest.StartsWith("?P=", StringComparison.Ordinal) && rest.IndexOf(')') is var close and > 0)
        {
            Begin();
            _at += close + 2;
            Reference(rest[3..close], _at - close + 2);
            return;
        }

        if (rest.StartsWith("?<", StringComparison.Ordinal) || rest.StartsWith("?P<", StringComparison.Ordinal))
        {
            Fail("syntax error in subpattern name (missing terminator?)", _pattern.Length);
            return;
        }

        Special(rest);

        void Push(string text)
        {
            _open.Push(group);
            _out.Append(text);
            _atom = -1;
        }
    }

    /// <summary>Inline flags, conditions, and what is not supported.</summary>
    private void Special(string rest)
    {
        int i = 1;
        while (i < rest.Length && (char.IsAsciiLetter(rest[i]) || rest[i] is '-' or '^'))
        {
            i++;
        }

        string flags = rest[1..i];
        char end = i < rest.Length ? rest[i] : '\0';
        if (end is ')' or ':' && flags.All(c => c is 'i' or 'm' or 's' or 'x' or 'n' or '-'))
        {
            var group = new Group(_out.Length, _extended);
            int minus = flags.IndexOf('-');
            bool on = flags.IndexOf('x') is var x and >= 0 && (minus < 0 || x < minus);
            _extended = on || (_extended && !flags.Contains('x'));
            _at += i + 2;
            string kept = flags.Replace("x", "", StringComparison.Ordinal).TrimEnd('-');
            if (end == ':')
            {
                _open.Push(group);
                _out.Append("(?").Append(kept).Append(':');
            }
            else if (kept.Length > 0)
            {
                _out.Append("(?").Append(kept).Append(')');
            }

            _atom = -1;
            return;
        }

        if (rest.StartsWith("?(", StringComparison.Ordinal) && rest.IndexOf(')') is var close and > 0)
        {
            string condition = rest[2..close];
            string name = condition.Trim('<', '>', '\'');
            int number = int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? n
                : _names.GetValueOrDefault(name, -1);
            if (number > 0)
            {
                _open.Push(new Group(_out.Length, _extended));
                _out.Append(CultureInfo.InvariantCulture, $"(?({number})");
                _at += close + 2;
                _atom = -1;
                return;
            }
        }

        string what = rest.Length < 2 ? Missing : rest[1] switch
        {
            'R' or '&' or '+' or '-' or (>= '0' and <= '9') => "recursion (?R), (?1), (?&name) is not supported",
            'P' when rest.Length > 2 && rest[2] == '>' => "recursion (?P>name) is not supported",
            '|' => "branch reset (?| is not supported",
            '(' => "this condition (?(…) is not supported",
            'C' => "callouts (?C) are not supported",
            _ => "unrecognized character after (? or (?-",
        };
        Fail(what, _at + 2);
    }

    private static string? Name(string rest)
    {
        int start = rest.StartsWith("?P<", StringComparison.Ordinal) ? 3
            : rest.StartsWith("?<", StringComparison.Ordinal) || rest.StartsWith("?'", StringComparison.Ordinal) ? 2
                : 0;
        if (start == 0)
        {
            return null;
        }

        int end = rest.IndexOf(rest[start - 1] == '\'' ? '\'' : '>', start);
        return end > start ? rest[start..end] : null;
    }

    private void Close()
    {
        if (!_open.TryPop(out var group))
        {
            Fail("unmatched closing parenthesis", _at);
            return;
        }

        _at++;
        _out.Append(')');
        _extended = group.Extended;
        _atom = group.Start;
        _quantified = false;
    }

    private void Brace()
    {
        int i = _at + 1;
        int digits = i;
        while (i < _pattern.Length && char.IsAsciiDigit(_pattern[i]))
        {
            i++;
        }

        bool number = i > digits;
        if (number && i < _pattern.Length && _pattern[i] == ',')
        {
            i++;
            while (i < _pattern.Length && char.IsAsciiDigit(_pattern[i]))
            {
                i++;
            }
        }

        if (!number || i >= _pattern.Length || _pattern[i] != '}')
        {
            Begin();
            _at++;
            Literal('{');
            return;
        }

        string text = _pattern[_at..(i + 1)];
        string[] parts = text[1..^1].Split(',');
        if (parts.Any(p => p.Length > 0 && (p.Length > 5 || int.Parse(p, CultureInfo.InvariantCulture) > 65535)))
        {
            Fail("number too big in {} quantifier", i);
        }
        else if (parts.Length == 2 && parts[1].Length > 0
            && int.Parse(parts[0], CultureInfo.InvariantCulture) > int.Parse(parts[1], CultureInfo.InvariantCulture))
        {
            Fail("numbers out of order in {} quantifier", i);
        }

        _at = i + 1;
        Quantify(text);
    }

    private void Quantify(string quantifier)
    {
        if (_atom < 0 || _quantified)
        {
            Fail("quantifier does not follow a repeatable item", _at - 1);
            return;
        }

        char mode = _at < _pattern.Length ? _pattern[_at] : '\0';
        if (mode == '+')
        {
            _out.Insert(_atom, "(?>").Append(quantifier).Append(')');
        }
        else
        {
            _out.Append(quantifier).Append(mode == '?' ? "?" : "");
        }

        _at += mode is '+' or '?' ? 1 : 0;
        _quantified = true;
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

    /// <summary>Members of \h and \v.</summary>
    private static string Blank(char kind) => kind == 'h' ? "\\t\\u0020\\uE0A0" : "\\n\\u000B\\f\\r\\uE085";

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

    /// <summary>Capturing groups of the whole pattern: a reference may come before its group.</summary>
    private static int CountGroups(string pattern, bool capture)
    {
        int count = 0;
        bool inClass = false;
        for (int i = 0; i < pattern.Length; i++)
        {
            char c = pattern[i];
            if (c == '\\')
            {
                i++;
            }
            else if (inClass)
            {
                inClass = c != ']';
            }
            else if (c == '[')
            {
                inClass = true;
                i += i + 1 < pattern.Length && pattern[i + 1] == '^' ? 1 : 0;
                i += i + 1 < pattern.Length && pattern[i + 1] == ']' ? 1 : 0;
            }
            else if (c == '(')
            {
                string rest = pattern[(i + 1)..];
                count += (!rest.StartsWith('?') && capture) || (rest.StartsWith('?') && Name(rest) is not null
                    && !rest.StartsWith("?<=", StringComparison.Ordinal)
                        && !rest.StartsWith("?<!", StringComparison.Ordinal)) ? 1 : 0;
            }
        }

        return count;
    }
}
