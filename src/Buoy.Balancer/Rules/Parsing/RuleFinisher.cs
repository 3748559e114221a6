using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>What of rules can only be looked up when all sections are read.</summary>
internal sealed class RuleFinisher(
    ParseContext context, IReadOnlyList<ProxyBuilder> proxies, IReadOnlyList<UserListParser> userLists)
{
    public void Finish()
    {
        foreach (var pending in context.Rules.Pending)
        {
            Resolve(pending);
        }

        foreach (var proxy in proxies)
        {
            Mode(context, proxy);
            Backends(proxy);
            Servers(proxy);
            ErrorGroups(proxy);
            ErrorFiles(proxy);
            Tracks(proxy);
        }

        foreach (var later in context.Rules.Later)
        {
            if (later(proxies) is { } problem)
            {
                context.Add(Severity.Alert, problem);
            }
        }
    }

    private static void Mode(ParseContext context, ProxyBuilder proxy)
    {
        var r = proxy.Settings.Rules;
        if (proxy.Settings.Mode == ProxyMode.Http)
        {
            return;
        }

        if (r.MonitorUri is not null && proxy.HasFrontend)
        {
            context.Add(Severity.Warning,
                $"config : monitor-uri will be ignored for {proxy.TypeName} '{proxy.Name}' (needs 'mode http').");
        }

        foreach (var (name, count) in ((string, int)[])[
            ("http-request", r.Request.Count), ("http-response", r.Response.Count),
            ("http-after-response", r.AfterResponse.Count), ("redirect", r.Redirect.Count)])
        {
            if (count > 0 && !r.SwitchesMode)
            {
                context.Add(Severity.Warning, $"config : '{name}' rules ignored for {proxy.TypeName} '{proxy.Name}' as they "
                    + "require HTTP mode.");
            }
        }
    }

    private void Resolve(PendingArgument p)
    {
        string name = p.Argument.Text;
        switch (p.Argument.Type)
        {
            case ArgumentType.Backend or ArgumentType.Frontend:
                bool backend = p.Argument.Type == ArgumentType.Backend;
                string wanted = name.Length == 0 ? p.Context.Proxy : name;
                var proxy = proxies.FirstOrDefault(x => x.Name == wanted && (backend ? x.HasBackend : x.HasFrontend));
                p.Argument.Index = proxy?.Index ?? -1;
                if (proxy is null)
                {
                    Problem(p, $"unable to find {(backend ? "backend" : "frontend")} '{wanted}' referenced");
                }

                break;
            case ArgumentType.Server:
                Server(p, name);
                break;
            case ArgumentType.UserList:
                var list = userLists.FirstOrDefault(u => u.Name == name);
                p.Argument.Resolved = list?.Build();
                if (list is null)
                {
                    Problem(p, name.Length == 0 ? "missing userlist name" : $"unable to find userlist '{name}' referenced");
                }

                break;
            case ArgumentType.Table:
                string holder = name.Length == 0 ? p.Context.Proxy : name;
                var owner = proxies.FirstOrDefault(x => x.Name == holder && x.StickTable is not null);
                p.Argument.Index = owner?.Index ?? -1;
                if (p.Argument.Index < 0)
                {
                    Problem(p, $"unable to find table '{holder}' referenced");
                }

                break;
        }
    }

    private void Server(PendingArgument p, string name)
    {
        int slash = name.IndexOf('/');
        string section = slash < 0 ? p.Context.Proxy : name[..slash];
        string server = slash < 0 ? name : name[(slash + 1)..];
        var proxy = proxies.FirstOrDefault(x => x.Name == section && (x.HasBackend || slash < 0));
        if (proxy is null)
        {
            Problem(p, $"unable to find proxy '{section}' referenced");
            return;
        }

        int at = proxy.Servers.FindIndex(s => s.Name == server);
        if (at < 0)
        {
            Problem(p, $"unable to find server '{server}' in proxy '{section}', referenced");
            return;
        }

        proxy.Servers[at] = proxy.Servers[at] with { Pinned = true };
        p.Argument.Index = proxies.Where(x => x.Index < proxy.Index).Sum(x => x.Servers.Count) + at;
    }

    private void Problem(PendingArgument p, string what)
    {
        bool acl = p.Context.What == AclParser.What;
        string kind = acl ? "ACL keyword" : "sample fetch keyword";
        string keyword = p.Converter is null ? $"{kind} '{p.Fetch}'"
            : $"conversion keyword '{p.Converter}' for {kind} '{p.Fetch}'";
        context.Add(Severity.Alert, $"config : parsing [{p.Context.Place}]: {what} in arg {p.Position} of {keyword}"
            + $"{(acl ? "" : $" in {p.Context.What}")} in proxy '{p.Context.Proxy}'.");
    }

    private void Backends(ProxyBuilder proxy)
    {
        foreach (var rule in proxy.Settings.Rules.Backends)
        {
            if (rule.Format is not null)
            {
                continue;
            }

            var target = proxies.FirstOrDefault(p => p.HasBackend && p.Name == rule.Name);
            if (target is null)
            {
                context.Add(Severity.Alert, $"config : Proxy '{proxy.Name}': unable to find required use_backend: '{rule.Name}'.");
            }
            else if (target.Settings.Mode != proxy.Settings.Mode
                && !(proxy.Settings.Mode == ProxyMode.Tcp && target.Settings.Mode == ProxyMode.Http))
            {
                context.Add(Severity.Alert, $"config : {Mode(proxy)} {proxy.TypeName} '{proxy.Name}' ({proxy.Place}) tries to use "
                    + $"incompatible {Mode(target)} {target.TypeName} '{target.Name}' ({target.Place}) in a 'use_backend' rule "
                    + "(see 'mode').");
            }
            else
            {
                rule.Backend = target.Index;
            }
        }
    }

    /// <summary>
    /// Tables of track-sc rules: are they there, can the key be one of theirs, is there something to wait for?
    /// </summary>
    private void Tracks(ProxyBuilder proxy)
    {
        var r = proxy.Settings.Rules;
        foreach (var rule in (Rule[])[.. r.Connection, .. r.Session, .. r.Content, .. r.Request, .. r.Response])
        {
            if (rule.Action is not TrackAction track)
            {
                continue;
            }

            string name = track.TableName ?? proxy.Name;
            var table = proxies.FirstOrDefault(p => p.Name == name && p.StickTable is not null);
            if (table is null)
            {
                context.Add(Severity.Alert,
                    $"config : Proxy '{proxy.Name}': unable to find table '{name}' referenced by {track.Name}.");
                continue;
            }

            track.Table = track.TableName is null ? -1 : table.Index;
            if (!SampleCasts.Possible(track.Key.Type, StickTables.StickKeys.TypeOf(table.StickTable!.Type)))
            {
                context.Add(Severity.Alert, $"config : Proxy '{proxy.Name}': stick-table '{name}' uses a type incompatible with "
                    + $"the '{track.Name}' rule.");
            }
        }

        if (r.InspectDelay == 0 && r.Content.Exists(c => c.Action is TrackAction track && NeedsRequest(track.Key)))
        {
            context.Add(Severity.Warning, $"config : {proxy.TypeName} '{proxy.Name}' : a 'tcp-request content track-sc*' "
                + "rule explicitly depending on request contents without any 'tcp-request inspect-delay' setting. This means "
                + "that this rule will randomly find its contents. This can be fixed by setting the tcp-request "
                + "inspect-delay.");
        }
    }

    private static bool NeedsRequest(SampleExpression key) => key.Fetch.Source is SampleSource.RequestBuffer
        or SampleSource.RequestHeaders or SampleSource.EitherBuffer or SampleSource.EitherHeaders;

    private static string Mode(ProxyBuilder p) => p.Settings.Mode == ProxyMode.Tcp ? "tcp" : "http";

    private void Servers(ProxyBuilder proxy)
    {
        int first = proxies.Where(x => x.Index < proxy.Index).Sum(x => x.Servers.Count);
        foreach (var rule in proxy.Settings.Rules.Servers)
        {
            if (rule.Format is not null)
            {
                continue;
            }

            int at = proxy.Servers.FindIndex(s => s.Name == rule.Name);
            if (at < 0)
            {
                context.Add(Severity.Alert, $"config : {proxy.TypeName} '{proxy.Name}' : unable to find server '{rule.Name}' "
                    + "referenced in a 'use-server' rule.");
            }
            else
            {
                proxy.Servers[at] = proxy.Servers[at] with { Pinned = true };
            }

            rule.Server = first + at;
        }
    }

    private void ErrorGroups(ProxyBuilder proxy)
    {
        foreach (var reference in proxy.Settings.Rules.ErrorGroups)
        {
            if (!context.Rules.ErrorGroups.TryGetValue(reference.Name, out var pages))
            {
                context.Add(Severity.Alert,
                    $"config : proxy '{proxy.Name}': unknown http-errors section '{reference.Name}' (at {reference.Place}).");
                continue;
            }

            foreach (var (status, page) in pages)
            {
                if (reference.Codes.Count == 0 || reference.Codes.Contains(status))
                {
                    proxy.Settings.Rules.Errors[status] = page;
                }
            }
        }
    }

    /// <summary>A section with rules answers through messages, so its errorfiles become replies, too.</summary>
    private static void ErrorFiles(ProxyBuilder proxy)
    {
        if (!proxy.Settings.Rules.Any)
        {
            return;
        }

        foreach (var (status, content) in proxy.Settings.ErrorFiles)
        {
            if ((content.Length == 0 ? Reply.Nothing : Reply.FromFile(content, out _)) is { } page)
            {
                proxy.Settings.Rules.Errors[status] = page;
            }
        }
    }
}
