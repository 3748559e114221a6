using System.Text;
using Buoy.Balancer.Rules.Parsing;

namespace Buoy.Balancer.Configuration;

/// <summary>What the loader asks its surroundings. The defaults ask the process and the system.</summary>
public sealed record LoadOptions
{
    /// <summary>Environment variables.</summary>
    public Func<string, string?> Variable { get; init; } = System.Environment.GetEnvironmentVariable;

    /// <summary>Number of a user by name, null = unknown.</summary>
    public Func<string, int?> FindUser { get; init; } = Linux.ProcessAccounts.FindUser;

    /// <summary>Number of a group by name, null = unknown.</summary>
    public Func<string, int?> FindGroup { get; init; } = Linux.ProcessAccounts.FindGroup;

    /// <summary><c>-L</c>: name of this peer.</summary>
    public string LocalPeer { get; init; } = System.Environment.MachineName;

    /// <summary><c>-dD</c>: are suspicious things told?</summary>
    public bool Diagnosing { get; init; }
}

/// <summary>
/// Reads haproxy.cfg: files to lines, lines to words, words to sections, sections to one <see cref="BalancerConfig"/>.
/// Never throws on what files hold; all that is wrong comes back as diagnostics with HAProxy's words.
/// </summary>
public sealed class ConfigurationLoader
{
    private readonly ParseContext _context;
    private readonly GlobalParser _global;
    private readonly Dictionary<string, ProxySettings> _namedDefaults = new(StringComparer.Ordinal);
    private readonly List<ProxyBuilder> _proxies = [];
    private readonly List<ResolversParser> _resolvers = [];
    private readonly List<UserListParser> _userLists = [];
    private readonly Dictionary<string, SourcePlace> _defaultsPlaces = new(StringComparer.Ordinal);

    /// <summary>Where a defaults section stands, and whether a frontend and a backend inherit from it.</summary>
    private readonly Dictionary<ProxySettings, (SourcePlace Place, bool Frontend, bool Backend)> _defaultsUse = [];
    private readonly List<RingParser> _rings = [];
    private readonly List<LogForwardParser> _forwards = [];
    private ProxySettings _defaults = new();
    private Action? _line;
    private readonly ConditionalBlocks _blocks;
    private bool _refusedSection;

    private ConfigurationLoader(LoadOptions options)
    {
        _context = new ParseContext(options.Variable)
        {
            FindUser = options.FindUser, FindGroup = options.FindGroup, Diagnosing = options.Diagnosing,
        };
        _blocks = new ConditionalBlocks(_context);
        _context.SetVariable("HAPROXY_LOCALPEER", options.LocalPeer);
        _global = new GlobalParser(_context, options.FindUser, options.FindGroup);
    }

    /// <summary>
    /// Loads files and folders (all <c>*.cfg</c> of a folder by name) in order, as repeated <c>-f</c> do.
    /// Host names of servers are not looked up here: see <see cref="InitialAddresses"/>.
    /// </summary>
    public static LoadResult Load(IReadOnlyList<string> paths, LoadOptions? options = null)
    {
        var loader = new ConfigurationLoader(options ?? new LoadOptions());
        return loader.LoadAll(paths);
    }

    private LoadResult LoadAll(IReadOnlyList<string> paths)
    {
        var files = new List<string>();
        foreach (string path in paths)
        {
            if (Directory.Exists(path))
            {
                files.AddRange(Directory.GetFiles(path, "*.cfg").Where(f => Path.GetFileName(f)[0] != '.')
                    .Order(StringComparer.Ordinal));
            }
            else if (File.Exists(path) || path == "/dev/null")
            {
                files.Add(path);
            }
            else
            {
                _context.Add(Severity.Alert,
                    $"config : Cannot open configuration file/directory {path} : No such file or directory");
                return new LoadResult(null, _context.Diagnostics);
            }
        }

        foreach (string file in files)
        {
            int before = _context.Alerts;
            try
            {
                Read(file, File.ReadAllBytes(file));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                string why = e is UnauthorizedAccessException ? "Permission denied" : e.Message;
                _context.Add(Severity.Alert, $"config : Could not open configuration file {file} : {why}");
                return new LoadResult(null, _context.Diagnostics);
            }

            if (_context.Alerts > before)
            {
                _context.Add(Severity.Alert, $"config : Error(s) found in configuration file : {file}");
                if (_context.Aborted)
                {
                    return new LoadResult(null, _context.Diagnostics);
                }
            }
        }

        if (_context.Alerts > 0)
        {
            return Failed();
        }

        _rings.ForEach(r => r.End());
        _forwards.ForEach(f => f.End());
        var config = new ConfigurationFinisher(_context, _proxies, _resolvers, _userLists).Finish(_global.Build());
        config = config is null ? null : config with
        {
            Rings = [.. _rings.Select(r => r.Build())], LogForwards = [.. _forwards.Select(f => f.Build())],
        };
        return config is null || _context.Alerts > 0 ? Failed() : new LoadResult(config, _context.Diagnostics);
    }

