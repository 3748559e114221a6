using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary>A resolvers section (configuration manual 5.3.2).</summary>
internal sealed class ResolversParser(ParseContext context, string name, SourcePlace place)
{
    private readonly List<(NameServerConfig Server, SourcePlace Place)> _servers = [];
    private ResolversConfig _resolvers = new() { Name = name, NameServers = [], Place = place };

    public string Name => name;
    public SourcePlace Place => place;

    public ResolversConfig Build() => _resolvers with { NameServers = [.. _servers.Select(s => s.Server)] };

    /// <summary>The section "default" that is there where none has that name; null without a resolv.conf.</summary>
    public static ResolversConfig? Default(ParseContext context)
    {
        var parser = new ResolversParser(context, "default", new SourcePlace(ResolvConfPath, 0));
        return parser.ReadResolvConf() && parser._servers.Count > 0 ? parser.Build() : null;
    }

    public void Parse()
    {
        string a = context[1];
        switch (context.Keyword)
        {
            case "nameserver":
                NameServer(a, context[2]);
                break;
            case "parse-resolv-conf":
                ResolvConf();
                break;
            case "resolve_retries" when a.Length == 0:
                context.Alert("'resolve_retries' expects <nb> as argument.");
                break;
            case "resolve_retries":
                _resolvers = _resolvers with { ResolveRetries = Units.Atoi(a) };
                break;
            case "timeout":
                Timeout(a, context[2]);
                break;
            case "hold":
                Hold(a, context[2]);
                break;
            case "accepted_payload_size" when a.Length == 0:
                context.Alert("'accepted_payload_size' expects <nb> as argument.");
                break;
            case "accepted_payload_size":
                int size = Units.Atoi(a);
                if (size is < 12 or > 65535)
                {
                    context.Alert($"'accepted_payload_size' must be between 12 and 65535 inclusive (was {a}).");
                    break;
                }

                _resolvers = _resolvers with { AcceptedPayloadSize = size };
                break;
            default:
                context.Alert($"unknown keyword '{context.Keyword}' in 'resolvers' section");
                break;
        }
    }

    private void NameServer(string id, string address)
    {
        if (address.Length == 0)
        {
            context.Alert("'nameserver' expects <name> and <addr>[:<port>] as arguments.");
            return;
        }

        int known = _servers.FindIndex(s => s.Server.Name == id);
        if (known >= 0)
        {
            context.Add(Severity.Alert, $"config : Parsing [{context.Place}]: nameserver '{id}' has same name as another "
                + $"nameserver (declared at {_servers[known].Place}).");
            return;
        }

        try
        {
            // The parser of addresses is one for streams; a datagram's families have the same names but for the kind.
            string kind = address.Contains('@') ? address[..address.IndexOf('@')] : "";
            bool stream = kind.StartsWith("tcp", StringComparison.Ordinal) || kind.StartsWith("stream+", StringComparison.Ordinal);
            string plain = kind is "udp" or "udp4" or "udp6" or "dgram+ip" or "dgram+ipv4" or "dgram+ipv6"
                ? $"{kind.Replace("udp", "tcp", StringComparison.Ordinal).Replace("dgram", "stream", StringComparison.Ordinal)}"
                    + address[kind.Length..] : address;
            Add(id, address, plain, stream);
        }
        catch (ConfigurationException e)
        {
            context.Alert($"'nameserver {id}' : {e.Message}");
        }
    }

    private void Add(string id, string address, string plain, bool stream)
    {
        ParsedAddress parsed;
        try
        {
            parsed = AddressParser.Parse(plain, range: false, names: true, portNeeded: true, descriptors: false);
        }
        catch (ConfigurationException e)
        {
            throw new ConfigurationException(e.Message.Replace($"'{plain}'", $"'{address}'", StringComparison.Ordinal));
        }

        if (parsed.UnixPath is not null)
        {
            context.Add(Severity.Alert, $"config : resolvers '{name}': can't create socket for nameserver '{id}'.");
            return;
        }

        var ip = parsed.Address ?? Resolved(parsed.Host)
            ?? throw new ConfigurationException($"invalid address: '{parsed.Host}' in '{address}'\n");
        if (!stream || Options(id))
        {
            _servers.Add((new NameServerConfig(id, new IPEndPoint(ip, parsed.Port), stream), context.Place));
        }
    }

    /// <summary>What stands behind the address of a stream: of a server's options those that mean something here.</summary>
    private bool Options(string id)
    {
        for (int i = 3; i < context.Words.Count; i++)
        {
            // One connection carries all queries, so that a limit of connections is kept whatever it is.
            if (context[i] == "maxconn")
            {
                i++;
                continue;
            }

            bool known = Keywords.Server.ContainsKey(context[i]);
            string problem = known ? $"'{context[i]}' is not supported yet"
                : $"unknown keyword '{context[i]}'{Suggestions.For(context[i], [.. Keywords.Server.Keys])}";
            context.AbortPlain($"config : [{context.Place}] : 'server {name}/{id}' : {problem}");
            return false;
        }

        return true;
    }

