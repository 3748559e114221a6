namespace Buoy.Network.Guard;

/// <summary>Probing: rules 3 to 6.</summary>
/// <remarks>
/// <code>
///            window over: PlaceTicket was sent with the last probe            ok
///   Asking ------------------------------------------------------> Deciding ------> (Held)
///    |  ^  \------- a member that goes before: Yielded --> Pausing    |
///    |  |                                                    |        +--- ticket over: Asking again
///    |  +----------------------------------------------------+
///    +-- a member answers --> Confirming -- answers alone too --> Pausing (holder known: its daemon is asked)
///                                 \------- does not, in 3 windows: a cache, not heeded again
/// </code>
/// </remarks>
public sealed partial class AddressGuard
{
    /// <summary>How long probes go on after the ring is whole again: the start that it was for comes only
    /// then.</summary>
    private const int LingerMs = 2000;

    private Purpose _purpose;
    private Phase _phase;
    private long _windowStart;
    private long _lastProbe;
    private long _next;
    private int _sent;
    private long? _watchUntil;
    private long? _rivalAt;
    private bool _yielded;
    private LinkAddress _confirming;
    private int _unicastSent;
    private int _unconfirmedWindows;
    private LinkAddress? _cache;
    private LinkAddress? _holder;
    private long _holderSince;
    private long? _nextQuestion;
    private int _questions;
    private bool _disowned;
    private long _decidedAt;
    private int _decideWithin;

    private enum Purpose
    {
        /// <summary>To be ready: the ring is silent.</summary>
        Watch,

        /// <summary>A start waits for the answer.</summary>
        Take,

        /// <summary>The lease was lost while the address was held.</summary>
        Retake,
    }

    private enum Phase
    {
        Asking,
        Confirming,
        Pausing,
        Deciding,
    }

    private long? NextProbing => _phase == Phase.Deciding ? null
        : _nextQuestion is { } question ? Math.Min(question, _next) : _next;

    private void OnSuspicion(bool suspicious, long now)
    {
        if (!suspicious)
        {
            _watchUntil ??= now + LingerMs;
        }
        else
        {
            _watchUntil = null;
            if (State is GuardState.Free or GuardState.Gone)
            {
                BeginTake(Purpose.Watch, now);
            }
        }
    }

    private void OnTakeAsked(TakeAsked t, long now)
    {
        _term = t.Term;
        if (State == GuardState.Held)
        {
            Do(new TakeAnswered(null));
            return;
        }

        bool watched = State == GuardState.Probing && _purpose == Purpose.Watch && Watched(now);
        if (!t.Released && !watched)
        {
            BeginTake(Purpose.Take, now);
            return;
        }

        ForgetAnswers();
        State = GuardState.Probing;
        _purpose = Purpose.Take;
        _phase = Phase.Deciding;
        _decidedAt = now;
        _decideWithin = watched ? parameters.ActivateWithinMs : parameters.ReleasedWithinMs;
        // Not to ask, but to tell: a member of another view that asks just now must hear that it has a rival.
        Do(new SendProbe(Claiming: true));
        Do(new PlaceTicket(_decideWithin, Confirm: true));
    }

    /// <summary>
    /// The probes of a watch that never paused are a whole window, and no member outside this node's view, which might
    /// be told to take it as well, was heard asking.
    /// </summary>
    private bool Watched(long now) =>
        _sent >= parameters.Probes && now - _windowStart >= parameters.WindowMs
        && now - _lastProbe <= parameters.ProbeIntervalMs + parameters.ActivateWithinMs
        && (_rivalAt is null || now - _rivalAt > 2 * parameters.WindowMs);

    private void BeginTake(Purpose purpose, long now)
    {
        State = GuardState.Probing;
        _purpose = purpose;
        ForgetAnswers();
        BeginWindow(now);
    }

    private void ForgetAnswers()
    {
        _cache = _holder = null;
        _nextQuestion = null;
        _unconfirmedWindows = 0;
        _yielded = _disowned = false;
        _rivalAt = null;
    }

    private void BeginWindow(long now)
    {
        _phase = Phase.Asking;
        _windowStart = _next = now;
        _sent = 0;
        Ask(now);
    }

