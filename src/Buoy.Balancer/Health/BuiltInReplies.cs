using System.Text;

namespace Buoy.Balancer.Health;

/// <summary>Replies that no pattern describes. Null = more bytes are needed.</summary>
internal static class BuiltInReplies
{
    private static readonly CheckReport Good = new(CheckStatus.L7Ok, 0, "");
    private static readonly CheckReport Malformed = new(CheckStatus.L7Response, 0, "");

    /// <summary>
    /// The MySQL handshake packet (number 0), or the packet behind it: 3 bytes of length, the sequence number, then the
    /// payload, which begins with 0xFF, an error code and a text where it is an error.
    /// </summary>
    public static CheckReport? Mysql(ReadOnlySpan<byte> data, bool closed, bool second)
    {
        var none = closed ? Malformed : null;
        if (data.Length < 5)
        {
            return none;
        }

        int length = Length(data);
        if (second)
        {
            int skip = length + 4;
            if (data.Length < skip + 5)
            {
                return none;
            }

            data = data[skip..];
            length = Length(data);
        }
        else if (data[3] != 0)
        {
            return Malformed;
        }

        if (length == 0 || data.Length < length + 4)
        {
            return none;
        }

        if (data[4] != 0xFF)
        {
            var version = data[5..(length + 4)];
            int end = version.IndexOf((byte)0);
            return second ? Good : new CheckReport(CheckStatus.L7Ok, 0, end < 0 ? "" : Encoding.Latin1.GetString(version[..end]));
        }

        if (length < 3)
        {
            return Malformed;
        }

        int code = data[5] | (data[6] << 8);
        return new CheckReport(CheckStatus.L7Status, code, Encoding.Latin1.GetString(data[7..]));
    }

    /// <summary>An LDAPv3 BindResponse to message 1 (RFC 4511 4.2.2).</summary>
    public static CheckReport? Ldap(ReadOnlySpan<byte> data, bool closed)
    {
        var other = new CheckReport(CheckStatus.L7Response, 0, "Not LDAPv3 protocol");
        int at = 1;
        if (data.Length < 14)
        {
            return closed ? other : null;
        }

        if (data[0] != 0x30 || !SkipLength(data, ref at) || !data[at..].StartsWith((ReadOnlySpan<byte>)[2, 1, 1]))
        {
            return other;
        }

        at += 3;
        if (at + 1 >= data.Length || data[at] != 0x61)
        {
            return other;
        }

        at++;
        if (!SkipLength(data, ref at) || at + 2 >= data.Length || data[at] != 0x0A || data[at + 1] != 1)
        {
            return other;
        }

        return data[at + 2] == 0 ? new CheckReport(CheckStatus.L7Ok, 0, "Success") : new CheckReport(CheckStatus.L7Status, data[at + 2],
            "See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9");
    }

    private static int Length(ReadOnlySpan<byte> packet) => packet[0] | (packet[1] << 8) | (packet[2] << 16);

    /// <summary>A length of BER: one byte, or 0x80 + n and n bytes.</summary>
    private static bool SkipLength(ReadOnlySpan<byte> data, ref int at)
    {
        if (at >= data.Length)
        {
            return false;
        }

        at += (data[at] & 0x80) != 0 ? 1 + (data[at] & 0x7F) : 1;
        return at < data.Length;
    }
}
