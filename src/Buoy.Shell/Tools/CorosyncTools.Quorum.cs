using System.Globalization;
using Buoy.Cib;
using Buoy.Control;

namespace Buoy.Shell.Tools;

/// <summary>corosync-quorumtool.</summary>
internal sealed partial class CorosyncTools
{
    private const string QuorumUsage =
        "usage: \ncorosync-quorumtool <options>\n\n  options:\n\n  -s             show quorum status\n"
        + "  -m             constantly monitor quorum status\n  -l             list nodes\n"
        + "  -a             show all names or addresses for each node\n"
        + "  -p             when used with -s or -l, generates machine parsable output\n"
        + "  -v <votes>     change the number of votes for a node (*)\n"
        + "  -n <nodeid>    optional nodeid of node for -v\n"
        + "  -e <expected>  change expected votes for the cluster (*)\n"
        + "  -H             show nodeids in hexadecimal rather than decimal\n"
        + "  -i             show node IP addresses instead of the resolved name\n"
        + "  -o <a|n|i>     order by [a] IP address (default), [n] name, [i] nodeid\n"
        + "  -f             forcefully unregister a quorum device *DANGEROUS* (*)\n"
        + "  -h             show this help text\n  -V             show version and exit\n\n"
        + "  (*) Starred items only work if votequorum is the quorum provider for corosync\n\n";

    private static readonly Dictionary<char, string> s_quorumOptions = new()
    {
        ['s'] = "s", ['m'] = "m", ['l'] = "l", ['a'] = "a", ['p'] = "p", ['v'] = "v", ['n'] = "n", ['e'] = "e", ['H'] = "H",
        ['i'] = "i", ['o'] = "o", ['f'] = "f", ['h'] = "h", ['V'] = "V",
    };

    /// <summary>corosync-quorumtool(8): of -s 0 quorate and 2 not; 1 an error.</summary>
    public int QuorumTool(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var options = new OptionReader(args, s_quorumOptions, "vneo", []);
        if (options.Problem is { } problem)
        {
            error.Write($"corosync-quorumtool: {problem}\n");
            output.Write(QuorumUsage);
            return 1;
        }

        if (options.Has("h"))
        {
            output.Write(QuorumUsage);
            return 0;
        }

        if (options.Has("V"))
        {
            output.Write($"corosync-quorumtool version: {typeof(CorosyncTools).Assembly.GetName().Version?.ToString(3)}-buoy\n");
            return 0;
        }

        string? wrong =
            options.Value("e") is { } e && !(int.TryParse(e, CultureInfo.InvariantCulture, out int expected) && expected > 0)
                ? "New expected votes value was not valid, try a positive number\n"
            : options.Value("v") is { } v && !(int.TryParse(v, CultureInfo.InvariantCulture, out int votes) && votes >= 0)
                ? "New votes value was not valid, try a positive number or zero\n"
            : options.Value("n") is { } n && !(uint.TryParse(n, CultureInfo.InvariantCulture, out uint id) && id > 0)
                ? "The nodeid was not valid, try a positive number\n"
            : options.Value("o") is { } o && o is not ("a" or "i" or "n")
                ? "Invalid ordering option. valid orders are a(address), i(node ID) or n(name)\n"
            : null;
        if (wrong is not null)
        {
            error.Write(wrong);
            return 1;
        }

        return Connected(error, "Cannot initialize CMAP service\n", connection =>
        {
            if (options.Value("e") is { } to)
            {
                try
                {
                    connection.Call(ControlCommand.SetExpectedVotes, null, ("votes", to));
                    return 0;
                }
                catch (CibException x)
                {
                    error.Write($"Unable to set expected votes: CS_ERR_INVALID_PARAM\n{x.Message}\n");
                    return 1;
                }
            }

            MembershipReport m = connection.Membership();
            if (options.Value("v") is { } ours)
            {
                error.Write($"Unable to set votes {ours} for nodeid: {options.Value("n") ?? $"{m.NodeId}"}: "
                    + "CS_ERR_NOT_SUPPORTED\nchange quorum_votes in corosync.conf and reload it (corosync-cfgtool -R)\n");
                return 1;
            }

            if (options.Has("f"))
            {
                // No device is registered by us: nothing to undo, and the original is silent then too.
                return 0;
            }

            if (options.Has("m"))
            {
                return Monitor(connection, options, output, error);
            }

            bool list = options.Has("l") && !options.Has("s");
            Print(m, options, output, !list);
            return list || m.Quorate ? 0 : 2;
        });
    }

