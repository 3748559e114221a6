using Buoy.Balancer.StickTables;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>
/// Fetches on stick tables (manual 7.3.2 and 7.3.3): of the tracked entry (sc_…, sc0_… to sc2_…), of the client's
/// address (src_…) and of whole tables. In all of them an entry that is not there counts as 0, and what a table does
/// not store is no sample.
/// </summary>
internal static class StickFetches
{
    /// <summary>What can be asked of an entry, by the part of the keyword behind its prefix.</summary>
    public static readonly StickKeyword[] Keywords =
    [
        new("bytes_in_rate", StickData.BytesInRate), new("bytes_out_rate", StickData.BytesOutRate),
        new("conn_cnt", StickData.ConnCnt), new("conn_cur", StickData.ConnCur), new("conn_rate", StickData.ConnRate),
        new("gpc0_rate", StickData.Gpc0Rate), new("gpc1_rate", StickData.Gpc1Rate),
        new("gpc_rate", StickData.GpcRate, Indexed: true),
        new("http_err_cnt", StickData.HttpErrCnt), new("http_err_rate", StickData.HttpErrRate),
        new("http_fail_cnt", StickData.HttpFailCnt), new("http_fail_rate", StickData.HttpFailRate),
        new("http_req_cnt", StickData.HttpReqCnt), new("http_req_rate", StickData.HttpReqRate),
        new("sess_cnt", StickData.SessCnt), new("sess_rate", StickData.SessRate),
        new("kbytes_in", StickData.BytesInCnt, StickQuery.Kilobytes),
        new("kbytes_out", StickData.BytesOutCnt, StickQuery.Kilobytes),
        new("get_gpc0", StickData.Gpc0), new("get_gpc1", StickData.Gpc1), new("get_gpt0", StickData.Gpt0),
        new("get_gpc", StickData.Gpc, Indexed: true), new("get_gpt", StickData.Gpt, Indexed: true),
        new("inc_gpc0", StickData.Gpc0, StickQuery.Increment), new("inc_gpc1", StickData.Gpc1, StickQuery.Increment),
        new("inc_gpc", StickData.Gpc, StickQuery.Increment, true), new("clr_gpc0", StickData.Gpc0, StickQuery.Clear),
        new("clr_gpc1", StickData.Gpc1, StickQuery.Clear), new("clr_gpc", StickData.Gpc, StickQuery.Clear, true),
        new("trackers", StickData.ConnCur, StickQuery.Trackers),
        new("updt_conn_cnt", StickData.ConnCnt, StickQuery.CountConnection),
    ];

    public static IEnumerable<FetchEntry> Entries()
    {
        foreach (var k in Keywords)
        {
            if (k.Query != StickQuery.Trackers)
            {
                yield return new FetchEntry($"src_{k.Name}", k.Indexed ? "integer,table" : "table", SampleType.Sint,
                    SampleSource.ClientAddress,
                    (SampleScope c, SampleArguments a, ref Sample s) => OfSource(c, a, k, ref s));
            }

            if (k.Query == StickQuery.CountConnection)
            {
                continue;
            }

            // kbytes may not stand where the runtime API asks; the original has them so.
            var source = k.Query == StickQuery.Kilobytes ? SampleSource.ClientAddress : SampleSource.InternalState;
            yield return new FetchEntry($"sc_{k.Name}", k.Indexed ? "integer,integer[,table]" : "integer[,table]",
                SampleType.Sint, source, (SampleScope c, SampleArguments a, ref Sample s) =>
                    OfTracked(c, a.Integer(k.Indexed ? 1 : 0, 0), k, a, k.Indexed ? 2 : 1, ref s));
            for (int n = 0; n < TrackedCounters.Size; n++)
            {
                // Of the array's keywords the original has one with a number in its name, and only this one.
                int number = n;
                if (!k.Indexed || (k.Query == StickQuery.Clear && n == 1))
                {
                    yield return new FetchEntry(
                        $"sc{n}_{k.Name}", k.Indexed ? "integer[,table]" : "[table]", SampleType.Sint, source,
                        (SampleScope c, SampleArguments a, ref Sample s) =>
                            OfTracked(c, number, k, a, k.Indexed ? 1 : 0, ref s));
                }
            }
        }

        yield return new FetchEntry("sc_tracked", "integer[,table]", SampleType.Bool, SampleSource.InternalState,
            (SampleScope c, SampleArguments a, ref Sample s) => IsTracked(c, a.Integer(0, 0), ref s));
        for (int n = 0; n < TrackedCounters.Size; n++)
        {
            int number = n;
            yield return new FetchEntry($"sc{n}_tracked", "[table]", SampleType.Bool, SampleSource.InternalState,
                (SampleScope c, SampleArguments _, ref Sample s) => IsTracked(c, number, ref s));
        }

        yield return new FetchEntry("table_cnt", "table", SampleType.Sint, SampleSource.InternalState,
            (SampleScope c, SampleArguments a, ref Sample s) => Entries(c, a, free: false, ref s));
        yield return new FetchEntry("table_avl", "table", SampleType.Sint, SampleSource.InternalState,
            (SampleScope c, SampleArguments a, ref Sample s) => Entries(c, a, free: true, ref s));
    }

