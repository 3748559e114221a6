using System.Buffers.Binary;

namespace Buoy.Membership.Links;

/// <summary>
/// Pings and their answers, beside the ring's messages in the same envelope: <c>type:1 link:1 number:8 padding</c>. The
/// answer has no padding.
/// </summary>
public readonly record struct LinkMessage(bool IsPong, int Link, ulong Number)
{
    /// <summary>Bytes without padding.</summary>
    public const int Size = 10;

    private const byte PingType = 0x40;
    private const byte PongType = 0x41;

    /// <summary>Writes it, padded with zeros to <paramref name="size"/> bytes.</summary>
    public int Encode(Span<byte> to, int size = Size)
    {
        size = Math.Max(size, Size);
        to[..size].Clear();
        to[0] = IsPong ? PongType : PingType;
        to[1] = (byte)Link;
        BinaryPrimitives.WriteUInt64LittleEndian(to[2..], Number);
        return size;
    }

    /// <summary>True where the bytes are a link's message, well formed or not.</summary>
    public static bool IsOne(ReadOnlySpan<byte> from) => from.Length > 0 && from[0] is PingType or PongType;

    /// <summary>Reads it; null where it is malformed.</summary>
    public static LinkMessage? Decode(ReadOnlySpan<byte> from)
    {
        if (from.Length < Size || !IsOne(from) || from[1] > 7 || (from[0] == PongType && from.Length != Size)
            || from[Size..].ContainsAnyExcept((byte)0))
        {
            return null;
        }

        return new LinkMessage(from[0] == PongType, from[1], BinaryPrimitives.ReadUInt64LittleEndian(from[2..]));
    }
}
