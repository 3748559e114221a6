using Buoy.Balancer.Rules.Samples;
using Buoy.Balancer.StickTables;

namespace Buoy.Balancer.Rules.Actions;

/// <summary>
/// track-sc0 to track-sc2: the first that finds a key begins to track (manual 4.2 "http-request track-sc0"). Rules of
/// connection and session track until the connection ends, others until the stream does.
/// </summary>
internal sealed class TrackAction(
    string name, int number, SampleExpression key, string? table, bool session, bool response) : RuleAction
{
    /// <summary>As written.</summary>
    public string Name { get; } = name;

    public SampleExpression Key { get; } = key;

    /// <summary>Section whose table it is; null = the one the rule stands in.</summary>
    public string? TableName { get; } = table;

    /// <summary>Index of the section named, known when all sections are read; -1 = the rule's own.</summary>
    public int Table { get; set; } = -1;

    public override RuleResult Run(RuleRun run)
    {
        var scope = run.Scope;
        int holder = Table >= 0 ? Table : scope.CurrentProxy;
        if (scope.Tracked(number).Entry is not null || scope.State?.Tables[holder] is not { } table)
        {
            return RuleResult.Continue;
        }

        if (!Key.Evaluate(scope, out var sample))
        {
            return (sample.Flags & SampleFlags.MayChange) != 0 && !scope.Final ? RuleResult.Wait : RuleResult.Continue;
        }

        if (StickKeys.Make(scope, table.Config, ref sample, out var bytes))
        {
            var counters = session ? run.Stream.SessionCounters : run.Stream.Counters;
            counters.Track(number, table, bytes, Events(run), scope.Now);
        }

        return RuleResult.Continue;
    }

    /// <summary>The connection, and what was counted of this request for others already.</summary>
    private StickEvents Events(RuleRun run)
    {
        var events = StickEvents.Connection;
        if (run.Stream.RequestCounted)
        {
            events |= StickEvents.Request;
        }

        return response ? events | OfStatus(run.Scope.Response.Status) : events;
    }

    /// <summary>Whose fault a server's status is (manual 4.2 "stick-table", http_err_cnt and http_fail_cnt).</summary>
    public static StickEvents OfStatus(int status) => status switch
    {
        >= 400 and < 500 => StickEvents.Error,
        >= 500 and < 600 and not (501 or 505) => StickEvents.Failure,
        _ => StickEvents.None,
    };
}

/// <summary>sc-inc-gpc0, sc-inc-gpc1, sc-inc-gpc; nothing happens where nothing is tracked, or that is not
/// stored.</summary>
internal sealed class IncrementCounterAction(int number, StickKeyword counter, int index) : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        if (run.Scope.Tracked(number) is { Table: { } table, Entry: { } entry })
        {
            var operation = counter.Operation(index, table);
            table.Apply(entry, run.Scope.Now, ref operation);
        }

        return RuleResult.Continue;
    }
}

/// <summary>sc-set-gpt0, sc-set-gpt: a fixed number, or a sample.</summary>
internal sealed class SetTagAction(int number, StickData tag, int index, long value, SampleExpression? expression)
    : RuleAction
{
    public override RuleResult Run(RuleRun run)
    {
        if (run.Scope.Tracked(number) is not { Table: { } table, Entry: { } entry })
        {
            return RuleResult.Continue;
        }

        long wanted = value;
        if (expression is not null)
        {
            if (!expression.Evaluate(run.Scope, SampleType.Sint, out var sample))
            {
                return RuleResult.Continue;
            }

            wanted = sample.Integer;
        }

        var write = new Tag(tag, index, wanted);
        table.Apply(entry, run.Scope.Now, ref write);
        return RuleResult.Continue;
    }

    private readonly struct Tag(StickData tag, int index, long value) : IStickVisitor
    {
        public void Visit(StickEntry e, StickLayout layout, long now) => layout.Write(e, tag, index, value, now);
    }
}
