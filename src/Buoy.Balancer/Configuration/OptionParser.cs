namespace Buoy.Balancer.Configuration;

/// <summary><c>option NAME …</c> and <c>no option NAME</c>.</summary>
internal sealed class OptionParser(ParseContext context, ProxyBuilder? proxy, ProxySettings settings)
{
    private const string BackendOnly =
        " abortonclose allbackups persist http-pretend-keepalive srvtcpka log-health-checks prefer-last-server tcp-smart-connect ";

    private const string FrontendOnly =
        " clitcpka http-ignore-probes log-separate-errors dontlog-normal dontlognull logasap contstats socket-stats tcp-smart-accept idle-close-on-response ";

    private static readonly string[] Names = [.. Keywords.Options.Keys];

    public void Parse()
    {
        string o = context[1];
        if (o.Length == 0)
        {
            context.AlertTight("'option' expects an option name.");
            return;
        }

        if (!Keywords.Options.TryGetValue(o, out var status))
        {
            if (context.Negated)
            {
                context.AlertTight($"negation/default is not supported for option '{o}'.");
            }
            else
            {
                context.Alert($"unknown option '{o}'{Suggestions.For(o, Names)}{(Suggestions.Best(o, Names) is null ? "." : "")}");
            }
        }
        else if (status == KeywordStatus.Refused)
        {
            if (!context.Negated)
            {
                context.NotSupported($"option {o}");
            }
        }
        else if (context.Negated
            && (o is "httplog" or "httpslog" or "tcplog" or "tcpka" or "forwardfor" or "originalto" || CheckOptionParser.Knows(o)))
        {
            context.AlertTight($"negation/default is not supported for option '{o}'.");
        }
        else
        {
            Set(o);
        }
    }

    private void Set(string o)
    {
        bool on = !context.Negated;
        switch (o)
        {
            case "httplog" or "httpslog" or "tcplog":
                if (o != "tcplog" || AtMost(o, 0))
                {
                    LogFormatParser.Option(context, proxy, settings);
                }

                break;
            case var check when CheckOptionParser.Knows(check):
                if (o == "external-check" || !Misplaced(o, false))
                {
                    new CheckOptionParser(context, settings).Option(o);
                }

                break;
            case "tcpka" when AtMost(o, 0):
                settings.Switches["clitcpka"] = settings.Switches["srvtcpka"] = true;
                break;
            case "redispatch" when !Misplaced(o, false):
                settings.Redispatch = !on ? 0 : context[2].Length == 0 ? -1 : Units.Atoi(context[2]);
                break;
            case "forwardfor":
                settings.ForwardFor = Address(o, "X-Forwarded-For") ?? settings.ForwardFor;
                break;
            case "originalto":
                settings.OriginalTo = Address(o, "X-Original-To") ?? settings.OriginalTo;
                break;
            case "http-keep-alive" or "http-server-close" or "httpclose" when AtMost(o, 0):
                var kind = o switch
                {
                    "http-server-close" => HttpConnectionMode.ServerClose, "httpclose" => HttpConnectionMode.Close,
                    _ => HttpConnectionMode.KeepAlive,
                };
                if (on || settings.HttpConnection == kind)
                {
                    settings.HttpConnection = on ? kind : HttpConnectionMode.KeepAlive;
                }

                break;
            case "tcpka" or "redispatch" or "http-keep-alive" or "http-server-close" or "httpclose":
                break;
            default:
                if (AtMost(o, 0) && !Misplaced(o, true) && !Misplaced(o, false))
                {
                    settings.Switches[o] = on;
                }

                break;
        }
    }

    private bool AtMost(string o, int more) => context.AtMost(1 + more, $"option {o}");

    private bool Misplaced(string o, bool frontend)
    {
        bool concerned = (frontend ? FrontendOnly : BackendOnly).Contains($" {o} ", StringComparison.Ordinal)
            || (!frontend && (o == "redispatch" || CheckOptionParser.Knows(o)));
        if (!concerned || proxy is null || (frontend ? proxy.HasFrontend : proxy.HasBackend))
        {
            return false;
        }

        context.Warning($"'{o}' ignored because {proxy.TypeName} '{proxy.Name}' has no "
            + $"{(frontend ? "frontend" : "backend")} capability.");
        return true;
    }

    /// <summary>forwardfor and originalto: what is told of an address; null after an alert.</summary>
    private ForwardForConfig? Address(string option, string header)
    {
        bool ifNone = false;
        string? except = null;
        for (int i = 2; i < context.Words.Count; i++)
        {
            switch (context[i])
            {
                case "except" when context[i + 1].Length == 0 || !char.IsAsciiDigit(context[i + 1][0]):
                    context.Alert($"'option {option} except' expects <address>[/mask] as argument.");
                    return null;
                case "except":
                    except = context[++i];
                    break;
                case "header" when context[i + 1].Length == 0:
                    context.Alert($"'option {option} header' expects <header_name> as argument.");
                    return null;
                case "header":
                    header = context[++i];
                    break;
                case "if-none" when option == "forwardfor":
                    ifNone = true;
                    break;
                default:
                    context.Alert(option == "forwardfor"
                        ? "'option forwardfor' only supports optional values: 'except', 'header' and 'if-none'."
                        : "'option originalto' only supports optional values: 'except' and 'header'.");
                    return null;
            }
        }

        return new(header, ifNone, except);
    }
}