    private void Pause(long now, int ms)
    {
        _phase = Phase.Pausing;
        _next = now + ms;
    }

    private void Ask(long now)
    {
        if (_purpose == Purpose.Watch && _sent > 0 && now - _lastProbe > 2 * parameters.ProbeIntervalMs)
        {
            // This node was late: what it has not listened to does not count.
            _sent = 0;
            _windowStart = now;
        }

        _sent++;
        _lastProbe = now;
        Do(new SendProbe(_purpose != Purpose.Watch));
        bool last = _purpose != Purpose.Watch && _sent == parameters.Probes;
        _next = now + (last ? parameters.ProbeWaitMs : parameters.ProbeIntervalMs);
        if (last)
        {
            Do(new PlaceTicket(parameters.ProbeWaitMs + parameters.ActivateWithinMs, Confirm: false));
        }
    }

    private void OnProbingTick(long now)
    {
        if (_nextQuestion is { } question && now >= question)
        {
            AskHolderAgain(now);
        }

        if (_phase == Phase.Deciding || now < _next)
        {
            return;
        }

        switch (_phase)
        {
            case Phase.Pausing:
                BeginWindow(now);
                break;
            case Phase.Confirming:
                Confirm(now);
                break;
            case Phase.Asking when _purpose == Purpose.Watch:
                if (now >= _watchUntil)
                {
                    State = GuardState.Free;
                    break;
                }

                Ask(now);
                break;
            case Phase.Asking when _sent < parameters.Probes:
                if (now - _next > parameters.ProbeIntervalMs)
                {
                    // This node slept in the window: its probes were not spread as they must be to survive losses.
                    ReportLate(now - _next);
                    BeginWindow(now);
                    break;
                }

                Ask(now);
                break;
            default:
                OnWindowOver(now);
                break;
        }
    }

    /// <summary>6. Nobody was heard: take it now, or ask again.</summary>
    private void OnWindowOver(long now)
    {
        if (now > _next + parameters.ActivateWithinMs)
        {
            ReportLate(now - _next);
            BeginWindow(now);
            return;
        }

        _phase = Phase.Deciding;
        _decidedAt = now;
        Do(new Activate());
    }

    private void OnTicketPlaced(string? error, long now)
    {
        if (State != GuardState.Probing || _phase != Phase.Deciding)
        {
            return;
        }

        if (error is not null)
        {
            Refuse(GuardNotice.Refused, error);
        }
        else if (now - _decidedAt > _decideWithin)
        {
            ReportLate(now - _decidedAt);
            BeginWindow(now);
        }
        else
        {
            Do(new Activate());
        }
    }

    private void OnActivated(Activated a, long now)
    {
        if (State != GuardState.Probing || _phase != Phase.Deciding)
        {
            return;
        }

        switch (a.Result)
        {
            case ActivationResult.Done:
                EnterHeld(_decidedAt);
                if (_purpose == Purpose.Take)
                {
                    Do(new TakeAnswered(null));
                }

                break;
            case ActivationResult.TooLate:
                ReportLate(now - _decidedAt);
                BeginWindow(now);
                break;
            default:
                Refuse(GuardNotice.Refused, a.Error);
                break;
        }
    }

    private void ReportLate(long ms) => Report(GuardNotice.LateActivation,
        $"{address}: the verdict was {ms} ms old when it could be used: the segment is asked again");

    private void OnProbeFailed(string error, long now)
    {
        if (State != GuardState.Probing)
        {
            return;
        }

        if (_purpose == Purpose.Watch)
        {
            _sent = 0;
            _windowStart = now;
        }
        else
        {
            Refuse(GuardNotice.Refused, $"no probe for {address} could be sent: {error}");
        }
    }

    private void OnHeardWhileProbing(Sighting s, long now)
    {
        bool member = _members.TryGetValue(s.Mac, out var who);
        switch (s.Kind)
        {
            case SightingKind.Claim:
                OnAnswer(s, member, now);
                break;
            case SightingKind.Watch when member && !who.InView:
                _rivalAt = now;
                break;
            case SightingKind.Probe when member:
                OnRival(s, now);
                break;
        }
    }

