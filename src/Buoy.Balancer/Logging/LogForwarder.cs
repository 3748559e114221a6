using System.Net.Sockets;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Logging;

/// <summary>
/// The log-forward sections (configuration manual 3.10): takes messages by UDP and by TCP (both framings of RFC 6587) and hands
/// them to <paramref name="sink"/>. A thread for each listener and each connection; messages are lost, never waited for.
/// </summary>
internal sealed class LogForwarder(BalancerConfig config, Action<int, SyslogMessage> sink) : IDisposable
{
    private const int LongestMessage = 65536;
    private readonly List<(Socket Socket, int Section, bool Stream)> _listeners = [];
    private readonly HashSet<Socket> _connections = [];
    private readonly HashSet<Socket> _inherited = [];

    /// <summary>Binds everything; the addresses that could not be bound, with their reasons.</summary>
    public IEnumerable<string> Open()
    {
        for (int i = 0; i < config.LogForwards.Count; i++)
        {
            var section = config.LogForwards[i];
            foreach (var (listen, stream) in section.Datagrams.Select(d => (d, false)).Concat(section.Streams.Select(s => (s, true))))
            {
                string? error = null;
                try
                {
                    _listeners.Add((Listen(listen, stream), i, stream));
                }
                catch (SocketException e)
                {
                    error = $"log-forward '{section.Name}': cannot bind [{listen.Text}]: {e.Message}";
                }

                if (error is not null)
                {
                    yield return error;
                }
            }
        }
    }

    public void Start()
    {
        foreach (var (socket, section, stream) in _listeners)
        {
            Run(() => (stream ? (Action<Socket, int>)Accept : Receive)(socket, section));
        }
    }

    public void Dispose()
    {
        foreach (var (socket, _, _) in _listeners)
        {
            // An inherited listener is others' too: it cannot be shut down, so the thread that accepts on it ends with the process.
            if (!_inherited.Contains(socket))
            {
                socket.Dispose();
            }
        }

        lock (_connections)
        {
            foreach (var c in _connections)
            {
                c.Dispose();
            }
        }
    }

    private Socket Listen(LogListenConfig listen, bool stream)
    {
        if (listen.Fd is { } fd)
        {
            var inherited = new Socket(new SafeSocketHandle(fd, ownsHandle: true));
            _inherited.Add(inherited);
            return inherited;
        }

        var socket = stream ? new Socket(listen.Address!.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
            : new Socket(listen.Address!.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            socket.Bind(listen.Address);
            if (stream)
            {
                socket.Listen();
            }

            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }
    }

    private static void Run(Action work) => new Thread(() =>
    {
        try
        {
            work();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Closed by us or by the peer.
        }
    }) { IsBackground = true, Name = "buoy-forward" }.Start();

    private void Receive(Socket socket, int section)
    {
        byte[] buffer = new byte[LongestMessage];
        while (true)
        {
            try
            {
                sink(section, SyslogMessage.Parse(buffer.AsSpan(0, socket.Receive(buffer))));
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                // An answer to something sent before; it says nothing of what is received.
            }
        }
    }

    private void Accept(Socket listener, int section)
    {
        while (true)
        {
            var socket = listener.Accept();
            lock (_connections)
            {
                if (_connections.Count >= config.LogForwards[section].MaxConn)
                {
                    socket.Dispose();
                    continue;
                }

                _connections.Add(socket);
            }

            Run(() =>
            {
                try
                {
                    Read(socket, section);
                }
                finally
                {
                    lock (_connections)
                    {
                        _connections.Remove(socket);
                    }

                    socket.Dispose();
                }
            });
        }
    }

    private void Read(Socket socket, int section)
    {
        socket.ReceiveTimeout = config.LogForwards[section].ClientTimeout ?? 0;
        byte[] buffer = new byte[LongestMessage];
        int have = 0;
        while (have < buffer.Length)
        {
            int n = socket.Receive(buffer, have, buffer.Length - have, SocketFlags.None);
            if (n == 0)
            {
                return;
            }

            have += n;
            int used = 0;
            while (Next(buffer.AsSpan(used, have - used), out int start, out int length, out int next))
            {
                if (next < 0)
                {
                    return; // neither framing: nothing behind it can be trusted
                }

                sink(section, SyslogMessage.Parse(buffer.AsSpan(used + start, length)));
                used += next;
            }

            buffer.AsSpan(used, have - used).CopyTo(buffer);
            have -= used;
        }
    }

    /// <summary>Finds the next complete message; <paramref name="next"/> is -1 where the stream is not understood.</summary>
    internal static bool Next(ReadOnlySpan<byte> data, out int start, out int length, out int next)
    {
        (start, length, next) = (0, 0, 0);
        if (data.IsEmpty)
        {
            return false;
        }

        if (data[0] == '<')
        {
            length = data.IndexOf((byte)'\n');
            next = length + 1;
            return length >= 0;
        }

        int space = data.IndexOf((byte)' ');
        if (space < 0 && data.Length < 6)
        {
            return false;
        }

        if (space is < 1 or > 5 || !System.Buffers.Text.Utf8Parser.TryParse(data[..space], out int count, out int digits)
            || digits != space || count < 1)
        {
            next = -1;
            return true;
        }

        (start, length, next) = (space + 1, count, space + 1 + count);
        return data.Length >= next;
    }
}
