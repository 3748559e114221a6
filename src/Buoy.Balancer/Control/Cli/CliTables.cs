using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;
using Buoy.Balancer.StickTables;
using Buoy.Linux;

namespace Buoy.Balancer.Control.Cli;

/// <summary>show table, set table, clear table (management manual 9.3).</summary>
internal static class CliTables
{
    private const string ShowUsage = "Optional argument only supports \"data.<store_data_type>\" <operator> <value> and key <key>";
    private const string ClearUsage = "Required arguments: <table> \"data.<store_data_type>\" <operator> <value> or <table> key <key>";

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

        if (words.Length > 3 && words[3] == "key")
        {
            if (words.Length < 5)
            {
                return CliReply.Error("Key value expected");
            }

            if (!Key(table, words[4], out byte[] key))
            {
                return CliReply.Error("Invalid key");
            }

            var one = table.Snapshot(EventLoop.Now).FirstOrDefault(e => e.Key.AsSpan().SequenceEqual(key));
            return one is null ? CliReply.Done : new CliReply(Head(table) + Line(table, one));
        }

        if (Filters(table, words, ShowUsage, out var filter) is { } error)
        {
            return CliReply.Error(error);
        }

        var entries = table.Snapshot(EventLoop.Now).Where(filter);
        return new CliReply(Head(table) + string.Concat(entries.Select(e => Line(table, e))));
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
            if (words.Length < 5)
            {
                return CliReply.Error("Key value expected");
            }

            if (!Key(table, words[4], out byte[] key))
            {
                return CliReply.Error("Invalid key");
            }

