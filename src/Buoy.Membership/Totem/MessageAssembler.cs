using System.Buffers.Binary;

namespace Buoy.Membership.Totem;

/// <summary>Receives a complete message of an originator. The memory is the receiver's only during the call.</summary>
public delegate void MessageHandler(uint sender, byte kind, ReadOnlySpan<byte> message);

/// <summary>Puts the pieces of <see cref="MessagePacker"/> together again, per originator.</summary>
public sealed class MessageAssembler
{
    private readonly Dictionary<uint, List<byte>> _halves = [];

    /// <summary>Takes one regular message's contents. False: they are not what a packer makes.</summary>
    public bool OnContents(uint sender, ReadOnlySpan<byte> contents, MessageHandler handler)
    {
        while (contents.Length > 0)
        {
            if (contents.Length < MessagePacker.PieceHeader)
            {
                return false;
            }

            byte kind = contents[0];
            byte flags = contents[1];
            int length = BinaryPrimitives.ReadUInt16LittleEndian(contents[2..]);
            contents = contents[MessagePacker.PieceHeader..];
            if (length > contents.Length || flags > 3)
            {
                return false;
            }

            var piece = contents[..length];
            contents = contents[length..];
            if (flags == 3)
            {
                handler(sender, kind, piece);
                continue;
            }

            if ((flags & 1) != 0)
            {
                _halves[sender] = [];
            }

            if (!_halves.TryGetValue(sender, out var half))
            {
                continue; // the rest of a message whose beginning belonged to a configuration before
            }

            if (half.Count + length > MessagePacker.MaxMessage)
            {
                _halves.Remove(sender);
                return false;
            }

            half.AddRange(piece);
            if ((flags & 2) != 0)
            {
                _halves.Remove(sender);
                handler(sender, kind, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(half));
            }
        }

        return true;
    }

    /// <summary>A regular configuration: half messages are void, their originators begin anew.</summary>
    public void Clear() => _halves.Clear();
}
