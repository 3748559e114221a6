using Buoy.Linux;
using Buoy.Network.Guard;

namespace Buoy.Network.GuardHost;

/// <summary>What an <see cref="AddressGuardHost"/> is given.</summary>
public sealed record GuardHostOptions
{
    /// <summary>Names the rules in the kernel.</summary>
    public required string Resource { get; init; }

    /// <summary>Where it goes.</summary>
    public required LinkInfo Link { get; init; }

    /// <summary>As it is added.</summary>
    public required AddressInfo Address { get; init; }

    public GuardParameters Parameters { get; init; } = new();

    /// <summary>Null: the kernel has no nf_tables, lifetimes are used.</summary>
    public NftSession? Session { get; init; }

    public required NetworkStack Stack { get; init; }

    /// <summary>Adds the address or changes its lifetimes.</summary>
    public required Action<AddressInfo> Set { get; init; }

    /// <summary>Takes it away, if it is there.</summary>
    public required Action Remove { get; init; }

    /// <summary>Makes an announcer of a packet; it may only announce while the function says so.</summary>
    public required Func<Func<bool>, byte[], Announcer?> Announce { get; init; }

    /// <summary>Asks the daemon of a station; <see cref="AddressGuardHost.HolderAnswered"/> is the answer.</summary>
    public required Action<LinkAddress> Ask { get; init; }

    public required Action<GuardNotice, string> Report { get; init; }

    /// <summary>The address was lost while it was held.</summary>
    public required Action<string> Lost { get; init; }
}

/// <summary>
/// Carries out one <see cref="AddressGuard"/>: packets, the lease, timers. Everything happens on the loop. Results that
/// effects have are handled after them, and what has been heard before a tick is handed over first.
/// </summary>
public sealed class AddressGuardHost : IDisposable
{
    private readonly EventLoop _loop;
    private readonly GuardHostOptions _options;
    private readonly GuardWire _wire;
    private readonly IAddressLease _lease;
    private readonly AddressGuard _guard;
    private readonly PacketSocket _socket;
    private readonly Queue<GuardEvent> _events = new();
    private readonly byte[] _buffer = new byte[512];
    private EventLoop.LoopTimer? _timer;
    private Announcer? _announcer;
    private Action<string?>? _taken;
    private ulong _term;
    private bool _handling;
    private bool _disposed;

    /// <summary>
    /// Makes it and its rules: from now on the address is silent on this node until it is taken. Throws
    /// <see cref="LinuxException"/> where socket or rules cannot be had.
    /// </summary>
    public AddressGuardHost(EventLoop loop, GuardHostOptions options)
    {
        _loop = loop;
        _options = options;
        var address = options.Address;
        var own = LinkAddress.From(options.Link.Mac);
        _wire = GuardWire.For(address.Address, options.Link.Mac);
        _guard = new AddressGuard(options.Parameters, address.Address.ToString(), own);
        _socket = PacketSocket.Open(options.Link.Index, _wire.Protocol, receive: true);
        try
        {
            if (_wire.Protocol == PacketSocket.ProtocolIPv6)
            {
                _socket.OnlyNeighbourDiscovery();
                _socket.HearMulticast(_wire.Everybody);
            }

            _lease = options.Session is { } session
                ? new NftLease(session, options.Resource, address, () => options.Set(address))
                : new LifetimeLease(options.Stack, address, options.Set);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }

        _loop.Add(_socket.Fd, PollEvents.Readable, _ => Drain());
    }

    /// <summary>Where the address's life stands.</summary>
    public GuardState State => _guard.State;

    /// <summary>The address as it was given.</summary>
    public AddressInfo Address => _options.Address;

    /// <summary>This node may speak for the address now.</summary>
    public bool IsHolder => _guard.IsHolder(EventLoop.Now);

    /// <summary>Takes the address; <paramref name="done"/> gets null, or why it was refused.</summary>
    public void Take(ulong term, bool released, Action<string?> done)
    {
        _taken = done;
        _term = term;
        Feed(new TakeAsked(term, released));
    }

    /// <summary>Nobody waits for the take any more: it is given up.</summary>
    public void Abandon()
    {
        _taken = null;
        Feed(new ReleaseAsked());
    }

    /// <summary>Gives the address up; when it returns the address is off the interface.</summary>
    public void Release() => Abandon();

    /// <summary>Hands over what happened around the node.</summary>
    public void Tell(GuardEvent e) => Feed(e);

