using System.Buffers.Binary;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>The TLS hello in the buffer of a connection that is passed on (manual 7.3.5).</summary>
internal static unsafe class TlsHelloFetches
{
    private const int ServerName = 0;
    private const int SupportedGroups = 10;
    private const int Alpn = 16;
    private const int SessionTicket = 35;

    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("req.ssl_hello_type", "", SampleType.Sint, SampleSource.RequestBuffer, RequestType),
        new("req_ssl_hello_type", "", SampleType.Sint, SampleSource.RequestBuffer, RequestType),
        new("res.ssl_hello_type", "", SampleType.Sint, SampleSource.ResponseBuffer, ResponseType),
        new("rep_ssl_hello_type", "", SampleType.Sint, SampleSource.ResponseBuffer, ResponseType),
        new("req.ssl_ver", "", SampleType.Sint, SampleSource.RequestBuffer, Version),
        new("req_ssl_ver", "", SampleType.Sint, SampleSource.RequestBuffer, Version),
        new("req.ssl_sni", "", SampleType.Str, SampleSource.RequestBuffer, Sni),
        new("req_ssl_sni", "", SampleType.Str, SampleSource.RequestBuffer, Sni),
        new("req.ssl_alpn", "", SampleType.Str, SampleSource.RequestBuffer, AlpnNames),
        new("req.ssl_ec_ext", "", SampleType.Bool, SampleSource.RequestBuffer, EllipticCurves),
        new("req.ssl_st_ext", "", SampleType.Sint, SampleSource.RequestBuffer, Ticket),
    ];

    private static bool Client(SampleScope scope, ref Sample sample, out TlsHello hello)
    {
        var result = TlsHello.Read(new ReadOnlySpan<byte>(scope.RequestBytes, scope.RequestLength), out hello);
        if (result == HelloResult.Incomplete && !scope.Final)
        {
            sample.Flags |= SampleFlags.MayChange;
        }

        return result == HelloResult.Found && hello.Type == 1;
    }

    private static bool RequestType(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Type(scope, new ReadOnlySpan<byte>(scope.RequestBytes, scope.RequestLength), ref sample);

    private static bool ResponseType(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Type(scope, new ReadOnlySpan<byte>(scope.ResponseBytes, scope.ResponseLength), ref sample);

    private static bool Type(SampleScope scope, ReadOnlySpan<byte> data, ref Sample sample)
    {
        var result = TlsHello.Read(data, out var hello);
        if (result == HelloResult.Incomplete && !scope.Final)
        {
            sample.Flags |= SampleFlags.MayChange;
        }

        if (result != HelloResult.Found)
        {
            return false;
        }

        sample.SetInteger(hello.Type);
        return true;
    }

    /// <summary>The higher number in the upper 16 bits, as patterns like 3.1 are read.</summary>
    private static bool Version(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!Client(scope, ref sample, out var hello))
        {
            return false;
        }

        sample.SetInteger(((hello.Version >> 8) << 16) | (hello.Version & 0xff));
        return true;
    }

    private static bool Sni(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!Client(scope, ref sample, out var hello) || !hello.TryExtension(ServerName, out var data) || data.Length < 5)
        {
            return false;
        }

        int length = BinaryPrimitives.ReadUInt16BigEndian(data[3..]);
        if (data[2] != 0 || length == 0 || 5 + length > data.Length)
        {
            return false;
        }

        fixed (byte* p = data.Slice(5, length))
        {
            sample.SetText(p, length); // of the scratch buffer: it does not move
        }

        return true;
    }

    private static bool AlpnNames(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!Client(scope, ref sample, out var hello) || !hello.TryExtension(Alpn, out var data) || data.Length < 3)
        {
            return false;
        }

        int length = Math.Min(data[2], data.Length - 3);
        fixed (byte* p = data.Slice(3, length))
        {
            sample.SetText(p, length);
        }

        return true;
    }

    private static bool EllipticCurves(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!Client(scope, ref sample, out var hello) || !hello.TryExtension(SupportedGroups, out _))
        {
            return false;
        }

        sample.SetBool(true);
        return true;
    }

    /// <summary>0: no ticket extension, 1: an empty one, 2: with a ticket.</summary>
    private static bool Ticket(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!Client(scope, ref sample, out var hello))
        {
            return false;
        }

        sample.SetInteger(!hello.TryExtension(SessionTicket, out var data) ? 0 : data.IsEmpty ? 1 : 2);
        return true;
    }
}
