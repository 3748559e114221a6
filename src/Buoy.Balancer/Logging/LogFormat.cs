using System.Text;

namespace Buoy.Balancer.Logging;

/// <summary>What a log format needs to know of a session beyond what every line has: a shard collects only that.</summary>
[Flags]
internal enum LogNeeds : byte
{
    None = 0,

    /// <summary>Own and the server's address of the connection to the server.</summary>
    ServerAddresses = 1,

    /// <summary>Values of samples.</summary>
    Samples = 2,

    /// <summary>The number of the request.</summary>
    RequestNumber = 4,

    /// <summary>The id of <c>unique-id-format</c>.</summary>
    UniqueId = 8,
}

/// <summary>
/// A log format (configuration manual 8.2.6), read once: text, separators, variables and samples in order. Immutable.
/// A run of spaces is one separator, also where a variable between them is empty.
/// </summary>
internal sealed unsafe partial class LogFormat
{
    private readonly Part[] _parts;

    private LogFormat(List<Part> parts)
    {
        _parts = [.. parts];
        foreach (var p in parts)
        {
            Needs |= p.Variable switch
            {
                LogVariable.BackendSourceIp or LogVariable.BackendSourcePort or LogVariable.ServerIp or LogVariable.ServerPort
                    => LogNeeds.ServerAddresses,
                LogVariable.RequestCounter => LogNeeds.RequestNumber,
                LogVariable.UniqueId => LogNeeds.None, // the frontend's unique-id-format asks for it
                _ => p.Sample >= 0 ? LogNeeds.Samples : LogNeeds.None,
            };
        }
    }

    /// <summary>What the shard must collect for it.</summary>
    public LogNeeds Needs { get; }

    /// <summary>One piece; a separator has neither text, nor variable, nor sample.</summary>
    private readonly record struct Part(byte[]? Text, LogVariable Variable, LogFlags Flags, int Sample);

    /// <summary>A format of the manual that cannot be wrong.</summary>
    public static LogFormat BuiltIn(string text) =>
        Parse(text, http: true, (LogSampleReader?)null, out string error) ?? throw new InvalidOperationException(error);

    /// <summary>Reads a format; null and the reason, in the original's words, where it is wrong.</summary>
    /// <param name="text">Latin-1.</param>
    /// <param name="http">May it use what only mode http has?</param>
    /// <param name="sample">Takes a sample expression and returns its number, or -1 and the reason.</param>
    public static LogFormat? Parse(string text, bool http, LogSampleReader? sample, out string error)
    {
        var reader = new Reader(text, http, sample);
        error = reader.Read() ?? "";
        return error.Length == 0 ? new LogFormat(reader.Parts) : null;
    }

    /// <summary>Cuts the text into parts.</summary>
    private sealed class Reader(string text, bool http, LogSampleReader? sample)
    {
        private readonly StringBuilder _literal = new();
        private LogFlags _all;
        private int _at;

        public List<Part> Parts { get; } = [];

        public string? Read()
        {
            while (_at < text.Length)
            {
                char c = text[_at++];
                if (c == ' ')
                {
                    Flush();
                    Parts.Add(new Part(null, LogVariable.None, LogFlags.None, -1));
                }
                else if (c != '%')
                {
                    _literal.Append(c);
                }
                else if (Percent() is { } error)
                {
                    return error;
                }
            }

            Flush();
            return null;
        }

        private void Flush()
        {
            if (_literal.Length > 0)
            {
                Parts.Add(new Part(Encoding.Latin1.GetBytes(_literal.ToString()), LogVariable.None, LogFlags.None, -1));
                _literal.Clear();
            }
        }

        private string? Percent()
        {
            if (_at == text.Length)
            {
                return "truncated line after '%'";
            }

            int start = _at - 1;
            char c = text[_at];
            if (c is '%' or '-' or '.')
            {
                _literal.Append(c);
                _at++;
                return null;
            }

            var flags = _all;
            if (c == '{')
            {
                int close = text.IndexOf('}', _at);
                if (close < 0)
                {
                    return $"truncated line after '{text[(_at + 1)..]}'";
                }

                flags = Flags(text[(_at + 1)..close], flags);
                _at = close + 1;
                if (_at == text.Length || !(char.IsAsciiLetter(text[_at]) || text[_at] == '['))
                {
                    return $"parse argument modifier without variable name near '{text[start.._at]}'";
                }

                c = text[_at];
            }

            return c == '[' ? Sample(flags) : char.IsAsciiLetter(c) ? Variable(flags)
                : $"unexpected variable name near '{c}' at position {_at - start + start} line : '{text}'. Maybe you want to write "
                    + "a single '%', use the syntax '%%'";
        }

        private string? Variable(LogFlags flags)
        {
            int start = _at;
            while (_at < text.Length && char.IsAsciiLetterOrDigit(text[_at]))
            {
                _at++;
            }

            string name = text[start.._at];
            if (name == "o")
            {
                _all = flags;
                return null;
            }

            var (variable, httpOnly) = LogVariables.Find(name);
            if (variable == LogVariable.None)
            {
                return $"no such format variable '{name}'. If you wanted to emit the '%' character verbatim, you need to use '%%'";
            }

            if (httpOnly && !http)
            {
                return $"format variable '{name}' is reserved for HTTP mode";
            }

            Flush();
            Parts.Add(new Part(null, variable, flags, -1));
            return null;
        }

        private string? Sample(LogFlags flags)
        {
            int start = _at + 1;
            int close = End(start);
            if (close < 0)
            {
                return $"missing ']' after '{text[start..]}'";
            }

            if (sample is null)
            {
                return $"the sample expression '{text[start..close]}' is not supported yet here";
            }

            Flush();
            int number = sample(text[start..close], text[start..], out string error);
            Parts.Add(new Part(null, LogVariable.None, flags, number));
            _at = close + 1;
            return number < 0 ? error : null;
        }

        /// <summary>The bracket that ends the expression: one in quotes or parentheses does not.</summary>
        private int End(int at)
        {
            char quote = '\0';
            int depth = 0;
            for (; at < text.Length; at++)
            {
                char c = text[at];
                if (quote != '\0')
                {
                    quote = c == quote ? '\0' : quote;
                }
                else if (c == '\\' && depth > 0)
                {
                    at++;
                }
                else if (c is '"' or '\'' && depth > 0)
                {
                    quote = c;
                }
                else if (c is '(' or ')')
                {
                    depth = c == '(' ? 1 : 0;
                }
                else if (c == ']' && depth == 0)
                {
                    return at;
                }
            }

            return -1;
        }

        /// <summary>Adds and takes away flags; what is unknown is passed over, as the original does.</summary>
        private static LogFlags Flags(string words, LogFlags flags)
        {
            foreach (string word in words.Split(',', StringSplitOptions.TrimEntries))
            {
                var flag = word.Length < 2 ? LogFlags.None : word[1..] switch
                {
                    "Q" => LogFlags.Quote, "X" => LogFlags.Hex, "E" => LogFlags.Escape, _ => LogFlags.None,
                };
                flags = word.StartsWith('-') ? flags & ~flag : word.StartsWith('+') ? flags | flag : flags;
            }

            return flags;
        }
    }
}

/// <summary>Takes a sample expression of a format; returns its number, or -1 and the reason why it is wrong.</summary>
/// <param name="expression">The text between the brackets.</param>
/// <param name="rest">The text behind the opening bracket, which the original's messages show.</param>
internal delegate int LogSampleReader(string expression, string rest, out string error);