    /// <summary>The table an argument names.</summary>
    public static StickTable? Table(SampleScope scope, SampleArgument argument) => scope.State?.Tables[argument.Index];

    private static bool OfTracked(
        SampleScope scope, long number, StickKeyword keyword, SampleArguments arguments, int tableAt, ref Sample sample)
    {
        var counter = scope.Tracked(number);
        if (counter.Entry is not { } entry || counter.Table is not { } tracked)
        {
            return false;
        }

        int index = keyword.Indexed ? (int)Math.Clamp(arguments.Integer(0, 0), 0, int.MaxValue) : 0;
        if (arguments[tableAt] is not { } named || Table(scope, named) is not { } table || table == tracked)
        {
            var operation = keyword.Operation(index, tracked);
            tracked.Apply(entry, scope.Now, ref operation);
            sample.SetInteger(operation.Value);
            return operation.Found;
        }

        // Another table: the tracked key is looked up there, and no entry is made.
        var elsewhere = keyword.Operation(index, table);
        bool there = table.Config.Type == tracked.Config.Type && table.Look(entry.Key, scope.Now, ref elsewhere);
        sample.SetInteger(elsewhere.Value);
        return !there || elsewhere.Found;
    }

    private static bool OfSource(SampleScope scope, SampleArguments arguments, StickKeyword keyword, ref Sample sample)
    {
        if (Table(scope, arguments[keyword.Indexed ? 1 : 0]!) is not { } table
            || !ConnectionFetches.Address(scope.Source, ref sample)
            || !StickKeys.Make(scope, table.Config, ref sample, out var key))
        {
            return false;
        }

        int index = keyword.Indexed ? (int)Math.Clamp(arguments.Integer(0, 0), 0, int.MaxValue) : 0;
        var operation = keyword.Operation(index, table);
        bool there = keyword.Query is StickQuery.Increment or StickQuery.Clear or StickQuery.CountConnection
            ? table.Change(key, scope.Now, ref operation) : table.Look(key, scope.Now, ref operation);
        sample.SetInteger(operation.Value);
        return !there || operation.Found;
    }

    private static bool IsTracked(SampleScope scope, long number, ref Sample sample)
    {
        sample.SetBool(scope.Tracked(number).Entry is not null);
        return true;
    }

    private static bool Entries(SampleScope scope, SampleArguments arguments, bool free, ref Sample sample)
    {
        if (Table(scope, arguments[0]!) is not { } table)
        {
            return false;
        }

        sample.SetInteger(free ? table.Config.Size - table.Used : table.Used);
        return true;
    }
}

/// <summary>What can be asked of an entry, as keywords name it.</summary>
/// <param name="Indexed">An element of an array: its number is the first argument.</param>
internal sealed record StickKeyword(
    string Name, StickData Type, StickQuery Query = StickQuery.Value, bool Indexed = false)
{
    /// <summary>The rate that is counted with a general purpose counter.</summary>
    private readonly StickData _rate = Type switch
    {
        StickData.Gpc0 => StickData.Gpc0Rate,
        StickData.Gpc1 => StickData.Gpc1Rate,
        StickData.Gpc => StickData.GpcRate,
        _ => Type,
    };

    public StickOperation Operation(int index, StickTable table) =>
        new(Query, Type, _rate, index, table.Config.Expire > 0);
}
