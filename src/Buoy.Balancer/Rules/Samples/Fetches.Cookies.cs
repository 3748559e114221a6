namespace Buoy.Balancer.Rules.Samples;

/// <summary>Cookies of requests and responses (manual 7.3.6).</summary>
internal static unsafe class CookieFetches
{
    public static IEnumerable<FetchEntry> Entries() =>
    [
        .. Family("req.cook", SampleSource.RequestHeaders, response: false),
        .. Family("cook", SampleSource.RequestHeaders, response: false),
        .. Family("res.cook", SampleSource.ResponseHeaders, response: true),
        .. Family("scook", SampleSource.ResponseHeaders, response: true),
        new("cookie", "[string]", SampleType.Str, SampleSource.EitherHeaders,
            (SampleScope c, SampleArguments a, ref Sample s) => Next(c, c.CurrentMessage, c.IsResponse, a, ref s)),
    ];

    private static FetchEntry[] Family(string prefix, SampleSource source, bool response) =>
    [
        new(prefix, "[string]", SampleType.Str, source,
            (SampleScope c, SampleArguments a, ref Sample s) =>
                Next(c, response ? c.Response : c.Request, response, a, ref s)),
        new(prefix + "_cnt", "[string]", SampleType.Sint, source,
            (SampleScope c, SampleArguments a, ref Sample s) =>
                Count(c, response ? c.Response : c.Request, response, a, ref s)),
        new(prefix + "_val", "[string]", SampleType.Sint, source,
            (SampleScope c, SampleArguments a, ref Sample s) =>
                Number(c, response ? c.Response : c.Request, response, a, ref s)),
    ];

    /// <summary>name=value pairs of Cookie lines; of a Set-Cookie line only the first is one.</summary>
    private ref struct Pairs(HttpMessage message, bool response, long position)
    {
        private int _line = (int)(position >> 32);
        private int _at = (int)(uint)position;

        public readonly long Position => ((long)_line << 32) | (uint)_at;

        public byte* Name { get; private set; }

        public int NameLength { get; private set; }

        public byte* Value { get; private set; }

        public int ValueLength { get; private set; }

        public bool MoveNext()
        {
            var wanted = response ? "set-cookie"u8 : "cookie"u8;
            while ((_line = message.Find(wanted, _line)) >= 0)
            {
                ref var field = ref message.Lines[_line];
                var text = field.ValueBytes;
                while (_at < text.Length && !(response && _at > 0))
                {
                    int end = End(text, _at);
                    int start = _at;
                    _at = end + 1;
                    if (Read(field.Value, start, end))
                    {
                        return true;
                    }
                }

                _line++;
                _at = 0;
            }

            return false;
        }

        private readonly int End(ReadOnlySpan<byte> text, int at)
        {
            bool quoted = false;
            for (; at < text.Length && (quoted || !(text[at] == ';' || (text[at] == ',' && !response))); at++)
            {
                quoted ^= text[at] == '"';
            }

            return at;
        }

        private bool Read(byte* data, int start, int end)
        {
            var pair = new ReadOnlySpan<byte>(data + start, end - start);
            int equals = pair.IndexOf((byte)'=');
            if (equals < 0)
            {
                return false;
            }

            var name = pair[..equals].Trim(" \t"u8);
            Name = data + start + (pair[..equals].IndexOfAnyExcept(" \t"u8) is var a and > 0 ? a : 0);
            NameLength = name.Length;
            var rest = pair[(equals + 1)..];
            int lead = rest.IndexOfAnyExcept(" \t"u8);
            lead = lead < 0 ? rest.Length : lead;
            var value = rest[lead..].TrimEnd(" \t"u8);
            Value = data + start + equals + 1 + lead;
            ValueLength = value.Length;
            return NameLength > 0;
        }
    }

    private static bool Is(in Pairs pairs, ReadOnlySpan<byte> name) =>
        name.IsEmpty || new ReadOnlySpan<byte>(pairs.Name, pairs.NameLength).SequenceEqual(name);

    private static bool Next(SampleScope scope, HttpMessage m, bool response, SampleArguments arguments,
        ref Sample sample)
    {
        if (!HttpFetches.Ready(scope, m, ref sample))
        {
            return false;
        }

        var name = arguments[0] is { } a ? a.Bytes : default;
        var pairs = new Pairs(m, response, sample.Cursor);
        bool found = false;
        while (pairs.MoveNext())
        {
            if (!Is(pairs, name))
            {
                continue;
            }

            // Without a test for each, the last one of a name counts; without a name, the first of all.
            if (found && (scope.Iterate || name.IsEmpty))
            {
                sample.Flags |= SampleFlags.NotLast;
                break;
            }

            sample.SetText(pairs.Value, pairs.ValueLength);
            sample.Cursor = pairs.Position;
            found = true;
        }

        return found;
    }

    private static bool Count(SampleScope scope, HttpMessage m, bool response, SampleArguments arguments,
        ref Sample sample)
    {
        if (!HttpFetches.Ready(scope, m, ref sample))
        {
            return false;
        }

        var name = arguments[0] is { } a ? a.Bytes : default;
        long count = 0;
        for (var pairs = new Pairs(m, response, 0); pairs.MoveNext();)
        {
            count += Is(pairs, name) ? 1 : 0;
        }

        sample.SetInteger(count);
        return true;
    }

    private static bool Number(SampleScope scope, HttpMessage m, bool response, SampleArguments arguments,
        ref Sample sample)
    {
        if (!Next(scope, m, response, arguments, ref sample))
        {
            return false;
        }

        sample.SetInteger(SampleCasts.Number(sample.Bytes));
        return true;
    }
}
