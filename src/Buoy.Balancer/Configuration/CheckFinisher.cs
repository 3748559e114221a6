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
