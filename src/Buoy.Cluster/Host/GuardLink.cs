using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Agents;
using Buoy.Linux;
using Buoy.Membership;
using Buoy.Network;
using Buoy.Network.Guard;

namespace Buoy.Cluster.Host;

/// <summary>
/// Ties the guard of addresses to the cluster: members tell each other their stations (link addresses and addresses of
/// their interfaces) on the total order, and the last known ones are kept in a file, because they are needed when
/// the ring is cut; a daemon asks another on the address's segment, past the ring, whether it holds an address.
/// </summary>
/// <remarks>
/// Question: "BUOYQ", 8 bytes that come back, the address (4 or 16 bytes). Answer: "BUOYA", the 8 bytes, 1 = holds it,
/// 0 = does not. Only stations of members are answered. It is not authenticated: an answer can only make a node
/// refuse an address for which the segment answered already.
/// </remarks>
internal sealed class GuardLink : IDisposable
{
    /// <summary>First byte of the stations' message; the cluster's own are JSON, the services' begin with 1.</summary>
    private const byte Mark = 2;

    /// <summary>UDP port of the question: behind those of eight links from 5405 on.</summary>
    private const ushort Port = 5415;

    private const int NonceBytes = 8, MaxStations = 256, MaxOpen = 64;
    private readonly EventLoop _loop;
    private readonly GuardContext _context;
    private readonly IClusterEngine _engine;
    private readonly Action<byte[]> _send;
    private readonly Action<string> _problem;
    private readonly string _file;
    private readonly SortedDictionary<uint, Node> _nodes = [];
    private readonly Dictionary<ulong, Action<bool>> _open = [];
    private readonly List<UdpSocket> _sockets = [];
    private readonly byte[] _buffer = new byte[64];
    private ulong _nonce = (ulong)EventLoop.NowMicros << 16;
    private ClusterView? _view;

    private sealed record Node(string Name, IReadOnlyDictionary<LinkAddress, IPAddress[]> Stations);

    /// <summary>Reads the last known stations from <paramref name="file"/> and opens the port.</summary>
    public GuardLink(
        EventLoop loop, IClusterEngine engine, GuardContext context, string file, Action<byte[]> send,
        Action<string> problem)
    {
        _loop = loop;
        _engine = engine;
        _context = context;
        _file = file;
        _send = send;
        _problem = problem;
        _context.Ask = Ask;
        Load();
        foreach (string any in (string[])["0.0.0.0", "::"])
        {
            Listen(UdpAddress.Parse(any)!.Value);
        }
    }

    /// <summary>Whether a message of the total order is the guard's.</summary>
    public static bool Owns(ReadOnlySpan<byte> message) => message.Length > 0 && message[0] == Mark;

    /// <summary>A new view: everybody tells its stations anew.</summary>
    public void OnView(ClusterView view)
    {
        _view = view;
        Publish();
        try
        {
            using var stack = new NetworkStack();
            _send([Mark, .. Encoding.UTF8.GetBytes(OwnStations(stack))]);
        }
        catch (LinuxException e)
        {
            _problem($"stations of this node: {e.Message}");
        }
    }

    /// <summary>A member's stations.</summary>
    public void OnMessage(uint sender, ReadOnlySpan<byte> message)
    {
        if (sender == _engine.LocalNodeId)
        {
            return;
        }

        string text = Encoding.UTF8.GetString(message[1..]);
        if (Read(text) is { } node)
        {
            bool news = !_nodes.TryGetValue(sender, out var old) || Write(old) != Write(node);
            _nodes[sender] = node;
            if (news)
            {
                Save();
            }

            Publish();
        }
        else
        {
            _problem($"stations of node {sender} cannot be read");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var socket in _sockets)
        {
            _loop.Remove(socket.Fd);
            socket.Dispose();
        }

        _sockets.Clear();
    }

    /// <summary>A name, then a line for each interface: its link address and its addresses.</summary>
    private string OwnStations(NetworkStack stack)
    {
        var addresses = stack.Addresses();
        var stations = stack.Links().Where(l => Announcer.Applies(l) && l.IsUp).DistinctBy(static l =>
            LinkAddress.From(l.Mac)).Take(MaxStations).ToDictionary(
            static l => LinkAddress.From(l.Mac),
            l => addresses.Where(a => a.Interface == l.Index).Select(static a => a.Address).ToArray());
        return Write(new Node(_engine.LocalNodeName, stations));
    }

    private static string Write(Node node)
    {
        var text = new StringBuilder(node.Name).Append('\n');
        foreach (var (mac, addresses) in node.Stations.OrderBy(static s => s.Key))
        {
            text.Append(mac).Append(' ').AppendJoin(' ', addresses.Select(static a => a.ToString())).Append('\n');
        }

        return text.ToString();
    }

