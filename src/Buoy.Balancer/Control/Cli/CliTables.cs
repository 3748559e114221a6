using System.Globalization;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.StickTables;
using Buoy.Linux;

namespace Buoy.Balancer.Control.Cli;

/// <summary>show table, set table, clear table (management manual 9.3).</summary>
internal static class CliTables
{
    private const string ShowUsage =
        "Optional argument only supports \"data.<store_data_type>\" <operator> <value> and key <key>";
    private const string ClearUsage =
        "Required arguments: <table> \"data.<store_data_type>\" <operator> <value> or <table> key <key>";
    private const string SetUsage = "Required arguments: <table> key <key> [data.<store_data_type> <value>]*";

    public static CliReply Show(CliContext context, string[] words)
    {
        var tables = context.Plane.State.Tables;
        if (words.Length < 3)
        {
            return new CliReply(string.Concat(tables.All.Select(Head)));
        }

        if (tables.Find(words[2]) is not { } table)
        {
            return CliReply.Error("No such table");
        }

        long now = EventLoop.Now;
        if (words.Length > 3 && words[3] == "key")
        {
            if (Key(table, words, out byte[] key) is { } wrong)
            {
                return CliReply.Error(wrong);
            }

            var one = table.Snapshot(now).FirstOrDefault(e => e.Key.AsSpan().SequenceEqual(key));
            return one is null ? CliReply.Done : new CliReply(Head(table) + Line(table, one, now));
        }

        if (CliTableFilters.Read(table, words, ShowUsage, out var filters) is { } error)
        {
            return CliReply.Error(error);
        }

        var entries = table.Snapshot(now).Where(e => filters.Pass(e, now));
        return new CliReply(Head(table) + string.Concat(entries.Select(e => Line(table, e, now))));
    }

    public static CliReply Clear(CliContext context, string[] words)
    {
        if (words.Length < 3)
        {
            return CliReply.Error(ClearUsage);
        }

        if (context.Plane.State.Tables.Find(words[2]) is not { } table)
        {
            return CliReply.Error("No such table");
        }

        if (words.Length > 3 && words[3] == "key")
        {
            if (Key(table, words, out byte[] key) is { } wrong)
            {
                return CliReply.Error(wrong);
            }

            return table.Remove(key) == StickTable.Removal.InUse
                ? CliReply.Error("Entry currently in use, cannot remove") : CliReply.Done;
        }

        if (CliTableFilters.Read(table, words, ClearUsage, out var filters) is { } error)
        {
            return CliReply.Error(error);
        }

        long now = EventLoop.Now;
        foreach (var e in table.Snapshot(now).Where(e => filters.Pass(e, now)))
        {
            table.Remove(e.Key);
        }

        return CliReply.Done;
    }

    public static CliReply Set(CliContext context, string[] words)
    {
        if (words.Length < 3)
        {
            return CliReply.Error(SetUsage);
        }

        if (context.Plane.State.Tables.Find(words[2]) is not { } table)
        {
            return CliReply.Error("No such table");
        }

        if (words.Length > 3 && words[3] != "key")
        {
            return CliReply.Error(SetUsage);
        }

        if (table.Config.Type == StickKeyType.Binary)
        {
            return CliReply.Error(
                "Inserting keys into tables of type other than ip, ipv6, string and integer is not supported");
        }

        if (Key(table, words, out byte[] key) is { } wrong)
        {
            return CliReply.Error(wrong);
        }

        // What stands before an error is set, as in the original.
        var changes = new Changes(words);
        return !table.Change(key, EventLoop.Now, ref changes) ? CliReply.Error("Unable to allocate a new entry")
            : changes.Error is { } error ? CliReply.Error(error) : CliReply.Done;
    }

    private static string Head(StickTable table) => FormattableString.Invariant(
        $"# table: {table.Name}, type: {TypeName(table)}, size:{table.Config.Size}, used:{table.Used}\n");

    private static string TypeName(StickTable table) => table.Config.Type.ToString().ToLowerInvariant();

    private static string Line(StickTable table, StickEntry e, long now)
    {
        long left = e.Expires == long.MaxValue ? 0 : Math.Max(0, e.Expires - now);
        uint name = Engine.Balance.Hashes.Crc32(e.Key);
        var s = new StringBuilder(FormattableString.Invariant(
            $"0x{name:x}: key={StickKeys.Show(table.Config.Type, e.Key)} use={e.Users} exp={left}"));
        foreach (var store in table.Stores)
        {
            for (int i = 0; i < store.Count; i++)
            {
                s.Append(' ').Append(NameOf(store.Type, i));
                if (store.Type.IsRate())
                {
                    s.Append(CultureInfo.InvariantCulture, $"({store.Period})");
                }

                _ = table.Layout.Read(e, store.Type, i, now, out long value);
                s.Append('=');
                _ = store.Type == StickData.ServerKey ? s.Append(e.ServerKey ?? "-")
                    : s.Append(CultureInfo.InvariantCulture, $"{value}");
            }
        }

        return s.Append('\n').ToString();
    }

    /// <summary>Elements of arrays are called as the single ones: gpc0, gpc1, gpc2 …</summary>
    private static string NameOf(StickData type, int index) => type switch
    {
        StickData.Gpt => FormattableString.Invariant($"gpt{index}"),
        StickData.Gpc => FormattableString.Invariant($"gpc{index}"),
        StickData.GpcRate => FormattableString.Invariant($"gpc{index}_rate"),
        _ => type.Name(),
    };

    /// <summary>The key behind the word <c>key</c>; what is wrong, null = nothing.</summary>
    private static string? Key(StickTable table, string[] words, out byte[] key)
    {
        key = [];
        return words.Length < 5 ? "Key value expected"
            : StickKeys.Read(table.Config, words[4], out key) ? null : "Invalid key";
    }

    /// <summary>Pairs of a data type and its value, from the sixth word on.</summary>
    private struct Changes(string[] words) : IStickVisitor
    {
        public string? Error { get; private set; }

        public void Visit(StickEntry e, StickLayout layout, long now)
        {
            for (int i = 5; i < words.Length && Error is null; i += 2)
            {
                if (!words[i].StartsWith("data.", StringComparison.Ordinal))
                {
                    Error = "\"data.<type>\" followed by a value expected";
                }
                else if (CliTableFilters.Stored(layout, words[i], out var type) is { } wrong)
                {
                    Error = wrong;
                }
                else if (i + 1 >= words.Length || !CliTableFilters.Number(words[i + 1], out long value))
                {
                    Error = "Require a valid integer value to store";
                }
                else
                {
                    _ = layout.Write(e, type, 0, value, now);
                }
            }
        }
    }
}
