using System.Globalization;
using Buoy.Cib;
using Buoy.Control;

namespace Buoy.Shell.Tools;

/// <summary>corosync-cfgtool.</summary>
internal sealed partial class CorosyncTools
{
    private const string CfgUsage =
        "corosync-cfgtool [[-i <interface ip>] [-b] -s] [-R] [-L] [-k nodeid] [-a nodeid] [-h] [-H]\n\n"
        + "A tool for displaying and configuring active parameters within corosync.\noptions:\n"
        + "\t-i\tFinds only information about the specified interface IP address or link id when used with -s..\n"
        + "\t-s\tDisplays the status of the current links on this node.\n"
        + "\t-n\tDisplays the status of the connected nodes and their links.\n"
        + "\t-b\tDisplays the brief status of the current links on this node when used with -s.\n"
        + "\t-R\tTell all instances of corosync in this cluster to reload corosync.conf.\n"
        + "\t-L\tTell corosync to reopen all logging files.\n\t-k\tKill a node identified by node id.\n"
        + "\t-a\tDisplay the IP address(es) of a node\n\t-h\tPrint basic usage.\n"
        + "\t-H\tShutdown corosync cleanly on this node.\n"
        + "\t\t--force will shut down corosync regardless of daemon vetos\n";

    private static readonly Dictionary<char, string> s_cfgOptions = new()
    {
        ['i'] = "i", ['s'] = "s", ['n'] = "n", ['b'] = "b", ['R'] = "R", ['L'] = "L", ['k'] = "k", ['a'] = "a", ['h'] = "h",
        ['H'] = "H",
    };

    /// <summary>corosync-cfgtool(8). As in the original -i changes nothing where every link is shown.</summary>
    public int CfgTool(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var options = new OptionReader(args, s_cfgOptions, "ika", [], ["force"]);
        if (options.Problem is { } problem)
        {
            error.Write($"corosync-cfgtool: {problem}\n");
            return 1;
        }

        string? what = new[] { "H", "a", "k", "L", "R", "n", "s" }.FirstOrDefault(options.Has);
        if (what is null || options.Has("h"))
        {
            output.Write(CfgUsage);
            return 0;
        }

        string? node = options.Value("k") ?? options.Value("a");
        if (node is not null && !(uint.TryParse(node, CultureInfo.InvariantCulture, out uint id) && id > 0))
        {
            error.Write("The nodeid was not valid, try a positive number\n");
            return 1;
        }

        output.Write(what switch
        {
            "R" => "Reloading corosync.conf...\n",
            "k" => $"Killing node {node}\n",
            _ => "",
        });
        string absent = what is "R" or "L" ? "CS_ERR_LIBRARY" : "2";
        return Connected(error, $"Could not initialize corosync configuration API error {absent}\n", connection =>
        {
            switch (what)
            {
                case "R":
                    try
                    {
                        connection.Call(ControlCommand.Reload);
                    }
                    catch (CibException e)
                    {
                        error.Write($"Could not reload configuration. Error CS_ERR_INVALID_PARAM\n{e.Message}\n");
                        return 1;
                    }

                    output.Write("Done\n");
                    return 0;
                case "L":
                    connection.Call(ControlCommand.ReopenLogs);
                    return 0;
                case "H":
                    output.Write("Shutting down corosync\n");
                    connection.Call(ControlCommand.Shutdown);
                    return 0;
                case "k":
                    try
                    {
                        connection.Call(ControlCommand.KillNode, null, ("node", node!));
                    }
                    catch (CibException e) when (e.Status == ControlStatus.NoSuchObject)
                    {
                        error.Write($"Could not kill node (error = {e.Message})\n");
                        return 1;
                    }

                    return 0;
                case "a":
                    var found = connection.Membership().Members.FirstOrDefault(m => $"{m.NodeId}" == node);
                    if (found is null)
                    {
                        error.Write($"Could not get node address for nodeid {node}\n");
                        return 1;
                    }

                    output.Write(string.Join(' ', found.Addresses) + "\n");
                    return 0;
                case "s":
                    PrintLinks(connection.Membership(), output, options.Has("b"));
                    return 0;
                default:
                    PrintNodes(connection.Membership(), output);
                    return 0;
            }
        });
    }

    /// <summary>What cfgtool -s prints.</summary>
    public static void PrintLinks(MembershipReport m, TextWriter o, bool brief = false)
    {
        o.Write($"Local node ID {m.NodeId}, transport {m.Transport}\n");
        foreach (LinkReport l in m.Links)
        {
            o.Write($"LINK ID {l.LinkId} {l.Transport}\n\taddr\t= {l.Address}\n");
            if (brief)
            {
                // 1 = enabled, 2 = connected, n = this node.
                o.Write("\tstatus\t= " + string.Concat(l.Peers.OrderBy(p => p.NodeId).Select(p =>
                    p.State switch { "localhost" => "n", "connected" => "3", _ => "1" })) + "\n");
                continue;
            }

            o.Write("\tstatus:\n");
            foreach (LinkPeerReport p in l.Peers.OrderBy(p => p.NodeId))
            {
                o.Write($"\t\tnodeid: {p.NodeId,10}:\t{p.State}\n");
            }
        }
    }

    private static void PrintNodes(MembershipReport m, TextWriter o)
    {
        o.Write($"Local node ID {m.NodeId}, transport {m.Transport}\n");
        foreach (MemberReport x in m.Members.Where(x => !x.Local).OrderBy(x => x.NodeId))
        {
            var links = m.Links.Select(l => (Link: l, Peer: l.Peers.FirstOrDefault(p => p.NodeId == x.NodeId)))
                .Where(p => p.Peer is not null).ToList();
            if (!links.Exists(p => p.Peer!.State == "connected"))
            {
                continue;
            }

            o.Write($"nodeid: {x.NodeId} reachable\n");
            foreach ((LinkReport l, LinkPeerReport? peer) in links)
            {
                string to = l.LinkId < x.Addresses.Count ? x.Addresses[l.LinkId] : "";
                long mtu = peer!.Mtu > 0 ? peer.Mtu : m.Counters.GetValueOrDefault("mtu");
                o.Write($"   LINK: {l.LinkId} {l.Transport} ({l.Address}->{to}) enabled"
                    + $"{(peer.State == "connected" ? " connected" : "")}{(mtu > 0 ? $" mtu: {mtu}" : "")}\n");
            }

            o.Write("\n");
        }
    }
}
