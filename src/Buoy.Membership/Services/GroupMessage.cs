using System.Buffers.Binary;
using System.Text;

namespace Buoy.Membership.Services;

/// <summary>A process in a group: the node it runs on and its process id there.</summary>
public readonly record struct GroupProcess(uint NodeId, uint ProcessId) : IComparable<GroupProcess>
{
    /// <inheritdoc/>
    public int CompareTo(GroupProcess other) => (NodeId, ProcessId).CompareTo((other.NodeId, other.ProcessId));
}

/// <summary>Why a process is in a change's list: cpg_reason_t.</summary>
public enum GroupReason
{
    /// <summary>It is there, and was before.</summary>
    None = 0,

    /// <summary>It joined.</summary>
    Join = 1,

    /// <summary>It left in order.</summary>
    Leave = 2,

    /// <summary>Its node is gone.</summary>
    NodeDown = 3,

    /// <summary>Its node came, with it in the group.</summary>
    NodeUp = 4,

    /// <summary>It ended without leaving.</summary>
    ProcessDown = 5,
}

/// <summary>
/// The process groups' messages on the total order: <c>[Mark][kind]</c> and, by kind, <c>[pid:4][name
/// length:1][name]</c>
/// and the payload. The mark tells them from the cluster's own messages, which are JSON and begin with a bracket.
/// </summary>
internal static class GroupMessage
{
    /// <summary>First byte of every message of the services.</summary>
    public const byte Mark = 1;

    public const byte Join = 1;
    public const byte Leave = 2;
    public const byte ProcessDown = 3;
    public const byte Multicast = 4;
    public const byte JoinList = 5;

    /// <summary>cpg_name: 128 bytes.</summary>
    public const int MaxName = 128;

    private const int HeadSize = 7;

    public static byte[] Encode(byte kind, uint process, ReadOnlySpan<byte> group, ReadOnlySpan<byte> payload)
    {
        var bytes = new byte[HeadSize + group.Length + payload.Length];
        bytes[0] = Mark;
        bytes[1] = kind;
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(2), process);
        bytes[6] = (byte)group.Length;
        group.CopyTo(bytes.AsSpan(HeadSize));
        payload.CopyTo(bytes.AsSpan(HeadSize + group.Length));
        return bytes;
    }

    public static bool TryDecode(
        ReadOnlySpan<byte> from, out byte kind, out uint process, out ReadOnlySpan<byte> group, out ReadOnlySpan<byte> payload)
    {
        kind = 0;
        process = 0;
        group = payload = default;
        if (from.Length < HeadSize || from[0] != Mark || from.Length < HeadSize + from[6] || from[6] > MaxName)
        {
            return false;
        }

        kind = from[1];
        process = BinaryPrimitives.ReadUInt32LittleEndian(from[2..]);
        group = from.Slice(HeadSize, from[6]);
        payload = from[(HeadSize + from[6])..];
        return true;
    }

    /// <summary>The view it is for, then <c>[pid:4][name length:1][name]</c> for each process of the sender.</summary>
    public static byte[] EncodeList(RingId view, IEnumerable<(string Group, uint Process)> members)
    {
        var list = new MemoryStream();
        Span<byte> head = stackalloc byte[12];
        BinaryPrimitives.WriteUInt64LittleEndian(head, view.Seq);
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], view.Rep);
        list.Write(head);
        foreach (var (group, process) in members)
        {
            byte[] name = Latin(group);
            BinaryPrimitives.WriteUInt32LittleEndian(head, process);
            head[4] = (byte)name.Length;
            list.Write(head[..5]);
            list.Write(name);
        }

        return Encode(JoinList, 0, default, list.ToArray());
    }

    public static List<(string Group, uint Process)>? DecodeList(ReadOnlySpan<byte> from, out RingId view)
    {
        view = default;
        if (from.Length < 12)
        {
            return null;
        }

        view = new RingId(
            BinaryPrimitives.ReadUInt64LittleEndian(from), BinaryPrimitives.ReadUInt32LittleEndian(from[8..]));
        from = from[12..];
        var list = new List<(string, uint)>();
        while (!from.IsEmpty)
        {
            if (from.Length < 5 || from.Length < 5 + from[4])
            {
                return null;
            }

            list.Add((Text(from.Slice(5, from[4])), BinaryPrimitives.ReadUInt32LittleEndian(from)));
            from = from[(5 + from[4])..];
        }

        return list;
    }

    /// <summary>Group names are bytes; each stands for one character here.</summary>
    public static string Text(ReadOnlySpan<byte> name) => Encoding.Latin1.GetString(name);

    /// <summary>The bytes of a group's name.</summary>
    public static byte[] Latin(string name) => Encoding.Latin1.GetBytes(name);
}
