namespace Buoy.Balancer.Configuration;

/// <summary>One line being parsed: its words, where it stands, and where messages go.</summary>
internal sealed partial class ParseContext(Func<string, string?> environment)
{
    private const int MaxFatal = 50;

    /// <summary>Number of a user by name, null = unknown.</summary>
    public Func<string, int?> FindUser { get; init; } = Linux.ProcessAccounts.FindUser;

    /// <summary>Number of a group by name, null = unknown.</summary>
    public Func<string, int?> FindGroup { get; init; } = Linux.ProcessAccounts.FindGroup;

    /// <summary>Maps and lists of patterns of this configuration.</summary>
    public Rules.Patterns.PatternStore Patterns { get; } = new();
    private readonly Dictionary<string, string?> _set = new(StringComparer.Ordinal);

    /// <summary>What rules of all sections share.</summary>
    public Rules.Parsing.RuleState Rules { get; } = new();

    public List<Diagnostic> Diagnostics { get; } = [];
    public int Alerts { get; private set; }
    public bool TooMany => Alerts > MaxFatal - 1;
    public SourcePlace Place { get; set; }
    public List<string> Words { get; set; } = [];

    /// <summary>The line began with <c>no</c>.</summary>
    public bool Negated { get; set; }

    public string Keyword => Words[0];

    /// <summary>The word at <paramref name="index"/>, empty behind the last one: as HAProxy's argument array.</summary>
    public string this[int index] => index < Words.Count ? Words[index] : "";

    /// <summary>What <c>unix-bind</c> says of Unix sockets from here on.</summary>
    public UnixBind UnixBind { get; set; } = new();

    /// <summary>Name of the section being read, its kind where it has none.</summary>
    public string Section { get; set; } = "";

    /// <summary>An environment variable, or a pseudo-variable of manual 2.3; null = not set.</summary>
    public string? Variable(string name) => name switch
    {
        ".FILE" => Place.File,
        ".LINE" => Place.Line.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ".SECTION" => Section,
        _ => _set.TryGetValue(name, out var v) ? v : environment(name),
    };

    public void SetVariable(string name, string? value) => _set[name] = value;

    /// <summary>An alert with HAProxy's usual head.</summary>
    public void Alert(string text) => Add(Severity.Alert, $"config : parsing [{Place}] : {text}");

    /// <summary>An alert with the head some directives have, without the space.</summary>
    public void AlertTight(string text) => Add(Severity.Alert, $"config : parsing [{Place}]: {text}");

    public void Warning(string text) => Add(Severity.Warning, $"config : parsing [{Place}] : {text}");

    public void WarningTight(string text) => Add(Severity.Warning, $"config : parsing [{Place}]: {text}");

    public void Add(Severity severity, string text)
    {
        Diagnostics.Add(new Diagnostic(severity, text));
        Alerts += severity == Severity.Alert ? 1 : 0;
    }

    /// <summary>An alert that, in the original too, does not stop anything.</summary>
    public void AlertOnly(string text) =>
        Diagnostics.Add(new Diagnostic(Severity.Alert, $"config : parsing [{Place}] : {text}"));

    /// <summary>The original gives up reading here: no further line is read, and it does not count the errors.</summary>
    public bool Aborted { get; private set; }

    /// <summary>An alert after which nothing more is read.</summary>
    public void Abort(string text)
    {
        Alert(text);
        Aborted = true;
    }

    /// <summary>As <see cref="Abort"/>, with the head without the space.</summary>
    public void AbortTight(string text)
    {
        AlertTight(text);
        Aborted = true;
    }

    /// <summary>As <see cref="Abort"/>, with a head of its own.</summary>
    public void AbortPlain(string text)
    {
        Add(Severity.Alert, text);
        Aborted = true;
    }

    /// <summary><c>-dD</c>: are suspicious things told?</summary>
    public bool Diagnosing { get; init; }

    /// <summary>As <see cref="Units.Time"/>, with a warning of what follows the unit.</summary>
    public Units.TimeError Time(string text, out int milliseconds, out string unexpected, int unit = 1)
    {
        var error = Units.Time(text, out milliseconds, out unexpected, unit);
        if (error == Units.TimeError.None && unexpected.Length > 0)
        {
            Add(Severity.Warning, $"config : unexpected character '{unexpected}' after the timer value '{text}', only "
                + "(us=microseconds,ms=milliseconds,s=seconds,m=minutes,h=hours,d=days) are supported. "
                + "This will be reported as an error in next versions.");
        }

        return error;
    }

    public void NotSupported(string what) => Alert($"'{what}' is not supported yet");

    /// <summary>As <see cref="AtMost"/> for a directive of more than one word.</summary>
    public bool AtMostAfter(int count, string name) => AtMost(count, name);

    /// <summary>False, with an alert, when the line has more than <paramref name="count"/> words after the keyword.</summary>
    public bool AtMost(int count, string? name = null)
    {
        if (Words.Count <= count + 1)
        {
            return true;
        }

        Alert($"'{name ?? Keyword}' cannot handle unexpected argument '{Words[count + 1]}'.");
        return false;
    }
}
