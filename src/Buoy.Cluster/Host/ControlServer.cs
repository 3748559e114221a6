using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text.Json;
using Buoy.Control;
using Buoy.Linux;

namespace Buoy.Cluster.Host;

/// <summary>
/// The daemon's end of the control socket (framing: <see cref="ControlRequest"/>). Runs on the loop, never blocks; each
/// connection has one request under way at a time, and is not read from meanwhile, so answers come in order.
/// </summary>
public sealed class ControlServer : IDisposable
{
    /// <summary>Connections at once: tools are short-lived, agents call several in a row.</summary>
    private const int MaxClients = 256;

    private const int ReadSize = 64 << 10;
    private readonly EventLoop _loop;
    private readonly Socket _listener;
    private readonly string _path;
    private readonly Action<long, ControlRequest> _onRequest;
    private readonly Action<long> _onGone;
    private readonly Action<string> _onProblem;
    private readonly Dictionary<long, Client> _byRequest = [];
    private readonly HashSet<Client> _clients = [];
    private readonly byte[] _scratch = new byte[ReadSize];
    private long _lastRequest;
    private long _heard;

    private sealed class Client(Socket socket)
    {
        public Socket Socket { get; } = socket;
        public int Fd { get; } = (int)socket.Handle;
        public byte[] In { get; set; } = new byte[4096];
        public int Have { get; set; }
        public byte[] Out { get; set; } = [];
        public int Sent { get; set; }
        public long? Request { get; set; }

        /// <summary>Rises with each client that is heard of.</summary>
        public long Heard { get; set; }
        public bool Ended { get; set; }
    }

    /// <summary>Listens at <paramref name="path"/> (mode 0660); a socket left there by a dead daemon is
    /// replaced.</summary>
    /// <param name="onRequest">A request and its id, to be answered with <see cref="Answer"/>.</param>
    /// <param name="onGone">The asker of a request went away before its answer.</param>
    /// <param name="onProblem">What was wrong with a client, for the log.</param>
    public ControlServer(
        EventLoop loop, string path, Action<long, ControlRequest> onRequest, Action<long> onGone,
            Action<string> onProblem)
    {
        _loop = loop;
        _path = path;
        _onRequest = onRequest;
        _onGone = onGone;
        _onProblem = onProblem;
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        // Bound under another name first: nobody can connect before the mode is right.
        string fresh = path + ".new";
        File.Delete(fresh);
        _listener.Bind(new UnixDomainSocketEndPoint(fresh));
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(fresh,
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
        }

        _listener.Listen(64);
        File.Move(fresh, path, overwrite: true);
        loop.Add((int)_listener.Handle, PollEvents.Readable, _ => OnAccept());
    }

    /// <summary>Connections open now.</summary>
    public int Clients => _clients.Count;