    private LoadResult Failed()
    {
        _context.Add(Severity.Alert, "config : Fatal errors found in configuration.");
        return new LoadResult(null, _context.Diagnostics);
    }

    private void Read(string file, byte[] content)
    {
        string text = Encoding.Latin1.GetString(content);
        int number = 0;
        _line = null;
        _refusedSection = false;
        _context.Section = "";
        for (int start = 0; start < text.Length;)
        {
            int end = text.IndexOf('\n', start);
            string line = end < 0 ? text[start..] : text[start..end];
            start = end < 0 ? text.Length : end + 1;
            _context.Place = new SourcePlace(file, ++number);
            if (_context.Aborted)
            {
                break;
            }

            if (_context.TooMany)
            {
                _context.AlertTight("too many fatal errors, stopping now.");
                return;
            }

            if (line.Contains('\0'))
            {
                _context.AlertTight($"Stray NUL character at position {line.IndexOf('\0') + 1}.");
                return;
            }

            if (end < 0)
            {
                Line(line);
                _blocks.End();
                _context.AlertTight($"Missing LF on last line, file might have been truncated at position {line.Length + 1}.");
                return;
            }

            Line(line);
        }

        _blocks.End();
    }

    private void Line(string line)
    {
        var (words, error, position) = LineReader.Split(line, Predefined);
        if (error is not null)
        {
            string shown = line.TrimStart(' ', '\t');
            int column = Math.Max(0, position - (line.Length - shown.Length));
            var (window, at) = Window(shown, column);
            _context.AlertTight($"{error} at position {position + 1}:\n  {window}\n  {new string(' ', at)}^");
            return;
        }

        if (words.Count == 0)
        {
            return;
        }

        _context.Words = words;
        if (_blocks.Directive(words[0]) || _blocks.Skipping)
        {
            return;
        }

        if (words.Count > LineReader.MaxWords)
        {
            _context.AlertTight($"too many words, truncating at word {LineReader.MaxWords + 1}: <{words[LineReader.MaxWords]}>.");
            return;
        }

        _context.Negated = words[0] is "no" or "default";
        if (_context.Negated && (words.Count > 1 || words[0] == "no"))
        {
            words.RemoveAt(0);
            if (words.Count == 0)
            {
                words.Add("");
            }
        }

        _context.Words = words;
        Dispatch(words[0]);
    }

    /// <summary>The part of a long line that is shown, and where <paramref name="column"/> is in it.</summary>
    private static (string Text, int Column) Window(string line, int column)
    {
        const int Width = 80;
        const int Middle = Width / 2;
        const string Cut = "...";
        if (column < Width)
        {
            return (line.Length <= Width ? line : line[..Width], column);
        }

        string rest = Cut + line[(column - Middle + Cut.Length)..];
        return (rest.Length <= Width ? rest : rest[..(Width - Cut.Length)] + Cut, Middle);
    }

    private string? Predefined(string name) => _context.Variable(name);

    private void Dispatch(string k)
    {
        if (!_context.Negated && Keywords.Sections.TryGetValue(k, out var status) && !InsideOwn(k))
        {
            _refusedSection = status == KeywordStatus.Refused;
            if (_refusedSection)
            {
                _context.NotSupported($"{k} section");
                _line = null;
                return;
            }

            _line = null;
            _context.Section = _context[1].Length > 0 && k != "global" ? _context[1] : k;
            Section(k);
            return;
        }

        if (_line is not null)
        {
            _line();
        }
        else if (!_refusedSection)
        {
            _context.AlertTight($"unknown keyword '{k}' out of section.");
        }
    }

