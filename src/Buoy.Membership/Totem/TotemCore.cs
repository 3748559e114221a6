namespace Buoy.Membership.Totem;

/// <summary>
/// One processor of the Totem single-ring protocol (Amir, Moser, Melliar-Smith, Agarwal, Ciarfella, ACM TOCS 13(4),
/// 1995;
/// Agarwal's dissertation, 1994; names as there), as a pure state machine: events with the time go in, effects come
/// out.
/// <code>
///             join / foreign / token loss / fail to receive
///  Operational ──────────────────────────────────────────▶ Gather ◀─────────┐
///       ▲                                                    │ consensus     │ token loss, or a
///       │ install                                            ▼               │ fellow gave up
///    Recovery ◀─────────────────────────────────────────── Commit ───────────┤
///       └────────────────────────────────────────────────────────────────────┘
///
///                 Operational          Gather                 Commit              Recovery
///  Token          order, forward       drop                   drop                exchange, install
///  Regular        store, deliver       store (old ring)       store (old ring)    store (new ring)
///  Join           merge, Gather        merge, try to form     fellow: Gather      fellow: abort, Gather
///  CommitToken    drop                 first rotation: Commit second: Recovery    rep, hop 2n: token
///  Foreign        Gather               Gather                 drop                drop
///  TokenLoss      Gather               Gather (new attempt)   Gather              abort, Gather
///  Consensus      -                    accuse, Gather         -                   -
///  Silence        -                    accuse, Gather         -                   -
/// </code>
/// Deviations, with their reasons: token hold and miss_count_const (Corosync's: idle rings cost little; switches
/// reorder);
/// the ring seq is durable before the first commit token that carries it (no ring id is ever used twice, crashes
/// included);
/// silence is an accusation (a crash costs token, not 2.2 token; see TotemCore.Liveness.cs); probes of one datagram
/// confirm
/// all round trips, and foreign traffic of peers that are not reachable both ways is dropped (no endless merging).
/// </summary>
public sealed partial class TotemCore
{
    private const long Never = long.MaxValue;
    private TotemParameters _parameters;
    private readonly Func<int, int> _random;
    private NodeSet? _allowed;
    private readonly OutgoingQueue _outgoing;
    private readonly List<Effect> _effects = [];
    private readonly Queue<TotemMessage> _toMyself = new();
    private readonly long[] _deadlines = new long[Enum.GetValues<TotemTimer>().Length];
    private readonly SortedDictionary<string, long> _counters = new(StringComparer.Ordinal);
    private readonly uint _myId;
    private readonly ulong _myIncarnation;
    private bool _stepping;
    private bool _stopped;
    private TotemParameters? _nextParameters;

    // Rings.
    private RingId _myRingId;
    private ulong _highestRingSeq;
    private ulong _storedRingSeq;
    private RingLog _ring;
    private RingLog _old;
    private NodeSet _myMemb = NodeSet.Empty;

    /// <summary>A processor that is not started yet.</summary>
    /// <param name="parameters">Timers and constants.</param>
    /// <param name="myId">Non-zero node id.</param>
    /// <param name="incarnation">Names this start of the process.</param>
    /// <param name="storedRingSeq">The highest ring seq ever made durable; 0 = none.</param>
    /// <param name="outgoing">Source of new messages.</param>
    /// <param name="random">A number in [0, n): the core's only randomness.</param>
    /// <param name="allowed">Configured nodes, the only ones considered; null = whoever has the key.</param>
    public TotemCore(
        TotemParameters parameters, uint myId, ulong incarnation, ulong storedRingSeq, OutgoingQueue outgoing,
        Func<int, int> random, NodeSet? allowed)
    {
        ArgumentOutOfRangeException.ThrowIfZero(myId);
        _parameters = parameters;
        _myId = myId;
        _myIncarnation = incarnation;
        _storedRingSeq = storedRingSeq;
        _highestRingSeq = storedRingSeq;
        _outgoing = outgoing;
        _random = random;
        _allowed = allowed;
        _myRingId = new RingId(storedRingSeq + 1, myId);
        _ring = _old = new RingLog(_myRingId);
        Array.Fill(_deadlines, Never);
    }

    /// <summary>A token that should have come has not: the first sign that somebody is gone.</summary>
    public bool IsTokenOverdue => _tokenOverdueSince is not null;

    /// <summary>State now.</summary>
    public TotemState State { get; private set; } = TotemState.Operational;

    /// <summary>This node.</summary>
    public uint MyId => _myId;

    /// <summary>The ring last accepted or installed.</summary>
    public RingId RingId => _myRingId;

    /// <summary>The ring last installed.</summary>
    public RingId InstalledRingId => _old.Id;

    /// <summary>Members of the ring last installed.</summary>
    public NodeSet Members => _myMemb;

