using System.Runtime.InteropServices;
using Buoy.Linux;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <summary>Edge-triggered epoll: a connection is registered once for everything and never changed.</summary>
internal unsafe struct EpollPoller : IPoller
{
    private const int MaxEvents = 256;
    private int _epoll;
    private int* _errno;
    private EpollEvent* _events;

    public readonly int Errno => *_errno;

    public void Open()
    {
        _errno = ErrnoLocation();
        _epoll = epoll_create1(SOCK_CLOEXEC);
        if (_epoll < 0)
        {
            throw new LinuxException("epoll_create1", *_errno);
        }

        _events = (EpollEvent*)NativeMemory.Alloc(MaxEvents, (nuint)sizeof(EpollEvent));
    }

    public void Close()
    {
        _ = close(_epoll);
        NativeMemory.Free(_events);
        _events = null;
    }

    public readonly int Watch(int fd, nint key, bool connecting) => Add(fd, key, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);

    public readonly int WatchReadable(int fd, nint key, bool exclusive) =>
        Add(fd, key, EPOLLIN | EPOLLET | (exclusive ? EPOLLEXCLUSIVE : 0));

    public readonly void Unwatch(int fd)
    {
        EpollEvent ev = default;
        _ = epoll_ctl(_epoll, EPOLL_CTL_DEL, fd, &ev);
    }

    public readonly void CloseDescriptor(int fd) => _ = close(fd);

    public readonly int Wait(Readiness* into, int max, int timeoutMs)
    {
        max = Math.Min(max, MaxEvents);
        int n = timeoutMs == 0 ? epoll_poll(_epoll, _events, max, 0) : epoll_wait(_epoll, _events, max, timeoutMs);
        for (int i = 0; i < n; i++)
        {
            into[i].Key = (nint)_events[i].Data;
            into[i].Events = _events[i].Events;
        }

        return Math.Max(0, n);
    }

    public readonly nint Receive(int fd, byte* buffer, nint length)
    {
        nint r = recv(fd, buffer, length, 0);
        return r >= 0 ? r : -*_errno;
    }

    public readonly nint Send(int fd, byte* buffer, nint length)
    {
        nint r = send(fd, buffer, length, MSG_NOSIGNAL);
        return r >= 0 ? r : -*_errno;
    }

    public readonly nint Splice(int from, int to, nint length)
    {
        nint r = splice(from, null, to, null, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        return r >= 0 ? r : -*_errno;
    }

    private readonly int Add(int fd, nint key, uint events)
    {
        EpollEvent ev = new() { Events = events, Data = (ulong)key };
        return epoll_ctl(_epoll, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -*_errno;
    }
}
