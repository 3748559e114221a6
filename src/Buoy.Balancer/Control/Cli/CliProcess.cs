using System.Globalization;
using System.Text;
using Buoy.Linux;

namespace Buoy.Balancer.Control.Cli;

/// <summary>The commands about the process itself (management manual 9.3): descriptors, threads, libraries, modes.</summary>
internal static class CliProcess
{
    private const string RateUsage =
        "'set rate-limit' only supports :\n"
        + "   - 'connections global' to set the per-process maximum connection rate\n"
        + "   - 'sessions global' to set the per-process maximum session rate\n"
        + "   - 'ssl-sessions global' to set the per-process maximum SSL session rate\n"
        + "   - 'http-compression global' to set the per-process maximum compression speed in kB/s";

    /// <summary>show fd [NUMBER]: what the kernel says of each open descriptor.</summary>
    public static CliReply Descriptors(CliContext c, string[] words)
    {
        int? only = words.Length > 2 && int.TryParse(words[2], NumberStyles.None, CultureInfo.InvariantCulture, out int n)
            ? n : null;
        var s = new StringBuilder();
        foreach (string path in Directory.EnumerateFiles("/proc/self/fd"))
        {
            if (int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out int fd)
                && (only is null || only == fd) && new FileInfo(path).LinkTarget is { } target)
            {
                s.Append(CultureInfo.InvariantCulture, $"{fd,7} : {target}\n");
            }
        }

        return new CliReply(s.ToString());
    }

    /// <summary>show threads: the process's threads as the kernel knows them, with their processor time.</summary>
    public static CliReply Threads(CliContext c, string[] words)
    {
        const int Name = 1, State = 2, UserTime = 13, SystemTime = 14;
        const int MsPerTick = 10;
        var s = new StringBuilder();
        foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            string stat = File.ReadAllText(Path.Combine(task, "stat"));
            int close = stat.LastIndexOf(')');
            string[] f = ["", stat[(stat.IndexOf('(') + 1)..close], .. stat[(close + 2)..].Split(' ')];
            long ticks = long.Parse(f[UserTime], CultureInfo.InvariantCulture)
                + long.Parse(f[SystemTime], CultureInfo.InvariantCulture);
            s.Append(CultureInfo.InvariantCulture, $"  Thread {Path.GetFileName(task)} : name={f[Name]} state={f[State]} ");
            s.Append(CultureInfo.InvariantCulture, $"cpu_ms={ticks * MsPerTick}\n");
        }

        return new CliReply(s.ToString());
    }

    /// <summary>show libs: the files that are mapped executable.</summary>
    public static CliReply Libraries(CliContext c, string[] words)
    {
        var s = new StringBuilder();
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            string[] f = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
            if (f.Length == 6 && f[1].Contains('x') && f[5].StartsWith('/'))
            {
                string[] range = f[0].Split('-');
                long from = long.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                long to = long.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
                s.Append(CultureInfo.InvariantCulture, $"0x{from:x12}-0x{to - 1:x12} (0x{to - from:x7}) {f[5]}\n");
            }
        }

        return new CliReply(s.ToString());
    }

    /// <summary>expert-mode and experimental-mode [on|off].</summary>
    public static CliReply Mode(CliContext c, string[] words)
    {
        bool expert = words[0] == "expert-mode";
        string argument = words.Length > 1 ? words[1] : "";
        if (argument.Length == 0)
        {
            bool on = expert ? c.Session.Expert : c.Session.Experimental;
            return CliReply.Note($"{words[0]} is {(on ? "ON" : "OFF")}");
        }

        if (expert)
        {
            c.Session.Expert = argument == "on";
        }
        else
        {
            c.Session.Experimental = argument == "on";
        }

        return CliReply.Done;
    }

    /// <summary>set rate-limit connections|sessions global N: both are counted when a connection is accepted.</summary>
    public static CliReply RateLimit(CliContext c, string[] words)
    {
        if (words.Length < 4 || words[3] != "global"
            || words[2] is not ("connections" or "sessions" or "ssl-sessions" or "http-compression"))
        {
            return CliReply.Error(RateUsage);
        }

        if (words.Length < 5)
        {
            return CliReply.Error("Expects an integer value.");
        }

        int n = Math.Max(0, Configuration.Units.Atoi(words[4]));
        var p = c.Plane;
        switch (words[2])
        {
            case "connections":
                p.ConnectionRateLimit = n;
                break;
            case "sessions":
                p.SessionRateLimit = n;
                break;
            default:
                return CliReply.Error($"'set rate-limit {words[2]}' is not supported: there is nothing that it would limit.");
        }

        int smaller = Math.Min(
            p.ConnectionRateLimit > 0 ? p.ConnectionRateLimit : int.MaxValue,
            p.SessionRateLimit > 0 ? p.SessionRateLimit : int.MaxValue);
        p.DataPlane?.SetAcceptRate(smaller == int.MaxValue ? 0 : smaller);
        return CliReply.Done;
    }

    /// <summary>show schema json: JSON schema of <c>show info json</c> and <c>show stat json</c>.</summary>
    public static CliReply Schema(CliContext c, string[] words) => new(JsonSchema.Text + "\n");
}
