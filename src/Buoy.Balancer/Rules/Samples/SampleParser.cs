using System.Text;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>
/// Reads sample expressions (manual 7.3): a fetch with arguments, then converters, each behind a comma or as the next
/// word. Errors have the original's words, without the place and the full stop that callers put around them.
/// </summary>
internal static class SampleParser
{
    private static readonly char[] EndOfName = ['(', ','];

    /// <summary>
    /// Reads an expression that begins at <paramref name="words"/>[<paramref name="index"/>]; afterwards the index is
    /// behind its last word. Null and an error where it is not one. Whether the fetch may stand there is the caller's
    /// check (<see cref="CheckPlace"/>), as the original's messages about that differ.
    /// </summary>
    public static SampleExpression? Parse(
        IReadOnlyList<string> words, ref int index, SampleContext context, out string error)
    {
        error = "";
        int first = index;
        string word = index < words.Count ? words[index] : "";
        int at = 0;
        string name = Name(word, ref at);
        if (name.Length == 0)
        {
            error = "missing fetch method";
            return null;
        }

        if (SampleRegistry.FindFetch(name) is not { } fetch)
        {
            error = $"unknown fetch method '{name}'";
            return null;
        }

        var arguments = Arguments(word, ref at, fetch.Arguments, name, null, context, out error, out _);
        if (arguments is null)
        {
            error = $"fetch method '{name}' : {error}";
            return null;
        }

        if (fetch.Check?.Invoke(arguments, context) is { } wrong)
        {
            error = $"invalid args in fetch method '{name}' : {wrong}";
            return null;
        }

        if (at < word.Length && word[at] != ',')
        {
            error = $"missing comma after fetch keyword '{name}'";
            return null;
        }

        index++;
        var converters = new List<(ConverterEntry, SampleArguments)>();
        var type = fetch.Type;
        while (true)
        {
            while (at < word.Length && word[at] == ',')
            {
                at++;
            }

            bool another = at >= word.Length;
            if (another)
            {
                // Converters may also stand in words of their own; what is none of them is not ours.
                int start = 0;
                string next = index < words.Count ? Name(words[index], ref start) : "";
                if (next.Length == 0 || SampleRegistry.FindConverter(next) is null)
                {
                    break;
                }

                word = words[index++];
                at = 0;
            }

            if (!Converter(word, ref at, fetch.Name, context, converters, ref type, out error))
            {
                return null;
            }
        }

        return new SampleExpression(fetch, arguments, converters, string.Join(' ', words.Skip(first).Take(index - first)));
    }

    /// <summary>An expression that is exactly this text.</summary>
    public static SampleExpression? Parse(string text, SampleContext context, out string error)
    {
        int index = 0;
        return Parse([text], ref index, context, out error);
    }

    /// <summary>
    /// Null where the expression may stand there, else the message, whose subject is the caller's (the original names
    /// the first word of the rule, not the fetch).
    /// </summary>
    public static string? CheckPlace(SampleExpression expression, SamplePlaces places, string subject) =>
        (expression.Places & places) != 0 ? null
            : $"fetch method '{subject}' extracts information from '{expression.Fetch.Source.Text()}', "
                + "none of which is available here";

    private static bool Converter(
        string word, ref int at, string fetch, SampleContext context, List<(ConverterEntry, SampleArguments)> converters,
        ref SampleType type, out string error)
    {
        string name = Name(word, ref at);
        if (SampleRegistry.FindConverter(name) is not { } converter)
        {
            error = $"unknown converter '{name}'";
            return false;
        }

        var arguments = Arguments(word, ref at, converter.Arguments, fetch, name, context, out error, out int position);
        if (!SampleCasts.Possible(type, converter.Input))
        {
            error = $"converter '{name}' cannot be applied";
            return false;
        }

        if (arguments is null)
        {
            error = $"invalid arg {position} in converter '{name}' : {error}";
            return false;
        }

        if (converter.Check?.Invoke(arguments, context) is { } wrong)
        {
            error = $"invalid args in converter '{name}' : {wrong}";
            return false;
        }

        if (at < word.Length && word[at] != ',')
        {
            error = $"missing comma after converter '{name}'";
            return false;
        }

        type = converter.Output;
        converters.Add((converter, arguments));
        return true;
    }

    private static string Name(string word, ref int at)
    {
        int end = word.IndexOfAny(EndOfName, at);
        string name = end < 0 ? word[at..] : word[at..end];
        at += name.Length;
        return name;
    }

