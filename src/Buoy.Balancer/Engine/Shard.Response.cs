using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.State;
using Buoy.Balancer.StickTables;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <content>HTTP/1.1 responses, and the pool of idle server connections.</content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>An idle server connection is closed after that time, ms (pool-purge-delay).</summary>
    private int IdleLimit(Conn* s) => _config.Servers[s->Server].PoolPurgeDelay;

    private void ReadResponse(Conn* s)
    {
        var c = s->Peer;
        while (true)
        {
            int have = s->InLength;
            if (have > 0)
            {
                Buffer.MemoryCopy(s->In, _scratch, ScratchSize, have);
            }

            if (!s->Has(ConnFlags.InFresh))
            {
                if (!s->Has(ConnFlags.ReadReady))
                {
                    return;
                }

                nint want = ScratchSize - have;
                nint r = _poller.Receive(s->Fd, _scratch + have, want);
                if (r == -EAGAIN)
                {
                    s->Flags &= ~ConnFlags.ReadReady;
                    return;
                }

                if (r <= 0)
                {
                    ServerLeft(c, s, have);
                    return;
                }

                if (r < want && !s->Has(ConnFlags.ReadHangUp))
                {
                    s->Flags &= ~ConnFlags.ReadReady;
                }

                s->LastActivity = _now;
                CountOut(c, r);
                have += (int)r;
            }

            s->Flags &= ~ConnFlags.InFresh;
            if (HttpHead.SkipEmptyLines(_scratch, have) is > 0 and var empty)
            {
                have -= empty;
                Buffer.MemoryCopy(_scratch + empty, _scratch, ScratchSize, have);
                if (have == 0)
                {
                    ReleaseIn(s);
                    continue;
                }
            }

            switch (_head.ParseResponse(_scratch, have))
            {
                case ParseResult.Complete when _head.Status < 200 && !IsSwitch(c):
                    if (!ForwardInterim(c, s, have))
                    {
                        return;
                    }

                    break;
                case ParseResult.Complete:
                    ReleaseIn(s);
                    HandleResponse(c, s, have);
                    return;
                case ParseResult.Incomplete when have < _headLimit:
                    SaveIn(s, _scratch, have);
                    break;
                case ParseResult.Incomplete:
                case ParseResult.Bad:
                default:
                    _plane.State.Observer?.NoAnswer(c->Server, "Invalid http response (headers)");
                    if (Replay(c, RetryOn.JunkResponse))
                    {
                        return;
                    }

                    c->BackendCounters[(int)Counter.ResponseErrors]++;
                    c->ServerCounters[(int)Counter.ResponseErrors]++;
                    StreamOf(c)?.Count(StickEvents.Failure, _now);
                    Fail(c, 502, 'P', 'H');
                    return;
            }
        }
    }

    private bool IsSwitch(Conn* c) => _head.Status == 101 && c->Has(ConnFlags.UpgradeRequest);

    /// <summary>1xx: passed on; the response proper follows. False when the stream is gone.</summary>
    private bool ForwardInterim(Conn* c, Conn* s, int have)
    {
        int length = _head.Length;
        var w = new HeadWriter(_headOut);
        w.Raw(_scratch, _head.Target + _head.TargetLength);
        w.Raw("\r\n"u8);
        w.Fields(_head, _scratch);
        w.End();
        if (!SendTo(c, _headOut, w.Length))
        {
            return false;
        }

        ReleaseIn(s);
        if (have > length)
        {
            SaveIn(s, _scratch + length, have - length);
            s->Flags |= ConnFlags.InFresh;
        }

        return true;
    }

    /// <summary>The server's connection ended before a complete response head.</summary>
    private void ServerLeft(Conn* c, Conn* s, int have)
    {
        if (Replay(c, RetryOn.EmptyResponse))
        {
            return;
        }

        if (s->Has(ConnFlags.Reused) && have == 0 && c->Has(ConnFlags.NotFirst) && c->Mode == InMode.Done)
        {
            // A kept connection that ended as we wrote to it: the client is to try again, as on any kept connection.
            CountServerAbort(c);
            Fail(c, 0, 'S', 'D');
            return;
        }

        _plane.State.Observer?.NoAnswer(c->Server, "Close from server (http)");
        c->BackendCounters[(int)Counter.ResponseErrors]++;
        c->ServerCounters[(int)Counter.ResponseErrors]++;
        StreamOf(c)?.Count(StickEvents.Failure, _now);
        Fail(c, 502, 'S', 'H');
    }

    private void HandleResponse(Conn* c, Conn* s, int have)
    {
        int status = _head.Status;
        _plane.State.Observer?.Answered(c->Server, status);
        if (c->HoldLength > 0)
        {
            if (status >= 400 && Replay(c, RetryParser.OfStatus(status)))
            {
                return;
            }

            ReleaseHold(c);
        }

        c->ResponseAt = _now;
        bool tunnel = IsSwitch(c) || (c->Has(ConnFlags.ConnectRequest) && status is >= 200 and < 300);
        bool bodiless = c->Has(ConnFlags.HeadRequest) || status is 204 or 304;
        s->Body = tunnel || bodiless ? BodyTracker.None
            : _head.Chunked ? BodyTracker.Chunks
            : _head.ContentLength >= 0 ? BodyTracker.OfLength(_head.ContentLength) : BodyTracker.UntilClose;
        if (StreamOf(c) is { } ruled)
        {
            ruled.Count(TrackAction.OfStatus(status), _now);
            if (!RunResponse(c, ruled, ref have))
            {
                return;
            }

            if (s->Body.Kind == BodyKind.Length && _head.ContentLength < 0 && !_head.Chunked)
            {
                // A rule took the length away: the client knows the end by the close only.
                c->Flags |= ConnFlags.CloseAfter;
            }
        }
        else
        {
            StoreStick(c);
        }

        int headLength = _head.Length;
        c->Status = (short)_head.Status;
        c->Flags |= ConnFlags.Answered;
        LogEarly(c);
        CountStatus(c, c->Status);
        if (s->Body.Kind == BodyKind.Close)
        {
            c->Flags |= ConnFlags.CloseAfter;
        }

        if (_head.Close || (_head.Minor == 0 && !_head.KeepAlive) || s->Body.Kind == BodyKind.Close
            || _config.Proxies[c->Frontend].HttpConnection != HttpConnectionMode.KeepAlive
            || _config.Proxies[c->Backend].HttpConnection != HttpConnectionMode.KeepAlive)
        {
            s->Flags |= ConnFlags.CloseAfter;
        }

        int body = tunnel ? have - headLength : s->Body.Advance(_scratch + headLength, have - headLength);
        if (body < 0)
        {
            BadBody(s, c);
            return;
        }

        if (headLength + body < have)
        {
            KeepBeyond(s, _scratch + headLength + body, have - headLength - body);
        }

        int written = WriteResponseHead(c, tunnel);
        var start = _scratch + headLength - written;
        Buffer.MemoryCopy(_headOut, start, written, written);
        if (tunnel)
        {
            StartTunnel(c, s, start, written + body);
            return;
        }

        s->Mode = s->Body.Done ? InMode.Done : InMode.Body;
        if (!SendTo(c, start, written + body))
        {
            return;
        }

        if (s->Mode == InMode.Body)
        {
            // A body that fills the buffer is worth splicing from its second read on.
            if (have == ScratchSize && s->Body.Kind == BodyKind.Close)
            {
                s->FullReads = SpliceAfter;
            }

            if (s->Has(ConnFlags.ReadReady))
            {
                Pump(s);
            }

            return;
        }

        TryFinish(c);
    }

    private int WriteResponseHead(Conn* c, bool tunnel)
    {
        var w = new HeadWriter(_headOut);
        w.Raw(_scratch, _head.Target + _head.TargetLength);
        w.Raw("\r\n"u8);
        if (_cookies[c->Backend] is null)
        {
            w.Fields(_head, _scratch);
        }
        else
        {
            TakeSetCookie(c);
            w.Fields(_head, _scratch, _setCookies);
            InsertCookie(ref w, c);
        }

        if (tunnel)
        {
            w.End();
            return w.Length;
        }

        if (c->Has(ConnFlags.CloseAfter))
        {
            w.Raw("connection: close\r\n"u8);
        }
        else if (c->Has(ConnFlags.Http10) || _head.Minor == 0)
        {
            w.Raw("connection: keep-alive\r\n"u8);
        }

        w.End();
        return w.Length;
    }

    /// <summary>101, or CONNECT accepted: from here on bytes are bytes.</summary>
    private void StartTunnel(Conn* c, Conn* s, byte* data, int length)
    {
        c->Flags |= ConnFlags.Tunnel;
        c->Mode = s->Mode = InMode.Raw;
        if (!SendTo(c, data, length))
        {
            return;
        }

        if (c->InLength > 0)
        {
            c->Flags &= ~ConnFlags.InFresh;
            bool sent = SendTo(s, c->In, c->InLength);
            ReleaseIn(c);
            if (!sent)
            {
                return;
            }
        }

        Arm(c);
        PumpBoth(c, s);
    }

    /// <summary>
    /// False where the kept connection turns out to be dead before a byte was sent: another one is tried.
    /// </summary>
    private bool Reuse(Conn* c, Conn* s, byte* payload, int length)
    {
        nint r = _poller.Send(s->Fd, payload, length);
        if (r < 0 && r is not (-EAGAIN or -EINTR))
        {
            CloseConn(s);
            return false;
        }

        s->Uses++;
        c->ServerCounters[(int)Counter.Reused]++;
        c->BackendCounters[(int)Counter.Reused]++;
        c->Peer = s;
        s->Peer = c;
        s->Mode = InMode.Head;
        s->FullReads = 0;
        c->State = StreamState.Joined;
        c->StateSince = c->ConnectAt = s->LastActivity = _now;
        NoteServerEnds(c, s);
        int sent = (int)Math.Max(0, r);
        if (sent < length)
        {
            Append(s, payload + sent, length - sent);
        }

        if (MayReplay(c))
        {
            if (payload != c->Hold)
            {
                Hold(c, payload, length);
            }
        }
        else
        {
            ReleaseHold(c);
        }

        Arm(c);
        if (c->Mode == InMode.Body && c->Has(ConnFlags.ReadReady))
        {
            Pump(c);
        }

        return true;
    }

    private void PutIdle(Conn* s, long* counters)
    {
        s->Flags = (s->Flags | ConnFlags.Idle) & ~ConnFlags.InFresh;
        s->Mode = InMode.Head;
        s->LastActivity = _now;
        s->ListPrevious = null;
        s->ListNext = (Conn*)_idle[s->Server];
        if (s->ListNext != null)
        {
            s->ListNext->ListPrevious = s;
        }

        _idle[s->Server] = (nint)s;
        counters[(int)Counter.IdleConnections]++;
        _wheel.FileNoLaterThan(s, _now + IdleLimit(s));
    }

    private void UnlinkIdle(Conn* s, long* counters)
    {
        if (s->ListPrevious != null)
        {
            s->ListPrevious->ListNext = s->ListNext;
        }
        else
        {
            _idle[s->Server] = (nint)s->ListNext;
        }

        if (s->ListNext != null)
        {
            s->ListNext->ListPrevious = s->ListPrevious;
        }

        s->ListNext = s->ListPrevious = null;
        s->Flags &= ~ConnFlags.Idle;
        counters[(int)Counter.IdleConnections]--;
    }

    private void CloseIdle(Conn* s)
    {
        UnlinkIdle(s, _counters.Block(_id, _counters.Server(s->Server)));
        CloseConn(s);
    }

    private void OnIdleTimer(Conn* s)
    {
        if (!s->Has(ConnFlags.Idle))
        {
            return;
        }

        if (_now - s->LastActivity >= IdleLimit(s))
        {
            CloseIdle(s);
        }
        else
        {
            _wheel.FileNoLaterThan(s, s->LastActivity + IdleLimit(s));
        }
    }
}