    /// <summary>A word that is both a section and a keyword of the section it stands in does not exist in 2.6.</summary>
    private static bool InsideOwn(string k) => k.Length == 0;

    private void Section(string k)
    {
        string name = _context[1];
        switch (k)
        {
            case "global":
                _context.AtMost(0);
                _line = _global.Parse;
                break;
            case "defaults":
                Defaults(name);
                break;
            case "resolvers":
                Resolvers(name);
                break;
            case "userlist":
                UserList(name);
                break;
            case "http-errors":
                _line = new HttpErrorsParser(_context, name).Parse;
                break;
            case "ring":
                Ring(name);
                break;
            case "log-forward":
                LogForward(name);
                break;
            default:
                Proxy(k, name);
                break;
        }
    }

    private void Defaults(string name)
    {
        var settings = new ProxySettings();
        string from = _context[1] == "from" ? _context[2] : _context[2] == "from" ? _context[3] : "";
        _defaults = settings;
        if (from.Length > 0)
        {
            if (!_namedDefaults.TryGetValue(from, out var parent))
            {
                _context.Abort($"defaults section '{from}' not found for defaults '{name}'.");
            }
            else
            {
                settings = _defaults = parent.Copy();
            }
        }

        if (name.Length > 0 && name != "from")
        {
            _namedDefaults[name] = settings;
        }

        bool named = name.Length > 0 && name != "from";
        if (from.Length > 0 && settings.Rules.HasRules)
        {
            _context.AlertTight("a defaults section cannot inherit from a defaults section defining TCP/HTTP rules "
                + $"(defaults section at {_defaultsPlaces.GetValueOrDefault(from)}).");
        }

        if (named)
        {
            _defaultsPlaces[name] = _context.Place;
        }

        _defaultsUse[settings] = (_context.Place, false, false);

        var parser = new ProxyParser(_context, null, settings, "defaults", Globals, () => _global.Description)
        {
            NamedDefaults = named,
        };
        _line = parser.Parse;
    }

    private void Proxy(string k, string name)
    {
        var kind = k switch { "frontend" => ProxyKind.Frontend, "backend" => ProxyKind.Backend, _ => ProxyKind.Listen };
        if (name.Length == 0)
        {
            _context.Abort($"'{k}' expects an <id> argument");
            return;
        }

        if (Units.BadNameCharacter(name) is { } bad)
        {
            _context.Alert($"character '{bad}' is not permitted in '{k}' name '{name}'.");
        }

        var start = _defaults;
        bool linked = true;
        if (_context[2] == "from" && _context[3].Length > 0)
        {
            if (!_namedDefaults.TryGetValue(_context[3], out var named))
            {
                _context.Abort($"defaults section '{_context[3]}' not found for {k} '{name}'.");
                return;
            }

            start = named ?? start;
            linked = _context.AtMost(3);
        }
        else if (_context[2].Length > 0)
        {
            if (kind != ProxyKind.Backend)
            {
                _context.AlertOnly("please use the 'bind' keyword for listening addresses.");
            }

            linked = false;
        }

        if (!linked)
        {
            _line = () => _context.Alert("'listen' or 'defaults' expected."); // each line, as the section does not exist
            return;
        }

        CheckInheritance(kind, start);
        var proxy = new ProxyBuilder(name, kind, _context.Place, _proxies.Count, start.Copy());
        var same = _proxies.Find(p => p.Name == name && ((p.HasBackend && proxy.HasBackend) || (p.HasFrontend && proxy.HasFrontend)));
        if (same is not null)
        {
            _context.Add(Severity.Alert, $"config : Parsing [{_context.Place}]: {proxy.TypeName} '{name}' has the same name as "
                + $"{same.TypeName} '{same.Name}' declared at {same.Place}.");
        }

        _proxies.Add(proxy);
        var parser = new ProxyParser(_context, proxy, proxy.Settings, k, Globals, () => _global.Description) { Others = _proxies };
        _line = parser.Parse;
    }

