using Buoy.Balancer.Engine.Http;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>Request line, status line, header fields and query parameters (manual 7.3.6).</summary>
internal static unsafe class HttpFetches
{
    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("method", "", SampleType.Method, SampleSource.Request, Method),
        new("path", "", SampleType.Str, SampleSource.RequestHeaders, Path),
        new("pathq", "", SampleType.Str, SampleSource.RequestHeaders, PathAndQuery),
        new("query", "", SampleType.Str, SampleSource.RequestHeaders, Query),
        new("url", "", SampleType.Str, SampleSource.RequestHeaders, Url),
        new("base", "", SampleType.Str, SampleSource.RequestHeaders, Base),
        new("req.ver", "", SampleType.Str, SampleSource.RequestHeaders, RequestVersion),
        new("req_ver", "", SampleType.Str, SampleSource.RequestHeaders, RequestVersion),
        new("res.ver", "", SampleType.Str, SampleSource.ResponseHeaders, ResponseVersion),
        new("resp_ver", "", SampleType.Str, SampleSource.ResponseHeaders, ResponseVersion),
        new("status", "", SampleType.Sint, SampleSource.Response, Status),
        .. Headers("req.", SampleSource.RequestHeaders),
        .. Headers("res.", SampleSource.ResponseHeaders),
        .. Headers("", SampleSource.EitherHeaders),
        .. Headers("s", SampleSource.ResponseHeaders),
        new("req.fhdr", "[string,integer]", SampleType.Str, SampleSource.RequestHeaders, FullHeader, LowerName),
        new("req.fhdr_cnt", "[string]", SampleType.Sint, SampleSource.RequestHeaders, FullHeaderCount, LowerName),
        new("res.fhdr", "[string,integer]", SampleType.Str, SampleSource.ResponseHeaders, FullResponse, LowerResponse),
        new("res.fhdr_cnt", "[string]", SampleType.Sint, SampleSource.ResponseHeaders, FullResponseCount, LowerResponse),
        new("url_param", "[string,string]", SampleType.Str, SampleSource.RequestHeaders, UrlParameter, CheckParameter),
        new("urlp", "[string,string]", SampleType.Str, SampleSource.RequestHeaders, UrlParameter, CheckParameter),
        new("urlp_val", "[string,string]", SampleType.Sint, SampleSource.RequestHeaders, UrlValue, CheckParameter),
    ];

    private static IEnumerable<FetchEntry> Headers(string prefix, SampleSource source)
    {
        bool response = source == SampleSource.ResponseHeaders;
        bool either = source == SampleSource.EitherHeaders;
        ArgumentCheck check = response ? LowerResponse : LowerName;
        FetchFunction value = either ? AnyHeader : response ? ResponseHeader : RequestHeader;
        return
        [
            new($"{prefix}hdr", "[string,integer]", SampleType.Str, source, value, check),
            new($"{prefix}hdr_cnt", "[string]", SampleType.Sint, Own(source),
                response ? ResponseHeaderCount : RequestHeaderCount, check),
            new($"{prefix}hdr_val", "[string,integer]", SampleType.Sint, Own(source),
                response ? ResponseHeaderValue : RequestHeaderValue, check),
            new($"{prefix}hdr_ip", "[string,integer]", SampleType.Ipv4, Own(source),
                response ? ResponseHeaderIp : RequestHeaderIp, check),
        ];
    }

    /// <summary>Only <c>hdr</c> itself may mean either message.</summary>
    private static SampleSource Own(SampleSource source) =>
        source == SampleSource.EitherHeaders ? SampleSource.RequestHeaders : source;

    // The start line.

    private static bool Method(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var m = scope.Request;
        if (!Ready(scope, m, ref sample))
        {
            return false;
        }

        sample.SetText(m.Method, m.MethodLength, SampleType.Method);
        sample.Integer = (long)SampleCasts.FindMethod(m.MethodBytes);
        return true;
    }

    private static bool Path(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Ready(scope, scope.Request, ref sample) && Part(scope.Request.Path, ref sample);

    private static bool PathAndQuery(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Ready(scope, scope.Request, ref sample) && Part(scope.Request.PathAndQuery, ref sample);

    private static bool Query(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Ready(scope, scope.Request, ref sample) && Part(scope.Request.Query, ref sample, mayBeEmpty: true);

    private static bool Url(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Ready(scope, scope.Request, ref sample) && Part(scope.Request.UriBytes, ref sample);

    private static bool Base(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var m = scope.Request;
        if (!Ready(scope, m, ref sample))
        {
            return false;
        }

        int host = m.Find("host"u8);
        if (host < 0)
        {
            return Part(m.Path, ref sample);
        }

        var value = m.Lines[host].ValueBytes;
        var path = m.Path;
        path = path.Length > 0 && path[0] == '/' ? path : default;
        byte* p = scope.Temporary.Take(value.Length + path.Length);
        if (p == null)
        {
            return false;
        }

        value.CopyTo(new Span<byte>(p, value.Length));
        path.CopyTo(new Span<byte>(p + value.Length, path.Length));
        sample.SetText(p, value.Length + path.Length);
        return true;
    }

    private static bool RequestVersion(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Ready(scope, scope.Request, ref sample) && Version(scope, scope.Request, ref sample);

    private static bool ResponseVersion(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Ready(scope, scope.Response, ref sample) && Version(scope, scope.Response, ref sample);

    private static bool Version(SampleScope scope, HttpMessage m, ref Sample sample) =>
        sample.SetCopy(scope, m.Minor == 0 ? "1.0"u8 : "1.1"u8);

    private static bool Status(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!Ready(scope, scope.Response, ref sample))
        {
            return false;
        }

        sample.SetInteger(scope.Response.Status);
        return true;
    }

    // Header fields.

    private static string? LowerName(SampleArguments arguments, SampleContext context)
    {
        arguments.Data = new SampleArgument(ArgumentType.Text, arguments[0]?.Text.ToLowerInvariant() ?? "");
        return null;
    }

    private static string? LowerResponse(SampleArguments arguments, SampleContext context) => LowerName(arguments, context);

    private static bool RequestHeader(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Header(scope, scope.Request, arguments, ref sample);

    private static bool ResponseHeader(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Header(scope, scope.Response, arguments, ref sample);

    private static bool AnyHeader(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Header(scope, scope.CurrentMessage, arguments, ref sample);

    private static bool RequestHeaderCount(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        HeaderCount(scope, scope.Request, arguments, ref sample);

    private static bool ResponseHeaderCount(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        HeaderCount(scope, scope.Response, arguments, ref sample);

    private static bool RequestHeaderValue(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        HeaderNumber(scope, scope.Request, arguments, ref sample);

    private static bool ResponseHeaderValue(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        HeaderNumber(scope, scope.Response, arguments, ref sample);

    private static bool RequestHeaderIp(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        HeaderIp(scope, scope.Request, arguments, ref sample);

    private static bool ResponseHeaderIp(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        HeaderIp(scope, scope.Response, arguments, ref sample);

    private static bool FullHeader(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Ready(scope, scope.Request, ref sample) && Full(scope, scope.Request, arguments, ref sample);

    private static bool FullResponse(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Ready(scope, scope.Response, ref sample) && Full(scope, scope.Response, arguments, ref sample);

    private static bool FullHeaderCount(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        FullCount(scope, scope.Request, arguments, ref sample);

    private static bool FullResponseCount(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        FullCount(scope, scope.Response, arguments, ref sample);

    private static ReadOnlySpan<byte> Name(SampleArguments arguments) => ((SampleArgument)arguments.Data!).Bytes;

    /// <summary>
    /// One comma-separated value: with a number that occurrence (negative: from the end), else one after the other in
    /// an ACL, and the last where only one is asked for.
    /// </summary>
    private static bool Header(SampleScope scope, HttpMessage m, SampleArguments arguments, ref Sample sample)
    {
        if (!Ready(scope, m, ref sample))
        {
            return false;
        }

        long occurrence = arguments.Integer(1, 0);
        if (occurrence == 0 && !scope.Iterate)
        {
            occurrence = -1;
        }

        if (occurrence == 0)
        {
            return NextValue(m, Name(arguments), ref sample);
        }

        return Occurrence(m, Name(arguments), occurrence, ref sample);
    }

    /// <summary>The value with that number, from 1, or from the end where it is negative.</summary>
    public static bool Occurrence(HttpMessage m, ReadOnlySpan<byte> name, long occurrence, ref Sample sample)
    {
        if (occurrence < 0)
        {
            occurrence += CountValues(m, name) + 1;
            if (occurrence <= 0)
            {
                return false;
            }
        }

        var values = new HeaderValues(m, name);
        for (long i = 0; i < occurrence; i++)
        {
            if (!values.MoveNext())
            {
                return false;
            }
        }

        sample.SetText(values.Data, values.Length);
        return true;
    }

    private static long CountValues(HttpMessage m, ReadOnlySpan<byte> name)
    {
        long count = 0;
        for (var values = new HeaderValues(m, name); values.MoveNext();)
        {
            count++;
        }

        return count;
    }

    private static bool NextValue(HttpMessage m, ReadOnlySpan<byte> name, ref Sample sample)
    {
        var values = new HeaderValues(m, name) { Position = sample.Cursor };
        if (!values.MoveNext())
        {
            return false;
        }

        sample.SetText(values.Data, values.Length);
        sample.Cursor = values.Position;
        if (values.MoveNext())
        {
            sample.Flags |= SampleFlags.NotLast;
        }

        return true;
    }

    private static bool HeaderCount(SampleScope scope, HttpMessage m, SampleArguments arguments, ref Sample sample)
    {
        if (!Ready(scope, m, ref sample))
        {
            return false;
        }

        sample.SetInteger(CountValues(m, Name(arguments)));
        return true;
    }

    private static bool HeaderNumber(SampleScope scope, HttpMessage m, SampleArguments arguments, ref Sample sample)
    {
        if (!Header(scope, m, arguments, ref sample))
        {
            return false;
        }

        // 32 bits that wrap, as the original reads header numbers.
        uint value = 0;
        var text = sample.Bytes;
        int i = text.Length > 0 && text[0] == '-' ? 1 : 0;
        for (; i < text.Length && text[i] is >= (byte)'0' and <= (byte)'9'; i++)
        {
            value = unchecked((value * 10) + text[i] - '0');
        }

        sample.SetInteger(unchecked((int)(text.Length > 0 && text[0] == '-' ? 0 - value : value)));
        return true;
    }

    private static bool HeaderIp(SampleScope scope, HttpMessage m, SampleArguments arguments, ref Sample sample)
    {
        Span<byte> address = stackalloc byte[16];
        while (Header(scope, m, arguments, ref sample))
        {
            int n = SampleCasts.Address(sample.Bytes, address);
            if (n > 0)
            {
                sample.SetAddress(address[..n]);
                return true;
            }

            if ((sample.Flags & SampleFlags.NotLast) == 0)
            {
                return false;
            }

            sample.Flags = SampleFlags.None;
        }

        return false;
    }

    private static bool Full(SampleScope scope, HttpMessage m, SampleArguments arguments, ref Sample sample)
    {
        long occurrence = arguments.Integer(1, 0);
        var name = Name(arguments);
        occurrence = occurrence == 0 && !scope.Iterate ? -1 : occurrence;
        if (occurrence == 0)
        {
            int at = FindLine(m, name, (int)sample.Cursor);
            if (at < 0)
            {
                return false;
            }

            sample.SetText(m.Lines[at].Value, m.Lines[at].ValueLength);
            sample.Cursor = at + 1;
            sample.Flags |= FindLine(m, name, at + 1) >= 0 ? SampleFlags.NotLast : SampleFlags.None;
            return true;
        }

        int count = 0;
        for (int i = FindLine(m, name, 0); i >= 0; i = FindLine(m, name, i + 1))
        {
            count++;
        }

        long wanted = occurrence < 0 ? count + occurrence : occurrence - 1;
        int line = -1;
        for (long i = 0; i <= wanted && wanted < count; i++)
        {
            line = FindLine(m, name, line + 1);
        }

        if (line < 0)
        {
            return false;
        }

        sample.SetText(m.Lines[line].Value, m.Lines[line].ValueLength);
        return true;
    }

    private static int FindLine(HttpMessage m, ReadOnlySpan<byte> name, int from) =>
        name.IsEmpty ? (from < m.Count ? from : -1) : m.Find(name, from);

    private static bool FullCount(SampleScope scope, HttpMessage m, SampleArguments arguments, ref Sample sample)
    {
        if (!Ready(scope, m, ref sample))
        {
            return false;
        }

        int count = 0;
        for (int i = FindLine(m, Name(arguments), 0); i >= 0; i = FindLine(m, Name(arguments), i + 1))
        {
            count++;
        }

        sample.SetInteger(count);
        return true;
    }

    // Query parameters.

    private static string? CheckParameter(SampleArguments arguments, SampleContext context) =>
        arguments[1] is { } delimiter && delimiter.Length > 1 ? "delimiter must be a single character" : null;

    private static bool UrlParameter(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var m = scope.Request;
        if (!Ready(scope, m, ref sample))
        {
            return false;
        }

        byte delimiter = arguments[1] is { Length: 1 } d ? d.Bytes[0] : (byte)'?';
        var uri = m.UriBytes;
        int at = (int)sample.Cursor;
        if (at == 0)
        {
            int mark = uri.IndexOf(delimiter);
            if (mark < 0)
            {
                return false;
            }

            at = mark + 1;
        }

        return QueryParameters.Find(
            m.Uri, uri.Length, at, delimiter == '?' ? (byte)'&' : delimiter,
            arguments[0] is { Length: > 0 } name ? name.Bytes : default, ref sample);
    }

    private static bool UrlValue(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        UrlParameter(scope, arguments, ref sample) && SampleCasts.Apply(scope, ref sample, SampleType.Sint);

    private static bool Part(ReadOnlySpan<byte> part, ref Sample sample, bool mayBeEmpty = false)
    {
        if (part.IsEmpty && !mayBeEmpty)
        {
            return false;
        }

        // A part of a message: it does not move.
        fixed (byte* p = part)
        {
            sample.SetText(p, part.Length);
        }

        return true;
    }

    /// <summary>Is the head there? If not, it may still come in TCP content rules.</summary>
    public static bool Ready(SampleScope scope, HttpMessage message, ref Sample sample)
    {
        if (!message.Present && !scope.Final)
        {
            sample.Flags |= SampleFlags.MayChange;
        }

        return message.Present;
    }
}
