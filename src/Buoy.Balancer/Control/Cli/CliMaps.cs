using System.Globalization;
using System.Text;
using Buoy.Balancer.Rules.Patterns;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Control.Cli;

/// <summary>
/// Maps and lists of patterns at run time (management manual 9.3): show, get, add, del, set, clear, prepare and commit
/// of
/// <c>map</c> and <c>acl</c>. Text of the connection is UTF-8, patterns are bytes kept as Latin-1 characters.
/// </summary>
internal static class CliMaps
{
    /// <summary>Lists them, or one's elements: number, pattern, value.</summary>
    public static CliReply Show(CliContext context, string[] words, bool map)
    {
        int at = 2;
        uint? version = Version(words, ref at, out bool wrong);
        var s = new StringBuilder();
        if (words.Length <= at)
        {
            s.Append("# id (file) description\n");
            foreach (var r in Store(context).References.Where(r => map ? r.UsedByMap : r.UsedByAcl))
            {
                s.Append(CultureInfo.InvariantCulture, $"{r.Id} ({Text(r.File)}) {Text(r.Description)}. ")
                    .Append(CultureInfo.InvariantCulture, $"curr_ver={r.Current.Number} next_ver={r.NextGeneration} ")
                    .Append(CultureInfo.InvariantCulture, $"entry_cnt={r.Count}\n");
            }

            return new CliReply(s.ToString());
        }

        if (wrong || Find(context, words[at], map) is not { } reference)
        {
            return Unknown(map);
        }

        foreach (var e in reference.Elements(version))
        {
            s.Append(CultureInfo.InvariantCulture, $"0x{e.Order:x12} {Text(e.Pattern)}");
            s.Append(e.Sample is null ? "" : " " + Text(e.Sample)).Append('\n');
        }

        return new CliReply(s.ToString());
    }

    /// <summary>What a value finds, one line per set of the reference.</summary>
    public static CliReply Get(CliContext context, string[] words, bool map)
    {
        if (words.Length < 4)
        {
            return CliReply.Error($"Missing {Kind(map)} identifier and/or key.");
        }

        if (Store(context).Find(Bytes(words[2])) is not { } reference)
        {
            return Unknown(map);
        }

        using var scope = new SampleScope();
        var s = new StringBuilder();
        foreach (var set in reference.Sets)
        {
            var sample = default(Sample);
            bool good = sample.SetCopy(scope, Encoding.UTF8.GetBytes(words[3]))
                && SampleCasts.Apply(scope, ref sample, set.Method.Input());
            var entry = good ? set.Find(sample) : null;
            s.Append("type=").Append(set.Method.Text())
                .Append(", case=").Append(set.IgnoreCase ? "insensitive" : "sensitive")
                .Append(map ? ", found=" : ", match=").Append(entry is null ? "no" : "yes");
            if (entry is not null)
            {
                bool tree = set.Index.IsTree && entry.Bits >= 0;
                s.Append(", idx=").Append(tree ? "tree" : "list")
                    .Append(map ? ", key=\"" : ", pattern=\"").Append(Text(entry.Element.Pattern)).Append('"');
                s.Append(map ? Value(set, entry) : "");
            }

            s.Append('\n');
        }

        return new CliReply(s.ToString());
    }

    /// <summary>Adds an element, or one per line of a payload.</summary>
    public static CliReply Add(CliContext context, string[] words, bool map)
    {
        int at = 2;
        uint? version = Version(words, ref at, out bool wrong);
        string? payload = map ? context.Session.Payload : null;
        bool enough = words.Length > at && (payload is not null || words.Length > at + (map ? 2 : 1));
        if (!enough)
        {
            return CliReply.Error(map
                ? "'add map' expects three parameters (map identifier, key and value) or one parameter (map identifier) "
                    + "and a payload"
                : "'add acl' expects two parameters: ACL identifier and pattern.");
        }

        if (wrong || Store(context).Find(Bytes(words[at])) is not { } reference)
        {
            return Unknown(map);
        }

        if (!map && reference.HasValues)
        {
            return CliReply.Error("This ACL is shared with a map containing samples. "
                + "You must use the command 'add map' to add values.");
        }

        if (payload is null)
        {
            string? error = reference.Add(Bytes(words[at + 1]), map ? Bytes(words[at + 2]) : null, version);
            return error is null ? CliReply.Done : CliReply.Error(error.TrimEnd('.') + ".");
        }

        foreach (string line in payload.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string text = line.TrimStart(' ', '\t');
            int blank = text.AsSpan().IndexOfAny(' ', '\t');
            string key = blank < 0 ? text : text[..blank];
            string value = blank < 0 ? "" : text[blank..].TrimStart(' ', '\t');
            if (value.Length == 0)
            {
                return CliReply.Error($"Missing value for key '{key}'.");
            }

            if (reference.Add(Bytes(key), Bytes(value), version) is { } error)
            {
                return CliReply.Error(error.TrimEnd('.') + ".");
            }
        }

        return CliReply.Done;
    }

