using System.Globalization;
using System.Text;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>Dates as text (manual 7.3.1): <c>http_date</c>, <c>ltime</c>, <c>utime</c>.</summary>
internal static class TimeConverters
{
    private const long PerSecondMs = 1000;
    private const long PerSecondUs = 1_000_000;

    public static IEnumerable<ConverterEntry> Entries() =>
    [
        new("http_date", "[integer,string]", SampleType.Sint, SampleType.Str, HttpDate, CheckUnit),
        new("ltime", "string[,integer]", SampleType.Sint, SampleType.Str,
            (SampleScope c, SampleArguments a, ref Sample s) => Format(c, a, ref s, TimeZoneInfo.Local)),
        new("utime", "string[,integer]", SampleType.Sint, SampleType.Str,
            (SampleScope c, SampleArguments a, ref Sample s) => Format(c, a, ref s, TimeZoneInfo.Utc)),
    ];

    private static string? CheckUnit(SampleArguments arguments, SampleContext context)
    {
        string unit = arguments[1]?.Text ?? "s";
        long? divisor = unit switch { "s" or "" => 1, "ms" => PerSecondMs, "us" => PerSecondUs, _ => null };
        arguments.Data = divisor;
        return divisor is null ? $"expects 's', 'ms' or 'us', got '{unit}'" : null;
    }

    private static bool HttpDate(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        long unit = (long)arguments.Data!;
        long value = sample.Integer + arguments.Integer(0, 0);
        long seconds = value / unit;
        if (!InRange(seconds))
        {
            return false;
        }

        Span<byte> text = stackalloc byte[48];
        if (!DateTimeOffset.FromUnixTimeSeconds(seconds).TryFormat(text, out int n, "r", CultureInfo.InvariantCulture))
        {
            return false;
        }

        if (unit > 1)
        {
            // The fraction stands before " GMT", without leading zeros, as in the original.
            n -= 4;
            text[n++] = (byte)'.';
            _ = System.Buffers.Text.Utf8Formatter.TryFormat(value % unit, text[n..], out int digits);
            n += digits;
            " GMT"u8.CopyTo(text[n..]);
            n += 4;
        }

        return sample.SetCopy(scope, text[..n]);
    }

    private static bool InRange(long seconds) =>
        seconds >= DateTimeOffset.MinValue.ToUnixTimeSeconds()
            && seconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds();

    private static bool Format(SampleScope scope, SampleArguments arguments, ref Sample sample, TimeZoneInfo zone)
    {
        long seconds = sample.Integer + arguments.Integer(1, 0);
        if (!InRange(seconds))
        {
            return false;
        }

        var time = TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeSeconds(seconds), zone);
        string text = StrfTime.Format(arguments[0]?.Text ?? "", time, zone);
        return sample.SetCopy(scope, Encoding.Latin1.GetBytes(text));
    }
}
