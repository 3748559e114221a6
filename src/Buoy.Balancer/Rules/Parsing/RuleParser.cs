using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>The lines of a section that are rules: acl, http-request and its kin, redirect, use_backend, use-server.</summary>
internal sealed partial class RuleParser(RuleSection section)
{
    private readonly Configuration.ParseContext _context = section.Context;

    /// <summary>Keywords of this parser.</summary>
    public static bool Knows(string keyword) => keyword is "acl" or "http-request" or "http-response" or "http-after-response"
        or "redirect" or "use_backend" or "use-server" or "monitor" or "monitor-uri" or "capture" or "declare" or "tcp-request"
        or "tcp-response" or "stick" or "errorfiles" or "errorloc" or "errorloc302" or "errorloc303" or "http-error";

    /// <summary>What the original says of keywords that are gone; null = it is none of them.</summary>
    public static string? Removed(string keyword)
    {
        string? instead = keyword switch
        {
            "block" => "'http-request deny' which uses the exact same syntax",
            "reqadd" => "'http-request add-header' instead",
            "rspadd" => "'http-response add-header' instead",
            "reqrep" or "reqirep" => "'http-request replace-header' instead",
            "rsprep" or "rspirep" => "'http-response replace-header' instead",
            "reqdel" or "reqidel" => "'http-request del-header' instead",
            "rspdel" or "rspidel" => "'http-response del-header' instead",
            "reqdeny" or "reqideny" => "'http-request deny' instead",
            "rspdeny" or "rspideny" => "'http-response deny' instead",
            "reqallow" or "reqiallow" or "reqpass" or "reqipass" => "'http-request allow' instead",
            "reqtarpit" or "reqitarpit" => "'http-request tarpit' instead",
            _ => null,
        };
        return instead is null ? null
            : $"The '{keyword}' directive is not supported anymore since HAProxy 2.1. Use {instead}.";
    }

    public void Parse()
    {
        string k = _context.Keyword;
        switch (k)
        {
            case "acl":
                Acl();
                break;
            case "http-request" or "http-response" or "http-after-response":
                Http(k);
                break;
            case "redirect":
                Redirect();
                break;
            case "use_backend":
                UseBackend();
                break;
            case "use-server":
                UseServer();
                break;
            case "tcp-request" or "tcp-response":
                Tcp(k);
                break;
            case "stick":
                Stick();
                break;
            case "errorfiles" or "errorloc" or "errorloc302" or "errorloc303" or "http-error":
                new ErrorParser(section).Parse();
                break;
            default:
                Other(k);
                break;
        }
    }

    private bool InDefaults(string keyword)
    {
        if (section.Proxy is null)
        {
            _context.Alert($"'{keyword}' not allowed in 'defaults' section.");
        }

        return section.Proxy is null;
    }

    private bool InAnonymousDefaults(string keyword)
    {
        bool wrong = section.Proxy is null && !section.NamedDefaults;
        if (wrong)
        {
            _context.Alert($"'{keyword}' not allowed in anonymous 'defaults' section.");
        }

        return wrong;
    }

    /// <summary>Warns where the section lacks the side the keyword is for; it is read all the same.</summary>
    private void WarnOfSide(string keyword, bool frontend)
    {
        if (section.Proxy is { } p && !(frontend ? p.HasFrontend : p.HasBackend))
        {
            _context.Warning(
                $"'{keyword}' ignored because {section.Title} has no {(frontend ? "frontend" : "backend")} capability.");
        }
    }

    private void Acl()
    {
        if (InAnonymousDefaults("acl"))
        {
            return;
        }

        string name = _context[1];
        if (name.Length == 0)
        {
            _context.Alert("character '' is not permitted in acl name ''.");
            return;
        }

        if (Configuration.Units.BadNameCharacter(name) is { } bad)
        {
            _context.Alert($"character '{bad}' is not permitted in acl name '{name}'.");
            return;
        }

        if (string.Equals(name, "or", StringComparison.OrdinalIgnoreCase))
        {
            _context.Alert($"acl name '{name}' will never match. 'or' is used to express a logical disjunction within a "
                + "condition.");
            return;
        }

        if (AclParser.Line(section, _context.Words, 2, out string error, out string? warning) is not { } line)
        {
            _context.Alert($"error detected while parsing ACL '{name}' : {error}.");
            return;
        }

        if (warning is not null)
        {
            section.Warn(warning);
        }

        var acls = section.Rules.Acls;
        var acl = acls.Find(a => a.Name == name);
        if (acl is null)
        {
            acls.Add(acl = new Acl(name));
        }

        acl.Add(line);
    }