    private static Node? Read(string text)
    {
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length is 0 or > MaxStations + 1)
        {
            return null;
        }

        var stations = new Dictionary<LinkAddress, IPAddress[]>();
        foreach (string line in lines.Skip(1))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var addresses = new List<IPAddress>();
            foreach (string word in words.Skip(1))
            {
                if (!IPAddress.TryParse(word, out var address))
                {
                    return null;
                }

                addresses.Add(address);
            }

            if (LinkAddress.Parse(words[0]) is not { } mac)
            {
                return null;
            }

            stations[mac] = [.. addresses];
        }

        return new Node(lines[0], stations);
    }

    private void Publish()
    {
        var members = new Dictionary<LinkAddress, GuardMember>();
        foreach (var (id, node) in _nodes)
        {
            bool inView = _view?.Members.Any(m => m.NodeId == id) == true;
            foreach (var mac in node.Stations.Keys)
            {
                members[mac] = new GuardMember(node.Name, inView);
            }
        }

        _context.SetView(members, _view?.RingId.Seq ?? 0);
    }

    private void Load()
    {
        try
        {
            if (!File.Exists(_file))
            {
                return;
            }

            foreach (string part in File.ReadAllText(_file).Split("\n\n", StringSplitOptions.RemoveEmptyEntries))
            {
                int end = part.IndexOf('\n');
                if (end > 0 && uint.TryParse(part[..end], out uint id) && Read(part[(end + 1)..]) is { } node)
                {
                    _nodes[id] = node;
                }
                else
                {
                    _problem($"{_file}: '{part}' is no node with its stations");
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _problem($"{_file}: {e.Message}");
        }
    }

    private void Save()
    {
        try
        {
            string next = _file + ".new";
            File.WriteAllText(next, string.Join('\n', _nodes.Select(static n => $"{n.Key}\n{Write(n.Value)}")));
            File.Move(next, _file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _problem($"{_file}: {e.Message}");
        }
    }

    private void Listen(UdpAddress any)
    {
        try
        {
            var socket = UdpSocket.Open(new UdpEndpoint(any, Port), 64 * 1024, reuseAddress: false);
            _sockets.Add(socket);
            _loop.Add(socket.Fd, PollEvents.Readable, _ => OnReadable(socket));
        }
        catch (LinuxException e)
        {
            // Without IPv6 in the kernel there is nobody to ask over it.
            if (!any.IsV6)
            {
                _problem($"UDP port {Port} for questions of other nodes: {e.Message}; a holder that only lost the ring "
                    + "will be waited for as if it were frozen");
            }
        }
    }

    private void Ask(LinkAddress mac, IPAddress address, Action<bool> answered)
    {
        var to = _nodes.Values.SelectMany(static n => n.Stations).Where(s => s.Key == mac)
            .SelectMany(static s => s.Value).FirstOrDefault(a => a.AddressFamily == address.AddressFamily && !a.Equals(address)
                && !a.IsIPv6LinkLocal);
        if (to is null)
        {
            return;
        }

        if (_open.Count >= MaxOpen)
        {
            _open.Clear();
        }

        ulong nonce = ++_nonce;
        _open[nonce] = answered;
        byte[] question = [.. "BUOYQ"u8, .. BitConverter.GetBytes(nonce), .. address.GetAddressBytes()];
        var target = UdpAddress.Of(to);
        _ = _sockets.FirstOrDefault(s => s.IsV6 == target.IsV6)?.Send(question, new UdpEndpoint(target, Port));
    }

    private void OnReadable(UdpSocket socket)
    {
        int n;
        while (socket.Fd >= 0 && (n = socket.Receive(_buffer, out var from)) >= 0)
        {
            var message = _buffer.AsSpan(0, n);
            if (!_nodes.Values.SelectMany(static v => v.Stations.Values).SelectMany(static a => a)
                .Any(a => UdpAddress.Of(a) == from.Address))
            {
                continue;
            }

            if (message.StartsWith("BUOYQ"u8) && n is 5 + NonceBytes + 4 or 5 + NonceBytes + 16)
            {
                bool holds = _context.Holds(new IPAddress(message[(5 + NonceBytes)..]));
                byte[] answer =
                    [.. "BUOYA"u8, .. message.Slice(5, NonceBytes), holds ? (byte)1 : (byte)0];
                _ = socket.Send(answer, from);
            }
            else if (message.StartsWith("BUOYA"u8) && n == 5 + NonceBytes + 1
                && _open.Remove(BitConverter.ToUInt64(message[5..]), out var answered))
            {
                answered(message[^1] == 1);
            }
        }
    }
}
