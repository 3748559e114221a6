using Buoy.Balancer.Rules.Parsing;
using Buoy.Balancer.Rules.Patterns;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Conditions;

/// <summary>Reads ACLs and conditions. Errors have the original's words, without the place and the full stop.</summary>
internal static class AclParser
{
    /// <summary>What an expression of an ACL is part of (<see cref="SampleContext.What"/>).</summary>
    public const string What = "ACL";
    private static readonly char[] EndOfName = ['(', ','];

    /// <summary>One line's criterion, flags and values from <paramref name="index"/> to the end of the words.</summary>
    /// <param name="warning">What the original warns of, null = nothing.</param>
    public static AclExpression? Line(
        RuleSection section, IReadOnlyList<string> words, int index, out string error, out string? warning)
    {
        warning = null;
        string word = index < words.Count ? words[index] : "";
        int end = word.IndexOfAny(EndOfName);
        string keyword = end < 0 ? word : word[..end];
        var criterion = AclKeywords.Find(keyword);
        string text = criterion is { } c ? c.Fetch + word[keyword.Length..] : word;
        int at = 0;
        var context = section.Samples(SamplePlaces.None, What);
        var expression = SampleParser.Parse([text], ref at, context, out error);
        if (expression is null)
        {
            if (criterion is null && error.StartsWith("fetch method ", StringComparison.Ordinal))
            {
                // Fetches that are no criteria of their own.
                error = $"{error} in ACL expression '{word}'";
            }
            else if (error == "missing fetch method" || error.StartsWith("unknown fetch method", StringComparison.Ordinal))
            {
                error = $"{(error.Length > 20 ? $"unknown fetch method '{keyword}'" : error)} in ACL expression '{word}'";
            }
            else
            {
                error = $"ACL keyword '{keyword}' : {error}.";
            }

            return null;
        }

        var implied = expression.Converters.Count == 0 ? criterion?.Method : null;
        var reader = new PatternArguments(
            section.Context.Patterns, new PatternSubject(keyword, expression.Type, implied), section.Place);
        if (reader.Read(words, index + 1, out error) is not { } test)
        {
            return null;
        }

        if (reader.NeverMatches)
        {
            warning = $"parsing acl keyword '{word}'{PatternArguments.NeverMatchesText}";
        }

        return new AclExpression(expression, test, keyword);
    }

    /// <summary>
    /// A condition: <paramref name="words"/>[<paramref name="index"/>] is <c>if</c> or <c>unless</c>. Null and an error
    /// where it is wrong.
    /// </summary>
    public static Condition? Condition(
        RuleSection section, IReadOnlyList<string> words, int index, SamplePlaces places, string what, out string error)
    {
        bool unless = words[index] == "unless";
        var terms = new List<ConditionTerm>();
        bool negated = false;
        error = "";
        for (int i = index + 1; i < words.Count; i++)
        {
            string word = words[i];
            if (word is "or" or "||")
            {
                End(terms);
                negated = false;
                continue;
            }

            while (word.StartsWith('!'))
            {
                negated = !negated;
                word = word[1..];
            }

            if (word.Length == 0)
            {
                continue;
            }

            Acl? acl;
            if (word == "{")
            {
                int close = i + 1;
                while (close < words.Count && words[close] != "}")
                {
                    close++;
                }

                if (close >= words.Count)
                {
                    error = "missing closing '}' in condition";
                    return null;
                }

                string[] inside = [.. words.Skip(i + 1).Take(close - i - 1)];
                var line = Line(section, inside, 0, out error, out string? warning);
                if (line is null)
                {
                    return null;
                }

                if (warning is not null)
                {
                    section.Warn(warning);
                }

                acl = new Acl("");
                acl.Add(line);
                i = close;
            }
            else
            {
                acl = section.FindAcl(word);
                if (acl is null)
                {
                    error = $"no such ACL : '{word}'";
                    return null;
                }
            }

            WarnOfPlace(section, acl, places, what);
            terms.Add(new ConditionTerm(acl, negated, EndsGroup: false));
            negated = false;
        }

        End(terms);
        return new Condition(unless, terms);
    }

    private static void End(List<ConditionTerm> terms)
    {
        if (terms.Count > 0)
        {
            terms[^1] = terms[^1] with { EndsGroup = true };
        }
    }

    private static void WarnOfPlace(RuleSection section, Acl acl, SamplePlaces places, string what)
    {
        if (places == SamplePlaces.None || acl.Lines.Any(l => (l.Expression.Places & places) != 0))
        {
            return;
        }

        string where = SampleSources.PlaceText(places);
        string inside = what.StartsWith("tcp-request", StringComparison.Ordinal)
            || what.StartsWith("tcp-response", StringComparison.Ordinal) ? $" in '{what}'" : "";
        section.Warn(acl.Name.Length > 0
            ? $"acl '{acl.Name}' will never match{inside} because it only involves keywords that are incompatible with '{where}'"
            : $"anonymous acl will never match{inside} because it uses keyword '{acl.Lines[0].Expression.Fetch.Name}' which is "
                + $"incompatible with '{where}'", parsing: true);
    }
}
