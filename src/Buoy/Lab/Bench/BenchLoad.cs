using System.Globalization;
using System.Text;
using Buoy.Linux;

namespace Buoy.Lab.Bench;

/// <summary>
/// <c>buoy lab benchload KIND PORT CONNECTIONS SECONDS</c>: the clients, one thread. Kinds: connect (connection, 64 B and
/// back, end), echo (64 B and back), down, up (streams, in bytes), http N, httpclose N (responses of N bytes; a connection
/// each), idle (holds the connections until its standard input ends). Prints <c>load UNITS SECONDS P50 P99 ERRORS</c>,
/// times in microseconds per unit.
/// </summary>
internal sealed class BenchLoad : IDisposable
{
    private const int BufferSize = 256 * 1024;
    private const int Message = 64;
    private const int Slots = 200_000;
    private readonly LoopbackSockets _sockets = new();
    private readonly byte[] _buffer = new byte[BufferSize];
    private readonly int[] _histogram = new int[Slots];
    private readonly string _kind;
    private readonly int _port;
    private readonly byte[] _request;
    private readonly long _replyBody;
    private readonly bool _streams;
    private readonly bool _once;
    private Link[] _links = new Link[1024];
    private long _units;
    private long _errors;
    private bool _ended;

    private BenchLoad(string kind, int port, int size)
    {
        (_kind, _port, _replyBody) = (kind, port, size);
        _streams = kind is "down" or "up";
        _once = kind is "connect" or "httpclose";
        _request = kind switch
        {
            "http" => Encoding.ASCII.GetBytes($"GET /{size} HTTP/1.1\r\nHost: bench\r\n\r\n"),
            "httpclose" => Encoding.ASCII.GetBytes($"GET /{size} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"),
            "down" => "D"u8.ToArray(),
            "up" => "U"u8.ToArray(),
            _ => Enumerable.Repeat((byte)'P', Message).ToArray(),
        };
    }

    /// <summary>One connection: when its unit began (µs), bytes of the answer still to come (-1 = its head), whether it asked.</summary>
    private struct Link
    {
        public long Began;
        public long Left;
        public bool Asked;
        public bool Open;
    }

    public static int Run(string[] args)
    {
        var c = CultureInfo.InvariantCulture;
        string kind = args[0];
        int size = 0, at = 1;
        if (kind is "http" or "httpclose")
        {
            size = int.Parse(args[at++], c);
        }

        int port = int.Parse(args[at], c), connections = int.Parse(args[at + 1], c);
        double seconds = double.Parse(args[at + 2], c);
        using var load = new BenchLoad(kind, port, size);
        for (int i = 0; i < connections; i++)
        {
            load.Begin();
        }

        return kind == "idle" ? load.Hold(connections) : load.Measure(seconds);
    }

    public void Dispose() => _sockets.Dispose();

