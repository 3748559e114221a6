namespace Buoy.Membership.Totem;

/// <content>
/// Probes, own lateness, and silence as an accusation (section 13 of the specification). Safety does not rest on fail
/// sets
/// being right: the original may accuse anybody whose timer happened to expire. What the rule changes is when: a node
/// that
/// nobody heard for token is accused on entering Gather, instead of consensus ms later.
/// </content>
public sealed partial class TotemCore
{
    private const int ProbeMemory = 64;
    private readonly Dictionary<uint, Peer> _peers = [];
    private readonly Dictionary<uint, ulong> _memberIncarnations = [];
    private readonly HashSet<uint> _digestWarned = [];
    private readonly long[] _probeSentAt = new long[ProbeMemory];
    private ulong _probeNumber;
    private NodeSet _heardSetSent = NodeSet.Empty;
    private long _lastTurn;
    private bool _dropHistory;

    private sealed class Peer
    {
        public ulong Incarnation { get; set; }
        public long LastHeard { get; set; } = long.MinValue / 2;
        public long WatchSince { get; set; }
        public long ConfirmedAt { get; set; } = long.MinValue / 2;
        public long AnsweredAt { get; set; } = long.MinValue / 2;
        public ulong LastNumber { get; set; }
        public ulong EchoedNumber { get; set; }

        /// <summary>This incarnation has said goodbye: what of it still arrives was sent before, and means nothing.</summary>
        public bool Departed { get; set; }
    }

    /// <summary>Peers heard of, and whether round trips to them work.</summary>
    public IEnumerable<(uint NodeId, bool Reachable)> PeerStates(long now) =>
        _peers.Select(p => (p.Key, IsReachable(now, p.Key))).OrderBy(p => p.Key);

    /// <summary>Things remembered by message, node or ring; the limits bound it whatever arrives.</summary>
    public int Retained => _old.Count + (ReferenceEquals(_ring, _old) ? 0 : _ring.Count) + _peers.Count + _myLast.Count
        + _latestJoin.Count + _mergeHistory.Count + _mergeWanted.Count + _answeredAt.Count + _joinedAt.Count + _missCount.Count
        + _digestWarned.Count + _myProcSet.Count + _myFailSet.Count + _retransQueue.Count + _counters.Count;

    /// <summary>Nodes that were only told of and did not come leave nothing behind.</summary>
    private void ForgetStrangers()
    {
        foreach (uint id in _peers.Where(p => p.Value.Incarnation == 0 && !_myMemb.Contains(p.Key))
            .Select(p => p.Key).ToList())
        {
            _peers.Remove(id);
        }

        foreach (uint id in _mergeHistory.Keys.Where(id => !_peers.ContainsKey(id)).ToList())
        {
            _mergeHistory.Remove(id);
            _answeredAt.Remove(id);
        }

        foreach (uint id in _joinedAt.Keys.Where(id => !_myMemb.Contains(id)).ToList())
        {
            _joinedAt.Remove(id);
        }
    }

    private Peer PeerOf(long now, uint id)
    {
        if (!_peers.TryGetValue(id, out var peer))
        {
            _peers[id] = peer = new Peer { WatchSince = now };
        }

        return peer;
    }

    /// <summary>The process of this node that was last heard left with a word.</summary>
    public bool HasSaidGoodbye(uint id) => _peers.TryGetValue(id, out var p) && p.Departed;

    private bool HasDeparted(uint id, ulong incarnation) =>
        _peers.TryGetValue(id, out var p) && p.Departed && p.Incarnation == incarnation;

    /// <summary>
    /// A Leave that took effect ends its sender's incarnation. Without that a datagram of it that was overtaken by the
    /// change of ring would be foreign traffic, and the ring would wait a whole token time for a node that is gone.
    /// </summary>
    private void NoteLeave(JoinMessage join)
    {
        if (join.IsLeave && _peers.TryGetValue(join.SenderId, out var peer)
            && (_myFailSet.Contains(join.SenderId) || !_myProcSet.Contains(join.SenderId)))
        {
            peer.Departed = true;
        }
    }

    private bool IsReachable(long now, uint id) =>
        _peers.TryGetValue(id, out var p) && now - p.ConfirmedAt < _parameters.LinkTimeout;

    private bool SameIncarnation(uint id) =>
        _memberIncarnations.TryGetValue(id, out ulong i) && _peers.TryGetValue(id, out var p) && p.Incarnation == i;

    private void RememberIncarnations()
    {
        _memberIncarnations.Clear();
        foreach (uint id in _myMemb)
        {
            if (_peers.TryGetValue(id, out var peer))
            {
                _memberIncarnations[id] = peer.Incarnation;
            }
        }
    }

    private void OnHeard(long now, uint from, ulong incarnation)
    {
        var peer = PeerOf(now, from);
        peer.LastHeard = now;
        if (peer.Incarnation == incarnation)
        {
            return;
        }

        bool restarted = peer.Incarnation != 0;
        peer.Incarnation = incarnation;
        peer.Departed = false;
        peer.WatchSince = now;
        peer.LastNumber = peer.EchoedNumber = 0;
        peer.ConfirmedAt = long.MinValue / 2;
        _mergeHistory.Remove(from);
        _answeredAt.Remove(from);
        _myLast.Remove(from);
        _latestJoin.Remove(from);
        _consensus.Remove(from);
        if (restarted && State is TotemState.Operational && _myMemb.Contains(from))
        {
            // The life that was a member is proven dead; the new one comes in as a newcomer.
            EnterGather(now, "member restarted");
        }

        Answer(now, peer);
    }

