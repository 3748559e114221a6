using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary><c>server</c> and <c>default-server</c> lines (configuration manual 4.2 "server" and 5.2).</summary>
internal static class ServerParser
{
    private const int MaxWeight = 256;
    private static readonly string[] Names = [.. Keywords.Server.Keys];

    public static void Parse(ParseContext context, ProxyBuilder? proxy, ProxySettings settings)
    {
        bool isDefault = context.Keyword == "default-server";
        string place = $"config : [{context.Place}] : ";
        if (!isDefault && (context[1].Length == 0 || context[2].Length == 0))
        {
            context.Add(Severity.Alert, $"{place}'server' expects <name> and <addr>[:<port>] as arguments.");
            return;
        }

        if (!isDefault && Units.BadNameCharacter(context[1]) is { } bad)
        {
            context.Add(Severity.Alert, $"{place}character '{bad}' is not permitted in server name '{context[1]}'.");
            return;
        }

        string head = isDefault ? "" : $"'server {proxy!.Name}/{context[1]}' : ";
        try
        {
            if (isDefault)
            {
                settings.DefaultServer = Options(context, proxy, settings.DefaultServer, 1, isDefault: true);
            }
            else
            {
                proxy!.Servers.Add(Line(context, proxy, settings.DefaultServer));
            }
        }
        catch (ConfigurationException e)
        {
            context.Add(Severity.Alert, $"{place}{head}{e.Message}");
            if (e.Also is { } also)
            {
                context.Add(Severity.Alert, also);
            }
        }
    }

    /// <summary>
    /// <c>add server</c> of the runtime API (management manual 9.3): a line <c>server NAME ADDRESS …</c> of the keywords
    /// that a dynamic server may have, without default-server. Throws <see cref="ConfigurationException"/>.
    /// </summary>
    /// <param name="proxy">Stands for the running backend: its name, index, mode and the servers that it has.</param>
    public static ServerConfig Dynamic(ParseContext context, ProxyBuilder proxy)
    {
        if (context[1].Length == 0 || context[2].Length == 0)
        {
            throw new ConfigurationException("'server' expects <name> and <addr>[:<port>] as arguments.");
        }

        if (Units.BadNameCharacter(context[1]) is { } bad)
        {
            throw new ConfigurationException($"character '{bad}' is not permitted in server name '{context[1]}'.");
        }

        return Line(context, proxy, proxy.Settings.DefaultServer with { Dynamic = true });
    }

    private static ServerConfig Line(ParseContext context, ProxyBuilder proxy, ServerConfig defaults)
    {
        var server = ServerCheckParser.Complete(
            Options(context, proxy, Address(context, proxy, defaults), 3, isDefault: false));
        return ServerCheckParser.Problem(server) is { } problem ? throw new ConfigurationException(problem) : server;
    }

    private static ServerConfig Options(
        ParseContext context, ProxyBuilder? proxy, ServerConfig server, int first, bool isDefault)
    {
        for (int i = first; i < context.Words.Count; i++)
        {
            server = Option(context, proxy, server, isDefault, ref i);
        }

        return server;
    }

    private static ServerConfig Address(ParseContext context, ProxyBuilder proxy, ServerConfig defaults)
    {
        string text = context[2];
        var a = AddressParser.Parse(text, range: false, names: true, portNeeded: false, descriptors: false, offsets: true);
        if (a.UnixPath is { } path)
        {
            return defaults with
            {
                Proxy = proxy.Index, Name = context[1], Host = text, Port = 0, UnixPath = path, Place = context.Place,
            };
        }

        if (a.IsName && a.Host.Split('.').Any(label => label.Length is 0 or > 63))
        {
            throw new ConfigurationException($"Can't create DNS resolution for server '{context[1]}'");
        }

        return defaults with
        {
            Proxy = proxy.Index, Name = context[1], Host = a.Host, Port = a.Port, Address = a.Address, IsName = a.IsName,
            MapPort = (a.Port == 0 || a.PortText[0] is '+' or '-') && !(a.IsName && a.Host.StartsWith('_')),
            Place = context.Place,
        };
    }

