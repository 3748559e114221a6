namespace Buoy.Membership.Totem;

/// <content>Gather and Commit: Joins, consensus, the commit token (sections 3 and 7 of the specification).</content>
public sealed partial class TotemCore
{
    private NodeSet _myProcSet = NodeSet.Empty;
    private NodeSet _myFailSet = NodeSet.Empty;
    private NodeSet _myNewMemb = NodeSet.Empty;
    private readonly HashSet<uint> _consensus = [];
    private readonly Dictionary<uint, JoinMessage> _myLast = [];
    private readonly Dictionary<uint, JoinMessage> _latestJoin = [];
    private bool _consensusReached;
    private bool _commitAcceptedSinceInstall;
    private (NodeSet Proc, NodeSet Fail, int Deaths)? _lastAttempt;
    private uint _myRotationCount;
    private (uint To, CommitTokenMessage Token)? _lastCommitSent;
    private bool _regularTokenCreated;
    private long _gatherSince;
    private long _firstSign;
    private long? _tokenOverdueSince;
    private readonly Dictionary<uint, (int Fruitless, long NotBefore)> _mergeHistory = [];
    private readonly HashSet<uint> _mergeWanted = [];
    private readonly Dictionary<uint, long> _answeredAt = [];
    private readonly Dictionary<uint, long> _joinedAt = [];

    private NodeSet Proposal => _myProcSet.Except(_myFailSet);

    // ── Enter<State> ─────────────────────────────────────────────────────────────────────────────────────────────

    private void EnterOperational(long now)
    {
        State = TotemState.Operational;
        Cancel(TotemTimer.Join);
        Cancel(TotemTimer.SendJoin);
        Cancel(TotemTimer.Consensus);
        Cancel(TotemTimer.Silence);
        RestartTokenLoss(now);
        _lastCommitSent = null;
        _tokenOverdueSince = null;
    }

    /// <summary>Shift to Gather: propose my sets to everybody, and count again who proposes the same.</summary>
    private void EnterGather(long now, string cause)
    {
        if (State is TotemState.Operational)
        {
            _firstSign = _tokenOverdueSince ?? now;
        }

        if (State is not TotemState.Gather)
        {
            _gatherSince = now;
            _latestJoin.Clear();
            foreach (var (id, join) in _myLast)
            {
                _latestJoin[id] = join;
            }

            Emit(new Note(false, $"{State} to Gather: {cause}"));
        }

        AbortRecovery();
        State = TotemState.Gather;
        Count("gather." + cause.Replace(' ', '-'));
        _discardRegularToken = true;
        _heldToken = null;
        _tokenHeld = false;
        _lastCommitSent = null;
        AccuseTheSilent(now);
        Cancel(TotemTimer.TokenLoss);
        Cancel(TotemTimer.TokenRetransmit);
        Cancel(TotemTimer.TokenWarning);
        Cancel(TotemTimer.Hold);
        Cancel(TotemTimer.Merge);
        Set(TotemTimer.Join, now + _parameters.Join);
        Set(TotemTimer.Consensus, now + _parameters.Consensus);
        SendJoin(now);
        _consensusReached = false;
        _consensus.Clear();
        _consensus.Add(_myId);
        foreach (var join in _myLast.Values)
        {
            if (SetsEqualMine(join) && !join.IsLeave)
            {
                _consensus.Add(join.SenderId);
            }
        }

        TryToForm(now);
    }

    private void EnterCommit(long now, CommitTokenMessage token, NodeSet members)
    {
        State = TotemState.Commit;
        _myNewMemb = members;
        _commitAcceptedSinceInstall = true;
        _regularTokenCreated = false;
        _myLast.Clear();
        _myRotationCount = 1;
        Cancel(TotemTimer.Join);
        Cancel(TotemTimer.SendJoin);
        Cancel(TotemTimer.Consensus);
        Cancel(TotemTimer.Silence);
        ResetOrdering();
        Set(TotemTimer.TokenLoss, now + _parameters.Token);
        SendCommitToken(now, token);
    }

    // ── Joins ────────────────────────────────────────────────────────────────────────────────────────────────────

