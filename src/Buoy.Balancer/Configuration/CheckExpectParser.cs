using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Health;

namespace Buoy.Balancer.Configuration;

/// <summary><c>tcp-check expect</c> and <c>http-check expect</c> (configuration manual 4.2).</summary>
internal sealed class CheckExpectParser(ParseContext context, CheckFormats formats, bool http)
{
    /// <summary>A pattern that takes longer than this on a reply counts as no match: a check must not stop the others.</summary>
    private static readonly TimeSpan MatchLimit = TimeSpan.FromMilliseconds(200);

    private CheckExpect? _pattern;
    private CheckExpect _options = new(CheckMatch.Anything);
    private int _at = 2;

    public CheckExpect Parse()
    {
        if (context[2].Length == 0)
        {
            throw new ConfigurationException("expects at least a matching pattern as arguments.");
        }

        for (; _at < context.Words.Count; _at++)
        {
            string word = context[_at];
            bool inverse = word.StartsWith('!');
            if (inverse)
            {
                word = word.Length > 1 ? word[1..] : context[++_at];
                word = word == "!" ? "" : word;
            }

            if (!inverse && Option(word))
            {
                continue;
            }

            Pattern(word, inverse);
        }

        if (_pattern is null)
        {
            throw new ConfigurationException("pattern not found.");
        }

        var o = _options;
        return _pattern with
        {
            Comment = o.Comment, MinRecv = o.MinRecv, OkStatus = o.OkStatus, ErrorStatus = o.ErrorStatus,
            TimeoutStatus = o.TimeoutStatus, OnSuccess = o.OnSuccess, OnError = o.OnError, CodeExpression = o.CodeExpression,
        };
    }

    private bool Option(string word)
    {
        switch (word)
        {
            case "comment":
                _options = _options with { Comment = Argument(word, "string") };
                return true;
            case "min-recv":
                long least = Units.Atol(Argument(word, "integer"), out _);
                _options = least is >= -1 and <= int.MaxValue ? _options with { MinRecv = (int)least }
                    : throw new ConfigurationException("'min-recv' expects -1 or an integer from 0 to INT_MAX.");
                return true;
            case "ok-status":
                _options = _options with
                {
                    OkStatus = Status(word, "'L4OK', 'L6OK', 'L7OK' or 'L7OKC'",
                        CheckStatus.L4Ok, CheckStatus.L6Ok, CheckStatus.L7Ok, CheckStatus.L7OkConditional),
                };
                return true;
            case "error-status":
                _options = _options with
                {
                    ErrorStatus = Status(word, "'L4CON', 'L6RSP', 'L7RSP' or 'L7STS'", CheckStatus.L4Connect,
                        CheckStatus.L6Response, CheckStatus.L7Response, CheckStatus.L7Status, CheckStatus.L7OkConditional),
                };
                return true;
            case "tout-status":
                _options = _options with
                {
                    TimeoutStatus = Status(word, "'L4TOUT', 'L6TOUT' or 'L7TOUT'",
                        CheckStatus.L4Timeout, CheckStatus.L6Timeout, CheckStatus.L7Timeout),
                };
                return true;
            case "on-success":
                _options = _options with { OnSuccess = Format(Argument(word, "string")) };
                return true;
            case "on-error":
                _options = _options with { OnError = Format(Argument(word, "string")) };
                return true;
            case "status-code":
                _options = _options with { CodeExpression = formats.Expression(Argument(word, "expression"), word) };
                return true;
            default:
                return false;
        }
    }

    private string Argument(string word, string kind)
    {
        string a = context[++_at];
        string article = kind == "expression" ? "an" : "a";
        return a.Length > 0 ? a : throw new ConfigurationException($"'{word}' expects {article} {kind} as argument.");
    }

    private CheckStatus Status(string word, string names, params CheckStatus[] allowed)
    {
        string a = Argument(word, "string");
        foreach (var s in allowed)
        {
            if (s.Code().Equals(a, StringComparison.OrdinalIgnoreCase))
            {
                return s;
            }
        }

        throw new ConfigurationException($"'{word}' only supports {names} status (got '{a}')..");
    }

