using System.Buffers.Binary;
using System.Buffers.Text;
using System.Net;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>The implicit conversions between types, as the original does them.</summary>
internal static unsafe class SampleCasts
{
    private const int LongestAddress = 46;
    private const long MapTag = 0xffff;

    private static readonly byte[][] MethodNames =
    [
        [.. "OPTIONS"u8], [.. "GET"u8], [.. "HEAD"u8], [.. "POST"u8], [.. "PUT"u8], [.. "DELETE"u8], [.. "TRACE"u8],
        [.. "CONNECT"u8],
    ];

    /// <summary>May a value of one type be given where another is expected? Decided when the configuration is read.</summary>
    public static bool Possible(SampleType from, SampleType to) => from == to || (from, to) switch
    {
        (SampleType.Any, _) or (_, SampleType.Any) => true,
        (_, SampleType.Str) => true,
        (SampleType.Address, SampleType.Bin) => false,
        (_, SampleType.Bin) => true,
        (SampleType.Bin, _) => false,
        (SampleType.Method, _) => false,
        (SampleType.Str, _) => true,
        (_, SampleType.Method) => false,
        (SampleType.Bool, _) => to == SampleType.Sint,
        (SampleType.Ipv6, _) => to is SampleType.Address or SampleType.Ipv4,
        _ => true,
    };

    /// <summary>The number of a known method, else <see cref="HttpMethod.Other"/>.</summary>
    public static HttpMethod FindMethod(ReadOnlySpan<byte> name)
    {
        for (int i = 0; i < MethodNames.Length; i++)
        {
            if (name.SequenceEqual(MethodNames[i]))
            {
                return (HttpMethod)i;
            }
        }

        return HttpMethod.Other;
    }

    /// <summary>A known method's name.</summary>
    public static ReadOnlySpan<byte> MethodName(HttpMethod method) => MethodNames[(int)method];

    /// <summary>Makes the sample one of that type; false where its value does not allow it.</summary>
    public static bool Apply(SampleScope scope, ref Sample s, SampleType to)
    {
        if (s.Type == to || to == SampleType.Any)
        {
            return true;
        }

        return to switch
        {
            SampleType.Bool => ToInteger(ref s) && ToBool(ref s),
            SampleType.Sint => ToInteger(ref s),
            SampleType.Address => s.Type is SampleType.Ipv4 or SampleType.Ipv6 || ToAddress(ref s),
            SampleType.Ipv4 => ToAddress(ref s) && ToV4(ref s),
            SampleType.Ipv6 => ToAddress(ref s) && ToV6(ref s),
            SampleType.Str => ToText(scope, ref s),
            SampleType.Bin => ToBinary(scope, ref s),
            SampleType.Method => ToMethod(ref s),
            _ => false,
        };
    }

    /// <summary>
    /// The number text begins with, 0 where it begins with none; at the ends of the range it stays there. Only a sign
    /// directly before the digits counts.
    /// </summary>
    public static long Number(ReadOnlySpan<byte> text)
    {
        int i = 0;
        bool negative = text.Length > 0 && text[0] == '-';
        if (text.Length > 0 && text[0] is (byte)'-' or (byte)'+')
        {
            i++;
        }

        long value = 0;
        for (; i < text.Length && text[i] is >= (byte)'0' and <= (byte)'9'; i++)
        {
            int digit = text[i] - '0';
            if (value > (long.MaxValue - digit) / 10)
            {
                return negative ? long.MinValue : long.MaxValue;
            }

            value = (value * 10) + digit;
        }

        return negative ? -value : value;
    }

    /// <summary>4 or 16 bytes of an address in text; 0 = none.</summary>
    public static int Address(ReadOnlySpan<byte> text, Span<byte> into)
    {
        if (text.IsEmpty || text.Length >= LongestAddress)
        {
            return 0;
        }

        if (V4(text, into))
        {
            return 4;
        }

        Span<char> chars = stackalloc char[LongestAddress];
        int colons = 0;
        for (int i = 0; i < text.Length; i++)
        {
            chars[i] = (char)text[i];
            colons += text[i] == ':' ? 1 : 0;
            if (text[i] is (byte)'%' or (byte)'[' or (byte)']' or (byte)'/')
            {
                return 0;
            }
        }

        if (colons == 0)
        {
            return 0;
        }

        return IPAddress.TryParse(chars[..text.Length], out var ip) && ip.TryWriteBytes(into, out int n) ? n : 0;
    }

    /// <summary>Four numbers; what follows the last one counts only where it is one more dot.</summary>
    private static bool V4(ReadOnlySpan<byte> text, Span<byte> into)
    {
        int part = 0;
        int value = -1;
        for (int i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || text[i] == '.')
            {
                if (value < 0 || part > 3)
                {
                    return false;
                }

                into[part++] = (byte)value;
                value = -1;
                continue;
            }

            if (text[i] is < (byte)'0' or > (byte)'9')
            {
                if (part == 3 && value >= 0)
                {
                    into[part] = (byte)value;
                    return true;
                }

                return false;
            }

            value = (Math.Max(0, value) * 10) + text[i] - '0';
            if (value > 255)
            {
                return false;
            }
        }

