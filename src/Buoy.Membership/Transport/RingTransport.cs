using Buoy.Linux;
using Buoy.Membership.Configuration;
using Buoy.Membership.Links;

namespace Buoy.Membership.Transport;

/// <summary>
/// All links of one node: multicast with unicast tokens, or unicast to the node list over one to eight links.
/// </summary>
internal sealed class RingTransport : IDisposable
{
    /// <summary>Datagrams fed in one turn; more stay in the kernel's buffer for the next one.</summary>
    private const int MaxDrain = 4096;

    private readonly EventLoop _loop;
    private readonly Action<bool, string> _log;
    private readonly AddressBook _book;
    private readonly List<UdpLink> _links = [];
    private readonly byte[] _buffer = new byte[65536];
    private readonly byte[] _unicastBuffer = new byte[65536];
    private readonly int[] _route = new int[8];
    private CorosyncConfig _config;
    private NodeSettings? _self;
    private string? _lastFault;
    private bool _allKnown;

    public RingTransport(EventLoop loop, CorosyncConfig config, Action<bool, string> log)
    {
        (_loop, _config, _log) = (loop, config, log);
        _book = new AddressBook(loop, Fault) { Changed = Apply };
        Use(config, null);
    }

    /// <summary>Called when a datagram may wait.</summary>
    public Action? Readable { get; set; }

    /// <summary>Which links work; runs with knet only.</summary>
    public LinkMonitor Monitor { get; } = new();

    /// <summary>The links, by number.</summary>
    public IReadOnlyList<UdpLink> Links => _links;

    /// <summary>Addresses of this node on its links, as Corosync prints them; empty while it has none.</summary>
    public string Local => string.Join(' ', _links.Where(l => l.IsOpen).Select(l => l.Local.ToString()));

    /// <summary>Sends that failed.</summary>
    public long SendErrors => _links.Sum(l => l.SendErrors);

    /// <summary>Every link is there and every name is resolved: nothing to check until a send fails.</summary>
    public bool Settled => _allKnown && _links.TrueForAll(l => l.Settled);

    /// <summary>Links are watched by pings.</summary>
    public bool IsMonitored => _config.Transport is TransportKind.Knet;

    /// <summary>Takes a configuration: links and peers come and go; those that stay go on.</summary>
    public void Use(CorosyncConfig config, NodeSettings? self)
    {
        _config = config;
        _self = self;
        _book.Use(config);
        for (int i = _links.Count - 1; i >= config.Links.Count; i--)
        {
            _links[i].Dispose();
            _links.RemoveAt(i);
        }

        for (int i = _links.Count; i < config.Links.Count; i++)
        {
            _links.Add(new UdpLink(_loop, i, _log, () => Readable?.Invoke()));
        }

        Apply();
        if (self is not null && IsMonitored)
        {
            var links = config.Links.ToDictionary(l => l.LinkNumber, l => new LinkParameters(
                l.Priority, l.PingInterval, l.PingTimeout, l.PongCount, l.PingPrecision));
            Monitor.Configure(EventLoop.Now, config.LinkMode, links,
                config.Nodes.Select(n => n.NodeId).Where(id => id != self.NodeId), config.PmtudInterval, config.KnetMtu);
        }
    }

    /// <summary>
    /// Who this node is: the node of the list whose address is here, or whose name is this host's; without a list the
    /// id comes from the IPv4 address. Id 0 while that cannot be told yet.
    /// </summary>
    public (uint NodeId, NodeSettings? Node) Identify(string hostName)
    {
        var here = UdpInterfaces.List();
        if (_config.Nodes.Count > 0)
        {
            var node = Find(_config, hostName);
            return node is null || node.NodeId != 0 ? (node?.NodeId ?? 0, node)
                : (IdOf(_links[0].FindLocal(here, _book.Find(node.Addresses[0]))), node);
        }

        return (IdOf(_links[0].FindLocal(here, null)), null);
    }

