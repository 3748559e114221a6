using Buoy.Linux;
using Buoy.Network;

namespace Buoy.Agents;

/// <summary>
/// The built-in ocf:heartbeat:IPaddr2: one address, by netlink, announced by packets of our own. Its meaning is the
/// original's; where it differs:
/// - monitor says 1, not 7, when the address is on another interface than <c>nic</c>, and stop takes it away
///   from there too: an address of the cluster left somewhere answers for it;
/// - <c>check_link_status</c> (of newer versions) is on unless turned off: an address on a dead link serves nobody;
/// - in a cluster an address is guarded unless <c>guard</c> is off (IpAddressAgent.Guard.cs);
/// - announcements always go on in the background (<c>arp_bg</c> changes nothing), closer together at first.
/// </summary>
internal sealed partial class IpAddressAgent(EventLoop loop, AgentExecutorOptions options, Action<string, Outcome> report)
    : IAgent, IDisposable
{
    /// <summary>The kernel gives every network namespace's loopback interface this number.</summary>
    private const int LoopbackIndex = 1;

    private const string RouteFlush = "/proc/sys/net/ipv4/route/flush";
    private readonly Dictionary<string, Held> _held = [];
    private readonly Dictionary<ushort, PacketSocket> _senders = [];
    private NetworkStack? _stack;
    private NetworkMonitor? _monitor;

    /// <summary>A resource whose address is up, or that is monitored.</summary>
    private sealed class Held(IpAddressParameters parameters)
    {
        public IpAddressParameters Parameters { get; set; } = parameters;

        public Announcer? Announcer { get; set; }
    }

    /// <summary>A start that waits: for the verdict of a probe, or for duplicate address detection.</summary>
    private sealed class Waiting(Action<Outcome> end) : IRunningOperation
    {
        private bool _ended;

        public AddressProbeHost? Probe { get; set; }

        public EventLoop.LoopTimer? Timeout { get; set; }

        public Action? Look { get; set; }

        public Action? Left { get; set; }

        /// <summary>What a start has begun and that nobody waits for any more is undone.</summary>
        public Action? GivenUp { get; set; }

        public void Abort() => GiveUp(new Outcome(Ocf.Error, "", OperationStatus.Cancelled));

        public void GiveUp(Outcome outcome)
        {
            if (!_ended)
            {
                GivenUp?.Invoke();
                End(outcome);
            }
        }

        public void End(Outcome outcome)
        {
            if (!_ended)
            {
                _ended = true;
                Probe?.Dispose();
                Timeout?.Cancel();
                Left?.Invoke();
                end(outcome);
            }
        }
    }

    private readonly List<Waiting> _waiting = [];

    private NetworkStack Stack
    {
        get
        {
            if (_stack is null)
            {
                _stack = new NetworkStack();
                _monitor = new NetworkMonitor(loop);
                _monitor.AddressChanged += (a, _) => Changed(p => p.Address.Equals(a.Address));
                _monitor.LinkChanged += (_, _) => Changed(static _ => true);
                _monitor.Overrun += () => Changed(static _ => true);
            }

            return _stack;
        }
    }

    public IRunningOperation? Start(AgentRequest request, Action<Outcome> end)
    {
        if (request.Task == "meta-data")
        {
            end(new Outcome(Ocf.Ok, Output: BuiltInXml.IpAddress));
            return null;
        }

        var parameters = IpAddressParameters.Read(request.Attributes, out var failure);
        switch (request.Task)
        {
            case "start":
                return parameters is null ? Now(end, failure) : Up(request, parameters, end);
            case "stop":
                // With parameters that cannot be read nothing can have been started: as the original, stopped.
                return Now(end, parameters is null ? new Outcome(Ocf.Ok) : Down(request, parameters));
            case "monitor" or "status":
                return Watch(request, parameters, failure, end);
            case "validate-all":
                return Now(end, parameters is null ? failure : new Outcome(Ocf.Ok));
            default:
                return Now(end, new Outcome(Ocf.Unimplemented, $"IPaddr2 has no action {request.Task}"));
        }
    }

    public void Dispose()
    {
        foreach (var held in _held.Values)
        {
            held.Announcer?.Dispose();
        }

        _held.Clear();
        DisposeGuards();
        foreach (var sender in _senders.Values)
        {
            sender.Dispose();
        }

        _senders.Clear();
        _monitor?.Dispose();
        _stack?.Dispose();
    }

    private static IRunningOperation? Now(Action<Outcome> end, Outcome outcome)
    {
        end(outcome);
        return null;
    }

    /// <summary>Start: 1. interface and prefix, 2. link, 3. is it there, 4. is it free, 5. add, 6. announce.</summary>
    private Waiting? Up(AgentRequest request, IpAddressParameters p, Action<Outcome> end)
    {
        foreach (string name in p.Unknown)
        {
            options.Log(new AgentLogLine(request.ResourceId, "start", true, $"parameter {name} is unknown to IPaddr2"));
        }

        if (Place(p, out var link, out byte prefix) is { } nowhere)
        {
            end(nowhere);
            return null;
        }

        if (p.LabelFailure(link) is { } tooLong)
        {
            end(tooLong);
            return null;
        }

        if (!link.IsUp)
        {
            // The carrier of an interface just brought up comes later; the monitor looks at it.
            Stack.SetUp(link.Index);
        }
        else if (p.CheckLink && !link.HasCarrier)
        {
            end(new Outcome(Ocf.Error, $"interface {link.Name} has no carrier"));
            return null;
        }

        if (IsGuarded(p, link))
        {
            _known[request.ResourceId] = p;
            return TakeGuarded(request, p, link, prefix, end);
        }

        bool there = Same(p).Any(a => a.Interface == link.Index && a.PrefixLength == prefix);
        if (p is { ProbeFirst: true, IsIPv4: true } && !there && Announcer.Applies(link))
        {
            return AskFirst(request, p, link, prefix, end);
        }

        return Take(request, p, link, prefix, end);
    }

    private Waiting AskFirst(
        AgentRequest request, IpAddressParameters p, LinkInfo link, byte prefix, Action<Outcome> end)
    {
        var waiting = new Waiting(end);
        waiting.Probe = new AddressProbeHost(loop, link, p.Address, probe =>
        {
            switch (probe.Verdict)
            {
                case ProbeVerdict.Free:
                    waiting.Probe = null;
                    _ = Take(request, p, link, prefix, waiting.End);
                    break;
                case ProbeVerdict.Taken:
                    waiting.End(new Outcome(
                        Ocf.Error,
                        $"{p.Address} is in use by {AddressProbeHost.MacText(probe.HolderMac ?? [])} on {link.Name}"));
                    break;
                default:
                    waiting.End(new Outcome(Ocf.Error, $"no probe for {p.Address} could be sent on {link.Name}"));
                    break;
            }
        });
        waiting.Timeout = loop.Schedule(request.TimeoutMs, () =>
            waiting.End(ProgramRunner.TimedOut(request.TimeoutMs)));
        return waiting;
    }

    private Waiting? Take(AgentRequest request, IpAddressParameters p, LinkInfo link, byte prefix, Action<Outcome> end)
    {
        try
        {
            Stack.Add(p.On(link, prefix));
            foreach (var other in Same(p).Where(a => a.Interface != link.Index || a.PrefixLength != prefix))
            {
                Stack.Delete(other);
            }
        }
        catch (LinuxException e)
        {
            int rc = e.Errno is 1 or 13 ? Ocf.NoPermission : Ocf.Error;
            end(new Outcome(rc, $"{p.Address}/{prefix} on {link.Name}: {e.Message}"));
            return null;
        }

        var held = Hold(request.ResourceId, p);
        if (p.IsIPv4 || Tentative(p) == false)
        {
            Announce(request.ResourceId, held, link, p.ArpCount);
            end(new Outcome(Ocf.Ok));
            return null;
        }

        // IPv6 without nodad: an address that is still being checked cannot be bound or used.
        var waiting = new Waiting(end);
        waiting.Look = () =>
        {
            if (Tentative(p) is not { } tentative)
            {
                waiting.End(new Outcome(Ocf.Error, $"{p.Address} is a duplicate: another host on {link.Name} has it"));
            }
            else if (!tentative)
            {
                Announce(request.ResourceId, held, link, p.ArpCount);
                waiting.End(new Outcome(Ocf.Ok));
            }
        };
        waiting.Left = () => _waiting.Remove(waiting);
        _waiting.Add(waiting);
        waiting.Timeout = loop.Schedule(request.TimeoutMs, () =>
            waiting.End(ProgramRunner.TimedOut(request.TimeoutMs)));
        waiting.Look();
        return waiting;
    }

    private Outcome Down(AgentRequest request, IpAddressParameters p)
    {
        if (_held.Remove(request.ResourceId, out var held))
        {
            held.Announcer?.Dispose();
        }

        bool removed = _guards.ContainsKey(request.ResourceId);
        Drop(request.ResourceId);
        foreach (var address in Same(p))
        {
            removed |= Stack.Delete(address);
        }

        if (removed && p is { FlushRoutes: true, IsIPv4: true })
        {
            File.WriteAllText(RouteFlush, "1");
        }

        return new Outcome(Ocf.Ok);
    }

    private Waiting? Watch(AgentRequest request, IpAddressParameters? p, Outcome failure, Action<Outcome> end)
    {
        var outcome = Watched(request, p, failure);
        if (_context is not null && p is { Guard: true })
        {
            _known[request.ResourceId] = p;
            if (outcome.Rc == Ocf.NotRunning && !_guards.ContainsKey(request.ResourceId))
            {
                LiftLeftRules(request.ResourceId);
            }
            else if (outcome.Rc == Ocf.Ok && !_guards.ContainsKey(request.ResourceId)
                && Place(p, out var link, out _) is null && IsGuarded(p, link)
                && Adopt(request, p, link, end) is { } adoption)
            {
                return adoption;
            }
        }

        end(outcome);
        return null;
    }

    private Outcome Watched(AgentRequest request, IpAddressParameters? p, Outcome failure)
    {
        if (p is null)
        {
            // As the original: without ip nothing can be said; with a wrong one it cannot be running.
            return request.Attributes.TryGetValue("ip", out string? ip) && ip.Trim().Length > 0
                ? failure with { Rc = Ocf.NotRunning } : failure;
        }

        var outcome = Look(p, out var link);
        if (request.IntervalMs > 0 || outcome.Rc == Ocf.Ok)
        {
            var held = Hold(request.ResourceId, p);
            if (outcome.Rc == Ocf.Ok && p.ArpCountRefresh > 0 && link is not null
                && held.Announcer is null or { Done: true })
            {
                Announce(request.ResourceId, held, link!, p.ArpCountRefresh);
            }
        }

        return outcome;
    }

    private Outcome Look(IpAddressParameters p, out LinkInfo? link)
    {
        var links = Stack.Links();
        var found = Same(p);
        link = p.Nic is null ? null : links.FirstOrDefault(l => l.Name == p.Nic);
        int? wanted = link?.Index;
        if (found.Count == 0)
        {
            return new Outcome(Ocf.NotRunning);
        }

        var address = p.Nic is null ? found[0] : found.FirstOrDefault(a => a.Interface == wanted);
        if (address is null)
        {
            string where = links.FirstOrDefault(l => l.Index == found[0].Interface)?.Name ?? "another interface";
            return new Outcome(Ocf.Error, $"{p.Address} is on {where}, expected on {p.Nic}");
        }

        link ??= links.FirstOrDefault(l => l.Index == address.Interface);
        if (p.PrefixLength is { } prefix && address.PrefixLength != prefix)
        {
            return new Outcome(
                Ocf.NotRunning, $"{p.Address} has prefix length {address.PrefixLength}, expected {prefix}");
        }

        if (address.Flags.HasFlag(AddressFlags.DadFailed))
        {
            return new Outcome(Ocf.Error, $"{p.Address} is a duplicate: another host has it");
        }

        return p.CheckLink && link is { } l && !(l.IsUp && l.HasCarrier)
            ? new Outcome(Ocf.Error, $"interface {l.Name} {(l.IsUp ? "has no carrier" : "is down")}")
            : new Outcome(Ocf.Ok);
    }

    /// <summary>
    /// All entries of the address, wherever they are; not on the loopback interface, where LVS real servers keep one.
    /// </summary>
    private List<AddressInfo> Same(IpAddressParameters p) =>
        [.. Stack.Addresses(p.Address.AddressFamily)
            .Where(a => a.Address.Equals(p.Address) && (a.Interface != LoopbackIndex || p.Nic == "lo"))];

    /// <summary>Whether the address is still being checked; null: it is gone or was found to be a duplicate.</summary>
    private bool? Tentative(IpAddressParameters p)
    {
        var address = Same(p).FirstOrDefault();
        return address is null || address.Flags.HasFlag(AddressFlags.DadFailed)
            ? null : address.Flags.HasFlag(AddressFlags.Tentative);
    }

    /// <summary>Where the address belongs; an outcome: nowhere.</summary>
    private Outcome? Place(IpAddressParameters p, out LinkInfo link, out byte prefix)
    {
        link = null!;
        prefix = p.PrefixLength ?? 0;
        if (p.Nic is { } nic)
        {
            if (Stack.Link(nic) is not { } named)
            {
                return new Outcome(Ocf.NotConfigured, $"parameter nic=\"{nic}\": expected an interface of this node");
            }

            link = named;
            if (p.PrefixLength is not null)
            {
                return null;
            }
        }

        var route = Stack.ConnectedRoute(p.Address, link?.Index);
        if (route is null)
        {
            string missing = p.Nic is null ? "nic" : "cidr_netmask";
            return new Outcome(
                Ocf.Error, $"parameter {missing} is not given, and no route but the default one covers {p.Address}");
        }

        link ??= Stack.Links().First(l => l.Index == route.Interface);
        prefix = p.PrefixLength ?? route.PrefixLength;
        return null;
    }

    private Held Hold(string resourceId, IpAddressParameters p)
    {
        if (!_held.TryGetValue(resourceId, out var held))
        {
            held = _held[resourceId] = new Held(p);
        }

        held.Parameters = p;
        return held;
    }

    private void Announce(string resourceId, Held held, LinkInfo link, int count)
    {
        held.Announcer?.Dispose();
        var guard = _guards.GetValueOrDefault(resourceId);
        held.Announcer = Announcer.Applies(link)
            ? Announcement(resourceId, held.Parameters, link, count, guard is null ? null : () => guard.IsHolder, null)
            : null;
    }

    private Announcer? Announcement(
        string resourceId, IpAddressParameters p, LinkInfo link, int count, Func<bool>? may, byte[]? packet)
    {
        try
        {
            ushort protocol = Announcer.ProtocolFor(p.Address);
            if (!_senders.TryGetValue(protocol, out var sender))
            {
                sender = _senders[protocol] = PacketSocket.OpenSender(protocol);
            }

            return new Announcer(
                loop, sender, link, p.Address, count, p.ArpIntervalMs,
                text => options.Log(new AgentLogLine(resourceId, "start", true, text)), p.ArpRepliesOnly, may, packet);
        }
        catch (LinuxException e)
        {
            // The address serves; neighbours with an old entry find it when that expires.
            options.Log(new AgentLogLine(resourceId, "start", true, $"{p.Address} is not announced: {e.Message}"));
            return null;
        }
    }

    /// <summary>The kernel said something: look again at the resources it may concern.</summary>
    private void Changed(Func<IpAddressParameters, bool> concerns)
    {
        foreach (var waiting in _waiting.ToArray())
        {
            waiting.Look?.Invoke();
        }

        foreach (var (id, held) in _held.ToArray())
        {
            if (!concerns(held.Parameters))
            {
                continue;
            }

            try
            {
                var outcome = Look(held.Parameters, out _);
                if (outcome.Rc != Ocf.Ok)
                {
                    held.Announcer?.Dispose();
                }

                report(id, outcome.Rc == Ocf.NotRunning && outcome.Reason.Length == 0
                    ? outcome with { Reason = $"{held.Parameters.Address} was removed" } : outcome);
            }
            catch (LinuxException e)
            {
                report(id, new Outcome(Ocf.Error, e.Message));
            }
        }
    }
}
