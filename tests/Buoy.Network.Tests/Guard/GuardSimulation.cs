using Buoy.Network.Guard;

namespace Buoy.Network.Tests.Guard;

/// <summary>What is taken away from the guard, to see that the simulator notices.</summary>
[Flags]
public enum Broken
{
    Nothing = 0,

    /// <summary>A renewal also works where the lease is over.</summary>
    BlindRenewal = 1,

    /// <summary>A lease is granted also when the ticket is over, and no clock is looked at.</summary>
    NoTicket = 2,

    /// <summary>Other members' probes are not heard.</summary>
    DeafToRivals = 4,

    /// <summary>The kernel's lease never ends.</summary>
    EndlessLease = 8,

    /// <summary>One probe instead of three.</summary>
    OneProbe = 16,

    /// <summary>Nobody is asked at all.</summary>
    NoProbe = 32,
}

/// <summary>
/// One segment in virtual time, ms: nodes whose kernel answers ARP while address and lease are there, whose daemon can
/// stand still at any time and also between two calls, and packets that are lost and late within bounds.
/// </summary>
internal sealed class GuardSimulation(Broken broken, int maxDelay, Func<int, int> random)
{
    /// <summary>At most so many packets between two stations are lost in <see cref="LossWindowMs"/>.</summary>
    private const int Losses = 2;

    private const int LossWindowMs = 600;
    private readonly PriorityQueue<Action, (long At, long Order)> _queue = new();
    private readonly Dictionary<(int, int), List<long>> _lost = [];
    private readonly HashSet<LinkAddress> _strangers = [];
    private long _order;

    public long Now { get; private set; }

    public List<Node> Nodes { get; } = [];

    public int LossPercent { get; init; }

    public GuardParameters Parameters { get; } =
        new() { Probes = broken.HasFlag(Broken.OneProbe) ? 1 : 3 };

    public Node Add(bool inView = true)
    {
        var node = new Node(this, Nodes.Count, new LinkAddress((ulong)(0x020000000000 + Nodes.Count)));
        Nodes.Add(node);
        foreach (var n in Nodes)
        {
            n.Feed(new MembersChanged(Nodes.Where(o => o != n)
                .ToDictionary(o => o.Mac, o => new GuardMember($"node{o.Number}", inView))));
        }

        return node;
    }

    /// <summary>A host that is no member and has the address as its own.</summary>
    public LinkAddress AddStranger()
    {
        var mac = new LinkAddress(0x0A0000000000);
        _strangers.Add(mac);
        return mac;
    }

    public void At(long at, Action action) => _queue.Enqueue(action, (Math.Max(at, Now), _order++));

    public void Run(long until)
    {
        while (_queue.TryPeek(out var action, out var key) && key.At <= until)
        {
            _queue.Dequeue();
            Now = key.At;
            action();
        }

        Now = until;
    }

    /// <summary>Milliseconds in which the kernels of two nodes spoke for the address.</summary>
    public long Dual()
    {
        long dual = 0;
        for (int i = 0; i < Nodes.Count; i++)
        {
            for (int j = i + 1; j < Nodes.Count; j++)
            {
                dual += Nodes[i].Spoken(Now).Sum(a => Nodes[j].Spoken(Now)
                    .Sum(b => Math.Max(0, Math.Min(a.To, b.To) - Math.Max(a.From, b.From))));
            }
        }

        return dual;
    }

    private void Broadcast(Node from, SightingKind kind, LinkAddress? only = null)
    {
        if (from.Dead)
        {
            return;
        }

        foreach (var to in Nodes.Where(n => n != from && (only is null || n.Mac == only)))
        {
            Carry(from.Number, to.Number, () => to.Receive(from, kind));
        }

        foreach (var stranger in _strangers)
        {
            if (kind != SightingKind.Claim)
            {
                Carry(from.Number, -1, () => Carry(-1, from.Number, () =>
                    from.Hear(new Sighting(SightingKind.Claim, stranger))));
            }
        }
    }

