using System.Text;

namespace Buoy.Balancer.Control.Cli;

/// <summary>An answer: its text, and a severity where it is a message rather than a dump.</summary>
public readonly record struct CliReply(string Text, int? Severity = null)
{
    /// <summary>Nothing to say.</summary>
    public static CliReply Done { get; } = new("");

    /// <summary>An error, ended by the newline that messages have.</summary>
    public static CliReply Error(string text) => new(text + "\n", 3);

    /// <summary>Information.</summary>
    public static CliReply Note(string text) => new(text + "\n", 6);
}

/// <summary>What a command works with.</summary>
public sealed record CliContext(ControlPlane Plane, CliSession Session);

/// <summary>The table of the runtime API's commands, its help and its search.</summary>
public static class CliCommands
{
    /// <summary>Suggestions at most after an unknown command.</summary>
    private const int MaxSuggestions = 5;

    private sealed record Command(
        string Words, string Usage, string Help, CliLevel Level, Func<CliContext, string[], CliReply> Run)
    {
        public string[] Path { get; } = Words.Split(' ');
    }

    private static readonly Command[] All = Sorted(
    [
        New("add acl", "add acl [@<ver>] <acl> <pattern>", "add an acl entry", CliLevel.Admin,
            (c, w) => CliMaps.Add(c, w, map: false)),
        New("add map", "add map [@<ver>] <map> <key> <val>", "add a map entry (payload supported instead of key/val)",
            CliLevel.Admin, (c, w) => CliMaps.Add(c, w, map: true)),
        New("add server", "add server <bk>/<srv>", "create a new server", CliLevel.Admin, CliDynamic.Add),
        New("del server", "del server <bk>/<srv>", "remove a dynamically added server", CliLevel.Admin, CliDynamic.Delete),
        New("clear acl", "clear acl [@<ver>] <acl>", "clear the contents of this acl", CliLevel.Admin,
            (c, w) => CliMaps.Clear(c, w, map: false)),
        New("clear map", "clear map [@<ver>] <map>", "clear the contents of this map", CliLevel.Admin,
            (c, w) => CliMaps.Clear(c, w, map: true)),
        New("commit acl", "commit acl @<ver> <acl>", "commit the ACL at this version", CliLevel.Admin,
            (c, w) => CliMaps.Commit(c, w, map: false)),
        New("commit map", "commit map @<ver> <map>", "commit the map at this version", CliLevel.Admin,
            (c, w) => CliMaps.Commit(c, w, map: true)),
        New("del acl", "del acl <acl> [<key>|#<ref>]", "delete acl entries matching <key>", CliLevel.Admin,
            (c, w) => CliMaps.Delete(c, w, map: false)),
        New("del map", "del map <map> [<key>|#<ref>]", "delete map entries matching <key>", CliLevel.Admin,
            (c, w) => CliMaps.Delete(c, w, map: true)),
        New("get acl", "get acl <acl> <value>", "report the patterns matching a sample for an ACL", CliLevel.User,
            (c, w) => CliMaps.Get(c, w, map: false)),
        New("get map", "get map <acl> <value>", "report the keys and values matching a sample for a map", CliLevel.User,
            (c, w) => CliMaps.Get(c, w, map: true)),
        New("prepare acl", "prepare acl <acl>", "prepare a new version for atomic ACL replacement", CliLevel.Admin,
            (c, w) => CliMaps.Prepare(c, w, map: false)),
        New("prepare map", "prepare map <acl>", "prepare a new version for atomic map replacement", CliLevel.Admin,
            (c, w) => CliMaps.Prepare(c, w, map: true)),
        New("set map", "set map <map> [<key>|#<ref>] <value>", "modify a map entry", CliLevel.Admin, CliMaps.Set),
        New("show acl", "show acl [@<ver>] <acl>]", "report available acls or dump an acl's contents", CliLevel.User,
            (c, w) => CliMaps.Show(c, w, map: false)),
        New("show map", "show map [@ver] [map]", "report available maps or dump a map's contents", CliLevel.User,
            (c, w) => CliMaps.Show(c, w, map: true)),
        New("clear counters", "clear counters [all]", "clear max statistics counters (or all counters)",
            CliLevel.Operator, CliSet.ClearCounters),
        New("clear table", "clear table <table> [<filter>]*",
            "remove an entry from a table (filter: data/key)", CliLevel.Admin, CliTables.Clear),
        New("disable agent", "disable agent", "disable agent checks", CliLevel.Admin, (c, w) =>
            CliAgent.Enable(c, w, false)),
        New("disable frontend", "disable frontend <frontend>", "temporarily disable specific frontend", CliLevel.Admin,
            CliSet.DisableFrontend),
        New("disable health", "disable health", "disable health checks", CliLevel.Admin, (c, w) =>
            CliSet.Health(c, w, false)),
        New("disable server", "disable server (DEPRECATED)",
            "disable a server for maintenance (use 'set server' instead)",
            CliLevel.Admin, (c, w) => CliSet.Server(c, ["", "", At(w, 2), "state", "maint"])),
        New("enable agent", "enable agent", "enable agent checks", CliLevel.Admin, (c, w) =>
            CliAgent.Enable(c, w, true)),
        New("enable frontend", "enable frontend <frontend>", "re-enable specific frontend", CliLevel.Admin,
            CliSet.EnableFrontend),
        New("enable health", "enable health", "enable health checks", CliLevel.Admin, (c, w) =>
            CliSet.Health(c, w, true)),
        New("enable server", "enable server  (DEPRECATED)", "enable a disabled server (use 'set server' instead)",
            CliLevel.Admin, (c, w) => CliSet.EnableServer(c, w)),
        New("experimental-mode", "experimental-mode [on|off]", "enable experimental mode", CliLevel.Admin,
            CliProcess.Mode),
        New("expert-mode", "expert-mode [on|off]", "enable expert mode", CliLevel.Admin, CliProcess.Mode),
        New("get weight", "get weight <bk>/<srv>", "report a server's current weight", CliLevel.User, CliSet.GetWeight),
        New("operator", "operator", "lower the level of the current CLI session to operator", CliLevel.Operator,
            (c, _) => Lower(c, CliLevel.Operator)),
        New("set maxconn frontend", "set maxconn frontend <frontend> <value>", "change a frontend's maxconn setting",
            CliLevel.Admin, CliSet.MaxConnFrontend),
        New("set maxconn global", "set maxconn global <value>", "change the per-process maxconn setting",
            CliLevel.Admin, CliSet.MaxConnGlobal),
        New("set maxconn server", "set maxconn server <bk>/<srv>", "change a server's maxconn setting",
            CliLevel.Admin, CliSet.MaxConnServer),
        New("set rate-limit", "set rate-limit <setting> <value>", "change a rate limiting value", CliLevel.Admin,
            CliProcess.RateLimit),
        New("set server", "set server <bk>/<srv> [opts]", "change a server's state, weight, address or name",
            CliLevel.Admin, CliSet.Server),
        New("set severity-output", "set severity-output [none|number|string]",
            "set presence of severity level in feedback information",
            CliLevel.User, CliSet.SeverityOutput),
        New("set table", "set table <table> key <k> [data.* <v>]*", "update or create a table entry's data",
            CliLevel.Admin, CliTables.Set),
        New("set timeout", "set timeout [cli] <delay>", "change a timeout setting", CliLevel.User, CliSet.Timeout),
        New("set weight", "set weight <bk>/<srv>  (DEPRECATED)", "change a server's weight (use 'set server' instead)",
            CliLevel.Admin, (c, w) => CliSet.Server(c, ["", "", At(w, 2), "weight", At(w, 3)])),
        New("show activity", "show activity", "show per-shard activity stats (for support/developers)",
            CliLevel.Operator, CliShow.Activity),
        New("show backend", "show backend", "list backends in the current running config", CliLevel.User,
            CliShow.Backend),
        New("show cli level", "show cli level", "display the level of the current CLI session", CliLevel.User,
            CliShow.Level),
        New("show cli sockets", "show cli sockets", "dump list of cli sockets", CliLevel.User, CliShow.Sockets),
        New("show env", "show env [var]", "dump environment variables known to the process", CliLevel.Operator,
            CliShow.Environment),
        New("show errors", "show errors [<px>] [request|response]",
            "report last request and/or response errors for each proxy",
            CliLevel.Operator, CliShow.Errors),
        New("show fd", "show fd [num]", "dump list of file descriptors in use or a specific one", CliLevel.Operator,
            CliProcess.Descriptors),
        New("show events", "show events [<sink>] [-n]", "show event sink state", CliLevel.Operator, CliEvents.Show),
        New("show info", "show info [desc|json|typed|float]*", "report information about the running process",
            CliLevel.User, CliShow.Info),
        New("show libs", "show libs", "show loaded object files and libraries", CliLevel.Operator, CliProcess.Libraries),
        New("show pools", "show pools", "report information about the memory usage", CliLevel.User, CliShow.Pools),
        New("show resolvers", "show resolvers [id]",
            "dumps counters from all resolvers section and associated name servers",
            CliLevel.User, CliShow.Resolvers),
        New("show servers conn", "show servers conn [<backend>]",
            "dump server connections status (all or for a single backend)",
            CliLevel.User, CliShow.ServersConn),
        New("show servers state", "show servers state [<backend>]",
            "dump volatile server information (all or for a single backend)",
            CliLevel.User, CliShow.ServersState),
        New("show schema json", "show schema json", "report schema used for stats", CliLevel.User, CliProcess.Schema),
        New("show sess", "show sess [id]", "report the list of current sessions or dump this exact session",
            CliLevel.Operator, CliSessions.Show),
        New("show stat", "show stat [desc|json|no-maint|typed|up]*", "report counters for each proxy and server",
            CliLevel.User, CliShow.Stat),
        New("show table", "show table <table> [<filter>]*",
            "report table usage stats or dump this table's contents (filter: data/key)", CliLevel.User, CliTables.Show),
        New("show threads", "show threads", "show some threads debugging information", CliLevel.Operator,
            CliProcess.Threads),
        New("show version", "show version", "show version of the current process", CliLevel.User, CliShow.Version),
        New("shutdown frontend", "shutdown frontend <frontend>", "stop a specific frontend", CliLevel.Admin,
            CliSet.ShutdownFrontend),
        New("shutdown session", "shutdown session [id]", "kill a specific session", CliLevel.Admin, CliSessions.Shutdown),
        New("shutdown sessions server", "shutdown sessions server <bk>/<srv>", "kill sessions on a server",
            CliLevel.Admin, CliSet.ShutdownSessions),
        New("user", "user", "lower the level of the current CLI session to user", CliLevel.User, (c, _) =>
            Lower(c, CliLevel.User)),
        New("help", "help [<command>]", "list matching or all commands", CliLevel.User, (_, w) => Help(w)),
        New("prompt", "prompt", "toggle interactive mode with prompt", CliLevel.User, (c, _) => Prompt(c)),
        New("quit", "quit", "disconnect", CliLevel.User, (_, _) => CliReply.Done),
    ]);

