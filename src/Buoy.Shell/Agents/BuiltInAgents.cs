using System.Text;

namespace Buoy.Shell.Agents;

/// <summary>Meta-data of the agents that are part of the program: ocf:heartbeat:IPaddr2 and
/// ocf:heartbeat:haproxy.</summary>
public static class BuiltInAgents
{
    /// <summary>Types of the provider heartbeat that need no script.</summary>
    public static IReadOnlyList<string> Names { get; } = ["IPaddr2", "haproxy"];

    /// <summary>The meta-data, or null for any other name.</summary>
    public static string? MetaData(string name) => name switch
    {
        "ocf:heartbeat:IPaddr2" => Address,
        "ocf:heartbeat:haproxy" => Balancer,
        _ => null,
    };

    private static readonly string Address = Document("IPaddr2", "Floating IPv4 or IPv6 address",
        "Adds an address to an interface of the node and tells the neighbours, and removes it again. Nothing is "
            + "executed: "
        + "the kernel is asked directly.",
        [
            ("ip", "string", true, "", "The address (IPv4 dotted, IPv6 with colons)"),
            ("nic", "string", false, "", "Interface; found from the routes when absent"),
            ("cidr_netmask", "string", false, "",
                "Prefix length, or a dotted netmask; found from the routes when absent"),
            ("broadcast", "string", false, "", "Broadcast address; '+' computes it, '-' takes the lowest"),
            ("iflabel", "string", false, "", "Label added to the interface's name for the address"),
            ("lvs_support", "boolean", false, "false", "Support for LVS direct routing"),
            ("lvs_ipv6_addrlabel", "boolean", false, "false", "Address label for LVS with IPv6"),
            ("lvs_ipv6_addrlabel_value", "string", false, "99", "Value of that label"),
            ("mac", "string", false, "", "Cluster IP: MAC address"),
            ("clusterip_hash", "string", false, "sourceip-sourceport", "Cluster IP: hash over which parts"),
            ("unique_clone_address", "boolean", false, "false", "Clone instances take consecutive addresses"),
            ("arp_interval", "integer", false, "200", "Milliseconds between announcements"),
            ("arp_count", "integer", false, "5", "Announcements at start"),
            ("arp_count_refresh", "integer", false, "0", "Announcements at each monitor"),
            ("arp_bg", "string", false, "true", "Announce without waiting for it"),
            ("arp_sender", "string", false, "", "Accepted for compatibility: the program announces itself"),
            ("send_arp_opts", "string", false, "", "Accepted for compatibility"),
            ("flush_routes", "boolean", false, "false", "Remove routes of the address at stop"),
            ("run_arping", "boolean", false, "false", "Look for a duplicate address first (IPv4)"),
            ("nodad", "boolean", false, "false", "No duplicate address detection (IPv6)"),
            ("noprefixroute", "boolean", false, "false", "No route for the prefix"),
            ("preferred_lft", "string", false, "forever", "Preferred lifetime (IPv6)"),
            ("network_namespace", "string", false, "", "Network namespace to work in"),
            ("proto", "string", false, "", "Origin of the address as the kernel keeps it"),
            ("check_link_status", "boolean", false, "true", "A link that is down is a failure"),
            ("guard", "boolean", false, "true", "Ask the segment first, hold by a lease in the kernel"),
            ("guard_probes", "integer", false, "3", "Probes before the address is taken"),
        ],
        """
        <action name="start" timeout="20s"/>
        <action name="stop" timeout="20s"/>
        <action name="status" depth="0" timeout="20s" interval="10s"/>
        <action name="monitor" depth="0" timeout="20s" interval="10s"/>
        <action name="meta-data" timeout="5s"/>
        <action name="validate-all" timeout="20s"/>
        """);

    private static readonly string Balancer = Document("haproxy", "The load balancer",
        "Runs the balancer with an HAProxy configuration, as a child of the cluster's executor.",
        [
            ("binpath", "string", false, "/usr/sbin/haproxy", "Program; the built-in balancer unless another is named"),
            ("conffile", "string", false, "/etc/haproxy/haproxy.cfg", "Configuration file"),
            ("extraconf", "string", false, "", "Further arguments of the program"),
            ("pidfile", "string", false, "/run/haproxy.pid", "File for the process number"),
            ("statusurl", "string", false, "", "Page that the monitor asks for"),
        ],
        """
        <action name="start" timeout="20s"/>
        <action name="stop" timeout="20s"/>
        <action name="monitor" depth="0" timeout="20s" interval="60s"/>
        <action name="status" timeout="20s"/>
        <action name="meta-data" timeout="5s"/>
        <action name="validate-all" timeout="20s"/>
        """);

    private static string Document(
        string name, string shortDescription, string longDescription,
        (string Name, string Type, bool Required, string Default, string Text)[] parameters, string actions)
    {
        var b = new StringBuilder();
        b.Append($"<?xml version=\"1.0\"?>\n<resource-agent name=\"{name}\" "
            + $"version=\"1.0\">\n<version>1.0</version>\n");
        b.Append($"<longdesc lang=\"en\">\n{longDescription}\n</longdesc>\n<shortdesc "
            + $"lang=\"en\">{shortDescription}</shortdesc>\n<parameters>\n");
        foreach ((string parameter, string type, bool required, string value, string text) in parameters)
        {
            string content = value.Length == 0 ? $"<content type=\"{type}\"/>"
                : $"<content type=\"{type}\" default=\"{value}\"/>";
            b.Append($"<parameter name=\"{parameter}\" unique=\"0\" required=\"{(required ? 1 : 0)}\">\n");
            b.Append($"<longdesc lang=\"en\">{text}</longdesc>\n<shortdesc "
                + $"lang=\"en\">{text}</shortdesc>\n{content}\n</parameter>\n");
        }

        return b.Append("</parameters>\n<actions>\n").Append(actions)
            .Append("\n</actions>\n</resource-agent>\n").ToString();
    }
}
