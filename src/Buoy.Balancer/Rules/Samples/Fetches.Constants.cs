namespace Buoy.Balancer.Rules.Samples;

/// <summary>Constants and variables (manual 7.3.2).</summary>
internal static unsafe class ConstantFetches
{
    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("always_true", "", SampleType.Bool, SampleSource.Constant, True),
        new("always_false", "", SampleType.Bool, SampleSource.Constant, False),
        new("bool", "string", SampleType.Bool, SampleSource.Constant, Integer, CheckBool),
        new("int", "integer", SampleType.Sint, SampleSource.Constant, Integer, TakeInteger),
        new("str", "string", SampleType.Str, SampleSource.Constant, Text),
        new("bin", "string", SampleType.Bin, SampleSource.Constant, Text, CheckHex),
        new("ipv4", "IPv4 address", SampleType.Ipv4, SampleSource.Constant, Address),
        new("ipv6", "IPv6 address", SampleType.Ipv6, SampleSource.Constant, Address),
        new("meth", "string", SampleType.Method, SampleSource.Constant, Method),
        new("var", "string[,string]", SampleType.Any, SampleSource.Constant, Variable, CheckVariable),
    ];

    private static bool True(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetBool(true);
        return true;
    }

    private static bool False(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetBool(false);
        return true;
    }

    private static string? CheckBool(SampleArguments arguments, SampleContext context)
    {
        var a = arguments[0]!;
        bool? value = a.Text.ToLowerInvariant() switch { "true" or "1" => true, "false" or "0" => false, _ => null };
        a.Integer = value == true ? 1 : 0;
        arguments.Data = SampleType.Bool;
        return value is null ? "Expects 'true', 'false', '0' or '1'" : null;
    }

    private static string? TakeInteger(SampleArguments arguments, SampleContext context)
    {
        arguments.Data = SampleType.Sint;
        return null;
    }

    private static bool Integer(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.Type = (SampleType)arguments.Data!;
        sample.Integer = arguments[0]!.Integer;
        return true;
    }

    private static bool Text(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (arguments.Data is SampleArgument decoded)
        {
            sample.SetText(decoded.Data, decoded.Length, SampleType.Bin);
        }
        else if (arguments[0] is { } a)
        {
            sample.SetText(a.Data, a.Length);
        }
        else
        {
            sample.SetText(null, 0);
        }

        return true;
    }

    private static string? CheckHex(SampleArguments arguments, SampleContext context)
    {
        string hex = arguments[0]!.Text;
        if (hex.Length % 2 != 0 || !hex.All(char.IsAsciiHexDigit))
        {
            return hex.Length % 2 != 0 ? $"an even number of hexadecimal digits is expected" : "Invalid hex value";
        }

        arguments.Data = new SampleArgument(ArgumentType.Text, string.Concat(Convert.FromHexString(hex).Select(b => (char)b)));
        return null;
    }

    private static bool Address(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetAddress(arguments[0]!.Address);
        return true;
    }

    private static bool Method(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var a = arguments[0]!;
        sample.SetText(a.Data, a.Length, SampleType.Method);
        sample.Integer = (long)SampleCasts.FindMethod(a.Bytes);
        return true;
    }

    private sealed record VariableArgument(VariableName Name);

    private static string? CheckVariable(SampleArguments arguments, SampleContext context)
    {
        var name = VariableName.Parse(arguments[0]!.Text, out string error);
        arguments.Data = name is { } n ? new VariableArgument(n) : null;
        return name is null ? error.TrimEnd('.') : null;
    }

    private static bool Variable(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var name = ((VariableArgument)arguments.Data!).Name;
        if (scope.TryGetVariable(name, ref sample))
        {
            return true;
        }

        if (arguments[1] is not { } otherwise)
        {
            return false;
        }

        sample.SetText(otherwise.Data, otherwise.Length);
        return true;
    }
}
