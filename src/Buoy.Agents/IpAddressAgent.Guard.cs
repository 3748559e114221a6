using Buoy.Linux;
using Buoy.Network;
using Buoy.Network.Guard;
using Buoy.Network.GuardHost;

namespace Buoy.Agents;

/// <summary>The guard of the agent's addresses: who has one, and what each is told of the cluster.</summary>
internal sealed partial class IpAddressAgent
{
    /// <summary>Longer than the guard listens on after the ring is whole again.</summary>
    private const int IdleGuardMs = 3000;

    private readonly Dictionary<string, AddressGuardHost> _guards = [];

    /// <summary>Guarded resources as they were seen last: what to watch when the ring becomes silent.</summary>
    private readonly Dictionary<string, IpAddressParameters> _known = [];
    private readonly GuardContext? _context = options.Guard;
    private NftSession? _nft;
    private HashSet<string> _leftRules = [];
    private bool _opened;
    private bool _wasSuspicious;
    private long _beat;
    private long _sleptUntil;

    /// <summary>A guard asks and speaks where neighbours are found by asking.</summary>
    private bool IsGuarded(IpAddressParameters p, LinkInfo link) =>
        _context is not null && p.Guard && Announcer.Applies(link);

    private void OpenGuard()
    {
        if (_opened || _context is null)
        {
            return;
        }

        _opened = true;
        _nft = NftSession.Open(out string? why);
        if (_nft is null)
        {
            options.Log(new AgentLogLine("guard", "start", true,
                $"{why}: addresses are guarded by their lifetimes, in whole seconds, instead of nf_tables"));
        }

        _leftRules = [.. _nft?.Resources() ?? []];
        _context.Changed += OnContextChanged;
        _context.Holds = address => _guards.Values.Any(g => g.IsHolder && g.Address.Address.Equals(address));
        _beat = _sleptUntil = EventLoop.Now;
        Beat();
    }

    /// <summary>How long this loop stood still is only seen by a clock that is looked at all the time.</summary>
    private void Beat()
    {
        long now = EventLoop.Now;
        if (now - _beat > Parameters(null).LeaseMs)
        {
            _sleptUntil = now;
        }

        _beat = now;
        _ = loop.Schedule(Parameters(null).RenewMs, Beat);
    }

    /// <summary>
    /// The holder's word counts if it was heard just now, and by a node that was awake: what waited in sockets while
    /// it slept is old news.
    /// </summary>
    private bool WasReleased(string resource)
    {
        const int awakeMs = 2000;
        long now = EventLoop.Now;
        return now - _beat <= Parameters(null).LeaseMs && now - _sleptUntil > awakeMs
            && _context!.WasReleased(resource, Parameters(null).ReleasedWithinMs);
    }

    private static GuardParameters Parameters(IpAddressParameters? p) =>
        p is null ? new GuardParameters() : new GuardParameters { Probes = p.GuardProbes };

    /// <summary>Start with a guard: its verdict is the outcome.</summary>
    private Waiting TakeGuarded(
        AgentRequest request, IpAddressParameters p, LinkInfo link, byte prefix, Action<Outcome> end)
    {
        string id = request.ResourceId;
        var waiting = new Waiting(end);
        var guard = Guard(id, p, link, prefix);
        waiting.GivenUp = () => Drop(id);
        waiting.Timeout = loop.Schedule(request.TimeoutMs, () =>
            waiting.GiveUp(ProgramRunner.TimedOut(request.TimeoutMs)));
        bool released = WasReleased(id);
        guard.Take(_context!.Term, released, refused =>
        {
            if (refused is null)
            {
                Hold(id, p);
                waiting.End(new Outcome(Ocf.Ok));
                return;
            }

            _context.TellRefused(id);
            loop.Post(() => Drop(id));
            waiting.End(new Outcome(Ocf.Error, refused));
        });
        return waiting;
    }

    /// <summary>
    /// A monitor found the address, but no guard here holds it: a daemon before this one did. It is asked for as at a
    /// start; where somebody else has it by now it goes from this node.
    /// </summary>
    private Waiting? Adopt(AgentRequest request, IpAddressParameters p, LinkInfo link, Action<Outcome> end)
    {
        var there = Same(p).FirstOrDefault(a => a.Interface == link.Index);
        return there is null ? null : TakeGuarded(request, p, link, there.PrefixLength, outcome =>
            end(outcome.Status == OperationStatus.Done && outcome.Rc != Ocf.Ok
                ? outcome with { Rc = Ocf.NotRunning } : outcome));
    }

