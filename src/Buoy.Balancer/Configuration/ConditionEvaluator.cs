using System.Globalization;

namespace Buoy.Balancer.Configuration;

/// <summary>A condition that cannot be read; <see cref="Position"/> is the index of the trouble in its text.</summary>
internal sealed class ConditionException(string message, int position) : FormatException(message)
{
    public int Position { get; } = position;
}

/// <summary>
/// Conditions of <c>.if</c>, <c>.elif</c> and <c>-cc</c> (configuration manual 2.4): integers, predicates, <c>!</c>,
/// <c>&amp;&amp;</c>, <c>||</c>, parentheses. All of the text is parsed, what does not matter is not evaluated.
/// </summary>
internal sealed class ConditionEvaluator
{
    private const int MaxDepth = 1024;
    private static readonly int[] Version = [2, 6, 12];
    private static readonly HashSet<string> Features = new(
        ["ACCEPT4", "BACKTRACE", "EPOLL", "GETADDRINFO", "LINUX_SPLICE", "LINUX_TPROXY", "NS", "THREAD", "TFO", "TPROXY"],
        StringComparer.Ordinal);

    private readonly string _text;
    private readonly Func<string, string?> _variable;
    private int _at;
    private int _depth;

    private ConditionEvaluator(string text, Func<string, string?> variable) => (_text, _variable) = (text, variable);

    /// <summary>Evaluates words as a line of a file has them, or one of the command line: see <see cref="Words"/>.</summary>
    /// <exception cref="ConditionException">The expression is wrong.</exception>
    public static bool Evaluate(string text, Func<string, string?> variable)
    {
        if (text.Length == 0)
        {
            return false;
        }

        var e = new ConditionEvaluator(text, variable);
        bool value = e.Or();
        return e.Skip() == text.Length ? value : throw new ConditionException(
            $"unexpected character '{text[e._at]}' at the end of conditional expression '{text}'", e._at);
    }

    /// <summary>The text of <c>-cc</c> as a line of a file would give it: quotes, escapes and variables resolved.</summary>
    public static string Words(string text, Func<string, string?> variable)
    {
        var (words, error, position) = LineReader.Split(text, variable);
        return error is null ? string.Join(' ', words) : throw new ConditionException(error, position);
    }

    private bool Or()
    {
        int start = Skip();
        bool value = And();
        while (Take("||"))
        {
            Require(start);
            value |= And();
        }

        return value;
    }

    private bool And()
    {
        bool value = Term();
        while (Skip() is var start && Take("&&"))
        {
            Require(start);
            value &= Term();
        }

        return value;
    }

    /// <summary>Something must follow; the message shows the text from <paramref name="start"/>.</summary>
    private void Require(int start)
    {
        if (Skip() == _text.Length)
        {
            throw Unparsable(start);
        }
    }

    private ConditionException Unparsable(int start) =>
        new($"unparsable conditional expression '{_text[start..]}'", start);

    private bool Term()
    {
        int start = Skip();
        if (++_depth > MaxDepth)
        {
            throw new ConditionException("conditional expression nested too deeply", start);
        }

        bool negated = false;
        while (Take("!"))
        {
            negated = !negated;
            Skip();
        }

        bool value;
        int open = _at;
        if (Take("("))
        {
            Require(start);
            value = Or();
            if (!Take(")"))
            {
                throw new ConditionException($"expected ')' after conditional expression '{_text[open..]}'", open);
            }
        }
        else
        {
            value = Integer() ?? Predicate() ?? throw Unparsable(start);
        }

        _depth--;
        return value != negated;
    }

    private bool? Integer()
    {
        int at = _at;
        at += at < _text.Length && _text[at] is '+' or '-' ? 1 : 0;
        int digits = at;
        bool hex = at + 2 < _text.Length && _text[at] == '0' && _text[at + 1] is 'x' or 'X' && char.IsAsciiHexDigit(_text[at + 2]);
        at += hex ? 2 : 0;
        bool zero = true;
        int first = at;
        for (; at < _text.Length && (hex ? char.IsAsciiHexDigit(_text[at]) : char.IsAsciiDigit(_text[at])); at++)
        {
            zero &= _text[at] == '0';
        }

        if (at == first || at == digits)
        {
            return null;
        }

        _at = at;
        return !zero;
    }