        return part == 4;
    }

    private static bool ToBool(ref Sample s)
    {
        s.SetBool(s.Integer != 0);
        return true;
    }

    private static bool ToInteger(ref Sample s)
    {
        switch (s.Type)
        {
            case SampleType.Bool or SampleType.Sint:
                s.Type = SampleType.Sint;
                return true;
            case SampleType.Str:
                bool any = s.Length > 0;
                s.SetInteger(Number(s.Bytes));
                return any;
            case SampleType.Ipv4:
                s.SetInteger(BinaryPrimitives.ReadUInt32BigEndian(s.AddressSpan));
                return true;
            default:
                return false;
        }
    }

    private static bool ToAddress(ref Sample s)
    {
        switch (s.Type)
        {
            case SampleType.Ipv4 or SampleType.Ipv6:
                return true;
            case SampleType.Sint:
                Span<byte> four = stackalloc byte[4];
                BinaryPrimitives.WriteUInt32BigEndian(four, (uint)s.Integer);
                s.SetAddress(four);
                return true;
            case SampleType.Str:
                Span<byte> bytes = stackalloc byte[16];
                int n = Address(s.Bytes, bytes);
                if (n > 0)
                {
                    s.SetAddress(bytes[..n]);
                }

                return n > 0;
            default:
                return false;
        }
    }

    private static bool ToV4(ref Sample s)
    {
        if (s.Type == SampleType.Ipv4)
        {
            return true;
        }

        var six = s.AddressSpan;
        bool mapped = six[..10].IndexOfAnyExcept((byte)0) < 0
            && BinaryPrimitives.ReadUInt16BigEndian(six[10..]) == MapTag;
        if (mapped)
        {
            Span<byte> four = stackalloc byte[4];
            six[12..].CopyTo(four);
            s.SetAddress(four);
        }

        return mapped;
    }

    private static bool ToV6(ref Sample s)
    {
        if (s.Type == SampleType.Ipv4)
        {
            Span<byte> six = stackalloc byte[16];
            six.Clear();
            six[10] = six[11] = 0xff;
            s.AddressSpan.CopyTo(six[12..]);
            s.SetAddress(six);
        }

        return true;
    }

    private static bool ToText(SampleScope scope, ref Sample s)
    {
        Span<byte> text = stackalloc byte[LongestAddress];
        int n;
        switch (s.Type)
        {
            case SampleType.Bin:
                int end = s.Bytes.IndexOf((byte)0);
                s.Length = end < 0 ? s.Length : end;
                s.Type = SampleType.Str;
                return true;
            case SampleType.Bool or SampleType.Sint:
                _ = Utf8Formatter.TryFormat(s.Integer, text, out n);
                return s.SetCopy(scope, text[..n]);
            case SampleType.Ipv4 or SampleType.Ipv6:
                _ = FormatAddress(s.AddressSpan, text, out n);
                return s.SetCopy(scope, text[..n]);
            case SampleType.Method when s.Integer != (long)HttpMethod.Other:
                return s.SetCopy(scope, MethodNames[s.Integer]);
            case SampleType.Method:
                s.Type = SampleType.Str;
                return true;
            default:
                return false;
        }
    }

    /// <summary>An address as text: at most 45 bytes.</summary>
    public static bool FormatAddress(ReadOnlySpan<byte> address, Span<byte> into, out int written)
    {
        if (address.Length == 4)
        {
            written = 0;
            for (int i = 0; i < 4; i++)
            {
                _ = Utf8Formatter.TryFormat(address[i], into[written..], out int n);
                written += n;
                if (i < 3)
                {
                    into[written++] = (byte)'.';
                }
            }

            return true;
        }

        return new IPAddress(address).TryFormat(into, out written);
    }

    private static bool ToBinary(SampleScope scope, ref Sample s)
    {
        switch (s.Type)
        {
            case SampleType.Str:
                s.Type = SampleType.Bin;
                return true;
            case SampleType.Bool or SampleType.Sint:
                Span<byte> number = stackalloc byte[sizeof(long)];
                BinaryPrimitives.WriteInt64BigEndian(number, s.Integer);
                return s.SetCopy(scope, number, SampleType.Bin);
            case SampleType.Ipv4 or SampleType.Ipv6:
                Span<byte> address = stackalloc byte[16];
                s.AddressSpan.CopyTo(address);
                return s.SetCopy(scope, address[..(s.Type == SampleType.Ipv4 ? 4 : 16)], SampleType.Bin);
            case SampleType.Method:
                bool good = ToText(scope, ref s);
                s.Type = SampleType.Bin;
                return good;
            default:
                return false;
        }
    }

    private static bool ToMethod(ref Sample s)
    {
        if (s.Type != SampleType.Str)
        {
            return false;
        }

        s.Integer = (long)FindMethod(s.Bytes);
        s.Type = SampleType.Method;
        return true;
    }
}