    /// <summary>The daemon of a station has answered.</summary>
    public void HolderAnswered(LinkAddress mac, bool holds) => Feed(new HolderAnswered(mac, holds));

    /// <summary>Removes the rules; an address that is there speaks on, without a guard.</summary>
    public void Lift() => _lease.Lift();

    /// <summary>Ends without touching the address: its lease runs out.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _timer?.Cancel();
            _announcer?.Dispose();
            _loop.Remove(_socket.Fd);
            _socket.Dispose();
        }
    }

    private void Feed(GuardEvent e)
    {
        _events.Enqueue(e);
        if (_handling || _disposed)
        {
            return;
        }

        _handling = true;
        try
        {
            while (!_disposed && _events.TryDequeue(out var next))
            {
                foreach (var effect in _guard.Handle(next, EventLoop.Now))
                {
                    Carry(effect);
                }
            }
        }
        finally
        {
            _handling = false;
        }

        Rearm();
    }

    private void Rearm()
    {
        _timer?.Cancel();
        _timer = _disposed || _guard.NextAt is not { } at ? null : _loop.Schedule(at - EventLoop.Now, () =>
        {
            Drain();
            Feed(new GuardTick());
        });
    }

    private void Drain()
    {
        int n;
        while (!_disposed && (n = _socket.Receive(_buffer, out ulong from)) >= 0)
        {
            if (_wire.Hear(_buffer.AsSpan(0, n)) is { } s)
            {
                Feed(new Heard(s.Mac == default ? s with { Mac = new LinkAddress(from) } : s));
            }
        }
    }

    private void Carry(GuardEffect effect)
    {
        switch (effect)
        {
            case SendProbe p:
                Probe(p);
                break;
            case PlaceTicket t:
                PlaceTicket(t);
                break;
            case Activate:
                _events.Enqueue(Activation());
                break;
            case RenewLease:
                _events.Enqueue(new LeaseRenewed(Renewal()));
                break;
            case DropLease:
                _announcer?.Dispose();
                Try(_lease.Drop);
                break;
            case RemoveAddress:
                Try(_options.Remove);
                break;
            case BeginAnnouncing:
                _announcer?.Dispose();
                _announcer = _options.Announce(() => IsHolder, _wire.Say(SightingKind.Claim, _term));
                break;
            case Defend:
                _ = _socket.Send(_wire.Say(SightingKind.Claim, _term), _wire.Everybody);
                break;
            case AskHolder a:
                _options.Ask(a.Mac);
                break;
            case TakeAnswered a:
                var taken = _taken;
                _taken = null;
                taken?.Invoke(a.Refused);
                break;
            case AddressLost l:
                _options.Lost(l.Reason);
                break;
            case GuardReport r:
                _options.Report(r.Notice, r.Text);
                break;
            default:
                throw new InvalidOperationException($"unknown effect {effect.GetType().Name}");
        }
    }

    private void Probe(SendProbe p)
    {
        byte[] packet = _wire.Say(p.Claiming ? SightingKind.Probe : SightingKind.Watch, _term);
        int errno = _socket.Send(packet, p.To?.ToBytes() ?? _wire.Everybody);
        if (errno != 0)
        {
            _events.Enqueue(new ProbeFailed(new LinuxException("probe", errno).Message));
        }
    }

    private void PlaceTicket(PlaceTicket t)
    {
        string? error = null;
        try
        {
            _lease.PlaceTicket(t.Ms);
        }
        catch (LinuxException e)
        {
            error = e.Message;
        }

        if (t.Confirm)
        {
            Drain();
            _events.Enqueue(new TicketPlaced(error));
        }
    }

    private Activated Activation()
    {
        try
        {
            return new Activated(_lease.Activate(_options.Parameters.LeaseMs) ? ActivationResult.Done
                : ActivationResult.TooLate);
        }
        catch (LinuxException e)
        {
            return new Activated(ActivationResult.Failed, e.Message);
        }
    }

    private bool Renewal()
    {
        try
        {
            return _lease.Renew(_options.Parameters.LeaseMs);
        }
        catch (LinuxException e)
        {
            _options.Report(GuardNotice.LeaseLost, e.Message);
            return false;
        }
    }

    private void Try(Action action)
    {
        try
        {
            action();
        }
        catch (LinuxException e)
        {
            _options.Report(GuardNotice.LeaseLost, e.Message);
        }
    }
}
