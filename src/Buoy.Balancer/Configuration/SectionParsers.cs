using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary>A resolvers section (configuration manual 5.3.2).</summary>
internal sealed class ResolversParser(ParseContext context, string name, SourcePlace place)
{
    private readonly List<(string Name, IPEndPoint Address, SourcePlace Place)> _servers = [];
    private ResolversConfig _resolvers = new() { Name = name, NameServers = [], Place = place };

    public string Name => name;
    public SourcePlace Place => place;

    public ResolversConfig Build() => _resolvers with { NameServers = [.. _servers.Select(s => (s.Name, s.Address))] };

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

        int known = _servers.FindIndex(s => s.Name == id);
        if (known >= 0)
        {
            context.Add(Severity.Alert, $"config : Parsing [{context.Place}]: nameserver '{id}' has same name as another "
                + $"nameserver (declared at {_servers[known].Place}).");
            return;
        }

        try
        {
            if (address.StartsWith("tcp", StringComparison.Ordinal) && address.Contains('@'))
            {
                throw new ConfigurationException($"'{address}' over TCP is not supported yet");
            }

            string plain = address.StartsWith("udp@", StringComparison.Ordinal) ? address[4..] : address;
            var parsed = AddressParser.Parse(plain, range: false, names: false, portNeeded: true, descriptors: false);
            _servers.Add((id, new IPEndPoint(parsed.Address
                ?? throw new ConfigurationException($"'{address}' is not supported yet"), parsed.Port), context.Place));
        }
        catch (ConfigurationException e)
        {
            context.Alert($"'nameserver {id}' : {e.Message}");
        }
    }

    /// <summary>Adds the nameservers of /etc/resolv.conf.</summary>
    private void ResolvConf()
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines("/etc/resolv.conf");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            context.Alert("failed to open /etc/resolv.conf.");
            return;
        }

        foreach (string line in lines)
        {
            string[] words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["nameserver", var text, ..] && IPAddress.TryParse(text, out var ip) && _servers.All(s => s.Name != text))
            {
                _servers.Add((text, new IPEndPoint(ip, 53), context.Place));
            }
        }
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
