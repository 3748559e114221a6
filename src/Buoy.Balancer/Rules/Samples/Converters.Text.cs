using Buoy.Balancer.Rules.Patterns;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>Parts of text, joining and replacing (manual 7.3.1).</summary>
internal static unsafe class TextConverters
{
    public static IEnumerable<ConverterEntry> Entries() =>
    [
        new("bytes", "integer[,integer]", SampleType.Bin, SampleType.Bin, Bytes),
        new("field", "integer,string[,integer]", SampleType.Str, SampleType.Str,
            (SampleScope _, SampleArguments a, ref Sample s) => Part(a, ref s, words: false), CheckPart),
        new("word", "integer,string[,integer]", SampleType.Str, SampleType.Str,
            (SampleScope _, SampleArguments a, ref Sample s) => Part(a, ref s, words: true), CheckPart),
        new("ltrim", "string", SampleType.Str, SampleType.Str, TrimStart),
        new("rtrim", "string", SampleType.Str, SampleType.Str, TrimEnd),
        new("cut_crlf", "", SampleType.Str, SampleType.Str, CutLine),
        new("concat", "string[,string,string]", SampleType.Str, SampleType.Str, Concat, CheckConcat),
        new("add_item", "string,string[,string]", SampleType.Str, SampleType.Str, AddItem, CheckAddItem),
        new("iif", "string,string", SampleType.Bool, SampleType.Str, Choose),
        new("regsub", "regex,string[,string]", SampleType.Str, SampleType.Str, Replace, CheckReplace),
        new("host_only", "", SampleType.Str, SampleType.Str, Host),
        new("port_only", "", SampleType.Str, SampleType.Sint, Port),
        new("language", "string[,string]", SampleType.Str, SampleType.Str, Language.Choose),
        new("capture-req", "integer", SampleType.Str, SampleType.Str,
            (SampleScope c, SampleArguments a, ref Sample s) => Capture(c.Captures?.Request, a, ref s)),
        new("capture-res", "integer", SampleType.Str, SampleType.Str,
            (SampleScope c, SampleArguments a, ref Sample s) => Capture(c.Captures?.Response, a, ref s)),
    ];

    private static bool Bytes(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        long offset = arguments.Integer(0, 0);
        if (offset < 0 || offset >= sample.Length)
        {
            sample.Length = 0;
            return true;
        }

        sample.Data += offset;
        sample.Length -= (int)offset;
        long length = arguments.Integer(1, sample.Length);
        if (length >= 0 && length < sample.Length)
        {
            sample.Length = (int)length;
        }

        return true;
    }

    private static string? CheckPart(SampleArguments arguments, SampleContext context) =>
        arguments[0]!.Integer == 0 ? "Unexpected value 0 for index"
        : arguments[1]!.Length == 0 ? "Empty separators list" : null;

    /// <summary>field and word: parts between delimiters, from the start or, where the index is negative, from the
    /// end.</summary>
    private static bool Part(SampleArguments arguments, ref Sample sample, bool words)
    {
        long index = arguments[0]!.Integer;
        long count = arguments.Integer(2, 1);
        bool back = index < 0;
        if (!Find(sample.Bytes, arguments[1]!.Bytes, Math.Abs(index), count, words, back, out int start, out int end))
        {
            return false;
        }

        sample.Data += back ? sample.Length - end : start;
        sample.Length = end - start;
        return true;
    }

    /// <summary>Positions count from the end where <paramref name="back"/> is set.</summary>
    private static bool Find(
        ReadOnlySpan<byte> text, ReadOnlySpan<byte> delimiters, long index, long count, bool words, bool back,
        out int start, out int end)
    {
        int at = 0;
        start = end = 0;
        for (long k = 1; ; k++)
        {
            while (words && at < text.Length && Is(text, delimiters, at, back))
            {
                at++;
            }

            if (k == index)
            {
                break;
            }

            at = Next(text, delimiters, at, back);
            if (at == text.Length)
            {
                return false;
            }

            at++;
        }

        start = at;
        end = text.Length;
        for (long c = 1; c <= count; c++)
        {
            end = Next(text, delimiters, at, back);
            if (c == count || end == text.Length)
            {
                break;
            }

            at = end + 1;
            while (words && at < text.Length && Is(text, delimiters, at, back))
            {
                at++;
            }

            if (words && at >= text.Length)
            {
                end = text.Length;
                break;
            }
        }

        return true;
    }

    private static int Next(ReadOnlySpan<byte> text, ReadOnlySpan<byte> delimiters, int at, bool back)
    {
        while (at < text.Length && !Is(text, delimiters, at, back))
        {
            at++;
        }

        return at;
    }

    private static bool Is(ReadOnlySpan<byte> text, ReadOnlySpan<byte> delimiters, int at, bool back) =>
        delimiters.Contains(text[back ? text.Length - 1 - at : at]);

    private static bool TrimStart(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var chars = arguments[0] is { } a ? a.Bytes : default;
        while (sample.Length > 0 && chars.Contains(*sample.Data))
        {
            sample.Data++;
            sample.Length--;
        }

        return true;
    }

    private static bool TrimEnd(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var chars = arguments[0] is { } a ? a.Bytes : default;
        while (sample.Length > 0 && chars.Contains(sample.Data[sample.Length - 1]))
        {
            sample.Length--;
        }

        return true;
    }

