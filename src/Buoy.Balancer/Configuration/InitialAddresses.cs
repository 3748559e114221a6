using System.Net;
using System.Net.Sockets;

namespace Buoy.Balancer.Configuration;

/// <summary>
/// The addresses servers start with (<c>init-addr</c>, configuration manual 5.2). Names are looked up in parallel, as each
/// may take the C library's whole time-out.
/// </summary>
/// <param name="Addresses">By <see cref="ServerConfig.Index"/>; null = none yet, the server starts without one.</param>
public sealed record InitialAddresses(IReadOnlyList<IPAddress?> Addresses, IReadOnlyList<Diagnostic> Diagnostics)
{
    /// <summary>Did a server that must have an address get none?</summary>
    public bool Failed => Diagnostics.Any(d => d.Severity == Severity.Alert);

    /// <summary>Resolves by <paramref name="lookup"/>, which returns nothing for a name it does not know.</summary>
    public static InitialAddresses Resolve(BalancerConfig config, Func<string, IReadOnlyList<IPAddress>>? lookup = null)
    {
        lookup ??= Lookup;
        var names = config.Servers.Where(s => s.IsName && !s.Host.StartsWith('_') && s.InitAddr.Contains("libc")).Select(s => s.Host)
            .Distinct(StringComparer.Ordinal).ToArray();
        var found = new Dictionary<string, IReadOnlyList<IPAddress>>(StringComparer.Ordinal);
        var answers = new IReadOnlyList<IPAddress>[names.Length];
        var threads = names.Select((name, i) => new Thread(() => answers[i] = lookup(name))).ToArray();
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        for (int i = 0; i < names.Length; i++)
        {
            found[names[i]] = answers[i];
        }

        var addresses = new IPAddress?[config.Servers.Count];
        var diagnostics = new List<Diagnostic>();
        foreach (var server in config.Servers)
        {
            addresses[server.Index] = server.IsName ? First(config, server, found, diagnostics)
                : Last(config, server) ?? server.Address;
        }

        if (diagnostics.Exists(d => d.Severity == Severity.Alert))
        {
            diagnostics.Add(new Diagnostic(Severity.Alert, "config : Failed to initialize server(s) addr."));
        }

        return new InitialAddresses(addresses, diagnostics);
    }

    private static IPAddress? First(
        BalancerConfig config, ServerConfig server, Dictionary<string, IReadOnlyList<IPAddress>> found, List<Diagnostic> diagnostics)
    {
        bool asked = false;
        string head = $"config : [{server.Place}] : 'server {config.Proxies[server.Proxy].Name}/{server.Name}' : ";
        foreach (string method in server.InitAddr)
        {
            switch (method)
            {
                case "last" when Last(config, server) is { } last:
                    return last;
                case "last":
                    break;
                case "none":
                    if (asked)
                    {
                        diagnostics.Add(new Diagnostic(Severity.Warning,
                            $"{head}could not resolve address '{server.Host}', disabling server."));
                    }

                    return null;
                case "libc" when server.Host.StartsWith('_'):
                    break;
                case "libc":
                    asked = true;
                    if (Preferred(found[server.Host], server.ResolvePrefer) is { } address)
                    {
                        return address;
                    }

                    break;
                default:
                    var fixedAddress = IPAddress.Parse(method);
                    if (asked)
                    {
                        diagnostics.Add(new Diagnostic(Severity.Warning,
                            $"{head}could not resolve address '{server.Host}', falling back to configured address."));
                    }

                    return fixedAddress;
            }
        }

        if (server.Host.StartsWith('_') && server.Resolvers is not null)
        {
            return null;
        }

        diagnostics.Add(new Diagnostic(Severity.Alert,
            $"{head}{(asked ? "could not resolve" : "no method found to resolve")} address '{server.Host}'."));
        return null;
    }

    /// <summary>The address that a state file remembers.</summary>
    private static IPAddress? Last(BalancerConfig config, ServerConfig server) =>
        server.InitAddr.Contains("last")
            && config.SavedServers.TryGetValue((config.Proxies[server.Proxy].Name, server.Name), out var saved)
            ? saved.Address : null;

    /// <summary>The first address of the preferred family, else the first of all.</summary>
    private static IPAddress? Preferred(IReadOnlyList<IPAddress> addresses, string? prefer)
    {
        var family = prefer == "ipv4" ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;
        return prefer is null ? addresses.FirstOrDefault()
            : addresses.FirstOrDefault(a => a.AddressFamily == family) ?? addresses.FirstOrDefault();
    }

    private static IReadOnlyList<IPAddress> Lookup(string name)
    {
        try
        {
            return Dns.GetHostAddresses(name);
        }
        catch (SocketException)
        {
            return [];
        }
    }
}
