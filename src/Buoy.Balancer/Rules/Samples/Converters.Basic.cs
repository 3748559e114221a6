namespace Buoy.Balancer.Rules.Samples;

/// <summary>The converters that prove the table; the others stand in files of their own (manual 7.3.1).</summary>
internal static unsafe class BasicConverters
{
    public static IEnumerable<ConverterEntry> Entries() =>
    [
        new("lower", "", SampleType.Str, SampleType.Str, Lower),
        new("upper", "", SampleType.Str, SampleType.Str, Upper),
        new("length", "", SampleType.Str, SampleType.Sint, Length),
        new("bool", "", SampleType.Sint, SampleType.Bool, Bool),
        new("not", "", SampleType.Sint, SampleType.Bool, Not),
    ];

    private static bool Lower(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        byte* p = scope.Temporary.Take(sample.Length);
        for (int i = 0; p != null && i < sample.Length; i++)
        {
            byte b = sample.Data[i];
            p[i] = b is >= (byte)'A' and <= (byte)'Z' ? (byte)(b | 0x20) : b;
        }

        sample.Data = p;
        return p != null;
    }

    private static bool Upper(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        byte* p = scope.Temporary.Take(sample.Length);
        for (int i = 0; p != null && i < sample.Length; i++)
        {
            byte b = sample.Data[i];
            p[i] = b is >= (byte)'a' and <= (byte)'z' ? (byte)(b & ~0x20) : b;
        }

        sample.Data = p;
        return p != null;
    }

    private static bool Length(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetInteger(sample.Length);
        return true;
    }

    private static bool Bool(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetBool(sample.Integer != 0);
        return true;
    }

    private static bool Not(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetBool(sample.Integer == 0);
        return true;
    }
}
