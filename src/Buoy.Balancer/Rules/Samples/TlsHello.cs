using System.Buffers.Binary;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>What looking for a TLS hello came to.</summary>
internal enum HelloResult : byte
{
    /// <summary>Not a TLS handshake.</summary>
    None,

    /// <summary>It begins like one, the rest is still to come.</summary>
    Incomplete,
    Found,
}

/// <summary>The first message of a TLS handshake in bytes that are passed on (RFC 8446, 4.1.2), read without state.</summary>
internal ref struct TlsHello
{
    private const int RecordHeader = 5;
    private const int MessageHeader = 4;
    private const byte Handshake = 22;

    /// <summary>1 = client hello, 2 = server hello.</summary>
    public int Type { get; private set; }

    /// <summary>Version in the hello: 0x0301 … 0x0303.</summary>
    public int Version { get; private set; }

    /// <summary>Extensions, two bytes each of type and length before their data.</summary>
    public ReadOnlySpan<byte> Extensions { get; private set; }

    /// <summary>Reads a hello that lies in one record.</summary>
    public static HelloResult Read(ReadOnlySpan<byte> data, out TlsHello hello)
    {
        hello = default;
        if (data.Length < RecordHeader + MessageHeader)
        {
            return data.Length == 0 || data[0] == Handshake ? HelloResult.Incomplete : HelloResult.None;
        }

        if (data[0] != Handshake || data[1] < 3)
        {
            return HelloResult.None;
        }

        int record = BinaryPrimitives.ReadUInt16BigEndian(data[3..]);
        int message = (data[6] << 16) | BinaryPrimitives.ReadUInt16BigEndian(data[7..]);
        if (record < MessageHeader || message + MessageHeader > record)
        {
            return HelloResult.None;
        }

        if (data.Length < RecordHeader + MessageHeader + message)
        {
            return HelloResult.Incomplete;
        }

        hello.Type = data[RecordHeader];
        var body = data.Slice(RecordHeader + MessageHeader, message);
        if (body.Length < 35)
        {
            return HelloResult.None;
        }

        hello.Version = BinaryPrimitives.ReadUInt16BigEndian(body);
        int at = 34;
        at += 1 + body[at];
        if (hello.Type == 1)
        {
            if (at + 2 > body.Length)
            {
                return HelloResult.None;
            }

            at += 2 + BinaryPrimitives.ReadUInt16BigEndian(body[at..]);
            if (at >= body.Length)
            {
                return HelloResult.None;
            }

            at += 1 + body[at];
        }
        else
        {
            at += 3;
        }

        if (at + 2 <= body.Length)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(body[at..]);
            hello.Extensions = at + 2 + length <= body.Length ? body.Slice(at + 2, length) : default;
        }

        return HelloResult.Found;
    }

    /// <summary>The data of an extension; false where there is none.</summary>
    public readonly bool TryExtension(int type, out ReadOnlySpan<byte> data)
    {
        var e = Extensions;
        while (e.Length >= 4)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(e[2..]);
            if (length + 4 > e.Length)
            {
                break;
            }

            if (BinaryPrimitives.ReadUInt16BigEndian(e) == type)
            {
                data = e.Slice(4, length);
                return true;
            }

            e = e[(4 + length)..];
        }

        data = default;
        return false;
    }
}
