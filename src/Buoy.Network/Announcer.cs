using System.Net;
using System.Net.Sockets;
using Buoy.Linux;

namespace Buoy.Network;

/// <summary>
/// When a new holder announces its address. Neighbours that miss the first packet wait for the next, so the first ones
/// come close together: at once and after 50, 100, 200, 500 and 1000 ms; further ones each interval. Pure.
/// </summary>
public static class AnnouncementSchedule
{
    private static readonly int[] Burst = [0, 50, 100, 200, 500, 1000];

    /// <summary>Announcements where no number is given.</summary>
    public static int DefaultCount => Burst.Length;

    /// <summary>
    /// Milliseconds after the start at which number <paramref name="i"/> (from 0) is sent; null: no more.
    /// </summary>
    public static int? Offset(int i, int count, int intervalMs) =>
        i >= count ? null : i < Burst.Length ? Burst[i] : Burst[^1] + ((i - Burst.Length + 1) * intervalMs);
}

/// <summary>
/// Sends the announcements of one address in the background of a loop until they are done or it is disposed.
/// </summary>
public sealed class Announcer : IDisposable
{
    private readonly EventLoop _loop;
    private readonly PacketSocket _sender;
    private readonly int _interface;
    private readonly List<byte[]> _packets = [];
    private readonly byte[] _destination;
    private readonly int _count;
    private readonly int _intervalMs;
    private readonly Action<string> _log;
    private readonly Func<bool>? _may;
    private readonly long _started = EventLoop.Now;
    private EventLoop.LoopTimer? _timer;

    /// <summary>
    /// Sends the first announcement now. IPv4: gratuitous ARP as request and as reply, or replies only.
    /// </summary>
    /// <param name="sender">Of the address's protocol (<see cref="ProtocolFor"/>); stays the caller's.</param>
    /// <param name="count">How many times in all; 0 = none.</param>
    /// <param name="intervalMs">Between those after the sixth.</param>
    /// <param name="may">Asked before each; null: always.</param>
    /// <param name="packet">What is sent beside the reply (IPv4) or alone (IPv6); null: the plain announcement.</param>
    public Announcer(
        EventLoop loop, PacketSocket sender, LinkInfo link, IPAddress address, int count, int intervalMs,
        Action<string> log, bool repliesOnly = false, Func<bool>? may = null, byte[]? packet = null)
    {
        _loop = loop;
        _may = may;
        _count = count;
        _intervalMs = intervalMs;
        _log = log;
        bool ipv4 = address.AddressFamily == AddressFamily.InterNetwork;
        _sender = sender;
        _interface = link.Index;
        _destination = (ipv4 ? ArpPacket.BroadcastMac : NeighbourAdvertisement.AllNodesMac).ToArray();
        if (ipv4)
        {
            if (!repliesOnly)
            {
                _packets.Add(packet ?? ArpPacket.AnnounceRequest(link.Mac, address).ToBytes());
            }

            _packets.Add(ArpPacket.AnnounceReply(link.Mac, address).ToBytes());
        }
        else
        {
            _packets.Add(packet ?? NeighbourAdvertisement.ToBytes(link.Mac, address));
        }

        Next();
    }

    /// <summary>Announcements sent so far.</summary>
    public int Sent { get; private set; }

    /// <summary>All are sent.</summary>
    public bool Done { get; private set; }

    /// <summary>The protocol that announcements of an address are sent in.</summary>
    public static ushort ProtocolFor(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetwork ? PacketSocket.ProtocolArp : PacketSocket.ProtocolIPv6;

    /// <summary>Whether neighbours on this link are found by ARP or neighbour discovery at all.</summary>
    public static bool Applies(LinkInfo link) =>
        link.HardwareType == 1 && link.Mac.Length == 6 && (link.Flags & (LinkFlags.NoArp | LinkFlags.Loopback)) == 0;

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer?.Cancel();
        Done = true;
    }

    private void Next()
    {
        if (_may?.Invoke() == false)
        {
            Dispose();
            return;
        }

        long elapsed = EventLoop.Now - _started;
        int? offset;
        while ((offset = AnnouncementSchedule.Offset(Sent, _count, _intervalMs)) <= elapsed)
        {
            foreach (byte[] packet in _packets)
            {
                if (_sender.Send(packet, _destination, _interface) is not 0 and var errno)
                {
                    _log(new LinuxException("announcement", errno).Message);
                }
            }

            Sent++;
        }

        if (offset is { } at)
        {
            _timer = _loop.Schedule(at - elapsed, Next);
        }
        else
        {
            Dispose();
        }
    }
}
