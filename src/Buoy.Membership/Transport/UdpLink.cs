using System.Security.Cryptography;
using System.Text;
using Buoy.Linux;
using Buoy.Membership.Configuration;

namespace Buoy.Membership.Transport;

/// <summary>
/// Sockets of one link of this node. A missing interface is no error: the link is down until it appears
/// (<see cref="Check"/>, every downcheck ms).
/// </summary>
internal sealed class UdpLink(EventLoop loop, int number, Action<bool, string> log, Action readable) : IDisposable
{
    private const int ReceiveBuffer = 4 << 20;
    private readonly Dictionary<uint, UdpEndpoint> _learned = [];
    private readonly Dictionary<uint, UdpEndpoint> _configured = [];
    private readonly HashSet<UdpEndpoint> _listed = [];
    private UdpSocket? _unicast;
    private UdpSocket? _multicast;
    private UdpEndpoint _group;
    private InterfaceSettings _settings = new();
    private bool _usesMulticast;
    private string _cluster = "";
    private string? _lastFault;
    private UdpAddress _lost;
    private bool _suspect;

    /// <summary>Number of the link.</summary>
    public int Number { get; } = number;

    /// <summary>This node's address on it; none while it has none.</summary>
    public UdpAddress Local { get; private set; }

    /// <summary>MTU of its interface, bytes.</summary>
    public int Mtu { get; private set; } = 1500;

    /// <summary>Its sockets are open.</summary>
    public bool IsOpen => _unicast is not null;

    /// <summary>Nothing to check until a send fails.</summary>
    public bool Settled => IsOpen && !_suspect;

    /// <summary>Sends that failed.</summary>
    public long SendErrors { get; private set; }

    /// <summary>Peers' addresses by node.</summary>
    public IReadOnlyDictionary<uint, UdpEndpoint> Peers => _configured;

    private ushort Port => (ushort)_settings.McastPort;

    /// <summary>Takes the configuration; a changed port or group opens the sockets anew.</summary>
    public void Use(CorosyncConfig config, AddressBook book)
    {
        var settings = config.Links[Number];
        bool multicast = config.Transport is TransportKind.Multicast;
        if (IsOpen && (settings.McastPort != _settings.McastPort || settings.McastAddr != _settings.McastAddr
            || settings.Ttl != _settings.Ttl || settings.BindNetAddr != _settings.BindNetAddr
            || multicast != _usesMulticast))
        {
            Close();
        }

        (_settings, _usesMulticast, _cluster) = (settings, multicast, config.ClusterName);
        _configured.Clear();
        _listed.Clear();
        foreach (var node in config.Nodes.Where(n => Number < n.Addresses.Count))
        {
            if (book.Find(node.Addresses[Number]) is { } address)
            {
                _listed.Add(new UdpEndpoint(address, Port));
                if (node.NodeId != 0)
                {
                    _configured[node.NodeId] = new UdpEndpoint(address, Port);
                }
            }
        }
    }

    /// <summary>The address of a node as known now, or null.</summary>
    public UdpEndpoint? AddressOf(uint node) =>
        _usesMulticast && _learned.TryGetValue(node, out var l) ? l
        : _configured.TryGetValue(node, out var c) ? c : _learned.TryGetValue(node, out l) ? l : null;

    /// <summary>Remembers where an authentic datagram of a node came from.</summary>
    public void Learn(uint node, UdpEndpoint from) => _learned[node] = from;

    /// <summary>Does a listed node have this address?</summary>
    public bool IsListed(UdpEndpoint from) => _listed.Contains(from);

    /// <summary>Opens what can be opened and finds out what is gone. True: something changed.</summary>
    public bool Check(IReadOnlyList<UdpInterface> here, UdpAddress? listed)
    {
        if (IsOpen && !_suspect && IsHere(here, Local))
        {
            return false;
        }

        bool had = IsOpen;
        UdpAddress before = Local;
        Close();
        _suspect = false;
        UdpAddress local = FindLocal(here, listed);
        if (local.IsNone)
        {
            _lost = had ? before : _lost;
            Fault(_lost.IsNone ? "no interface for this node yet: waiting for it"
                : $"address {_lost} is gone: waiting for it");
            return had;
        }

        try
        {
            Open(local, here);
            _lastFault = null;
            _lost = default;
            log(false, $"link {Number}: {(_multicast is null ? "unicast" : "multicast to " + _group)} on "
                + $"{new UdpEndpoint(local, Port)}");
        }
        catch (LinuxException e)
        {
            Close();
            Fault($"{new UdpEndpoint(local, Port)}: {e.Message}");
        }

        return true;
    }

    /// <summary>To one node; not at all where its address is unknown.</summary>
    /// <param name="datagrams">One, or several one after another.</param>
    /// <param name="size">Bytes of each; the last may be shorter.</param>
    public void SendTo(uint node, ReadOnlySpan<byte> datagrams, int size)
    {
        if (_unicast is not null && AddressOf(node) is { } to)
        {
            Note(_unicast.SendSegments(datagrams, size, to));
        }
    }

    /// <summary>To one node, not to be cut into pieces on its way.</summary>
    public void SendWhole(uint node, ReadOnlySpan<byte> datagram)
    {
        if (_unicast is not null && AddressOf(node) is { } to)
        {
            _unicast.SetFragmentation(allowed: false);
            _ = _unicast.Send(datagram, to); // too large for the interface: an answer that does not come says so
            _unicast.SetFragmentation(allowed: true);
        }
    }