    private void Carry(int a, int b, Action arrive)
    {
        var pair = (Math.Min(a, b), Math.Max(a, b));
        var lost = _lost.TryGetValue(pair, out var l) ? l : _lost[pair] = [];
        lost.RemoveAll(t => t < Now - LossWindowMs);
        if (lost.Count < Losses && random(100) < LossPercent)
        {
            lost.Add(Now);
            return;
        }

        At(Now + random(maxDelay + 1), arrive);
    }

    /// <summary>A node: its kernel goes on while its daemon stands still.</summary>
    internal sealed class Node
    {
        private readonly GuardSimulation _world;
        private readonly AddressGuard _guard;
        private readonly LinkedList<object> _work = new();
        private readonly Queue<Sighting> _socket = new();
        private readonly List<(long From, long To)> _spoken = [];
        private readonly Dictionary<int, int> _freezeAt = [];
        private long _frozenUntil;
        private long _leaseUntil;
        private long _ticketUntil;
        private long _speaksSince = -1;
        private bool _set;
        private bool _stepping;
        private int _calls;

        public Node(GuardSimulation world, int number, LinkAddress mac)
        {
            (_world, Number, Mac) = (world, number, mac);
            _guard = new AddressGuard(world.Parameters, "192.0.2.1", mac);
        }

        public int Number { get; }

        public LinkAddress Mac { get; }

        public bool Dead { get; private set; }

        public GuardState State => _guard.State;

        public List<string?> Answers { get; } = [];

        public List<GuardNotice> Notices { get; } = [];

        public long? HeldSince { get; private set; }

        public bool Speaks => _set && _world.Now < _leaseUntil && !Dead;

        /// <summary>Called when the address is off this node's interface.</summary>
        public Action? Released { get; set; }

        public void Take(bool released = false) => Feed(
            new TakeAsked(1, released || _world.Broken_.HasFlag(Broken.NoProbe)));

        /// <summary>The daemon stands still from now on.</summary>
        public void Freeze(long ms) => _frozenUntil = Math.Max(_frozenUntil, _world.Now + ms);

        /// <summary>It stands still right before its n-th call from now on.</summary>
        public void FreezeBeforeCall(int n, int ms) => _freezeAt[_calls + n] = ms;

        /// <summary>Kernel and all.</summary>
        public void Crash()
        {
            Change(() => Dead = true);
            _frozenUntil = long.MaxValue;
        }

        public IEnumerable<(long From, long To)> Spoken(long now) => _speaksSince < 0 ? _spoken
            : _spoken.Append((_speaksSince, Math.Min(now, _leaseUntil)));

        public void Feed(GuardEvent e)
        {
            _work.AddLast(e);
            Wake(_world.Now);
        }

        public void Receive(Node from, SightingKind kind)
        {
            Hear(new Sighting(kind, from.Mac, 1));
            if (kind != SightingKind.Claim && Speaks)
            {
                _world.Carry(Number, from.Number, () => from.Hear(new Sighting(SightingKind.Claim, Mac)));
            }
        }

        public void Hear(Sighting s)
        {
            if (s.Kind != SightingKind.Claim && _world.Broken_.HasFlag(Broken.DeafToRivals))
            {
                return;
            }

            _socket.Enqueue(s);
            Wake(_world.Now);
        }

        private void Wake(long at)
        {
            if (!_stepping)
            {
                _stepping = true;
                _world.At(at, Step);
            }
        }

        /// <summary>One call or one event, then the next after a moment.</summary>
        private void Step()
        {
            if (_world.Now < _frozenUntil)
            {
                if (_frozenUntil < long.MaxValue)
                {
                    _world.At(_frozenUntil, Step);
                }

                return;
            }

            if (_work.First is { Value: GuardEffect } && _freezeAt.Remove(_calls++, out int ms))
            {
                Freeze(ms);
                _world.At(_frozenUntil, Step);
                return;
            }

            if (_work.First is { } first)
            {
                _work.RemoveFirst();
                if (first.Value is GuardEffect effect)
                {
                    Carry(effect);
                }
                else
                {
                    Handle((GuardEvent)first.Value);
                }
            }
            else if (_socket.TryDequeue(out var s))
            {
                Handle(new Heard(s));
            }
            else if (_guard.NextAt <= _world.Now)
            {
                Handle(new GuardTick());
            }

            if (_work.Count > 0 || _socket.Count > 0)
            {
                _world.At(_world.Now + (_world.Random(8) == 0 ? 1 : 0), Step);
                return;
            }

            _stepping = false;
            if (_guard.NextAt is { } next)
            {
                _world.At(next, () => Wake(_world.Now));
            }
        }

