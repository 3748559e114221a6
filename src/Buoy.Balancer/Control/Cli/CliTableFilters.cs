using System.Globalization;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.StickTables;

namespace Buoy.Balancer.Control.Cli;

/// <summary>
/// Conditions of show table and clear table: <c>data.TYPE OPERATOR VALUE</c>, up to four, of which all must hold
/// (management manual 9.3). Arrays are compared by their first element, the server's key by nothing.
/// </summary>
internal sealed class CliTableFilters
{
    /// <summary>As the original's default build (STKTABLE_FILTER_LEN).</summary>
    private const int Most = 4;
    private const int WordsEach = 3;

    /// <summary>Words before the first filter.</summary>
    private const int First = 3;
    private readonly List<(StickData Type, Func<int, bool> Sign, long Value)> _filters = [];
    private readonly StickLayout _layout;

    private CliTableFilters(StickLayout layout) => _layout = layout;

    /// <summary>Reads them; what is wrong, null = nothing.</summary>
    public static string? Read(StickTable table, string[] words, string usage, out CliTableFilters filters)
    {
        filters = new CliTableFilters(table.Layout);
        for (int i = First; i < words.Length; i += WordsEach)
        {
            int number = (i / WordsEach) - (First / WordsEach) + 1;
            if (number > Most)
            {
                return $"Detected extra data in filter, {Ordinal(i + 1)} word of input, after '{words[i - 1]}'";
            }

            if (i == First && !words[i].StartsWith("data.", StringComparison.Ordinal))
            {
                return usage;
            }

            string place = FormattableString.Invariant($"Filter entry #{number}: ");
            if (Stored(table.Layout, words[i], out var type) is { } error)
            {
                return place + error;
            }

            Func<int, bool>? sign = (i + 1 < words.Length ? words[i + 1] : "") switch
            {
                "eq" => c => c == 0, "ne" => c => c != 0, "le" => c => c <= 0, "ge" => c => c >= 0, "lt" => c => c < 0,
                "gt" => c => c > 0, _ => null,
            };
            if (sign is null)
            {
                return place + "Require and operator among \"eq\", \"ne\", \"le\", \"ge\", \"lt\", \"gt\"";
            }

            if (i + 2 >= words.Length || !Number(words[i + 2], out long value))
            {
                return place + "Require a valid integer value to compare against";
            }

            filters._filters.Add((type, sign, value));
        }

        return null;
    }

    /// <summary>Do they all hold for an entry?</summary>
    public bool Pass(StickEntry e, long now)
    {
        foreach (var (type, sign, wanted) in _filters)
        {
            _ = _layout.Read(e, type, 0, now, out long value);
            if (!sign(value.CompareTo(wanted)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The type that a word <c>data.TYPE</c> names, or what is wrong with it.</summary>
    public static string? Stored(StickLayout layout, string word, out StickData type)
    {
        const int Prefix = 5;
        type = default;
        if (StickDataTypes.Find(word.Length > Prefix ? word[Prefix..] : "") is not { } found)
        {
            return "Unknown data type";
        }

        type = found;
        return layout.Stores(found) ? null : "Data type not stored in this table";
    }

    /// <summary>A decimal number of 64 bits and nothing behind it.</summary>
    public static bool Number(string text, out long value) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    private static string Ordinal(int number)
    {
        string ending = (number % 100) is >= 11 and <= 13 ? "th"
            : (number % 10) switch { 1 => "st", 2 => "nd", 3 => "rd", _ => "th" };
        return FormattableString.Invariant($"{number}{ending}");
    }
}
