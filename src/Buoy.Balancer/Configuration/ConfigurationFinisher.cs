using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Configuration;

/// <summary>
/// What can only be checked and numbered when all files are read: references between sections, mode against settings,
/// time-outs, names, ids and indexes.
/// </summary>
internal sealed class ConfigurationFinisher(
    ParseContext context, List<ProxyBuilder> proxies, List<ResolversParser> resolvers, List<UserListParser> userLists)
{
    /// <summary>iid of the first section: HAProxy's internal proxies come before.</summary>
    private const int FirstProxyId = 2;

    public BalancerConfig? Finish(GlobalConfig global)
    {
        var ids = ProxyIds();
        foreach (var proxy in proxies)
        {
            Check(proxy);
            CheckFinisher.Check(context, proxy, global);
        }

        CheckFinisher.Tracking(context, proxies);
        new Rules.Parsing.RuleFinisher(context, proxies, userLists).Finish();
        if (context.Alerts > 0)
        {
            return null;
        }

        foreach (var r in resolvers.Where(r => r.Build().NameServers.Count == 0))
        {
            context.Add(Severity.Warning, $"config : resolvers '{r.Name}' [{r.Place}] has no nameservers configured!");
        }

        var built = new List<ProxyConfig>();
        var servers = new List<ServerConfig>();
        var binds = new List<BindConfig>();
        foreach (var proxy in proxies)
        {
            Number(proxy, servers, binds);
            int? backend = proxy.Settings.DefaultBackend is { } name && proxy.HasFrontend
                ? proxies.Find(p => p.HasBackend && p.Name == name)!.Index
                : proxy.Kind == ProxyKind.Listen ? proxy.Index : null;
            built.Add(proxy.Build(ids[proxy], backend));
        }

        return new BalancerConfig
        {
            Global = global, Proxies = built, Servers = servers, Binds = binds,
            SavedServers = ServerStateFile.Load(context, proxies, global),
            Resolvers = [.. resolvers.Select(r => r.Build()), .. DefaultResolvers()], UserLists = [.. userLists.Select(u => u.Build())],
            Patterns = context.Patterns, Variables = context.Rules.Variables,
        };
    }

    /// <summary>The resolvers section of the system, unless one is called so (configuration manual 5.3.2).</summary>
    private ResolversConfig[] DefaultResolvers() => resolvers.TrueForAll(r => r.Name != "default")
        && ResolversParser.Default(context) is { } section ? [section] : [];

    private Dictionary<ProxyBuilder, int> ProxyIds()
    {
        var ids = new Dictionary<ProxyBuilder, int>();
        var taken = new Dictionary<int, ProxyBuilder>();
        foreach (var p in proxies.Where(p => p.Id is not null))
        {
            taken[p.Id!.Value] = p;
            ids[p] = p.Id.Value;
        }

        int next = FirstProxyId;
        foreach (var p in proxies.Where(p => p.Id is null))
        {
            while (!taken.TryAdd(next, p))
            {
                next++;
            }

            ids[p] = next++;
        }

        return ids;
    }

    private static void Number(ProxyBuilder proxy, List<ServerConfig> servers, List<BindConfig> binds)
    {
        var taken = proxy.Servers.Select(s => s.Id).Where(id => id > 0).ToHashSet();
        int next = 1;
        for (int i = 0; i < proxy.Servers.Count; i++, next++)
        {
            int id = proxy.Servers[i].Id;
            if (id == 0)
            {
                while (!taken.Add(next))
                {
                    next++;
                }

                id = next;
            }

            if (proxy.Servers[i] is { MinConn: > 0 and var min } s && (s.MaxConn ?? 0) < min)
            {
                proxy.Servers[i] = s with { MaxConn = min };
            }

            proxy.Servers[i] = proxy.Servers[i] with { Id = id, Index = servers.Count, Proxy = proxy.Index };
            servers.Add(proxy.Servers[i]);
        }

        for (int i = 0; i < proxy.Binds.Count; i++)
        {
            var b = proxy.Binds[i];
            proxy.Binds[i] = b with { Index = binds.Count, Id = b.Id > 0 ? b.Id : i + 1 };
            binds.Add(proxy.Binds[i]);
        }
    }

    private void Check(ProxyBuilder proxy)
    {
        var s = proxy.Settings;
        if (s.Disabled)
        {
            return;
        }

        if (proxy.HasFrontend && proxy.Binds.Count == 0 && proxy.Kind == ProxyKind.Frontend)
        {
            context.Add(Severity.Warning, $"config : {proxy.TypeName} '{proxy.Name}' has no 'bind' directive. "
                + "Please declare it as a backend if this was intended.");
        }

        HttpLog(proxy);
        DefaultBackend(proxy);
        Timeouts(proxy);
        DuplicateServers(proxy);
        proxy.Formats = LogFormatParser.Compile(context, proxy);
        if (context.Alerts == 0 && s.LogFormat != LogFormatKind.None && s.Logs.Count == 0 && proxy.HasFrontend)
        {
            context.Add(Severity.Warning, $"config : log format ignored for {proxy.TypeName} '{proxy.Name}' since it has no log "
                + "address.");
        }

        ModeMatters(proxy);
        Cookies(proxy);
        Sticks(proxy);
        foreach (var server in proxy.Servers)
        {
            if (server.Resolvers is { } name && resolvers.TrueForAll(r => r.Name != name)
                && (name != "default" || DefaultResolvers().Length == 0))
            {
                context.Add(Severity.Alert, $"config : {proxy.TypeName} '{proxy.Name}', server '{server.Name}': unable to find "
                    + $"required resolvers '{name}'");
            }
        }
    }

    private void DefaultBackend(ProxyBuilder proxy)
    {
        if ((proxy.HasFrontend ? proxy.Settings.DefaultBackend : proxy.StrayBackend) is not { } name)
        {
            return;
        }

        var target = proxies.Find(p => p.HasBackend && p.Name == name);
        if (target is null)
        {
            context.Add(Severity.Alert, $"config : Proxy '{proxy.Name}': unable to find required default_backend: '{name}'.");
        }
        else if (target == proxy)
        {
            context.Add(Severity.Alert, $"config : Proxy '{proxy.Name}': loop detected for default_backend: '{name}'.");
        }
        else if (target.Settings.Mode != proxy.Settings.Mode
            && !(proxy.Settings.Mode == ProxyMode.Tcp && target.Settings.Mode == ProxyMode.Http))
        {
            context.Add(Severity.Alert, $"config : {Mode(proxy)} {proxy.TypeName} '{proxy.Name}' ({proxy.Place}) tries to use "
                + $"incompatible {Mode(target)} {target.TypeName} '{target.Name}' ({target.Place}) as its default backend "
                + "(see 'mode').");
        }
    }

    private static string Mode(ProxyBuilder p) => p.Settings.Mode == ProxyMode.Tcp ? "tcp" : "http";

    private void DuplicateServers(ProxyBuilder proxy)
    {
        var seen = new Dictionary<string, ServerConfig>(StringComparer.Ordinal);
        foreach (var server in proxy.Servers)
        {
            if (!seen.TryAdd(server.Name, server))
            {
                context.Add(Severity.Alert, $"config : parsing [{server.Place}] : {proxy.TypeName} '{proxy.Name}', another "
                    + $"server named '{server.Name}' was already defined at line {seen[server.Name].Place.Line}, please use "
                    + "distinct names.");
            }
        }
    }

    private void Cookies(ProxyBuilder proxy)
    {
        if (proxy.Settings.Mode == ProxyMode.Http)
        {
            return;
        }

        foreach (var server in proxy.Servers.Where(s => s.Cookie is not null))
        {
            context.Add(Severity.Warning, $"config : {proxy.TypeName} '{proxy.Name}' : ignoring cookie for server "
                + $"'{server.Name}' as HTTP mode is disabled.");
        }
    }

    private void Sticks(ProxyBuilder proxy)
    {
        foreach (var rule in proxy.Settings.Rules.Sticks)
        {
            string name = rule.Table ?? proxy.Name;
            var table = proxies.Find(p => p.Name == name && p.StickTable is not null)?.StickTable;
            if (table is null)
            {
                context.Add(Severity.Alert, $"config : Proxy '{proxy.Name}': unable to find stick-table '{name}'.");
            }
            else if (!SampleCasts.Possible(rule.Key.Type, StickTables.StickKeys.TypeOf(table.Type)))
            {
                context.Add(Severity.Alert,
                    $"config : Proxy '{proxy.Name}': type of fetch not usable with type of stick-table '{name}'.");
            }
            else if (rule.OnResponse && proxy.Settings.Mode == ProxyMode.Tcp && rule.Key.Fetch.Source
                is SampleSource.ResponseBuffer or SampleSource.EitherBuffer)
            {
                // Bytes of a TCP server are not looked at, as with tcp-response content.
                context.Add(Severity.Alert, $"config : Proxy '{proxy.Name}': 'stick store-response {rule.Key.Text}' is not supported "
                    + "yet in TCP mode");
            }
        }
    }

    private void ModeMatters(ProxyBuilder proxy)
    {
        var s = proxy.Settings;
        if (s.Mode == ProxyMode.Http)
        {
            return;
        }

        if (s.Stats is not null)
        {
            context.Add(Severity.Warning, $"config : 'stats' statement ignored for {proxy.TypeName} '{proxy.Name}' as it requires "
                + "HTTP mode.");
        }

        if (s.Cookie is not null && proxy.HasBackend)
        {
            context.Add(Severity.Warning, $"config : cookie will be ignored for {proxy.TypeName} '{proxy.Name}' (needs 'mode http').");
        }

        foreach (string option in (string[])["prefer-last-server", "idle-close-on-response"])
        {
            if (s.Switch(option) && (option[0] == 'p' ? proxy.HasBackend : proxy.HasFrontend))
            {
                context.Add(Severity.Warning, $"config : 'option {option}' ignored for {proxy.TypeName} '{proxy.Name}' as it "
                    + "requires HTTP mode.");
            }
        }

        foreach (string option in (string[])["forwardfor", "originalto"])
        {
            if ((option == "forwardfor" ? s.ForwardFor : s.OriginalTo) is not null)
            {
                context.Add(Severity.Warning, $"config : 'option {option}' ignored for {proxy.TypeName} '{proxy.Name}' as it "
                    + "requires HTTP mode.");
            }
        }
    }

    private void HttpLog(ProxyBuilder proxy)
    {
        var s = proxy.Settings;
        bool own = s.LogFormatPlace.File == proxy.Place.File && s.LogFormatPlace.Line > proxy.Place.Line;
        if (s.Mode == ProxyMode.Tcp && s.LogFormat is LogFormatKind.Http or LogFormatKind.HttpClf && (proxy.HasFrontend || own))
        {
            context.Add(Severity.Warning, $"config : parsing [{s.LogFormatPlace}] : 'option httplog' not usable with "
                + $"{proxy.TypeName} '{proxy.Name}' (needs 'mode http'). Falling back to 'option tcplog'.");
            s.LogFormat = LogFormatKind.Tcp;
        }
    }

    private void Timeouts(ProxyBuilder proxy)
    {
        var t = proxy.Settings.Timeouts;
        bool missing = (proxy.HasFrontend && t.Client is null && proxy.Binds.Count > 0)
            || (proxy.HasBackend && (t.Connect is null || t.Server is null) && proxy.Servers.Count > 0);
        if (missing)
        {
            context.Add(Severity.Warning, $"config : missing timeouts for {proxy.TypeName} '{proxy.Name}'.\n"
                + "   | While not properly invalid, you will certainly encounter various problems\n"
                + "   | with such a configuration. To fix this, please ensure that all following\n"
                + "   | timeouts are set to a non-zero value: 'client', 'connect', 'server'.");
        }
    }
}
