using Buoy.Linux;

namespace Buoy.Network;

/// <summary>
/// The kernel's notices about interfaces and addresses of this network namespace, delivered on an event loop as they
/// happen: a lost carrier or a removed address is known in the same millisecond.
/// </summary>
public sealed class NetworkMonitor : IDisposable
{
    private readonly EventLoop _loop;
    private readonly NetlinkSocket _socket;
    private readonly byte[] _buffer = new byte[64 * 1024];

    /// <summary>Subscribes.</summary>
    public NetworkMonitor(EventLoop loop)
    {
        _loop = loop;
        _socket = NetlinkSocket.Open(
            NetlinkSocket.GroupLink | NetlinkSocket.GroupIPv4Address | NetlinkSocket.GroupIPv6Address);
        _loop.Add(_socket.Fd, PollEvents.Readable, OnReadable);
    }

    /// <summary>An interface is new or changed (carrier, up or down, name); true: it is gone.</summary>
    public event Action<LinkInfo, bool>? LinkChanged;

    /// <summary>An address is new or changed; true: it is gone.</summary>
    public event Action<AddressInfo, bool>? AddressChanged;

    /// <summary>Notices were lost: look at everything afresh.</summary>
    public event Action? Overrun;

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.Remove(_socket.Fd);
        _socket.Dispose();
    }

    private void OnReadable(PollEvents events)
    {
        var messages = new List<NetlinkMessage>();
        int n;
        while (_socket.Fd >= 0 && (n = _socket.Receive(_buffer)) != 0)
        {
            if (n < 0)
            {
                Overrun?.Invoke();
                continue;
            }

            messages.Clear();
            NetlinkCodec.Read(_buffer.AsSpan(0, n), messages);
            foreach (var m in messages)
            {
                if (m.Link is { } link)
                {
                    LinkChanged?.Invoke(link, m.Kind == NetlinkKind.RemovedLink);
                }
                else if (m.Address is { } address)
                {
                    AddressChanged?.Invoke(address, m.Kind == NetlinkKind.RemovedAddress);
                }
            }
        }
    }
}
