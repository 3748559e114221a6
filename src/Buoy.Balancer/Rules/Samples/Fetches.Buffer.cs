using System.Buffers.Binary;
using Buoy.Balancer.Engine.Http;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>What was received of a side and not yet sent on (manual 7.3.5), as TCP content rules see it.</summary>
internal static unsafe class BufferFetches
{
    /// <summary>Bytes of a length field at most.</summary>
    private const int LongestLength = 4;

    [ThreadStatic]
    private static HttpHead? _parser;

    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("req.len", "", SampleType.Sint, SampleSource.RequestBuffer, RequestLength),
        new("req_len", "", SampleType.Sint, SampleSource.RequestBuffer, RequestLength),
        new("res.len", "", SampleType.Sint, SampleSource.ResponseBuffer, ResponseLength),
        new("req.payload", "integer,integer", SampleType.Bin, SampleSource.RequestBuffer, RequestPayload, Check),
        new("res.payload", "integer,integer", SampleType.Bin, SampleSource.ResponseBuffer, ResponsePayload, Check),
        new("payload", "integer,integer", SampleType.Bin, SampleSource.EitherBuffer, EitherPayload, Check),
        new("req.payload_lv", "integer,integer[,string]", SampleType.Bin, SampleSource.RequestBuffer, RequestField, CheckField),
        new("res.payload_lv", "integer,integer[,string]", SampleType.Bin, SampleSource.ResponseBuffer, ResponseField, CheckField),
        new("payload_lv", "integer,integer[,string]", SampleType.Bin, SampleSource.EitherBuffer, EitherField, CheckField),
        new("wait_end", "", SampleType.Bool, SampleSource.InternalState, WaitEnd),
        new("req.proto_http", "", SampleType.Bool, SampleSource.Request, ProtocolHttp),
        new("req_proto_http", "", SampleType.Bool, SampleSource.Request, ProtocolHttp),
        new("req.rdp_cookie", "[string]", SampleType.Str, SampleSource.RequestBuffer, RdpCookie),
        new("rdp_cookie", "[string]", SampleType.Str, SampleSource.RequestBuffer, RdpCookie),
        new("req.rdp_cookie_cnt", "[string]", SampleType.Sint, SampleSource.RequestBuffer, RdpCookieCount),
        new("rdp_cookie_cnt", "[string]", SampleType.Sint, SampleSource.RequestBuffer, RdpCookieCount),
    ];

    private static bool RequestLength(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (scope.Http)
        {
            sample.SetInteger(scope.Request.Present ? scope.Request.StoredSize : 0);
            return true;
        }

        sample.SetInteger(scope.RequestLength);
        Open(scope, ref sample);
        return true;
    }

    private static bool ResponseLength(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (scope.Http)
        {
            sample.SetInteger(scope.Response.Present ? scope.Response.StoredSize : 0);
            return true;
        }

        sample.SetInteger(scope.ResponseLength);
        Open(scope, ref sample);
        return true;
    }

    private static string? Check(SampleArguments arguments, SampleContext context) =>
        arguments.Integer(0, 0) < 0 ? "payload offset can't be negative"
            : arguments.Integer(1, 0) < 0 ? "payload length can't be negative" : null;

    private static string? CheckField(SampleArguments arguments, SampleContext context)
    {
        if (arguments.Integer(0, 0) < 0)
        {
            return "payload offset1 can't be negative";
        }

        if (arguments.Integer(1, 0) is <= 0 or > LongestLength)
        {
            return "payload length must be > 0";
        }

        if (arguments[2] is { Length: > 0 } offset)
        {
            offset.Integer = Configuration.Units.Atol(offset.Text, out string rest);
            if (rest.Length > 0)
            {
                return "payload offset2 is not a number";
            }

            bool relative = offset.Text[0] is '+' or '-';
            if (relative && arguments.Integer(0, 0) + arguments.Integer(1, 0) + offset.Integer < 0)
            {
                return "payload offset2 too negative";
            }
        }

        return null;
    }

    private static bool RequestPayload(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Payload(scope, scope.RequestBytes, scope.RequestLength, arguments, ref sample);

    private static bool ResponsePayload(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Payload(scope, scope.ResponseBytes, scope.ResponseLength, arguments, ref sample);

    private static bool EitherPayload(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        scope.IsResponse ? ResponsePayload(scope, arguments, ref sample) : RequestPayload(scope, arguments, ref sample);

    private static bool Payload(
        SampleScope scope, byte* data, int length, SampleArguments arguments, ref Sample sample)
    {
        long offset = arguments.Integer(0, 0);
        long wanted = arguments.Integer(1, 0);
        if (data == null || offset + wanted > length)
        {
            Open(scope, ref sample);
            return false;
        }

        long size = wanted == 0 ? Math.Max(0, length - offset) : wanted;
        sample.SetText(data + Math.Min(offset, length), (int)size, SampleType.Bin);
        if (wanted == 0)
        {
            Open(scope, ref sample);
        }

        return true;
    }

    private static bool RequestField(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Field(scope, scope.RequestBytes, scope.RequestLength, arguments, ref sample);

    private static bool ResponseField(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Field(scope, scope.ResponseBytes, scope.ResponseLength, arguments, ref sample);

    private static bool EitherField(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        scope.IsResponse ? ResponseField(scope, arguments, ref sample) : RequestField(scope, arguments, ref sample);

    private static bool Field(SampleScope scope, byte* data, int length, SampleArguments arguments, ref Sample sample)
    {
        long at = arguments.Integer(0, 0);
        long digits = arguments.Integer(1, 0);
        if (data == null || at + digits > length)
        {
            Open(scope, ref sample);
            return false;
        }

        long size = 0;
        for (long i = 0; i < digits; i++)
        {
            size = (size << 8) | data[at + i];
        }

        long start = at + digits;
        if (arguments[2] is { Length: > 0 } offset)
        {
            start = offset.Text[0] is '+' or '-' ? start + offset.Integer : offset.Integer;
        }

        if (size == 0)
        {
            return false;
        }

        if (start + size > length)
        {
            Open(scope, ref sample);
            return false;
        }

        sample.SetText(data + start, (int)size, SampleType.Bin);
        return true;
    }

    private static bool WaitEnd(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!scope.Final)
        {
            sample.Flags |= SampleFlags.MayChange;
            return false;
        }

        sample.SetBool(true);
        return true;
    }

    private static bool ProtocolHttp(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (scope.Request.Present || scope.Http)
        {
            sample.SetBool(true);
            return true;
        }

        var parser = _parser ??= new HttpHead();
        byte* copy = scope.RequestBytes == null ? null : scope.Temporary.Take(Math.Max(1, scope.RequestLength));
        if (copy == null)
        {
            Open(scope, ref sample);
            return false;
        }

        Buffer.MemoryCopy(scope.RequestBytes, copy, scope.RequestLength, scope.RequestLength);
        var result = scope.RequestLength == 0 ? ParseResult.Incomplete : parser.ParseRequest(copy, scope.RequestLength);
        if (result == ParseResult.Incomplete && !scope.Final)
        {
            sample.Flags |= SampleFlags.MayChange;
            return false;
        }

        sample.SetBool(result == ParseResult.Complete);
        return true;
    }

    // RDP: a TPKT header, an X.224 connection request, and "Cookie: name=value" in it.

    private static bool RdpCookie(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        const int Head = 11;
        byte* data = scope.RequestBytes;
        int length = scope.RequestLength;
        if (data == null || length <= Head)
        {
            Open(scope, ref sample);
            return false;
        }

        var bytes = new ReadOnlySpan<byte>(data, length);
        int total = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        if (bytes[0] != 3 || bytes[1] != 0 || bytes[5] != 0xe0 || total < Head)
        {
            return false;
        }

        if (total > length)
        {
            Open(scope, ref sample);
            return false;
        }

        var text = bytes[Head..total];
        if (!text.StartsWith("Cookie:"u8))
        {
            return false;
        }

        int at = "Cookie:"u8.Length;
        while (at < text.Length && text[at] == ' ')
        {
            at++;
        }

        int end = text[at..].IndexOfAny((byte)'\r', (byte)'\n');
        end = end < 0 ? text.Length : at + end;
        int equals = text[at..end].IndexOf((byte)'=');
        if (equals < 0)
        {
            return false;
        }

        var name = text[at..(at + equals)];
        if (arguments[0] is { Length: > 0 } wanted && !System.Text.Ascii.EqualsIgnoreCase(name, wanted.Bytes))
        {
            return false;
        }

        int value = at + equals + 1;
        int stop = text[value..end].IndexOf((byte)';');
        stop = stop < 0 ? end : value + stop;
        sample.SetText(data + Head + value, stop - value);
        return true;
    }

    private static bool RdpCookieCount(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        bool found = RdpCookie(scope, arguments, ref sample);
        if (!found && (sample.Flags & SampleFlags.MayChange) != 0)
        {
            return false;
        }

        sample.SetInteger(found ? 1 : 0);
        return true;
    }

    /// <summary>More bytes may come and change it.</summary>
    private static void Open(SampleScope scope, ref Sample sample)
    {
        if (!scope.Final)
        {
            sample.Flags |= SampleFlags.MayChange;
        }
    }
}
