using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Balance;
using Buoy.Balancer.Rules;
using Buoy.Balancer.State;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <content>A stream's way to a server: backend, choice, queue, connection, retries.</content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>Between two attempts, ms, at most the connect time-out (manual, "retries").</summary>
    private const int RetryDelay = 1000;

    /// <summary>
    /// Backend whose queue is being served. A connection that is refused at once gives its place back while the loop
    /// runs; the loop sees that itself, and the stack stays flat however long the queue is.
    /// </summary>
    private int _serving = -1;

    private static void Enter(long* counters)
    {
        long now = ++counters[(int)Counter.SessionsCurrent];
        if (now > counters[(int)Counter.SessionsMax])
        {
            counters[(int)Counter.SessionsMax] = now;
        }

        counters[(int)Counter.SessionsTotal]++;
    }

    /// <summary>Finds the backend of a TCP connection or of a request whose bytes are given.</summary>
    private void Route(Conn* c, byte* payload = null, int length = 0)
    {
        var frontend = _config.Proxies[c->Frontend];
        RouteTo(c, frontend.DefaultBackend ?? (frontend.HasBackend ? frontend.Index : -1), payload, length);
    }

    /// <summary>Enters a backend, -1 = there is none.</summary>
    private void RouteTo(Conn* c, int backend, byte* payload, int length)
    {
        if (backend < 0)
        {
            Hold(c, payload, length);
            Fail(c, 503, 'S', 'C');
            return;
        }

        c->Backend = backend;
        c->BackendCounters = _counters.Block(_id, _counters.Backend(backend));
        c->Flags |= ConnFlags.InBackend;
        Enter(c->BackendCounters);
        MatchStick(c);
        if (c->Persist < 0 && StreamOf(c) is { Server: >= 0 and int wanted })
        {
            Assign(c, wanted, payload, length);
            return;
        }

        Dispatch(c, payload, length);
    }

    /// <summary>Chooses a server, or a place in the queue, or the answer that there is none.</summary>
    private void Dispatch(Conn* c, byte* payload, int length)
    {
        var picker = _pickers[c->Backend]!;
        if (!picker.Any && c->Persist < 0)
        {
            Fail(c, 503, 'S', 'C');
            return;
        }

        int server = ChooseServer(c);
        if (server >= 0)
        {
            Assign(c, server, payload, length);
            return;
        }

        if (server == Refused)
        {
            Fail(c, 503, 'S', 'C');
            return;
        }

        Hold(c, payload, length);
        c->WaitsFor = server == ServerPicker.None ? -1 : ServerPicker.WaitFor(server);
        JoinQueue(c);

        // A server may have come free on another shard between the look and the entry into the queue.
        ServeQueue(c->Backend);
    }

    private void Hold(Conn* c, byte* payload, int length)
    {
        if (length == 0)
        {
            return;
        }

        ReleaseHold(c);
        c->Hold = _buffers.Rent(length, out c->HoldCapacity);
        c->HoldLength = length;
        Buffer.MemoryCopy(payload, c->Hold, c->HoldCapacity, length);
    }

    private void JoinQueue(Conn* c)
    {
        c->State = StreamState.Queued;
        c->StateSince = _now;
        var before = (Conn*)_queueTail[c->Backend];
        if (StreamOf(c) is { } st)
        {
            while (before != null && ComesBefore(c, st, before))
            {
                before = before->ListPrevious;
            }
        }

        c->ListPrevious = before;
        c->ListNext = before != null ? before->ListNext : (Conn*)_queueHead[c->Backend];
        if (before != null)
        {
            before->ListNext = c;
        }
        else
        {
            _queueHead[c->Backend] = (nint)c;
        }

        if (c->ListNext != null)
        {
            c->ListNext->ListPrevious = c;
        }
        else
        {
            _queueTail[c->Backend] = (nint)c;
        }

        if (c->WaitsFor >= 0)
        {
            Interlocked.Increment(ref _plane.ServerQueue(c->WaitsFor));
            var own = _counters.Block(_id, _counters.Server(c->WaitsFor));
            own[(int)Counter.QueueMax] = Math.Max(own[(int)Counter.QueueMax], ++own[(int)Counter.QueueCurrent]);
        }

        var b = c->BackendCounters;
        b[(int)Counter.QueueMax] = Math.Max(b[(int)Counter.QueueMax], ++b[(int)Counter.QueueCurrent]);
        c->QueuePosition = Interlocked.Increment(ref _plane.Waiting[c->Backend]) - 1;
        Arm(c);
    }

    /// <summary>Priorities set by rules: does the stream go before one that waits already?</summary>
    private bool ComesBefore(Conn* c, StreamRules st, Conn* other)
    {
        var its = StreamOf(other);
        int difference = st.PriorityClass - (its?.PriorityClass ?? 0);
        return difference != 0 ? difference < 0
            : _now + st.PriorityOffset < other->StateSince + (its?.PriorityOffset ?? 0);
    }

    private void LeaveQueue(Conn* c)
    {
        if (c->ListPrevious != null)
        {
            c->ListPrevious->ListNext = c->ListNext;
        }
        else
        {
            _queueHead[c->Backend] = (nint)c->ListNext;
        }

        if (c->ListNext != null)
        {
            c->ListNext->ListPrevious = c->ListPrevious;
        }
        else
        {
            _queueTail[c->Backend] = (nint)c->ListPrevious;
        }

        c->ListNext = c->ListPrevious = null;
        if (c->WaitsFor >= 0)
        {
            Interlocked.Decrement(ref _plane.ServerQueue(c->WaitsFor));
            _counters.Block(_id, _counters.Server(c->WaitsFor))[(int)Counter.QueueCurrent]--;
        }

        c->BackendCounters[(int)Counter.QueueCurrent]--;
        Interlocked.Decrement(ref _plane.Waiting[c->Backend]);
    }

    private void ServeQueue(int backend)
    {
        if (_serving == backend)
        {
            return;
        }

        int outer = _serving;
        _serving = backend;
        for (bool served = true; served;)
        {
            served = false;

            // Who waits for one full server does not hold up those behind that wait for others.
            for (var c = (Conn*)_queueHead[backend]; c != null; c = c->ListNext)
            {
                int server = ChooseServer(c);
                if (server >= 0)
                {
                    LeaveQueue(c);
                    Assign(c, server, null, 0);
                    served = true;
                    break;
                }

                if (server == ServerPicker.None)
                {
                    break;
                }
            }
        }

        _serving = outer;
    }

    private void ServeAllQueues()
    {
        for (int i = 0; i < _queueHead.Length; i++)
        {
            ServeQueue(i);
        }
    }

    private void Assign(Conn* c, int server, byte* payload, int length)
    {
        c->Server = server;
        var s = c->ServerCounters = _counters.Block(_id, _counters.Server(server));
        Enter(s);
        s[(int)Counter.Selected]++;
        c->BackendCounters[(int)Counter.Selected]++;
        s[(int)Counter.LastSession] = c->BackendCounters[(int)Counter.LastSession] = _now / 1000;
        _plane.AddConnection(server);
        c->Flags |= ConnFlags.HoldsServer;
        c->QueueAt = _now;
        if (c->Has(ConnFlags.Http))
        {
            if (length == 0)
            {
                payload = c->Hold;
                length = c->HoldLength;
            }

            if (_config.Proxies[c->Backend].SendNameHeader is { } field)
            {
                if (!TellName(c, field, payload, length))
                {
                    Fail(c, 500, 'I', 'C');
                    return;
                }

                payload = c->Hold;
                length = c->HoldLength;
            }

            Conn* idle;
            while ((idle = TakeIdle(c, server)) != null)
            {
                if (Reuse(c, idle, payload, length))
                {
                    return;
                }
            }
        }

        if (payload != c->Hold)
        {
            Hold(c, payload, length);
        }

        Connect(c);
    }

    private void Connect(Conn* c)
    {
        c->State = StreamState.Connecting;
        c->StateSince = _now;
        c->ServerCounters[(int)Counter.ConnectAttempts]++;
        c->BackendCounters[(int)Counter.ConnectAttempts]++;
        ref var slot = ref _servers[c->Server];
        if (slot.Family == 0)
        {
            ConnectFailed(c, timedOut: false, resources: false);
            return;
        }

        SocketAddressBytes address = default;
        uint size = 0;
        int family = slot.Family;
        if ((slot.MapPort | slot.AnyAddress) != 0)
        {
            size = FollowedTarget(c, slot, &address);
            family = *(ushort*)&address;
            if (size == 0)
            {
                c->Retries = int.MaxValue - 1;
                ConnectFailed(c, timedOut: false, resources: true);
                return;
            }
        }
        else if (family != ServerTable.UnixFamily)
        {
            fixed (byte* a = slot.Address)
            {
                size = Sockets.Write(family, a, slot.Port, &address);
            }
        }

        int fd = OpenTo(c, family, &address, size, out bool resources);
        if (fd < 0)
        {
            c->Retries = resources ? int.MaxValue - 1 : c->Retries;
            ConnectFailed(c, timedOut: false, resources);
            return;
        }

        var s = _slab.Take(ConnKind.Server);
        s->Fd = fd;
        s->Peer = c;
        s->Server = c->Server;
        s->LastActivity = _now;
        c->Peer = s;
        if (_poller.Watch(fd, (nint)s, connecting: true) < 0)
        {
            c->Retries = int.MaxValue - 1;
            ConnectFailed(c, timedOut: false, resources: true);
            return;
        }

        Arm(c);
    }

    private void Connected(Conn* s)
    {
        var c = s->Peer;
        _plane.State.Observer?.Connected(c->Server);
        s->Flags |= ConnFlags.Connected | ConnFlags.WriteReady;
        s->Mode = c->Has(ConnFlags.Http) ? InMode.Head : InMode.Raw;
        c->State = StreamState.Joined;
        c->StateSince = c->ConnectAt = c->LastActivity = s->LastActivity = _now;
        if (!c->Has(ConnFlags.Http))
        {
            StoreStickOfTcp(c);
            LogEarly(c);
        }

        NoteServerEnds(c, s);
        if (!SendProxyHeader(c, s))
        {
            return;
        }

        if (c->HoldLength > 0)
        {
            bool sent = SendTo(s, c->Hold, c->HoldLength);
            RequestSent(c);
            if (!sent)
            {
                return;
            }
        }

        if (!c->Has(ConnFlags.Http) && Inspects(c))
        {
            s->Mode = InMode.Inspect;
            if (!InspectResponse(c, s))
            {
                return;
            }
        }

        Arm(c);
        PumpBoth(c, s);
    }

    /// <summary>Goes on with whatever either side has for the other.</summary>
    private void PumpBoth(Conn* c, Conn* s)
    {
        if (c->Has(ConnFlags.ReadReady) && c->Mode is InMode.Raw or InMode.Body)
        {
            Pump(c);
        }

        if (!s->Has(ConnFlags.Dead) && s->Peer == c && s->Has(ConnFlags.ReadReady))
        {
            OnServerReadable(s);
        }
    }

    private void ConnectFailed(Conn* c, bool timedOut, bool resources)
    {
        if (c->Peer != null)
        {
            var s = c->Peer;
            c->Peer = null;
            CloseConn(s);
        }

        _plane.State.Observer?.ConnectFailed(c->Server, timedOut);
        var proxy = _config.Proxies[c->Backend];
        c->Retries++;
        if (c->Retries > proxy.Retries || (proxy.RetryOn & RetryOn.ConnectFailure) == 0)
        {
            c->ServerCounters[(int)Counter.ConnectErrors]++;
            c->BackendCounters[(int)Counter.ConnectErrors]++;
            c->Retries = resources ? 0 : proxy.Retries;
            Fail(c, 503, timedOut ? 's' : resources ? 'R' : 'S', 'C');
            return;
        }

        if (Redispatches(proxy, c->Retries))
        {
            Redispatch(c);
            return;
        }

        c->ServerCounters[(int)Counter.Retries]++;
        c->BackendCounters[(int)Counter.Retries]++;
        if (timedOut)
        {
            Connect(c);
            return;
        }

        c->State = StreamState.RetryWait;
        c->StateSince = _now;
        Arm(c);
    }

    /// <summary>The stream no longer counts at its server; who waits for room is served.</summary>
    private void LeaveServer(Conn* c)
    {
        if (!c->Has(ConnFlags.HoldsServer))
        {
            return;
        }

        c->Flags &= ~ConnFlags.HoldsServer;
        c->ServerCounters[(int)Counter.SessionsCurrent]--;
        _plane.RemoveConnection(c->Server);
        if (Volatile.Read(ref _plane.Waiting[c->Backend]) > 0)
        {
            if (_queueHead[c->Backend] != 0)
            {
                ServeQueue(c->Backend);
            }
            else
            {
                _plane.PostToOthers(_id, new Command(CommandKind.Resume));
            }
        }
    }

    /// <summary>Parts client and server; the server's connection goes to the pool or is closed.</summary>
    private void DetachServer(Conn* c, bool keep)
    {
        var s = c->Peer;
        c->Peer = null;
        if (s != null)
        {
            s->Peer = null;
            if (keep)
            {
                PutIdle(s, c->ServerCounters);
            }
            else
            {
                CloseConn(s);
            }
        }

        LeaveServer(c);
    }

    /// <summary>
    /// The stream fails: HTTP clients that have no response yet get <paramref name="status"/> (0 = nothing), then the
    /// connection ends. Cause and phase are the manual's (8.5).
    /// </summary>
    private void Fail(Conn* c, int status, char cause, char phase)
    {
        if (c->EndCause == 0)
        {
            c->EndCause = (byte)cause;
            c->EndPhase = (byte)phase;
        }

        if (c->State == StreamState.Queued)
        {
            LeaveQueue(c);
        }

        DetachServer(c, keep: false);
        if (!c->Has(ConnFlags.Http) || c->Has(ConnFlags.Answered | ConnFlags.Tunnel) || status == 0)
        {
            EndTransaction(c);
            CloseClient(c);
            return;
        }

        if (StreamOf(c) is { } ruled && c->RequestAt > 0)
        {
            FailRuled(c, ruled, status);
            return;
        }

        c->Status = (short)status;
        c->Flags |= ConnFlags.Answered;
        CountStatus(c, status);
        var proxy = _config.Proxies[c->Backend >= 0 ? c->Backend : c->Frontend];
        bool unread = c->EndPhase == 'R' && (status is 400 or 408);
        if (!unread)
        {
            SendError(c, Http.ErrorReplies.Get(proxy, status));
            return;
        }

        byte[] reply = Http.ErrorReplies.Unread(proxy, status);
        CountOut(c, reply.Length);
        EndTransaction(c);
        ReleaseOut(c);
        c->State = StreamState.Closing;
        fixed (byte* p = reply)
        {
            if (!SendTo(c, p, reply.Length))
            {
                return;
            }
        }

        CloseGracefully(c);
    }

    /// <summary>
    /// An error for a request that was read: the connection stays, unless its page, the client or what is left of the
    /// request says otherwise.
    /// </summary>
    private void SendError(Conn* c, Http.ErrorPage page)
    {
        if (page.Head.Length == 0)
        {
            // An empty errorfile: the connection ends without an answer.
            EndTransaction(c);
            CloseClient(c);
            return;
        }

        bool close = page.Closes || c->Has(ConnFlags.CloseAfter) || c->Mode != InMode.Done || _draining;
        SetFlag(c, ConnFlags.CloseAfter, close);
        var w = new Http.HeadWriter(_headOut);
        w.Raw(page.Head);
        w.Raw(page.Old ? default : close ? "connection: close\r\n"u8 : c->Has(ConnFlags.Http10) ? "connection: keep-alive\r\n"u8 : default);
        w.End();
        if (!c->Has(ConnFlags.HeadRequest))
        {
            w.Raw(page.Body);
        }

        CountOut(c, w.Length);
        ReleaseOut(c);
        SendOwn(c, _headOut, w.Length);
    }

    /// <summary>
    /// Closes once what is pending is sent; where the client may still be sending, reads on until it ends.
    /// </summary>
    private void CloseGracefully(Conn* c)
    {
        if (c->Mode == InMode.Done && c->InLength == 0)
        {
            c->Flags |= ConnFlags.Complete;
        }

        c->State = StreamState.Closing;
        c->Mode = InMode.Drain;
        c->StateSince = _now;
        ReleaseIn(c);
        OnClosing(c);
    }

    private void OnClosing(Conn* c)
    {
        if (c->OutLength > 0 && !Flush(c))
        {
            if (!c->Has(ConnFlags.Dead))
            {
                Arm(c);
            }

            return;
        }

        if (c->Has(ConnFlags.Complete) && !c->Has(ConnFlags.ReadReady))
        {
            CloseClient(c);
            return;
        }

        if (!c->Has(ConnFlags.OutEnd))
        {
            _ = shutdown(c->Fd, SHUT_WR);
            c->Flags |= ConnFlags.OutEnd;
        }

        for (int i = 0; i < FairReads && c->Has(ConnFlags.ReadReady); i++)
        {
            nint r = _poller.Receive(c->Fd, _scratch, ScratchSize);
            if (r > 0)
            {
                continue;
            }

            if (r == -EAGAIN)
            {
                c->Flags &= ~ConnFlags.ReadReady;
                break;
            }

            CloseClient(c);
            return;
        }

        if (c->Has(ConnFlags.ReadReady))
        {
            Enqueue(c);
        }

        Arm(c);
    }

    /// <summary>A TCP stream or tunnel is over.</summary>
    private void EndStream(Conn* c)
    {
        DetachServer(c, keep: false);
        EndTransaction(c);
        CloseClient(c);
    }

    private void CloseClient(Conn* c)
    {
        c->FrontendCounters[(int)Counter.SessionsCurrent]--;
        c->BindCounters[(int)Counter.SessionsCurrent]--;
        Volatile.Write(ref _plane.Active(_id), _plane.Active(_id) - 1);
        if (c->State == StreamState.Local)
        {
            _pending.Remove(c->Index);
        }

        EndRules(c);
        CloseConn(c);
        RoomCameFree();
    }

    private void CloseIdleOf(int server)
    {
        while (_idle[server] != 0)
        {
            CloseIdle((Conn*)_idle[server]);
        }
    }

    private void ShutdownServer(int server)
    {
        CloseIdleOf(server);

        for (int i = 0; i < _slab.Capacity; i++)
        {
            var c = _slab[i];
            if (c->Kind == ConnKind.Client && !c->Has(ConnFlags.Dead) && c->Server == server
                && c->Has(ConnFlags.HoldsServer))
            {
                Fail(c, 503, 'D', c->State == StreamState.Joined ? 'D' : 'C');
            }
        }
    }
}
