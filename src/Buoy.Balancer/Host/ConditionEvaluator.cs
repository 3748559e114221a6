using System.Globalization;

namespace Buoy.Balancer.Host;

/// <summary>Conditions of <c>-cc</c> (configuration manual 2.4): integers, functions, <c>!</c>, <c>&amp;&amp;</c>, <c>||</c>, parentheses.</summary>
internal sealed class ConditionEvaluator
{
    private const int MaxDepth = 64;
    private static readonly int[] Version = [2, 6, 12];
    private static readonly HashSet<string> Features =
        new(["EPOLL", "GETADDRINFO", "LINUX_SPLICE", "LINUX_TPROXY", "NS", "TFO", "THREAD", "BACKTRACE"], StringComparer.Ordinal);

    private readonly string _text;
    private readonly Func<string, string?> _variable;
    private int _at;
    private int _depth;

    private ConditionEvaluator(string text, Func<string, string?> variable) => (_text, _variable) = (text, variable);

    /// <summary>Throws <see cref="FormatException"/> where the expression is wrong.</summary>
    public static bool Evaluate(string text, Func<string, string?> variable)
    {
        var e = new ConditionEvaluator(text, variable);
        if (text.Trim().Length == 0)
        {
            return false;
        }

        bool value = e.Or();
        return e.Skip() == e._text.Length ? value
            : throw new FormatException($"unparsable conditional expression '{e._text[e._at..]}'");
    }

    private bool Or()
    {
        bool value = And();
        while (Take("||"))
        {
            value |= And();
        }

        return value;
    }

    private bool And()
    {
        bool value = Term();
        while (Take("&&"))
        {
            value &= Term();
        }

        return value;
    }

    private bool Term()
    {
        if (++_depth > MaxDepth)
        {
            throw new FormatException("conditional expression nested too deeply");
        }

        try
        {
            if (Take("!"))
            {
                return !Term();
            }

            if (Take("("))
            {
                bool inner = Or();
                return Take(")") ? inner : throw new FormatException($"unmatched '(' in '{_text}'");
            }

            return Word();
        }
        finally
        {
            _depth--;
        }
    }

    private bool Word()
    {
        int start = Skip();
        while (_at < _text.Length && (char.IsAsciiLetterOrDigit(_text[_at]) || _text[_at] is '_' or '-' or '+'))
        {
            _at++;
        }

        string word = _text[start.._at];
        if (_at < _text.Length && _text[_at] == '(')
        {
            int close = _text.IndexOf(')', _at);
            if (close < 0)
            {
                throw new FormatException($"unterminated argument list in '{_text[start..]}'");
            }

            string[] arguments = _text[(_at + 1)..close].Split(',');
            _at = close + 1;
            return Function(word, arguments);
        }

        return word switch
        {
            "true" => true, "false" => false,
            _ when long.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long n) => n != 0,
            _ => throw new FormatException($"unparsable conditional expression '{_text[start..]}'"),
        };
    }

    private bool Function(string name, string[] arguments)
    {
        string first = arguments[0].Trim();
        switch (name)
        {
            case "defined":
                return _variable(first) is not null;
            case "feature":
                return Features.Contains(first);
            case "streq" or "strneq" when arguments.Length == 2:
                return (first == arguments[1].Trim()) == (name == "streq");
            case "version_atleast" or "version_before":
                return Compare(first) <= 0 == (name == "version_atleast");
            case "openssl_version_atleast" or "openssl_version_before" or "ssllib_name_startswith":
                return false;
            default:
                throw new FormatException($"unknown conditional function '{name}'");
        }
    }

    /// <summary>Order of the given version against ours.</summary>
    private static int Compare(string version)
    {
        string[] parts = version.Split('-')[0].Split('.');
        for (int i = 0; i < Version.Length; i++)
        {
            int n = i < parts.Length && int.TryParse(parts[i], out int p) ? p
                : i < parts.Length && parts[i].Length > 0 && !char.IsAsciiDigit(parts[i][0])
                    ? throw new FormatException($"unparsable version '{version}'") : 0;
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
