using System.Net;
using Buoy.Linux;

namespace Buoy.Network;

/// <summary>Runs an <see cref="AddressProbe"/> on an interface; disposing ends it without a verdict.</summary>
public sealed class AddressProbeHost : IDisposable
{
    private readonly EventLoop _loop;
    private readonly PacketSocket _socket;
    private readonly AddressProbe _probe;
    private readonly Action<AddressProbe> _done;
    private readonly byte[] _buffer = new byte[256];
    private EventLoop.LoopTimer? _timer;

    /// <summary>Sends the first probe now; <paramref name="done"/> gets the verdict on the loop.</summary>
    public AddressProbeHost(EventLoop loop, LinkInfo link, IPAddress address, Action<AddressProbe> done, int probes = 3)
    {
        _loop = loop;
        _done = done;
        _probe = new AddressProbe(address, link.Mac, EventLoop.Now, probes);
        _socket = PacketSocket.Open(link.Index, PacketSocket.ProtocolArp, true);
        _loop.Add(_socket.Fd, PollEvents.Readable, OnReadable);
        OnTime();
    }

    /// <summary>A link address as people write it.</summary>
    public static string MacText(byte[] mac) => string.Join(':', mac.Select(static b => b.ToString("x2")));

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer?.Cancel();
        if (_socket.Fd >= 0)
        {
            _loop.Remove(_socket.Fd);
            _socket.Dispose();
        }
    }

    private void OnReadable(PollEvents events)
    {
        int n;
        while (_socket.Fd >= 0 && (n = _socket.Receive(_buffer)) >= 0)
        {
            if (ArpPacket.Read(_buffer.AsSpan(0, n)) is { } packet)
            {
                _probe.OnPacket(packet);
                if (End())
                {
                    return;
                }
            }
        }
    }

    private void OnTime()
    {
        if (_probe.OnTime(EventLoop.Now) && _socket.Send(_probe.Packet.ToBytes(), ArpPacket.BroadcastMac) != 0)
        {
            _probe.OnSendFailed();
        }

        if (!End())
        {
            _timer = _loop.Schedule(_probe.NextAt - EventLoop.Now, OnTime);
        }
    }

    private bool End()
    {
        if (_probe.Verdict == ProbeVerdict.Pending)
        {
            return false;
        }

        Dispose();
        _loop.Post(() => _done(_probe));
        return true;
    }
}
