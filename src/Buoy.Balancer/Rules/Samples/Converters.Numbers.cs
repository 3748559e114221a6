using System.Buffers.Binary;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>Arithmetic and bits (manual 7.3.1). Sums and products stay at the ends of the range.</summary>
internal static class NumberConverters
{
    private delegate long Operation(long a, long b);

    public static IEnumerable<ConverterEntry> Entries() =>
    [
        Binary("add", Add),
        Binary("sub", Sub),
        Binary("mul", Mul),
        Binary("div", static (a, b) => b == 0 ? long.MaxValue : a == long.MinValue && b == -1 ? long.MaxValue : a / b),
        Binary("mod", static (a, b) => b is 0 or -1 ? 0 : a % b),
        Binary("and", static (a, b) => a & b),
        Binary("or", static (a, b) => a | b),
        Binary("xor", static (a, b) => a ^ b),
        new("neg", "", SampleType.Sint, SampleType.Sint, Negate),
        new("cpl", "", SampleType.Sint, SampleType.Sint, Complement),
        new("even", "", SampleType.Sint, SampleType.Bool, Even),
        new("odd", "", SampleType.Sint, SampleType.Bool, Odd),
        new("htonl", "", SampleType.Sint, SampleType.Bin, NetworkOrder),
        new("ipmask", "IPv4 mask[,IPv6 mask]", SampleType.Address, SampleType.Ipv4, Mask),
    ];

    private static ConverterEntry Binary(string name, Operation operation) => new(
        name, "string", SampleType.Sint, SampleType.Sint,
        (SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        {
            bool good = ValueOrVariable.Integer(scope, arguments, out long value);
            sample.Integer = good ? operation(sample.Integer, value) : sample.Integer;
            return good;
        },
        ValueOrVariable.CheckInteger);

    private static long Add(long a, long b)
    {
        long sum = unchecked(a + b);
        return ((a ^ sum) & (b ^ sum)) < 0 ? (a < 0 ? long.MinValue : long.MaxValue) : sum;
    }

    private static long Sub(long a, long b)
    {
        long difference = unchecked(a - b);
        return ((a ^ b) & (a ^ difference)) < 0 ? (a < 0 ? long.MinValue : long.MaxValue) : difference;
    }

    private static long Mul(long a, long b)
    {
        long high = Math.BigMul(a, b, out long low);
        return high == low >> 63 ? low : (a < 0) ^ (b < 0) ? long.MinValue : long.MaxValue;
    }

    private static bool Negate(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.Integer = sample.Integer == long.MinValue ? long.MaxValue : -sample.Integer;
        return true;
    }

    private static bool Complement(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.Integer = ~sample.Integer;
        return true;
    }

    private static bool Even(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetBool((sample.Integer & 1) == 0);
        return true;
    }

    private static bool Odd(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetBool((sample.Integer & 1) != 0);
        return true;
    }

    private static bool NetworkOrder(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)sample.Integer);
        return sample.SetCopy(scope, bytes, SampleType.Bin);
    }

    private static bool Mask(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var mask = arguments[sample.Type == SampleType.Ipv4 ? 0 : 1]?.Address;
        if (mask is null)
        {
            return false;
        }

        for (int i = 0; i < mask.Length; i++)
        {
            sample.Address[i] &= mask[i];
        }

        return true;
    }
}
