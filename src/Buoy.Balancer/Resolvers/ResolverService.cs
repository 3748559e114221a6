using System.Net;
using Buoy.Balancer.Configuration;
using Buoy.Linux;

namespace Buoy.Balancer.Resolvers;

/// <summary>Counters of one nameserver, in the order of <c>show resolvers</c>.</summary>
public sealed class NameServerCounters
{
    public long Sent, SendErrors, Valid, Updates, Cname, CnameErrors, AnyErrors, Nx, Timeouts, Refused, Others,
        Invalid, TooBig;
    public long Truncated, Outdated;

    /// <summary>Name and value of each, as printed.</summary>
    public IEnumerable<(string Name, long Value)> All() =>
    [
        ("sent", Sent), ("snd_error", SendErrors), ("valid", Valid), ("update", Updates), ("cname", Cname),
        ("cname_error", CnameErrors), ("any_err", AnyErrors), ("nx", Nx), ("timeout", Timeouts), ("refused", Refused),
        ("other", Others), ("invalid", Invalid), ("too_big", TooBig), ("truncated", Truncated), ("outdated", Outdated),
    ];

    internal void Count(DnsAnswer a)
    {
        if (a.HasCname)
        {
            Cname++;
        }

        _ = a.Outcome switch
        {
            DnsOutcome.Valid => Valid++,
            DnsOutcome.NoAddress => AnyErrors++,
            DnsOutcome.Nx => Nx++,
            DnsOutcome.Refused => Refused++,
            DnsOutcome.Truncated => Truncated++,
            DnsOutcome.Invalid => Invalid++,
            DnsOutcome.CnameError => CnameErrors++,
            _ => Others++,
        };
    }
}

/// <summary>
/// Runs the resolutions on the control loop: one UDP socket or TCP connection per nameserver, one timer per resolution.
/// What does not fit into a datagram is asked again over TCP (RFC 7766), which the original does not do: it knows TCP
/// only where <c>tcp@</c> asks for it.
/// </summary>
public sealed class ResolverService(EventLoop loop, Action<Resolution> ended) : IDisposable
{
    private readonly List<Section> _sections = [];

    /// <summary>One nameserver of a section.</summary>
    public sealed class NameServer(Section section, int index, NameServerConfig config)
    {
        internal DnsConnection? Connection { get; set; }

        /// <summary>Questions on their way over TCP whose answers did not fit into a datagram.</summary>
        internal HashSet<ushort> Truncated { get; } = [];

        /// <summary>Asked over TCP only.</summary>
        public bool Stream => config.Stream;

        internal Section Section { get; } = section;
        internal int Index { get; } = index;
        internal int Fd { get; set; } = -1;

        /// <summary>Its name in the configuration.</summary>
        public string Name => config.Name;

        /// <summary>Where it is.</summary>
        public IPEndPoint Address => config.Address;

        /// <summary>Its counters.</summary>
        public NameServerCounters Counters { get; } = new();
    }

    /// <summary>A resolvers section at work.</summary>
    public sealed class Section
    {
        internal Section(ResolversConfig config)
        {
            Config = config;
            NameServers = [.. config.NameServers.Select((n, i) => new NameServer(this, i, n))];
        }

        /// <summary>The section.</summary>
        public ResolversConfig Config { get; }

        /// <summary>Its nameservers.</summary>
        public IReadOnlyList<NameServer> NameServers { get; }

        internal Dictionary<(string, bool), Entry> Entries { get; } = [];
    }

    internal sealed class Entry(Resolution resolution)
    {
        public Resolution Resolution { get; } = resolution;
        public EventLoop.LoopTimer? Timer { get; set; }
        public int Users { get; set; }
        public NameServer? LastFrom { get; set; }
        public HashSet<int> Answered { get; } = [];
    }

    /// <summary>All sections.</summary>
    public IReadOnlyList<Section> Sections => _sections;

    /// <summary>Rounds that ended without an address.</summary>
    public long Failed { get; private set; }

    /// <summary>The nameserver whose answer ended a resolution's last round.</summary>
    public NameServer? AnsweredBy(Resolution r) => Find(r)?.LastFrom;

    /// <summary>Adds a section of the configuration.</summary>
    public void AddSection(ResolversConfig config) => _sections.Add(new Section(config));

    /// <summary>Joins the resolution of a name, begun when it is the first to ask; null when there is no such
    /// section.</summary>
    public Resolution? Join(string section, string name, bool preferIpv4)
    {
        var s = _sections.Find(x => x.Config.Name == section);
        if (s is null)
        {
            return null;
        }

        var key = (name.ToLowerInvariant(), preferIpv4);
        if (!s.Entries.TryGetValue(key, out var e))
        {
            e = new Entry(new Resolution(s.Config, name, preferIpv4, () => NewId(s)));
            s.Entries.Add(key, e);
            e.Timer = loop.Schedule(0, () => OnDeadline(s, e));
        }

        e.Users++;
        return e.Resolution;
    }

    /// <summary>Leaves a resolution; without users it ends.</summary>
    public void Leave(Resolution r)
    {
        var s = _sections.First(x => x.Config.Name == r.Section.Name);
        var key = (r.Name.ToLowerInvariant(), r.PreferIpv4);
        if (s.Entries.TryGetValue(key, out var e) && --e.Users <= 0)
        {
            e.Timer?.Cancel();
            s.Entries.Remove(key);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var n in _sections.SelectMany(s => s.NameServers))
        {
            Drop(n);
        }
    }