    private static IPAddress? Resolved(string host)
    {
        try
        {
            return Dns.GetHostAddresses(host) is [var first, ..] ? first : null;
        }
        catch (System.Net.Sockets.SocketException)
        {
            return null;
        }
    }

    private const string ResolvConfPath = "/etc/resolv.conf";

    /// <summary>Adds the nameservers of /etc/resolv.conf.</summary>
    private void ResolvConf()
    {
        if (!ReadResolvConf())
        {
            context.Alert($"failed to open {ResolvConfPath}.");
        }
    }

    private bool ReadResolvConf()
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(ResolvConfPath);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }

        foreach (string line in lines)
        {
            string[] words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["nameserver", var text, ..] && IPAddress.TryParse(text, out var ip) && _servers.All(s => s.Server.Name != text))
            {
                _servers.Add((new NameServerConfig(text, new IPEndPoint(ip, 53)), place));
            }
        }

        return true;
    }

    private void Timeout(string which, string value)
    {
        if (which is not ("retry" or "resolve"))
        {
            context.Alert("'timeout' expects 'retry' or 'resolve' and <time> as arguments"
                + $"{(which.Length > 0 ? $" got '{which}'" : "")}.");
        }
        else if (value.Length == 0)
        {
            context.Alert($"'timeout {which}' expects <time> as argument.");
        }
        else if (Time(value, $"timeout {which}") is { } ms)
        {
            _resolvers = which == "retry" ? _resolvers with { TimeoutRetry = ms } : _resolvers with { TimeoutResolve = ms };
        }
    }

    private void Hold(string which, string value)
    {
        if (value.Length == 0)
        {
            context.Alert("'hold' expects an <event> and a <time> as arguments.");
            context.Add(Severity.Alert, "config : <event> can be either 'valid', 'nx', 'refused', 'timeout', or 'other'");
            return;
        }

        if (Time(value, "hold") is not { } ms)
        {
            return;
        }

        switch (which)
        {
            case "valid":
                _resolvers = _resolvers with { HoldValid = ms };
                break;
            case "obsolete":
                _resolvers = _resolvers with { HoldObsolete = ms };
                break;
            case "nx":
                _resolvers = _resolvers with { HoldNx = ms };
                break;
            case "other":
                _resolvers = _resolvers with { HoldOther = ms };
                break;
            case "refused":
                _resolvers = _resolvers with { HoldRefused = ms };
                break;
            case "timeout":
                _resolvers = _resolvers with { HoldTimeout = ms };
                break;
            default:
                context.Alert($"'hold' unknown <event>: '{which}', expects either 'nx', 'timeout', 'valid', 'obsolete' or 'other'.");
                break;
        }
    }

    private int? Time(string value, string name)
    {
        var error = context.Time(value, out int ms, out string bad);
        if (error == Units.TimeError.None)
        {
            return ms;
        }

        context.AlertTight(error == Units.TimeError.Unexpected
            ? $"unexpected character '{bad}' in argument to <{name}>."
            : $"timer overflow in argument <{value}> to <{name}>, maximum value is 2147483647 ms (~24.8 days).");
        return null;
    }
}

/// <summary>A userlist section (configuration manual 3.4).</summary>
internal sealed class UserListParser(ParseContext context, string name)
{
    private readonly List<(string User, string Password, bool Insecure)> _users = [];

    public string Name => name;

    private readonly List<(string User, string Group)> _memberships = [];

    public UserListConfig Build() => new(name, _users)
    {
        Groups = _memberships.GroupBy(m => m.User)
            .ToDictionary(g => g.Key, g => (IReadOnlyList<string>)[.. g.Select(m => m.Group).Distinct()]),
    };

    public void Parse()
    {
        string user = context[1];
        switch (context.Keyword)
        {
            case "user" when user.Length == 0:
                context.AlertTight("'user' expects <name> as arguments.");
                break;
            case "user" when _users.Exists(u => u.User == user):
                context.WarningTight($"ignoring duplicated user '{user}' in userlist '{name}'.");
                break;
            case "user":
                User(user);
                break;
            case "group" when user.Length == 0:
                context.AlertTight("'group' expects <name> as arguments.");
                break;
            case "group":
                if (context[2] == "users")
                {
                    _memberships.AddRange(context[3].Split(',').Select(u => (u, user)));
                }

                break;
            default:
                context.AlertTight($"unknown keyword '{context.Keyword}' in 'users' section");
                break;
        }
    }

    private void User(string user)
    {
        var entry = (User: user, Password: "", Insecure: false);
        for (int i = 2; i < context.Words.Count; i += 2)
        {
            switch (context[i])
            {
                case "password" or "insecure-password" when context[i + 1].Length > 0:
                    entry = (user, context[i + 1], context[i] == "insecure-password");
                    break;
                case "groups":
                    _memberships.AddRange(context[i + 1].Split(',').Select(g => (user, g)));
                    break;
                default:
                    context.AlertTight($"user '{user}' : unknown keyword '{context[i]}'.");
                    return;
            }
        }

        _users.Add(entry);
    }
}