    /// <summary>Rules of a defaults section are for one side only.</summary>
    private void CheckInheritance(ProxyKind kind, ProxySettings defaults)
    {
        if (!defaults.Rules.HasRules || !_defaultsUse.TryGetValue(defaults, out var use))
        {
            return;
        }

        var rules = defaults.Rules;
        if (kind == ProxyKind.Listen)
        {
            _context.AlertTight("a listen section cannot inherit from a defaults section defining TCP/HTTP rules.");
        }
        else if (kind == ProxyKind.Frontend ? use.Backend : use.Frontend)
        {
            _context.AbortTight("frontends and backends cannot inherit from the same defaults section if it defines TCP/HTTP "
                + $"rules (defaults section at {use.Place}).");
        }
        else if (kind == ProxyKind.Frontend && rules.ResponseContent.Count > 0)
        {
            _context.AlertTight("a frontend section cannot inherit from a defaults section defining 'tcp-response content' rules "
                + $"(defaults section at {use.Place}).");
        }
        else if (kind == ProxyKind.Backend && rules.Connection.Count + rules.Session.Count > 0)
        {
            _context.AlertTight("a backend section cannot inherit from a defaults section defining 'tcp-request connection' or "
                + $"'tcp-request session' rules (defaults section at {use.Place}).");
        }

        _defaultsUse[defaults] = (use.Place, use.Frontend || kind == ProxyKind.Frontend, use.Backend || kind == ProxyKind.Backend);
    }

    private IReadOnlyList<LogTargetConfig> Globals() => _global.Logs;

    private void Resolvers(string name)
    {
        if (name.Length == 0)
        {
            _context.Abort("missing name for resolvers section.");
            return;
        }

        if (Units.BadNameCharacter(name) is { } bad)
        {
            _context.Abort($"character '{bad}' is not permitted in 'resolvers' name '{name}'.");
            return;
        }

        if (_resolvers.Find(r => r.Name == name) is { } same)
        {
            _context.Add(Severity.Alert, $"config : Parsing [{_context.Place}]: resolvers '{name}' has same name as another "
                + $"resolvers (declared at {same.Place}).");
        }

        var parser = new ResolversParser(_context, name, _context.Place);
        _resolvers.Add(parser);
        _line = parser.Parse;
    }

    private void Ring(string name)
    {
        _line = static () => { };
        if (name.Length == 0)
        {
            _context.Alert("missing ring name.");
            return;
        }

        if (Units.BadNameCharacter(name) is { } bad)
        {
            _context.Alert($"invalid ring name '{name}' (character '{bad}' is not permitted).");
            return;
        }

        if (_rings.Exists(r => r.Name == name))
        {
            _context.Alert($"sink named '{name}' already exists.");
            _line = () => _context.Alert($"'{_context.Keyword}' directive not usable with this type of sink.");
            return;
        }

        var ring = new RingParser(_context, name);
        _rings.Add(ring);
        _line = ring.Parse;
    }

    private void LogForward(string name)
    {
        _line = static () => { };
        if (name.Length == 0)
        {
            _context.Abort("missing name for ip-forward section.");
            return;
        }

        if (!_context.AtMost(1))
        {
            return;
        }

        if (_forwards.Find(f => f.Name == name) is { } same)
        {
            _context.Add(Severity.Alert, $"config : Parsing [{_context.Place}]: log-forward section '{name}' has the same name as "
                + $"another log-forward section declared at {same.Place}.");
        }

        var forward = new LogForwardParser(_context, name, Globals);
        _forwards.Add(forward);
        _line = forward.Parse;
    }

    private void UserList(string name)
    {
        if (!_context.AtMost(1))
        {
            _line = static () => { };
            return;
        }

        if (name.Length == 0)
        {
            _context.AlertTight("'userlist' expects <name> as arguments.");
        }

        var parser = new UserListParser(_context, name);
        if (_userLists.Exists(u => u.Name == name))
        {
            _context.WarningTight($"ignoring duplicated userlist '{name}'.");
        }
        else
        {
            _userLists.Add(parser);
        }

        _line = parser.Parse;
    }
}
