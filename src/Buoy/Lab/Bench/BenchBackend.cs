using System.Text;
using Buoy.Linux;

namespace Buoy.Lab.Bench;

/// <summary>
/// <c>buoy lab benchbackend PORT</c>: the server behind the balancers that are compared, one thread. The first byte of
/// a connection says what it wants: P = every byte back, D = bytes without end, U = takes bytes, G = an HTTP request
/// <c>GET /N</c>, answered with N bytes, and the connection is kept unless the request says close.
/// </summary>
internal sealed class BenchBackend : IDisposable
{
    private const int BufferSize = 256 * 1024;
    private readonly LoopbackSockets _sockets = new();
    private readonly byte[] _buffer = new byte[BufferSize];
    private readonly Dictionary<string, byte[]> _replies = [];
    private readonly int _listener;
    private Peer?[] _peers = new Peer?[1024];

    private BenchBackend(int port) => _listener = _sockets.Listen(port);

    private sealed class Peer
    {
        public byte Kind;
        public byte[]? Sending;
        public int Sent;
        public bool Close;
    }

    public static int Run(string[] args)
    {
        using var backend = new BenchBackend(int.Parse(args[0], System.Globalization.CultureInfo.InvariantCulture));
        Console.WriteLine("up");
        while (true)
        {
            backend._sockets.Turn(-1, backend.OnReady);
        }
    }

    public void Dispose() => _sockets.Dispose();

    private void OnReady(int fd)
    {
        if (fd == _listener)
        {
            int next;
            while ((next = _sockets.Accept(fd)) >= 0)
            {
                if (next >= _peers.Length)
                {
                    Array.Resize(ref _peers, next * 2);
                }

                _peers[next] = new Peer();
            }

            return;
        }

        if (_peers[fd] is { } peer && !Serve(fd, peer))
        {
            _peers[fd] = null;
            _sockets.Close(fd);
        }
    }

    /// <summary>False: it is over.</summary>
    private bool Serve(int fd, Peer peer)
    {
        if (peer.Sending is not null && !Flush(fd, peer))
        {
            return peer.Sending is not null;
        }

        if (peer.Kind == 'D')
        {
            return Stream(fd);
        }

        for (int i = 0; peer.Kind != 'U' || i < LoopbackSockets.Burst; i++)
        {
            int n = _sockets.Receive(fd, _buffer);
            if (n <= 0)
            {
                return n == LoopbackSockets.Later;
            }

            if (peer.Kind == 0 && (peer.Kind = _buffer[0]) is (byte)'D' or (byte)'U')
            {
                _sockets.Stream(fd, sends: peer.Kind == 'D');
            }

            switch (peer.Kind)
            {
                case (byte)'P':
                    _sockets.Send(fd, _buffer.AsSpan(0, n));
                    break;
                case (byte)'U':
                    break;
                case (byte)'D':
                    return Stream(fd);
                default:
                    var head = _buffer.AsSpan(0, n);
                    peer.Close = head.IndexOf("onnection: close"u8) > 0;
                    peer.Sending = ReplyTo(head);
                    peer.Sent = 0;
                    if (!Flush(fd, peer))
                    {
                        return peer.Sending is not null;
                    }

                    break;
            }
        }

        return true;
    }

    /// <summary>True: all is sent and the connection goes on. False with Sending = null: it is over.</summary>
    private bool Flush(int fd, Peer peer)
    {
        while (peer.Sent < peer.Sending!.Length)
        {
            int n = _sockets.Send(fd, peer.Sending.AsSpan(peer.Sent));
            if (n < 0)
            {
                peer.Sending = n == LoopbackSockets.Later ? peer.Sending : null;
                return false;
            }

            peer.Sent += n;
        }

        peer.Sending = null;
        return !peer.Close;
    }

    private bool Stream(int fd)
    {
        for (int i = 0; i < LoopbackSockets.Burst; i++)
        {
            int n = _sockets.Send(fd, _buffer);
            if (n < 0)
            {
                return n == LoopbackSockets.Later;
            }
        }

        return true;
    }

    private byte[] ReplyTo(ReadOnlySpan<byte> head)
    {
        int from = head.IndexOf((byte)'/') + 1, length = Math.Max(0, head[from..].IndexOf((byte)' '));
        string size = Encoding.ASCII.GetString(head.Slice(from, length));
        if (!_replies.TryGetValue(size, out byte[]? reply))
        {
            int n = int.TryParse(size, System.Globalization.CultureInfo.InvariantCulture, out int wanted) ? wanted : 0;
            byte[] first = Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {n}\r\n\r\n");
            reply = new byte[first.Length + n];
            first.CopyTo(reply, 0);
            reply.AsSpan(first.Length).Fill((byte)'x');
            _replies[size] = reply;
        }

        return reply;
    }
}
