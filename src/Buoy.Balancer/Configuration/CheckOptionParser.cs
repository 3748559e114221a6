namespace Buoy.Balancer.Configuration;

/// <summary><c>option httpchk</c> and the other options that choose a check, and <c>external-check</c>.</summary>
internal sealed class CheckOptionParser(ParseContext context, ProxySettings settings)
{
    /// <summary>The options read here.</summary>
    public static bool Knows(string option) => option is "httpchk" or "tcp-check" or "ssl-hello-chk" or "mysql-check"
        or "pgsql-check" or "redis-check" or "smtpchk" or "ldap-check" or "external-check";

    /// <summary>Reads <c>option NAME …</c>.</summary>
    public void Option(string name)
    {
        int most = name switch { "httpchk" => 3, "mysql-check" => 3, "pgsql-check" => 2, "smtpchk" => 2, _ => 0 };
        if (!context.AtMostAfter(1 + most, $"option {name}"))
        {
            return;
        }

        switch (name)
        {
            case "httpchk":
                Http();
                break;
            case "mysql-check":
                Mysql();
                break;
            case "pgsql-check" when context[2] != "user" || context[3].Length == 0:
                context.Alert("'option pgsql-check' expects 'user <username>' as argument.");
                break;
            case "pgsql-check":
                Choose(CheckKind.Pgsql);
                settings.CheckRules = settings.CheckRules with { User = context[3] };
                break;
            case "smtpchk":
                bool given = context[2] is "HELO" or "EHLO" && context[3].Length > 0;
                Choose(CheckKind.Smtp);
                settings.CheckRules = settings.CheckRules with
                {
                    Hello = given ? $"{context[2]} {context[3]}" : "HELO localhost",
                };
                break;
            default:
                Choose(name switch
                {
                    "tcp-check" => CheckKind.Tcp, "ssl-hello-chk" => CheckKind.SslHello, "redis-check" => CheckKind.Redis,
                    "ldap-check" => CheckKind.Ldap, _ => CheckKind.External,
                });
                settings.TcpCheckOption = name == "tcp-check";
                break;
        }
    }

    /// <summary>Reads <c>external-check command|path</c>.</summary>
    public void External()
    {
        string which = context[1];
        if (which.Length == 0)
        {
            context.Alert("missing argument after 'external-check'.");
        }
        else if (which is not ("command" or "path"))
        {
            context.Alert($"'external-check' only supports 'command' and 'path'. but got '{which}'.");
        }
        else if (context[2].Length == 0)
        {
            context.Alert($"missing argument after '{which}'.");
        }
        else if (context.AtMost(2))
        {
            settings.CheckRules = which == "command" ? settings.CheckRules with { Command = context[2] }
                : settings.CheckRules with { Path = context[2] };
        }
    }

    private void Choose(CheckKind kind) => (settings.Check, settings.TcpCheckOption) = (kind, false);

    private void Mysql()
    {
        string? user = null;
        bool old = false;
        if (context[2].Length > 0)
        {
            if (context[2] != "user")
            {
                context.Alert($"'option mysql-check' only supports optional values: 'user' (got '{context[2]}').");
                return;
            }

            if (context[3].Length == 0)
            {
                context.Alert("'option mysql-check user' expects <username> as argument.");
                return;
            }

            if (context[4] is not ("" or "post-41" or "pre-41"))
            {
                context.Alert($"keyword 'user' only supports 'post-41' and 'pre-41' (got '{context[4]}').");
                return;
            }

            (user, old) = (context[3], context[4] == "pre-41");
        }

        Choose(CheckKind.Mysql);
        settings.CheckRules = settings.CheckRules with { User = user, Pre41 = old };
    }

    private void Http()
    {
        string a = context[2];
        string b = context[3];
        string version = context[4].Length > 0 ? context[4] : "HTTP/1.0";
        var headers = new List<(string, string)>();
        string? body = null;
        int hidden = version.IndexOfAny(['\r', '\n']);
        if (hidden >= 0)
        {
            context.WarningTight("'option httpchk' : hiding headers or body at the end of the version string is deprecated. "
                + "Please, consider to use 'http-check send' directive instead.");
            string rest = version[hidden..].TrimStart('\r')[1..];
            version = version[..hidden];
            if (!Hidden(rest, headers, ref body))
            {
                context.Alert($"'option httpchk' : unable to parse the request '{rest}\n'..");
                return;
            }
        }

        Choose(CheckKind.Http);
        CheckRuleParser.SetOption(settings, a.Length == 0 ? null
            : new HttpCheckConfig(b.Length == 0 ? "OPTIONS" : a, b.Length == 0 ? a : b, version)
            {
                Headers = [.. headers.Select(h => (h.Item1, new CheckText(h.Item2)))],
                Body = body is null ? null : new CheckText(body),
            });
    }

    private static bool Hidden(string text, List<(string, string)> headers, ref string? body)
    {
        while (text.Length > 0)
        {
            int end = text.IndexOf('\n');
            string line = (end < 0 ? text : text[..end]).TrimEnd('\r');
            text = end < 0 ? "" : text[(end + 1)..];
            if (line.Length == 0)
            {
                body = text.Length > 0 ? text : null;
                return true;
            }

            int colon = line.IndexOf(':');
            if (colon <= 0)
            {
                return false;
            }

            string name = line[..colon];
            if (!name.Equals("content-length", StringComparison.OrdinalIgnoreCase)
                && !name.Equals("transfer-encoding", StringComparison.OrdinalIgnoreCase))
            {
                headers.Add((name, line[(colon + 1)..].Trim(' ', '\t')));
            }
        }

        return true;
    }
}
