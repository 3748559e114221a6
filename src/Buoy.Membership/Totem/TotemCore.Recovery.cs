namespace Buoy.Membership.Totem;

/// <content>Recovery and installation: extended virtual synchrony (section 8 of the specification).</content>
public sealed partial class TotemCore
{
    private NodeSet _myTransMemb = NodeSet.Empty;
    private NodeSet _myDeliverMemb = NodeSet.Empty;
    private readonly SortedSet<ulong> _retransQueue = [];
    private ulong _highRingDelivered;
    private bool _mySetRetransFlag;
    private int _myRetransFlagCount;
    private ulong _myInstallSeq;
    private bool _myReceivedFlag;
    private int _aruOkRotations;

    private readonly record struct RecoveryVerdict(bool RetransFlag, bool Install);

    private void EnterRecovery(long now, CommitTokenMessage token)
    {
        State = TotemState.Recovery;
        ResetOrdering();
        SendCommitToken(now, token with { Hop = token.Hop + 1 });
        Set(TotemTimer.TokenLoss, now + _parameters.Token);
        _ring = new RingLog(_myRingId);
        _discardRegularToken = false;
        _mySetRetransFlag = false;
        _myRetransFlagCount = 0;
        _aruOkRotations = 0;
        _myInstallSeq = 0;
        _retransQueue.Clear();
        var fellows = token.Members.Where(m => m.OldRingId == _old.Id).ToList();
        _myTransMemb = NodeSet.Of(fellows.Select(m => m.Id));
        if (fellows.TrueForAll(m => m.ReceivedFlag))
        {
            return;
        }

        _myDeliverMemb = _myTransMemb;
        _myReceivedFlag = false;
        ulong lowRingAru = fellows.Min(m => m.OldAru);
        _highRingDelivered = fellows.Max(m => m.HighDelivered);
        for (ulong seq = lowRingAru + 1; seq <= _old.HighSeqReceived; seq++)
        {
            if (_old.Find(seq) is not null)
            {
                _retransQueue.Add(seq);
            }
        }
    }

    /// <summary>The next old message, in a message of the new ring.</summary>
    private RegularMessage? OriginateRecovered(ulong seq)
    {
        if (_retransQueue.Count == 0)
        {
            return null;
        }

        ulong old = _retransQueue.Min;
        _retransQueue.Remove(old);
        Count("sent.recovered");
        return new RegularMessage
        {
            SenderId = _myId, RingId = _ring.Id, Seq = seq, Encapsulated = _old.Find(old), Contents = [],
        };
    }

    private void TakeRecovered(RegularMessage old)
    {
        if (old.RingId == _old.Id)
        {
            _old.Add(old);
            _retransQueue.Remove(old.Seq);
        }
    }

    /// <summary>
    /// The flag protocol on each token; see the numbered steps of the specification's "Each token in Recovery".
    /// </summary>
    private RecoveryVerdict ObserveRecoveryToken(bool flag, ulong seq, ulong aru)
    {
        // 1. Whoever has more raises the flag; only who raised it lowers it.
        if (_retransQueue.Count > 0 && !flag)
        {
            flag = _mySetRetransFlag = true;
        }
        else if (_retransQueue.Count == 0 && flag && _mySetRetransFlag)
        {
            flag = _mySetRetransFlag = false;
        }

        // 2-3. Two rotations without it: everything old has been sent.
        _myRetransFlagCount = flag ? 0 : _myRetransFlagCount + 1;
        if (_myRetransFlagCount == 2)
        {
            _myInstallSeq = seq;
        }

        // 4. I have it all: from here on I have promised the old messages of these originators.
        if (_myRetransFlagCount >= 2 && _ring.Aru >= _myInstallSeq && !_myReceivedFlag)
        {
            _myReceivedFlag = true;
            _myDeliverMemb = _myTransMemb;
        }

        // 5. All have it all, and all know.
        _aruOkRotations = _myRetransFlagCount >= 3 && aru >= _myInstallSeq ? _aruOkRotations + 1 : 0;
        return new RecoveryVerdict(flag, _aruOkRotations >= 2);
    }

    /// <summary>Back to the old ring, which may have grown; promises made stay.</summary>
    private void AbortRecovery()
    {
        if (State is TotemState.Recovery)
        {
            _ring = _old;
            _retransQueue.Clear();
        }
    }

    /// <summary>
    /// One atomic step: old messages, transitional configuration, remaining old messages, regular configuration.
    /// </summary>
    private void Install(long now)
    {
        _parameters = _nextParameters ?? _parameters;
        // 1. What may be delivered in the old regular configuration.
        while (_old.Find(_old.HighDelivered + 1) is { } next && (!next.Safe || next.Seq <= _highRingDelivered))
        {
            _old.HighDelivered++;
            EmitDelivery(next);
        }

        // 2. Transitional configuration.
        var transitional = new RingId(_myRingId.Seq - 2, _myTransMemb.Lowest);
        Emit(new ConfigurationChange(
            true, _old.Id, transitional, _old.HighDelivered, _myTransMemb, NodeSet.Empty,
                _myMemb.Except(_myTransMemb), _firstSign));

        // 3. The rest: all up to the first gap; behind it only messages of originators that are bound by the exchange.
        bool gap = false;
        for (ulong seq = _old.HighDelivered + 1; seq <= _old.HighSeqReceived; seq++)
        {
            var message = _old.Find(seq);
            gap |= message is null;
            if (message is not null && (!gap || _myDeliverMemb.Contains(message.SenderId)))
            {
                EmitDelivery(message);
            }
        }

        // 4. Regular configuration.
        Emit(new ConfigurationChange(
            false, _myRingId, transitional, 0, _myNewMemb, _myNewMemb.Except(_myTransMemb), NodeSet.Empty, _firstSign));

        // 5. The new ring is the ring.
        NodeSet before = _myMemb;
        _myMemb = _myProcSet = _myNewMemb;
        _myFailSet = NodeSet.Empty;
        _old = _ring;
        _myReceivedFlag = false;
        _commitAcceptedSinceInstall = false;
        _lastAttempt = null;
        _myDeliverMemb = NodeSet.Empty;
        _highRingDelivered = 0;
        _myLast.Clear();
        _latestJoin.Clear();
        _consensus.Clear();
        RememberIncarnations();
        SettleMerges(now, before);
        _outgoing.OnInstalled();
        Count("installed");
        EnterOperational(now);
    }

    private void EmitDelivery(RegularMessage message)
    {
        if (message.Encapsulated is null)
        {
            Emit(new Deliver(message));
        }
    }
}
