using System.Buffers.Binary;

namespace Buoy.Membership.Totem;

/// <summary>
/// Application messages above the ring: small ones share a datagram, large ones are cut. Contents are a row of pieces
/// <c>[kind:1][flags:1][length:2][bytes]</c>; flags: 1 = first piece, 2 = last piece of its message. On an
/// installation the
/// message cut in half begins anew, and only urgent messages (the synchronisation's) pass until <see cref="Open"/>.
/// </summary>
public sealed class MessagePacker(int maxContents) : OutgoingQueue
{
    /// <summary>Bytes of one application message; the seam's promise.</summary>
    public const int MaxMessage = 1 << 20;

    /// <summary>
    /// Bytes waiting, beyond which the caller is told to try again: two of the largest messages and room.
    /// </summary>
    public const int MaxWaitingBytes = 8 << 20;

    /// <summary>Messages waiting, beyond which the caller is told to try again.</summary>
    public const int MaxWaitingMessages = 16384;

    internal const int PieceHeader = 4;
    private readonly Queue<(byte Kind, byte[] Bytes)> _ordinary = new();
    private readonly Queue<(byte Kind, byte[] Bytes)> _urgent = new();
    private int _offset;
    private int _maxContents = maxContents;
    private byte[] _datagram = new byte[maxContents];
    private long _waitingBytes;
    private bool _open;

    /// <inheritdoc/>
    public override int Count => _urgent.Count + (_open && _ordinary.Count > 0
        ? 1 + (int)((_waitingBytes - _offset) / Math.Min(_maxContents, TotemLimits.FlowUnit)) : 0);

    /// <summary>Bytes of one regular message from now on; the links' MTU changed.</summary>
    public int MaxContents
    {
        get => _maxContents;
        set
        {
            if (value != _maxContents)
            {
                _maxContents = value;
                _datagram = new byte[value];
            }
        }
    }

    /// <summary>Messages that wait, ordinary and urgent.</summary>
    public int Waiting => _ordinary.Count + _urgent.Count;

    /// <summary>Adds a message. False: the queue is full.</summary>
    public bool TryAdd(byte kind, ReadOnlySpan<byte> message)
    {
        if (message.Length > MaxMessage)
        {
            throw new ArgumentException($"a message of {message.Length} bytes is larger than {MaxMessage}",
                nameof(message));
        }

        if (_ordinary.Count >= MaxWaitingMessages || _waitingBytes + message.Length > MaxWaitingBytes)
        {
            return false;
        }

        _ordinary.Enqueue((kind, message.ToArray()));
        _waitingBytes += message.Length + PieceHeader;
        return true;
    }

    /// <summary>Adds a message that passes before the gate opens; it fits into one datagram.</summary>
    public void AddUrgent(byte kind, ReadOnlySpan<byte> message)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(message.Length, _maxContents - PieceHeader);
        _urgent.Enqueue((kind, message.ToArray()));
    }

    /// <summary>The layer above has synchronised: ordinary messages may pass.</summary>
    public void Open() => _open = true;

    /// <inheritdoc/>
    public override void OnInstalled()
    {
        _urgent.Clear();
        _open = false;
        _offset = 0;
    }

    /// <inheritdoc/>
    public override bool TryTake(out byte[] contents, out bool safe)
    {
        safe = false;
        contents = [];
        if (_urgent.TryDequeue(out var urgent))
        {
            contents = new byte[PieceHeader + urgent.Bytes.Length];
            WritePiece(contents, urgent.Kind, 3, urgent.Bytes);
            return true;
        }

        if (!_open || _ordinary.Count == 0)
        {
            return false;
        }

        int used = 0;
        Span<byte> buffer = _datagram;
        while (_ordinary.TryPeek(out var next) && used + PieceHeader < _maxContents)
        {
            var (kind, bytes) = next;
            int left = bytes.Length - _offset;
            int room = _maxContents - used - PieceHeader;
            if (left > room && used > 0 && left <= _maxContents - PieceHeader)
            {
                break;
            }

            int take = Math.Min(left, room);
            byte flags = (byte)((_offset == 0 ? 1 : 0) | (take == left ? 2 : 0));
            used += WritePiece(buffer[used..], kind, flags, bytes.AsSpan(_offset, take));
            if (take < left)
            {
                _offset += take;
                break;
            }

            _offset = 0;
            _waitingBytes -= bytes.Length + PieceHeader;
            _ordinary.Dequeue();
        }

        contents = buffer[..used].ToArray();
        return true;
    }

    private static int WritePiece(Span<byte> to, byte kind, byte flags, ReadOnlySpan<byte> bytes)
    {
        to[0] = kind;
        to[1] = flags;
        BinaryPrimitives.WriteUInt16LittleEndian(to[2..], (ushort)bytes.Length);
        bytes.CopyTo(to[PieceHeader..]);
        return PieceHeader + bytes.Length;
    }
}