    private int Measure(double seconds)
    {
        long begin = EventLoop.NowMicros, end = begin + (long)(seconds * 1e6);
        // The first tenth warms up: connections are made, buffers grow.
        long warm = begin + (long)(seconds * 1e5);
        bool counting = false;
        long from = begin;
        while (EventLoop.NowMicros is var now && now < end)
        {
            if (!counting && now >= warm)
            {
                counting = true;
                (_units, _errors, from) = (0, 0, now);
                Array.Clear(_histogram);
                Console.WriteLine("begin");
            }

            _sockets.Turn((int)Math.Max(1, (end - now) / 1000), OnReady);
        }

        long took = EventLoop.NowMicros - from;
        _ended = true;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"load {_units} {took / 1e6:F4} {Percentile(0.5)} {Percentile(0.99)} {_errors}"));
        return 0;
    }

    private int Hold(int connections)
    {
        long end = EventLoop.NowMicros + 10_000_000;
        while (_units < connections && EventLoop.NowMicros < end)
        {
            _sockets.Turn(100, OnReady);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"held {_units}"));
        _ = Console.In.ReadToEnd();
        return 0;
    }

    private long Percentile(double part)
    {
        long all = _histogram.Sum(static n => (long)n), seen = 0;
        for (int i = 0; i < Slots; i++)
        {
            seen += _histogram[i];
            if (seen > 0 && seen >= all * part)
            {
                return i;
            }
        }

        return 0;
    }

    private void Begin()
    {
        int fd = _ended ? -1 : _sockets.Connect(_port);
        if (fd < 0)
        {
            Error("no connection can be made");
            return;
        }

        if (fd >= _links.Length)
        {
            Array.Resize(ref _links, fd * 2);
        }

        _links[fd] = new Link { Began = EventLoop.NowMicros, Open = true };
    }

    private void OnReady(int fd)
    {
        ref var l = ref _links[fd];
        if (!l.Open)
        {
            return;
        }

        if (!l.Asked && !Ask(fd, ref l))
        {
            return;
        }

        if (_kind == "up")
        {
            Upload(fd, ref l);
            return;
        }

        for (int i = 0; l.Open && (!_streams || i < LoopbackSockets.Burst); i++)
        {
            int n = _sockets.Receive(fd, _buffer);
            if (n == LoopbackSockets.Later)
            {
                return;
            }

            if (n <= 0)
            {
                Fail(fd, ref l, n == 0 ? "ended early" : "reset");
                return;
            }

            if (_streams)
            {
                _units += n;
            }
            else if (Received(ref l, n) && !Finish(fd, ref l))
            {
                return;
            }
        }
    }

    /// <summary>Counts an answer's bytes; true: it is complete.</summary>
    private bool Received(ref Link l, int n)
    {
        if (l.Left < 0)
        {
            var head = _buffer.AsSpan(0, n);
            int end = head.IndexOf("\r\n\r\n"u8);
            if (end < 0 || !head.StartsWith("HTTP/1.1 200"u8))
            {
                Error(Encoding.ASCII.GetString(head[..Math.Min(40, n)]).ReplaceLineEndings(" "));
                end = Math.Max(end, 0);
            }

            l.Left = _replyBody;
            n -= end + 4;
        }

        l.Left -= n;
        return l.Left <= 0;
    }

    /// <summary>A unit is done: the next one begins, on this connection or a new one. False: this one is at its end.</summary>
    private bool Finish(int fd, ref Link l)
    {
        _units++;
        long now = EventLoop.NowMicros;
        _histogram[Math.Clamp((int)(now - l.Began), 0, Slots - 1)]++;
        if (_kind == "idle")
        {
            l.Left = long.MaxValue;
            return true;
        }

        if (_once)
        {
            Close(fd, ref l);
            Begin();
            return false;
        }

        l.Began = now;
        return Ask(fd, ref l);
    }

    private bool Ask(int fd, ref Link l)
    {
        int n = _sockets.Send(fd, _request);
        if (n != _request.Length)
        {
            if (n != LoopbackSockets.Later)
            {
                Fail(fd, ref l, "reset while sending");
            }

            return false;
        }

        if (_streams)
        {
            _sockets.Stream(fd, sends: _kind == "up");
        }

        l.Asked = true;
        l.Left = _request[0] == 'G' ? -1 : Message;
        return true;
    }

    private void Upload(int fd, ref Link l)
    {
        for (int i = 0; i < LoopbackSockets.Burst; i++)
        {
            int n = _sockets.Send(fd, _buffer);
            if (n < 0)
            {
                if (n != LoopbackSockets.Later)
                {
                    Fail(fd, ref l, "reset while sending");
                }

                return;
            }

            _units += n;
        }
    }

    private void Fail(int fd, ref Link l, string why)
    {
        Error(why);
        Close(fd, ref l);
        Begin();
    }

    /// <summary>Counts it, and tells of the first.</summary>
    private void Error(string what)
    {
        if (_errors++ == 0)
        {
            Console.Error.WriteLine($"{_kind}: first error: {what}");
        }
    }

    private void Close(int fd, ref Link l)
    {
        l.Open = false;
        _sockets.Close(fd);
    }
}
