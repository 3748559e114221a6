namespace Buoy.Membership.Links;

/// <summary>
/// Which links to which peers work, and which of them a datagram takes (section 12 of the ring's specification;
/// knet_* and link_mode of corosync.conf(5)). A pure state machine: events with the time in, effects out.
/// <code>
///          pong_count answers in a row
///   Down ──────────────────────────────▶ Up
///     ▲    no answer for ping_timeout,   │
///     └──── or the local address went ───┘
/// </code>
/// Every link is pinged each interval, up or down. Only round trips count, so that a one-way fault takes the link down
/// at both ends. While no link to a peer is up, everything goes over all of them: a cluster that starts, or heals from a
/// total outage, must not wait for rows of answers. Retransmissions and signs of life take every link at any time, so
/// that the ring does not depend on how soon a dead link is noticed.
/// <para>A path's MTU is measured with pings that must not be fragmented: the largest the interface allows first, then
/// by halving, every pmtud interval and when the link comes up.</para>
/// </summary>
public sealed class LinkMonitor
{
    private const long Never = long.MaxValue;

    /// <summary>Smallest size searched: what every IPv6 path carries.</summary>
    public const int MinMtu = 1280;

    /// <summary>A search ends when it is this exact, bytes.</summary>
    private const int MtuPrecision = 8;

    /// <summary>Tries per size: a lost ping is not a small path.</summary>
    private const int MtuTries = 3;

    private readonly SortedDictionary<(uint Node, int Link), LinkPath> _paths = [];
    private readonly SortedDictionary<int, Local> _links = [];
    private readonly List<LinkEffect> _effects = [];
    private readonly Dictionary<uint, int> _turn = [];
    private LinkMode _mode;
    private long _pmtudInterval;
    private int _fixedMtu;
    private ulong _number;

    private sealed class Local(LinkParameters parameters)
    {
        public LinkParameters Parameters { get; set; } = parameters;
        public bool Here { get; set; }
        public int Mtu { get; set; } = LinkPath.DefaultMtu;
        public long NextPing { get; set; }
    }

    /// <summary>All paths, by peer and link.</summary>
    public IEnumerable<LinkPath> Paths => _paths.Values;

    /// <summary>When <see cref="OnTimers"/> must be called, ms.</summary>
    public long NextDeadline
    {
        get
        {
            long next = Never;
            if (_paths.Count > 0)
            {
                foreach (var link in _links.Values)
                {
                    next = link.Here ? Math.Min(next, link.NextPing) : next;
                }

                foreach (var path in _paths.Values)
                {
                    next = path.IsUp ? Math.Min(next, path.SearchAt) : next;
                }
            }

            return next;
        }
    }

    /// <summary>Takes the configuration; paths that stay keep their state.</summary>
    /// <param name="peers">Nodes other than this one.</param>
    /// <param name="pmtudInterval">Between measurements, ms.</param>
    /// <param name="fixedMtu">MTU that is not measured, bytes; 0 = measure.</param>
    public void Configure(long now, LinkMode mode, IReadOnlyDictionary<int, LinkParameters> links, IEnumerable<uint> peers,
        long pmtudInterval, int fixedMtu)
    {
        _mode = links.Count == 1 ? LinkMode.Passive : mode;
        _pmtudInterval = pmtudInterval;
        _fixedMtu = fixedMtu;
        foreach (int gone in _links.Keys.Where(l => !links.ContainsKey(l)).ToList())
        {
            _links.Remove(gone);
        }

        foreach (var (number, parameters) in links)
        {
            if (_links.TryGetValue(number, out var known))
            {
                known.Parameters = parameters;
                known.NextPing = Math.Min(known.NextPing, now + parameters.PingInterval);
            }
            else
            {
                _links[number] = new Local(parameters) { NextPing = now };
            }
        }

        var wanted = peers.SelectMany(n => links.Keys.Select(l => (n, l))).ToHashSet();
        foreach (var gone in _paths.Keys.Where(k => !wanted.Contains(k)).ToList())
        {
            _paths.Remove(gone);
        }

        foreach (var (node, link) in wanted)
        {
            if (!_paths.ContainsKey((node, link)))
            {
                _paths[(node, link)] = new LinkPath(link, node);
                _links[link].NextPing = now;
            }
        }

        foreach (var path in _paths.Values)
        {
            StartSearch(now, path);
        }
    }

