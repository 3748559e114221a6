namespace Buoy.Balancer.Configuration;

/// <summary><c>balance ALGORITHM</c>, <c>hash-type</c> and <c>hash-balance-factor</c> (configuration manual 4.2).</summary>
internal static class BalanceParser
{
    private const string Only = "balance only supports 'roundrobin', 'static-rr', 'leastconn', 'source', 'uri', "
        + "'url_param', 'hdr(name)' and 'rdp-cookie(name)' options.";

    public static void Parse(ParseContext context, ProxySettings settings)
    {
        string a = context[1].Length == 0 ? "roundrobin" : context[1];
        int open = a.IndexOf('(');
        string name = open < 0 ? a : a[..open];
        string? argument = open >= 0 ? a[(open + 1)..].TrimEnd(')') : null;
        if (!Keywords.Balance.TryGetValue(name, out var status)
            || (open >= 0 && (name is not ("random" or "hdr" or "rdp-cookie"))) || (name == "hdr" && open < 0))
        {
            context.Alert(Only);
            return;
        }

        if (status == KeywordStatus.Refused)
        {
            context.NotSupported($"balance {name}");
            return;
        }

        var balance = new BalanceConfig(name, argument);
        var parsed = name switch
        {
            "random" => Random(context, balance),
            "uri" => Uri(context, balance),
            "url_param" => UrlParameter(context, balance),
            "hdr" => Header(context, balance, a.EndsWith(')')),
            "rdp-cookie" => RdpCookie(context, balance, open < 0 || a.EndsWith(')')),
            _ => balance,
        };
        settings.Balance = parsed ?? settings.Balance;
    }

    public static void HashType(ParseContext context, ProxySettings settings)
    {
        if (context[1] is not ("consistent" or "map-based"))
        {
            context.Alert("'hash-type' only supports 'consistent' and 'map-based'.");
            return;
        }

        bool consistent = context[1] == "consistent";
        if (context[2].Length == 0)
        {
            settings.HashType = new HashTypeConfig(consistent, HashFunction.Sdbm, consistent);
            return;
        }

        if (context[2] == "wt6")
        {
            // Its definition is published nowhere but in the original's source.
            context.NotSupported("hash-type wt6");
            return;
        }

        HashFunction? function = context[2] switch
        {
            "sdbm" => HashFunction.Sdbm, "djb2" => HashFunction.Djb2, "crc32" => HashFunction.Crc32, _ => null,
        };
        if (function is null)
        {
            context.Alert("'hash-type' only supports 'sdbm', 'djb2', 'crc32', or 'wt6' hash functions.");
        }
        else if (context[3].Length > 0 && context[3] != "avalanche")
        {
            context.Alert("'hash-type' only supports 'avalanche' as a modifier for hash functions.");
        }
        else
        {
            settings.HashType = new HashTypeConfig(consistent, function.Value, context[3].Length > 0);
        }
    }

    public static void BalanceFactor(ParseContext context, ProxySettings settings)
    {
        if (context[1].Length == 0)
        {
            context.Alert("'hash-balance-factor' expects an integer argument.");
        }
        else if (Units.Atoi(context[1]) is var factor && factor is not 0 and <= 100)
        {
            context.Alert("'hash-balance-factor' must be 0 or greater than 100.");
        }
        else
        {
            settings.BalanceFactor = factor;
        }
    }

    private static BalanceConfig? Random(ParseContext context, BalanceConfig balance)
    {
        if (balance.Argument is null)
        {
            return balance;
        }

        long draws = Units.Atol(balance.Argument, out string rest);
        if (rest.Length > 0)
        {
            context.Alert($"balance random : unexpected character '{rest[0]}' after argument.");
            return null;
        }

        if (draws < 1)
        {
            context.Alert("balance random : number of draws must be at least 1.");
            return null;
        }

        return balance;
    }

    private static BalanceConfig? Uri(ParseContext context, BalanceConfig balance)
    {
        for (int i = 2; i < context.Words.Count; i++)
        {
            switch (context[i])
            {
                case "len" or "depth":
                    string what = context[i];
                    string text = context[++i];
                    if (Units.Atoi(text) is not (> 0 and var n))
                    {
                        context.Alert($"balance uri : '{what}' expects a positive integer (got '{text}').");
                        return null;
                    }

                    balance = what == "len" ? balance with { Length = n } : balance with { Depth = n };
                    break;
                case "whole":
                    balance = balance with { Whole = true };
                    break;
                case "path-only":
                    balance = balance with { PathOnly = true };
                    break;
                default:
                    context.Alert("balance uri only accepts parameters 'len', 'depth', 'path-only', and 'whole' "
                        + $"(got '{context[i]}').");
                    return null;
            }
        }

        return balance;
    }

    private static BalanceConfig? UrlParameter(ParseContext context, BalanceConfig balance)
    {
        if (context[2].Length == 0)
        {
            context.Alert("balance url_param requires an URL parameter name.");
            return null;
        }

        if (context[3].Length > 0 && context[3] != "check_post")
        {
            context.Alert($"balance url_param only accepts 'check_post' modifier (got '{context[3]}').");
            return null;
        }

        return balance with { Argument = context[2], CheckPost = context[3].Length > 0 };
    }

    private static BalanceConfig? Header(ParseContext context, BalanceConfig balance, bool closed)
    {
        if (balance.Argument!.Length == 0 || !closed)
        {
            context.Alert("balance hdr requires an http header field name.");
            return null;
        }

        if (context[2].Length > 0 && context[2] != "use_domain_only")
        {
            context.Alert($"balance hdr({balance.Argument}) only accepts 'use_domain_only' modifier (got '{context[2]}').");
            return null;
        }

        return balance with { Argument = balance.Argument.ToLowerInvariant(), DomainOnly = context[2].Length > 0 };
    }

    private static BalanceConfig? RdpCookie(ParseContext context, BalanceConfig balance, bool closed)
    {
        if (balance.Argument?.Length == 0 || !closed)
        {
            context.Alert("balance rdp-cookie : missing cookie name.");
            return null;
        }

        return balance with { Argument = balance.Argument ?? "mstshash" };
    }
}
