using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Buoy.Linux;
using Buoy.Membership.Configuration;

namespace Buoy.Membership.Transport;

/// <summary>
/// Sockets and addresses of one node: multicast with unicast tokens, or unicast to the node list. A missing interface
/// is no
/// error: the node is alone until it appears (<see cref="Check"/>, every downcheck ms).
/// </summary>
internal sealed class UdpTransport(EventLoop loop, CorosyncConfig config, Action<bool, string> log) : IDisposable
{
    private const int ReceiveBuffer = 4 << 20;

    /// <summary>Datagrams fed in one turn; more stay in the kernel's buffer for the next one.</summary>
    private const int MaxDrain = 4096;

    private readonly Dictionary<uint, UdpEndpoint> _learned = [];
    private readonly Dictionary<uint, UdpEndpoint> _configured = [];
    private readonly byte[] _datagram = new byte[65536];
    private UdpSocket? _unicast;
    private UdpSocket? _multicast;
    private UdpEndpoint _group;
    private bool _resolving;
    private bool _suspect;
    private string? _lastFault;
    private bool _lost;
    private uint _lostAddress;

    /// <summary>This node's address; 0 while it has none.</summary>
    public uint Local { get; private set; }

    /// <summary>Sends that failed.</summary>
    public long SendErrors { get; private set; }

    /// <summary>Called when a datagram may wait.</summary>
    public Action? Readable { get; set; }

    /// <summary>The interface is there and every name is resolved: nothing to check until a send fails.</summary>
    public bool Settled => _unicast is not null && !_suspect && _configured.Count >= config.Nodes.Count(n =>
        n.NodeId != 0);

    /// <summary>Address the group has, or null with unicast.</summary>
    public string? Group => _multicast is null ? null : UdpEndpoint.Dotted(_group.Address);

    /// <summary>The address of a node as known now, or null.</summary>
    public UdpEndpoint? AddressOf(uint node) =>
        config.Transport is TransportKind.Multicast && _learned.TryGetValue(node, out var l) ? l
        : _configured.TryGetValue(node, out var c) ? c : _learned.TryGetValue(node, out l) ? l : null;

    /// <summary>
    /// Who this node is: the node of the list whose address is here, or whose name is this host's; without a list the
    /// id comes
    /// from the IPv4 address. Id 0 while that cannot be told yet.
    /// </summary>
    public (uint NodeId, NodeSettings? Node) Identify(string hostName)
    {
        ResolveLiterals();
        var here = UdpInterfaces.List();
        if (config.Nodes.Count > 0)
        {
            var node = config.Nodes.FirstOrDefault(
                    n => _resolved.TryGetValue(n.Addresses[0], out uint a) && here.Any(i => i.Address == a))
                ?? config.Nodes.FirstOrDefault(n => Same(n.Name, hostName) || Same(n.Addresses[0], hostName));
            if (node is null)
            {
                return (0, null);
            }

            if (node.NodeId != 0)
            {
                return (node.NodeId, node);
            }

            uint own = FindLocal(here, node);
            return (IdOf(own), node);
        }

        return (IdOf(FindLocal(here, null)), null);
    }

    /// <summary>
    /// Opens what can be opened, finds out what is gone, resolves names; cheap enough for every downcheck.
    /// </summary>
    public void Check(NodeSettings? self)
    {
        ResolveLiterals();
        Resolve();
        var here = UdpInterfaces.List();
        if (_unicast is not null && IsHere(here, Local))
        {
            if (!_suspect)
            {
                return;
            }
        }

        bool had = _unicast is not null;
        uint before = Local;
        Close();
        _suspect = false;
        uint local = FindLocal(here, self);
        if (local == 0)
        {
            Fault(had || _lost ? $"address {UdpEndpoint.Dotted(_lost ? _lostAddress : before)} is gone: waiting for it"
                : "no interface for this node yet: waiting for it");
            (_lost, _lostAddress) = had ? (true, before) : (_lost, _lostAddress);
            return;
        }

        try
        {
            OpenSockets(local);
            _lastFault = null;
            _lost = false;
            log(false,
                $"{(_multicast is null ? "unicast" : "multicast to " + _group)} on {new UdpEndpoint(local, Port)}");
        }
        catch (LinuxException e)
        {
            Close();
            Fault($"{new UdpEndpoint(local, Port)}: {e.Message}");
        }
    }

