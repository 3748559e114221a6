using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Buoy.Balancer.Configuration;

/// <summary>Options of a server line about its checks and its agent (configuration manual 5.2).</summary>
internal static class ServerCheckParser
{
    /// <summary>The server with the option at <paramref name="i"/> applied; null = not one of these options.</summary>
    /// <param name="delay">Reads a delay in ms.</param>
    /// <param name="mode">The proxy's, null in defaults.</param>
    /// <param name="proxy">Its name.</param>
    public static ServerConfig? Option(
        ParseContext context, ServerConfig server, string o, Func<string, int> delay, ProxyMode? mode, string proxy, ref int i)
    {
        switch (o)
        {
            case "check-send-proxy" or "no-check-send-proxy":
                return server with { CheckSendProxy = o == "check-send-proxy" };
            case "agent-check":
                return server with { Agent = server.AgentSettings };
            case "no-agent-check":
                return server with { Agent = null };
            case "agent-addr" or "agent-port" or "agent-inter" or "agent-send":
                string a = context[++i];
                return With(server, Setting(server.AgentSettings, o, a, delay));
            case "observe":
                return server with { Observe = Observe(context, server, context[++i], mode, proxy) };
            case "error-limit":
                string limit = context[++i].Length > 0 ? context[i]
                    : throw new ConfigurationException("'error-limit' expects an integer argument..");
                return server with
                {
                    ErrorLimit = Units.Atoi(limit) is > 0 and var n ? n
                        : throw new ConfigurationException("error-limit has to be > 0.."),
                };
            case "on-error":
                return server with
                {
                    OnError = context[++i] switch
                    {
                        "fastinter" => ErrorAction.FastInter, "fail-check" => ErrorAction.FailCheck,
                        "sudden-death" => ErrorAction.SuddenDeath, "mark-down" => ErrorAction.MarkDown,
                        _ => throw new ConfigurationException("'on-error' expects one of 'fastinter', 'fail-check', "
                            + $"'sudden-death' or 'mark-down' but got '{context[i]}'."),
                    },
                };
            case "resolve-opts":
                return ResolveOptions(server, context[++i]);
            case "resolve-net":
                return server with { ResolveNets = Networks(context[++i]) };
            case "track":
                return context[++i].Length > 0 ? server with { Track = context[i] }
                    : throw new ConfigurationException("'track' expects [<proxy>/]<server> as argument..");
            default:
                return null;
        }
    }

    /// <summary>The server at the end of its line: an agent is where checks go (<c>addr</c>, <c>port</c>) unless it says
    /// otherwise.</summary>
    public static ServerConfig Complete(ServerConfig server)
    {
        var agent = server.AgentSettings;
        return With(server, agent with
        {
            Port = agent.Port > 0 ? agent.Port : server.CheckPort ?? 0, Address = agent.Address ?? server.CheckAddress,
        });
    }

    /// <summary>What is wrong with the whole of a server line; null = nothing.</summary>
    public static string? Problem(ServerConfig server) => server is { Check: true, Track: not null }
        ? "unable to enable checks and tracking at the same time!" : server.Agent is { Port: 0 }
        ? $"server {server.Name} does not have agent port. Agent check has been disabled." : null;

    private static ObserveMode Observe(ParseContext context, ServerConfig server, string a, ProxyMode? mode, string proxy)
    {
        switch (a)
        {
            case "none":
                return ObserveMode.None;
            case "layer4":
                return ObserveMode.Layer4;
            case "layer7" when mode == ProxyMode.Tcp:
                // The original says this loudly, and starts.
                string name = server.Name.Length > 0 ? $"'server {proxy}/{server.Name}' : " : "";
                context.Diagnostics.Add(new Diagnostic(Severity.Alert,
                    $"config : [{context.Place}] : {name}'layer7' can only be used in http proxies.."));
                return ObserveMode.None;
            case "layer7":
                return ObserveMode.Layer7;
            default:
                throw new ConfigurationException(a.Length == 0 ? "'observe' expects <mode> as argument.."
                    : $"'observe' expects one of 'none', 'layer4', 'layer7' but got '{a}'.");
        }
    }

    private static ServerConfig ResolveOptions(ServerConfig server, string a)
    {
        foreach (string option in a.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            server = option switch
            {
                "allow-dup-ip" => server with { ResolveDuplicates = true },
                "prevent-dup-ip" => server with { ResolveDuplicates = false },
                "ignore-weight" => server with { ResolveIgnoreWeight = true },
                _ => throw new ConfigurationException($"'resolve-opts' : unknown resolve-opts option '{option}', supported "
                    + "methods are 'allow-dup-ip', 'ignore-weight', and 'prevent-dup-ip'.."),
            };
        }

        return server;
    }

    private static List<IPNetwork> Networks(string a)
    {
        const int Most = 5;
        if (a.Length == 0)
        {
            throw new ConfigurationException("'resolve-net' expects a list of networks..");
        }

        var networks = new List<IPNetwork>();
        foreach (string text in a.Split(','))
        {
            string[] parts = text.Split('/');
            if (networks.Count == Most || parts.Length > 2 || !IPAddress.TryParse(parts[0], out var address)
                || (!parts[0].Contains(':') && parts[0].Count(c => c == '.') != 3))
            {
                throw new ConfigurationException($"'resolve-net' invalid network '{text}'..");
            }

            int longest = address.AddressFamily == AddressFamily.InterNetworkV6 ? 128 : 32;
            int length = parts.Length > 1 ? Units.Atoi(parts[1]) : longest;
            if (length < 0 || length > longest)
            {
                throw new ConfigurationException($"'resolve-net' invalid network '{text}'..");
            }

            byte[] bytes = address.GetAddressBytes();
            for (int bit = length; bit < longest; bit++)
            {
                bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
            }

            networks.Add(new IPNetwork(new IPAddress(bytes), length));
        }

        return networks;
    }

    private static ServerConfig With(ServerConfig server, AgentConfig agent) =>
        server with { AgentSettings = agent, Agent = server.Agent is null ? null : agent };

    private static AgentConfig Setting(AgentConfig agent, string o, string a, Func<string, int> delay)
    {
        switch (o)
        {
            case "agent-port":
                return a.Length == 0 ? throw new ConfigurationException("'agent-port' expects a port number as argument..")
                    : agent with { Port = Units.Atoi(a) is > 0 and < 65536 and var port ? port : 0 };
            case "agent-inter":
                return agent with { Inter = delay(a) };
            case "agent-send":
                return a.Length == 0 ? throw new ConfigurationException("'agent-send' expects a string as argument..")
                    : agent with { Send = Encoding.Latin1.GetBytes(a) };
            default:
                return agent with { Address = Address(a) };
        }
    }

    private static IPAddress Address(string a)
    {
        if (a.Length == 0)
        {
            throw new ConfigurationException("'agent-addr' expects an address as argument..");
        }

        if (IPAddress.TryParse(a, out var address))
        {
            return address;
        }

        try
        {
            if (Dns.GetHostAddresses(a) is [var first, ..])
            {
                return first;
            }
        }
        catch (SocketException)
        {
            // The same message as for a name without an address.
        }

        throw new ConfigurationException($"parsing agent-addr failed. Check if '{a}' is correct address..");
    }
}