    private static string[] Always => ["help", "prompt", "quit"];

    /// <summary>Runs one command.</summary>
    public static CliReply Run(CliContext context, string[] words)
    {
        var found =
            All.FirstOrDefault(
                c => words.Length >= c.Path.Length && c.Path.AsSpan().SequenceEqual(words.AsSpan(0, c.Path.Length)));
        if (found is null)
        {
            return CliReply.Error(Unknown(words).TrimEnd('\n'));
        }

        return context.Session.Level < found.Level ? CliReply.Error("Permission denied") : found.Run(context, words);
    }

    private static Command New(
        string words, string usage, string help, CliLevel level, Func<CliContext, string[], CliReply> run) =>
        new(words, usage, help, level, run);

    private static string At(string[] words, int i) => i < words.Length ? words[i] : "";

    private static CliReply Lower(CliContext c, CliLevel level)
    {
        c.Session.Level = (CliLevel)Math.Min((int)c.Session.Level, (int)level);
        return CliReply.Done;
    }

    private static CliReply Prompt(CliContext c)
    {
        c.Session.TogglePrompt();
        return CliReply.Done;
    }

    /// <summary>In the order of the alphabet, as the original lists them; those that are always there come last.</summary>
    private static Command[] Sorted(Command[] commands) =>
        [.. commands.OrderBy(c => Always.Contains(c.Words)).ThenBy(c => c.Words, StringComparer.Ordinal)];

