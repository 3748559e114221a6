using System.Security;

namespace Buoy.Agents;

/// <summary>Which agents there are: built in, and installed on this node.</summary>
public static class AgentCatalog
{
    /// <summary>The built-in address agent.</summary>
    public static AgentName IpAddress { get; } = new("ocf", "heartbeat", "IPaddr2");

    /// <summary>The built-in balancer agent.</summary>
    public static AgentName Haproxy { get; } = new("ocf", "heartbeat", "haproxy");

    /// <summary>Classes that can be executed, in alphabetical order.</summary>
    public static IReadOnlyList<string> Classes { get; } = ["lsb", "ocf", "service", "systemd"];

    private static readonly string[] UnitFolders = [
        "/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

    /// <summary>The XML of a built-in agent; null: it is not one.</summary>
    public static string? BuiltInMetaData(AgentName agent) =>
        agent == IpAddress ? BuiltInXml.IpAddress : agent == Haproxy ? BuiltInXml.Haproxy : null;

    /// <summary>
    /// Providers of the ocf class: installed ones and <c>heartbeat</c>, whose built-in agents are always there.
    /// </summary>
    public static IReadOnlyList<string> Providers(AgentExecutorOptions? options = null)
    {
        string root = Path.Combine((options ?? new AgentExecutorOptions()).OcfRoot, "resource.d");
        return [.. Names(root, directories: true).Append("heartbeat").Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>Agents of a class, and for ocf of a provider, sorted.</summary>
    public static IReadOnlyList<string> Agents(
        string agentClass, string? provider = null, AgentExecutorOptions? options = null)
    {
        var o = options ?? new AgentExecutorOptions();
        IEnumerable<string> names = agentClass switch
        {
            "ocf" => Names(Path.Combine(o.OcfRoot, "resource.d", provider ?? "heartbeat"), false)
                .Concat(provider is null or "heartbeat" ? [IpAddress.Type, Haproxy.Type] : []),
            "lsb" => Names(o.LsbRoot, false),
            "systemd" => Units(),
            "service" => Names(o.LsbRoot, false).Concat(Units()),
            _ => [],
        };
        return [.. names.Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>Whether an agent can be executed here.</summary>
    public static bool IsInstalled(AgentName agent, AgentExecutorOptions? options = null) =>
        BuiltInMetaData(agent) is not null || Agents(agent.Class, agent.Provider, options).Contains(agent.Type);

    /// <summary>Meta-data of a unit or init script, which have none of their own; null: not installed.</summary>
    internal static string? ServiceMetaData(AgentName agent, AgentExecutorOptions options)
    {
        if (!IsInstalled(agent, options))
        {
            return null;
        }

        string name = SecurityElement.Escape(agent.Type);
        return $"""
            <?xml version="1.0"?>
            <resource-agent name="{name}" version="1.0">
              <version>1.1</version>
              <longdesc lang="en">{agent.Class} service {name}</longdesc>
              <shortdesc lang="en">{agent.Class} service {name}</shortdesc>
              <parameters/>
              <actions>
                <action name="start" timeout="100s"/>
                <action name="stop" timeout="100s"/>
                <action name="status" timeout="100s"/>
                <action name="monitor" timeout="100s" interval="60s"/>
                <action name="meta-data" timeout="5s"/>
              </actions>
            </resource-agent>

            """;
    }

    private static IEnumerable<string> Units() => UnitFolders
        .SelectMany(static f => Names(f, false))
        .Where(static n => n.EndsWith(".service", StringComparison.Ordinal) && !n.Contains('@'))
        .Select(static n => n[..^".service".Length]);

    private static IEnumerable<string> Names(string folder, bool directories) =>
        !Directory.Exists(folder) ? []
            : (directories ? Directory.EnumerateDirectories(folder) : Directory.EnumerateFiles(folder))
            .Select(static p => Path.GetFileName(p)).Where(static n => n[0] != '.');
}
