using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Patterns;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>
/// <c>map</c>, <c>map_METHOD</c> and <c>map_METHOD_OUTPUT</c> (manual 7.3.1): the value that a file has for the sample.
/// </summary>
internal static unsafe class MapConverters
{
    /// <summary>A map as one converter uses it.</summary>
    /// <param name="Otherwise">The value where nothing matches; null = there is no sample then.</param>
    /// <param name="Replace">map_regm: groups of the match stand in the value.</param>
    private sealed record Map(PatternSet Set, MapValue? Otherwise, bool Replace);

    public static IEnumerable<ConverterEntry> Entries()
    {
        MatchMethod[] methods =
        [
            MatchMethod.Str, MatchMethod.Beg, MatchMethod.Sub, MatchMethod.Dir, MatchMethod.Dom, MatchMethod.End,
            MatchMethod.Reg, MatchMethod.Int, MatchMethod.Ip,
        ];
        yield return Entry("map", MatchMethod.Str, MapOutput.Text);
        yield return Entry("map_regm", MatchMethod.Regm, MapOutput.Text);
        foreach (var m in methods)
        {
            yield return Entry($"map_{m.Text()}", m, MapOutput.Text);
            yield return Entry($"map_{m.Text()}_int", m, MapOutput.Integer);
            yield return Entry($"map_{m.Text()}_ip", m, MapOutput.Address);
        }
    }

    private static ConverterEntry Entry(string name, MatchMethod method, MapOutput output) => new(
        name, output == MapOutput.Integer ? "string[,integer]" : "string[,string]", method.Input(), output switch
        {
            MapOutput.Integer => SampleType.Sint,
            MapOutput.Address => SampleType.Address,
            _ => SampleType.Str,
        },
        Look, (arguments, context) => Check(arguments, context, method, output));

    private static string? Check(
        SampleArguments arguments, SampleContext context, MatchMethod method, MapOutput output)
    {
        string file = arguments[0]?.Text ?? "";
        if (context.Patterns.Open(file, values: true, context.Place, out string error) is not { } reference
            || reference.AddSet(method, ignoreCase: false, output, resolve: false, out error) is not { } set)
        {
            return error;
        }

        reference.AddUser(map: true, "map", context.Place);
        MapValue? otherwise = null;
        if (arguments[1] is { } given)
        {
            otherwise = MapValue.Read(given.Text, output);
            if (otherwise is null)
            {
                return $"map: cannot parse default ip <{given.Text}>";
            }
        }

        arguments.Data = new Map(set, otherwise, method == MatchMethod.Regm);
        return null;
    }

    private static bool Look(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var map = (Map)arguments.Data!;
        var entry = map.Set.Find(sample);
        var value = entry is null ? map.Otherwise : entry.Value;
        if (value is null)
        {
            return false;
        }

        switch (map.Set.Output)
        {
            case MapOutput.Integer:
                sample.SetInteger(value.Integer);
                return true;
            case MapOutput.Address:
                sample.SetAddress(value.Address);
                return true;
            default:
                return map.Replace && entry is not null ? Replaced(scope, entry, value, ref sample)
                    : sample.SetCopy(scope, value.Text);
        }
    }

    private static bool Replaced(SampleScope scope, PatternEntry entry, MapValue value, ref Sample sample)
    {
        Span<ByteGroup> groups = stackalloc ByteGroup[ByteRegex.MaxGroups];
        int count = entry.Regex!.Match(sample.Bytes, 0, groups);
        if (count == 0 || Substitution.Create(value.Text) is not { } substitution)
        {
            return false;
        }

        int size = scope.Config?.Global.BufferSize ?? 16384;
        byte* into = scope.Temporary.Take(size);
        int n = into == null ? -1 : substitution.Write(sample.Bytes, groups[..count], new Span<byte>(into, size));
        if (n < 0)
        {
            return false;
        }

        sample.SetText(into, n);
        return true;
    }
}