    /// <summary>-m: the status now and at every change, until it is stopped or the daemon ends.</summary>
    private int Monitor(Cluster.ControlConnection connection, OptionReader options, TextWriter output, TextWriter error)
    {
        using var client = ServiceClient.TryConnect(services.ControlSocket is { } s
            ? Path.Combine(Path.GetDirectoryName(s)!, ServiceProtocol.SocketName) : null);
        if (client is null)
        {
            error.Write("Cannot initialize QUORUM service\n");
            return 1;
        }

        client.TrackQuorum();
        while (client.Read(out var e))
        {
            if (e.Kind == ServiceProtocol.Quorum)
            {
                Print(connection.Membership(), options, output, status: true);
                output.Write("\n");
                output.Flush();
            }
        }

        return 1;
    }

    private void Print(MembershipReport m, OptionReader options, TextWriter output, bool status) => PrintQuorum(
        m, output, services.Now(), status, options.Has("H"), options.Has("i"), options.Has("a"), options.Has("p"),
        options.Value("o") ?? "a");

    /// <summary>What -s or -l prints.</summary>
    public static void PrintQuorum(MembershipReport m, TextWriter o, DateTimeOffset now, bool status, bool hex = false,
        bool addresses = false, bool all = false, bool parsable = false, string order = "a")
    {
        var present = m.Members.Where(x => x.Present).OrderBy(x => order == "n" ? x.Name : "", StringComparer.Ordinal)
            .ThenBy(x => x.NodeId).ToList();
        if (status)
        {
            o.Write("Quorum information\n------------------\n");
            o.Write($"Date:             {CibDocument.CTime(now)}\n");
            o.Write($"Quorum provider:  {m.QuorumProvider}\nNodes:            {present.Count}\nNode ID:          "
                + $"{Id(m.NodeId, hex).Trim()}\n");
            o.Write($"Ring ID:          {m.RingRep}.{m.RingSeq:x}\nQuorate:          {(m.Quorate ? "Yes" : "No")}\n");
            o.Write("\nVotequorum information\n----------------------\n");
            o.Write($"Expected votes:   {m.ExpectedVotes}\nHighest expected: {m.HighestExpected}\nTotal votes:      "
                + $"{m.TotalVotes}\n");
            o.Write($"Quorum:           {m.Quorum} {(m.Quorate ? " " : "Activity blocked")}\n");
            o.Write($"Flags:            {string.Concat(m.Flags.Select(f => f + " "))}\n");
        }

        o.Write("\nMembership information\n----------------------\n    Nodeid      Votes "
            + $"{(parsable ? "   Qdevice " : "")}Name\n");
        foreach (MemberReport x in present)
        {
            string name = addresses && x.Addresses.Count > 0
                ? string.Join(", ", all ? x.Addresses : x.Addresses.Take(1)) : x.Name;
            o.Write($"{Id(x.NodeId, hex)} {x.Votes,10} {(parsable ? "        NR " : "")}{name}{(x.Local ? " (local)" : "")}\n");
        }
    }

    private static string Id(uint id, bool hex) => hex
        ? "0x" + id.ToString("x8", CultureInfo.InvariantCulture) : id.ToString(CultureInfo.InvariantCulture).PadLeft(10);
}
