using System.Buffers.Binary;
using Buoy.Control;
using Buoy.Linux;

namespace Buoy.Cluster.Host;

/// <summary>What clients of the service socket ask; called on the loop.</summary>
internal interface IServiceRequests
{
    /// <summary>A frame of a client. Null, or why it is refused.</summary>
    string? OnRequest(long client, byte kind, ReadOnlySpan<byte> body);

    /// <summary>A client has gone.</summary>
    void OnGone(long client);
}

/// <summary>
/// The daemon's end of <see cref="ServiceProtocol"/>: frames in and out on the loop. Output is gathered and sent once
/// per
/// turn; while <see cref="Pause"/>d nobody is read from, so that senders wait in their own send calls.
/// </summary>
internal sealed class ServiceServer : IDisposable
{
    private const int ReadSize = 256 << 10;
    private const int MaxClients = 1024;

    /// <summary>Unsent bytes at which a client that does not read is let go.</summary>
    private const int MaxUnsent = 64 << 20;

    /// <summary>A client's buffer of this size stays for its next frame.</summary>
    private const int KeptFrame = 80 << 10;

    private readonly EventLoop _loop;
    private readonly IServiceRequests _requests;
    private readonly string _path;
    private readonly int _listener;
    private readonly Action<string> _onProblem;
    private readonly Dictionary<long, Client> _clients = [];
    private readonly List<Client> _dirty = [];
    private readonly byte[] _scratch = new byte[ReadSize];
    private readonly ChunkQueue.Store _chunks = new();
    private long _last;
    private bool _paused;

    private sealed class Client(long id, int fd, ChunkQueue output)
    {
        public long Id { get; } = id;
        public int Fd { get; } = fd;
        public uint Process { get; } = ControlSocket.PeerProcess(fd);

        /// <summary>Begin of a frame whose rest has not come.</summary>
        public byte[] In { get; set; } = new byte[4];
        public int Have { get; set; }
        public ChunkQueue Out { get; } = output;
        public bool Dirty { get; set; }
        public bool Full { get; set; }
        public bool Closed { get; set; }
    }

    /// <summary>Listens at <paramref name="path"/>, mode 0660. Throws <see cref="LinuxException"/>.</summary>
    public ServiceServer(EventLoop loop, string path, IServiceRequests requests, Action<string> onProblem)
    {
        _loop = loop;
        _path = path;
        _requests = requests;
        _onProblem = onProblem;
        // Bound under another name first: nobody can connect before the mode is right.
        string fresh = path + ".new";
        File.Delete(fresh);
        _listener = ControlSocket.ListenUnix(fresh, 64);
        if (_listener < 0)
        {
            throw new LinuxException("listen " + path, -_listener);
        }

        ControlSocket.ChangeMode(fresh, 0x1B0);
        File.Move(fresh, path, overwrite: true);
        loop.Add(_listener, PollEvents.Readable, _ => OnAccept());
    }

    /// <summary>Connections open now.</summary>
    public int Clients => _clients.Count;

    /// <summary>Process id of a client.</summary>
    public uint ProcessOf(long client) => _clients.TryGetValue(client, out var c) ? c.Process : 0;

    /// <summary>Whether clients are read from.</summary>
    public void Pause(bool pause)
    {
        if (pause == _paused)
        {
            return;
        }

        _paused = pause;
        foreach (var c in _clients.Values)
        {
            Watch(c);
        }
    }

