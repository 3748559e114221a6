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

    private readonly EventLoop _loop;
    private readonly IServiceRequests _requests;
    private readonly string _path;
    private readonly int _listener;
    private readonly Action<string> _onProblem;
    private readonly Dictionary<long, Client> _clients = [];
    private readonly List<Client> _dirty = [];
    private readonly byte[] _scratch = new byte[ReadSize];
    private long _last;
    private bool _paused;

    private sealed class Client(long id, int fd)
    {
        public long Id { get; } = id;
        public int Fd { get; } = fd;
        public uint Process { get; } = ControlSocket.PeerProcess(fd);

        /// <summary>Begin of a frame whose rest has not come.</summary>
        public byte[] In { get; set; } = [];
        public int Have { get; set; }
        public byte[] Out { get; set; } = new byte[4096];
        public int Begin { get; set; }
        public int End { get; set; }
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
        if (c.End + size > c.Out.Length && !MakeRoom(c, size))
        {
            _onProblem($"process {c.Process} does not read what it is told: it is let go");
            Close(c);
            return;
        }

        var to = c.Out.AsSpan(c.End);
        BinaryPrimitives.WriteInt32LittleEndian(to, size - 4);
        to[4] = kind;
        first.CopyTo(to[ServiceProtocol.HeadSize..]);
        second.CopyTo(to[(ServiceProtocol.HeadSize + first.Length)..]);
        c.End += size;
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

    private static bool MakeRoom(Client c, int size)
    {
        int have = c.End - c.Begin;
        if (have + size > MaxUnsent)
        {
            return false;
        }

        byte[] to = have + size > c.Out.Length ? new byte[Math.Max(have + size, c.Out.Length * 2)] : c.Out;
        c.Out.AsSpan(c.Begin, have).CopyTo(to);
        (c.Out, c.Begin, c.End) = (to, 0, have);
        return true;
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

            var c = new Client(++_last, fd);
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
            if (c.Have + n > c.In.Length)
            {
                var larger = new byte[Math.Max(c.Have + n, c.In.Length * 2)];
                c.In.AsSpan(0, c.Have).CopyTo(larger);
                c.In = larger;
            }

            data.CopyTo(c.In.AsSpan(c.Have));
            data = c.In.AsSpan(0, c.Have + n);
        }

        while (data.Length >= 4 && !c.Closed)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(data);
            if (length is < 1 or > ServiceProtocol.MaxPayload + 1)
            {
                _onProblem($"process {c.Process} sent a frame of {length} bytes: it is let go");
                Close(c);
                return;
            }

            if (data.Length < 4 + length)
            {
                break;
            }

            if (_requests.OnRequest(c.Id, data[4], data.Slice(5, length - 1)) is { } refusal)
            {
                Send(c.Id, ServiceProtocol.Refused, System.Text.Encoding.UTF8.GetBytes(refusal), default);
            }

            data = data[(4 + length)..];
        }

        if (c.Closed)
        {
            return;
        }

        if (data.Length > c.In.Length)
        {
            c.In = data.ToArray();
        }
        else
        {
            data.CopyTo(c.In);
        }

        c.Have = data.Length;
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
        while (!c.Closed && c.Begin < c.End)
        {
            int n = ControlSocket.Send(c.Fd, c.Out.AsSpan(c.Begin, c.End - c.Begin));
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

            c.Begin += n;
        }

        (c.Begin, c.End) = (0, 0);
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
        _clients.Remove(c.Id);
        _requests.OnGone(c.Id);
    }
}