    /// <summary>Remembers where an authentic datagram of a node came from.</summary>
    public void Learn(uint node, UdpEndpoint from) => _learned[node] = from;

    /// <summary>False for a datagram whose address no listed node has (block_unlisted_ips).</summary>
    public bool IsListed(UdpEndpoint from) =>
        !config.BlockUnlistedIps || config.Transport is TransportKind.Multicast
            || _configured.Count < config.Nodes.Count
        || _configured.ContainsValue(from);

    /// <summary>To one node; silently not at all where its address is unknown.</summary>
    public void SendTo(uint node, ReadOnlySpan<byte> datagram)
    {
        if (_unicast is not null && AddressOf(node) is { } to)
        {
            Note(_unicast.Send(datagram, to));
        }
    }

    /// <summary>To everybody.</summary>
    public void Broadcast(uint self, ReadOnlySpan<byte> datagram)
    {
        if (_unicast is null)
        {
            return;
        }

        if (_multicast is not null)
        {
            Note(_unicast.Send(datagram, _group));
            return;
        }

        foreach (var (node, to) in _configured)
        {
            if (node != self)
            {
                Note(_unicast.Send(datagram, to));
            }
        }
    }

    /// <summary>
    /// Hands every waiting datagram over. Multicasts first, and again before each unicast: what was sent before a
    /// token is fed
    /// before the token.
    /// </summary>
    public void Drain(Action<ReadOnlyMemory<byte>, UdpEndpoint> feed)
    {
        int budget = MaxDrain;
        DrainMulticast(feed, ref budget);
        byte[] unicast = _unicastBuffer;
        while (budget-- > 0 && _unicast is not null)
        {
            int n = _unicast.Receive(unicast, out var from);
            if (n < 0)
            {
                break;
            }

            DrainMulticast(feed, ref budget);
            feed(unicast.AsMemory(0, n), from);
        }
    }

    public void Dispose() => Close();

    private readonly byte[] _unicastBuffer = new byte[65536];
    private readonly Dictionary<string, uint> _resolved = new(StringComparer.OrdinalIgnoreCase);

    private ushort Port => (ushort)config.Interface.McastPort;

    private void DrainMulticast(Action<ReadOnlyMemory<byte>, UdpEndpoint> feed, ref int budget)
    {
        while (budget-- > 0 && _multicast is not null)
        {
            int n = _multicast.Receive(_datagram, out var from);
            if (n < 0)
            {
                return;
            }

            feed(_datagram.AsMemory(0, n), from);
        }
    }

    private void OpenSockets(uint local)
    {
        Local = local;
        bool multicast = config.Transport is TransportKind.Multicast;
        _unicast = UdpSocket.Open(new UdpEndpoint(local, Port), ReceiveBuffer, reuseAddress: multicast);
        loop.Add(_unicast.Fd, PollEvents.Readable, _ => Readable?.Invoke());
        if (!multicast)
        {
            return;
        }

        _group = new UdpEndpoint(GroupAddress(), Port);
        _unicast.SetMulticast(local, config.Interface.Ttl, loop: local >> 24 == 127);
        _multicast = UdpSocket.Open(_group, ReceiveBuffer, reuseAddress: true);
        _multicast.JoinGroup(_group.Address, local);
        loop.Add(_multicast.Fd, PollEvents.Readable, _ => Readable?.Invoke());
    }