    private void SendJoin(long now)
    {
        if (_parameters.SendJoin > 0)
        {
            Set(TotemTimer.SendJoin, now + _random(_parameters.SendJoin + 1));
        }
        else
        {
            EmitJoin(now);
        }
    }

    private void EmitJoin(long now)
    {
        _heardSetSent = HeardSet(now);
        Emit(new Broadcast(new JoinMessage
        {
            SenderId = _myId, ProcSet = _myProcSet, FailSet = _myFailSet, RingSeq = _highestRingSeq,
            RotationCount = _myRotationCount, HeardSet = _heardSetSent, ConfigDigest = _parameters.Digest,
        }));
    }

    private void OnJoin(long now, JoinMessage join)
    {
        uint q = join.SenderId;
        if (_dropHistory)
        {
            Count("drop.join-history");
            return;
        }

        if (join.ConfigDigest != _parameters.Digest && _digestWarned.Add(q))
        {
            Emit(new Note(true, $"node {q} has other totem timers than this node"));
        }

        bool member = _myMemb.Contains(q);
        if (!member && !IsReachable(now, q))
        {
            Count("drop.join-one-way");
            return;
        }

        switch (State)
        {
            case TotemState.Operational:
                if (join.FailSet.Contains(_myId) || (join.IsLeave && !member))
                {
                    Count("drop.join-accuses-me");
                    return;
                }

                if (member && join.RingSeq < _myRingId.Seq && SameIncarnation(q))
                {
                    Count("drop.join-stale");
                    return;
                }

                if (!member && !MayAnswer(now, q))
                {
                    return;
                }

                Merge(join);
                EnterGather(now, join.IsLeave ? "leave" : "join");
                break;

            case TotemState.Gather:
                if (!join.IsLeave || _myProcSet.Contains(q))
                {
                    OnJoinInGather(now, join);
                }

                break;

            case TotemState.Commit or TotemState.Recovery:
                _highestRingSeq = Math.Max(_highestRingSeq, join.RingSeq);
                if (_myNewMemb.Contains(q) && join.RingSeq >= _myRingId.Seq)
                {
                    AbortRecovery();
                    Merge(join);
                    EnterGather(now, "fellow gave up");
                }
                else
                {
                    Count("drop.join-state");
                }

                break;
        }
    }

    private void OnJoinInGather(long now, JoinMessage join)
    {
        bool grew = Merge(join);
        if (grew)
        {
            EnterGather(now, "sets grew");
            return;
        }

        if (SetsEqualMine(join) && !join.IsLeave && _consensus.Add(join.SenderId))
        {
            TryToForm(now);
        }

        if (State is TotemState.Gather)
        {
            EvaluateSilence(now);
        }
    }

    /// <summary>
    /// The merge rule: remembers the Join and takes what may be taken of it. True: a set of mine grew.
    /// </summary>
    private bool Merge(JoinMessage join)
    {
        uint q = join.SenderId;
        _myLast[q] = join;
        _latestJoin[q] = join;
        _highestRingSeq = Math.Max(_highestRingSeq, join.RingSeq);

        // 1. The accused are ignored until a ring is installed. 2. Equal sets are agreement. 3. Older news.
        if (_myFailSet.Contains(q) || SetsEqualMine(join)
            || (join.ProcSet.IsSubsetOf(_myProcSet) && join.FailSet.IsSubsetOf(_myFailSet)))
        {
            return false;
        }

        // 4. Take it in: only nodes that may be considered, and no accusation of my ring by an outsider.
        NodeSet proc = _myProcSet.Union(Considered(join.ProcSet));
        NodeSet fail = join.FailSet.Contains(_myId) ? _myFailSet.With(q)
            : _myMemb.Contains(q) ? _myFailSet.Union(Considered(join.FailSet))
            : _myFailSet.Union(Considered(join.FailSet.Except(_myMemb)));
        if (proc.Count > TotemLimits.Members)
        {
            Count("drop.join-too-many");
            return false;
        }

        bool grew = !proc.Equals(_myProcSet) || !fail.Equals(_myFailSet);
        _myProcSet = proc;
        _myFailSet = fail;
        return grew;
    }

