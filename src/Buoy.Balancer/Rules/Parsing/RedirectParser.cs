using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>Arguments of redirect (manual 4.2).</summary>
internal static class RedirectParser
{
    public static RuleAction? Parse(ActionReader r)
    {
        RedirectKind? kind = null;
        string target = "";
        int code = 302;
        bool drop = false;
        bool slash = false;
        bool ignore = false;
        string? cookie = null;
        while (!r.Ended)
        {
            string word = r.Take();
            switch (word)
            {
                case "location" or "prefix" or "scheme" or "set-cookie" or "clear-cookie" or "code" when r.At >= r.Words.Count:
                    return r.Fail($"missing argument for '{word}'");
                case "location" or "prefix" or "scheme":
                    kind = word == "location" ? RedirectKind.Location : word == "prefix" ? RedirectKind.Prefix : RedirectKind.Scheme;
                    target = r.Take();
                    break;
                case "set-cookie":
                    string set = r.Take();
                    cookie = $"{set}; path=/;";
                    break;
                case "clear-cookie":
                    cookie = $"{r.Take()}; path=/; Max-Age=0;";
                    break;
                case "code":
                    string number = r.Take();
                    code = Units.Atoi(number);
                    if (code is not (301 or 302 or 303 or 307 or 308))
                    {
                        return r.Fail($"'code': unsupported HTTP code '{number}' (must be one of 301, 302, 303, 307 or 308)");
                    }

                    break;
                case "drop-query":
                    drop = true;
                    break;
                case "append-slash":
                    slash = true;
                    break;
                case "ignore-empty":
                    ignore = true;
                    break;
                default:
                    return r.Fail("expects 'code', 'prefix', 'location', 'scheme', 'set-cookie', 'clear-cookie', 'drop-query', "
                        + $"'ignore-empty' or 'append-slash' (was '{word}')");
            }
        }

        if (kind is null)
        {
            return r.Fail("redirection type expected ('prefix', 'location', or 'scheme')");
        }

        // The keyword of old takes plain text, the action a format.
        var format = r.Ruleset == "redirect" ? new TextFormat(target) : r.Format(target);
        return format is null ? null
            : new RedirectAction(kind.Value, format, target, code, drop, slash, ignore, cookie);
    }
}
