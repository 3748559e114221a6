using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <content>Listeners: accept in batches, limits, pauses.</content>
internal sealed unsafe partial class Shard<TPoller>
{
    private const int AcceptBatch = 64;

    /// <summary>How long accepting pauses when descriptors are exhausted, ms.</summary>
    private const int ExhaustedPause = 100;

    /// <summary>One line about exhausted descriptors in that time, ms.</summary>
    private const int ExhaustedQuiet = 10_000;

    private bool _draining;

    private void Accept(Conn* l)
    {
        if (!l->Has(ConnFlags.ReadReady) || l->Has(ConnFlags.Paused | ConnFlags.Disabled))
        {
            return;
        }

        int room = Room(l);
        for (int i = 0; i < AcceptBatch; i++)
        {
            if (room-- <= 0)
            {
                l->Flags |= ConnFlags.Paused;
                Volatile.Write(ref _plane.PausedOf(_id), 1);
                if (_plane.AcceptRate > 0 || _config.Proxies[l->Frontend].SessionRate > 0)
                {
                    // Nobody leaving is what it waits for: the next second is.
                    _wheel.FileNoLaterThan(l, _now + 1000 - (_now % 1000));
                }

                return;
            }

            SocketAddressBytes address;
            uint length = (uint)sizeof(SocketAddressBytes);
            int fd = accept4(l->Fd, &address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd >= 0)
            {
                StartClient(l, fd, address, length);
                continue;
            }

            switch (_poller.Errno)
            {
                case EINTR or ECONNABORTED:
                    continue;
                case EMFILE or ENFILE or ENOBUFS or ENOMEM:
                    PauseExhausted(l, _poller.Errno);
                    return;
                default:
                    // EAGAIN; anything else means that the listener is shut down (disabled frontend).
                    l->Flags &= ~ConnFlags.ReadReady;
                    return;
            }
        }

        Enqueue(l);
    }

    /// <summary>Connections that the process's, the frontend's and the bind's maxconn still allow.</summary>
    private int Room(Conn* l)
    {
        long room = int.MaxValue;
        int all = Volatile.Read(ref _plane.MaxConn);
        if (all > 0)
        {
            room = all - _plane.ActiveConnections;
        }

        if (_plane.AcceptRate > 0)
        {
            room = Math.Min(room, _plane.RateRoom(_now));
        }

        if (_config.Proxies[l->Frontend].SessionRate is > 0 and var rate)
        {
            room = Math.Min(room, _plane.SessionRates[l->Frontend].Room(_now, rate));
        }

        int frontend = Volatile.Read(ref _plane.FrontendMaxConn[l->Frontend]);
        if (frontend > 0)
        {
            room = Math.Min(room, frontend - _counters.Sum(_counters.Frontend(l->Frontend), Counter.SessionsCurrent));
        }

        if (_config.Binds[l->Bind].MaxConn is > 0 and int bind)
        {
            room = Math.Min(room, bind - _counters.Sum(_counters.Bind(l->Bind), Counter.SessionsCurrent));
        }

        return (int)room;
    }

    private void PauseExhausted(Conn* l, int errno)
    {
        LogExhausted(l->Frontend, errno);
        l->Flags |= ConnFlags.Paused;
        _wheel.FileNoLaterThan(l, _now + ExhaustedPause);
    }

    private void LogExhausted(int proxy, int errno)
    {
        long until = Volatile.Read(ref _plane.ExhaustedQuietUntil);
        if (_now < until
            || Interlocked.CompareExchange(ref _plane.ExhaustedQuietUntil, _now + ExhaustedQuiet, until) != until)
        {
            return;
        }

        string what = errno switch
        {
            EMFILE => "process FD limit",
            ENFILE => "system FD limit",
            _ => "system memory limit",
        };
        _plane.Logs.Message(proxy, 0,
            $"Proxy {_config.Proxies[proxy].Name} reached {what}. Please check 'ulimit-n' and restart.");
    }

    private void Unpause(Conn* l)
    {
        l->Flags &= ~ConnFlags.Paused;
        l->Flags |= ConnFlags.ReadReady;
        Enqueue(l);
    }

    private void ResumeListeners()
    {
        Volatile.Write(ref _plane.PausedOf(_id), 0);
        foreach (nint p in _listeners)
        {
            var l = (Conn*)p;
            if (l->Has(ConnFlags.Paused) && l->TimerSlot < 0)
            {
                Unpause(l);
            }
        }
    }

    /// <summary>A client left: listeners that wait for room, here or on other shards, look again.</summary>
    private void RoomCameFree()
    {
        for (int i = 0; i < _plane.Mailboxes.Length; i++)
        {
            if (Volatile.Read(ref _plane.PausedOf(i)) != 0)
            {
                if (i == _id)
                {
                    ResumeListeners();
                }
                else
                {
                    _plane.Mailboxes[i].Post(new Command(CommandKind.Resume));
                }
            }
        }
    }

