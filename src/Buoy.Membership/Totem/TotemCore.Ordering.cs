namespace Buoy.Membership.Totem;

/// <content>The token, ordering, delivery, flow control, retransmission, hold (sections 4 to 6 of the
/// specification).</content>
public sealed partial class TotemCore
{
    private ulong? _myTokenSeq;
    private bool _discardRegularToken;
    private TokenMessage? _lastTokenSent;
    private TokenMessage? _heldToken;
    private bool _tokenHeld;
    private ulong _myLastAru;
    private ulong _myPrevAru;
    private int _myAruCount;
    private ulong _myLastSeq;
    private int _mySeqUnchanged;
    private uint _myTrc;
    private uint _myPbl;
    private readonly Dictionary<ulong, int> _missCount = [];

    private ulong SafeUpTo => Math.Min(_myLastAru, _myPrevAru);

    private void ResetOrdering()
    {
        _myTokenSeq = null;
        _lastTokenSent = _heldToken = null;
        _tokenHeld = false;
        _myLastAru = _myPrevAru = _myLastSeq = 0;
        _myAruCount = _mySeqUnchanged = 0;
        _myTrc = _myPbl = 0;
        _missCount.Clear();
    }

    private void OnToken(long now, uint from, TokenMessage token)
    {
        if (State is TotemState.Gather or TotemState.Commit)
        {
            Count("drop.token-state");
            return;
        }

        if (token.RingId != _ring.Id)
        {
            Count("drop.token-ring");
            OnForeign(now, from, token.RingId);
            return;
        }

        // Only from my predecessor, or made by myself: a stranger's token could spin for ever in a ring of one.
        NodeSet ring = State is TotemState.Recovery ? _myNewMemb : _myMemb;
        if (from != _myId && (!ring.Contains(from) || Successor(ring, from) != _myId))
        {
            Count("drop.token-sender");
            return;
        }

        if (_discardRegularToken || token.TokenSeq <= _myTokenSeq)
        {
            Count("drop.token-duplicate");
            return;
        }

        // 1. Idle rotations.
        _mySeqUnchanged = token.Seq == _myLastSeq ? _mySeqUnchanged + 1 : 0;
        _myLastSeq = token.Seq;
        _heldToken = null;
        _tokenHeld = false;

        // 2. Allowance of this visit.
        bool recovering = State is TotemState.Recovery;
        uint waiting = (uint)(recovering ? _retransQueue.Count : _outgoing.Count);
        long backlog = Math.Max(0, (long)token.Backlog + waiting - _myPbl);
        long allowance = Allowance(token.Fcc, waiting, backlog);
        uint sent = 0;

        // 3. Retransmit what others ask for.
        List<RetransmitRequest> rtr = [.. token.Rtr];
        bool retransmitted = false;
        long resend = Math.Clamp(_parameters.Window - token.Fcc, 1, _parameters.VisitWindow);
        for (int i = 0; i < rtr.Count && sent < resend;)
        {
            if (rtr[i].RingId == _ring.Id && _ring.Find(rtr[i].Seq) is { } wanted)
            {
                Emit(new Broadcast(wanted));
                Count("sent.retransmission");
                rtr.RemoveAt(i);
                sent += Units(wanted);
                retransmitted = true;
            }
            else
            {
                i++;
            }
        }

        // 4. Broadcast new messages.
        ulong seq = token.Seq;
        while (sent < allowance && seq - token.Aru < TotemLimits.RetransmitWindow && Originate(seq + 1,
            recovering) is { } message)
        {
            seq++;
            sent += Units(message);
            _ring.Add(message);
            Emit(new Broadcast(message));
        }

        _myLastSeq = seq;
        if (seq != token.Seq)
        {
            _mySeqUnchanged = 0;
        }

        // 5-6. Low-water mark: whoever lowered it may raise it.
        ulong aru = token.Aru;
        uint aruId = token.AruId;
        if (_ring.Aru < aru || aruId == _myId || aruId == 0)
        {
            aru = _ring.Aru;
            aruId = aru == seq ? 0 : _myId;
        }

        // 7. A member that receives tokens but no messages.
        _myAruCount = aru == _myLastAru && aruId != 0 ? _myAruCount + 1 : 0;
        if (_myAruCount > _parameters.FailRecvConst && aruId != _myId)
        {
            Emit(new Note(true, $"node {aruId} fails to receive"));
            Count("fail-to-receive");
            AbortRecovery();
            _myFailSet = _myFailSet.With(aruId);
            _myProcSet = _myProcSet.With(aruId);
            EnterGather(now, "fail to receive");
            return;
        }

        // 8. Ask for what is missing here.
        RequestMissing(seq, rtr);

        // 9. Forward.
        RecoveryVerdict verdict = recovering ? ObserveRecoveryToken(token.RetransFlag, seq, aru) : default;
        _myTokenSeq = token.TokenSeq;
        _myPrevAru = _myLastAru;
        _myLastAru = aru;
        var forward = new TokenMessage
        {
            RingId = token.RingId, TokenSeq = token.TokenSeq + 1, Seq = seq, Aru = aru, AruId = aruId, Rtr = rtr,
            RetransFlag = recovering ? verdict.RetransFlag : token.RetransFlag,
            Fcc = (uint)Math.Max(0, (long)token.Fcc - _myTrc + sent), Backlog = (uint)backlog,
        };
        _myTrc = sent;
        _myPbl = waiting;
        _myRotationCount++;
        _tokenOverdueSince = null;
        RestartTokenLoss(now);
        _lastTokenSent = forward;
        if (State is TotemState.Operational && MayHold(rtr.Count > 0 || retransmitted))
        {
            _heldToken = forward;
            Set(TotemTimer.Hold, now + _parameters.Hold);
            Cancel(TotemTimer.TokenRetransmit);
        }
        else
        {
            ForwardToken(now, forward);
            _tokenHeld = State is TotemState.Operational && _mySeqUnchanged >= _parameters.SeqnoUnchangedConst;
        }

        // 10. Deliver, discard; install when the exchange is complete.
        if (verdict.Install)
        {
            Install(now);
        }

        if (State is TotemState.Operational)
        {
            UpdateMergeTimer(now);
            DeliverReady();
            _ring.Discard(SafeUpTo);
        }
    }