    private static bool CutLine(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        int end = sample.Bytes.IndexOfAny((byte)'\r', (byte)'\n');
        sample.Length = end < 0 ? sample.Length : end;
        return true;
    }

    private static string? CheckConcat(SampleArguments arguments, SampleContext context)
    {
        if (arguments[1] is not { Text.Length: > 0 } variable)
        {
            return null;
        }

        if (VariableName.Parse(variable.Text, out _) is not { } name)
        {
            return $"failed to register variable name '{variable.Text}'";
        }

        arguments.Data = name;
        return null;
    }

    private static string? CheckAddItem(SampleArguments arguments, SampleContext context) =>
        arguments[1]?.Length > 0 || arguments[2]?.Length > 0 ? CheckConcat(arguments, context)
            : "one of the optional arguments has to be nonempty";

    /// <summary>The variable of concat and add_item as text; empty where there is none.</summary>
    private static ReadOnlySpan<byte> Variable(SampleScope scope, SampleArguments arguments)
    {
        var value = default(Sample);
        return arguments.Data is VariableName name && scope.TryGetVariable(name, ref value)
            && SampleCasts.Apply(scope, ref value, SampleType.Str) ? value.Bytes : default;
    }

    private static bool Concat(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var start = arguments[0] is { } s ? s.Bytes : default;
        var end = arguments[2] is { } e ? e.Bytes : default;
        return Join(scope, ref sample, start, Variable(scope, arguments), end);
    }

    private static bool AddItem(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var delimiter = arguments[0] is { } d && sample.Length > 0 ? d.Bytes : default;
        var suffix = arguments[2] is { } s ? s.Bytes : default;
        var variable = Variable(scope, arguments);
        return variable.IsEmpty && suffix.IsEmpty || Join(scope, ref sample, delimiter, variable, suffix);
    }

    private static bool Join(
        SampleScope scope, ref Sample sample, ReadOnlySpan<byte> a, ReadOnlySpan<byte> b, ReadOnlySpan<byte> c)
    {
        int length = sample.Length + a.Length + b.Length + c.Length;
        byte* p = scope.Temporary.Take(length);
        if (p == null)
        {
            return false;
        }

        var into = new Span<byte>(p, length);
        sample.Bytes.CopyTo(into);
        a.CopyTo(into[sample.Length..]);
        b.CopyTo(into[(sample.Length + a.Length)..]);
        c.CopyTo(into[(sample.Length + a.Length + b.Length)..]);
        sample.SetText(p, length);
        return true;
    }

    private static bool Choose(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var chosen = arguments[sample.Integer != 0 ? 0 : 1]!;
        sample.SetText(chosen.Data, chosen.Length);
        return true;
    }

    private sealed record Replacement(ByteRegex Regex, Substitution Text, bool All);

    private static string? CheckReplace(SampleArguments arguments, SampleContext context)
    {
        string flags = arguments[2]?.Text ?? "";
        foreach (char c in flags)
        {
            if (c is not ('i' or 'g'))
            {
                return $"invalid regex flag '{c}', only 'i' and 'g' are supported";
            }
        }

        if (ByteRegex.Create(arguments[0]!.Text, flags.Contains('i'), capture: true, out string error) is not { } regex)
        {
            return error;
        }

        if (Substitution.Create(arguments[1]!.Bytes) is not { } text)
        {
            return $"invalid substitution '{arguments[1]!.Text}'";
        }

        arguments.Data = new Replacement(regex, text, flags.Contains('g'));
        return null;
    }

    private static bool Replace(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var replacement = (Replacement)arguments.Data!;
        int size = scope.Config?.Global.BufferSize ?? 16384;
        byte* p = scope.Temporary.Take(size);
        int n = p == null ? -1 : replacement.Regex.Replace(
            sample.Bytes, replacement.Text, replacement.All, new Span<byte>(p, size));
        if (n < 0)
        {
            return false;
        }

        sample.SetText(p, n);
        return true;
    }

    /// <summary>Where the port's colon stands in a Host value, -1 = there is no port.</summary>
    private static int PortColon(ReadOnlySpan<byte> host)
    {
        int colon = host.LastIndexOf((byte)':');
        return colon > host.LastIndexOf((byte)']') ? colon : -1;
    }

    private static bool Host(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        int colon = PortColon(sample.Bytes);
        int length = colon < 0 ? sample.Length : colon;
        byte* p = scope.Temporary.Take(length);
        for (int i = 0; p != null && i < length; i++)
        {
            p[i] = TextFold.Lower(sample.Data[i]);
        }

        sample.SetText(p, length);
        return p != null;
    }

    private static bool Port(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        int colon = PortColon(sample.Bytes);
        uint port = 0;
        for (int i = colon + 1; colon >= 0 && i < sample.Length; i++)
        {
            port = unchecked((port * 10) + sample.Data[i] - '0'); // not checked for digits, as in the original
        }

        sample.SetInteger(port);
        return true;
    }

    private static bool Capture(byte[]?[]? slots, SampleArguments arguments, ref Sample sample)
    {
        long slot = arguments.Integer(0, 0);
        if (slots is null || slot < 0 || slot >= slots.Length)
        {
            return false;
        }

        slots[slot] = sample.Bytes.ToArray();
        return true;
    }
}
