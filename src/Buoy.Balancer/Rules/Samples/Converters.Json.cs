using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Buoy.Balancer.Rules.Samples;

/// <summary><c>json_query</c>, <c>jwt_header_query</c> and <c>jwt_payload_query</c> (manual 7.3.1).</summary>
internal static unsafe class JsonConverters
{
    public static IEnumerable<ConverterEntry> Entries() =>
    [
        new("json_query", "string[,string]", SampleType.Str, SampleType.Any, Query,
            (a, _) => a[0] is { Length: > 0 } ? CheckType(a) : "json_path must not be empty"),
        new("jwt_header_query", "[string,string]", SampleType.Bin, SampleType.Any,
            (SampleScope c, SampleArguments a, ref Sample s) => Token(c, a, ref s, 0), (a, _) => CheckType(a)),
        new("jwt_payload_query", "[string,string]", SampleType.Bin, SampleType.Any,
            (SampleScope c, SampleArguments a, ref Sample s) => Token(c, a, ref s, 1), (a, _) => CheckType(a)),
    ];

    private static string? CheckType(SampleArguments arguments) =>
        arguments[1] is { Length: > 0 } a && a.Text != "int" ? "output_type only supports \"int\" as argument" : null;

    private static bool Query(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        bool integer = arguments[1] is { Length: > 0 };
        var kind = new JsonPath(sample.Bytes).Find(arguments[0]!.Bytes, out var value);
        switch (kind)
        {
            case JsonKind.Text when integer:
                sample.SetInteger(SampleCasts.Number(value[1..]));
                return true;
            case JsonKind.Text:
                byte* p = scope.Temporary.Take(value.Length * 3);
                int n = p == null ? -1 : JsonPath.Unescape(value, new Span<byte>(p, value.Length * 3));
                sample.SetText(p, Math.Max(0, n));
                return n >= 0;
            case JsonKind.Number:
                return Utf8Parser.TryParse(value, out double number, out _) && (integer
                    ? Whole(number, ref sample) : sample.SetCopy(scope, Encoding.ASCII.GetBytes(ShortNumber(number))));
            case JsonKind.True or JsonKind.False:
                sample.SetBool(kind == JsonKind.True);
                return true;
            default:
                return false;
        }
    }

    private static bool Whole(double number, ref Sample sample)
    {
        const double Limit = 9.2233720368547758e18;
        sample.SetInteger(Math.Abs(number) < Limit ? (long)number : 0);
        return Math.Abs(number) < Limit;
    }

    /// <summary>As printf's %g: six digits.</summary>
    private static string ShortNumber(double number)
    {
        const int Digits = 6;
        string exponential = number.ToString("e5", CultureInfo.InvariantCulture);
        int at = exponential.IndexOf('e');
        int exponent = int.Parse(exponential.AsSpan(at + 1), NumberStyles.AllowLeadingSign,
            CultureInfo.InvariantCulture);
        if (number == 0 || (exponent >= -4 && exponent < Digits))
        {
            return number.ToString("0." + new string('#', Digits - 1 - Math.Min(exponent, Digits - 1)),
                CultureInfo.InvariantCulture);
        }

        string mantissa = exponential[..at].TrimEnd('0').TrimEnd('.');
        return FormattableString.Invariant($"{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
    }

    /// <summary>Part of a token, decoded, and what the query finds in it.</summary>
    private static bool Token(SampleScope scope, SampleArguments arguments, ref Sample sample, int part)
    {
        var rest = sample.Bytes;
        int first = rest.IndexOf((byte)'.');
        int second = first < 0 ? -1 : rest[(first + 1)..].IndexOf((byte)'.');
        if (second < 0 || rest[(first + second + 2)..].Contains((byte)'.'))
        {
            return false;
        }

        var encoded = part == 0 ? rest[..first] : rest.Slice(first + 1, second);
        byte* p = scope.Temporary.Take(encoded.Length);
        int n = p == null ? -1 : Base64Text.Decode(encoded, new Span<byte>(p, encoded.Length), url: true);
        if (n < 0)
        {
            return false;
        }

        sample.SetText(p, n, SampleType.Bin);
        return arguments[0] is not { Length: > 0 } || Query(scope, arguments, ref sample);
    }
}