    /// <summary>Units that may be sent in this visit of the token (section 5 of the specification).</summary>
    private long Allowance(uint fcc, uint waiting, long total)
    {
        long window = Math.Max(0, _parameters.Window - fcc);
        long share = total > 0 ? _parameters.Window * waiting / total : long.MaxValue;
        long allowance = Math.Min(_parameters.VisitWindow, Math.Min(window, share));

        // Rounding starves nobody.
        return allowance == 0 && waiting > 0 && window > 0 ? 1 : allowance;
    }

    /// <summary>What a message counts in the window.</summary>
    private static uint Units(RegularMessage m) =>
        1 + (uint)((m.Contents.Length + (m.Encapsulated?.Contents.Length ?? 0)) / TotemLimits.FlowUnit);

    private RegularMessage? Originate(ulong seq, bool recovering)
    {
        if (recovering)
        {
            return OriginateRecovered(seq);
        }

        return _outgoing.TryTake(out byte[] contents, out bool safe)
            ? new RegularMessage { SenderId = _myId, RingId = _ring.Id, Seq = seq, Safe = safe, Contents = contents }
            : null;
    }

    private void RequestMissing(ulong seq, List<RetransmitRequest> rtr)
    {
        if (_ring.Aru == seq)
        {
            _missCount.Clear();
            return;
        }

        for (ulong s = _ring.Aru + 1; s <= seq && s - _ring.Aru <= TotemLimits.RetransmitWindow; s++)
        {
            var request = new RetransmitRequest(_ring.Id, s);
            if (_ring.Find(s) is not null || rtr.Contains(request))
            {
                continue;
            }

            int misses = _missCount.GetValueOrDefault(s) + 1;
            _missCount[s] = misses;
            if (misses >= _parameters.MissCountConst && rtr.Count < TotemLimits.RetransmitRequests)
            {
                rtr.Add(request);
            }
        }
    }

    private void OnRegular(long now, uint from, RegularMessage message)
    {
        if (State is TotemState.Recovery)
        {
            if (message.RingId != _ring.Id)
            {
                Count(message.RingId == _old.Id ? "drop.old-ring-in-recovery" : "drop.regular-ring");
                return;
            }

            Cancel(TotemTimer.TokenRetransmit);
            if (_ring.Add(message) && message.Encapsulated is { } old)
            {
                TakeRecovered(old);
            }

            return;
        }

        if (message.RingId == _old.Id)
        {
            OnRegularOfInstalledRing(message);
            return;
        }

        OnForeign(now, from, message.RingId);
    }

