using System.Buffers.Binary;

namespace Buoy.Balancer.Resolvers;

/// <summary>
/// DNS messages on a stream: each behind its length in two bytes (RFC 1035 4.2.2, RFC 7766). Pure; holds one message and
/// what came with it at most.
/// </summary>
internal sealed class DnsFrames
{
    private const int Prefix = 2;
    private byte[] _data = new byte[1024];
    private int _from;
    private int _to;

    /// <summary>A query as it goes onto the stream.</summary>
    public static byte[] Frame(ReadOnlySpan<byte> message) =>
        [(byte)(message.Length >> 8), (byte)message.Length, .. message];

    /// <summary>Bytes came.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        if (_from > 0)
        {
            _data.AsSpan(_from, _to - _from).CopyTo(_data);
            (_from, _to) = (0, _to - _from);
        }

        if (_data.Length - _to < bytes.Length)
        {
            Array.Resize(ref _data, Math.Max(_data.Length * 2, _to + bytes.Length));
        }

        bytes.CopyTo(_data.AsSpan(_to));
        _to += bytes.Length;
    }

    /// <summary>The next whole message, good until more is added; false where there is none yet.</summary>
    public bool Take(out ReadOnlySpan<byte> message)
    {
        message = default;
        var have = _data.AsSpan(_from, _to - _from);
        if (have.Length < Prefix)
        {
            return false;
        }

        int length = BinaryPrimitives.ReadUInt16BigEndian(have);
        if (have.Length < Prefix + length)
        {
            return false;
        }

        message = have.Slice(Prefix, length);
        _from += Prefix + length;
        return true;
    }

    /// <summary>A new connection: what is left of the old one means nothing.</summary>
    public void Clear() => _from = _to = 0;
}