    private NodeSet Considered(NodeSet ids)
    {
        if (_allowed is null || ids.IsSubsetOf(_allowed))
        {
            return ids;
        }

        Count("drop.unlisted-in-join");
        return ids.Intersect(_allowed);
    }

    private bool SetsEqualMine(JoinMessage join) => join.ProcSet.Equals(_myProcSet) && join.FailSet.Equals(_myFailSet);

    // ── Foreign messages ─────────────────────────────────────────────────────────────────────────────────────────

    /// <summary>A message of another ring: a partition healed, or a node came.</summary>
    private void OnForeign(long now, uint from, RingId ring)
    {
        if (from == _myId || ring == _myRingId || ring == _old.Id)
        {
            return;
        }

        bool member = _myMemb.Contains(from);
        if ((member && ring.Seq < _myRingId.Seq) || State is TotemState.Commit or TotemState.Recovery)
        {
            Count("drop.superseded-ring");
            return;
        }

        if (!member && !IsReachable(now, from))
        {
            Count("drop.foreign-one-way");
            return;
        }

        if (State is TotemState.Gather && _myProcSet.Contains(from))
        {
            return;
        }

        if (member || MayMerge(now, from))
        {
            _myProcSet = _myProcSet.With(from);
            EnterGather(now, "foreign message");
        }
    }

    private bool MayMerge(long now, uint from)
    {
        if (_mergeHistory.TryGetValue(from, out var history) && now < history.NotBefore)
        {
            Count("drop.merge-pause");
            return false;
        }

        _mergeWanted.Add(from);
        return true;
    }

    /// <summary>
    /// A call is answered now and then even while its sender's foreign traffic is left alone: two nodes that both pause
    /// would else call each other in turn for ever.
    /// </summary>
    private bool MayAnswer(long now, uint from)
    {
        bool paused = _mergeHistory.TryGetValue(from, out var history) && now < history.NotBefore;
        if (paused && now - _answeredAt.GetValueOrDefault(from, long.MinValue / 2) < TotemLimits.MergeBackoff)
        {
            Count("drop.merge-pause");
            return false;
        }

        _answeredAt[from] = now;
        _mergeWanted.Add(from);
        return true;
    }

    /// <summary>
    /// After an installation: who was wanted but did not come, or came and went within <see
    /// cref="TotemLimits.MergeBackoff"/>,
    /// is left alone for a while, twice as long each time. A new incarnation begins with a clean record.
    /// </summary>
    private void SettleMerges(long now, NodeSet before)
    {
        foreach (uint q in _myMemb.Except(before))
        {
            _joinedAt[q] = now;
        }

        var gone = NodeSet.Of(before.Except(_myMemb).Concat(_mergeWanted.Where(q => !_myMemb.Contains(q))));
        foreach (uint q in gone)
        {
            bool stayed = before.Contains(q) && now - _joinedAt.GetValueOrDefault(q) >= TotemLimits.MergeBackoff;
            int fruitless = stayed ? 0 : _mergeHistory.GetValueOrDefault(q).Fruitless + 1;
            long pause = fruitless < TotemLimits.FruitlessMerges ? 0
                : Math.Min(TotemLimits.MergeBackoff, (long)_parameters.Merge << Math.Min(fruitless, 16));
            _mergeHistory[q] = (fruitless, now + pause);
        }

        _mergeWanted.Clear();
        ForgetStrangers();
    }

    // ── Consensus ────────────────────────────────────────────────────────────────────────────────────────────────

    private void TryToForm(long now)
    {
        NodeSet proposal = Proposal;
        if (_consensusReached || !proposal.All(_consensus.Contains))
        {
            return;
        }

        if (_lastAttempt is { Deaths: >= 2 } last && last.Proc.Equals(_myProcSet) && last.Fail.Equals(_myFailSet)
            && proposal.Count > 1)
        {
            ExcludeByForce(now, proposal);
            return;
        }

        _consensusReached = true;
        if (proposal.Lowest != _myId)
        {
            _myRotationCount = 0;
            Cancel(TotemTimer.Consensus);
            Set(TotemTimer.TokenLoss, now + _parameters.Token);
            return;
        }

        ulong seq = Math.Max(Math.Max(_highestRingSeq, _myRingId.Seq), _storedRingSeq) + TotemLimits.RingSeqStep;
        _myRingId = new RingId(seq, _myId);
        _highestRingSeq = seq;
        Persist(seq);
        var entries = proposal.Select(id => id == _myId ? MyEntry() : new CommitEntry(id, default, 0, 0, false, false));
        EnterCommit(now, new CommitTokenMessage { RingId = _myRingId, Hop = 1, Members = [.. entries] }, proposal);
    }

