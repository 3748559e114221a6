namespace Buoy.Balancer.Configuration;

/// <summary><c>cookie NAME …</c> (configuration manual 4.2).</summary>
internal static class CookieParser
{
    private const string Known = "'cookie' supports 'rewrite', 'insert', 'prefix', 'indirect', 'nocache', 'postonly', "
        + "'domain', 'maxidle', 'dynamic', 'maxlife' and 'attr' options.";

    public static void Parse(ParseContext context, ProxySettings settings)
    {
        if (context[1].Length == 0)
        {
            context.Alert("'cookie' expects <cookie_name> as argument.");
            return;
        }

        var cookie = new CookieConfig(context[1]);
        string domains = "", attributes = "";
        bool httpOnly = false, secure = false;
        int modes = 0;
        for (int i = 2; i < context.Words.Count; i++)
        {
            switch (context[i])
            {
                case "rewrite":
                    (cookie, modes) = (cookie with { Mode = CookieMode.Rewrite }, modes + 1);
                    break;
                case "insert":
                    (cookie, modes) = (cookie with { Mode = CookieMode.Insert }, modes + 1);
                    break;
                case "prefix":
                    (cookie, modes) = (cookie with { Mode = CookieMode.Prefix }, modes + 1);
                    break;
                case "indirect":
                    cookie = cookie with { Indirect = true };
                    break;
                case "nocache":
                    cookie = cookie with { NoCache = true };
                    break;
                case "postonly":
                    cookie = cookie with { PostOnly = true };
                    break;
                case "preserve":
                    cookie = cookie with { Preserve = true };
                    break;
                case "httponly":
                    httpOnly = true;
                    break;
                case "secure":
                    secure = true;
                    break;
                case "domain" when Domain(context, context[i + 1]):
                    domains += $"; domain={context[++i]}";
                    break;
                case "maxidle" or "maxlife" when Seconds(context, context[i], context[i + 1]) is { } seconds:
                    cookie = context[i] == "maxidle" ? cookie with { MaxIdle = seconds } : cookie with { MaxLife = seconds };
                    i++;
                    break;
                case "attr" when Attribute(context, context[i + 1]):
                    attributes += $"; {context[++i]}";
                    break;
                case "dynamic":
                    // Which hash makes the value is not documented.
                    context.NotSupported("cookie dynamic");
                    return;
                case "domain" or "maxidle" or "maxlife" or "attr":
                    return;
                default:
                    context.Alert(Known);
                    return;
            }
        }

        if (modes > 1)
        {
            context.Alert("cookie 'rewrite', 'insert' and 'prefix' modes are incompatible.");
        }
        else if (cookie is { Mode: CookieMode.Rewrite, Indirect: true })
        {
            context.Alert("cookie 'rewrite' and 'indirect' modes are incompatible.");
        }
        else if (cookie.Preserve && cookie.Mode != CookieMode.Insert && !cookie.Indirect)
        {
            context.Alert("cookie 'preserve' requires at least 'insert' or 'indirect'.");
        }
        else
        {
            settings.Cookie = cookie with
            {
                Attributes = "; path=/" + domains + (httpOnly ? "; HttpOnly" : "") + (secure ? "; Secure" : "") + attributes,
            };
        }
    }

    private static bool Domain(ParseContext context, string domain)
    {
        if (domain.Length == 0)
        {
            context.AlertTight("'domain' expects <domain> as argument.");
            return false;
        }

        if (!domain[1..].Contains('.'))
        {
            context.Add(Severity.Warning, $"config : parsing [{context.Place}]: domain '{domain}' contains no embedded dot, "
                + "this configuration may not work properly (see RFC6265#5.2.3).");
        }

        foreach (char c in domain)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '.' or '_' or ':'))
            {
                context.AlertTight($"character '{c}' is not permitted in domain name '{domain}'.");
                return false;
            }
        }

        return true;
    }

    private static int? Seconds(ParseContext context, string what, string text)
    {
        if (text.Length == 0)
        {
            context.AlertTight($"'{what}' expects <{(what == "maxidle" ? "idletime" : "lifetime")}> in seconds as argument.");
            return null;
        }

        // A number alone is seconds here.
        bool plain = char.IsAsciiDigit(text[^1]);
        if (context.Time(plain ? text + "s" : text, out int ms, out string bad) != Units.TimeError.None)
        {
            context.AlertTight($"unexpected character '{bad}' in argument to <{what}>.");
            return null;
        }

        return (ms + 999) / 1000;
    }

    private static bool Attribute(ParseContext context, string value)
    {
        if (value.Length == 0)
        {
            context.AlertTight("'attr' expects <value> as argument.");
            return false;
        }

        foreach (char c in value)
        {
            if (char.IsControl(c) || c == ';')
            {
                context.AlertTight($"character '%x{(int)c:X2}' is not permitted in attribute value.");
                return false;
            }
        }

        return true;
    }
}
