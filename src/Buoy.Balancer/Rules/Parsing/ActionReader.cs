using Buoy.Balancer.Rules.Patterns;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>The words of an action behind its name, and where an error goes.</summary>
internal sealed class ActionReader(RuleSection section, IReadOnlyList<string> words, int nameAt, string ruleset)
{
    public RuleSection Section { get; } = section;

    public IReadOnlyList<string> Words { get; } = words;

    /// <summary>The next word to be read.</summary>
    public int At { get; set; } = nameAt + 1;

    /// <summary>The action as written: <c>set-var(txn.a)</c>.</summary>
    public string Name { get; } = nameAt < words.Count ? words[nameAt] : "";

    /// <summary><c>http-request</c> …</summary>
    public string Ruleset { get; } = ruleset;

    /// <summary>The rule is about a response.</summary>
    public bool Response => Ruleset is "http-response" or "http-after-response" or "tcp-response content";

    public required SamplePlaces Places { get; init; }

    public string Error { get; private set; } = "";

    /// <summary>The error was told by the parser itself, with a head of its own.</summary>
    public bool Told { get; set; }

    /// <summary>The word, empty behind the last.</summary>
    public string this[int ahead] => At + ahead < Words.Count ? Words[At + ahead] : "";

    /// <summary>No argument is left: the condition or the end follows.</summary>
    public bool Ended => At >= Words.Count || Words[At] is "if" or "unless";

    public string Take() => At < Words.Count ? Words[At++] : "";

    /// <summary>Notes the error; always null.</summary>
    public RuleAction? Fail(string error)
    {
        Error = error;
        return null;
    }

    public IFormatString? Format(string text)
    {
        bool http = Section.Settings.Mode == Configuration.ProxyMode.Http;
        var format = Logging.LogFormat.Parse(text, http, Section.Samples(Places, FormatOf), out string error);
        Error = error;
        return format;
    }

    /// <summary>What messages call a format's samples.</summary>
    private string FormatOf => Ruleset is "http-response" or "http-after-response" ? "http-response response" : $"{Ruleset} expression";

    public SampleExpression? Expression()
    {
        int at = At;
        var expression = SampleParser.Parse(Words, ref at, Section.Samples(Places, $"{Ruleset} expression"), out string error);
        Error = error;
        if (expression is null)
        {
            return null;
        }

        At = at;
        return expression;
    }

    /// <summary>As <see cref="Expression"/>, which must be allowed in this place.</summary>
    /// <param name="subject">What the message about its place names; null = the action.</param>
    public SampleExpression? PlacedExpression(string? subject = null)
    {
        var expression = Expression();
        if (expression is not null && SampleParser.CheckPlace(expression, Places, subject ?? Name) is { } wrong)
        {
            Error = wrong;
            return null;
        }

        return expression;
    }

    /// <param name="text">Latin-1.</param>
    /// <param name="capture">A replacement refers to groups.</param>
    public ByteRegex? Regex(string text, bool capture = true)
    {
        var regex = ByteRegex.Create(text, ignoreCase: false, capture, out string error);
        Error = error;
        return regex;
    }

    /// <summary>What stands in the parentheses of the name.</summary>
    public string Inside
    {
        get
        {
            int open = Name.IndexOf('(');
            return open < 0 ? "" : Name[(open + 1)..].TrimEnd(')');
        }
    }
}
