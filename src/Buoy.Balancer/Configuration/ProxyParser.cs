using Buoy.Balancer.Rules.Parsing;

namespace Buoy.Balancer.Configuration;

/// <summary>The lines of defaults, frontend, backend and listen sections (configuration manual 4.2).</summary>
/// <param name="proxy">The section, null inside defaults.</param>
internal sealed class ProxyParser(
    ParseContext context, ProxyBuilder? proxy, ProxySettings settings, string section,
    Func<IReadOnlyList<LogTargetConfig>> globalLogs, Func<string?> globalDescription)
{
    private RuleParser? _rules;
    private static readonly string[] DirectiveNames = [.. Keywords.Proxy.Keys];

    /// <summary>All sections so far, to find ids used twice.</summary>
    public IReadOnlyList<ProxyBuilder> Others { get; init; } = [];

    /// <summary>defaults with a name may have rules.</summary>
    public bool NamedDefaults { get; init; }

    public void Parse()
    {
        string k = context.Keyword;
        if (context.Negated && k is not ("option" or "log"))
        {
            context.AlertTight("negation/default currently supported only for options, log, busy-polling, set-dumpable, "
                + "strict-limits, insecure-fork-wanted and numa-cpu-mapping.");
            if (Keywords.Proxy.ContainsKey(k))
            {
                return;
            }
        }

        if (k == "redispatch")
        {
            context.Alert("keyword 'redispatch' directive is not supported anymore since HAProxy 2.1. Use 'option redispatch'.");
            return;
        }

        if (RuleParser.Removed(k) is { } removed)
        {
            context.Alert(removed);
            return;
        }

        if (!Keywords.Proxy.TryGetValue(k, out var status))
        {
            context.Alert($"unknown keyword '{k}' in '{section}' section{Suggestions.For(k, DirectiveNames)}");
            return;
        }

        if (RuleParser.Knows(k))
        {
            (_rules ??= new RuleParser(new RuleSection(context, proxy, settings, NamedDefaults))).Parse();
        }
        else if (status == KeywordStatus.Supported)
        {
            Directive(k, context[1]);
        }
        else if (status == KeywordStatus.Refused)
        {
            Refuse(k);
        }
    }

    private void Refuse(string k)
    {
        string? replacement = k switch
        {
            "clitimeout" => "timeout client", "srvtimeout" => "timeout server", "contimeout" => "timeout connect", _ => null,
        };
        if (replacement is not null)
        {
            context.Alert($"the '{k}' directive is not supported anymore since HAProxy 2.1. Use '{replacement}'.");
        }
        else if (k == "appsession")
        {
            context.Alert("'appsession' is not supported anymore since HAProxy 1.6.");
        }
        else
        {
            context.NotSupported(k);
        }
    }

    private void Directive(string k, string a)
    {
        switch (k)
        {
            case "bind":
                if (InDefaults(k) || Misplaced(k, frontend: true))
                {
                    return;
                }

                BindParser.Parse(context, proxy!, section);
                break;
            case "server" or "default-server":
                Server(k);
                break;
            case "mode" when context.AtMost(1):
                Mode(a);
                break;
            case "id":
                Id(a);
                break;
            case "description" when proxy is null:
                context.AlertTight("'description' not allowed in 'defaults' section.");
                break;
            case "description" when a.Length == 0:
                context.AlertTight("'description' expects a string argument.");
                break;
            case "disabled" or "enabled" when context.AtMost(0):
                settings.Disabled = k == "disabled";
                break;
            case "default_backend":
                DefaultBackend(a);
                break;
            case "balance":
                // The original tells what is wrong with it also where it is ignored.
                _ = Misplaced(k, frontend: false);
                BalanceParser.Parse(context, settings);
                break;
            case "hash-type" when !Misplaced(k, frontend: false):
                BalanceParser.HashType(context, settings);
                break;
            case "cookie" when !Misplaced(k, frontend: false):
                CookieParser.Parse(context, settings);
                break;
            case "stick-table":
                StickTables.StickParser.Table(context, proxy);
                break;
            case "retry-on":
                RetryParser.Parse(context, proxy, settings);
                break;
            case "fullconn":
                RetryParser.FullConn(context, proxy, settings);
                break;
            case "hash-balance-factor":
                BalanceParser.BalanceFactor(context, settings);
                break;
            case "log":
                Log(a);
                break;
            case "log-format" or "log-format-sd" or "error-log-format" or "unique-id-format" or "unique-id-header" or "log-tag":
                LogFormatParser.Parse(context, proxy, settings);
                break;
            case "option":
                new OptionParser(context, proxy, settings).Parse();
                break;
            case "timeout":
                Timeout(a);
                break;
            case "maxconn":
                if (!Integer(a))
                {
                    break;
                }

                if (proxy is { HasFrontend: false })
                {
                    context.Warning($"'maxconn' ignored because backend '{proxy.Name}' has no frontend capability. "
                        + "Maybe you want 'fullconn' instead ?");
                    break;
                }

                settings.MaxConn = Units.Atoi(a);
                break;
            case "backlog" when Integer(a) && !Misplaced(k, frontend: true):
                settings.Backlog = Units.Atoi(a);
                break;
            case "retries" when context.AtMost(1) && !Misplaced(k, frontend: false):
                if (a.Length == 0)
                {
                    context.Alert("'retries' expects an integer argument (dispatch counts for one).");
                }
                else
                {
                    settings.Retries = Units.Atoi(a);
                }

                break;
            case "errorfile":
                ErrorFile(a, context[2]);
                break;
            case "stats":
                StatsParser.Parse(context, proxy, settings, globalDescription());
                break;
            case "server-template":
                Server(k);
                break;
            case "load-server-state-from-file":
                _ = Misplaced(k, frontend: false);
                StateSource(a);
                break;
            case "server-state-file-name" when context.AtMost(1) && !InDefaults(k):
                settings.StateFileName = a is "" or "use-backend-name" ? null : a;
                break;
            case "rate-limit":
                SessionRate(a, context[2]);
                break;
            case "http-send-name-header" when a.Length == 0:
                context.Alert("'http-send-name-header' requires a header string.");
                break;
            case "http-send-name-header":
                settings.SendNameHeader = Misplaced(k, frontend: false) ? null : a;
                break;
            case "source":
                settings.Source = Misplaced(k, frontend: false) ? null : SourceParser.OfBackend(context) ?? settings.Source;
                break;
            case "tcp-check" or "http-check":
                _ = Misplaced(k, frontend: false);
                CheckRuleParser.Parse(context, settings, proxy?.Name ?? "");
                break;
            case "external-check":
                new CheckOptionParser(context, settings).External();
                break;
            case "http-reuse" when !Misplaced(k, frontend: false):
                Reuse(a);
                break;
        }
    }

    private void SessionRate(string what, string value)
    {
        if (what != "sessions")
        {
            context.Alert($"'rate-limit' only supports 'sessions' (got '{what}')");
            return;
        }

        if (value.Length == 0)
        {
            context.Alert("'rate-limit sessions' expects expects an integer value (in sessions/second)");
            return;
        }

        long rate = Units.Atol(value, out string rest);
        if (rest.Length > 0)
        {
            context.Alert($"'rate-limit sessions' : unexpected character '{rest[0]}' in integer value '{value}'");
            return;
        }

        if (proxy is { HasFrontend: false })
        {
            context.Warning($"rate-limit sessions will be ignored because {proxy.TypeName} '{proxy.Name}' has no frontend capability");
        }

        settings.SessionRate = (int)Math.Clamp(rate, 0, int.MaxValue);
    }

    private bool InDefaults(string k)
    {
        if (proxy is null)
        {
            context.Alert($"'{k}' not allowed in 'defaults' section.");
        }

        return proxy is null;
    }

    /// <summary>Warns and says true where the section has not the side the keyword is for.</summary>
    private bool Misplaced(string k, bool frontend)
    {
        if (proxy is null || (frontend ? proxy.HasFrontend : proxy.HasBackend))
        {
            return false;
        }

        string side = frontend ? "frontend" : "backend";
        context.Warning($"'{k}' ignored because {proxy.TypeName} '{proxy.Name}' has no {side} capability.");
        return true;
    }

    private bool Integer(string a)
    {
        if (a.Length == 0)
        {
            context.Alert($"'{context.Keyword}' expects an integer argument.");
            return false;
        }

        return context.AtMost(1);
    }

    private void Server(string k)
    {
        if (proxy is null && k is "server" or "server-template" && proxy is null)
        {
            context.Add(Severity.Alert, $"config : [{context.Place}] : '{k}' not allowed in 'defaults' section.");
        }
        else if (proxy is { HasBackend: false })
        {
            context.Add(Severity.Alert, $"config : [{context.Place}] : parsing [{context.Place}] : '{k}' not allowed because "
                + $"{proxy.TypeName} '{proxy.Name}' has no backend capability.");
        }
        else if (k == "server-template")
        {
            ServerTemplateParser.Parse(context, proxy!, settings);
        }
        else
        {
            ServerParser.Parse(context, proxy, settings);
        }
    }

    private void StateSource(string a)
    {
        if (a is not ("global" or "local" or "none"))
        {
            context.Alert($"'load-server-state-from-file' expects 'global', 'local' or 'none'. Got '{a}'");
            return;
        }

        settings.StateSource = a switch
        {
            "global" => Configuration.StateSource.Global, "local" => Configuration.StateSource.Local,
            _ => Configuration.StateSource.None,
        };
    }

    private void Mode(string a)
    {
        switch (a)
        {
            case "tcp" or "http":
                settings.Mode = a == "tcp" ? ProxyMode.Tcp : ProxyMode.Http;
                break;
            case "health":
                context.Alert("'mode health' doesn't exist anymore. Please use 'http-request return status 200' instead.");
                break;
            default:
                context.Alert($"unknown proxy mode '{a}'.");
                break;
        }
    }

    private void Id(string a)
    {
        if (proxy is null)
        {
            context.AlertTight("'id' not allowed in 'defaults' section.");
        }
        else if (a.Length == 0)
        {
            context.AlertTight("'id' expects an integer argument.");
        }
        else if (Units.Atoi(a) <= 0)
        {
            context.AlertTight("custom id has to be > 0.");
        }
        else
        {
            int id = Units.Atoi(a);
            if (Others.FirstOrDefault(p => p != proxy && p.Id == id) is { } other)
            {
                context.AlertTight($"{proxy.TypeName} {proxy.Name} reuses same custom id as {other.TypeName} {other.Name} "
                    + $"(declared at {other.Place}).");
            }

            proxy.Id = id;
        }
    }

    private void DefaultBackend(string a)
    {
        // Ignored in a backend, but what it names is looked for all the same.
        bool stray = Misplaced("default_backend", frontend: true);
        if (a.Length == 0)
        {
            context.Alert("'default_backend' expects a backend name.");
        }
        else if (context.AtMost(1))
        {
            if (stray)
            {
                proxy!.StrayBackend = a;
            }
            else
            {
                settings.DefaultBackend = a;
            }
        }
    }

    private void Log(string a)
    {
        if (context.Negated)
        {
            if (a.Length > 0)
            {
                context.Alert("log : 'no log' does not expect arguments");
                return;
            }

            settings.Logs.Clear();
        }
        else if (LogParser.Parse(context, settings.Logs, globalLogs) is { } logs)
        {
            settings.Logs.AddRange(logs);
        }
    }

    private void Timeout(string a)
    {
        const string Names = "'client', 'server', 'connect', 'check', 'queue', 'http-keep-alive', 'http-request', "
            + "'tunnel', 'tarpit', 'client-fin' and 'server-fin'";
        if (a is not ("client" or "server" or "connect" or "check" or "queue" or "http-keep-alive" or "http-request" or "tunnel"
            or "tarpit" or "client-fin" or "server-fin"))
        {
            context.Alert($"'timeout' supports {Names} (got '{a}')");
            return;
        }

        string value = context[2];
        string name = $"timeout {a}";
        var error = context.Time(value, out int ms, out string bad);
        if (error != Units.TimeError.None)
        {
            context.Alert(value.Length == 0 ? $"'{name}' expects an integer value (in milliseconds)"
                : error == Units.TimeError.Unexpected ? $"unexpected character '{bad}' in '{name}'"
                : error == Units.TimeError.Overflow ? $"timer overflow in argument '{value}' to '{name}' (maximum value is "
                    + "2147483647 ms or ~24.8 days)"
                : $"timer underflow in argument '{value}' to '{name}' (minimum value is 1 ms)");
            return;
        }

        if (context.Words.Count > 3)
        {
            context.Alert($"'{name}' : unexpected extra argument '{context[3]}' after value '{value}'.");
            return;
        }

        bool server = a is "server" or "connect" or "check" or "queue" or "server-fin" or "tunnel";
        if (proxy is { HasFrontend: false } && (a is "client" or "client-fin"))
        {
            context.Warning($"'{name}' will be ignored because {proxy.TypeName} '{proxy.Name}' has no frontend capability");
        }
        else if (proxy is { HasBackend: false } && server)
        {
            context.Warning($"'{name}' will be ignored because {proxy.TypeName} '{proxy.Name}' has no backend capability");
        }

        int? set = ms == 0 ? null : ms;
        var t = settings.Timeouts;
        settings.Timeouts = a switch
        {
            "client" => t with { Client = set }, "server" => t with { Server = set }, "connect" => t with { Connect = set },
            "check" => t with { Check = set }, "queue" => t with { Queue = set }, "tunnel" => t with { Tunnel = set },
            "http-keep-alive" => t with { HttpKeepAlive = set }, "http-request" => t with { HttpRequest = set },
            "tarpit" => t with { Tarpit = set }, "client-fin" => t with { ClientFin = set },
            _ => t with { ServerFin = set },
        };
    }

    private void ErrorFile(string status, string path)
    {
        if (path.Length == 0)
        {
            context.Alert("errorfile : expects <status_code> and <file> as arguments.");
            return;
        }

        int code = Units.Atoi(status);
        if (code is not (200 or 400 or 401 or 403 or 404 or 405 or 407 or 408 or 410 or 413 or 421 or 422 or 425 or 429 or 500
            or 501 or 502 or 503 or 504))
        {
            context.Alert($"errorfile : status code '{code}' not handled.");
            return;
        }

        byte[] content;
        try
        {
            content = File.ReadAllBytes(context.FilePath(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            context.Alert($"errorfile : error opening file '{path}'.");
            return;
        }

        if (content.Length > 0 && !content.AsSpan().StartsWith("HTTP/"u8))
        {
            context.Alert($"errorfile : '{path}': unable to parse headers (error offset: 0)");
            return;
        }

        settings.ErrorFiles[code] = content;
    }

    private void Reuse(string a)
    {
        HttpReuse? reuse = a switch
        {
            "never" => HttpReuse.Never, "safe" => HttpReuse.Safe, "aggressive" => HttpReuse.Aggressive,
            "always" => HttpReuse.Always, _ => null,
        };
        if (reuse is null)
        {
            context.Alert("'http-reuse' only supports 'never', 'safe', 'aggressive', 'always'.");
        }
        else if (context.AtMostAfter(1, $"http-reuse {a}"))
        {
            settings.HttpReuse = reuse.Value;
        }
    }
}