    /// <summary>5. A member asks as well: the one that goes before starts over, the other waits.</summary>
    private void OnRival(Sighting s, long now)
    {
        _rivalAt = now;
        if (_purpose == Purpose.Watch || _phase == Phase.Pausing)
        {
            return;
        }

        if (!GoesBefore(s))
        {
            BeginWindow(now);
            return;
        }

        if (!_yielded)
        {
            _yielded = true;
            Report(GuardNotice.Yielded, $"{NameOf(s.Mac)} takes {address} at the same time and goes first");
        }

        Pause(now, Math.Max(parameters.BackOffMs, parameters.WindowMs + parameters.ProbeIntervalMs));
    }

    /// <summary>4. Somebody has it.</summary>
    private void OnAnswer(Sighting s, bool member, long now)
    {
        if (_purpose == Purpose.Watch)
        {
            _sent = 0;
            _windowStart = now;
            return;
        }

        if (!member)
        {
            Refuse(GuardNotice.Conflict, $"{address} is in use by {s.Mac}, which is no node of this cluster");
            return;
        }

        if (s.Mac == _holder)
        {
            if (_phase is Phase.Asking or Phase.Deciding)
            {
                OnHolderStillAnswers(now);
            }
        }
        else if (_phase == Phase.Confirming && s.Mac == _confirming)
        {
            _holder = s.Mac;
            _holderSince = now;
            _questions = 0;
            AskHolderAgain(now);
            Pause(now, Math.Max(1, (int)(_windowStart + parameters.FrozenRetryMs - now)));
        }
        else if (s.Mac != _cache && _phase != Phase.Pausing)
        {
            _phase = Phase.Confirming;
            _confirming = s.Mac;
            _unicastSent = 0;
            Confirm(now);
        }
    }

    private void Confirm(long now)
    {
        if (_unicastSent < parameters.UnicastTries)
        {
            _unicastSent++;
            _next = now + (_unicastSent == parameters.UnicastTries ? parameters.ProbeWaitMs
                : parameters.ProbeIntervalMs);
            Do(new SendProbe(Claiming: true, _confirming));
            return;
        }

        if (++_unconfirmedWindows >= parameters.CacheWindows)
        {
            _cache = _confirming;
            Report(GuardNotice.AnsweredByCache,
                $"something answers for {address} with {NameOf(_confirming)}, which does not answer itself: "
                + "not heeded");
        }

        BeginWindow(now);
    }

    private void OnHolderStillAnswers(long now)
    {
        if (now - _holderSince < (long)parameters.FrozenLeases * parameters.LeaseMs)
        {
            Pause(now, Math.Max(1, (int)(_windowStart + parameters.FrozenRetryMs - now)));
            return;
        }

        Refuse(GuardNotice.Refused, _disowned
            ? $"{NameOf(_holder!.Value)} answers for {address}, though its daemon does not hold it"
            : $"{NameOf(_holder!.Value)} answers for {address} without a lease that ends, and its daemon does not "
                + "answer");
    }

    private void AskHolderAgain(long now)
    {
        if (_questions < parameters.Questions)
        {
            _questions++;
            _nextQuestion = now + parameters.QuestionMs;
            Do(new AskHolder(_holder!.Value));
            return;
        }

        _nextQuestion = null;
        Report(GuardNotice.HolderFrozen,
            $"{NameOf(_holder!.Value)} answers for {address}, its daemon does not: waiting for its lease to end");
    }

    private void OnHolderAnswered(HolderAnswered a)
    {
        if (State != GuardState.Probing || _holder != a.Mac)
        {
            return;
        }

        _nextQuestion = null;
        if (a.Holds)
        {
            Refuse(GuardNotice.Refused,
                $"{NameOf(a.Mac)} holds {address}, its lease is valid: only the ring has failed");
        }
        else
        {
            _disowned = true;
        }
    }

    private void Refuse(GuardNotice notice, string reason)
    {
        Report(notice, $"not taken: {reason}");
        Do(new DropLease());
        Do(new RemoveAddress());
        if (_purpose == Purpose.Retake)
        {
            EnterMuted(retakeable: false);
            Do(new AddressLost(reason));
        }
        else
        {
            State = GuardState.Free;
            Do(new TakeAnswered(reason));
        }
    }
}