    private void Http(string ruleset)
    {
        if (InAnonymousDefaults(ruleset))
        {
            return;
        }

        string name = _context[1];
        if (ActionTable.Find(ruleset, name) is not { } parse)
        {
            if (ActionNames.Knows(ruleset, name))
            {
                NotYet(ruleset, name);
            }
            else
            {
                _context.AbortTight($"'{ruleset}' expects {ActionNames.List(ruleset)}, but got '{name}'"
                    + $"{(name.Length == 0 ? " (missing argument)" : "")}.");
            }

            return;
        }

        var list = ruleset switch
        {
            "http-request" => section.Rules.Request, "http-response" => section.Rules.Response, _ => section.Rules.AfterResponse,
        };
        if (list.Count > 0 && list[^1] is { Final: true, Condition: null })
        {
            _context.WarningTight($"previous '{ruleset}' action is final and has no condition attached, further entries are NOOP.");
        }

        var places = ruleset == "http-request"
            ? section.Sides(SamplePlaces.FrontendHttpRequest, SamplePlaces.BackendHttpRequest)
            : section.Sides(SamplePlaces.FrontendHttpResponse, SamplePlaces.BackendHttpResponse);
        var reader = new ActionReader(section, _context.Words, 1, ruleset) { Places = places };
        if (parse(reader) is not { } action)
        {
            if (reader.Told)
            {
                return;
            }

            _context.Abort($"error detected in {section.Title} while parsing '{ruleset} {name}' rule : {reader.Error}.");
            return;
        }

        if (!Condition(reader, $"{ruleset} {name}", out var condition))
        {
            return;
        }

        if (ruleset == "http-request")
        {
            WarnOfOrder(RuleKind.HttpRequest);
        }

        bool final = name is "allow" or "deny" or "tarpit" or "return" or "redirect" or "auth";
        list.Add(new Rule(action, condition, _context.Place) { Final = final });
    }

    private void NotYet(string ruleset, string name) => _context.NotSupported($"{ruleset} {name}");

    /// <summary>What follows an action: nothing, or a condition. False, with an alert, where it is neither.</summary>
    private bool Condition(ActionReader reader, string what, out Condition? condition)
    {
        condition = null;
        if (reader.At >= reader.Words.Count)
        {
            return true;
        }

        if (!reader.Ended)
        {
            _context.AbortTight($"'{what}' expects either 'if' or 'unless' followed by a condition but found '{reader[0]}'.");
            return false;
        }

        condition = AclParser.Condition(section, reader.Words, reader.At, reader.Places, "http-request", out string error);
        if (condition is null)
        {
            _context.Abort($"error detected while parsing an '{what}' condition : {error}.");
        }

        return condition is not null;
    }

    private void Redirect()
    {
        if (InDefaults("redirect"))
        {
            return;
        }

        var places = section.Sides(SamplePlaces.FrontendHttpRequest, SamplePlaces.BackendHttpRequest);
        var reader = new ActionReader(section, _context.Words, 0, "redirect") { Places = places };
        var action = RedirectParser.Parse(reader);
        string error = reader.Error;
        Condition? condition = null;
        if (action is not null && reader.At < reader.Words.Count)
        {
            condition = AclParser.Condition(section, reader.Words, reader.At, places, "redirect", out error);
            error = $"error in condition: {error}";
            action = condition is null ? null : action;
        }

        if (action is null)
        {
            _context.Alert($"error detected in {section.Title} while parsing redirect rule : {error}.");
            return;
        }

        WarnOfOrder(RuleKind.Redirect);
        section.Rules.Redirect.Add(new Rule(action, condition, _context.Place));
    }

    private void UseBackend()
    {
        if (InDefaults("use_backend"))
        {
            return;
        }

        WarnOfSide("use_backend", frontend: true);
        string name = _context[1];
        if (name.Length == 0)
        {
            _context.Alert("'use_backend' expects a backend name.");
            return;
        }

        if (!Switching("switching", SamplePlaces.UseBackend, out var condition))
        {
            return;
        }

        WarnOfOrder(RuleKind.UseBackend);
        IFormatString? format = null;
        if (name.Contains('%') && !Dynamic(name, SamplePlaces.FrontendHttpRequest, "use_backend expression", out format))
        {
            return;
        }

        section.Rules.Backends.Add(new BackendRule(name, format, condition, _context.Place));
    }

    private void UseServer()
    {
        if (InDefaults("use-server"))
        {
            return;
        }

        WarnOfSide("use-server", frontend: false);
        string name = _context[1];
        if (name.Length == 0)
        {
            _context.Alert("'use-server' expects a server name.");
            return;
        }

        if (_context[2].Length == 0)
        {
            _context.Alert("'use-server' requires either 'if' or 'unless' followed by a condition.");
            return;
        }

        if (!Switching("use-server", SamplePlaces.SetServer, out var condition))
        {
            return;
        }

        WarnOfOrder(RuleKind.UseServer);
        IFormatString? format = null;
        if (name.Contains('%') && !Dynamic(name, SamplePlaces.BackendHttpRequest, "use-server rule", out format))
        {
            return;
        }

        section.Rules.Servers.Add(new ServerRule(name, format, condition, _context.Place));
    }

    private bool Dynamic(string name, SamplePlaces places, string what, out IFormatString? format)
    {
        bool http = section.Settings.Mode == Configuration.ProxyMode.Http;
        format = Logging.LogFormat.Parse(name, http, section.Samples(places, what), out string error);
        if (format is null)
        {
            _context.Alert($"Parsing [{_context.Place}]: {error}.");
        }

        return format is not null;
    }

    private bool Switching(string what, SamplePlaces places, out Condition? condition)
    {
        condition = null;
        string word = _context[2];
        if (word is "if" or "unless")
        {
            condition = AclParser.Condition(section, _context.Words, 2, places, $"{what} rule", out string error);
            if (condition is null)
            {
                _context.Alert($"error detected while parsing switching rule : {error}.");
                return false;
            }
        }
        else if (word.Length > 0)
        {
            _context.Alert($"unexpected keyword '{word}' after {(what == "switching" ? "switching" : what)} rule, only 'if' and "
                + "'unless' are allowed.");
            return false;
        }

        return true;
    }
}