    private void OnRegularOfInstalledRing(RegularMessage message)
    {
        if (State is not TotemState.Operational && _myReceivedFlag)
        {
            Count("drop.regular-frozen");
            return;
        }

        if (!_old.Add(message))
        {
            Count("drop.regular-duplicate");
            return;
        }

        _missCount.Remove(message.Seq);
        if (State is TotemState.Operational)
        {
            Cancel(TotemTimer.TokenRetransmit);
            DeliverReady();
        }
        else if (State is TotemState.Gather && !_commitAcceptedSinceInstall)
        {
            DeliverReady();
        }
    }

    /// <summary>Agreed: contiguous. Safe: seen at or below aru on two successive forwards of the token.</summary>
    private void DeliverReady()
    {
        while (_old.Find(_old.HighDelivered + 1) is { } next && (!next.Safe || next.Seq <= SafeUpTo))
        {
            _old.HighDelivered++;
            if (next.Encapsulated is null)
            {
                Emit(new Deliver(next));
            }
        }
    }

    // ── Keeping the token ────────────────────────────────────────────────────────────────────────────────────────

    private void ForwardToken(long now, TokenMessage token)
    {
        Set(TotemTimer.TokenRetransmit, now + _parameters.TokenRetransmit);
        Send(Successor(State is TotemState.Recovery ? _myNewMemb : _myMemb, _myId), token);
    }

    private void RestartTokenLoss(long now)
    {
        Set(TotemTimer.TokenLoss, now + _parameters.Token);
        if (_parameters.TokenWarningPercent > 0)
        {
            Set(TotemTimer.TokenWarning, now + ((long)_parameters.Token * _parameters.TokenWarningPercent / 100));
        }
    }

    /// <summary>
    /// Only the representative holds. Alone there is nobody to wait for: it holds as soon as all is safe.
    /// </summary>
    private bool MayHold(bool retransmitting) =>
        _ring.Id.Rep == _myId && _outgoing.Count == 0
        && !(retransmitting && _parameters.CancelTokenHoldOnRetransmit)
        && _mySeqUnchanged > (_myMemb.Count == 1 ? 2 : _parameters.SeqnoUnchangedConst);

    private void ReleaseHeldToken(long now)
    {
        if (_heldToken is { } token)
        {
            _heldToken = null;
            Cancel(TotemTimer.Hold);
            ForwardToken(now, token);
        }
    }

    private void OnHoldTimeout(long now) => ReleaseHeldToken(now);

    private void OnHoldCancel(long now, HoldCancelMessage message)
    {
        if (State is not TotemState.Operational || message.RingId != _myRingId)
        {
            OnForeign(now, message.SenderId, message.RingId);
            return;
        }

        _mySeqUnchanged = 0;
        _tokenHeld = false;
        ReleaseHeldToken(now);
    }

    private void OnTokenRetransmitTimeout(long now)
    {
        Set(TotemTimer.TokenRetransmit, now + _parameters.TokenRetransmit);
        if (State is TotemState.Commit && _lastCommitSent is { } commit)
        {
            Send(commit.To, commit.Token, again: true);
        }
        else if (_lastTokenSent is { } token && State is TotemState.Operational or TotemState.Recovery
            && _heldToken is null)
        {
            _tokenOverdueSince ??= now;
            Send(Successor(State is TotemState.Recovery ? _myNewMemb : _myMemb, _myId), token, again: true);
        }
        else if (State is TotemState.Recovery && _lastCommitSent is { } second)
        {
            Send(second.To, second.Token, again: true);
        }

        Count("sent.token-retransmission");
    }

    private void UpdateMergeTimer(long now)
    {
        if (_ring.Id.Rep != _myId || _mySeqUnchanged == 0 || _parameters.ProbesDetectMerges)
        {
            Cancel(TotemTimer.Merge);
        }
        else if (!Pending(TotemTimer.Merge))
        {
            Set(TotemTimer.Merge, now + _parameters.Merge);
        }
    }

    private void OnMergeTimeout(long now)
    {
        if (State is TotemState.Operational)
        {
            Emit(new Broadcast(new MergeDetectMessage(_myId, _myRingId)));
            Set(TotemTimer.Merge, now + _parameters.Merge);
        }
    }
}
