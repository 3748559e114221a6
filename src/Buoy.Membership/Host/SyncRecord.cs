using System.Buffers.Binary;
using System.Text;
using Buoy.Membership.Quorum;

namespace Buoy.Membership.Host;

/// <summary>
/// What each member says of itself as its first message on a new ring; the view is given when all have.
/// </summary>
/// <param name="RingId">The new ring.</param>
/// <param name="ViewedRing">The ring of the member's last view; default where it had none.</param>
/// <param name="Joined">Ring seq of the view in which it came in; 0 where it had none.</param>
internal sealed record SyncRecord(
    RingId RingId, RingId ViewedRing, ulong Joined, QuorumRecord Quorum, string Name, string Address)
{
    private const byte Version = 1;
    private const int MaxText = 255;

    public byte[] Encode()
    {
        byte[] name = Text(Name);
        byte[] address = Text(Address);
        var bytes = new byte[1 + 12 + 12 + 8 + 4 + 4 + 4 + 1 + 1 + name.Length + 1 + address.Length];
        bytes[0] = Version;
        WriteRing(bytes.AsSpan(1), RingId);
        WriteRing(bytes.AsSpan(13), ViewedRing);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(25), Joined);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(33), Quorum.NodeId);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(37), Quorum.Votes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(41), Quorum.ExpectedVotes);
        bytes[45] = (byte)((Quorum.Quorate ? 1 : 0) | (Quorum.WaitForAllArmed ? 2 : 0));
        bytes[46] = (byte)name.Length;
        name.CopyTo(bytes, 47);
        bytes[47 + name.Length] = (byte)address.Length;
        address.CopyTo(bytes, 48 + name.Length);
        return bytes;
    }

    public static SyncRecord? Decode(ReadOnlySpan<byte> from)
    {
        if (from.Length < 48 || from[0] != Version || from.Length < 48 + from[46]
            || from.Length != 48 + from[46] + from[47 + from[46]])
        {
            return null;
        }

        int name = from[46];
        return new SyncRecord(
            ReadRing(from[1..]), ReadRing(from[13..]), BinaryPrimitives.ReadUInt64LittleEndian(from[25..]),
            new QuorumRecord(
                BinaryPrimitives.ReadUInt32LittleEndian(from[33..]), BinaryPrimitives.ReadInt32LittleEndian(from[37..]),
                BinaryPrimitives.ReadInt32LittleEndian(from[41..]), (from[45] & 1) != 0, (from[45] & 2) != 0),
            Encoding.UTF8.GetString(from.Slice(47, name)), Encoding.UTF8.GetString(from[(48 + name)..]));
    }

    /// <summary>
    /// Since when each member is there: the group that carries on (quorate before all, then the largest, the oldest,
    /// the lowest
    /// id) keeps what it had; everybody else comes in with this ring. The same on all members, computed from the same
    /// records.
    /// </summary>
    public static Dictionary<uint, ulong> JoinedOf(RingId ring, IReadOnlyCollection<SyncRecord> records)
    {
        var main = records.Where(r => r.Joined != 0).GroupBy(r => r.ViewedRing)
            .OrderByDescending(g => g.Any(r => r.Quorum.Quorate)).ThenByDescending(g => g.Count())
            .ThenBy(g => g.Min(r => r.Joined)).ThenBy(g => g.Min(r => r.Quorum.NodeId)).FirstOrDefault();
        return records.ToDictionary(
            r => r.Quorum.NodeId, r => main is not null && r.Joined != 0 && r.ViewedRing == main.Key
                ? r.Joined : ring.Seq);
    }

    private static byte[] Text(string s)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(s);
        return bytes.Length <= MaxText ? bytes : bytes[..MaxText];
    }

    private static void WriteRing(Span<byte> to, RingId ring)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(to, ring.Seq);
        BinaryPrimitives.WriteUInt32LittleEndian(to[8..], ring.Rep);
    }

    private static RingId ReadRing(ReadOnlySpan<byte> from) =>
        new(BinaryPrimitives.ReadUInt64LittleEndian(from), BinaryPrimitives.ReadUInt32LittleEndian(from[8..]));
}
