using Buoy.Membership.Totem;

namespace Buoy.Membership.Quorum;

/// <summary>
/// From a ring to a view: on each new ring every member says who it is (<see cref="SyncRecord"/>, before all other
/// messages); when all have, votes are counted and the view is given, the same on all members. A ring that ends before
/// leaves no view. Pure: the host sends what it is told to.
/// </summary>
internal sealed class ViewSync(uint myId, VoteQuorum quorum)
{
    private readonly SortedDictionary<uint, SyncRecord> _records = [];
    private RingId _ring;
    private long _firstSign;
    private RingId _viewedRing;
    private NodeSet _viewed = NodeSet.Empty;
    private NodeSet _continuing = NodeSet.Empty;
    private ulong _joined;

    /// <summary>Members of the newest ring.</summary>
    public NodeSet Members { get; private set; } = NodeSet.Empty;

    /// <summary>The newest ring's view was given.</summary>
    public bool IsSynced { get; private set; }

    /// <summary>Records of the newest ring so far.</summary>
    public IReadOnlyList<SyncRecord> Records { get; private set; } = [];

    /// <summary>All members have said who they are.</summary>
    public bool IsComplete => _records.Count == Members.Count;

    /// <summary>
    /// Ordinary messages may pass. Not yet after the view of a ring that the core has left already (its last records came
    /// with its transitional configuration): on the next ring they would reach members that take none before its view.
    /// </summary>
    /// <param name="installed">The ring the core is on.</param>
    public bool LetsOut(RingId installed) => IsSynced && _ring == installed;

    /// <summary>A configuration change. Returns what to send before all other messages, for a regular one.</summary>
    /// <param name="saidGoodbye">Whether a node left with a word.</param>
    public SyncRecord? OnConfiguration(
        ConfigurationChange change, string name, string address, ulong configVersion, Func<uint, bool> saidGoodbye)
    {
        if (change.Transitional)
        {
            _continuing = _continuing.Intersect(change.Members);
            return null;
        }

        _ring = change.RingId;
        Members = change.Members;
        _firstSign = change.FirstSign;
        _records.Clear();
        IsSynced = false;
        return new SyncRecord(_ring, _viewedRing, _joined, quorum.MyRecord, name, address, configVersion,
            _viewed.Except(change.Members).Any(saidGoodbye));
    }

    /// <summary>A member's record. False: it is not what a member sends.</summary>
    public bool OnRecord(uint sender, ReadOnlySpan<byte> message)
    {
        if (SyncRecord.Decode(message) is not { } record || record.Quorum.NodeId != sender || record.RingId != _ring
            || !Members.Contains(sender))
        {
            return false;
        }

        _records[sender] = record;
        Records = [.. _records.Values];
        return true;
    }

    /// <summary>Counts the votes and makes the view. Call once <see cref="IsComplete"/>.</summary>
    public ClusterView Install(long now)
    {
        IsSynced = true;
        var joined = SyncRecord.JoinedOf(_ring, _records.Values);
        _joined = joined[myId];
        quorum.OnMembers(now, [.. _records.Values.Select(r => r.Quorum)], _records.Values.Any(r => r.LeftCleanly));
        var view = new ClusterView(
            _ring, [.. _records.Values.Select(r => new ViewMember(r.Quorum.NodeId, r.Name, joined[r.Quorum.NodeId]))],
            [.. _viewed.Except(_continuing)], [.. Members.Except(_continuing)], quorum.Quorate, _firstSign);
        _viewedRing = _ring;
        _viewed = _continuing = Members;
        return view;
    }
}
