using System.Buffers.Binary;

namespace Buoy.Membership.Totem;

/// <summary>Receives a complete message of an originator. The memory is the receiver's only during the call.</summary>
public delegate void MessageHandler(uint sender, byte kind, ReadOnlySpan<byte> message);

/// <summary>
/// Puts the pieces of <see cref="MessagePacker"/> together again, per originator. An originator's buffer stays for its
/// next message, up to a bound: large messages in a row cost no garbage, and one huge message is not remembered.
/// </summary>
public sealed class MessageAssembler
{
    /// <summary>Bytes of a buffer that is kept.</summary>
    private const int KeptBuffer = 128 << 10;

    private readonly Dictionary<uint, Half> _halves = [];

    /// <summary>The message of one originator that is not complete.</summary>
    private sealed class Half
    {
        private byte[] _bytes = [];
        private int _length;

        /// <summary>Its first piece has come.</summary>
        public bool Begun { get; private set; }

        public ReadOnlySpan<byte> Message => _bytes.AsSpan(0, _length);

        public void Begin() => (Begun, _length) = (true, 0);

        /// <summary>False: longer than any message.</summary>
        public bool TryAdd(ReadOnlySpan<byte> piece)
        {
            if (_length + piece.Length > MessagePacker.MaxMessage)
            {
                return false;
            }

            if (_length + piece.Length > _bytes.Length)
            {
                Array.Resize(ref _bytes, Math.Max(_length + piece.Length, Math.Max(4096, 2 * _bytes.Length)));
            }

            piece.CopyTo(_bytes.AsSpan(_length));
            _length += piece.Length;
            return true;
        }

        public void End()
        {
            (Begun, _length) = (false, 0);
            if (_bytes.Length > KeptBuffer)
            {
                _bytes = [];
            }
        }
    }

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

            if (!_halves.TryGetValue(sender, out var half))
            {
                _halves[sender] = half = new Half();
            }

            if ((flags & 1) != 0)
            {
                half.Begin();
            }

            if (!half.Begun)
            {
                continue; // the rest of a message whose beginning belonged to a configuration before
            }

            if (!half.TryAdd(piece))
            {
                half.End();
                return false;
            }

            if ((flags & 2) != 0)
            {
                handler(sender, kind, half.Message);
                half.End();
            }
        }

        return true;
    }

    /// <summary>A regular configuration: half messages are void, their originators begin anew.</summary>
    public void Clear() => _halves.Clear();
}
