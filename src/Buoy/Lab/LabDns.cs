using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Buoy.Lab;

/// <summary>The lab's DNS server: A records of a fixed table over UDP, NXDOMAIN for everything else (RFC 1035).</summary>
internal static class LabDns
{
    /// <summary><c>lab dns ADDRESS:PORT NAME=ADDRESS…</c></summary>
    public static int Run(string[] args)
    {
        var table = args.Skip(1).Select(a => a.Split('=')).ToDictionary(a => a[0], a => IPAddress.Parse(a[1]), StringComparer.OrdinalIgnoreCase);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(IPEndPoint.Parse(args[0]));
        var buffer = new byte[1500];
        while (true)
        {
            EndPoint from = new IPEndPoint(IPAddress.Any, 0);
            int n = socket.ReceiveFrom(buffer, ref from);
            if (Answer(buffer.AsSpan(0, n), table) is { } answer)
            {
                socket.SendTo(answer, from);
            }
        }
    }

    private static byte[]? Answer(ReadOnlySpan<byte> query, Dictionary<string, IPAddress> table)
    {
        var labels = new List<string>();
        int i = 12;
        while (i < query.Length && query[i] != 0)
        {
            int length = query[i];
            if (length > 63 || i + 1 + length >= query.Length)
            {
                return null;
            }

            labels.Add(Encoding.ASCII.GetString(query.Slice(i + 1, length)));
            i += 1 + length;
        }

        if (i + 5 > query.Length || labels.Count == 0)
        {
            return null;
        }

        int type = BinaryPrimitives.ReadUInt16BigEndian(query[(i + 1)..]);
        bool known = table.TryGetValue(labels[0], out var address);
        byte[]? record = known && type == 1
            ? [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, .. address!.GetAddressBytes()]
            : null;
        byte[] head = [query[0], query[1], 0x85, known ? (byte)0x80 : (byte)0x83, 0, 1, 0, record is null ? (byte)0 : (byte)1, 0, 0, 0, 0];
        return [.. head, .. query[12..(i + 5)], .. record ?? []];
    }
}