    private static ServerConfig Option(
        ParseContext context, ProxyBuilder? proxy, ServerConfig server, bool isDefault, ref int i)
    {
        string o = context[i];
        if (!Keywords.Server.TryGetValue(o, out var status))
        {
            string hint = Suggestions.For(o, Names);
            string end = isDefault ? " Hint: no address was expected for this server." : "";
            throw new ConfigurationException($"unknown keyword '{o}'{(hint.Length > 0 ? hint : ".")}{end}");
        }

        if (server.Dynamic && !Keywords.DynamicServer.Contains(o))
        {
            throw new ConfigurationException($"'{o}' option is not accepted for dynamic server");
        }

        if (status == KeywordStatus.Refused)
        {
            throw new ConfigurationException($"'{o}' is not supported yet");
        }

        if (status == KeywordStatus.Accepted)
        {
            i += Keywords.ServerWithValue.Contains(o) ? 1 : 0;
            return server;
        }

        if (isDefault && o == "id")
        {
            throw new ConfigurationException("'id' option is not accepted in default-server sections");
        }

        if (ServerCheckParser.Option(context, server, o, a => Delay(context, server, o, a),
            proxy?.Settings.Mode, proxy?.Name ?? "", ref i) is { } changed)
        {
            return changed;
        }

        switch (o)
        {
            case "source":
                return server with { Source = SourceParser.OfServer(context, ref i) };
            case "usesrc":
                throw new ConfigurationException("'usesrc' only allowed after a 'source' statement..");
            case "backup" or "no-backup":
                return server with { Backup = o == "backup" };
            case "check" or "no-check":
                return server with { Check = o == "check" };
            case "disabled" or "enabled":
                return server with { Disabled = o == "disabled", Enabled = o == "enabled" };
            case "send-proxy":
                return server with { SendProxy = Math.Max(1, server.SendProxy) };
            case "send-proxy-v2":
                return server with { SendProxy = 2 };
            case "send-proxy-v2-ssl" or "send-proxy-v2-ssl-cn":
                return server with { SendProxy = 2, ProxyOptions = server.ProxyOptions | Engine.ProxyHeaderOptions.Ssl };
            case "no-send-proxy-v2-ssl" or "no-send-proxy-v2-ssl-cn":
                return server with { ProxyOptions = server.ProxyOptions & ~Engine.ProxyHeaderOptions.Ssl };
            case "no-send-proxy":
                return server with { SendProxy = server.SendProxy == 1 ? 0 : server.SendProxy };
            case "no-send-proxy-v2":
                return server with { SendProxy = server.SendProxy == 2 ? 0 : server.SendProxy };
            default:
                return WithValue(context, proxy, server, o, context[++i]);
        }
    }

    private static ServerConfig WithValue(
        ParseContext context, ProxyBuilder? proxy, ServerConfig server, string o, string a)
    {
        switch (o)
        {
            case "weight":
                long weight = a.Length > 0 ? Units.Atol(a, out _) : 0;
                return weight is >= 0 and <= MaxWeight ? server with { Weight = (int)weight }
                    : throw new ConfigurationException($"weight of server {server.Name} is not within 0 and 256"
                        + $" ({weight})..");
            case "proxy-v2-options":
                return server with
                {
                    ProxyOptions = ProxyOptions(a, server.ProxyOptions), SendProxy = Math.Max(1, server.SendProxy),
                };
            case "rise" or "fall":
                int count = a.Length == 0 ? throw new ConfigurationException($"'{o}' expects an integer argument..")
                    : Units.Atoi(a) is > 0 and var n ? n : throw new ConfigurationException($"'{o}' has to be > 0..");
                return o == "rise" ? server with { Rise = count } : server with { Fall = count };
            case "inter":
                return server with { Inter = Delay(context, server, o, a) };
            case "fastinter":
                return server with { FastInter = Delay(context, server, o, a) };
            case "downinter":
                return server with { DownInter = Delay(context, server, o, a) };
            case "slowstart":
                int slow = Time(context, server, o, "slowstart", a, "overflow");
                return server with { SlowStart = slow == 0 ? null : ((slow + 999) / 1000) * 1000 };
            case "maxconn":
                int max = Units.Atoi(a);
                return server with { MaxConn = max == 0 ? null : max };
            case "minconn":
                int min = Units.Atoi(a);
                return server with { MinConn = min == 0 ? null : min };
            case "maxqueue":
                return server with { MaxQueue = Units.Atoi(a) };
            case "pool-max-conn" or "max-reuse":
                int pool = a.Length == 0 ? throw new ConfigurationException($"'{o}' expects <value> as argument..")
                    : Units.Atoi(a);
                return o == "max-reuse" ? server with { MaxReuse = Math.Max(-1, pool) }
                    : pool >= -1 ? server with { PoolMaxConn = pool }
                    : throw new ConfigurationException("'pool-max-conn' must be >= -1.");
            case "pool-low-conn":
                // Idle connections belong to one shard each: there is none to take from another.
                return a.Length > 0 ? server
                    : throw new ConfigurationException("'pool-low-conn' expects <value> as argument..");
            case "pool-purge-delay":
                return a.Length == 0 ? throw new ConfigurationException("'pool-purge-delay' expects <value> as argument..")
                    : context.Time(a, out int purge, out string wrong) == Units.TimeError.None
                    ? server with { PoolPurgeDelay = purge }
                    : throw new ConfigurationException($"unexpected character '{wrong}' in argument to <pool-purge-delay>..");
            case "port":
                int port = a.Length == 0 ? throw new ConfigurationException("'port' expects a port number as argument..") : Units.Atoi(a);
                return server with { CheckPort = port is > 0 and < 65536 ? port : null };
            case "addr":
                return server with { CheckAddress = CheckAddress(a) };
            case "resolvers":
                return server with { Resolvers = a };
            case "resolve-prefer":
                return a is "ipv4" or "ipv6" ? server with { ResolvePrefer = a }
                    : throw new ConfigurationException("'resolve-prefer' expects either ipv4 or ipv6 as argument..");
            case "init-addr":
                return server with { InitAddr = InitAddr(a) };
            case "cookie":
                return a.Length > 0 ? server with { Cookie = a }
                    : throw new ConfigurationException("'cookie' expects <value> as argument..");
            case "on-marked-down":
                return a == "shutdown-sessions" ? server with { OnMarkedDown = a }
                    : throw new ConfigurationException($"'on-marked-down' expects 'shutdown-sessions' but got '{a}'.");
            case "on-marked-up":
                return a == "shutdown-backup-sessions" ? server with { OnMarkedUp = a }
                    : throw new ConfigurationException($"'on-marked-up' expects 'shutdown-backup-sessions' but got '{a}'.");
            default:
                return server with { Id = Id(proxy!, a), ForcedId = true };
        }
    }