    private static CliReply Help(string[] words)
    {
        var wanted = words.Length > 1 ? Matching(words[1..]) : All;
        return new CliReply(List("The following commands are valid at this level:", wanted));
    }

    private static string Unknown(string[] words)
    {
        var near = words.Length == 0 ? [] : Matching(words);
        return near.Count == 0
            ? List("Unknown command. Please enter one of the following commands only:", All)
            : List("Unknown command, but maybe one of the following ones is a better match:", near);
    }

    private static string List(string title, IReadOnlyList<Command> commands)
    {
        var s = new StringBuilder(title).Append('\n');
        foreach (var c in commands.Concat(All.Where(a => Always.Contains(a.Words))).Distinct())
        {
            s.Append("  ").Append(c.Usage.PadRight(40)).Append(": ").Append(c.Help).Append('\n');
        }

        return s.ToString();
    }

    /// <summary>Commands that begin with these words, or else the nearest by letters changed.</summary>
    private static IReadOnlyList<Command> Matching(string[] words)
    {
        string text = string.Join(' ', words);
        var begin = All.Where(c => c.Words.StartsWith(text, StringComparison.Ordinal)).ToList();
        if (begin.Count > 0)
        {
            return begin;
        }

        return [.. All.Select(c => (Command: c, Distance: Distance(c.Path, words)))
            .Where(x => x.Distance <= Math.Max(2, x.Command.Words.Length / 3)).OrderBy(x => x.Distance)
                .Take(MaxSuggestions)
            .Select(x => x.Command)];
    }

    /// <summary>Letters to change between a command and the words that stand at its place.</summary>
    private static int Distance(string[] path, string[] words)
    {
        string a = string.Join(' ', path), b = string.Join(' ', words.Take(path.Length));
        int[] previous = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            var row = new int[b.Length + 1];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                row[j] =
                    Math.Min(Math.Min(row[j - 1], previous[j]) + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
            }

            previous = row;
        }

        return previous[^1];
    }
}
