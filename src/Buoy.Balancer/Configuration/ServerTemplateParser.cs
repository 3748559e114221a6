namespace Buoy.Balancer.Configuration;

/// <summary><c>server-template PREFIX N|RANGE ADDRESS …</c>: servers that differ in their number only (configuration manual
/// 4.2).</summary>
internal static class ServerTemplateParser
{
    /// <summary>Most servers of one template.</summary>
    private const int MaxServers = 65_536;

    public static void Parse(ParseContext context, ProxyBuilder proxy, ProxySettings settings)
    {
        string place = $"config : [{context.Place}] : ";
        string prefix = context[1];
        if (prefix.Length == 0 || context[2].Length == 0 || context[3].Length == 0)
        {
            context.Add(Severity.Alert,
                $"{place}'server-template' expects <prefix> <nb | range> <addr>[:<port>] as arguments.");
            return;
        }

        if (Units.BadNameCharacter(prefix) is { } bad)
        {
            context.Add(Severity.Alert, $"{place}character '{bad}' is not permitted in server-template prefix '{prefix}'.");
            return;
        }

        int dash = context[2].IndexOf('-');
        int low = dash > 0 ? Units.Atoi(context[2][..dash]) : 1;
        int high = Units.Atoi(dash > 0 ? context[2][(dash + 1)..] : context[2]);
        if (dash == 0 || low <= 0 || high < low || high - low >= MaxServers)
        {
            context.Add(Severity.Alert, $"{place}Wrong server-template number or range arg '{context[2]}'.");
            return;
        }

        var words = context.Words;
        int before = proxy.Servers.Count;
        context.Words = ["server", $"{prefix}{low}", .. words.Skip(3)];
        ServerParser.Parse(context, proxy, settings);
        context.Words = words;
        if (proxy.Servers.Count == before)
        {
            return;
        }

        var first = proxy.Servers[^1];
        for (int i = low + 1; i <= high; i++)
        {
            proxy.Servers.Add(first with { Name = FormattableString.Invariant($"{prefix}{i}"), Id = 0, ForcedId = false });
        }
    }
}