    private AddressGuardHost Guard(string id, IpAddressParameters p, LinkInfo link, byte prefix)
    {
        OpenGuard();
        var address = p.On(link, prefix);
        if (!p.IsIPv4)
        {
            // The guard has asked already.
            address = address with { Flags = address.Flags | AddressFlags.NoDad };
        }

        if (_guards.TryGetValue(id, out var there))
        {
            if (there.Address == address)
            {
                return there;
            }

            Drop(id);
        }

        _leftRules.Remove(id);
        var guard = new AddressGuardHost(loop, new GuardHostOptions
        {
            Resource = id,
            Link = link,
            Address = address,
            Parameters = Parameters(p),
            Session = _nft,
            Stack = Stack,
            Set = a => Set(p, a),
            Remove = () => Same(p).ForEach(a => Stack.Delete(a)),
            Announce = (may, packet) => Announcement(id, p, link, p.ArpCount, may, packet),
            Ask = mac => _context!.Ask(mac, p.Address, holds => Answer(id, mac, holds)),
            Report = (notice, text) =>
            {
                _context!.Count(notice);
                options.Log(new AgentLogLine(id, "guard", true, text));
            },
            Lost = why => report(id, new Outcome(Ocf.Error, why)),
        });
        _guards[id] = guard;
        TellContext(guard);
        return guard;
    }

    private void Answer(string id, LinkAddress mac, bool holds)
    {
        if (_guards.TryGetValue(id, out var guard))
        {
            guard.HolderAnswered(mac, holds);
        }
    }

    private void Set(IpAddressParameters p, AddressInfo address)
    {
        if (address.ValidLifetime == AddressInfo.Forever)
        {
            Stack.Add(address);
        }
        else
        {
            Stack.Replace(address);
        }

        foreach (var other in Same(p)
            .Where(a => a.Interface != address.Interface || a.PrefixLength != address.PrefixLength))
        {
            Stack.Delete(other);
        }
    }

    /// <summary>Ends a resource's guard: the address goes at once, the rules when there is time.</summary>
    private void Drop(string id)
    {
        if (_guards.Remove(id, out var guard))
        {
            guard.Release();
            guard.Dispose();
            loop.Post(() =>
            {
                // Unless it was started again meanwhile, with rules of the same name.
                if (!_guards.ContainsKey(id))
                {
                    Lift(id, guard);
                }
            });
        }
    }

    private void Lift(string id, AddressGuardHost guard)
    {
        try
        {
            guard.Lift();
        }
        catch (LinuxException e)
        {
            options.Log(new AgentLogLine(id, "guard", true, e.Message));
        }
    }

    /// <summary>A monitor saw that the address is not here: rules of a former daemon have no purpose.</summary>
    private void LiftLeftRules(string id)
    {
        OpenGuard();
        if (_leftRules.Remove(id))
        {
            _nft?.Lift(id);
        }
    }

    private void TellContext(AddressGuardHost guard)
    {
        guard.Tell(new MembersChanged(_context!.Members));
        guard.Tell(new RightChanged(_context.Denied));
        guard.Tell(new SuspicionChanged(_context.Suspicious));
    }

    private void OnContextChanged()
    {
        if (_context!.Suspicious && !_wasSuspicious)
        {
            Watch();
        }
        else if (!_context.Suspicious && _wasSuspicious)
        {
            _ = loop.Schedule(IdleGuardMs, DropIdle);
        }

        _wasSuspicious = _context.Suspicious;
        foreach (var guard in _guards.Values.ToArray())
        {
            TellContext(guard);
        }
    }

    /// <summary>3. The ring is silent: ask for every address that this node may be told to take.</summary>
    private void Watch()
    {
        foreach (var (id, p) in _known)
        {
            try
            {
                if (!_guards.ContainsKey(id) && Same(p).Count == 0 && Place(p, out var link, out byte prefix) is null
                    && IsGuarded(p, link) && link is { IsUp: true, HasCarrier: true })
                {
                    _ = Guard(id, p, link, prefix);
                }
            }
            catch (LinuxException e)
            {
                options.Log(new AgentLogLine(id, "guard", true, e.Message));
            }
        }
    }

    private void DropIdle()
    {
        if (_context!.Suspicious)
        {
            return;
        }

        foreach (var (id, guard) in _guards.ToArray())
        {
            if (guard.State is GuardState.Free or GuardState.Gone)
            {
                Drop(id);
            }
        }
    }

    private void DisposeGuards()
    {
        foreach (var (id, guard) in _guards)
        {
            if (_context!.EndsInOrder)
            {
                // Left running on purpose (maintenance, unmanaged): it serves on without a daemon.
                Lift(id, guard);
            }

            guard.Dispose();
        }

        _guards.Clear();
        _nft?.Dispose();
    }
}
