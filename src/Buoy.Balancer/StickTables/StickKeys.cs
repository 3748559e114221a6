using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.StickTables;

/// <summary>
/// Keys of tables: made of samples and of text, and shown. Numbers are kept with their lowest byte first: entries are
/// shown in the order of their bytes, which is the original's on such a machine.
/// </summary>
internal static unsafe class StickKeys
{
    /// <summary>The type a sample is cast to before it is a key.</summary>
    public static SampleType TypeOf(StickKeyType type) => type switch
    {
        StickKeyType.Ip => SampleType.Ipv4,
        StickKeyType.Ipv6 => SampleType.Ipv6,
        StickKeyType.Integer => SampleType.Sint,
        StickKeyType.String => SampleType.Str,
        _ => SampleType.Bin,
    };

    /// <summary>
    /// The key that a sample is in a table: text cut to the table's length, bytes cut or filled up with zeros. It
    /// lives as long as the sample. False where the sample cannot be a key there.
    /// </summary>
    public static bool Make(SampleScope scope, StickTableConfig table, ref Sample sample, out ReadOnlySpan<byte> key)
    {
        key = default;
        if (!SampleCasts.Apply(scope, ref sample, TypeOf(table.Type)))
        {
            return false;
        }

        switch (table.Type)
        {
            case StickKeyType.Ip or StickKeyType.Ipv6:
                return Copy(scope, sample.AddressSpan, table.Type == StickKeyType.Ip ? 4 : 16, out key);
            case StickKeyType.Integer:
                Span<byte> number = stackalloc byte[sizeof(uint)];
                BinaryPrimitives.WriteUInt32LittleEndian(number, (uint)sample.Integer);
                return Copy(scope, number, number.Length, out key);
            case StickKeyType.Binary when sample.Length < table.Length:
                return Copy(scope, sample.Bytes, table.Length, out key);
            default:
                key = sample.Bytes[..Math.Min(sample.Length, table.Length)];
                return true;
        }
    }

    /// <summary>As the runtime API shows it.</summary>
    public static string Show(StickKeyType type, byte[] key) => type switch
    {
        StickKeyType.Ip or StickKeyType.Ipv6 => new IPAddress(key).ToString(),
        StickKeyType.Integer => BinaryPrimitives.ReadUInt32LittleEndian(key).ToString(CultureInfo.InvariantCulture),
        StickKeyType.String => Escaped(key),
        _ => Convert.ToHexString(key),
    };

    /// <summary>Reads what the runtime API was given; false where that is no key of the table.</summary>
    public static bool Read(StickTableConfig table, string text, out byte[] key)
    {
        key = [];
        switch (table.Type)
        {
            case StickKeyType.Ip or StickKeyType.Ipv6:
                int size = table.Type == StickKeyType.Ip ? 4 : 16;
                if (!IPAddress.TryParse(text, out var address) || address.GetAddressBytes().Length != size)
                {
                    return false;
                }

                key = address.GetAddressBytes();
                return true;
            case StickKeyType.Integer:
                if (!uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint number))
                {
                    return false;
                }

                key = new byte[sizeof(uint)];
                BinaryPrimitives.WriteUInt32LittleEndian(key, number);
                return true;
            default:
                key = Encoding.Latin1.GetBytes(text.Length > table.Length ? text[..table.Length] : text);
                return true;
        }
    }

    /// <summary>Text with what ends it or cannot be seen as <c>\x0A</c>, some with letters of their own.</summary>
    private static string Escaped(byte[] key)
    {
        var s = new StringBuilder(key.Length);
        foreach (byte b in key)
        {
            _ = b switch
            {
                (byte)' ' or (byte)'=' or (byte)'\\' => s.Append('\\').Append((char)b),
                (byte)'\t' => s.Append("\\t"),
                (byte)'\n' => s.Append("\\n"),
                (byte)'\r' => s.Append("\\r"),
                0x1b => s.Append("\\e"),
                > 0x1f and < 0x7f => s.Append((char)b),
                _ => s.Append(CultureInfo.InvariantCulture, $"\\x{b:X2}"),
            };
        }

        return s.ToString();
    }

    private static bool Copy(SampleScope scope, scoped ReadOnlySpan<byte> bytes, int length, out ReadOnlySpan<byte> key)
    {
        byte* p = scope.Temporary.Take(length);
        key = new ReadOnlySpan<byte>(p, p == null ? 0 : length);
        if (p == null)
        {
            return false;
        }

        var into = new Span<byte>(p, length);
        into.Clear();
        bytes.CopyTo(into);
        return true;
    }
}
