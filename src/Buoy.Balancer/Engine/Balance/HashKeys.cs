using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Http;

namespace Buoy.Balancer.Engine.Balance;

/// <summary>Takes the key that <c>balance</c> hashes out of a request. False where there is none: servers take turns.</summary>
internal static unsafe class HashKeys
{
    /// <summary>The key's hash from a request head, and the body that came with it (check_post).</summary>
    public static bool FromRequest(ProxyConfig backend, HttpHead head, byte* data, int have, out uint hash)
    {
        var balance = backend.Balance;
        var target = new ReadOnlySpan<byte>(data + head.Target, head.TargetLength);
        ReadOnlySpan<byte> key;
        bool found;
        switch (balance.Algorithm)
        {
            case "uri":
                key = Uri(balance, target);
                found = true;
                break;
            case "url_param":
                int question = target.IndexOf((byte)'?');
                key = default;
                found = question >= 0 && Parameter(target[(question + 1)..], balance.Argument!, out key);
                if (!found && IsPost(head, data))
                {
                    // The original looks there without check_post too; check_post makes it wait for the body.
                    found = Parameter(Body(head, data, have), balance.Argument!, out key);
                }

                break;
            case "hdr":
                found = Header(head, data, balance.Argument!, out key);
                if (found && balance.DomainOnly)
                {
                    key = Domain(key);
                }

                break;
            default:
                hash = 0;
                return false;
        }

        hash = found ? Hashes.Of(backend.HashType, key) : 0;
        return found;
    }

    /// <summary>Must the body be waited for before a server can be chosen?</summary>
    public static bool WantsBody(ProxyConfig backend, HttpHead head, byte* data)
    {
        if (!backend.Balance.CheckPost || backend.Balance.Argument is null || !IsPost(head, data))
        {
            return false;
        }

        var target = new ReadOnlySpan<byte>(data + head.Target, head.TargetLength);
        int question = target.IndexOf((byte)'?');
        return question < 0 || !Parameter(target[(question + 1)..], backend.Balance.Argument, out _);
    }

    /// <summary>An RDP connection request's cookie: <c>Cookie: NAME=VALUE</c> after TPKT and X.224 headers.</summary>
    public static bool RdpCookie(ReadOnlySpan<byte> data, string name, out ReadOnlySpan<byte> value)
    {
        const int Headers = 11;
        value = default;
        if (data.Length < Headers || data[0] != 3 || data[5] != 0xE0)
        {
            return false;
        }

        data = data[Headers..];
        var label = "Cookie:"u8;
        if (data.Length <= label.Length || !System.Text.Ascii.EqualsIgnoreCase(data[..label.Length], label))
        {
            return false;
        }

        data = data[label.Length..].TrimStart((byte)' ');
        if (data.Length <= name.Length || data[name.Length] != '='
            || !System.Text.Ascii.EqualsIgnoreCase(data[..name.Length], name))
        {
            return false;
        }

        data = data[(name.Length + 1)..];
        int end = data.IndexOfAny((byte)'\r', (byte)'\n');
        value = end < 0 ? default : data[..end];
        return end >= 0;
    }

    internal static ReadOnlySpan<byte> Uri(BalanceConfig balance, ReadOnlySpan<byte> target)
    {
        if (balance.PathOnly)
        {
            int scheme = target.IndexOf("://"u8);
            if (scheme >= 0 && target[0] != '/')
            {
                int path = target[(scheme + 3)..].IndexOf((byte)'/');
                target = path < 0 ? target[^0..] : target[(scheme + 3 + path)..];
            }
        }

        int length = balance.Length > 0 ? Math.Min(balance.Length, target.Length) : target.Length;
        int slashes = 0;
        for (int i = 0; i < length; i++)
        {
            if ((target[i] == '/' && balance.Depth > 0 && slashes++ == balance.Depth)
                || (target[i] == '?' && !balance.Whole))
            {
                return target[..i];
            }
        }

        return target[..length];
    }

    internal static bool Parameter(ReadOnlySpan<byte> query, string name, out ReadOnlySpan<byte> value)
    {
        while (true)
        {
            int end = query.IndexOf((byte)'&');
            var part = end < 0 ? query : query[..end];
            if (part.Length > name.Length && part[name.Length] == '='
                && System.Text.Ascii.Equals(part[..name.Length], name))
            {
                value = part[(name.Length + 1)..];
                return true;
            }

            if (end < 0)
            {
                value = default;
                return false;
            }

            query = query[(end + 1)..];
        }
    }

    /// <summary>The second-last label; of a name without dot all of it. Ports are taken as part of the last label.</summary>
    internal static ReadOnlySpan<byte> Domain(ReadOnlySpan<byte> host)
    {
        int dot = host.LastIndexOf((byte)'.');
        if (dot <= 0)
        {
            return host;
        }

        int from = host[..(dot - 1)].LastIndexOf((byte)'.') + 1;
        return host[from..dot];
    }

    private static bool Header(HttpHead head, byte* data, string name, out ReadOnlySpan<byte> value)
    {
        for (int i = 0; i < head.Count; i++)
        {
            ref readonly var f = ref head.Fields[i];
            if (f.NameLength == name.Length && System.Text.Ascii.Equals(HttpHead.Name(data, f), name))
            {
                value = HttpHead.Value(data, f);
                int comma = value.IndexOf((byte)',');
                value = comma < 0 ? value : HttpHead.Trim(value[..comma]);
                return value.Length > 0;
            }
        }

        value = default;
        return false;
    }

    private static bool IsPost(HttpHead head, byte* data) =>
        new ReadOnlySpan<byte>(data + head.Method, head.MethodLength).SequenceEqual("POST"u8);

    /// <summary>What is here of the body; of a chunked one the first chunk.</summary>
    private static ReadOnlySpan<byte> Body(HttpHead head, byte* data, int have)
    {
        var body = new ReadOnlySpan<byte>(data + head.Length, have - head.Length);
        if (!head.Chunked)
        {
            return head.ContentLength < body.Length ? body[..(int)Math.Max(0, head.ContentLength)] : body;
        }

        int line = body.IndexOf((byte)'\n');
        int digits = body.IndexOfAnyExcept(System.Buffers.SearchValues.Create("0123456789abcdefABCDEF"u8));
        return line > 0 && digits is > 0 and < 8
            && System.Buffers.Text.Utf8Parser.TryParse(body[..digits], out int size, out _, 'x')
            ? body[(line + 1)..Math.Min(body.Length, line + 1 + size)] : default;
    }
}