    /// <summary>The local address of a link appeared, or went.</summary>
    /// <param name="mtu">Of its interface, bytes.</param>
    public void OnLocal(long now, int link, bool here, int mtu)
    {
        if (!_links.TryGetValue(link, out var local) || (local.Here == here && local.Mtu == mtu))
        {
            return;
        }

        local.Here = here;
        local.Mtu = here ? mtu : local.Mtu;
        local.NextPing = now;
        foreach (var path in _paths.Values.Where(p => p.Link == link))
        {
            if (!here)
            {
                Down(path, "the local address is gone");
            }

            path.Mtu = Math.Min(path.Mtu, local.Mtu);
            StartSearch(now, path);
        }
    }

    /// <summary>An answer came over a link.</summary>
    public void OnPong(long now, uint from, int link, ulong number)
    {
        if (!_paths.TryGetValue((from, link), out var path) || !_links.TryGetValue(link, out var local)
            || path.Answered(number, now, local.Parameters.PingPrecision) is not { } size)
        {
            return;
        }

        path.LastPong = now;
        if (size > 0)
        {
            OnSizeAnswered(now, path, size);
            return;
        }

        path.Row++;
        if (!path.IsUp && path.Row >= local.Parameters.PongCount && local.Here)
        {
            path.IsUp = true;
            path.UpCount++;
            _effects.Add(new LinkChanged(link, from, true, $"{path.Row} answers in a row"));
            StartSearch(now, path);
        }
    }

    /// <summary>Deadlines that are due.</summary>
    public void OnTimers(long now)
    {
        // Own lateness: who did not ask in time accuses nobody of not having answered.
        if (_links.Values.Any(l => l.Here && now - l.NextPing > l.Parameters.PingInterval / 2))
        {
            OnLate(now);
        }

        foreach (var (number, link) in _links)
        {
            if (!link.Here || link.NextPing > now)
            {
                continue;
            }

            // A wake-up that comes late does not send in a burst what it missed.
            link.NextPing = Math.Max(link.NextPing + link.Parameters.PingInterval, now + 1);
            foreach (var path in _paths.Values)
            {
                if (path.Link != number)
                {
                    continue;
                }

                if (now - path.LastPong >= link.Parameters.PingTimeout)
                {
                    Down(path, $"no answer for {link.Parameters.PingTimeout} ms");
                }

                Ping(now, path, 0);
            }
        }

        foreach (var path in _paths.Values)
        {
            if (path.IsUp && path.SearchAt <= now)
            {
                GoOnSearching(now, path);
            }
        }
    }

    /// <summary>This host was late: its own silence is no peer's fault. Every link that is up gets its time anew.</summary>
    public void OnLate(long now)
    {
        foreach (var path in _paths.Values)
        {
            path.LastPong = path.IsUp ? now : path.LastPong;
        }
    }

    /// <summary>Takes the effects of the steps so far.</summary>
    public void TakeEffects(Queue<LinkEffect> into)
    {
        foreach (var effect in _effects)
        {
            into.Enqueue(effect);
        }

        _effects.Clear();
    }

    /// <summary>Is a link to a peer up?</summary>
    public bool IsUp(int link, uint node) => _paths.TryGetValue((node, link), out var path) && path.IsUp;

    /// <summary>Is any link to a peer up?</summary>
    public bool IsReachable(uint node) => _links.Keys.Any(l => IsUp(l, node));