    private bool? Predicate()
    {
        int start = _at;
        int end = start;
        while (end < _text.Length && (char.IsAsciiLetterOrDigit(_text[end]) || _text[end] == '_'))
        {
            end++;
        }

        string name = _text[start..end];
        int wanted = name switch
        {
            "streq" or "strneq" => 2,
            "defined" or "feature" or "version_atleast" or "version_before" or "openssl_version_atleast"
                or "openssl_version_before" or "ssllib_name_startswith" => 1,
            _ => 0,
        };
        if (wanted == 0)
        {
            return null;
        }

        _at = end;
        var arguments = new List<string>();
        if (end < _text.Length && _text[end] == '(')
        {
            arguments = Arguments(name, wanted);
        }

        if (wanted == 2 && arguments.Count < 2)
        {
            throw new ConditionException($"missing arguments (got {Math.Max(1, arguments.Count)}/2), type 'string' expected in "
                + $"argument 1 of predicate '{name}' used in conditional expression", start);
        }

        string a = arguments.Count > 0 ? arguments[0] : "";
        return name switch
        {
            "defined" => a.Length > 0 && _variable(a) is not null,
            "feature" => a.Length == 0 || Features.Contains(a),
            "streq" => a == arguments[1],
            "strneq" => a != arguments[1],
            "version_atleast" => Compare(a) <= 0,
            "version_before" => Compare(a) > 0,
            _ => false, // no TLS library
        };
    }

    /// <summary>The arguments in parentheses, with the quotes and escapes of keyword arguments (manual 2.2).</summary>
    private List<string> Arguments(string name, int most)
    {
        int start = _at;
        var found = new List<string>();
        var one = new System.Text.StringBuilder();
        char quote = '\0';
        for (_at++; _at < _text.Length; _at++)
        {
            char c = _text[_at];
            if (quote != '\0' && c == quote)
            {
                quote = '\0';
            }
            else if (quote == '\'')
            {
                one.Append(c);
            }
            else if (c == '\\' && _at + 1 < _text.Length && _text[_at + 1] is '\\' or '"' or '\'' or ' ' or ',' or ')' or '(')
            {
                one.Append(_text[++_at]);
            }
            else if (quote == '\0' && c is '"' or '\'')
            {
                quote = c;
            }
            else if (quote == '\0' && c is ',' or ')' && quote == '\0')
            {
                found.Add(one.ToString());
                one.Clear();
                if (c == ')')
                {
                    _at++;
                    return found;
                }

                if (found.Count == most)
                {
                    break;
                }
            }
            else
            {
                one.Append(c);
            }
        }

        if (found.Count < most)
        {
            found.Add(one.ToString());
        }

        if (found.Count < most)
        {
            return [];
        }

        string before = _at < _text.Length ? $" before '{_text[_at..]}'" : "";
        throw new ConditionException(
            $"expected ')'{before} in argument 1 of predicate '{name}' used in conditional expression", start);
    }

    /// <summary>Order of the given version against ours; what is no number counts as 0.</summary>
    private static int Compare(string version)
    {
        string[] parts = version.Split('-')[0].Split('.');
        for (int i = 0; i < Version.Length; i++)
        {
            int n = i < parts.Length && int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out int p) ? p : 0;
            if (n != Version[i])
            {
                return n.CompareTo(Version[i]);
            }
        }

        return 0;
    }

    private int Skip()
    {
        while (_at < _text.Length && _text[_at] is ' ' or '\t')
        {
            _at++;
        }

        return _at;
    }

    private bool Take(string token)
    {
        Skip();
        if (!_text.AsSpan(_at).StartsWith(token, StringComparison.Ordinal))
        {
            return false;
        }

        _at += token.Length;
        return true;
    }
}
