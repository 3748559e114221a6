using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary><c>bind</c> lines (configuration manual 4.2 "bind" and 5.1).</summary>
internal static class BindParser
{
    private static readonly string[] Names = [.. Keywords.Bind.Keys];

    public static void Parse(ParseContext context, ProxyBuilder proxy, string section)
    {
        string text = context[1];
        if (text.Length == 0)
        {
            context.Alert("'bind' expects {<path>|[addr1]:port1[-end1]}{,[addr]:port[-end]}... as arguments.");
            return;
        }

        var found = new List<BindConfig>();
        try
        {
            foreach (string one in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
            {
                found.AddRange(Addresses(context, proxy, one));
            }
        }
        catch (ConfigurationException e)
        {
            context.Alert($"'bind' : {e.Message}");
            return;
        }

        try
        {
            for (int i = 2; i < context.Words.Count; i++)
            {
                for (int b = 0, at = i; b < found.Count; b++)
                {
                    i = at;
                    found[b] = Option(context, found[b], ref i, $"'bind {text}' in section '{section}'");
                }
            }
        }
        catch (ConfigurationException e)
        {
            context.Alert(e.Message);
            return;
        }

        proxy.Binds.AddRange(found);
    }

    private static IEnumerable<BindConfig> Addresses(ParseContext context, ProxyBuilder proxy, string text)
    {
        var a = AddressParser.Parse(text, range: true, names: true, portNeeded: true, descriptors: true);
        var address = a.IsName ? Lookup(a.Host)
            ?? throw new ConfigurationException($"invalid address: '{a.Host}' in '{text}'") : a.Address;
        int last = a.UnixPath is null && a.Fd is null ? a.LastPort : a.Port;
        for (int port = a.Port; port <= last; port++)
        {
            yield return new BindConfig
            {
                Index = -1, Proxy = proxy.Index, Place = context.Place, UnixPath = context.UnixBind.Path(a.UnixPath), Fd = a.Fd,
                Text = port == a.Port && last == a.Port ? text : $"{a.Host}:{port}",
                EndPoint = address is null ? null : new IPEndPoint(address, port),
                UnixMode = a.UnixPath is null ? null : context.UnixBind.Mode,
                UnixUser = a.UnixPath is null ? null : context.UnixBind.User,
                UnixGroup = a.UnixPath is null ? null : context.UnixBind.Group,
            };
        }
    }

    /// <summary>Names of listeners are looked up at once.</summary>
    private static IPAddress? Lookup(string host)
    {
        try
        {
            return Dns.GetHostAddresses(host).OrderBy(a => a.AddressFamily).FirstOrDefault();
        }
        catch (Exception e) when (e is System.Net.Sockets.SocketException or ArgumentException)
        {
            return null;
        }
    }

    private static BindConfig Option(ParseContext context, BindConfig bind, ref int i, string head)
    {
        string option = context[i];
        if (!Keywords.Bind.TryGetValue(option, out var status))
        {
            string hint = Suggestions.For(option, Names);
            throw new ConfigurationException($"{head}: unknown keyword '{option}'{(hint.Length > 0 ? hint : ".")}");
        }

        if (status == KeywordStatus.Refused)
        {
            throw new ConfigurationException($"{head} : '{option}' is not supported yet");
        }

        switch (option)
        {
            case "v4v6":
                return bind with { V6Only = false };
            case "v6only":
                return bind with { V6Only = true };
            case "transparent":
                return bind with { Transparent = true };
            case "tfo":
                return bind with { TcpFastOpen = true };
            case "defer-accept":
                return bind with { DeferAccept = true };
            case "accept-proxy":
                return bind with { AcceptProxy = true };
        }

        string value = context[++i];
        if (option == "id")
        {
            int id = Units.Atol(value, out string rest) is > 0 and <= int.MaxValue and var n && rest.Length == 0 ? (int)n
                : throw new ConfigurationException(value.Length > 0 && char.IsAsciiDigit(value[0])
                    ? $"{head} : 'id' : custom id has to be > 0"
                    : $"{head} : 'id' : expects an integer argument, found '{value}'");
            return bind with { Id = id };
        }

        if (value.Length == 0 && option != "mode")
        {
            string what = option switch
            {
                "name" => "missing name", "interface" => "missing interface name", _ => "missing value",
            };
            throw new ConfigurationException($"{head} : '{option}' : {what}");
        }

        switch (option)
        {
            case "maxconn":
                int max = Units.Atoi(value);
                return max >= 0 ? bind with { MaxConn = max }
                    : throw new ConfigurationException($"{head} : 'maxconn' : invalid value {max}, must be >= 0");
            case "backlog":
                int backlog = Units.Atoi(value);
                return backlog >= 0 ? bind with { Backlog = backlog }
                    : throw new ConfigurationException($"{head} : 'backlog' : invalid value {backlog}, must be > 0");
            case "name":
                return bind with { Name = value };
            case "interface":
                return bind with { Interface = value };
            case "expose-fd" when value != "listeners":
                throw new ConfigurationException($"{head} : 'expose-fd' only supports 'listeners' (got '{value}')");
            case "mode":
                return bind with { UnixMode = Units.Octal(value)
                    ?? throw new ConfigurationException($"{head} : 'mode' : missing or invalid mode '{value}' (octal integer expected)") };
            case "user":
                return bind with { UnixUser = context.FindUser(value)
                    ?? throw new ConfigurationException($"{head} : 'user' : unknown user name '{value}'") };
            case "group":
                return bind with { UnixGroup = context.FindGroup(value)
                    ?? throw new ConfigurationException($"{head} : 'group' : unknown group name '{value}'") };
            case "uid":
                return bind with { UnixUser = Units.Atoi(value) };
            case "gid":
                return bind with { UnixGroup = Units.Atoi(value) };
            default:
                return bind;
        }
    }
}
