using System.Buffers.Binary;
using System.Text;

namespace Buoy.Membership.Quorum;

/// <summary>
/// What each member says of itself as its first message on a new ring; the view is given when all have.
/// </summary>
/// <param name="RingId">The new ring.</param>
/// <param name="ViewedRing">The ring of the member's last view; default where it had none.</param>
/// <param name="ConfigVersion">config_version of its file.</param>
/// <param name="LeftCleanly">A member of the view before said goodbye to it.</param>
/// <param name="Joined">Ring seq of the view in which it came in; 0 where it had none.</param>
internal sealed record SyncRecord(
    RingId RingId, RingId ViewedRing, ulong Joined, QuorumRecord Quorum, string Name, string Address,
    ulong ConfigVersion = 0, bool LeftCleanly = false)
{
    private const byte Version = 2;

    /// <summary>Bytes before the name's length.</summary>
    private const int Fixed = 59;

    /// <summary>Bytes of a quorum record.</summary>
    private const int QuorumSize = 17;
    private const int MaxText = 255;

    public byte[] Encode()
    {
        byte[] name = Text(Name);
        byte[] address = Text(Address);
        var bytes = new byte[Fixed + 1 + name.Length + 1 + address.Length];
        bytes[0] = Version;
        WriteRing(bytes.AsSpan(1), RingId);
        WriteRing(bytes.AsSpan(13), ViewedRing);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(25), Joined);
        WriteQuorum(bytes.AsSpan(33), Quorum);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(50), ConfigVersion);
        bytes[58] = LeftCleanly ? (byte)1 : (byte)0;
        bytes[Fixed] = (byte)name.Length;
        name.CopyTo(bytes, Fixed + 1);
        bytes[Fixed + 1 + name.Length] = (byte)address.Length;
        address.CopyTo(bytes, Fixed + 2 + name.Length);
        return bytes;
    }

    public static SyncRecord? Decode(ReadOnlySpan<byte> from)
    {
        const int least = Fixed + 2;
        if (from.Length < least || from[0] != Version || from.Length < least + from[Fixed]
            || from.Length != least + from[Fixed] + from[Fixed + 1 + from[Fixed]] || from[58] > 1
            || ReadQuorum(from[33..]) is not { } quorum)
        {
            return null;
        }

        int name = from[Fixed];
        return new SyncRecord(
            ReadRing(from[1..]), ReadRing(from[13..]), BinaryPrimitives.ReadUInt64LittleEndian(from[25..]),
            quorum,
            Encoding.UTF8.GetString(from.Slice(Fixed + 1, name)), Encoding.UTF8.GetString(from[(Fixed + 2 + name)..]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[50..]), from[58] == 1);
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

    /// <summary>A quorum record by itself, sent when it changes between rings.</summary>
    public static byte[] EncodeQuorum(QuorumRecord record)
    {
        var bytes = new byte[QuorumSize];
        WriteQuorum(bytes, record);
        return bytes;
    }

    /// <summary>Reads one; null where it is malformed.</summary>
    public static QuorumRecord? DecodeQuorum(ReadOnlySpan<byte> from) =>
        from.Length == QuorumSize ? ReadQuorum(from) : null;

    private static void WriteQuorum(Span<byte> to, QuorumRecord q)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(to, q.NodeId);
        BinaryPrimitives.WriteInt32LittleEndian(to[4..], q.Votes);
        BinaryPrimitives.WriteInt32LittleEndian(to[8..], q.ExpectedVotes);
        BinaryPrimitives.WriteInt32LittleEndian(to[12..], q.DeviceVotes);
        to[16] = (byte)((q.Quorate ? 1 : 0) | (q.WaitForAllArmed ? 2 : 0) | (q.MasterWins ? 4 : 0));
    }

    private static QuorumRecord? ReadQuorum(ReadOnlySpan<byte> from)
    {
        int votes = BinaryPrimitives.ReadInt32LittleEndian(from[4..]);
        int expected = BinaryPrimitives.ReadInt32LittleEndian(from[8..]);
        int device = BinaryPrimitives.ReadInt32LittleEndian(from[12..]);
        byte flags = from[16];
        return votes is < 0 or > MaxVotes || expected is < 0 or > MaxVotes || device is < 0 or > MaxVotes || flags > 7
            ? null
            : new QuorumRecord(BinaryPrimitives.ReadUInt32LittleEndian(from), votes, expected, (flags & 1) != 0,
                (flags & 2) != 0, device, (flags & 4) != 0);
    }

    /// <summary>Votes a member may claim: sums over all members cannot overflow.</summary>
    private const int MaxVotes = 1_000_000;

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
