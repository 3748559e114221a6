namespace Buoy.Balancer.Configuration;

/// <summary><c>stats …</c> of a proxy. Any of them enables the statistics.</summary>
internal static class StatsParser
{
    private const string Expects = "expects 'admin', 'uri', 'realm', 'auth', 'scope', 'enable', 'hide-version', "
        + "'show-node', 'show-desc' or 'show-legends'.";

    public static void Parse(ParseContext context, ProxyBuilder? proxy, ProxySettings settings, string? description)
    {
        string k = context[1];
        string a = context[2];
        var s = settings.Stats ?? new StatsConfig();
        if (k.Length == 0)
        {
            context.AlertTight($"missing keyword in 'stats', {Expects}");
            return;
        }

        if (!Keywords.Stats.TryGetValue(k, out var status))
        {
            context.AlertTight($"unknown stats parameter '{k}', {Expects}");
            return;
        }

        if (status == KeywordStatus.Refused)
        {
            context.NotSupported($"stats {k}");
            return;
        }

        if (k is "uri" or "auth" or "realm" or "scope" && a.Length == 0)
        {
            string needs = k switch
            {
                "uri" => "an URI prefix", "auth" => "a user:password account", "realm" => "an realm name", _ => "a proxy name",
            };
            context.Alert($"'{k}' needs {needs}.");
            return;
        }

        switch (k)
        {
            case "uri":
                s = s with { Uri = a };
                break;
            case "realm":
                s = s with { Realm = a };
                break;
            case "auth":
                int colon = a.IndexOf(':');
                s = s with { Auth = [.. s.Auth, colon < 0 ? (a, "") : (a[..colon], a[(colon + 1)..])] };
                break;
            case "refresh":
                if (context.Time(a, out int ms, out string bad, unit: 1000) != Units.TimeError.None)
                {
                    context.AlertTight($"unexpected character '{bad}' in argument to stats refresh interval.");
                    return;
                }

                s = s with { Refresh = ms / 1000 };
                break;
            case "scope":
                s = s with { Scopes = [.. s.Scopes, a == "." ? proxy?.Name ?? a : a] };
                break;
            case "admin":
                if (Admin(context) is not { } rule)
                {
                    return;
                }

                s = s with { Admin = [.. s.Admin, rule] };
                break;
            case "hide-version":
                s = s with { HideVersion = true };
                break;
            case "show-node":
                if (a.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.')))
                {
                    context.AlertTight("'stats show-node' invalid node name - should be a string"
                        + "with digits(0-9), letters(A-Z, a-z), hyphen(-) or underscode(_).");
                    return;
                }

                s = s with { ShowNode = true };
                break;
            case "show-legends":
                s = s with { ShowLegends = true };
                break;
            case "show-desc":
                string text = a.Length > 0 ? string.Join(' ', context.Words.Skip(2)) : description ?? "";
                if (text.Length == 0)
                {
                    context.WarningTight("'show-desc' requires a parameter or 'desc' to be set in the global section.");
                    return;
                }

                s = s with { ShowDescription = text };
                break;
        }

        settings.Stats = s;
    }

    /// <summary>The predefined conditions that need nothing of a request but its source.</summary>
    private static (bool Unless, string Condition)? Admin(ParseContext context)
    {
        if (context[2] is not ("if" or "unless"))
        {
            context.Alert("'stats admin' requires either 'if' or 'unless' followed by a condition.");
            return null;
        }

        string condition = context[3];
        if (condition.Length == 0)
        {
            // The original takes it, and an empty condition holds.
            return (context[2] == "unless", "TRUE");
        }

        if (context.Words.Count == 4 && condition is "TRUE" or "FALSE" or "LOCALHOST")
        {
            return (context[2] == "unless", condition);
        }

        context.NotSupported($"stats admin {context[2]} {string.Join(' ', context.Words.Skip(3))}");
        return null;
    }
}
