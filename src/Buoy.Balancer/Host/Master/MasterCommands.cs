using System.Globalization;
using System.Text;
using Buoy.Balancer.Control.Cli;

namespace Buoy.Balancer.Host.Master;

/// <summary>What the master itself answers (management manual 9.4.1).</summary>
internal static class MasterCommands
{
    private static readonly (string Usage, string Help)[] All =
    [
        ("@!<pid>", "send a command to the <pid> process"),
        ("@<relative pid>", "send a command to the <relative pid> process"),
        ("@master", "send a command to the master process"),
        ("operator", "lower the level of the current CLI session to operator"),
        ("reload", "reload haproxy"),
        ("show cli level", "display the level of the current CLI session"),
        ("show cli sockets", "dump list of cli sockets"),
        ("show proc", "show processes status"),
        ("show version", "show version of the current process"),
        ("user", "lower the level of the current CLI session to user"),
        ("help [<command>]", "list matching or all commands"),
        ("prompt", "toggle interactive mode with prompt"),
        ("quit", "disconnect"),
    ];

    /// <summary>The answer to a command that changes nothing.</summary>
    public static string Answer(MasterProcess master, CliLevel level, string[] words) => words switch
    {
        ["show", "proc", ..] => Processes(master),
        ["show", "version", ..] => BalancerVersion.Compatible + "\n",
        ["show", "cli", "level", ..] => level switch
        {
            CliLevel.Admin => "admin\n", CliLevel.Operator => "operator\n", _ => "user\n",
        },
        ["show", "cli", "sockets", ..] => "",
        ["reload", ..] => "Permission denied\n",
        ["help"] => List("The following commands are valid at this level:", All),
        ["help", .. var what] => List("The following commands are valid at this level:", Near(what)),
        [_, ..] when Near(words) is { Count: > 3 } near =>
            List("Unknown command, but maybe one of the following ones is a better match:", near),
        _ => List("Unknown command. Please enter one of the following commands only:", All),
    };

    private static string Processes(MasterProcess master)
    {
        var s = new StringBuilder();
        Row(s, "#<PID>", "<type>", "<reloads>", "<uptime>", "<version>");
        Row(s, Number(Environment.ProcessId), "master", $"{master.Reloads} [failed: {master.Failed}]",
            Time(master.Uptime), BalancerVersion.Compatible);
        s.Append("# workers\n");
        Workers(s, master.Workers.Where(w => !w.Former));
        if (master.Workers.Any(w => w.Former))
        {
            s.Append("# old workers\n");
            Workers(s, master.Workers.Where(w => w.Former));
        }

        return s.Append("# programs\n").ToString();
    }

    private static void Workers(StringBuilder s, IEnumerable<Worker> workers)
    {
        foreach (var w in workers)
        {
            Row(s, Number(w.Pid), "worker", Number(w.Reloads), Time(Linux.EventLoop.Now - w.Begun),
                BalancerVersion.Compatible);
        }
    }

    private static void Row(StringBuilder s, params string[] columns) =>
        s.AppendJoin(' ', columns.Select(c => c.PadRight(15))).Append('\n');

    private static string Number(int n) => n.ToString(CultureInfo.InvariantCulture);

    private static string Time(long ms)
    {
        long t = ms / 1000;
        return string.Create(CultureInfo.InvariantCulture, $"{t / 86400}d{t / 3600 % 24:00}h{t / 60 % 60:00}m{t % 60:00}s");
    }

    private static List<(string Usage, string Help)> Near(string[] words) =>
        [.. All[..^3].Where(c => c.Usage.Split(' ')[0] == words[0]
            || c.Usage.StartsWith(string.Join(' ', words), StringComparison.Ordinal)), .. All[^3..]];

    private static string List(string title, IEnumerable<(string Usage, string Help)> commands)
    {
        var s = new StringBuilder(title).Append('\n');
        foreach (var (usage, help) in commands)
        {
            s.Append("  ").Append(usage.PadRight(40)).Append(": ").Append(help).Append('\n');
        }

        return s.ToString();
    }
}
