using System.Text;

namespace Buoy.Balancer.Configuration;

/// <summary>
/// Splits one line into words: quoting, escapes and environment variables of the configuration manual, 2.2 and 2.3.
/// Bytes are kept as Latin-1 characters, so that nothing is lost whatever the file's encoding.
/// </summary>
internal static class LineReader
{
    /// <summary>Words of a line HAProxy reads at most.</summary>
    public const int MaxWords = 64;

    /// <summary>The words of <paramref name="line"/>; an error has its place as index into the line.</summary>
    /// <param name="variable">Value of an environment variable, null = not set.</param>
    public static (List<string> Words, string? Error, int Position) Split(string line, Func<string, string?> variable)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        bool inWord = false;
        int quoteAt = -1;
        char quote = '\0';
        for (int i = 0; i < line.Length; i++)
        {
            char c = line[i];
            if (quote == '\'')
            {
                if (c == '\'')
                {
                    quote = '\0';
                }
                else
                {
                    word.Append(c);
                }
            }
            else if (c == '"')
            {
                (quote, quoteAt, inWord) = (quote == '"' ? '\0' : '"', i, true);
            }
            else if (c == '\'' && quote == '\0')
            {
                (quote, quoteAt, inWord) = ('\'', i, true);
            }
            else if (c == '\\')
            {
                inWord = true;
                int bad = Escape(line, ref i, word, quote == '"');
                if (bad >= 0)
                {
                    return (words, "truncated or invalid hexadecimal sequence", bad);
                }
            }
            else if (c == '$' && quote == '"')
            {
                if (Variable(line, ref i, word, words, variable) is { } error)
                {
                    return (words, error.Text, error.Position);
                }
            }
            else if (quote == '\0' && c is ' ' or '\t' or '\r' && quote == '\0')
            {
                Flush();
            }
            else if (c == '#' && quote == '\0')
            {
                break;
            }
            else
            {
                (inWord, _) = (true, word.Append(c));
            }
        }

        if (quote != '\0')
        {
            return (words, "unmatched quote", quoteAt);
        }

        Flush();
        return (words, null, 0);

        void Flush()
        {
            if (inWord)
            {
                words.Add(word.ToString());
                word.Clear();
                inWord = false;
            }
        }
    }

    /// <summary>Reads the escape at <paramref name="i"/>; returns the place of an error or -1.</summary>
    private static int Escape(string line, ref int i, StringBuilder word, bool weak)
    {
        char next = i + 1 < line.Length ? line[i + 1] : '\0';
        switch (next)
        {
            case 'n' or 'r' or 't':
                word.Append(next switch { 'n' => '\n', 'r' => '\r', _ => '\t' });
                break;
            case 'x':
                if (i + 3 >= line.Length || !char.IsAsciiHexDigit(line[i + 2]) || !char.IsAsciiHexDigit(line[i + 3]))
                {
                    return i;
                }

                word.Append((char)Convert.ToInt32(line.Substring(i + 2, 2), 16));
                i += 2;
                break;
            case ' ' or '\\' or '"' or '#':
            case '\'':
            case '$' when weak:
                word.Append(next);
                break;
            default:
                word.Append('\\');
                return -1;
        }

        i++;
        return -1;
    }

    /// <summary>Expands <c>$NAME</c>, <c>${NAME}</c>, <c>${NAME-default}</c>, <c>${NAME[*]}</c> at <paramref name="i"/>.</summary>
    private static (string Text, int Position)? Variable(
        string line, ref int i, StringBuilder word, List<string> words, Func<string, string?> variable)
    {
        int at = i + 1;
        bool brace = at < line.Length && line[at] == '{';
        int open = at;
        at += brace ? 1 : 0;
        int start = at;
        bool pseudo = at + 1 < line.Length && line[at] == '.' && !(char.IsAsciiLetter(line[at + 1]) || line[at + 1] == '_');
        if (pseudo || at >= line.Length || !(char.IsAsciiLetter(line[at]) || line[at] is '_' or '.'))
        {
            return ("forbidden first char in environment variable name", at);
        }

        while (at < line.Length && (char.IsAsciiLetterOrDigit(line[at]) || line[at] is '_' or '.'))
        {
            at++;
        }

        string? value = variable(line[start..at]);
        if (brace)
        {
            bool split = at + 2 < line.Length && line.AsSpan(at, 3).SequenceEqual("[*]");
            at += split ? 3 : 0;
            if (at < line.Length && line[at] == '-')
            {
                int end = line.IndexOfAny(['}', '"'], at);
                if (end >= 0 && line[end] == '}')
                {
                    value ??= line[(at + 1)..end];
                    at = end;
                }
            }

            if (at >= line.Length || line[at] != '}')
            {
                return ("unmatched brace in environment variable name", open);
            }

            i = at;
            if (split && value is not null)
            {
                string[] parts = value.Split([' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries);
                for (int p = 0; p < parts.Length - 1; p++)
                {
                    words.Add(word.Append(parts[p]).ToString());
                    word.Clear();
                }

                word.Append(parts.Length > 0 ? parts[^1] : "");
                return null;
            }
        }
        else
        {
            i = at - 1;
        }

        word.Append(value ?? "");
        return null;
    }
}
