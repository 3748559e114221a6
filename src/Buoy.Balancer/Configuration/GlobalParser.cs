namespace Buoy.Balancer.Configuration;

/// <summary>The global section (configuration manual, chapter 3).</summary>
internal sealed class GlobalParser(ParseContext context, Func<string, int?> findUser, Func<string, int?> findGroup)
{
    private const int MaxThreads = 64;
    private readonly Dictionary<string, string> _kept = [];
    private readonly List<LogTargetConfig> _logs = [];
    private readonly List<StatsSocketConfig> _sockets = [];
    private bool _userSeen;
    private bool _groupSeen;
    private bool _spreadSeen;
    private GlobalConfig _global = new();

    public IReadOnlyList<LogTargetConfig> Logs => _logs;

    public string? Description => _global.Description;

    public GlobalConfig Build() => _global with
    {
        Kept = _kept, Logs = _logs, StatsSockets = _sockets, InsecureForkWanted = _kept.ContainsKey("insecure-fork-wanted"),
    };

    public void Parse()
    {
        string k = context.Keyword;
        if (context.Negated)
        {
            if (k == "log")
            {
                _logs.Clear();
                return;
            }

            if (k is not ("busy-polling" or "set-dumpable" or "strict-limits" or "insecure-fork-wanted" or "numa-cpu-mapping"))
            {
                context.AlertTight("negation/default currently supported only for options, log, busy-polling, "
                    + "set-dumpable, strict-limits, insecure-fork-wanted and numa-cpu-mapping.");
                if (Keywords.Global.ContainsKey(k))
                {
                    return;
                }
            }
        }

        if (!Keywords.Global.TryGetValue(k, out var status))
        {
            context.Alert($"unknown keyword '{k}' in 'global' section{Suggestions.For(k, Keywords.Global.Keys)}");
            return;
        }

        switch (status)
        {
            case KeywordStatus.Refused when k == "nbproc":
                context.Alert("nbproc is not supported any more since HAProxy 2.5. Threads will automatically be used "
                    + "on multi-processor machines if available.");
                break;
            case KeywordStatus.Refused:
                context.NotSupported(k);
                break;
            case KeywordStatus.Accepted:
                Keep();
                break;
            default:
                Directive(k);
                break;
        }
    }

    private void Keep()
    {
        if (AcceptedSettings.Check(context))
        {
            _kept[context.Keyword] = string.Join(' ', context.Words.Skip(1));
        }
    }

    private void Directive(string k)
    {
        string a = context[1];
        switch (k)
        {
            case "log":
                if (LogParser.Parse(context, _logs, globalTargets: null) is { } logs)
                {
                    _logs.AddRange(logs);
                }

                break;
            case "log-tag" or "ca-base" or "crt-base" or "node" when !context.AtMost(1):
                break;
            case "log-tag" when a.Length == 0:
                context.Alert("'log-tag' expects a tag for use in syslog.");
                break;
            case "log-tag":
                _global = _global with { LogTag = a };
                break;
            case "set-var" or "set-var-fmt":
                Rules.Parsing.InitialVariableParser.Parse(context);
                break;
            case "expose-experimental-directives":
                context.Rules.Experimental = true;
                break;
            case "log-send-hostname":
                _global = _global with { LogSendHostname = a.Length > 0 ? a : Environment.MachineName };
                break;
            case "unix-bind":
                UnixBind.Parse(context);
                break;
            case "default-path":
                context.DefaultPath();
                break;
            case "chroot" when context.AtMost(1):
                Once(_global.Chroot, "expects a directory as an argument.", () => _global with { Chroot = a });
                break;
            case "pidfile" when context.AtMost(1):
                Once(_global.PidFile, "expects a file name as an argument.", () => _global with { PidFile = a });
                break;
            case "user" or "uid" or "group" or "gid" when context.AtMost(1):
                Identity(k, a);
                break;
            case "daemon" when context.AtMost(0):
                _global = _global with { Daemon = true };
                break;
            case "nbthread" when context.AtMost(1):
                Threads(a);
                break;
            case "maxconn" when context.AtMost(1) && Integer(a):
                _global = _global with { MaxConn = Units.Atoi(a) };
                break;
            case "ulimit-n" when context.AtMost(1) && Integer(a):
                _global = _global with { UlimitN = Units.Atoi(a) };
                break;
            case "tune.bufsize" when context.AtMost(1) && Integer(a):
                BufferSize(a);
                break;
            case "ca-base" or "crt-base":
                Base(k, a);
                break;
            case "node":
                Node(a);
                break;
            case "description" when a.Length == 0:
                context.AlertTight("'description' expects a string argument.");
                break;
            case "description":
                _global = _global with { Description = string.Join(' ', context.Words.Skip(1)) };
                break;
            case "hard-stop-after":
                HardStop(a);
                break;
            case "grace" or "master-worker" or "mworker-max-reloads":
                _global = ProcessSettings.Parse(context, _global);
                break;
            case "spread-checks" when context.AtMost(1):
                Spread(a);
                break;
            case "server-state-file" when a.Length == 0:
                context.Alert("'server-state-file' expect one argument: a file path.");
                break;
            case "server-state-file":
                _global = _global with { ServerStateFile = a };
                break;
            case "max-spread-checks":
                MaxSpread(a);
                break;
            case "external-check" when context.AtMost(0):
                _global = _global with { ExternalCheck = true };
                break;
            case "stats":
                Stats(a);
                break;
            case "setenv" or "presetenv":
                if (context.Words.Count < 3)
                {
                    context.AlertTight($"'{k}' expects a name and a value.");
                }
                else if (k == "setenv" || context.Variable(a) is null)
                {
                    context.SetVariable(a, context[2]);
                }

                break;
            case "unsetenv" when a.Length == 0:
                context.AlertTight("'unsetenv' expects at least one variable name.");
                break;
            case "unsetenv":
                foreach (string name in context.Words.Skip(1))
                {
                    context.SetVariable(name, null);
                }

                break;
            case "localpeer" when context.AtMost(1) && a.Length == 0:
                context.Alert("'localpeer' expects a name as an argument.");
                break;
            case "resetenv" or "localpeer" or "quiet" or "zero-warning" when context.AtMost(k == "localpeer" ? 1 : 0):
                _kept[k] = a;
                break;
        }
    }

