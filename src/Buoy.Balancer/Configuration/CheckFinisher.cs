namespace Buoy.Balancer.Configuration;

/// <summary>What about checks can only be said when all of a section is read.</summary>
internal static class CheckFinisher
{
    public static void Check(ParseContext context, ProxyBuilder proxy, GlobalConfig global)
    {
        var s = proxy.Settings;
        string name = $"{proxy.TypeName} '{proxy.Name}'";
        if (s.Check == CheckKind.External)
        {
            External(context, proxy, global);
        }
        else
        {
            foreach (string which in (string[])["command", "path"])
            {
                if ((which == "command" ? s.CheckRules.Command : s.CheckRules.Path) is not null)
                {
                    context.Add(Severity.Warning, $"config : 'external-check {which}' will be ignored for {name} (requires "
                        + "'option external-check').");
                }
            }
        }

        string rule = s.TcpCheckOption && s.CheckRules.Tcp.Count > 0
            ? " nor tcp_check rule 'connect' with port information" : "";
        foreach (var server in proxy.Servers.Where(v => v is { Check: true, MapPort: true, CheckPort: null }))
        {
            if (!ConnectsElsewhere(s))
            {
                context.Add(Severity.Alert,
                    $"config : config: {name}: server '{server.Name}' has neither service port nor check port{rule}.");
            }
        }

        if (s.Check != CheckKind.Http && !s.InheritedHttpRules && s.CheckRules.Http.Count > 0)
        {
            context.Add(Severity.Warning,
                $"config : {name} uses http-check rules without 'option httpchk', so the rules are ignored.");
        }

        if (!s.TcpCheckOption && !s.InheritedTcpRules && s.CheckRules.Tcp.Count > 0)
        {
            context.Add(Severity.Warning,
                $"config : {name} uses tcp-check rules without 'option tcp-check', so the rules are ignored.");
        }
    }

    /// <summary>The first step of the check's rules says to which port it connects.</summary>
    private static bool ConnectsElsewhere(ProxySettings s)
    {
        var rules = s.Check == CheckKind.Http ? s.CheckRules.Http : s.TcpCheckOption ? s.CheckRules.Tcp : [];
        return rules.FirstOrDefault(r => r is CheckConnect) is CheckConnect { Port: not null } or CheckConnect { PortExpression: not null };
    }

    /// <summary>Does every <c>track</c> lead to a server that is checked?</summary>
    public static void Tracking(ParseContext context, List<ProxyBuilder> proxies)
    {
        var tied = new HashSet<string>();
        foreach (var proxy in proxies)
        {
            foreach (var server in proxy.Servers.Where(s => s.Track is not null).ToList())
            {
                if (Problem(proxies, proxy, server, tied) is { } problem)
                {
                    context.Add(Severity.Alert,
                        $"config : [{server.Place}] : 'server {proxy.Name}/{server.Name}' : {problem}");
                }
            }
        }
    }

    /// <summary>As the original, links are made one after the other: the last of a circle is to blame.</summary>
    private static string? Problem(
        List<ProxyBuilder> proxies, ProxyBuilder proxy, ServerConfig server, HashSet<string> tied)
    {
        string own = $"{proxy.Name}/{server.Name}";
        string? first = null;
        tied.Add(own);
        while (server.Track is { } track && tied.Contains($"{proxy.Name}/{server.Name}"))
        {
            int slash = track.IndexOf('/');
            if (slash >= 0)
            {
                string name = track[..slash];
                if (proxies.Find(p => p.HasBackend && p.Name == name) is not { } other)
                {
                    return $"unable to find required proxy '{name}' for tracking.";
                }

                proxy = other;
            }

            string wanted = track[(slash + 1)..];
            if (proxy.Servers.Find(s => s.Name == wanted) is not { } next)
            {
                return $"unable to find required server '{wanted}' for tracking.";
            }

            first ??= $"{proxy.Name}/{wanted}";
            if ($"{proxy.Name}/{wanted}" == own)
            {
                return $"unable to track {first} as it belongs to a tracking chain looping back to {own}.";
            }

            int at = proxy.Servers.IndexOf(next);
            server = proxy.Servers[at] = next with { Pinned = true };
        }

        return server.Check || server.Agent is not null || server.Track is not null ? null
            : $"unable to use {proxy.Name}/{server.Name} for tracking as it does not have any check nor agent enabled.";
    }

    private static void External(ParseContext context, ProxyBuilder proxy, GlobalConfig global)
    {
        string head = $"config : Proxy '{proxy.Name}' : ";
        if (!global.ExternalCheck)
        {
            context.Add(Severity.Alert, $"{head}'option external-check' unable to find required 'global.external-check'.");
        }

        var rules = proxy.Settings.CheckRules;
        if (rules.Command is null)
        {
            context.Add(Severity.Alert, $"{head}'option external-check' unable to find required 'external-check command'.");
        }

        if (!global.InsecureForkWanted)
        {
            context.Add(Severity.Warning, $"{head}'insecure-fork-wanted' not enabled in the global section, 'option "
                + "external-check' will likely fail.");
        }

        if (rules.Command is { } command && !command.StartsWith('/') && rules.Path is null)
        {
            context.Add(Severity.Alert, $"config : Proxy '{proxy.Name}': 'external-check command' does not have a leading '/' and "
                + "'external-check path' is not set.");
        }
    }
}
