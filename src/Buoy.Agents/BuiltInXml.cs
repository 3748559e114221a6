namespace Buoy.Agents;

/// <summary>The XML that the built-in agents answer to meta-data (OCF Resource Agent API 1.1 section 6).</summary>
internal static class BuiltInXml
{
    public const string IpAddress = """
        <?xml version="1.0"?>
        <!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
        <resource-agent name="IPaddr2" version="1.0">
        <version>1.1</version>
        <longdesc lang="en">
        Keeps one floating IPv4 or IPv6 address on an interface of this node. Built in: the address is set over netlink,
        and neighbours are told by gratuitous ARP (IPv4) or unsolicited neighbour advertisements (IPv6), at once and
        again after 50, 100, 200, 500 and 1000 ms. A removed address or a lost carrier fails a recurring monitor at
        once.
        </longdesc>
        <shortdesc lang="en">A floating IPv4 or IPv6 address</shortdesc>
        <parameters>
        <parameter name="ip" unique="1" required="1">
        <longdesc lang="en">The address: 192.0.2.1 or 2001:db8::1.</longdesc>
        <shortdesc lang="en">IPv4 or IPv6 address</shortdesc>
        <content type="string" default=""/>
        </parameter>
        <parameter name="nic" unique="0">
        <longdesc lang="en">The interface. Where it is left out, the one whose network holds the address.</longdesc>
        <shortdesc lang="en">Network interface</shortdesc>
        <content type="string"/>
        </parameter>
        <parameter name="cidr_netmask">
        <longdesc lang="en">The prefix length, as 24. Where it is left out, that of the interface's network.</longdesc>
        <shortdesc lang="en">Prefix length</shortdesc>
        <content type="string" default=""/>
        </parameter>
        <parameter name="broadcast" unique="0">
        <longdesc lang="en">The broadcast address; + sets and - clears the host bits of the address.</longdesc>
        <shortdesc lang="en">Broadcast address</shortdesc>
        <content type="string" default=""/>
        </parameter>
        <parameter name="iflabel" unique="0">
        <longdesc lang="en">A label for the IPv4 address, shown after the interface's name and a colon, together at
        most 15 characters.</longdesc>
        <shortdesc lang="en">Interface label</shortdesc>
        <content type="string" default=""/>
        </parameter>
        <parameter name="noprefixroute">
        <longdesc lang="en">No route to the address's network is made with the address.</longdesc>
        <shortdesc lang="en">No prefix route</shortdesc>
        <content type="boolean" default="false"/>
        </parameter>
        <parameter name="preferred_lft">
        <longdesc lang="en">Seconds for which the address may be the source of new connections (RFC 4862 section
        5.5.4); 0 = never, or forever.</longdesc>
        <shortdesc lang="en">Preferred lifetime</shortdesc>
        <content type="string" default="forever"/>
        </parameter>
        <parameter name="nodad">
        <longdesc lang="en">IPv6: the address is used without duplicate address detection, which takes about a
        second.</longdesc>
        <shortdesc lang="en">No duplicate address detection</shortdesc>
        <content type="boolean" default="false"/>
        </parameter>
        <parameter name="proto">
        <longdesc lang="en">The address protocol number that the kernel keeps with the address.</longdesc>
        <shortdesc lang="en">Address protocol</shortdesc>
        <content type="integer" default="0"/>
        </parameter>
        <parameter name="arp_count">
        <longdesc lang="en">How many announcements follow a start; 0 = none.</longdesc>
        <shortdesc lang="en">Announcements after a start</shortdesc>
        <content type="integer" default="6"/>
        </parameter>
        <parameter name="arp_interval">
        <longdesc lang="en">Milliseconds between announcements after the sixth.</longdesc>
        <shortdesc lang="en">Announcement interval</shortdesc>
        <content type="integer" default="200"/>
        </parameter>
        <parameter name="arp_count_refresh">
        <longdesc lang="en">How many announcements each monitor sends.</longdesc>
        <shortdesc lang="en">Announcements of a monitor</shortdesc>
        <content type="integer" default="0"/>
        </parameter>
        <parameter name="guard">
        <longdesc lang="en">Before the address is taken the segment is asked whether somebody has it, and the kernel
        lets it speak only while the cluster daemon renews a lease of one second. Off: as the original, which does neither.
        </longdesc>
        <shortdesc lang="en">Guard the address against two owners</shortdesc>
        <content type="boolean" default="true"/>
        </parameter>
        <parameter name="guard_probes">
        <longdesc lang="en">How many probes, 40 ms apart, must remain without an answer; five where the segment loses
        packets.</longdesc>
        <shortdesc lang="en">Probes of the guard</shortdesc>
        <content type="integer" default="3"/>
        </parameter>
        <parameter name="arp_bg">
        <longdesc lang="en">Accepted for compatibility: announcements always go on in the background.</longdesc>
        <shortdesc lang="en">Announce in the background</shortdesc>
        <content type="boolean" default="true"/>
        </parameter>
        <parameter name="arp_sender">
        <longdesc lang="en">Accepted for compatibility (send_arp, ipoibarping, iputils_arping, libnet_arping): no
        program is run.</longdesc>
        <shortdesc lang="en">ARP sender</shortdesc>
        <content type="string" default=""/>
        </parameter>
        <parameter name="send_arp_opts">
        <longdesc lang="en">-A: announce with ARP replies only. -U: with requests and replies, which is the
        default.</longdesc>
        <shortdesc lang="en">Form of announcements</shortdesc>
        <content type="string" default=""/>
        </parameter>
        <parameter name="run_arping">
        <longdesc lang="en">IPv4: before the address is taken, ask the network three times in 160 ms whether another
        host has it (RFC 5227).</longdesc>
        <shortdesc lang="en">Ask whether the address is in use</shortdesc>
        <content type="boolean" default="false"/>
        </parameter>
        <parameter name="check_link_status">
        <longdesc lang="en">A link that is down or has no carrier is a failure.</longdesc>
        <shortdesc lang="en">Watch the link</shortdesc>
        <content type="boolean" default="true"/>
        </parameter>
        <parameter name="flush_routes">
        <longdesc lang="en">The kernel's route cache is emptied on stop.</longdesc>
        <shortdesc lang="en">Flush routes on stop</shortdesc>
        <content type="boolean" default="false"/>
        </parameter>
        </parameters>
        <actions>
        <action name="start" timeout="20s"/>
        <action name="stop" timeout="20s"/>
        <action name="status" depth="0" timeout="20s" interval="10s"/>
        <action name="monitor" depth="0" timeout="20s" interval="10s"/>
        <action name="meta-data" timeout="5s"/>
        <action name="validate-all" timeout="20s"/>
        </actions>
        </resource-agent>

        """;