    private void Pattern(string word, bool inverse)
    {
        bool known = word is "string" or "rstring" or "string-lf" or "custom"
            || (http ? word is "status" or "rstatus" or "hdr" or "fhdr" : word is "binary" or "rbinary" or "binary-lf");
        if (!known)
        {
            throw new ConfigurationException(http
                ? "'only supports min-recv, [!]string', '[!]rstring', '[!]string-lf', '[!]status', '[!]rstatus', [!]hdr, "
                    + $"[!]fhdr or comment but got '{word}' as argument.."
                : "'only supports min-recv, '[!]binary', '[!]string', '[!]rstring', '[!]string-lf''[!]rbinary', "
                    + $"'[!]binary-lf' or comment but got '{word}' as argument..");
        }

        if (_pattern is not null)
        {
            throw new ConfigurationException("only on pattern expected.");
        }

        if (word == "custom")
        {
            _pattern = new CheckExpect(CheckMatch.Anything) { Inverse = inverse };
            return;
        }

        if (word is "hdr" or "fhdr")
        {
            _pattern = Header(word) with { Inverse = inverse };
            return;
        }

        string a = context[++_at];
        if (a.Length == 0)
        {
            throw new ConfigurationException($"'{word}' expects a <pattern> as argument.");
        }

        _pattern = Simple(word, a) with { Inverse = inverse, Text = a };
    }

    private CheckExpect Simple(string word, string a)
    {
        switch (word)
        {
            case "string":
                return new CheckExpect(CheckMatch.String) { Pattern = Encoding.Latin1.GetBytes(a) };
            case "rstring":
                return new CheckExpect(CheckMatch.Regex) { Regex = Compile(a) };
            case "rbinary":
                return new CheckExpect(CheckMatch.BinaryRegex) { Regex = Compile(a) };
            case "rstatus":
                return new CheckExpect(CheckMatch.StatusRegex) { Regex = Compile(a) };
            case "status":
                return new CheckExpect(CheckMatch.Status) { Codes = Codes(a) };
            case "binary":
                return new CheckExpect(CheckMatch.Binary)
                {
                    Pattern = CheckRuleParser.Hex(a, out string wrong)
                        ?? throw new ConfigurationException($"invalid binary string ({wrong})."),
                };
            default: // string-lf, binary-lf
                return new CheckExpect(word == "string-lf" ? CheckMatch.String : CheckMatch.Binary) { PatternText = Format(a) };
        }
    }

    private CheckText Format(string text) => formats.Text(text, text);

    private static Regex Compile(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.CultureInvariant, MatchLimit);
        }
        catch (ArgumentException e)
        {
            throw new ConfigurationException($"regex '{pattern}' is invalid ({e.Message.ReplaceLineEndings(" ")}).");
        }
    }

    private static List<(int From, int To)> Codes(string text)
    {
        var codes = new List<(int, int)>();
        foreach (char c in text)
        {
            if (!char.IsAsciiDigit(c) && c is not ('-' or ','))
            {
                throw new ConfigurationException($"invalid character '{c}' in the list of status codes.");
            }
        }

        foreach (string part in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] ends = part.Split('-');
            int from = Units.Atoi(ends[0]), to = ends.Length > 1 ? Units.Atoi(ends[1]) : from;
            if (ends.Length > 2 || ends.Any(e => e.Length == 0) || to < from)
            {
                throw new ConfigurationException($"invalid range of status codes '{part}'.");
            }

            codes.Add((from, to));
        }

        return codes;
    }

    private CheckExpect Header(string word)
    {
        string kind = context[++_at];
        if (kind is not ("name" or "name-lf") || context[_at + 1].Length == 0)
        {
            throw new ConfigurationException($"'{word}' expects at the name keyword as first argument followed by a pattern.");
        }

        var name = Part(word, kind, "name", null);
        HeaderPattern? value = null;
        if (context[_at + 1] is "value" or "value-lf")
        {
            value = Part(word, context[++_at], "value", name.Text.Text);
        }

        return new CheckExpect(word == "hdr" ? CheckMatch.Header : CheckMatch.FullHeader) { Name = name, Value = value };
    }

    /// <param name="shown">What a message about a format shows; the original shows the name also for the value.</param>
    private HeaderPattern Part(string word, string kind, string part, string? shown)
    {
        string method = "str";
        string a = context[++_at];
        if (a == "-m")
        {
            method = context[++_at];
            if (method.Length == 0)
            {
                throw new ConfigurationException(
                    $"'{word}' : '-m' expects at a matching pattern ('str', 'beg', 'end', 'sub' or 'reg').");
            }

            if (method is not ("str" or "beg" or "end" or "sub" or "reg"))
            {
                throw new ConfigurationException(
                    $"'{word}' : '-m' only supports 'str', 'beg', 'end', 'sub' or 'reg' (got '{method}').");
            }

            a = context[++_at];
        }

        if (a.Length == 0)
        {
            throw new ConfigurationException($"'{word}' expect a pattern with the {part} keyword.");
        }

        if (kind.EndsWith("-lf", StringComparison.Ordinal))
        {
            var format = method == "reg"
                ? throw new ConfigurationException($"'{word}': log-format string is not supported with a regex matching method.")
                : formats.Text(a, shown ?? a);
            return new HeaderPattern(method, format, null);
        }

        return new HeaderPattern(method, new CheckText(a), method == "reg" ? Compile(a) : null);
    }
}