    private void Once(string? before, string expects, Func<GlobalConfig> set)
    {
        if (before is not null)
        {
            context.Alert($"'{context.Keyword}' already specified. Continuing.");
        }
        else if (context[1].Length == 0)
        {
            context.Alert($"'{context.Keyword}' {expects}");
        }
        else
        {
            _global = set();
        }
    }

    private void Identity(string k, string name)
    {
        bool user = k is "user" or "uid";
        if (user ? _userSeen : _groupSeen)
        {
            context.Alert($"{(user ? "user/uid" : "group/gid")} already specified. Continuing.");
            return;
        }

        if (name.Length == 0 && k is "uid" or "gid")
        {
            context.Alert($"'{k}' expects an integer argument.");
            return;
        }

        if (k is "uid" or "gid")
        {
            long id = Units.Atol(name, out string rest);
            if (rest.Length > 0)
            {
                context.Warning($" {k}: string '{name}' is not a number.\n   | You might want to use the '"
                    + $"{(user ? "user" : "group")}' parameter to use a system {(user ? "user" : "group")} name.");
                return;
            }

            _global = user ? _global with { Uid = (int)id } : _global with { Gid = (int)id };
        }
        else
        {
            int? id = user ? findUser(name) : findGroup(name);
            if (id is null)
            {
                context.Alert($"cannot find {k} id for '{name}' (0:Success)");
                return;
            }

            _global = user ? _global with { User = name, Uid = id } : _global with { Group = name, Gid = id };
        }

        _userSeen |= user;
        _groupSeen |= !user;
    }

    private void Threads(string a)
    {
        long n = Units.Atol(a, out string rest);
        if (a.Length == 0 || rest.Length > 0)
        {
            context.Alert($"'nbthread' passed a missing or unparsable integer value in '{a}'");
        }
        else if (n is < 1 or > MaxThreads)
        {
            context.Alert($"'nbthread' value must be between 1 and {MaxThreads} (was {n})");
        }
        else
        {
            _global = _global with { NbThread = (int)n };
        }
    }

    private void BufferSize(string a)
    {
        int size = Units.Atoi(a);
        if (size <= 0)
        {
            context.Alert("'tune.bufsize' expects a positive integer argument.");
            return;
        }

        _global = _global with { BufferSize = Math.Max(size, 4096) };
    }

    private void Base(string k, string a)
    {
        string? before = k == "ca-base" ? _global.CaBase : _global.CrtBase;
        if (before is not null)
        {
            context.Alert($"'{k}' already specified.");
        }
        else if (a.Length == 0)
        {
            context.Alert($"global statement '{k}' expects a directory path as an argument.");
        }
        else
        {
            _global = k == "ca-base" ? _global with { CaBase = a } : _global with { CrtBase = a };
        }
    }

    private void Node(string a)
    {
        if (a.Length == 0 || a.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('.' or '-' or '_')))
        {
            context.AlertTight("'node' requires valid node name - non-empty string with digits(0-9), letters(A-Z, a-z), "
                + "dot(.), hyphen(-) or underscode(_).");
            return;
        }

