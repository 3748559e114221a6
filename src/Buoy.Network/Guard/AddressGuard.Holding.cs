namespace Buoy.Network.Guard;

/// <summary>Held and muted: rules 2, 7 and 8.</summary>
public sealed partial class AddressGuard
{
    private long _leaseUntil;
    private long _nextRenewal;
    private long _renewalAsked;
    private long? _defended;
    private bool _retakeable;

    private void EnterHeld(long since)
    {
        State = GuardState.Held;
        // Counted from before the call: the kernel's lease never ends before this node thinks it does by more than
        // the call took, and never is thought to last longer than it does.
        _leaseUntil = since + parameters.LeaseMs;
        _nextRenewal = since + parameters.RenewMs;
        Do(new BeginAnnouncing());
    }

    private void EnterMuted(bool retakeable)
    {
        State = GuardState.Muted;
        _retakeable = retakeable;
    }

    private void OnHoldingTick(long now)
    {
        if (now < _nextRenewal)
        {
            return;
        }

        _nextRenewal = now + parameters.RenewMs;
        if (_denied is null)
        {
            _renewalAsked = now;
            Do(new RenewLease());
        }
    }

    private void OnLeaseRenewed(bool renewed, long now)
    {
        if (State != GuardState.Held)
        {
            return;
        }

        if (renewed)
        {
            _leaseUntil = _renewalAsked + parameters.LeaseMs;
        }
        else
        {
            OnLeaseOver(now);
        }
    }

    private void OnLeaseOver(long now)
    {
        long late = Math.Max(0, now - _leaseUntil);
        EnterMuted(retakeable: true);
        Do(new DropLease());
        if (_denied is { } why)
        {
            Report(GuardNotice.LeaseLost, $"{address} is silent here: its lease was not renewed, {why}");
            return;
        }

        Report(GuardNotice.LeaseLost,
            $"{address} was silent here: this daemon came {late} ms too late to renew its lease, and asks again");
        BeginTake(Purpose.Retake, now);
    }

    private void OnRightChanged(string? denied, long now)
    {
        bool back = _denied is not null && denied is null;
        _denied = denied;
        if (!back)
        {
            return;
        }

        if (State == GuardState.Muted && _retakeable)
        {
            BeginTake(Purpose.Retake, now);
        }
        else if (State == GuardState.Held)
        {
            _nextRenewal = now;
            OnHoldingTick(now);
        }
    }

    /// <summary>7. Somebody else speaks as the owner of what this node holds.</summary>
    private void OnClaimWhileHolding(Sighting s, long now)
    {
        if (!_members.ContainsKey(s.Mac))
        {
            if (_defended is null || now - _defended >= parameters.DefendEveryMs)
            {
                _defended = now;
                Do(new Defend());
                Report(GuardNotice.Conflict, $"{s.Mac}, no node of this cluster, uses {address}, which is held here");
            }
        }
        else if (GoesBefore(s))
        {
            string why = $"{NameOf(s.Mac)} holds {address} too and goes before this node";
            Do(new DropLease());
            Report(GuardNotice.Contested, $"{why}: given up here");
            EnterMuted(retakeable: false);
            Do(new RemoveAddress());
            Do(new AddressLost(why));
        }
        else
        {
            Do(new BeginAnnouncing());
            Report(GuardNotice.Contested, $"{NameOf(s.Mac)} announced {address}, but this node goes before it");
        }
    }
}