    /// <summary>Sends a frame of two parts to a client; of one that is gone nothing happens.</summary>
    public void Send(long client, byte kind, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        if (!_clients.TryGetValue(client, out var c) || c.Closed)
        {
            return;
        }

        int size = ServiceProtocol.HeadSize + first.Length + second.Length;
        if (c.Out.Length + size > MaxUnsent)
        {
            _onProblem($"process {c.Process} does not read what it is told: it is let go");
            Close(c);
            return;
        }

        Span<byte> head = stackalloc byte[ServiceProtocol.HeadSize];
        BinaryPrimitives.WriteInt32LittleEndian(head, size - 4);
        head[4] = kind;
        c.Out.Write(head);
        c.Out.Write(first);
        c.Out.Write(second);
        if (!c.Dirty && !c.Full)
        {
            c.Dirty = true;
            _dirty.Add(c);
            if (_dirty.Count == 1)
            {
                _loop.Schedule(0, FlushAll);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _loop.Remove(_listener);
        ControlSocket.Close(_listener);
        File.Delete(_path);
        foreach (var c in _clients.Values.ToList())
        {
            c.Closed = true;
            _loop.Remove(c.Fd);
            ControlSocket.Close(c.Fd);
        }
    }

    private void OnAccept()
    {
        int fd;
        while ((fd = ControlSocket.Accept(_listener)) >= 0)
        {
            if (_clients.Count >= MaxClients)
            {
                _onProblem($"{MaxClients} clients of the services are connected already: one more is refused");
                ControlSocket.Close(fd);
                continue;
            }

            var c = new Client(++_last, fd, new ChunkQueue(_chunks));
            _clients.Add(c.Id, c);
            _loop.Add(fd, _paused ? PollEvents.None : PollEvents.Readable, e => OnReady(c, e));
        }
    }

    private void OnReady(Client c, PollEvents events)
    {
        if ((events & PollEvents.Writable) != 0)
        {
            Flush(c);
        }

        if (!c.Closed && (events & ~PollEvents.Writable) != 0)
        {
            OnReadable(c);
        }
    }

    private void OnReadable(Client c)
    {
        int n = ControlSocket.Receive(c.Fd, _scratch);
        if (n is -ControlSocket.EAgain or -ControlSocket.EIntr)
        {
            return;
        }

        if (n <= 0)
        {
            Close(c);
            return;
        }

        var data = _scratch.AsSpan(0, n);
        if (c.Have > 0)
        {
            data = data[Complete(c, data)..];
        }

        while (data.Length >= 4 && !c.Closed && Length(c, data) is >= 0 and var length && data.Length >= 4 + length)
        {
            OnFrame(c, data.Slice(4, length));
            data = data[(4 + length)..];
        }

        if (!c.Closed && data.Length > 0)
        {
            Keep(c, data);
        }
    }

    /// <summary>Adds what is missing of the frame that has begun; returns how many bytes that took.</summary>
    private int Complete(Client c, ReadOnlySpan<byte> data)
    {
        int taken = 0;
        while (!c.Closed)
        {
            int want = c.Have < 4 ? 4 : 4 + Length(c, c.In);
            if (c.Closed || (c.Have == want && want > 4))
            {
                break;
            }

            Grow(c, want);
            int n = Math.Min(want - c.Have, data.Length - taken);
            data.Slice(taken, n).CopyTo(c.In.AsSpan(c.Have));
            c.Have += n;
            taken += n;
            if (c.Have < want)
            {
                return taken;
            }
        }

        if (!c.Closed)
        {
            int end = c.Have;
            c.Have = 0;
            OnFrame(c, c.In.AsSpan(4, end - 4));
            c.In = c.In.Length > KeptFrame ? new byte[4] : c.In;
        }

        return taken;
    }

    /// <summary>Remembers the begin of a frame.</summary>
    private void Keep(Client c, ReadOnlySpan<byte> data)
    {
        Grow(c, data.Length < 4 ? 4 : 4 + BinaryPrimitives.ReadInt32LittleEndian(data));
        data.CopyTo(c.In);
        c.Have = data.Length;
    }

    private static void Grow(Client c, int size)
    {
        if (c.In.Length < size)
        {
            var larger = new byte[size];
            c.In.AsSpan(0, c.Have).CopyTo(larger);
            c.In = larger;
        }
    }

    /// <summary>Length of the frame that begins here; -1 and the end of the client where it cannot be one.</summary>
    private int Length(Client c, ReadOnlySpan<byte> data)
    {
        int length = BinaryPrimitives.ReadInt32LittleEndian(data);
        if (length is >= 1 and <= ServiceProtocol.MaxPayload + 1)
        {
            return length;
        }

        _onProblem($"process {c.Process} sent a frame of {length} bytes: it is let go");
        Close(c);
        return -1;
    }

    private void OnFrame(Client c, ReadOnlySpan<byte> frame)
    {
        if (_requests.OnRequest(c.Id, frame[0], frame[1..]) is { } refusal)
        {
            Send(c.Id, ServiceProtocol.Refused, System.Text.Encoding.UTF8.GetBytes(refusal), default);
        }
    }

    private void FlushAll()
    {
        for (int i = 0; i < _dirty.Count; i++)
        {
            _dirty[i].Dirty = false;
            Flush(_dirty[i]);
        }

        _dirty.Clear();
    }

    private void Flush(Client c)
    {
        while (!c.Closed && c.Out.Length > 0)
        {
            int n = ControlSocket.Send(c.Fd, c.Out.First);
            if (n == -ControlSocket.EAgain)
            {
                if (!c.Full)
                {
                    c.Full = true;
                    Watch(c);
                }

                return;
            }

            if (n < 0)
            {
                Close(c);
                return;
            }

            c.Out.Skip(n);
        }

        if (c.Full && !c.Closed)
        {
            c.Full = false;
            Watch(c);
        }
    }

    private void Watch(Client c) => _loop.Modify(
        c.Fd, (_paused ? PollEvents.None : PollEvents.Readable) | (c.Full ? PollEvents.Writable : PollEvents.None));

    private void Close(Client c)
    {
        if (c.Closed)
        {
            return;
        }

        c.Closed = true;
        _loop.Remove(c.Fd);
        ControlSocket.Close(c.Fd);
        c.Out.Clear();
        _clients.Remove(c.Id);
        _requests.OnGone(c.Id);
    }
}
