using System.Buffers.Binary;
using Buoy.Balancer.Engine.Balance;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>Parts and hashes of the target, names of fields, credentials (manual 7.3.6).</summary>
internal static unsafe class UrlFetches
{
    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("baseq", "", SampleType.Str, SampleSource.RequestHeaders, BaseQuery),
        new("base32", "", SampleType.Sint, SampleSource.RequestHeaders, Base32),
        new("base32+src", "", SampleType.Bin, SampleSource.RequestHeaders,
            (SampleScope c, SampleArguments a, ref Sample s) => Base32(c, a, ref s) && WithSource(c, ref s)),
        new("url32", "", SampleType.Sint, SampleSource.RequestHeaders, Url32),
        new("url32+src", "", SampleType.Bin, SampleSource.RequestHeaders,
            (SampleScope c, SampleArguments a, ref Sample s) => Url32(c, a, ref s) && WithSource(c, ref s)),
        new("url_ip", "", SampleType.Ipv4, SampleSource.RequestHeaders, UrlAddress),
        new("url_port", "", SampleType.Sint, SampleSource.RequestHeaders, UrlPort),
        new("req.hdr_names", "[string]", SampleType.Str, SampleSource.RequestHeaders,
            (SampleScope c, SampleArguments a, ref Sample s) => Names(c, c.Request, a, ref s)),
        new("res.hdr_names", "[string]", SampleType.Str, SampleSource.ResponseHeaders,
            (SampleScope c, SampleArguments a, ref Sample s) => Names(c, c.Response, a, ref s)),
        new("req.hdrs", "", SampleType.Bin, SampleSource.RequestHeaders,
            (SampleScope c, SampleArguments _, ref Sample s) => All(c, c.Request, ref s)),
        new("res.hdrs", "", SampleType.Bin, SampleSource.ResponseHeaders,
            (SampleScope c, SampleArguments _, ref Sample s) => All(c, c.Response, ref s)),
    ];

    /// <summary>Host and path, the query string as well where asked for.</summary>
    private static bool Base(SampleScope scope, bool query, ref Sample sample)
    {
        var m = scope.Request;
        if (!HttpFetches.Ready(scope, m, ref sample))
        {
            return false;
        }

        int line = m.Find("host"u8);
        var host = line < 0 ? default : m.Lines[line].ValueBytes;
        var path = query ? m.PathAndQuery : m.Path;
        path = !path.IsEmpty && path[0] == '/' ? path : default;
        byte* p = scope.Temporary.Take(host.Length + path.Length);
        if (p == null)
        {
            return false;
        }

        host.CopyTo(new Span<byte>(p, host.Length));
        path.CopyTo(new Span<byte>(p + host.Length, path.Length));
        sample.SetText(p, host.Length + path.Length);
        return true;
    }

    private static bool BaseQuery(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        Base(scope, query: true, ref sample);

    private static bool Base32(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!Base(scope, query: false, ref sample))
        {
            return false;
        }

        sample.SetInteger(Hashes.Avalanche(Hashes.Sdbm(sample.Bytes)));
        return true;
    }

    /// <summary>Host and the target up to its end.</summary>
    private static bool Url32(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!Base(scope, query: true, ref sample))
        {
            return false;
        }

        sample.SetInteger(Hashes.Avalanche(Hashes.Sdbm(sample.Bytes)));
        return true;
    }

    /// <summary>Four bytes of the hash, then the client's address.</summary>
    private static bool WithSource(SampleScope scope, ref Sample sample)
    {
        Span<byte> bytes = stackalloc byte[20];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)sample.Integer);
        var source = default(Sample);
        if (!ConnectionFetches.Address(scope.Source, ref source))
        {
            return false;
        }

        source.AddressSpan.CopyTo(bytes[4..]);
        return sample.SetCopy(scope, bytes[..(4 + source.AddressSpan.Length)], SampleType.Bin);
    }

    /// <summary>Host and port of an absolute target, or of one that is an authority.</summary>
    private static ReadOnlySpan<byte> Authority(HttpMessage m)
    {
        var uri = m.UriBytes;
        int scheme = uri.IndexOf("://"u8);
        if (scheme < 0)
        {
            return default;
        }

        uri = uri[(scheme + 3)..];
        int end = uri.IndexOfAny((byte)'/', (byte)'?');
        uri = end < 0 ? uri : uri[..end];
        int at = uri.LastIndexOf((byte)'@');
        return uri[(at + 1)..];
    }

    private static bool UrlAddress(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!HttpFetches.Ready(scope, scope.Request, ref sample))
        {
            return false;
        }

        var host = Authority(scope.Request);
        int colon = host.LastIndexOf((byte)':');
        Span<byte> address = stackalloc byte[16];
        int n = SampleCasts.Address(colon < 0 ? host : host[..colon], address);
        if (n != 4)
        {
            return false;
        }

        sample.SetAddress(address[..n]);
        return true;
    }

    private static bool UrlPort(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (!HttpFetches.Ready(scope, scope.Request, ref sample))
        {
            return false;
        }

        const int HttpPort = 80;
        var host = Authority(scope.Request);
        int colon = host.LastIndexOf((byte)':');
        Span<byte> address = stackalloc byte[16];
        if (SampleCasts.Address(colon < 0 ? host : host[..colon], address) != 4)
        {
            return false;
        }

        sample.SetInteger(colon < 0 ? HttpPort : SampleCasts.Number(host[(colon + 1)..]));
        return true;
    }

    private static bool Names(SampleScope scope, HttpMessage m, SampleArguments arguments, ref Sample sample)
    {
        if (!HttpFetches.Ready(scope, m, ref sample))
        {
            return false;
        }

        byte delimiter = arguments[0] is { Length: > 0 } d ? d.Bytes[0] : (byte)',';
        int length = 0;
        for (int i = 0; i < m.Count; i++)
        {
            length += m.Lines[i].NameLength + 1;
        }

        byte* p = scope.Temporary.Take(length);
        if (p == null)
        {
            return false;
        }

        int n = 0;
        for (int i = 0; i < m.Count; i++)
        {
            if (n > 0)
            {
                p[n++] = delimiter;
            }

            m.Lines[i].NameBytes.CopyTo(new Span<byte>(p + n, length - n));
            n += m.Lines[i].NameLength;
        }

        sample.SetText(p, n);
        return true;
    }

    /// <summary>All fields as they would be sent, with the empty line.</summary>
    private static bool All(SampleScope scope, HttpMessage m, ref Sample sample)
    {
        if (!HttpFetches.Ready(scope, m, ref sample))
        {
            return false;
        }

        int length = 2;
        for (int i = 0; i < m.Count; i++)
        {
            length += m.Lines[i].NameLength + m.Lines[i].ValueLength + 4;
        }

        byte* p = scope.Temporary.Take(length);
        if (p == null)
        {
            return false;
        }

        var into = new Span<byte>(p, length);
        for (int i = 0; i < m.Count; i++)
        {
            m.Lines[i].NameBytes.CopyTo(into);
            into = into[m.Lines[i].NameLength..];
            ": "u8.CopyTo(into);
            m.Lines[i].ValueBytes.CopyTo(into[2..]);
            into = into[(2 + m.Lines[i].ValueLength)..];
            "\r\n"u8.CopyTo(into);
            into = into[2..];
        }

        "\r\n"u8.CopyTo(into);
        sample.SetText(p, length, SampleType.Bin);
        return true;
    }
}
