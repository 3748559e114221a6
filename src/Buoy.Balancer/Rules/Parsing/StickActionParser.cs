using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.Rules.Samples;
using Buoy.Balancer.StickTables;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>Reads track-sc0 … track-sc2, sc-inc-gpc… and sc-set-gpt… (manual 4.2).</summary>
internal static class StickActionParser
{
    private const int MaxNumber = TrackedCounters.Size - 1;
    private static readonly StickKeyword Gpc0 = new("gpc0", StickData.Gpc0, StickQuery.Increment);
    private static readonly StickKeyword Gpc1 = new("gpc1", StickData.Gpc1, StickQuery.Increment);
    private static readonly StickKeyword Gpc = new("gpc", StickData.Gpc, StickQuery.Increment, Indexed: true);

    /// <summary><c>track-scN KEY [table TABLE]</c>.</summary>
    public static RuleAction? Track(ActionReader r)
    {
        string digits = r.Name["track-sc".Length..];
        long number = Units.Atol(digits, out string rest);
        if (rest.Length > 0)
        {
            return r.Fail($"Wrong track-sc number '{rest}'");
        }

        if (number is < 0 or > MaxNumber)
        {
            return r.Fail($"{number} track-sc number exceeding {MaxNumber} (MAX_SESS_STKCTR-1) value");
        }

        if (r.PlacedExpression(r[0]) is not { } key)
        {
            return null;
        }

        string? name = null;
        if (r[0] == "table")
        {
            if (r[1].Length == 0)
            {
                return r.Fail("missing table name");
            }

            name = r[1];
            r.At += 2;
        }

        // A defaults section means a table of its own name, as the original has it: there is none but by another
        // section.
        name ??= r.Section.Proxy is null ? r.Section.Context.Section : null;
        bool session = r.Ruleset is "tcp-request connection" or "tcp-request session";
        return new TrackAction(r.Name, (int)number, key, name, session, r.Response);
    }

    /// <summary><c>sc-inc-gpc0(N)</c> and <c>sc-inc-gpc1(N)</c>.</summary>
    public static RuleAction? Increment(ActionReader r)
    {
        long number = Units.Atol(r.Inside, out string rest);
        if (rest.Length > 0)
        {
            return r.Fail($"invalid stick table track ID. Expects {r.Name}(<Track ID>)");
        }

        bool first = r.Name.StartsWith("sc-inc-gpc0", StringComparison.Ordinal);
        return number is >= 0 and <= MaxNumber ? new IncrementCounterAction((int)number, first ? Gpc0 : Gpc1, 0)
            : r.Fail($"invalid stick table track ID. The max allowed ID is {MaxNumber}");
    }

    /// <summary><c>sc-inc-gpc(I,N)</c>.</summary>
    public static RuleAction? IncrementElement(ActionReader r) =>
        Element(r, "gpc", "sc-inc-gpc", out int index, out int number)
            ? new IncrementCounterAction(number, Gpc, index) : null;

    /// <summary><c>sc-set-gpt0(N) { INT | EXPRESSION }</c>.</summary>
    public static RuleAction? SetTag(ActionReader r)
    {
        if (!Number(r, r.Inside, "sc-set-gpt0(<Track ID>)", out int number))
        {
            return null;
        }

        return Value(r, out long value, out var expression)
            ? new SetTagAction(number, StickData.Gpt0, 0, value, expression) : null;
    }

    /// <summary><c>sc-set-gpt(I,N) { INT | EXPRESSION }</c>.</summary>
    public static RuleAction? SetElement(ActionReader r) =>
        Element(r, "gpt", "sc-set-gpt", out int index, out int number) && Value(r, out long value, out var expression)
            ? new SetTagAction(number, StickData.Gpt, index, value, expression) : null;

    private static bool Element(ActionReader r, string kind, string name, out int index, out int number)
    {
        string expects = $"{name}(<{kind.ToUpperInvariant()} ID>,<Track ID>)";
        number = index = 0;
        if (!r.Name.Contains('('))
        {
            r.Fail($"invalid {kind} ID '{r.Name}'. Expects {expects}");
            return false;
        }

        int comma = r.Inside.IndexOf(',');
        long at = Units.Atol(comma < 0 ? "" : r.Inside[..comma], out string rest);
        if (comma <= 0 || rest.Length > 0 || at < 0)
        {
            r.Fail($"Missing {kind} ID '{r.Name}'. Expects {expects}");
            return false;
        }

        index = (int)Math.Min(int.MaxValue, at);
        return Number(r, r.Inside[(comma + 1)..], expects, out number);
    }

    private static bool Number(ActionReader r, string text, string expects, out int number)
    {
        long value = Units.Atol(text, out string rest);
        number = (int)Math.Clamp(value, 0, MaxNumber);
        if (rest.Length > 0)
        {
            r.Fail($"invalid stick table track ID '{r.Name}'. Expects {expects}");
            return false;
        }

        if (value is < 0 or > MaxNumber)
        {
            r.Fail($"invalid stick table track ID '{r.Name}'. The max allowed ID is {MaxNumber}");
            return false;
        }

        return true;
    }

    /// <summary>A number, as one without a value 0; else an expression.</summary>
    private static bool Value(ActionReader r, out long value, out SampleExpression? expression)
    {
        expression = null;
        value = Units.Atol(r[0], out string rest);
        if (r.Ended)
        {
            return true;
        }

        if (rest.Length == 0)
        {
            r.At++;
            return true;
        }

        expression = r.PlacedExpression(r[0]);
        return expression is not null;
    }
}