    private void OnProbe(long now, uint from, ProbeMessage probe)
    {
        var peer = PeerOf(now, from);
        peer.LastNumber = Math.Max(peer.LastNumber, probe.Number);
        bool echoed = false;
        foreach (var echo in probe.Echoes)
        {
            if (echo.NodeId == _myId && echo.Incarnation == _myIncarnation && echo.Number <= _probeNumber
                && echo.Number + ProbeMemory > _probeNumber)
            {
                long sentAt = _probeSentAt[echo.Number % ProbeMemory];
                peer.ConfirmedAt = Math.Max(peer.ConfirmedAt, sentAt);
                echoed = now - sentAt < _parameters.LinkTimeout;
            }
        }

        if (!echoed || peer.EchoedNumber == 0)
        {
            Answer(now, peer);
        }

        if (probe.State is TotemState.Operational)
        {
            OnForeign(now, from, probe.RingId);
        }
    }

    /// <summary>
    /// Does a probe answer one that this node sent within the link time-out? Only a living process can; a recording cannot.
    /// </summary>
    public bool ProvesLife(long now, ProbeMessage probe) => probe.Echoes.Any(e => e.NodeId == _myId
        && e.Incarnation == _myIncarnation && e.Number <= _probeNumber && e.Number + ProbeMemory > _probeNumber
        && now - _probeSentAt[e.Number % ProbeMemory] < _parameters.LinkTimeout);

    /// <summary>A probe out of turn, so that a new link is confirmed within a round trip.</summary>
    private void Answer(long now, Peer peer)
    {
        if (now - peer.AnsweredAt >= _parameters.Join || peer.EchoedNumber == 0)
        {
            peer.AnsweredAt = now;
            SendProbe(now);
        }
    }

    private void OnProbeTimeout(long now)
    {
        SendProbe(now);
        Set(TotemTimer.Probe, now + _parameters.ProbeInterval);
    }

    private void SendProbe(long now)
    {
        _probeNumber++;
        _probeSentAt[_probeNumber % ProbeMemory] = now;
        var echoes = new List<ProbeEcho>(_peers.Count);
        foreach (var (id, peer) in _peers)
        {
            if (peer.LastNumber > 0 && echoes.Count < TotemLimits.Members)
            {
                echoes.Add(new ProbeEcho(id, peer.Incarnation, peer.LastNumber));
                peer.EchoedNumber = peer.LastNumber;
            }
        }

        Emit(new Broadcast(new ProbeMessage
        {
            SenderId = _myId, Number = _probeNumber, State = State, RingId = _myRingId, Echoes = echoes,
        }));
    }

    private void ObserveLateness(long now)
    {
        long due = _deadlines[(int)TotemTimer.Probe];
        if (due != Never && now > due + _parameters.LateLimit)
        {
            Count("late");
            foreach (var peer in _peers.Values)
            {
                peer.WatchSince = now;
            }
        }

        if (now - _lastTurn > _parameters.Token / 2)
        {
            Emit(new Note(true, $"this node did not run for {now - _lastTurn} ms"));
            _dropHistory = true;
        }
    }

    // ── Silence ──────────────────────────────────────────────────────────────────────────────────────────────────

    private long SilentAt(long now, uint id)
    {
        var peer = PeerOf(now, id);
        return Math.Max(peer.LastHeard, peer.WatchSince) + _parameters.Token;
    }

    private NodeSet HeardSet(long now) =>
        NodeSet.Of(_peers.Where(p => now - p.Value.LastHeard < _parameters.Token).Select(p => p.Key));

    /// <summary>
    /// Adds to the fail set everybody who was silent for token (S1, with S2 and S3 by the watch's start), whom no one
    /// else
    /// who was asked heard (S4); all at once. True: the set grew. Arms the Silence timer for the next moment to look.
    /// </summary>
    private bool AccuseTheSilent(long now)
    {
        Cancel(TotemTimer.Silence);
        if (!_parameters.SilenceRule || State is not TotemState.Gather)
        {
            return false;
        }

        var silent = new List<uint>();
        var others = new List<uint>();
        long next = Never;
        foreach (uint q in Proposal)
        {
            if (q == _myId)
            {
                continue;
            }

            long at = SilentAt(now, q);
            (at <= now ? silent : others).Add(q);
            next = at > now ? Math.Min(next, at) : next;
        }

        long askedAt = _gatherSince + (2L * _parameters.Join);
        bool asked = now >= askedAt || others.TrueForAll(_latestJoin.ContainsKey);
        if (silent.Count > 0 && !asked)
        {
            next = Math.Min(next, askedAt);
        }

        bool grew = false;
        if (asked)
        {
            foreach (uint q in silent)
            {
                if (!others.Exists(o => _latestJoin.TryGetValue(o, out var join) && join.HeardSet.Contains(q)))
                {
                    _myFailSet = _myFailSet.With(q);
                    Count("silence-accusation");
                    grew = true;
                }
            }
        }

        if (next != Never)
        {
            Set(TotemTimer.Silence, next);
        }

        return grew;
    }

    private void EvaluateSilence(long now)
    {
        if (State is not TotemState.Gather)
        {
            return;
        }

        if (AccuseTheSilent(now))
        {
            EnterGather(now, "silence");
        }
        else if (!_heardSetSent.IsSubsetOf(HeardSet(now)))
        {
            SendJoin(now);
        }
    }

    private void OnSilenceTimeout(long now) => EvaluateSilence(now);
}