    /// <summary>To the group. False: there is none.</summary>
    public bool Multicast(ReadOnlySpan<byte> datagrams, int size)
    {
        if (_multicast is null || _unicast is null)
        {
            return false;
        }

        Note(_unicast.SendSegments(datagrams, size, _group));
        return true;
    }

    /// <summary>
    /// Hands every waiting datagram over. Multicasts first, and again before each unicast: what was sent before a
    /// token is fed before the token.
    /// </summary>
    public void Drain(byte[] buffer, byte[] unicastBuffer, LinkHandler feed, ref int budget)
    {
        DrainMulticast(buffer, feed, ref budget);
        while (budget-- > 0 && _unicast is not null)
        {
            int n = _unicast.Receive(unicastBuffer, out var from, out int size);
            if (n < 0)
            {
                break;
            }

            DrainMulticast(buffer, feed, ref budget);
            Feed(unicastBuffer, n, size, from, feed, ref budget);
        }
    }

    public void Dispose() => Close();

    /// <summary>Every address of 127/8 is the loop-back interface's, though it shows only one.</summary>
    public static bool IsHere(IReadOnlyList<UdpInterface> here, UdpAddress address) =>
        here.Any(i => i.Address.Bits == address.Bits && i.Address.IsV6 == address.IsV6)
        || (!address.IsV6 && address.IsLoopback && here.Any(i => !i.Address.IsV6 && i.Address.IsLoopback));

    /// <summary>The node list's address where it is here; else what bindnetaddr names.</summary>
    public UdpAddress FindLocal(IReadOnlyList<UdpInterface> here, UdpAddress? listed)
    {
        if (listed is { } address && IsHere(here, address))
        {
            return address;
        }

        if (_settings.BindNetAddr is not { } bind || !(_usesMulticast || listed is null)
            || UdpAddress.Parse(bind) is not { } net)
        {
            return default;
        }

        var exact = here.Where(i => i.Address.Bits == net.Bits && i.Address.IsV6 == net.IsV6);
        return exact.Concat(here.Where(i => !net.IsV6 && i.Address.SameNetwork(net, i.Netmask)))
            .FirstOrDefault().Address;
    }

    private void DrainMulticast(byte[] buffer, LinkHandler feed, ref int budget)
    {
        while (budget-- > 0 && _multicast is not null)
        {
            int n = _multicast.Receive(buffer, out var from, out int size);
            if (n < 0)
            {
                return;
            }

            Feed(buffer, n, size, from, feed, ref budget);
        }
    }

    /// <summary>What one call received, datagram by datagram; an empty one is one, too.</summary>
    private void Feed(byte[] buffer, int length, int size, UdpEndpoint from, LinkHandler feed, ref int budget)
    {
        feed(Number, buffer.AsMemory(0, Math.Min(size, length)), from);
        for (int at = size; at < length; at += size, budget--)
        {
            feed(Number, buffer.AsMemory(at, Math.Min(size, length - at)), from);
        }
    }

    private void Open(UdpAddress local, IReadOnlyList<UdpInterface> here)
    {
        var on = here.FirstOrDefault(i => i.Address.Bits == local.Bits && i.Address.IsV6 == local.IsV6);
        if (on.Name is null)
        {
            on = here.First(i => i.Address.IsLoopback);
        }

        Local = local;
        Mtu = Math.Min(on.Mtu, 65535);
        _unicast = UdpSocket.Open(new UdpEndpoint(local, Port), ReceiveBuffer, reuseAddress: _usesMulticast);
        _unicast.SetFragmentation(allowed: true);
        _unicast.UseSegments();
        loop.Add(_unicast.Fd, PollEvents.Readable, _ => readable());
        if (!_usesMulticast)
        {
            return;
        }

        _group = new UdpEndpoint(GroupAddress(local.IsV6), Port);
        if (local.IsV6)
        {
            _unicast.SetMulticast6(on.Index, _settings.Ttl, loop: local.IsLoopback);
            _group = _group with { Address = _group.Address with { Scope = on.Index } };
        }
        else
        {
            _unicast.SetMulticast(local.Low, _settings.Ttl, loop: local.IsLoopback);
        }

        _multicast = UdpSocket.Open(_group, ReceiveBuffer, reuseAddress: true);
        _multicast.UseSegments();
        if (local.IsV6)
        {
            _multicast.JoinGroup6(_group.Address, on.Index);
        }
        else
        {
            _multicast.JoinGroup(_group.Address.Low, local.Low);
        }

        loop.Add(_multicast.Fd, PollEvents.Readable, _ => readable());
    }

    /// <summary>
    /// mcastaddr, else made of the cluster's name within 239.192/14 or ff15::/16 (man corosync.conf: cluster_name).
    /// </summary>
    private UdpAddress GroupAddress(bool v6)
    {
        if (_settings.McastAddr is { } given)
        {
            return UdpAddress.Parse(given)!.Value;
        }

        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(_cluster));
        uint low = ((uint)hash[0] << 8) | hash[1];
        return v6 ? new UdpAddress(((UInt128)0xFF15 << 112) | low, true) : UdpAddress.V4(0xEFC0_0000 | low);
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
        Local = default;
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
            log(true, $"link {Number}: {text}");
        }
    }
}

/// <summary>A datagram of a link. The memory is the receiver's only during the call.</summary>
internal delegate void LinkHandler(int link, ReadOnlyMemory<byte> datagram, UdpEndpoint from);