    /// <summary>Reads <c>(…)</c> at <paramref name="at"/>; without it there are no arguments.</summary>
    /// <param name="position">The argument an error is about, from 1.</param>
    private static SampleArguments? Arguments(
        string word, ref int at, ArgumentSignature signature, string fetch, string? converter, SampleContext context,
        out string error, out int position)
    {
        var list = new List<SampleArgument>();
        error = "";
        position = 1;
        bool open = at < word.Length && word[at] == '(';
        bool empty = !open || (at + 1 < word.Length && word[at + 1] == ')');
        if (empty)
        {
            at += open ? 2 : 0;
            if (signature.Required > 0 && !Missing(signature, list, out error))
            {
                position = list.Count + 1;
                return null;
            }

            if (signature.Types.Count > 0)
            {
                AddImplicit(signature, list, fetch, converter, context);
            }

            return new SampleArguments(list);
        }

        at++;
        for (int i = 0; i < signature.Types.Count && at < word.Length; i++)
        {
            position = i + 1;
            var type = signature.Types[i];
            if (!Text(word, ref at, out string text, out error))
            {
                return null;
            }

            var argument = new SampleArgument(type, text);
            if (!ArgumentSignature.Read(argument) || (text.Length == 0 && NeedsValue(type) && i < signature.Required))
            {
                error = text.Length == 0
                    ? $"expected type '{ArgumentSignature.Name(type)}' at position {position}, but got nothing"
                    : $"failed to parse '{text}' as type '{ArgumentSignature.Name(type)}' at position {position}";
                return null;
            }

            list.Add(argument);
            if (IsReference(type))
            {
                context.Pending.Add(new PendingArgument(argument, position, fetch, converter, context));
            }

            if (at >= word.Length || word[at] != ',' || i + 1 == signature.Types.Count)
            {
                break;
            }

            at++;
        }

        position = at >= word.Length ? list.Count + 1 : Math.Max(1, list.Count);
        if (at >= word.Length)
        {
            error = "expected ')'";
            return null;
        }

        if (word[at] != ')')
        {
            error = $"expected ')' before '{word[at..]}'";
            return null;
        }

        at++;
        position = list.Count + 1;
        return list.Count < signature.Required && !Missing(signature, list, out error)
            ? null : new SampleArguments(list);
    }

    private static bool Missing(ArgumentSignature signature, List<SampleArgument> list, out string error)
    {
        // Text may be empty: without any, the first one is.
        if (list.Count == 0 && (signature.Types[0] is ArgumentType.Text or ArgumentType.Regex))
        {
            list.Add(new SampleArgument(signature.Types[0], ""));
        }

        error = "";
        if (list.Count >= signature.Required)
        {
            return true;
        }

        var type = signature.Types[list.Count];
        error = list.Count == 0
            ? $"expected type '{ArgumentSignature.Name(type)}' at position 1, but got nothing"
            : $"missing arguments (got {list.Count}/{signature.Required}), type '{ArgumentSignature.Name(type)}' expected";

        // Sections may be left out where the current one is meant.
        return list.Count == 0 && type is ArgumentType.Backend or ArgumentType.Frontend or ArgumentType.Table
            or ArgumentType.UserList;
    }

    /// <summary>A first argument that names a section and is left out: the lookup at the end decides.</summary>
    private static void AddImplicit(
        ArgumentSignature signature, List<SampleArgument> list, string fetch, string? converter, SampleContext context)
    {
        if (IsReference(signature.Types[0]) && signature.Required > 0)
        {
            list.Add(new SampleArgument(signature.Types[0], ""));
            context.Pending.Add(new PendingArgument(list[0], 1, fetch, converter, context));
        }
    }

    private static bool NeedsValue(ArgumentType type) =>
        type is ArgumentType.Integer or ArgumentType.Ipv4 or ArgumentType.Ipv6 or ArgumentType.Mask4 or ArgumentType.Mask6;

    private static bool IsReference(ArgumentType type) =>
        type is ArgumentType.Backend or ArgumentType.Frontend or ArgumentType.Server or ArgumentType.UserList
            or ArgumentType.Table;

    /// <summary>One argument's text up to a comma or the closing parenthesis (manual 2.2: quotes and escapes).</summary>
    private static bool Text(string word, ref int at, out string text, out string error)
    {
        var s = new StringBuilder();
        char quote = '\0';
        error = "";
        int start = at;
        for (; at < word.Length; at++)
        {
            char c = word[at];
            if (quote == '\0' && c is ',' or ')' && quote == '\0')
            {
                break;
            }

            if (c == quote)
            {
                quote = '\0';
            }
            else if (quote == '\0' && c is '\'' or '"' && quote == '\0')
            {
                quote = c;
            }
            else if (c == '\\' && quote != '\'' && at + 1 < word.Length)
            {
                char next = word[at + 1];
                bool known = next is 'n' or 'r' or 't' or '\\' or '"' or '\'' or ' ' or '#';
                s.Append(!known ? c : next switch { 'n' => '\n', 'r' => '\r', 't' => '\t', _ => next });
                at += known ? 1 : 0;
            }
            else
            {
                s.Append(c);
            }
        }

        text = s.ToString();
        if (quote != '\0')
        {
            error = $"unquoted string or missing ')' in '{word[start..]}'";
        }

        return quote == '\0';
    }
}
