using System.Globalization;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>The criterion that patterns follow.</summary>
/// <param name="Keyword">Its name as written, without arguments and converters.</param>
/// <param name="Type">What its sample is, converters included.</param>
/// <param name="Implied">The method of an ACL criterion (<c>hdr_beg</c>) that has no converters; null = by
/// type.</param>
internal sealed record PatternSubject(string Keyword, SampleType Type, MatchMethod? Implied);

/// <summary>
/// Reads what follows the criterion of an ACL: <c>[flags] [operator] [value] …</c> (configuration manual 7.1). Errors
/// have
/// the original's words, without the place and the full stop that callers put around them.
/// </summary>
internal sealed class PatternArguments(PatternStore store, PatternSubject subject, SourcePlace place)
{
    private readonly List<PatternSet> _sets = [];
    private MatchMethod? _method = subject.Implied ?? MatchMethods.Implied(subject.Type);
    private bool _methodGiven;
    private bool _ignoreCase;
    private bool _resolve = true;
    private bool _values;
    private bool _ended;
    private bool _loaded;
    private int? _id;
    private string _error = "";

    /// <summary>The original warns that such a test never matches: no pattern, no <c>-m</c> and no <c>--</c>.</summary>
    public bool NeverMatches { get; private set; }

    /// <summary>What the warning says, behind the name of the keyword.</summary>
    public const string NeverMatchesText = """
         :
          no pattern to match against were provided, so this ACL will never match.
          If this is what you intended, please add '--' to get rid of this warning.
          If you intended to match only for existence, please use '-m found'.
          If you wanted to force an int to match as a bool, please use '-m bool'.

        """;

    /// <summary>Reads <paramref name="words"/> from <paramref name="index"/> up to the end or an empty word.</summary>
    public PatternTest? Read(IReadOnlyList<string> words, int index, out string error)
    {
        int end = index;
        while (end < words.Count && words[end].Length > 0)
        {
            end++;
        }

        string At(int i) => i < end ? words[i] : "";
        int at = index;
        while (!_ended && At(at) is ['-', ..] word && _error.Length == 0)
        {
            at++;
            switch (word)
            {
                case "-i":
                    _ignoreCase = true;
                    break;
                case "-n":
                    _resolve = false;
                    break;
                case "-M":
                    _values = true;
                    break;
                case "-u":
                    Id(At(at++));
                    break;
                case "-f":
                    Load(At(at++));
                    break;
                case "-m":
                    Method(At(at++));
                    break;
                case "--":
                    _ended = true;
                    break;
                default:
                    _error = $"'{word}' is not a valid ACL option. Please use '--' before any pattern beginning with a '-'";
                    break;
            }
        }

        if (_error.Length == 0)
        {
            NeverMatches = at >= end && !_methodGiven && !_ended && !_loaded && _method?.TakesNoPattern() == false;
            Words([.. words.Skip(at).Take(end - at)]);
        }

        error = _error;
        return _error.Length == 0 ? new PatternTest(_method!.Value, _sets) : null;
    }

    private void Id(string text)
    {
        if (text.Length > 0 && !int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
        {
            _error = "the argument of -u must be an integer";
            return;
        }

        _id = text.Length > 0 ? int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) : null;
    }

    private void Method(string name)
    {
        if (_loaded)
        {
            _error = "'-m' must only be specified before patterns and files in parsing ACL expression";
        }
        else if (MatchMethods.Find(name) is not { } method)
        {
            _error = $"unknown matching method '{name}' when parsing ACL expression";
        }
        else if (!Suits(subject.Type, method))
        {
            _error = $"matching method '{name}' cannot be used with fetch keyword '{subject.Keyword}'";
        }
        else
        {
            _method = method;
            _methodGiven = true;
        }
    }

    /// <summary>The matrix of manual 7.1.</summary>
    private static bool Suits(SampleType type, MatchMethod method) =>
        method == MatchMethod.Found || SampleCasts.Possible(type, method.Input());

    private bool NeedMethod()
    {
        if (_method is null)
        {
            _error = "matching method must be specified first (using '-m') when using a sample fetch of this type "
                + $"('{subject.Keyword}')";
        }

        return _method is not null;
    }

    private void Load(string file)
    {
        _loaded = true;
        if (!NeedMethod() || store.Open(file, _values, place, out _error) is not { } reference)
        {
            return;
        }

        if (reference.AddSet(_method!.Value, _ignoreCase, MapOutput.None, _resolve, out _error) is { } set)
        {
            reference.AddUser(_values, subject.Keyword, place, acl: true);
            _sets.Add(set);
        }
    }

    /// <summary>The words in the line itself: a list of their own, also when there are none.</summary>
    private void Words(IReadOnlyList<string> words)
    {
        if (!NeedMethod())
        {
            return;
        }

        if (store.Inline(_id, place) is not { } reference)
        {
            _error = "the id is already used";
            return;
        }

        reference.AddUser(map: false, subject.Keyword, place);
        var method = _method!.Value;
        bool ignoreCase = _ignoreCase && !(subject.Type == SampleType.Method && method == MatchMethod.Str);
        if (reference.AddSet(method, ignoreCase, MapOutput.None, _resolve, out _error) is not { } set)
        {
            return;
        }

        _sets.Add(set);
        bool numbers = method is MatchMethod.Int or MatchMethod.Len or MatchMethod.Version;
        string relation = "";
        foreach (string word in words)
        {
            if (numbers && (word is "eq" or "ge" or "gt" or "le" or "lt" or "ne"))
            {
                relation = word;
                continue;
            }

            // The original leaves ranges and negative numbers as they are, whatever stands before them.
            string? text = word;
            if (numbers && relation.Length > 0 && !word.AsSpan().ContainsAny(':', '-'))
            {
                text = Compared(word, relation, method);
            }

            if (text is null)
            {
                _error = $"'{word}' is neither a number nor a supported operator";
                return;
            }

            if (reference.Add(text, null, resolve: true) is { } wrong)
            {
                _error = wrong;
                return;
            }
        }
    }

    /// <summary><c>gt 5</c> as a range, <c>6:</c>; null where the word is no number.</summary>
    private static string? Compared(string word, string relation, MatchMethod method)
    {
        if (method == MatchMethod.Version)
        {
            return Compared(word, relation);
        }

        if (relation is "eq" or "ne")
        {
            return word;
        }

        long value = Units.Atol(word, out string rest);
        if (rest.Length > 0 || word.Length == 0)
        {
            return null;
        }

        return relation switch
        {
            "gt" => FormattableString.Invariant($"{value + 1}:"),
            "ge" => FormattableString.Invariant($"{value}:"),
            "lt" => FormattableString.Invariant($":{value - 1}"),
            "le" => FormattableString.Invariant($":{value}"),
            _ => word,
        };
    }

    private static string? Compared(string word, string relation)
    {
        string[] parts = word.Split('.');
        if (parts.Length > 2 || !ushort.TryParse(
            parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out ushort major))
        {
            return null;
        }

        ushort minor = 0;
        if (parts.Length == 2 && !ushort.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out minor))
        {
            return null;
        }

        long value = ((long)major << 16) | minor;
        return relation switch
        {
            "gt" => Text(value + 1) + ":",
            "ge" => Text(value) + ":",
            "lt" => ":" + Text(Math.Max(0, value - 1)),
            "le" => ":" + Text(value),
            _ => word,
        };

        static string Text(long v) => FormattableString.Invariant($"{v >> 16}.{v & 0xffff}");
    }
}