    /// <summary>Messages and decisions counted by name.</summary>
    public IReadOnlyDictionary<string, long> Counters => _counters;

    /// <summary>
    /// The next moment <see cref="OnTimers"/> must be called, ms; <see cref="long.MaxValue"/> = none.
    /// </summary>
    public long NextDeadline => _stopped ? Never : _deadlines.Min();

    /// <summary>Takes the effects of the steps so far; the caller performs them in order.</summary>
    public void TakeEffects(Queue<Effect> into)
    {
        foreach (var effect in _effects)
        {
            into.Enqueue(effect);
        }

        _effects.Clear();
    }

    /// <summary>
    /// Start: a singleton ring of its own, one above whatever was stored, then a Join that calls the others. A node
    /// never
    /// resumes a ring it was in before a restart.
    /// </summary>
    public void Start(long now) => Step(() =>
    {
        _lastTurn = now;
        Persist(_myRingId.Seq);
        _highestRingSeq = Math.Max(_highestRingSeq, _myRingId.Seq);
        _myMemb = _myProcSet = _myNewMemb = NodeSet.Of(_myId);
        _firstSign = now;
        Emit(new ConfigurationChange(false, _myRingId, _myRingId, 0, _myMemb, _myMemb, NodeSet.Empty, now));
        _outgoing.OnInstalled();
        OnProbeTimeout(now);
        SendJoin(now);
        EnterOperational(now);
        _toMyself.Enqueue(new TokenMessage { RingId = _myRingId });
    }, now);

    /// <summary>Clean stop: tells the others and does nothing any more.</summary>
    public void Leave(long now)
    {
        if (!_stopped)
        {
            Emit(new Broadcast(new JoinMessage
            {
                SenderId = _myId, ProcSet = _myProcSet, FailSet = _myFailSet.With(_myId), RingSeq = _highestRingSeq,
                ConfigDigest = _parameters.Digest,
            }));
            _stopped = true;
        }
    }

    /// <summary>
    /// A reloaded configuration. Each member reloads at its own moment: until the next installation the larger of the
    /// old and the new token, consensus and retransmission times hold, so that no member's token expires because
    /// another's became longer. A member that is not considered any more is accused at once.
    /// </summary>
    public void Reconfigure(long now, TotemParameters parameters, NodeSet? allowed)
    {
        if (_stopped)
        {
            return;
        }

        _nextParameters = parameters;
        _parameters = parameters with
        {
            Token = Math.Max(_parameters.Token, parameters.Token),
            Consensus = Math.Max(_parameters.Consensus, parameters.Consensus),
        };
        _allowed = allowed;
        _digestWarned.Clear();
        NodeSet removed = NodeSet.Of(_myProcSet.Where(id => !IsAllowed(id)));
        if (removed.Count > 0)
        {
            Step(() =>
            {
                AbortRecovery();
                _myFailSet = _myFailSet.Union(removed);
                EnterGather(now, "node removed");
            }, now);
        }
    }

    /// <summary>
    /// Call first on every wake-up of the host, before queued datagrams are fed: measures this node's own lateness.
    /// </summary>
    public void BeginTurn(long now)
    {
        if (_stopped)
        {
            return;
        }

        ObserveLateness(now);
        _lastTurn = now;
    }

    /// <summary>Call when the datagrams that were queued at <see cref="BeginTurn"/> have all been fed.</summary>
    public void EndDrain() => _dropHistory = false;

    /// <summary>A fresh, authentic message arrived.</summary>
    /// <param name="from">The node that physically sent it.</param>
    /// <param name="incarnation">Of the sending process.</param>
    public void OnMessage(long now, uint from, ulong incarnation, TotemMessage message)
    {
        if (_stopped || from == _myId)
        {
            return;
        }

        if (!IsAllowed(from))
        {
            Count("drop.unlisted-node");
            return;
        }

        if (MessageFaults.Find(message, from, _myId) is { } fault)
        {
            Count(fault);
            return;
        }

        // One absurd ring seq, once believed, would be everybody's from then on.
        ulong ringSeq = message switch { JoinMessage j => j.RingSeq, CommitTokenMessage c => c.RingId.Seq, _ => 0 };
        if (ringSeq > _highestRingSeq + TotemLimits.RingSeqJump)
        {
            Count("drop.ring-seq-jump");
            return;
        }

        if (HasDeparted(from, incarnation))
        {
            Count("drop.departed");
            return;
        }

        Step(() =>
        {
            OnHeard(now, from, incarnation);
            Dispatch(now, from, message);
            if (message is JoinMessage join && join.SenderId == from)
            {
                NoteLeave(join);
            }
        }, now);
    }