    private static Engine.ProxyHeaderOptions ProxyOptions(string list, Engine.ProxyHeaderOptions options)
    {
        foreach (string o in list.Split(','))
        {
            options |= o switch
            {
                "crc32c" => Engine.ProxyHeaderOptions.Crc32C, "unique-id" => Engine.ProxyHeaderOptions.UniqueId,
                "authority" => Engine.ProxyHeaderOptions.Authority,
                "ssl" or "cert-cn" or "ssl-cipher" or "cert-sig" or "cert-key" => Engine.ProxyHeaderOptions.Ssl,
                _ => throw new ConfigurationException($"'{o}' : proxy v2 option not implemented."),
            };
        }

        return options;
    }

    private static int Id(ProxyBuilder proxy, string a)
    {
        if (a.Length == 0)
        {
            throw new ConfigurationException("'id' : expects an integer argument.");
        }

        int id = Units.Atoi(a);
        if (id <= 0)
        {
            throw new ConfigurationException("'id' : custom id has to be > 0.");
        }

        return proxy.Servers.Find(s => s.Id == id) is { } other
            ? throw new ConfigurationException($"'id' : custom id {id} already used at {other.Place} ('server {other.Name}').")
            : id;
    }

    private static int Delay(ParseContext context, ServerConfig server, string o, string a)
    {
        if (a.Length == 0)
        {
            throw new ConfigurationException($"'{o}' expects a delay as argument..");
        }

        int ms = Time(context, server, o, "agent-inter", a, "timer overflow");
        return ms > 0 ? ms : throw new ConfigurationException($"invalid value 0 for argument '{o}' of server {server.Name}..");
    }

    private static int Time(
        ParseContext context, ServerConfig server, string o, string blamed, string a, string overflow) =>
        context.Time(a, out int ms, out string bad) switch
        {
            Units.TimeError.Unexpected => throw new ConfigurationException(
                $"unexpected character '{bad}' in '{blamed}' argument of server {server.Name}.."),
            Units.TimeError.Overflow => throw new ConfigurationException(
                $"{overflow} in argument <{a}> to <{o}> of server {server.Name}, maximum value is 2147483647 ms (~24.8 days).."),
            Units.TimeError.Underflow => throw new ConfigurationException(
                $"timer underflow in argument <{a}> to <{o}> of server {server.Name}, minimum value is 1 ms.."),
            _ => ms,
        };

    private static IPAddress CheckAddress(string a)
    {
        if (a.Length == 0)
        {
            throw new ConfigurationException("'addr' expects <ipv4|ipv6> as argument..");
        }

        try
        {
            return AddressParser.Parse(a, range: false, names: false, portNeeded: false, descriptors: false).Address
                ?? throw new ConfigurationException($"the address '{a}' is not supported yet");
        }
        catch (ConfigurationException e)
        {
            throw new ConfigurationException($"'addr' : {e.Message}.");
        }
    }

    private static string[] InitAddr(string a)
    {
        string[] methods = a.Split(',', StringSplitOptions.RemoveEmptyEntries);
        foreach (string m in methods)
        {
            if (m is not ("last" or "libc" or "none") && !IPAddress.TryParse(m, out _))
            {
                throw new ConfigurationException($"'init-addr' : unknown init-addr method '{m}', supported methods are "
                    + "'libc', 'last', 'none'..");
            }
        }

        return methods;
    }
}
