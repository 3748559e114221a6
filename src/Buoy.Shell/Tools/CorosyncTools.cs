using System.Globalization;
using System.Security.Cryptography;
using Buoy.Cib;
using Buoy.Control;
using Buoy.Shell.Cluster;

namespace Buoy.Shell.Tools;

/// <summary>corosync-quorumtool, -cfgtool, -cmapctl and -keygen.</summary>
internal sealed class CorosyncTools(ShellServices services)
{
    /// <summary>corosync-quorumtool(8): exit status 0 quorate, 2 not, 1 error.</summary>
    public int QuorumTool(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        string what = "-s";
        bool hex = false, addresses = false;
        string? expected = null;
        for (int i = 0; i < args.Length; i++)
        {
            foreach (char c in Letters(args[i]))
            {
                switch (c)
                {
                    case 's' or 'l':
                        what = "-" + c;
                        break;
                    case 'H':
                        hex = true;
                        break;
                    case 'i' or 'a':
                        addresses = true;
                        break;
                    case 'e' when i + 1 < args.Length:
                        what = "-e";
                        expected = args[++i];
                        break;
                    case 'o' when i + 1 < args.Length:
                        i++;
                        break;
                    case 'h':
                        output.Write("usage: \ncorosync-quorumtool <options>\n\n  options:\n\n  -s             show "
                            + "quorum status\n"
                            + "  -l             list nodes\n  -a             show all names or addresses for each "
                                + "node\n"
                            + "  -e <expected>  change expected votes for the cluster\n"
                            + "  -H             show nodeids in hexadecimal rather than decimal\n"
                            + "  -i             show node IP addresses instead of the resolved name\n  -h            "
                                + " show this help text\n");
                        return 0;
                    case 'm' or 'p' or 'v' or 'n' or 'f':
                        error.Write($"corosync-quorumtool: option -{c} is not supported\n");
                        return 2;
                    default:
                        error.Write($"corosync-quorumtool: invalid option -- '{c}'\n");
                        return 2;
                }
            }
        }

        return Connected(error, "Cannot initialize CMAP service\n", connection =>
        {
            if (expected is not null)
            {
                connection.Call(ControlCommand.SetExpectedVotes, null, ("votes", expected));
            }

            MembershipReport m = connection.Membership();
            PrintQuorum(m, output, services.Now(), what == "-s", hex, addresses);
            return m.Quorate ? 0 : 2;
        });
    }

    /// <summary>What -s or -l prints.</summary>
    public static void PrintQuorum(MembershipReport m, TextWriter o, DateTimeOffset now, bool status, bool hex = false,
        bool addresses = false)
    {
        var present = m.Members.Where(x => x.Present).OrderBy(x => x.NodeId).ToList();
        if (status)
        {
            o.Write("Quorum information\n------------------\n");
            o.Write($"Date:             {CibDocument.CTime(now)}\n");
            o.Write($"Quorum provider:  {m.QuorumProvider}\nNodes:            {present.Count}\nNode ID:          "
                + $"{m.NodeId}\n");
            o.Write($"Ring ID:          {m.RingRep}.{m.RingSeq:x}\nQuorate:          {(m.Quorate ? "Yes" : "No")}\n");
            o.Write("\nVotequorum information\n----------------------\n");
            o.Write($"Expected votes:   {m.ExpectedVotes}\nHighest expected: {m.HighestExpected}\nTotal votes:      "
                + $"{m.TotalVotes}\n");
            o.Write($"Quorum:           {m.Quorum} {(m.Quorate ? " " : "Activity blocked")}\n");
            o.Write($"Flags:            {string.Concat(m.Flags.Select(f => f + " "))}\n");
        }

        o.Write("\nMembership information\n----------------------\n    Nodeid      Votes Name\n");
        foreach (MemberReport x in present)
        {
            string id = hex ? "0x" + x.NodeId.ToString("x8", CultureInfo.InvariantCulture)
                : x.NodeId.ToString(CultureInfo.InvariantCulture);
            string name = addresses && x.Addresses.Count > 0 ? string.Join(", ", x.Addresses) : x.Name;
            o.Write($"{id,10} {x.Votes,10} {name}{(x.Local ? " (local)" : "")}\n");
        }
    }

