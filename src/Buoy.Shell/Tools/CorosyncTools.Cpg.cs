using System.Text.Json;
using Buoy.Control;

namespace Buoy.Shell.Tools;

/// <summary>corosync-cpgtool.</summary>
internal sealed partial class CorosyncTools
{
    private static readonly Dictionary<char, string> s_groupOptions = new()
    {
        ['d'] = "d", ['e'] = "e", ['n'] = "n", ['h'] = "h",
    };

    /// <summary>corosync-cpgtool(8).</summary>
    public int CpgTool(string[] args, TextReader input, TextWriter output, TextWriter error)
    {
        var options = new OptionReader(args, s_groupOptions, "d", []);
        if (options.Problem is { } problem)
        {
            error.Write($"corosync-cpgtool: {problem}\n");
            return 1;
        }

        if (options.Has("h"))
        {
            output.Write("corosync-cpgtool [-d delimiter] [-e] [-n] [-h]\n\n"
                + "A tool for displaying cpg groups and members.\noptions:\n\t-d\tDelimiter between fields.\n"
                + "\t-e\tDon't escape unprintable characters in group name.\n\t-n\tDisplay only all existing group names.\n"
                + "\t-h\tDisplay this help.\n");
            return 0;
        }

        return Connected(error, "Could not initialize corosync cpg API error 2\n", connection =>
        {
            var entries = JsonSerializer.Deserialize(
                connection.Call(ControlCommand.GroupList), ControlJson.Default.ListGroupEntry) ?? [];
            string Name(string group) => options.Has("e") ? group : Escaped(group);
            string? delimiter = options.Value("d");
            if (options.Has("n"))
            {
                foreach (var group in entries.GroupBy(e => e.Group))
                {
                    output.Write(Name(group.Key) + "\n");
                }

                return 0;
            }

            output.Write(delimiter is null ? "Group Name\t       PID\t   Node ID\n"
                : $"GRP_NAME{delimiter}PID{delimiter}NODEID\n");
            var members = connection.Membership().Members;
            foreach (var group in entries.GroupBy(e => e.Group))
            {
                if (delimiter is null)
                {
                    output.Write(Name(group.Key) + "\n");
                }

                foreach (GroupEntry e in group)
                {
                    string address = string.Join(' ', members.FirstOrDefault(m => m.NodeId == e.NodeId)?.Addresses ?? []);
                    output.Write(delimiter is null ? $"\t\t{e.ProcessId,10}\t{e.NodeId,10} ({address})\n"
                        : $"{Name(group.Key)}{delimiter}{e.ProcessId}{delimiter}{e.NodeId}\n");
                }
            }

            return 0;
        });
    }

    private static string Escaped(string name) => string.Concat(name.Select(c =>
        c is >= ' ' and < (char)0x7F && c != '\\' ? $"{c}" : $"\\x{(int)c:x2}"));
}