    /// <summary>
    /// The links a datagram to a peer takes, written to <paramref name="into"/>; returns how many.
    /// </summary>
    /// <param name="everywhere">A retransmission or a sign of life: every link there is.</param>
    public int Route(uint node, bool everywhere, Span<int> into)
    {
        int all = 0, up = 0, best = -1;
        Span<int> links = stackalloc int[into.Length];
        foreach (var (number, link) in _links)
        {
            if (!link.Here || all == into.Length)
            {
                continue;
            }

            into[all++] = number;
            if (_paths.TryGetValue((node, number), out var path) && path.IsUp)
            {
                links[up++] = number;
                best = best < 0 || link.Parameters.Priority > _links[best].Parameters.Priority ? number : best;
            }
        }

        if (everywhere || up == 0 || all <= 1)
        {
            return all;
        }

        switch (_mode)
        {
            case LinkMode.Passive:
                into[0] = best;
                return 1;
            case LinkMode.RoundRobin:
                int turn = _turn.GetValueOrDefault(node);
                _turn[node] = turn + 1 & int.MaxValue;
                into[0] = links[turn % up];
                return 1;
            default:
                links[..up].CopyTo(into);
                return up;
        }
    }

    /// <summary>Bytes an IP packet may have to reach every peer over every link that is up.</summary>
    public int Mtu
    {
        get
        {
            int mtu = int.MaxValue;
            foreach (var path in _paths.Values)
            {
                mtu = path.IsUp ? Math.Min(mtu, path.Mtu) : mtu;
            }

            return mtu == int.MaxValue ? _fixedMtu > 0 ? _fixedMtu : LinkPath.DefaultMtu : mtu;
        }
    }

    private void Down(LinkPath path, string reason)
    {
        path.Row = 0;
        if (path.IsUp)
        {
            path.IsUp = false;
            path.DownCount++;
            path.SearchAt = Never;
            path.Search = null;
            _effects.Add(new LinkChanged(path.Link, path.NodeId, false, reason));
        }
    }

    private void Ping(long now, LinkPath path, int size)
    {
        path.Sent(++_number, now, size);
        _effects.Add(new SendPing(path.Link, path.NodeId, _number, size));
    }

    // ── MTU ──────────────────────────────────────────────────────────────────────────────────────────────────────

    private void StartSearch(long now, LinkPath path)
    {
        path.Search = null;
        path.SearchAt = path.IsUp && _fixedMtu == 0 ? now : Never;
        if (_fixedMtu > 0)
        {
            SetMtu(path, _fixedMtu);
        }
    }

    private void GoOnSearching(long now, LinkPath path)
    {
        int max = _links[path.Link].Mtu;
        var (good, bad, trying, tries) = path.Search ?? (Math.Min(MinMtu, max), max + 1, max, 0);
        if (tries == MtuTries)
        {
            // Not answered: too large. After the largest, what was right so far is the best guess.
            bool first = trying == max;
            bad = trying;
            trying = first && path.Mtu < max && path.Mtu > good ? path.Mtu : good + ((bad - good) / 2);
            tries = 0;
        }

        if (bad - good <= MtuPrecision)
        {
            FinishSearch(now, path, good);
            return;
        }

        path.Search = (good, bad, trying, tries + 1);
        path.SearchAt = now + Math.Max(100, (long)(4 * path.Latency));
        Ping(now, path, trying);
    }

    private void OnSizeAnswered(long now, LinkPath path, int size)
    {
        if (path.Search is not { } search || size != search.Trying)
        {
            return;
        }

        int good = size;
        if (search.Bad - good <= MtuPrecision)
        {
            FinishSearch(now, path, good);
            return;
        }

        path.Search = (good, search.Bad, good + ((search.Bad - good) / 2), 0);
        GoOnSearching(now, path);
    }

    private void FinishSearch(long now, LinkPath path, int mtu)
    {
        path.Search = null;
        path.SearchAt = now + _pmtudInterval;
        SetMtu(path, mtu);
    }

    private void SetMtu(LinkPath path, int mtu)
    {
        if (path.Mtu != mtu)
        {
            path.Mtu = mtu;
            _effects.Add(new MtuChanged(path.Link, path.NodeId, mtu));
        }
    }
}
