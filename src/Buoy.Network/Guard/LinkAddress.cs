using System.Buffers.Binary;
using System.Globalization;

namespace Buoy.Network.Guard;

/// <summary>An Ethernet address as a number: it compares as its bytes do, which decides who yields.</summary>
public readonly record struct LinkAddress(ulong Value) : IComparable<LinkAddress>
{
    /// <summary>Bytes on the wire.</summary>
    public const int Bytes = 6;

    /// <summary>From the wire. Throws <see cref="ArgumentException"/> where there are not six bytes.</summary>
    public static LinkAddress From(ReadOnlySpan<byte> mac)
    {
        if (mac.Length != Bytes)
        {
            throw new ArgumentException($"a link address of {mac.Length} bytes: expected {Bytes}", nameof(mac));
        }

        Span<byte> whole = stackalloc byte[8];
        whole.Clear();
        mac.CopyTo(whole[2..]);
        return new LinkAddress(BinaryPrimitives.ReadUInt64BigEndian(whole));
    }

    /// <summary>From <c>aa:bb:cc:dd:ee:ff</c>; null: it is none.</summary>
    public static LinkAddress? Parse(string text)
    {
        string[] parts = text.Split(':');
        ulong value = 0;
        foreach (string part in parts)
        {
            if (part.Length != 2
                || !byte.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte b))
            {
                return null;
            }

            value = (value << 8) | b;
        }

        return parts.Length == Bytes ? new LinkAddress(value) : null;
    }

    /// <summary>To the wire.</summary>
    public byte[] ToBytes()
    {
        byte[] whole = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(whole, Value);
        return whole[2..];
    }

    /// <inheritdoc/>
    public int CompareTo(LinkAddress other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => string.Join(':', ToBytes().Select(static b => b.ToString("x2")));
}
