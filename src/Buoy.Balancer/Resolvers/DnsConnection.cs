using System.Net;
using Buoy.Linux;

namespace Buoy.Balancer.Resolvers;

/// <summary>What arrives on a connection.</summary>
internal delegate void DnsMessageHandler(ReadOnlySpan<byte> message);

/// <summary>
/// The TCP connection to one nameserver (RFC 7766): opened for the first query, used for all that follow while it is
/// open, closed when nothing went over it for <see cref="IdleLimit"/>. Whoever asks has a deadline of its own; a
/// connection that breaks is only told of.
/// </summary>
internal sealed class DnsConnection(
    EventLoop loop, IPEndPoint address, DnsMessageHandler arrived, Action<bool> closed) : IDisposable
{
    /// <summary>Time in ms without traffic after which a connection is closed, as the original's batch does.</summary>
    private const long IdleLimit = 5000;

    /// <summary>Bytes that may wait for a nameserver that does not take them: hundreds of queries.</summary>
    private const int MostWaiting = 65536;

    private readonly DnsFrames _frames = new();
    private readonly List<byte> _out = [];
    private EventLoop.LoopTimer? _idle;
    private int _fd = -1;
    private bool _connected;

    /// <summary>Sends a query, over a new connection where there is none; false where that failed at once.</summary>
    public bool Send(ReadOnlySpan<byte> query)
    {
        if (_out.Count + query.Length > MostWaiting)
        {
            return false;
        }

        _out.AddRange(DnsFrames.Frame(query));
        Touch();
        if (_fd < 0)
        {
            return Open();
        }

        return !_connected || Flush();
    }

    public void Dispose() => Close();

    private bool Open()
    {
        _fd = ControlSocket.ConnectTcp(address);
        if (_fd < 0)
        {
            _fd = -1;
            _out.Clear();
            return false;
        }

        _connected = false;
        _frames.Clear();
        loop.Add(_fd, PollEvents.Writable, _ => OnReady());
        return true;
    }

    private void OnReady()
    {
        if (!_connected)
        {
            if (ControlSocket.ConnectError(_fd) != 0)
            {
                End(failed: true);
                return;
            }

            _connected = true;
        }

        if (Read() && !Flush())
        {
            End(failed: true);
        }
    }

    /// <summary>Sends what waits; false where the connection is broken.</summary>
    private bool Flush()
    {
        int n = _out.Count == 0 ? 0
            : ControlSocket.Send(_fd, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_out));
        if (n < 0 && n != -ControlSocket.EAgain)
        {
            return false;
        }

        _out.RemoveRange(0, Math.Max(0, n));
        loop.Modify(_fd, PollEvents.Readable | (_out.Count > 0 ? PollEvents.Writable : 0));
        return true;
    }

    /// <summary>Takes what came; false where the connection is closed by that.</summary>
    private bool Read()
    {
        Span<byte> buffer = stackalloc byte[8192];
        while (_fd >= 0)
        {
            int n = ControlSocket.Receive(_fd, buffer);
            if (n == -ControlSocket.EAgain)
            {
                return true;
            }

            if (n <= 0)
            {
                End(failed: n < 0 || _out.Count > 0);
                return false;
            }

            Touch();
            _frames.Add(buffer[..n]);
            while (_fd >= 0 && _frames.Take(out var message))
            {
                arrived(message);
            }
        }

        return false;
    }

    private void Touch()
    {
        _idle?.Cancel();
        _idle = loop.Schedule(IdleLimit, () => End(failed: false));
    }

    private void End(bool failed)
    {
        Close();
        closed(failed);
    }

    private void Close()
    {
        _idle?.Cancel();
        _idle = null;
        _out.Clear();
        _connected = false;
        if (_fd >= 0)
        {
            loop.Remove(_fd);
            ControlSocket.Close(_fd);
            _fd = -1;
        }
    }
}