    /// <summary>
    /// An attempt that died twice of token loss is not repeated: somebody on the token's path must go.
    /// </summary>
    private void ExcludeByForce(long now, NodeSet proposal)
    {
        uint victim = proposal.MinBy(id => id == _myId ? _myRotationCount
            : _myLast.TryGetValue(id, out var join) ? join.RotationCount : 0);
        Count("forced-exclusion");
        Emit(new Note(true, $"two attempts to form {proposal} lost the token: leaving out node {victim}"));
        _myFailSet = victim == _myId ? _myFailSet.Union(proposal.Except(NodeSet.Of(_myId))) : _myFailSet.With(victim);
        EnterGather(now, "forced exclusion");
    }

    private CommitEntry MyEntry() => new(_myId, _old.Id, _old.Aru, _old.HighDelivered, _myReceivedFlag, true);

    private void OnCommitToken(long now, CommitTokenMessage token)
    {
        if (_dropHistory)
        {
            Count("drop.commit-token-history");
            return;
        }

        NodeSet members = NodeSet.Of(token.Members.Select(m => m.Id));
        uint n = (uint)members.Count;
        uint me = (uint)members.IndexOf(_myId);
        switch (State)
        {
            case TotemState.Gather when token.RingId.Seq > _myRingId.Seq && token.Hop == me && members.Equals(Proposal):
                _myRingId = token.RingId;
                _highestRingSeq = Math.Max(_highestRingSeq, token.RingId.Seq);
                Persist(token.RingId.Seq);
                CommitEntry[] entries = [.. token.Members];
                entries[me] = MyEntry();
                EnterCommit(now, token with { Hop = token.Hop + 1, Members = entries }, members);
                break;

            case TotemState.Commit when token.RingId == _myRingId && token.Hop == n + me && members.Equals(_myNewMemb)
                && token.Members[(int)me].OldRingId == _old.Id:
                EnterRecovery(now, token);
                break;

            case TotemState.Recovery when token.RingId == _myRingId && me == 0 && token.Hop == 2 * n
                && !_regularTokenCreated:
                _regularTokenCreated = true;
                _toMyself.Enqueue(new TokenMessage { RingId = _myRingId });
                break;

            default:
                Count("drop.commit-token-state");
                break;
        }
    }

    private void SendCommitToken(long now, CommitTokenMessage token)
    {
        uint to = Successor(_myNewMemb, _myId);
        _lastCommitSent = (to, token);
        Set(TotemTimer.TokenRetransmit, now + _parameters.TokenRetransmit);
        Send(to, token);
    }

    // ── Timers ───────────────────────────────────────────────────────────────────────────────────────────────────

    private void OnTokenLossTimeout(long now)
    {
        Count("token-loss");
        if (State is not TotemState.Operational)
        {
            _lastAttempt = _lastAttempt is { } last && last.Proc.Equals(_myProcSet) && last.Fail.Equals(_myFailSet)
                ? (last.Proc, last.Fail, last.Deaths + 1)
                : (_myProcSet, _myFailSet, 1);
            _myLast.Clear();
        }

        EnterGather(now, "token loss");
    }

    private void OnJoinTimeout(long now)
    {
        Set(TotemTimer.Join, now + _parameters.Join);
        SendJoin(now);
        EvaluateSilence(now);
    }

    private void OnConsensusTimeout(long now)
    {
        if (_consensusReached)
        {
            return;
        }

        _myFailSet = _myFailSet.Union(NodeSet.Of(Proposal.Where(q => !_consensus.Contains(q))));
        _myLast.Clear();
        EnterGather(now, "consensus timeout");
    }
}
