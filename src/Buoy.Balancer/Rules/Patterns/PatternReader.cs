using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Rules.Patterns;

/// <summary>Reads the text of patterns (configuration manual 7.1.1 to 7.1.6). Errors have the original's
/// words.</summary>
internal static class PatternReader
{
    private const int BitsV4 = 32;
    private const int BitsV6 = 128;

    /// <summary>Makes an element's text ready for a method; null and an error where it cannot be.</summary>
    /// <param name="element">Its pattern is read.</param>
    /// <param name="method">How it will be compared.</param>
    /// <param name="ignoreCase"><c>-i</c>.</param>
    /// <param name="resolve">Ip: names of hosts are looked up (only while the configuration is read, without
    /// <c>-n</c>).</param>
    /// <param name="error">For example <c>'x' is not a number</c>.</param>
    public static PatternEntry? Read(
        PatternElement element, MatchMethod method, bool ignoreCase, bool resolve, out string error)
    {
        error = "";
        string text = element.Pattern;
        switch (method)
        {
            case MatchMethod.Found or MatchMethod.Bool:
                return new PatternEntry { Element = element };
            case MatchMethod.Int or MatchMethod.Len:
                return Range(element, out error);
            case MatchMethod.Version:
                return Version(element, out error);
            case MatchMethod.Ip:
                return Network(element, resolve, out error);
            case MatchMethod.Bin:
                return Binary(element, out error);
            case MatchMethod.Reg or MatchMethod.Regm:
                return ByteRegex.Create(text, ignoreCase, method == MatchMethod.Regm, out error) is { } regex
                    ? new PatternEntry { Element = element, Regex = regex } : null;
            default:
                byte[] bytes = Encoding.Latin1.GetBytes(text);
                if (method is MatchMethod.Dir or MatchMethod.Dom)
                {
                    bytes = WordMatch.Strip(bytes, method);
                }

                return new PatternEntry { Element = element, Text = ignoreCase ? TextFold.Lower(bytes) : bytes };
        }
    }

    /// <summary>
    /// A number, or a range with a colon or, as the original reads it, a hyphen: <c>-3</c> is all up to 3.
    /// </summary>
    private static PatternEntry? Range(PatternElement element, out string error)
    {
        string text = element.Pattern;
        int digits = 0;
        while (digits < text.Length && char.IsAsciiDigit(text[digits]))
        {
            digits++;
        }

        long low = digits > 0 ? Units.Atol(text[..digits], out _) : long.MinValue;
        bool range = digits < text.Length && text[digits] is ':' or '-';
        string end = range ? text[(digits + 1)..] : "";
        string rest = "";
        long high = !range ? low : end.Length == 0 ? long.MaxValue : Units.Atol(end, out rest);
        bool good = range ? rest.Length == 0 && (digits > 0 || end.Length > 0) && low <= high : digits > 0
            && digits == text.Length;
        error = good ? "" : text.AsSpan().ContainsAny(':', '-') ? $"'{text}' is not a valid number range"
            : $"'{text}' is not a number";
        return good ? new PatternEntry { Element = element, Low = low, High = high } : null;
    }

    /// <summary><c>3</c>, <c>3.1</c>, <c>3:3.1</c>: major and minor in 16 bits each.</summary>
    private static PatternEntry? Version(PatternElement element, out string error)
    {
        string text = element.Pattern;
        int colon = text.IndexOf(':');
        string low = colon < 0 ? text : text[..colon];
        string high = colon < 0 ? text : text[(colon + 1)..];
        error = "";
        long? from = low.Length == 0 && colon >= 0 ? 0 : Number(low, 0);
        long? to = high.Length == 0 && colon >= 0 ? long.MaxValue : Number(high, 0);
        if (from is null || to is null || text is "" or ":" || to < from)
        {
            error = $"'{text}' is not a valid number or range";
            return null;
        }

        return new PatternEntry { Element = element, Low = from.Value, High = to.Value };

        static long? Number(string part, long minor)
        {
            int dot = part.IndexOf('.');
            string major = dot < 0 ? part : part[..dot];
            bool good = ushort.TryParse(major, NumberStyles.None, CultureInfo.InvariantCulture, out ushort a);
            if (dot >= 0)
            {
                good &= ushort.TryParse(part[(dot + 1)..], NumberStyles.None, CultureInfo.InvariantCulture,
                    out ushort b);
                minor = b;
            }

            return good ? ((long)a << 16) | minor : null;
        }
    }

    private static PatternEntry? Binary(PatternElement element, out string error)
    {
        string text = element.Pattern;
        error = "";
        if (text.Length % 2 != 0)
        {
            error = "an even number of hex digit is expected";
            return null;
        }

        foreach (char c in text)
        {
            if (!char.IsAsciiHexDigit(c))
            {
                error = $"an hex digit is expected (found '{c}')";
                return null;
            }
        }

        return new PatternEntry { Element = element, Text = Convert.FromHexString(text) };
    }

    private static PatternEntry? Network(PatternElement element, bool resolve, out string error)
    {
        string text = element.Pattern;
        int slash = text.IndexOf('/');
        string host = slash < 0 ? text : text[..slash];
        string? mask = slash < 0 ? null : text[(slash + 1)..];
        error = "";
        bool colon = host.Contains(':');
        if (!colon && (V4(host) ?? (resolve ? Lookup(host) : null)) is { } four && Mask4(mask) is { } cut)
        {
            return Entry4(element, four & cut, cut);
        }

        int bits = BitsV6;
        if (colon && !host.AsSpan().ContainsAny('%', '[', ']') && IPAddress.TryParse(host, out var six)
            && six.AddressFamily == AddressFamily.InterNetworkV6
            && (mask is null || int.TryParse(mask, NumberStyles.None, CultureInfo.InvariantCulture, out bits))
                && bits <= BitsV6)
        {
            return new PatternEntry { Element = element, Address = six.GetAddressBytes(), Bits = bits };
        }

        error = $"'{text}' is not a valid IPv4 or IPv6 address";
        return null;
    }

    private static PatternEntry Entry4(PatternElement element, uint address, uint mask)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, address);
        bool holes = (~mask & (~mask + 1)) != 0;
        int bits = holes ? -1 : System.Numerics.BitOperations.PopCount(mask);
        return new PatternEntry { Element = element, Address = bytes, Bits = bits, Mask = mask };
    }

    /// <summary>Dotted, also abbreviated: the last number is the last byte, what is left out is 0 (10.12 =
    /// 10.0.0.12).</summary>
    private static uint? V4(string text)
    {
        string[] parts = text.Split('.');
        if (parts.Length > 4)
        {
            return null;
        }

        uint value = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            if (parts[i].Length is 0 or > 3
                || !byte.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out byte b))
            {
                return null;
            }

            value |= (uint)b << (i == parts.Length - 1 ? 0 : 24 - (8 * i));
        }

        return value;
    }

    private static uint? Mask4(string? text)
    {
        if (text is null)
        {
            return uint.MaxValue;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int bits))
        {
            return bits > BitsV4 ? null : bits == 0 ? 0 : uint.MaxValue << (BitsV4 - bits);
        }

        return text.Count(c => c == '.') == 3 ? V4(text) : null;
    }

    private static uint? Lookup(string host)
    {
        try
        {
            foreach (var a in host.Length == 0 ? [] : Dns.GetHostAddresses(host, AddressFamily.InterNetwork))
            {
                return BinaryPrimitives.ReadUInt32BigEndian(a.GetAddressBytes());
            }
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            // Not a name that resolves: the caller says so.
        }

        return null;
    }
}