    public const string Haproxy = """
        <?xml version="1.0"?>
        <!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
        <resource-agent name="haproxy" version="1.0">
        <version>1.1</version>
        <longdesc lang="en">
        Runs the load balancer for a haproxy.cfg. Built in: the balancer is this program's own, and its end or a loop
        that stands still fails a recurring monitor at once. With binpath it runs that HAProxy.
        </longdesc>
        <shortdesc lang="en">The load balancer</shortdesc>
        <parameters>
        <parameter name="binpath" unique="0" required="0">
        <longdesc lang="en">A HAProxy program to run in place of the built-in balancer.</longdesc>
        <shortdesc lang="en">HAProxy program</shortdesc>
        <content type="string"/>
        </parameter>
        <parameter name="conffile" unique="0" required="0">
        <longdesc lang="en">The configuration file.</longdesc>
        <shortdesc lang="en">Configuration file</shortdesc>
        <content type="string" default="/etc/haproxy/haproxy.cfg"/>
        </parameter>
        <parameter name="extraconf" unique="0" required="0">
        <longdesc lang="en">A second configuration file, or, where it begins with a hyphen, further
        arguments.</longdesc>
        <shortdesc lang="en">Further configuration</shortdesc>
        <content type="string"/>
        </parameter>
        <parameter name="pidfile" unique="1" required="0">
        <longdesc lang="en">Where the process number is kept. Two balancers on one node need two.</longdesc>
        <shortdesc lang="en">Process number file</shortdesc>
        <content type="string" default="/run/haproxy.pid"/>
        </parameter>
        <parameter name="statusurl" unique="0" required="0">
        <longdesc lang="en">An http:// page that monitor asks for; it must answer with status 2xx or 3xx.</longdesc>
        <shortdesc lang="en">Status page</shortdesc>
        <content type="string"/>
        </parameter>
        </parameters>
        <actions>
        <action name="start" timeout="20s"/>
        <action name="stop" timeout="20s"/>
        <action name="status" depth="0" timeout="20s" interval="10s"/>
        <action name="monitor" depth="0" timeout="20s" interval="10s"/>
        <action name="meta-data" timeout="5s"/>
        <action name="validate-all" timeout="20s"/>
        </actions>
        </resource-agent>

        """;
}