    /// <summary>A <see cref="SendTo"/> this node itself: it never uses the network.</summary>
    public void OnOwnMessage(long now, TotemMessage message)
    {
        if (!_stopped)
        {
            Step(() => Dispatch(now, _myId, message), now);
        }
    }

    /// <summary>Deadlines that have passed.</summary>
    public void OnTimers(long now)
    {
        if (_stopped)
        {
            return;
        }

        Step(() =>
        {
            for (int budget = 64; budget > 0; budget--)
            {
                int first = 0;
                for (int i = 1; i < _deadlines.Length; i++)
                {
                    first = _deadlines[i] < _deadlines[first] ? i : first;
                }

                if (_deadlines[first] > now)
                {
                    break;
                }

                _deadlines[first] = Never;
                OnTimeout((TotemTimer)first, now);
            }
        }, now);
    }

    /// <summary>
    /// The host could not make a ring seq durable: nothing of that attempt was sent; try again from Gather.
    /// </summary>
    public void OnPersistFailed(long now)
    {
        Count("persist.failed");
        if (State is TotemState.Commit)
        {
            Step(() => EnterGather(now, "ring seq not durable"), now);
        }
    }

    /// <summary>A message waits in the outgoing queue: a held token must travel at once.</summary>
    public void OnMessageQueued(long now)
    {
        if (_stopped || State is not TotemState.Operational)
        {
            return;
        }

        if (_heldToken is not null)
        {
            Step(() => ReleaseHeldToken(now), now);
        }
        else if (_tokenHeld)
        {
            _tokenHeld = false;
            _mySeqUnchanged = 0;
            Emit(new Broadcast(new HoldCancelMessage(_myId, _myRingId)));
        }
    }

    private void Step(Action step, long now)
    {
        if (_stepping)
        {
            throw new InvalidOperationException("a step of the ring began within another");
        }

        _stepping = true;
        try
        {
            step();
            while (_toMyself.TryDequeue(out var message))
            {
                Dispatch(now, _myId, message);
            }
        }
        finally
        {
            _stepping = false;
        }
    }

    private void Dispatch(long now, uint from, TotemMessage message)
    {
        switch (message)
        {
            case RegularMessage m: OnRegular(now, from, m); break;
            case TokenMessage m: OnToken(now, from, m); break;
            case JoinMessage m: OnJoin(now, m); break;
            case CommitTokenMessage m: OnCommitToken(now, m); break;
            case MergeDetectMessage m: OnForeign(now, from, m.RingId); break;
            case HoldCancelMessage m: OnHoldCancel(now, m); break;
            case ProbeMessage m: OnProbe(now, from, m); break;
        }
    }

    private void OnTimeout(TotemTimer timer, long now)
    {
        switch (timer)
        {
            case TotemTimer.Probe: OnProbeTimeout(now); break;
            case TotemTimer.SendJoin: EmitJoin(now); break;
            case TotemTimer.TokenLoss: OnTokenLossTimeout(now); break;
            case TotemTimer.TokenRetransmit: OnTokenRetransmitTimeout(now); break;
            case TotemTimer.TokenWarning: Emit(new Note(true,
                "token late: " + _parameters.TokenWarningPercent + " % of token")); break;
            case TotemTimer.Hold: OnHoldTimeout(now); break;
            case TotemTimer.Merge: OnMergeTimeout(now); break;
            case TotemTimer.Join: OnJoinTimeout(now); break;
            case TotemTimer.Consensus: OnConsensusTimeout(now); break;
            case TotemTimer.Silence: OnSilenceTimeout(now); break;
        }
    }

    private void Set(TotemTimer timer, long at) => _deadlines[(int)timer] = at;

    private void Cancel(TotemTimer timer) => _deadlines[(int)timer] = Never;

    private bool Pending(TotemTimer timer) => _deadlines[(int)timer] != Never;

    private void Emit(Effect effect) => _effects.Add(effect);

    private void Send(uint nodeId, TotemMessage message, bool again = false)
    {
        // A commit token to myself goes through the host, which may have failed to make its ring seq durable.
        if (nodeId == _myId && message is not CommitTokenMessage)
        {
            _toMyself.Enqueue(message);
        }
        else
        {
            Emit(new SendTo(nodeId, message, again));
        }
    }

    private void Persist(ulong seq)
    {
        _storedRingSeq = Math.Max(_storedRingSeq, seq);
        Emit(new PersistRingSeq(seq));
    }

    private bool IsAllowed(uint id) => id == _myId || _allowed is null || _allowed.Contains(id);

    private void Count(string name) => _counters[name] = _counters.GetValueOrDefault(name) + 1;

    /// <summary>The member after me in token order (ascending, the representative after the last).</summary>
    private static uint Successor(NodeSet members, uint id) => members[(members.IndexOf(id) + 1) % members.Count];
}
