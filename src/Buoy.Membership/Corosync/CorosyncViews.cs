using System.Buffers.Binary;
using Buoy.Membership.Host;
using Buoy.Membership.Quorum;

namespace Buoy.Membership.Corosync;

/// <summary>A process of the group, as libcpg names it.</summary>
internal readonly record struct GroupMember(uint NodeId, uint ProcessId);

/// <summary>
/// Pure core: agreed views out of a process group of the real Corosync. A group changes in steps (who left, then each who
/// came), a process may come without a new ring, and nobody is told since when a member is there. So after every step each
/// member says what it sees and who it is (<see cref="SyncRecord"/>); the view is given at the record that completes the
/// present set, which is one place in the total order for all that are in it.
/// </summary>
/// <remarks>
/// <para>A record counts only if it was sent for exactly this ring and these processes (<see cref="Key"/>); one sent in a
/// step between is followed by another of the same sender.</para>
/// <para>View ids: the seq is corosync's ring seq with <see cref="RoundBits"/> bits below it, which count the views on that
/// ring; all members take one more than the highest that any of them has had there.</para>
/// <para>A message belongs to the view that it was sent in. One that a change overtakes is given to nobody and sent again
/// in the next view by its sender, as our ring does with those that it had not originated yet.</para>
/// </remarks>
internal sealed class CorosyncViews(uint myId, uint myProcess, string myName)
{
    /// <summary>Views on one ring of corosync, as bits: a million restarts of daemons without a new ring.</summary>
    internal const int RoundBits = 20;

    private readonly SortedDictionary<uint, SyncRecord> _records = [];
    private SortedSet<GroupMember> _members = new(s_order);
    private HashSet<uint> _continuing = [];
    private RingId _ring;
    private ulong _joined;
    private uint[] _viewed = [];
    private long _firstSign;
    private ulong _sentKey;

    private static readonly IComparer<GroupMember> s_order =
        Comparer<GroupMember>.Create(static (a, b) => (a.NodeId, a.ProcessId).CompareTo((b.NodeId, b.ProcessId)));

    /// <summary>The ring of corosync daemons; 0 before the first is known.</summary>
    public RingId Ring => _ring;

    /// <summary>Id of the last view given; default before the first.</summary>
    public RingId View { get; private set; }

    /// <summary>True while the last view stands: messages of it may be delivered.</summary>
    public bool Synced { get; private set; }

    /// <summary>Records of the members of the last view.</summary>
    public IReadOnlyList<SyncRecord> ViewRecords { get; private set; } = [];

    /// <summary>Names ring and processes.</summary>
    public ulong Key
    {
        get
        {
            ulong hash = 14695981039346656037;
            void Add(ulong v) => hash = (hash ^ v) * 1099511628211;
            Add(_ring.Seq);
            Add(_ring.Rep);
            foreach (var m in _members)
            {
                Add(m.NodeId);
                Add(m.ProcessId);
            }

            return hash;
        }
    }

    /// <summary>The group's processes changed.</summary>
    public void OnGroup(long now, IEnumerable<GroupMember> members, IEnumerable<GroupMember> left)
    {
        Disturb(now);
        _members = new SortedSet<GroupMember>(members, s_order);
        foreach (var gone in left)
        {
            _continuing.Remove(gone.NodeId);
        }

        _continuing.IntersectWith(_members.Select(m => m.NodeId));
    }

    /// <summary>A new ring of corosync daemons.</summary>
    public void OnRing(long now, RingId ring)
    {
        if (ring != _ring)
        {
            Disturb(now);
            _ring = ring;
        }
    }

    /// <summary>What to say to the others now; null where it is said already, or this process is not in the group.</summary>
    public byte[]? TakeRecord(QuorumRecord quorum)
    {
        ulong key = Key;
        if (key == _sentKey || _ring == default || !_members.Contains(new GroupMember(myId, myProcess)))
        {
            return null;
        }

        _sentKey = key;
        byte[] record = new SyncRecord(_ring, View, _joined, quorum, myName, "").Encode();
        byte[] message = new byte[8 + record.Length];
        BinaryPrimitives.WriteUInt64LittleEndian(message, key);
        record.CopyTo(message, 8);
        return message;
    }

    /// <summary>
    /// A member's record, in the total order; the view if it is the last one needed. Its quorum is the caller's to fill in.
    /// </summary>
    public ClusterView? OnRecord(uint sender, ReadOnlySpan<byte> message)
    {
        if (Synced || message.Length < 8 || BinaryPrimitives.ReadUInt64LittleEndian(message) != Key
            || SyncRecord.Decode(message[8..]) is not { } record || record.Quorum.NodeId != sender)
        {
            return null;
        }

        _records[sender] = record;
        var nodes = _members.Select(m => m.NodeId).Distinct().ToArray();
        if (!nodes.All(_records.ContainsKey))
        {
            return null;
        }

        ulong round = _records.Values.Select(r => r.ViewedRing.Seq)
            .Where(seq => seq >> RoundBits == _ring.Seq).Append(_ring.Seq << RoundBits).Max() + 1;
        return Give(new RingId(round, _ring.Rep), [.. _records.Values]);
    }

    private ClusterView Give(RingId id, IReadOnlyList<SyncRecord> records)
    {
        var joined = SyncRecord.JoinedOf(id, records);
        var members = records.Select(r => new ViewMember(r.Quorum.NodeId, r.Name, joined[r.Quorum.NodeId])).ToList();
        uint[] ids = [.. members.Select(m => m.NodeId)];
        var view = new ClusterView(
            id, members, [.. _viewed.Where(n => !_continuing.Contains(n))], [.. ids.Where(n => !_continuing.Contains(n))],
            false, _firstSign);
        _joined = joined[myId];
        _viewed = ids;
        _continuing = [.. ids];
        View = id;
        ViewRecords = records;
        Synced = true;
        return view;
    }

    /// <summary>The last view no longer stands.</summary>
    private void Disturb(long now)
    {
        if (Synced || _firstSign == 0)
        {
            _firstSign = now;
        }

        Synced = false;
        _sentKey = 0;
        _records.Clear();
    }
}