    private Entry? Find(Resolution r) =>
        _sections.SelectMany(s => s.Entries.Values).FirstOrDefault(e => ReferenceEquals(e.Resolution, r));

    private static ushort NewId(Section s)
    {
        while (true)
        {
            ushort id = Buoy.Linux.KernelRandom.UInt16();
            if (s.Entries.Values.All(e => !e.Resolution.Asking || e.Resolution.QueryId != id))
            {
                return id;
            }
        }
    }

    private void OnDeadline(Section s, Entry e)
    {
        if (e.Resolution.Asking)
        {
            foreach (var n in s.NameServers.Where(n => !e.Answered.Contains(n.Index)))
            {
                n.Counters.Timeouts++;
            }
        }

        Act(s, e, e.Resolution.OnDeadline(EventLoop.Now));
    }

    private void Act(Section s, Entry e, ResolutionEffect effect)
    {
        while (true)
        {
            e.Timer?.Cancel();
            e.Timer = loop.Schedule(e.Resolution.Deadline - EventLoop.Now, () => OnDeadline(s, e));
            if (effect == ResolutionEffect.Ended)
            {
                if (e.Resolution.Status != ResolutionStatus.Valid)
                {
                    Failed++;
                }

                ended(e.Resolution);
                return;
            }

            if (effect != ResolutionEffect.Ask)
            {
                return;
            }

            effect = SendToAll(s, e);
        }
    }

    private ResolutionEffect SendToAll(Section s, Entry e)
    {
        var query =
            DnsMessage.Query(
                e.Resolution.QueryId, e.Resolution.Name, e.Resolution.QueryType, s.Config.AcceptedPayloadSize);
        e.Answered.Clear();
        foreach (var n in s.NameServers)
        {
            n.Counters.Sent++;
            if (n.Stream)
            {
                n.Counters.SendErrors += Connection(n).Send(query) ? 0 : 1;
                continue;
            }

            if (n.Fd < 0)
            {
                n.Fd = ControlSocket.ConnectUdp(n.Address);
                if (n.Fd >= 0)
                {
                    loop.Add(n.Fd, PollEvents.Readable, _ => OnReadable(n));
                }
            }

            if (n.Fd < 0 || ControlSocket.Send(n.Fd, query) < 0)
            {
                n.Counters.SendErrors++;
            }
        }

        return ResolutionEffect.None;
    }

    private void OnReadable(NameServer n)
    {
        Span<byte> buffer = stackalloc byte[8192];
        for (int budget = 64; budget > 0 && n.Fd >= 0; budget--)
        {
            int got = ControlSocket.Receive(n.Fd, buffer);
            if (got == -ControlSocket.EAgain)
            {
                return;
            }

            if (got < 0)
            {
                // An ICMP error of an earlier question: the next one is sent all the same.
                n.Counters.SendErrors++;
                continue;
            }

            Answer(n, buffer[..got], datagram: true);
        }
    }

    private DnsConnection Connection(NameServer n) => n.Connection ??= new DnsConnection(
        loop, n.Address, m => Answer(n, m, datagram: false), failed => OnClosed(n, failed));

    /// <summary>The connection ended: what was to come over it does not come. A nameserver that has no TCP gave, after all,
    /// the answer that did not fit.</summary>
    private void OnClosed(NameServer n, bool failed)
    {
        n.Counters.SendErrors += failed ? 1 : 0;
        var open = n.Truncated.ToList();
        n.Truncated.Clear();
        foreach (ushort id in open)
        {
            if (Asking(n.Section, id) is { } e)
            {
                Take(n, e, new DnsAnswer(DnsOutcome.Truncated, [], false));
            }
        }
    }

    private static Entry? Asking(Section s, ushort id) =>
        s.Entries.Values.FirstOrDefault(x => x.Resolution.Asking && x.Resolution.QueryId == id);

    /// <summary>Asks again over TCP; false where that cannot be begun.</summary>
    private bool AskOverTcp(NameServer n, Entry e)
    {
        var r = e.Resolution;
        if (!Connection(n).Send(DnsMessage.Query(r.QueryId, r.Name, r.QueryType, n.Section.Config.AcceptedPayloadSize)))
        {
            return false;
        }

        n.Truncated.Add(r.QueryId);
        return true;
    }

    private void Answer(NameServer n, ReadOnlySpan<byte> message, bool datagram)
    {
        if (message.Length > n.Section.Config.AcceptedPayloadSize && (datagram || n.Stream))
        {
            n.Counters.TooBig++;
            return;
        }

        if (DnsMessage.Id(message) is not { } id)
        {
            n.Counters.Invalid++;
            return;
        }

        n.Truncated.Remove(id);
        var e = Asking(n.Section, id);
        if (e is null)
        {
            n.Counters.Outdated++;
            return;
        }

        var answer = DnsMessage.Read(message, e.Resolution.Name, e.Resolution.QueryType);
        n.Counters.Count(answer);
        if (answer.Outcome != DnsOutcome.Invalid && !(answer.Outcome == DnsOutcome.Truncated && datagram && AskOverTcp(n, e)))
        {
            Take(n, e, answer);
        }
    }

    private void Take(NameServer n, Entry e, DnsAnswer answer)
    {
        e.LastFrom = n;
        e.Answered.Add(n.Index);
        Act(n.Section, e, e.Resolution.OnAnswer(n.Index, answer, EventLoop.Now));
    }

    private void Drop(NameServer n)
    {
        n.Connection?.Dispose();
        if (n.Fd >= 0)
        {
            loop.Remove(n.Fd);
            ControlSocket.Close(n.Fd);
            n.Fd = -1;
        }
    }
}
