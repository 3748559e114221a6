using Buoy.Linux;

namespace Buoy.Membership.Transport;

/// <summary>
/// Datagrams to everybody that leave together: one system call for each peer instead of one for each datagram. They
/// must be of one size but for the last, so another size begins another batch. Whoever sends anything else calls <see
/// cref="Flush"/> first: what was broadcast before a token must leave before it.
/// </summary>
internal sealed class SendBatch(RingTransport transport)
{
    private readonly byte[] _bytes = new byte[UdpSocket.MaxSegmentBytes + 1000];
    private int _length;
    private int _size;
    private int _count;

    /// <summary>
    /// Room for one more datagram of so many bytes at most; write it there, then call <see cref="Add"/>.
    /// </summary>
    public Span<byte> Room(uint self, int most)
    {
        if (_count == UdpSocket.MaxSegments || _length + most > UdpSocket.MaxSegmentBytes)
        {
            Flush(self);
        }

        return _bytes.AsSpan(_length);
    }

    /// <summary>The datagram in <see cref="Room"/> is complete.</summary>
    /// <param name="self">This node.</param>
    public void Add(uint self, int length)
    {
        if (_count > 0 && length > _size)
        {
            int at = _length;
            Flush(self);
            _bytes.AsSpan(at, length).CopyTo(_bytes);
        }

        _size = _count == 0 ? length : _size;
        _length += length;
        _count++;
        if (length < _size)
        {
            Flush(self);
        }
    }

    /// <summary>Sends what waits.</summary>
    public void Flush(uint self)
    {
        if (_count > 0)
        {
            transport.Broadcast(self, _bytes.AsSpan(0, _length), _size, everywhere: false);
            (_length, _size, _count) = (0, 0, 0);
        }
    }
}
