namespace Buoy.Network.Guard;

/// <summary>
/// The guard of one address on one node: (event, now) in, effects out. It asks the segment before the node takes the
/// address, and keeps a lease in the kernel while the node has it, so that a daemon that hangs loses it by itself.
/// <code>
///            TakeAsked, suspicion                window over, nobody heard
///   Free -------------------------> Probing -----------------------------------> Held
///    ^                               |   ^                                        |
///    |  refused, suspicion over      |   |  slept longer than the lease,          |  contested by a higher right,
///    +-------------------------------+   |  or the right to renew is back         |  or the lease ran out
///                                        +--------------- Muted &lt;---------------+
///   any --ReleaseAsked--> Gone --TakeAsked, suspicion--> Probing
/// </code>
/// The rules, with what carries them here: <see cref="MembersChanged"/> (1); the lease (2) and what it is worth after a
/// sleep (8) in AddressGuard.Holding.cs; probes (3), answers (4), rivals (5) and activation (6) in
/// AddressGuard.Probing.cs; announcements of others (7) in Holding. That nothing is proven about a segment which both
/// cannot reach (9) is for quorum and fencing. LIFECYCLE.md tells the whole.
/// </summary>
/// <remarks>
/// The core's own clock checks cannot see a freeze between a check and the call that follows it. Both calls that make
/// an address live are therefore conditions in the kernel: a lease is only granted while the ticket lasts that
/// was placed with the last probe, and only renewed while it is not over.
/// </remarks>
public sealed partial class AddressGuard(GuardParameters parameters, string address, LinkAddress own)
{
    private readonly List<GuardEffect> _effects = [];
    private IReadOnlyDictionary<LinkAddress, GuardMember> _members = new Dictionary<LinkAddress, GuardMember>();
    private string? _denied;
    private ulong _term;

    /// <summary>Where it stands.</summary>
    public GuardState State { get; private set; }

    /// <summary>When a <see cref="GuardTick"/> is wanted, in the clock of <c>now</c>; null: not at all.</summary>
    public long? NextAt => State switch
    {
        GuardState.Probing => NextProbing,
        GuardState.Held => Math.Min(_nextRenewal, _leaseUntil),
        _ => null,
    };

    /// <summary>This node may speak for the address now.</summary>
    public bool IsHolder(long now) => State == GuardState.Held && now < _leaseUntil;

    /// <summary>Handles one event; the effects are to be carried out in order.</summary>
    public IReadOnlyList<GuardEffect> Handle(GuardEvent e, long now)
    {
        _effects.Clear();
        if (State == GuardState.Held && now >= _leaseUntil && e is not ReleaseAsked)
        {
            // 8. Slept, or not allowed to renew: whatever the event is, it does not meet a holder.
            OnLeaseOver(now);
        }

        switch (e)
        {
            case TakeAsked t:
                OnTakeAsked(t, now);
                break;
            case ReleaseAsked:
                EnterGone();
                break;
            case SuspicionChanged s:
                OnSuspicion(s.Suspicious, now);
                break;
            case Heard h when h.Sighting.Mac != own:
                OnHeard(h.Sighting, now);
                break;
            case HolderAnswered a:
                OnHolderAnswered(a);
                break;
            case RightChanged r:
                OnRightChanged(r.Denied, now);
                break;
            case MembersChanged m:
                _members = m.Members;
                break;
            case TicketPlaced t:
                OnTicketPlaced(t.Error, now);
                break;
            case Activated a:
                OnActivated(a, now);
                break;
            case LeaseRenewed r:
                OnLeaseRenewed(r.Renewed, now);
                break;
            case ProbeFailed p:
                OnProbeFailed(p.Error, now);
                break;
            case GuardTick when State == GuardState.Probing:
                OnProbingTick(now);
                break;
            case GuardTick when State == GuardState.Held:
                OnHoldingTick(now);
                break;
        }

        return _effects.ToArray();
    }

    private void OnHeard(Sighting s, long now)
    {
        if (State == GuardState.Probing)
        {
            OnHeardWhileProbing(s, now);
        }
        else if (State == GuardState.Held && s.Kind == SightingKind.Claim)
        {
            OnClaimWhileHolding(s, now);
        }
    }

    /// <summary>Whether another station's right goes before this node's: the term decides, then the link
    /// address.</summary>
    private bool GoesBefore(Sighting other) =>
        other.Term != _term ? other.Term > _term : other.Mac.CompareTo(own) > 0;

    private string NameOf(LinkAddress mac) => _members.TryGetValue(mac, out var m) ? $"{m.Name} ({mac})" : $"{mac}";

    private void Do(GuardEffect effect) => _effects.Add(effect);

    private void Report(GuardNotice notice, string text) => Do(new GuardReport(notice, text));

    private void EnterGone()
    {
        State = GuardState.Gone;
        Do(new DropLease());
        Do(new RemoveAddress());
    }
}