    /// <summary>
    /// mcastaddr, else made of the cluster's name within 239.192/14 (man corosync.conf: cluster_name).
    /// </summary>
    private uint GroupAddress()
    {
        if (config.Interface.McastAddr is { } given)
        {
            return Parse(given);
        }

        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(config.ClusterName));
        return 0xEFC0_0000 | ((uint)hash[0] << 8) | hash[1];
    }

    private void Close()
    {
        foreach (var socket in (UdpSocket?[])[_unicast, _multicast])
        {
            if (socket is not null)
            {
                loop.Remove(socket.Fd);
                socket.Dispose();
            }
        }

        _unicast = _multicast = null;
        Local = 0;
    }

    private uint FindLocal(IReadOnlyList<UdpInterface> here, NodeSettings? self)
    {
        if (self is not null && _resolved.TryGetValue(self.Addresses[0], out uint listed) && IsHere(here, listed))
        {
            return listed;
        }

        if (config.Interface.BindNetAddr is not { } bind)
        {
            return 0;
        }

        uint net = Parse(bind);
        var exact = here.Where(i => i.Address == net);
        return exact.Concat(here.Where(i => (i.Address & i.Netmask) == (net & i.Netmask))).FirstOrDefault().Address;
    }

    /// <summary>Every address of 127/8 is the loop-back interface's, though it shows only one.</summary>
    private static bool IsHere(IReadOnlyList<UdpInterface> here, uint address) =>
        here.Any(i => i.Address == address || (address >> 24 == 127 && i.Address >> 24 == 127));

    private uint IdOf(uint address) => config.ClearNodeHighBit ? address & 0x7FFF_FFFF : address;

    private void ResolveLiterals()
    {
        foreach (var node in config.Nodes)
        {
            if (!_resolved.ContainsKey(node.Addresses[0]) && IPAddress.TryParse(node.Addresses[0], out var ip)
                && ip.AddressFamily == AddressFamily.InterNetwork)
            {
                _resolved[node.Addresses[0]] = Parse(node.Addresses[0]);
            }

            Configure(node);
        }
    }

    private void Configure(NodeSettings node)
    {
        if (node.NodeId != 0 && _resolved.TryGetValue(node.Addresses[0], out uint address))
        {
            _configured[node.NodeId] = new UdpEndpoint(address, Port);
        }
    }

    /// <summary>libc's resolver blocks: it works aside, and its answers come back to the loop.</summary>
    private void Resolve()
    {
        string[] open = [.. config.Nodes.Select(n => n.Addresses[0]).Where(a => !_resolved.ContainsKey(a))];
        if (_resolving || open.Length == 0)
        {
            return;
        }

        _resolving = true;
        _ = Task.Run(() =>
        {
            var found = new List<(string Name, uint Address)>();
            string? failure = null;
            foreach (string name in open)
            {
                try
                {
                    if (Dns.GetHostAddresses(name, AddressFamily.InterNetwork) is [var first, ..])
                    {
                        found.Add((name, Parse(first.ToString())));
                    }
                }
                catch (SocketException e)
                {
                    failure = $"{name}: {e.Message}";
                }
            }

            loop.Post(() =>
            {
                _resolving = false;
                foreach (var (name, address) in found)
                {
                    _resolved[name] = address;
                }

                config.Nodes.ToList().ForEach(Configure);
                if (failure is not null)
                {
                    Fault(failure);
                }
            });
        });
    }

    private void Note(int errno)
    {
        if (errno == 0)
        {
            return;
        }

        SendErrors++;

        // ENODEV, EINVAL, EADDRNOTAVAIL, ENETDOWN, ENETUNREACH: the interface may be gone.
        if (errno is 19 or 22 or 99 or 100 or 101)
        {
            _suspect = true;
        }
    }

    private void Fault(string text)
    {
        if (text != _lastFault)
        {
            _lastFault = text;
            log(true, text);
        }
    }

    private static bool Same(string a, string b) => Short(a).Equals(Short(b), StringComparison.OrdinalIgnoreCase);

    private static string Short(string name) => IPAddress.TryParse(name, out _) ? name : name.Split('.')[0];

    private static uint Parse(string dotted) =>
        System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(IPAddress.Parse(dotted).GetAddressBytes());
}