    /// <summary>Answers a request; of one whose asker is gone nothing happens.</summary>
    public void Answer(long request, ControlResponse response)
    {
        if (!_byRequest.Remove(request, out var c))
        {
            return;
        }

        c.Request = null;
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(response, ControlJson.Default.ControlResponse);
        c.Out = new byte[4 + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(c.Out, body.Length);
        body.CopyTo(c.Out, 4);
        c.Sent = 0;
        if (Flush(c))
        {
            Parse(c);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.Remove((int)_listener.Handle);
        _listener.Dispose();
        File.Delete(_path);
        foreach (var c in _clients.ToList())
        {
            Close(c, null);
        }
    }

    private void OnAccept()
    {
        while (true)
        {
            Socket s;
            try
            {
                s = _listener.Accept();
            }
            catch (SocketException e)
            {
                if (e.SocketErrorCode is not SocketError.WouldBlock)
                {
                    _onProblem($"accept: {e.Message}");
                }

                return;
            }

            // Who hangs without asking anything must not shut out those who ask: the one silent for longest goes.
            if (_clients.Count >= MaxClients
                && _clients.Where(c => c.Request is null).MinBy(c => c.Heard) is { } silent)
            {
                Close(silent, $"silent for longest while {MaxClients} are connected");
            }

            if (_clients.Count >= MaxClients)
            {
                _onProblem($"{MaxClients} clients are connected already: one more is refused");
                s.Dispose();
                continue;
            }

            s.Blocking = false;
            var c = new Client(s) { Heard = ++_heard };
            _clients.Add(c);
            _loop.Add(c.Fd, PollEvents.Readable, e => OnReady(c, e));
        }
    }

    private void OnReady(Client c, PollEvents events)
    {
        if ((events & PollEvents.Writable) != 0 && !Flush(c))
        {
            return;
        }

        if ((events & (PollEvents.HangUp | PollEvents.Error)) != 0 && (events & PollEvents.Readable) == 0)
        {
            Close(c, null);
            return;
        }

        if ((events & PollEvents.Readable) != 0)
        {
            Read(c);
        }
    }

    private void Read(Client c)
    {
        int n = c.Socket.Receive(_scratch, SocketFlags.None, out var error);
        if (error == SocketError.WouldBlock)
        {
            return;
        }

        if (error != SocketError.Success || n == 0)
        {
            Close(c, null);
            return;
        }

        // While a request is under way only its connection's end is of interest; what is pipelined waits, within the
        // bound.
        if (c.Have + (long)n > ControlClient.MaxMessage + 4L)
        {
            Close(c, "more was sent than a message may hold");
            return;
        }

        if (c.Have + n > c.In.Length)
        {
            byte[] larger = new byte[Math.Max(c.In.Length * 2, c.Have + n)];
            c.In.AsSpan(0, c.Have).CopyTo(larger);
            c.In = larger;
        }

        c.Heard = ++_heard;
        _scratch.AsSpan(0, n).CopyTo(c.In.AsSpan(c.Have));
        c.Have += n;
        if (c.Request is null && c.Sent == c.Out.Length)
        {
            Parse(c);
        }
    }

    private void Parse(Client c)
    {
        if (c.Ended || c.Have < 4)
        {
            return;
        }

        int length = BinaryPrimitives.ReadInt32BigEndian(c.In);
        if (length is <= 0 or > ControlClient.MaxMessage)
        {
            Close(c, $"a message claims a length of {length}");
            return;
        }

        if (c.Have < 4 + length)
        {
            return;
        }

        ControlRequest? request = null;
        string reason = "null";
        try
        {
            request = JsonSerializer.Deserialize(c.In.AsSpan(4, length), ControlJson.Default.ControlRequest);
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            reason = e.Message;
        }

        if (request?.Command is null)
        {
            Close(c, $"not a request: {reason}");
            return;
        }

        int left = c.Have - 4 - length;
        byte[] rest = left > 4096 ? new byte[left] : new byte[4096];
        c.In.AsSpan(4 + length, left).CopyTo(rest);
        c.In = rest;
        c.Have = left;
        c.Request = ++_lastRequest;
        _byRequest.Add(_lastRequest, c);
        // Arguments may be absent in the text.
        _onRequest(_lastRequest, request.Arguments is null ? request with { Arguments = new Dictionary<string,
            string>() } : request);
    }

    /// <summary>Sends what it can; false when the rest must wait or the client is gone.</summary>
    private bool Flush(Client c)
    {
        while (c.Sent < c.Out.Length)
        {
            int n = c.Socket.Send(c.Out.AsSpan(c.Sent), SocketFlags.None, out var error);
            if (error == SocketError.WouldBlock)
            {
                _loop.Modify(c.Fd, PollEvents.Readable | PollEvents.Writable);
                return false;
            }

            if (error != SocketError.Success)
            {
                Close(c, null);
                return false;
            }

            c.Sent += n;
        }

        if (c.Out.Length > 0)
        {
            c.Out = [];
            c.Sent = 0;
            _loop.Modify(c.Fd, PollEvents.Readable);
        }

        return true;
    }

    private void Close(Client c, string? problem)
    {
        if (c.Ended)
        {
            return;
        }

        c.Ended = true;
        if (problem is not null)
        {
            _onProblem($"client refused: {problem}");
        }

        _loop.Remove(c.Fd);
        c.Socket.Dispose();
        _clients.Remove(c);
        if (c.Request is { } request)
        {
            _byRequest.Remove(request);
            _onGone(request);
        }
    }
}