            table.Remove(key);
            return CliReply.Done;
        }

        if (Filters(table, words, ClearUsage, out var filter) is { } error)
        {
            return CliReply.Error(error);
        }

        foreach (var e in table.Snapshot(EventLoop.Now).Where(filter))
        {
            table.Remove(e.Key);
        }

        return CliReply.Done;
    }

    public static CliReply Set(CliContext context, string[] words)
    {
        if (words.Length < 3)
        {
            return CliReply.Error("Required arguments: <table> key <key> [data.<store_data_type> <value>]*");
        }

        if (context.Plane.State.Tables.Find(words[2]) is not { } table)
        {
            return CliReply.Error("No such table");
        }

        if (words.Length < 5 || words[3] != "key")
        {
            return CliReply.Error("Key value expected");
        }

        if (table.Config.Type == StickKeyType.Binary)
        {
            return CliReply.Error(
                "Inserting keys into tables of type other than ip, ipv6, string and integer is not supported");
        }

        if (!Key(table, words[4], out byte[] key))
        {
            return CliReply.Error("Invalid key");
        }

        var changes = new List<Action<StickEntry>>();
        for (int i = 5; i < words.Length; i += 2)
        {
            if (!words[i].StartsWith("data.", StringComparison.Ordinal))
            {
                return CliReply.Error("\"data.<type>\" followed by a value expected");
            }

            if (Data(table, words[i][5..], out int at) is { } error)
            {
                return CliReply.Error(error);
            }

            if (i + 1 >= words.Length
                || !long.TryParse(words[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out long value))
            {
                return CliReply.Error("Require a valid integer value to store");
            }

            changes.Add(e =>
            {
                if (at < 0)
                {
                    e.ServerId = (int)value;
                }
                else
                {
                    e.Data[at] = (uint)value;
                }
            });
        }

        return table.Change(key, EventLoop.Now, e => changes.ForEach(change => change(e)))
            ? CliReply.Done : CliReply.Error("Unable to allocate a new entry");
    }

    private static string Head(StickTable table) => FormattableString.Invariant(
        $"# table: {table.Name}, type: {table.Config.Type.ToString().ToLowerInvariant()}, size:{table.Config.Size}, used:{table.Used}\n");

    private static string Line(StickTable table, StickEntry e)
    {
        long left = e.Expires == long.MaxValue ? 0 : Math.Max(0, e.Expires - EventLoop.Now);
        uint name = Engine.Balance.Hashes.Crc32(e.Key);
        var s = new StringBuilder(FormattableString.Invariant($"0x{name:x}: key={Text(table, e.Key)} use=0 exp={left}"));
        if (table.HasServers)
        {
            s.Append(CultureInfo.InvariantCulture, $" server_id={e.ServerId}");
        }

        for (int i = 0; i < e.Data.Length; i++)
        {
            s.Append(CultureInfo.InvariantCulture, $" {Name(table.Config.Data[i])}={e.Data[i]}");
        }

        return s.Append(table.HasNames ? $" server_key={e.ServerName ?? "-"}\n" : "\n").ToString();
    }

    private static string Name(StickData data) => data switch
    {
        StickData.Gpt0 => "gpt0", StickData.Gpc0 => "gpc0", _ => "gpc1",
    };

    private static string Text(StickTable table, byte[] key) => table.Config.Type switch
    {
        StickKeyType.Ip or StickKeyType.Ipv6 => new IPAddress(key).ToString(),
        StickKeyType.Integer => BinaryPrimitives.ReadUInt32BigEndian(key).ToString(CultureInfo.InvariantCulture),
        StickKeyType.String => Encoding.Latin1.GetString(key),
        _ => Convert.ToHexString(key),
    };

    private static bool Key(StickTable table, string text, out byte[] key)
    {
        key = [];
        switch (table.Config.Type)
        {
            case StickKeyType.Ip or StickKeyType.Ipv6:
                int size = table.Config.Type == StickKeyType.Ip ? 4 : 16;
                if (!IPAddress.TryParse(text, out var address) || address.GetAddressBytes().Length != size)
                {
                    return false;
                }

                key = address.GetAddressBytes();
                return true;
            case StickKeyType.Integer:
                if (!uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint number))
                {
                    return false;
                }

                key = new byte[4];
                BinaryPrimitives.WriteUInt32BigEndian(key, number);
                return true;
            default:
                key = Encoding.Latin1.GetBytes(text.Length > table.Config.Length ? text[..table.Config.Length] : text);
                return true;
        }
    }

    /// <summary>Position of a data type, -1 = the server's id; or what is wrong with the name.</summary>
    private static string? Data(StickTable table, string name, out int at)
    {
        at = -1;
        if (name == "server_id" && table.HasServers)
        {
            return null;
        }

        StickData? data = name switch { "gpt0" => StickData.Gpt0, "gpc0" => StickData.Gpc0, "gpc1" => StickData.Gpc1, _ => null };
        if (data is null)
        {
            return name == "server_id" || KnownNames.Contains(name) ? "Data type not stored in this table" : "Unknown data type";
        }

        at = table.Config.Data.ToList().IndexOf(data.Value);
        return at < 0 ? "Data type not stored in this table" : null;
    }

    private static readonly HashSet<string> KnownNames =
    [
        "gpc0_rate", "gpc1_rate", "conn_cnt", "conn_rate", "conn_cur", "sess_cnt", "sess_rate", "http_req_cnt",
        "http_req_rate", "http_err_cnt", "http_err_rate", "http_fail_cnt", "http_fail_rate", "bytes_in_cnt", "bytes_in_rate",
        "bytes_out_cnt", "bytes_out_rate",
    ];

    private static string? Filters(StickTable table, string[] words, string usage, out Func<StickEntry, bool> filter)
    {
        var all = new List<Func<StickEntry, bool>>();
        filter = e => all.TrueForAll(f => f(e));
        for (int i = 3; i < words.Length; i += 3)
        {
            if (!words[i].StartsWith("data.", StringComparison.Ordinal))
            {
                return usage;
            }

            string number = $"Filter entry #{(i / 3).ToString(CultureInfo.InvariantCulture)}: ";
            if (Data(table, words[i][5..], out int at) is { } error)
            {
                return number + error;
            }

            Func<int, bool>? sign = (i + 1 < words.Length ? words[i + 1] : "") switch
            {
                "eq" => c => c == 0, "ne" => c => c != 0, "le" => c => c <= 0, "ge" => c => c >= 0, "lt" => c => c < 0,
                "gt" => c => c > 0, _ => null,
            };
            if (sign is null)
            {
                return number + "Require and operator among \"eq\", \"ne\", \"le\", \"ge\", \"lt\", \"gt\"";
            }

            if (i + 2 >= words.Length
                || !long.TryParse(words[i + 2], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value))
            {
                return number + "Require a valid integer value to compare against";
            }

            all.Add(e => sign((at < 0 ? e.ServerId : e.Data[at]).CompareTo(value)));
        }

        return null;
    }
}
