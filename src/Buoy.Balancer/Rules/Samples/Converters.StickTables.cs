using Buoy.Balancer.StickTables;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>Converters that look their input up in a stick table (manual 7.3.1, in_table and table_…), and do not use
/// the entry thereby.</summary>
internal static class StickConverters
{
    public static IEnumerable<ConverterEntry> Entries()
    {
        foreach (var k in StickFetches.Keywords)
        {
            if (k.Query is not (StickQuery.Value or StickQuery.Kilobytes or StickQuery.Trackers))
            {
                continue;
            }

            string name = k.Name.StartsWith("get_", StringComparison.Ordinal) ? k.Name[4..] : k.Name;
            yield return new ConverterEntry(
                $"table_{name}", k.Indexed ? "integer,table" : "table", SampleType.Any, SampleType.Sint,
                (SampleScope c, SampleArguments a, ref Sample s) =>
                    LookUp(c, a, k, tableAt: k.Indexed ? 1 : 0, otherwise: 0, ref s));
        }

        var id = new StickKeyword("server_id", StickData.ServerId);
        yield return new ConverterEntry("table_server_id", "table", SampleType.Any, SampleType.Sint,
            (SampleScope c, SampleArguments a, ref Sample s) => LookUp(c, a, id, 0, 0, ref s));
        foreach (var k in (StickKeyword[])
            [new("expire", StickData.ConnCnt, StickQuery.Expire), new("idle", StickData.ConnCnt, StickQuery.Idle)])
        {
            yield return new ConverterEntry($"table_{k.Name}", "table[,integer]", SampleType.Any, SampleType.Sint,
                (SampleScope c, SampleArguments a, ref Sample s) =>
                    LookUp(c, a, k, 0, a[1] is { } other ? other.Integer : null, ref s));
        }

        yield return new ConverterEntry("in_table", "table", SampleType.Any, SampleType.Bool, InTable);
    }

    /// <param name="otherwise">What an entry that is not there counts as; null = no sample.</param>
    private static bool LookUp(
        SampleScope scope, SampleArguments arguments, StickKeyword keyword, int tableAt, long? otherwise,
        ref Sample sample)
    {
        if (StickFetches.Table(scope, arguments[tableAt]!) is not { } table
            || !StickKeys.Make(scope, table.Config, ref sample, out var key))
        {
            return false;
        }

        int index = keyword.Indexed ? (int)Math.Clamp(arguments.Integer(0, 0), 0, int.MaxValue) : 0;
        var operation = keyword.Operation(index, table);
        bool there = table.Look(key, scope.Now, ref operation);

        // The original holds the entry while it looks, and counts itself.
        long self = keyword.Query == StickQuery.Trackers ? 1 : 0;
        sample.SetInteger(there ? operation.Value + self : otherwise ?? 0);
        return there ? operation.Found : otherwise is not null;
    }

    private static bool InTable(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (StickFetches.Table(scope, arguments[0]!) is not { } table
            || !StickKeys.Make(scope, table.Config, ref sample, out var key))
        {
            return false;
        }

        var any = new StickKeyword("", StickData.ConnCnt, StickQuery.Trackers).Operation(0, table);
        sample.SetBool(table.Look(key, scope.Now, ref any));
        return true;
    }
}
