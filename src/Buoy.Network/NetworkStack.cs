using System.Net;
using System.Net.Sockets;
using Buoy.Linux;

namespace Buoy.Network;

/// <summary>
/// Interfaces, addresses and routes of the network namespace it was made in, by rtnetlink requests. The kernel answers
/// such a request while it is being sent, so nothing here waits. Failures are <see cref="LinuxException"/>.
/// </summary>
public sealed class NetworkStack : IDisposable
{
    private const uint MainTable = 254;
    private const byte Unicast = 1;
    private readonly NetlinkSocket _socket = NetlinkSocket.Open();
    private readonly byte[] _buffer = new byte[64 * 1024];
    private readonly List<NetlinkMessage> _messages = [];
    private uint _sequence;

    /// <summary>All interfaces.</summary>
    public IReadOnlyList<LinkInfo> Links() =>
        [.. Ask(NetlinkCodec.DumpLinks(++_sequence), "RTM_GETLINK")
            .Where(static m => m.Link is not null).Select(static m => m.Link!)];

    /// <summary>An interface by its name; null: there is none.</summary>
    public LinkInfo? Link(string name) => Links().FirstOrDefault(l => l.Name == name);

    /// <summary>All addresses of a family (unspecified = both).</summary>
    public IReadOnlyList<AddressInfo> Addresses(AddressFamily family = AddressFamily.Unspecified) =>
        [.. Ask(NetlinkCodec.DumpAddresses(++_sequence, family), "RTM_GETADDR")
            .Where(static m => m.Address is not null).Select(static m => m.Address!)];

    /// <summary>
    /// The most specific unicast route of the main table that covers an address: the interface and prefix length that
    /// an address of that network gets. The default route says nothing about where an address belongs and never counts.
    /// </summary>
    public RouteInfo? ConnectedRoute(IPAddress address, int? onInterface = null) =>
        Ask(NetlinkCodec.DumpRoutes(++_sequence, address.AddressFamily), "RTM_GETROUTE")
            .Where(static m => m.Route is { Table: MainTable, Kind: Unicast, PrefixLength: > 0, Interface: > 0 })
            .Select(static m => m.Route!)
            .Where(r => r.Covers(address) && (onInterface is null || r.Interface == onInterface))
            .OrderByDescending(static r => r.PrefixLength).ThenBy(static r => r.Metric).FirstOrDefault();

    /// <summary>The route that the kernel would take to an address; null: it is unreachable.</summary>
    public RouteInfo? RouteTo(IPAddress address)
    {
        int errno = Run(NetlinkCodec.LookupRoute(++_sequence, address), dump: false);
        return errno == 0 ? _messages.FirstOrDefault(static m => m.Route is not null).Route : null;
    }

    /// <summary>Adds an address; false: it is there already with that prefix length.</summary>
    public bool Add(AddressInfo address) =>
        !Do(NetlinkCodec.AddAddress(++_sequence, address, false), "RTM_NEWADDR", 17);

    /// <summary>Adds an address or changes flags and lifetimes of the one that is there.</summary>
    public void Replace(AddressInfo address) =>
        Do(NetlinkCodec.AddAddress(++_sequence, address, true), "RTM_NEWADDR", 0);

    /// <summary>Removes an address; false: it was not there.</summary>
    public bool Delete(AddressInfo address) => !Do(NetlinkCodec.DeleteAddress(++_sequence, address), "RTM_DELADDR", 99);

    /// <summary>Sets an interface administratively up.</summary>
    public void SetUp(int link) => Do(NetlinkCodec.SetLinkUp(++_sequence, link), "RTM_NEWLINK", 0);

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    /// <summary>True: the kernel answered <paramref name="expected"/>; false: it was done.</summary>
    private bool Do(byte[] request, string call, int expected)
    {
        int errno = Run(request, dump: false);
        return errno == 0 ? false : errno == expected ? true : throw new LinuxException(call, errno);
    }

    private List<NetlinkMessage> Ask(byte[] request, string call)
    {
        int errno = Run(request, dump: true);
        return errno == 0 ? _messages : throw new LinuxException(call, errno);
    }

    /// <summary>Sends and collects until the acknowledgement, the end of the dump, or a single answer.</summary>
    private int Run(byte[] request, bool dump)
    {
        const int timedOut = 110;
        _messages.Clear();
        _socket.Send(request);
        while (true)
        {
            int start = _messages.Count;
            int n = _socket.Receive(_buffer);
            if (n <= 0)
            {
                return timedOut;
            }

            NetlinkCodec.Read(_buffer.AsSpan(0, n), _messages);
            _messages.RemoveAll(m => m.Sequence != _sequence);
            for (int i = Math.Min(start, _messages.Count); i < _messages.Count; i++)
            {
                var m = _messages[i];
                if (m.Kind == NetlinkKind.Ack)
                {
                    return m.Errno;
                }

                if (m.Kind == NetlinkKind.DumpDone || !dump)
                {
                    return 0;
                }
            }
        }
    }
}
