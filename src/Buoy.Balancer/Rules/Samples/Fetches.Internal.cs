namespace Buoy.Balancer.Rules.Samples;

/// <summary>The process, the clock and chance (manual 7.3.2).</summary>
internal static class InternalFetches
{
    private const int UuidVersion = 4;
    private const long MicrosecondsPerMs = 1000;

    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("date", "[integer,string]", SampleType.Sint, SampleSource.Constant, Date, CheckDate),
        new("date_us", "", SampleType.Sint, SampleSource.Constant, Microseconds),
        new("env", "string", SampleType.Str, SampleSource.Constant, Kept, CheckEnvironment),
        new("hostname", "", SampleType.Str, SampleSource.Constant, Kept,
            (a, _) => Keep(a, Environment.MachineName)),
        new("nbproc", "", SampleType.Sint, SampleSource.Constant, One),
        new("proc", "", SampleType.Sint, SampleSource.Constant, One),
        new("rand", "[integer]", SampleType.Sint, SampleSource.Constant, Random),
        new("thread", "", SampleType.Sint, SampleSource.Constant, Thread),
        new("uuid", "[integer]", SampleType.Str, SampleSource.Constant, Uuid, CheckUuid),
    ];

    private static string? CheckDate(SampleArguments arguments, SampleContext context)
    {
        string unit = arguments[1]?.Text ?? "s";
        long? perSecond = unit switch { "s" or "" => 1, "ms" => 1000, "us" => 1_000_000, _ => null };
        arguments.Data = perSecond;
        return perSecond is null ? $"expects 's', 'ms' or 'us', got '{unit}'" : null;
    }

    private static bool Date(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var now = scope.Clock();
        sample.SetInteger(((long)arguments.Data! switch
        {
            1 => now.ToUnixTimeSeconds(),
            1000 => now.ToUnixTimeMilliseconds(),
            _ => (now - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond,
        }) + arguments.Integer(0, 0));
        sample.Flags |= SampleFlags.MayChange;
        return true;
    }

    private static bool Microseconds(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var now = scope.Clock();
        sample.SetInteger((now - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond % (
            1000 * MicrosecondsPerMs));
        sample.Flags |= SampleFlags.MayChange;
        return true;
    }

    /// <summary>Text that does not change, ready to be pointed to.</summary>
    private static string? Keep(SampleArguments arguments, string text)
    {
        arguments.Data = new SampleArgument(ArgumentType.Text, text);
        return null;
    }

    private static string? CheckEnvironment(SampleArguments arguments, SampleContext context)
    {
        string? value = Environment.GetEnvironmentVariable(arguments[0]?.Text ?? "");
        return value is null ? null : Keep(arguments, value);
    }

    private static unsafe bool Kept(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (arguments.Data is not SampleArgument text)
        {
            return false;
        }

        sample.SetText(text.Data, text.Length);
        return true;
    }

    private static bool One(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetInteger(1);
        return true;
    }

    private static bool Thread(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetInteger(scope.Shard);
        return true;
    }

    private static bool Random(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        uint number = scope.NextRandom();
        long range = arguments.Integer(0, 0);
        sample.SetInteger(range > 0 ? (long)((UInt128)number * (ulong)range >> 32) : number);
        sample.Flags |= SampleFlags.MayChange;
        return true;
    }

    private static string? CheckUuid(SampleArguments arguments, SampleContext context) =>
        arguments.Integer(0, UuidVersion) is UuidVersion ? null : $"Unsupported UUID version: '{arguments[0]!.Text}'";

    private static bool Uuid(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        Span<byte> text = stackalloc byte[36];
        return Guid.NewGuid().TryFormat(text, out int n) && sample.SetCopy(scope, text[..n]);
    }
}
