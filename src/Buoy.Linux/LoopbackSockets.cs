using System.Runtime.InteropServices;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Linux;

/// <summary>
/// TCP sockets on 127.0.0.0/8 and an epoll for the two ends of a benchmark: one thread, edge-triggered, calls that never
/// wait.
/// </summary>
public sealed unsafe class LoopbackSockets : IDisposable
{
    /// <summary>Calls for one stream in a turn.</summary>
    public const int Burst = 16;

    /// <summary>An event will tell when it is worth another try.</summary>
    public const int Later = -1;

    /// <summary>The connection is lost.</summary>
    public const int Broken = -2;

    private const int BindAddressNoPort = 24;
    private const int ModifyWatch = 3;
    private readonly int _epoll = epoll_create1(0);
    private readonly EpollEvent* _events = (EpollEvent*)NativeMemory.Alloc(512, (nuint)sizeof(EpollEvent));
    private int _source;

    [StructLayout(LayoutKind.Sequential, Size = 16)]
    private struct SockaddrIn
    {
        public ushort Family;
        public ushort Port;
        public uint Address;
    }


    /// <summary>A listener on 127.0.0.1; throws <see cref="LinuxException"/> where the port is taken.</summary>
    public int Listen(int port)
    {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
        _ = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, 4);
        var a = Address(127u << 24 | 1, port);
        if (bind(fd, &a, 16) < 0 || listen(fd, 4096) < 0)
        {
            throw new LinuxException($"listen on port {port}", *ErrnoLocation());
        }

        Watch(fd);
        return fd;
    }

    /// <summary>The next waiting connection, watched; -1: none.</summary>
    public int Accept(int listener)
    {
        int fd = accept4(listener, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
        return fd < 0 ? -1 : Watch(fd);
    }

    /// <summary>
    /// Begins a connection to 127.0.0.1, from one of 64 addresses in turn, so that no port has to rest before it is used
    /// again; -1: no descriptor.
    /// </summary>
    public int Connect(int port)
    {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
        if (fd < 0)
        {
            return -1;
        }

        _ = setsockopt(fd, IPPROTO_IP, BindAddressNoPort, &one, 4);
        _source = (_source + 1) & 63;
        var from = Address((127u << 24) + (1 << 8) + (uint)_source + 1, 0);
        _ = bind(fd, &from, 16);
        var to = Address(127u << 24 | 1, port);
        if (connect(fd, &to, 16) < 0 && *ErrnoLocation() != EINPROGRESS)
        {
            _ = close(fd);
            return -1;
        }

        return Watch(fd);
    }

    /// <summary>Bytes received, 0 at the end, <see cref="Later"/> where nothing is there, <see cref="Broken"/> after an error.</summary>
    public int Receive(int fd, Span<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            return Result(recv(fd, p, buffer.Length, MSG_DONTWAIT));
        }
    }

    /// <summary>Bytes taken, <see cref="Later"/> where there is no room, <see cref="Broken"/> after an error.</summary>
    public int Send(int fd, ReadOnlySpan<byte> data)
    {
        fixed (byte* p = data)
        {
            return Result(send(fd, p, data.Length, MSG_NOSIGNAL | MSG_DONTWAIT));
        }
    }

    /// <summary>Closes a connection; it is not watched any more.</summary>
    public void Close(int fd) => _ = close(fd);

    /// <summary>Waits at most <paramref name="ms"/> and calls back for each ready descriptor.</summary>
    public void Turn(int ms, Action<int> ready)
    {
        int n = epoll_wait(_epoll, _events, 512, ms);
        for (int i = 0; i < n; i++)
        {
            ready((int)_events[i].Data);
        }
    }

    /// <summary>From now on <paramref name="fd"/> is told level-triggered, for sending or receiving only: streams share the thread fairly.</summary>
    public void Stream(int fd, bool sends)
    {
        EpollEvent ev = new() { Events = (sends ? EPOLLOUT : EPOLLIN) | EPOLLRDHUP, Data = (ulong)fd };
        _ = epoll_ctl(_epoll, ModifyWatch, fd, &ev);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ = close(_epoll);
        NativeMemory.Free(_events);
    }

    private static int Result(nint n) => n >= 0 ? (int)n : *ErrnoLocation() is EAGAIN or EINTR ? Later : Broken;

    private static SockaddrIn Address(uint address, int port) => new()
    {
        Family = AF_INET, Port = (ushort)((port >> 8) | (port << 8)),
        Address = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(address),
    };

    private int Watch(int fd)
    {
        int one = 1;
        _ = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, 4);
        EpollEvent ev = new() { Events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, Data = (ulong)fd };
        _ = epoll_ctl(_epoll, EPOLL_CTL_ADD, fd, &ev);
        return fd;
    }
}