    private void StartClient(Conn* l, int fd, SocketAddressBytes address, uint length)
    {
        var c = _slab.Take(ConnKind.Client);
        c->Fd = fd;
        c->Address = address;
        c->AddressLength = (byte)Math.Min(length, (uint)sizeof(SocketAddressBytes));
        c->Frontend = l->Frontend;
        c->Bind = l->Bind;
        c->FrontendCounters = l->FrontendCounters;
        c->BindCounters = l->BindCounters;
        c->LastActivity = c->IdleFrom = c->Begin = c->StateSince = _now;
        if (_poller.Watch(fd, (nint)c, connecting: false) < 0)
        {
            _ = close(fd);
            _slab.Return(c);
            return;
        }

        if (_plane.AcceptRate > 0)
        {
            _plane.CountRate();
        }

        if (_config.Proxies[c->Frontend].SessionRate > 0)
        {
            _plane.SessionRates[c->Frontend].Count();
        }

        Volatile.Write(ref _plane.Active(_id), _plane.Active(_id) + 1);
        Enter(c->FrontendCounters);
        Enter(c->BindCounters);
        c->FrontendCounters[(int)Counter.ConnectionsTotal]++;
        c->BindCounters[(int)Counter.ConnectionsTotal]++;
        if (c->Index < _destinations.Length)
        {
            _destinations[c->Index] = default;
        }

        if (_run is not null && !StartRules(c))
        {
            return;
        }

        if (_config.Proxies[c->Frontend].Mode == ProxyMode.Http)
        {
            c->Flags |= ConnFlags.Http;
        }

        if (_config.Binds[c->Bind].AcceptProxy || StreamOf(c) is { ExpectsProxy: true })
        {
            c->State = StreamState.Handshake;
            Arm(c);
            return;
        }

        StartStream(c, null, 0);
    }

    /// <summary>The connection is the client's own from here on; TCP bytes it sent with its header are given.</summary>
    private void StartStream(Conn* c, byte* first, int length)
    {
        if (_run is not null && !StartSession(c))
        {
            return;
        }

        if (c->Has(ConnFlags.Http))
        {
            c->Mode = InMode.Head;
            c->State = StreamState.Request;
            Arm(c);
            if (c->Has(ConnFlags.InFresh))
            {
                Enqueue(c);
            }

            return;
        }

        c->RequestAt = _now;
        c->Flags |= ConnFlags.InTransaction;
        NumberRequest(c);
        if (length > 0)
        {
            CountIn(c, length);
        }

        StartContent(c, first, length);
    }

    private void SetFrontend(int proxy, bool enabled)
    {
        foreach (nint p in _listeners)
        {
            var l = (Conn*)p;
            if (l->Frontend != proxy || enabled == !l->Has(ConnFlags.Disabled))
            {
                continue;
            }

            var bind = _config.Binds[l->Bind];
            bool own = !l->Has(ConnFlags.Shared) && bind.EndPoint is not null;
            if (enabled)
            {
                l->Flags &= ~ConnFlags.Disabled;
                l->Flags |= ConnFlags.ReadReady;
                if (own)
                {
                    _ = listen(l->Fd, ListenerFactory.Backlog(_config, bind));
                }

                Enqueue(l);
            }
            else
            {
                // Linux ends listening at shutdown and takes it up again at listen, the address stays bound.
                l->Flags |= ConnFlags.Disabled;
                if (own)
                {
                    _ = shutdown(l->Fd, SHUT_RDWR);
                }
            }
        }
    }

    /// <summary>Takes what the kernel has already accepted for us, so that closing resets nobody.</summary>
    private void DrainListeners()
    {
        foreach (nint p in _listeners)
        {
            var l = (Conn*)p;
            l->Flags |= ConnFlags.ReadReady;
            while (l->Has(ConnFlags.ReadReady) && !l->Has(ConnFlags.Paused | ConnFlags.Disabled))
            {
                Accept(l);
            }
        }
    }

    /// <summary>Soft stop: idle kept connections end now, the others after their response.</summary>
    private void EndKeptClients()
    {
        _draining = true;
        for (int i = 0; i < _slab.Capacity; i++)
        {
            var c = _slab[i];
            if (c->Kind == ConnKind.Client && !c->Has(ConnFlags.Dead | ConnFlags.ReadReady)
                && c->State == StreamState.Request && c->Has(ConnFlags.NotFirst) && c->InLength == 0
                && !_config.Proxies[c->Frontend].IdleCloseOnResponse)
            {
                CloseClient(c);
            }
        }
    }

    private void CloseListeners()
    {
        foreach (nint p in _listeners)
        {
            var l = (Conn*)p;
            if (l->Has(ConnFlags.Shared))
            {
                if (_thread is not null)
                {
                    _poller.Unwatch(l->Fd);
                }

                _wheel.Remove(l);
                l->Flags |= ConnFlags.Dead;
                l->ListNext = _dead;
                _dead = l;
            }
            else
            {
                CloseConn(l);
            }
        }

        _listeners.Clear();
    }
}
