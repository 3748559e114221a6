using System.Globalization;
using System.Text;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>An error in a regular expression, in PCRE's words.</summary>
/// <param name="Text">What is wrong.</param>
/// <param name="Offset">Where, in bytes from the start.</param>
internal readonly record struct RegexError(string Text, int Offset);

/// <summary>
/// Turns a PCRE pattern over bytes into one for .NET's engine. Text is matched as characters of which those below 0x80
/// are ASCII and byte b from 0x80 on is U+E000+b, a private character: so <c>\w</c>, <c>\d</c>, <c>\s</c>, <c>\b</c>
/// and ignoring case concern ASCII only, as in PCRE without UTF. What PCRE has and .NET has not is rewritten (POSIX
/// classes, possessive quantifiers, <c>\Q…\E</c>, numbers of named groups, <c>\h</c>, <c>\R</c>) or refused by name
/// (recursion, branch reset, <c>\K</c>, <c>\C</c>, <c>\X</c>, verbs). Groups, escapes and classes have files of their
/// own; here are the walk over the pattern and its quantifiers.
/// </summary>
internal sealed partial class RegexTranslator
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
}
