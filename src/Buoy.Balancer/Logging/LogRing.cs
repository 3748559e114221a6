using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Linux;

namespace Buoy.Balancer.Logging;

/// <summary>
/// A ring of log messages (configuration manual 3.9): the newest that fit into its size, for <c>show events</c> and for the
/// servers it forwards to. Thread-safe. A writer never waits: a server that does not keep up loses the oldest.
/// </summary>
public sealed class LogRing(RingConfig config) : IDisposable
{
    private readonly Queue<byte[]> _messages = new();
    private readonly List<Thread> _threads = [];
    private readonly object _gate = new();
    private long _bytes;

    /// <summary>Number of the oldest message kept.</summary>
    private long _first;
    private volatile bool _closing;
    private long _dropped;

    public RingConfig Config => config;

    /// <summary>Messages lost before a server took them.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Adds a message, without its newline.</summary>
    public void Write(ReadOnlySpan<byte> message)
    {
        byte[] copy = message[..Math.Min(message.Length, config.MaxLength)].ToArray();
        lock (_gate)
        {
            _messages.Enqueue(copy);
            _bytes += copy.Length;
            while (_bytes > config.Size && _messages.Count > 1)
            {
                _bytes -= _messages.Dequeue().Length;
                _first++;
            }

            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>All messages kept, one per line.</summary>
    public string Dump()
    {
        var text = new StringBuilder();
        lock (_gate)
        {
            foreach (byte[] m in _messages)
            {
                text.Append(Encoding.Latin1.GetString(m)).Append('\n');
            }
        }

        return text.ToString();
    }

    /// <summary>Starts a thread for each server.</summary>
    public void Start()
    {
        foreach (var server in config.Servers)
        {
            var thread = new Thread(() => Forward(server)) { IsBackground = true, Name = "buoy-ring" };
            _threads.Add(thread);
            thread.Start();
        }
    }

    public void Dispose()
    {
        _closing = true;
        lock (_gate)
        {
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>The message with that number, or the oldest still kept; waits until there is one. Null at the end.</summary>
    private byte[]? Next(ref long number)
    {
        lock (_gate)
        {
            while (!_closing && number >= _first + _messages.Count)
            {
                Monitor.Wait(_gate);
            }

            if (_closing)
            {
                return null;
            }

            if (number < _first)
            {
                Interlocked.Add(ref _dropped, _first - number);
                number = _first;
            }

            return _messages.ElementAt((int)(number++ - _first));
        }
    }

    private void Forward(RingServer server)
    {
        const int Again = 1000;
        long number = 0;
        while (!_closing)
        {
            using var socket = Connect(server);
            if (socket is null)
            {
                lock (_gate)
                {
                    if (!_closing)
                    {
                        Monitor.Wait(_gate, Again);
                    }
                }

                continue;
            }

            try
            {
                while (Next(ref number) is { } message)
                {
                    try
                    {
                        socket.Send(Framed(server, message));
                    }
                    catch (SocketException)
                    {
                        number--; // this one was not sent: the next connection begins with it
                        throw;
                    }
                }
            }
            catch (SocketException)
            {
                // The server is gone; it is connected to anew.
            }
        }
    }

    private Socket? Connect(RingServer server)
    {
        EndPoint to = server.Address is { } address ? address : new UnixDomainSocketEndPoint(server.UnixPath!);
        var socket = new Socket(to.AddressFamily, SocketType.Stream, ProtocolType.Unspecified)
        {
            SendTimeout = config.ServerTimeout ?? 0,
        };
        try
        {
            socket.Connect(to);
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    /// <summary>RFC 6587: the length before it (3.4.1), or a newline behind it (3.4.2).</summary>
    private static byte[] Framed(RingServer server, byte[] message) => server.OctetCount
        ? [.. Encoding.ASCII.GetBytes($"{message.Length} "), .. message] : [.. message, (byte)'\n'];
}