        private void Handle(GuardEvent e)
        {
            var effects = _guard.Handle(e, _world.Now);
            for (int i = effects.Count - 1; i >= 0; i--)
            {
                _work.AddFirst(effects[i]);
            }
        }

        /// <summary>After the effects at hand, and what is in the socket by now.</summary>
        private void Result(GuardEvent e)
        {
            var last = _work.First;
            while (last?.Next is { Value: GuardEffect } next && last.Value is GuardEffect)
            {
                last = next;
            }

            if (last?.Value is GuardEffect)
            {
                _work.AddAfter(last, e);
            }
            else
            {
                _work.AddFirst(e);
            }
        }

        private void Carry(GuardEffect effect)
        {
            switch (effect)
            {
                case SendProbe p:
                    _world.Broadcast(this, p.Claiming ? SightingKind.Probe : SightingKind.Watch, p.To);
                    break;
                case PlaceTicket t:
                    _ticketUntil = _world.Now + t.Ms;
                    if (t.Confirm)
                    {
                        Result(new TicketPlaced(null));
                        while (_socket.TryDequeue(out var s))
                        {
                            Result(new Heard(s));
                        }
                    }

                    break;
                case Activate:
                    bool valid = _world.Now < _ticketUntil || _world.Broken_.HasFlag(Broken.NoTicket);
                    if (valid)
                    {
                        Grant();
                    }

                    Result(new Activated(valid ? ActivationResult.Done : ActivationResult.TooLate));
                    break;
                case RenewLease:
                    bool alive = _world.Now < _leaseUntil || _world.Broken_.HasFlag(Broken.BlindRenewal);
                    if (alive)
                    {
                        Grant();
                    }

                    Result(new LeaseRenewed(alive));
                    break;
                case DropLease:
                    Change(() => _leaseUntil = _ticketUntil = 0);
                    break;
                case RemoveAddress:
                    Change(() => _set = false);
                    Released?.Invoke();
                    break;
                case BeginAnnouncing:
                    foreach (int ms in (int[])[0, 50, 100, 200, 500, 1000])
                    {
                        _world.At(_world.Now + ms, () =>
                        {
                            if (_world.Now >= _frozenUntil && _guard.IsHolder(_world.Now))
                            {
                                _world.Broadcast(this, SightingKind.Claim);
                            }
                        });
                    }

                    break;
                case Defend:
                    _world.Broadcast(this, SightingKind.Claim);
                    break;
                case TakeAnswered a:
                    Answers.Add(a.Refused);
                    break;
                case GuardReport r:
                    Notices.Add(r.Notice);
                    break;
            }
        }

        private void Grant() => Change(() =>
        {
            _set = true;
            _ticketUntil = 0;
            _leaseUntil = _world.Broken_.HasFlag(Broken.EndlessLease) ? long.MaxValue
                : _world.Now + _world.Parameters.LeaseMs;
            HeldSince ??= _world.Now;
        });

        /// <summary>Changes the kernel's state and keeps account of when it spoke.</summary>
        private void Change(Action change)
        {
            if (_speaksSince >= 0)
            {
                _spoken.Add((_speaksSince, Math.Min(_world.Now, _leaseUntil)));
                _speaksSince = -1;
            }

            change();
            if (Speaks)
            {
                _speaksSince = _world.Now;
            }
        }
    }

    private Broken Broken_ => broken;

    private int Random(int below) => random(below);
}
