using System.Globalization;

namespace Buoy.Balancer.Rules.Patterns;

/// <content>Groups: capturing, named, look-around, conditions, inline flags, comments.</content>
internal sealed partial class RegexTranslator
{
    private readonly record struct Group(int Start, bool Extended);

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