    /// <summary>The node of a list that is this host: by an address that is here, else by its name.</summary>
    public NodeSettings? Find(CorosyncConfig config, string hostName)
    {
        var here = UdpInterfaces.List();
        return config.Nodes.FirstOrDefault(n => (UdpAddress.Parse(n.Addresses[0]) ?? _book.Find(n.Addresses[0])) is { } a
                && UdpLink.IsHere(here, a) && (!a.IsLoopback || Same(n.Name, hostName)))
            ?? config.Nodes.FirstOrDefault(n => Same(n.Name, hostName) || Same(n.Addresses[0], hostName))
            ?? config.Nodes.FirstOrDefault(n => UdpAddress.Parse(n.Addresses[0]) is { } a && here.Any(i => i.Address == a));
    }

    /// <summary>
    /// Opens what can be opened, finds out what is gone, resolves names; cheap enough for every downcheck.
    /// </summary>
    public void Check(NodeSettings? self)
    {
        _self = self;
        _book.Resolve();
        var here = UdpInterfaces.List();
        foreach (var link in _links)
        {
            UdpAddress? listed = self is not null && link.Number < self.Addresses.Count
                ? _book.Find(self.Addresses[link.Number]) : null;
            link.Check(here, listed);
            Monitor.OnLocal(EventLoop.Now, link.Number, link.IsOpen, link.Mtu);
        }
    }

    /// <summary>False for a datagram whose address no listed node has (block_unlisted_ips).</summary>
    public bool IsListed(int link, UdpEndpoint from) =>
        !_config.BlockUnlistedIps || _config.Transport is TransportKind.Multicast || !_allKnown
        || _links[link].IsListed(from);

    /// <summary>Remembers where an authentic datagram of a node came from.</summary>
    public void Learn(int link, uint node, UdpEndpoint from)
    {
        if (link < _links.Count)
        {
            _links[link].Learn(node, from);
        }
    }

    /// <summary>To one node.</summary>
    /// <param name="datagrams">One, or several one after another.</param>
    /// <param name="size">Bytes of each; the last may be shorter.</param>
    /// <param name="everywhere">Over every link, whatever is known of them.</param>
    public void SendTo(uint node, ReadOnlySpan<byte> datagrams, int size, bool everywhere)
    {
        if (_links.Count == 1)
        {
            _links[0].SendTo(node, datagrams, size);
            return;
        }

        int n = Monitor.Route(node, everywhere, _route);
        for (int i = 0; i < n; i++)
        {
            _links[_route[i]].SendTo(node, datagrams, size);
        }
    }

    /// <summary>To everybody; otherwise as <see cref="SendTo"/>.</summary>
    public void Broadcast(uint self, ReadOnlySpan<byte> datagrams, int size, bool everywhere)
    {
        if (_links[0].Multicast(datagrams, size))
        {
            return;
        }

        foreach (uint node in _links[0].Peers.Keys)
        {
            if (node != self)
            {
                SendTo(node, datagrams, size, everywhere);
            }
        }
    }

    /// <summary>Over one link.</summary>
    public void SendOn(int link, uint node, ReadOnlySpan<byte> datagram, bool whole)
    {
        if (link < _links.Count && whole)
        {
            _links[link].SendWhole(node, datagram);
        }
        else if (link < _links.Count)
        {
            _links[link].SendTo(node, datagram, datagram.Length);
        }
    }

    /// <summary>Hands every waiting datagram over, link by link.</summary>
    public void Drain(LinkHandler feed)
    {
        int budget = MaxDrain;
        for (int i = 0; i < _links.Count; i++)
        {
            _links[i].Drain(_buffer, _unicastBuffer, feed, ref budget);
        }
    }

    public void Dispose() => _links.ForEach(l => l.Dispose());

    private void Apply()
    {
        _links.ForEach(l => l.Use(_config, _book));
        _allKnown = _config.Nodes.All(n => n.Addresses.All(a => _book.Find(a) is not null));
        if (_self is not null && !_links.TrueForAll(l => l.IsOpen))
        {
            Check(_self);
        }
    }

    private uint IdOf(UdpAddress address) =>
        address.IsV6 ? 0 : _config.ClearNodeHighBit ? address.Low & 0x7FFF_FFFF : address.Low;

    private void Fault(string text)
    {
        if (text != _lastFault)
        {
            _lastFault = text;
            _log(true, text);
        }
    }

    private static bool Same(string a, string b) => Short(a).Equals(Short(b), StringComparison.OrdinalIgnoreCase);

    private static string Short(string name) => UdpAddress.Parse(name) is not null ? name : name.Split('.')[0];
}