    /// <summary>corosync-cfgtool(8): -s links, -n nodes, -R reload.</summary>
    public int CfgTool(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        char what = '\0';
        foreach (string a in args)
        {
            foreach (char c in Letters(a))
            {
                if (c is 's' or 'n' or 'R')
                {
                    what = what == '\0' ? c : what;
                }
                else if (c is not ('i' or 'b' or 'h'))
                {
                    error.Write($"corosync-cfgtool: "
                        + $"{(c is 'a' or 'k' or 'r' or 'H' or 'L'
                        ? $"option -{c} is not supported" : $"invalid option -- '{c}'")}\n");
                    return 1;
                }
            }
        }

        if (what == '\0')
        {
            output.Write("corosync-cfgtool [[-i <interface ip>] [-b] -s] [-R] [-n] [-h]\n\n"
                + "A tool for displaying and configuring active parameters within corosync.\noptions:\n"
                + "\t-s\tDisplays the status of the current links on this node.\n"
                + "\t-n\tDisplays the status of the nodes in the system with their links.\n"
                + "\t-R\tTell this node to reload its configuration.\n\t-h\tPrint basic usage.\n");
            return args.Length == 0 ? 1 : 0;
        }

        return Connected(error, "Could not initialize corosync configuration API error 2\n", connection =>
        {
            if (what == 'R')
            {
                output.Write("Reloading corosync.conf...\n");
                connection.Call(ControlCommand.Reload);
                output.Write("Done\n");
                return 0;
            }

            MembershipReport m = connection.Membership();
            if (what == 's')
            {
                PrintLinks(m, output);
            }
            else
            {
                PrintNodes(m, output);
            }

            return 0;
        });
    }

    /// <summary>What cfgtool -s prints.</summary>
    public static void PrintLinks(MembershipReport m, TextWriter o)
    {
        o.Write($"Local node ID {m.NodeId}, transport {m.Transport}\n");
        foreach (LinkReport l in m.Links)
        {
            o.Write($"LINK ID {l.LinkId} {l.Transport}\n\taddr\t= {l.Address}\n\tstatus:\n");
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

    /// <summary>corosync-cmapctl(8): keys by prefix, or -g KEY.</summary>
    public int CmapCtl(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        string? exact = null;
        var prefixes = new List<string>();
        for (int i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "-g" when i + 1 < args.Length:
                    exact = args[++i];
                    break;
                case "-b":
                    break;
                case var o when o.StartsWith('-'):
                    error.Write($"corosync-cmapctl: option {o} is not supported\n");
                    return 1;
                case var key:
                    prefixes.Add(key);
                    break;
            }
        }

        return Connected(error, "Failed to initialize the cmap API. Error CS_ERR_LIBRARY\n", connection =>
        {
            SortedDictionary<string, (string Type, string Value)> map = Keys(connection.Membership());
            var chosen = map.Where(k => exact is not null ? k.Key == exact
                : prefixes.Count == 0 || prefixes.Any(p => k.Key.StartsWith(p, StringComparison.Ordinal))).ToList();
            foreach ((string key, (string type, string value)) in chosen)
            {
                output.Write($"{key} ({type}) = {value}\n");
            }

            if (exact is not null && chosen.Count == 0)
            {
                error.Write($"Can't get key {exact}. Error CS_ERR_NOT_EXIST\n");
                return 1;
            }

            return 0;
        });
    }

    private static SortedDictionary<string, (string Type, string Value)> Keys(MembershipReport m)
    {
        var map = new SortedDictionary<string, (string, string)>(StringComparer.Ordinal);
        int position = 0;
        foreach (MemberReport x in m.Members.OrderBy(x => x.NodeId))
        {
            string node = $"nodelist.node.{position}.";
            map[node + "name"] = ("str", x.Name);
            map[node + "nodeid"] = ("u32", $"{x.NodeId}");
            for (int r = 0; r < x.Addresses.Count; r++)
            {
                map[node + $"ring{r}_addr"] = ("str", x.Addresses[r]);
            }

            if (x.Local)
            {
                map["nodelist.local_node_pos"] = ("u32", $"{position}");
            }

            string member = $"runtime.members.{x.NodeId}.";
            map[member + "config_version"] = ("u64", "0");
            map[member + "ip"] = ("str", string.Concat(x.Addresses.Select((a, r) => $"r({r}) ip({a}) ")));
            map[member + "status"] = ("str", x.Present ? "joined" : "left");
            position++;
        }

        map["quorum.expected_votes"] = ("u32", $"{m.ExpectedVotes}");
        map["quorum.provider"] = ("str", m.QuorumProvider);
        map["runtime.votequorum.this_node_id"] = ("u32", $"{m.NodeId}");
        map["totem.cluster_name"] = ("str", m.ClusterName);
        map["totem.transport"] = ("str", m.Transport);
        foreach ((string name, long value) in m.Counters)
        {
            map[name.Contains('.') ? name : "runtime.totem.pg.mrp.srp." + name] = ("u64", $"{value}");
        }

        return map;
    }

    /// <summary>corosync-keygen(8): 256 random bytes, readable by the owner alone.</summary>
    public int KeyGen(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        string file = "/etc/corosync/authkey", random = "/dev/urandom";
        int size = 256;
        for (int i = 0; i < args.Length; i++)
        {
            string option = args[i], value = "";
            if (option.StartsWith("--", StringComparison.Ordinal) && option.IndexOf('=') is > 0 and var eq)
            {
                (option, value) = (option[..eq], option[(eq + 1)..]);
            }
            else if (option is "-k" or "--key-file" or "-s" or "--size" or "-r" or "-m" or "--random-file")
            {
                if (i + 1 >= args.Length)
                {
                    error.Write($"corosync-keygen: option requires an argument -- '{option.TrimStart('-')}'\n");
                    return 1;
                }

                value = args[++i];
            }

            switch (option)
            {
                case "-l" or "--less-secure":
                    break;
                case "-k" or "--key-file":
                    file = value;
                    break;
                case "-r" or "-m" or "--random-file":
                    random = value;
                    break;
                case "-s" or "--size":
                    if (!int.TryParse(value, out size) || size is < 128 or > 4096)
                    {
                        error.Write("corosync-keygen: Unsupported key size (supported <128,4096>)\n");
                        return 1;
                    }

                    break;
                case "-h" or "--help":
                    output.Write("Usage: corosync-keygen [-k <keyfile>] [-s size] [-l] [-h]\n");
                    return 0;
                default:
                    error.Write($"corosync-keygen: unrecognized option '{option}'\n");
                    return 1;
            }
        }

        output.Write("Corosync Cluster Engine Authentication key generator.\n");
        output.Write($"Gathering {size * 8} bits for key from {random}.\nWriting corosync key to {file}.\n");
        try
        {
            byte[] key = new byte[size];
            if (random == "/dev/urandom")
            {
                RandomNumberGenerator.Fill(key);
            }
            else
            {
                using FileStream source = File.OpenRead(random);
                source.ReadExactly(key);
            }

            // Written beside it first: the key is never there in part, nor for a moment readable by others.
            string temporary = file + ".new";
            File.Delete(temporary);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead;
            }

            using (var f = new FileStream(temporary, options))
            {
                f.Write(key);
                f.Flush(flushToDisk: true);
            }

            File.Move(temporary, file, overwrite: true);
            return 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error.Write($"corosync-keygen: could not create {file}: {e.Message}\n");
            return 1;
        }
    }

    private static IEnumerable<char> Letters(string option) => option.StartsWith('-') && option.Length > 1
        ? option[1..] : "?";

    private int Connected(TextWriter error, string absent, Func<ControlConnection, int> what)
    {
        using ControlConnection connection = services.Connect();
        if (!connection.IsUp)
        {
            error.Write(absent);
            return 1;
        }

        try
        {
            return what(connection);
        }
        catch (CibException e)
        {
            error.Write(e.Message.TrimEnd('\n') + "\n");
            return 1;
        }
    }
}
