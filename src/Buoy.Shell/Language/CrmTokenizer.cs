using System.Text;

namespace Buoy.Shell.Language;

/// <summary>A line of crm text that cannot be read. The message is complete, in crmsh's words.</summary>
public sealed class CrmSyntaxException(string message) : Exception(message);

/// <summary>Splits crm lines into words: blanks separate, quotes keep together, a backslash at a line's end continues
/// it.</summary>
public static class CrmTokenizer
{
    /// <summary>Words of one logical line. Throws <see cref="CrmSyntaxException"/> on an unclosed quotation.</summary>
    public static List<string> Split(string line)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        bool inWord = false;
        for (int i = 0; i < line.Length; i++)
        {
            char c = line[i];
            if (char.IsWhiteSpace(c))
            {
                if (inWord)
                {
                    words.Add(word.ToString());
                    word.Clear();
                    inWord = false;
                }
            }
            else if (c is '\'' or '"')
            {
                inWord = true;
                i = Quoted(line, i, word);
            }
            else if (c == '\\')
            {
                if (i + 1 >= line.Length)
                {
                    throw new CrmSyntaxException("No escaped character");
                }

                inWord = true;
                word.Append(line[++i]);
            }
            else
            {
                inWord = true;
                word.Append(c);
            }
        }

        if (inWord)
        {
            words.Add(word.ToString());
        }

        return words;
    }

    /// <summary>Logical lines of a text with the number of their first line; comments and blank lines are left
    /// out.</summary>
    public static IEnumerable<(int Number, string Line)> Lines(TextReader text)
    {
        int number = 0;
        while (text.ReadLine() is { } line)
        {
            number++;
            int first = number;
            string trimmed = line.Trim().Replace("\t", "    ");
            if (trimmed.StartsWith('#'))
            {
                continue;
            }

            while (trimmed.EndsWith('\\'))
            {
                trimmed = trimmed[..^1].TrimEnd();
                if (text.ReadLine() is not { } more)
                {
                    break;
                }

                number++;
                trimmed = trimmed + " " + more.Trim().Replace("\t", "    ");
            }

            if (trimmed.Length > 0)
            {
                yield return (first, trimmed);
            }
        }
    }

    /// <summary>A value as crmsh prints it: quoted unless it is made of letters, digits, '.', '-' and '_'.</summary>
    public static string Quote(string value) =>
        value.Length > 0 && value.All(c => char.IsLetterOrDigit(c) || c is '.' or '-' or '_')
            ? value
            : QuoteAlways(value);

    /// <summary>A value in double quotes, quotes in it escaped.</summary>
    public static string QuoteAlways(string value) => "\"" + value.Replace("\"", "\\\"") + "\"";

    private static int Quoted(string line, int open, StringBuilder word)
    {
        char quote = line[open];
        for (int i = open + 1; i < line.Length; i++)
        {
            char c = line[i];
            if (c == quote)
            {
                return i;
            }

            if (c == '\\' && quote == '"' && i + 1 < line.Length && (line[i + 1] == '"' || line[i + 1] == '\\'))
            {
                c = line[++i];
            }

            word.Append(c);
        }

        throw new CrmSyntaxException("No closing quotation");
    }
}