    /// <summary>Deletes elements by pattern or number.</summary>
    public static CliReply Delete(CliContext context, string[] words, bool map)
    {
        if (words.Length < 4)
        {
            return CliReply.Error($"This command expects two parameters: {Kind(map)} identifier and key.");
        }

        if (Find(context, words[2], map) is not { } reference)
        {
            return Unknown(map);
        }

        bool found = words[3].StartsWith('#') ? Number(words[3]) is { } id && reference.Delete(id)
            : reference.Delete(Bytes(words[3]));
        return found ? CliReply.Done : CliReply.Error("Key not found.");
    }

    /// <summary>Sets the value of elements by pattern or number.</summary>
    public static CliReply Set(CliContext context, string[] words)
    {
        if (words.Length < 5)
        {
            return CliReply.Error("'set map' expects three parameters: map identifier, key and value.");
        }

        if (Store(context).Find(Bytes(words[2])) is not { } reference)
        {
            return Unknown(map: true);
        }

        string? error = null;
        bool good = words[3].StartsWith('#')
            ? Number(words[3]) is { } id && reference.Set(id, Bytes(words[4]), out error)
            : reference.Set(Bytes(words[3]), Bytes(words[4]), out error);
        return good ? CliReply.Done : CliReply.Error((error ?? "entry not found") + ".");
    }

    public static CliReply Clear(CliContext context, string[] words, bool map)
    {
        int at = 2;
        uint? version = Version(words, ref at, out bool wrong);
        if (words.Length <= at)
        {
            return CliReply.Error($"Missing {Kind(map)} identifier.");
        }

        if (wrong || Find(context, words[at], map) is not { } reference)
        {
            return Unknown(map);
        }

        reference.Clear(version);
        return CliReply.Done;
    }

    public static CliReply Prepare(CliContext context, string[] words, bool map)
    {
        if (words.Length < 3 || Find(context, words[2], map) is not { } reference)
        {
            return Unknown(map);
        }

        return CliReply.Note(FormattableString.Invariant($"New version created: {reference.Prepare()}"));
    }

    public static CliReply Commit(CliContext context, string[] words, bool map)
    {
        int at = 2;
        if (Version(words, ref at, out bool wrong) is not { } version || wrong)
        {
            return CliReply.Error("Missing version number.");
        }

        if (words.Length <= at || Find(context, words[at], map) is not { } reference)
        {
            return Unknown(map);
        }

        return reference.Commit(version) ? CliReply.Done : CliReply.Error("Version number out of range.");
    }

    private static PatternStore Store(CliContext context) => context.Plane.State.Config.Patterns;

    private static PatternReference? Find(CliContext context, string name, bool map) =>
        Store(context).Find(Bytes(name)) is { } r && (map ? r.UsedByMap : r.UsedByAcl) ? r : null;

    private static string Kind(bool map) => map ? "map" : "ACL";

    private static CliReply Unknown(bool map) =>
        CliReply.Error($"Unknown {Kind(map)} identifier. Please use #<id> or <file>.");

    /// <summary>Reads <c>@VERSION</c>; null where there is none.</summary>
    private static uint? Version(string[] words, ref int at, out bool wrong)
    {
        wrong = false;
        if (at >= words.Length || !words[at].StartsWith('@'))
        {
            return null;
        }

        wrong = !uint.TryParse(words[at++].AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture,
            out uint version);
        return version;
    }

    /// <summary><c>#0x…</c> as shown.</summary>
    private static long? Number(string word) =>
        long.TryParse(word.Replace("#0x", "", StringComparison.Ordinal), NumberStyles.AllowHexSpecifier,
            CultureInfo.InvariantCulture, out long id) ? id : null;

    private static string Value(PatternSet set, PatternEntry entry) => (set.Output, entry.Value) switch
    {
        (MapOutput.None, _) or (_, null) => ", value=none",
        (MapOutput.Integer, { } v) => FormattableString.Invariant($", value=\"{v.Integer}\", type=\"sint\""),
        (MapOutput.Address, { } v) =>
            $", value=\"{new System.Net.IPAddress(v.Address)}\", type=\"{(v.Address.Length == 4 ? "ipv4" : "ipv6")}\"",
        (_, { } v) => $", value=\"{Encoding.UTF8.GetString(v.Text)}\", type=\"str\"",
    };

    private static string Bytes(string text) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));

    private static string Text(string bytes) => Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(bytes));
}