        _global = _global with { NodeName = a };
    }

    private void HardStop(string a)
    {
        if (a.Length == 0)
        {
            context.Alert("'hard-stop-after' expects <time> as argument.");
        }
        else if (context.Time(a, out int ms, out string bad) is var error && error == Units.TimeError.Unexpected)
        {
            context.Alert($"unexpected character '{bad}' in argument to <hard-stop-after>.");
        }
        else if (error == Units.TimeError.Overflow)
        {
            context.Alert($"timer overflow in argument '{a}' to <hard-stop-after>, maximum value is 2147483647 ms (~24.8 days).");
        }
        else
        {
            _global = _global with { HardStopAfter = ms };
        }
    }

    private void MaxSpread(string a)
    {
        if (a.Length == 0)
        {
            context.AlertTight("'max-spread-checks' expects an integer argument (0..50).");
            return;
        }

        switch (context.Time(a, out int ms, out string bad))
        {
            case Units.TimeError.None:
                _global = _global with { MaxSpreadChecks = ms };
                break;
            case Units.TimeError.Unexpected:
                context.AlertTight($"unsupported character '{bad[0]}' in 'max-spread-checks' (wants an integer delay).");
                break;
            default:
                context.AlertTight($"timer overflow in argument <{a}> to <max-spread-checks>, maximum value is 2147483647 ms (~24.8 days).");
                break;
        }
    }

    private void Spread(string a)
    {
        if (_spreadSeen)
        {
            context.AlertTight("spread-checks already specified. Continuing.");
            return;
        }

        if (a.Length == 0)
        {
            context.AlertTight("'spread-checks' expects an integer argument (0..50).");
            return;
        }

        int n = Units.Atoi(a);
        _spreadSeen = n != 0;
        if (n is < 0 or > 50)
        {
            context.AlertTight("'spread-checks' needs a positive value in range 0..50.");
            return;
        }

        _global = _global with { SpreadChecks = n };
    }

    private bool Integer(string a)
    {
        if (a.Length == 0)
        {
            context.Alert($"'{context.Keyword}' expects an integer argument.");
        }

        return a.Length > 0;
    }

    private void Stats(string a)
    {
        switch (a)
        {
            case "socket" when context[2].Length == 0:
                context.Alert("'stats socket' in global section expects an address or a path to a UNIX socket");
                break;
            case "socket":
                StatsSocket();
                break;
            case "timeout":
                var error = context.Time(context[2], out int ms, out string bad);
                if (error != Units.TimeError.None)
                {
                    context.Alert(error == Units.TimeError.Unexpected ? bad.Length == 0 ? "'stats timeout' : unexpected character '" : $"'stats timeout' : unexpected character '{bad}'"
                        : $"'stats timeout' : timer overflow in argument '{context[2]}'");
                }
                else if (ms == 0)
                {
                    context.Alert("'stats timeout' expects a positive value");
                }
                else
                {
                    _global = _global with { StatsTimeout = ms };
                }

                break;
            case "maxconn":
                if (Units.Atoi(context[2]) <= 0)
                {
                    context.Alert("'stats maxconn' expects a positive value");
                    break;
                }

                _global = _global with { StatsMaxConn = Units.Atoi(context[2]) };
                break;
            default:
                context.Alert($"'stats' only supports 'socket', 'maxconn', 'bind-process' and 'timeout' (got '{a}')");
                break;
        }
    }

    private void StatsSocket()
    {
        string level = "operator";
        int? mode = null;
        string? user = null;
        string? group = null;
        bool expose = false;
        try
        {
            string text = context[2];
            try
            {
                _ = AddressParser.Parse(text, range: true, names: false, portNeeded: true, descriptors: true);
            }
            catch (ConfigurationException e)
            {
                context.Alert($"parsing [{context.Place}] : 'stats socket' : {e.Message}");
                return;
            }

            for (int i = 3; i < context.Words.Count; i++)
            {
                string option = context[i];
                string value = context[i + 1];
                switch (option)
                {
                    case "level":
                        level = value is "user" or "operator" or "admin" ? value : throw new ConfigurationException(
                            $"''level' only supports 'user', 'operator', and 'admin' (got '{value}')'");
                        break;
                    case "mode":
                        mode = Units.Octal(value) ?? throw new ConfigurationException(
                            $"''mode' : missing or invalid mode '{value}' (octal integer expected)'");
                        break;
                    case "user" or "uid":
                        user = option == "uid" || findUser(value) is not null ? value
                            : throw new ConfigurationException($"''user' : unknown user name '{value}''");
                        break;
                    case "group" or "gid":
                        group = option == "gid" || findGroup(value) is not null ? value
                            : throw new ConfigurationException($"''group' : unknown group name '{value}''");
                        break;
                    case "expose-fd":
                        expose = value == "listeners" ? true : throw new ConfigurationException(
                            $"''expose-fd' only supports 'listeners' (got '{value}')'");
                        break;
                    case "name" or "backlog" or "maxconn" or "severity-output" or "thread" or "process" or "id" or "nice":
                        break;
                    default:
                        throw new ConfigurationException(Keywords.Bind.ContainsKey(option)
                            ? $"'{option}' is not supported yet"
                            : $"unknown keyword '{option}'{Suggestions.For(option, Keywords.Bind.Keys, ". Did")}");
                }

                i++;
            }

            _sockets.Add(new StatsSocketConfig(text, level, mode, user, group, expose, context.Place));
        }
        catch (ConfigurationException e)
        {
            context.Alert($"'stats socket' : {e.Message}");
        }
    }
}
