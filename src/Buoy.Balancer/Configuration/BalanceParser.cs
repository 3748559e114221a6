namespace Buoy.Balancer.Configuration;

/// <summary><c>balance ALGORITHM</c>.</summary>
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
        if (!Keywords.Balance.TryGetValue(name, out var status) || (open >= 0 && (name is not ("random" or "hdr" or "rdp-cookie"))))
        {
            context.Alert(Only);
        }
        else if (name == "hdr" && (open < 0 || !a.EndsWith(')')))
        {
            context.Alert(Only);
        }
        else if (status == KeywordStatus.Refused)
        {
            context.NotSupported($"balance {name}");
        }
        else if (name == "random" && argument is not null)
        {
            long draws = Units.Atol(argument, out string rest);
            if (rest.Length > 0)
            {
                context.Alert($"balance random : unexpected character '{rest[0]}' after argument.");
                return;
            }

            if (draws < 1)
            {
                context.Alert("balance random : number of draws must be at least 1.");
                return;
            }

            settings.Balance = new BalanceConfig(name, argument);
        }
        else
        {
            settings.Balance = new BalanceConfig(name, argument);
        }
    }
}
