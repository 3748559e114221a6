using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.State;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <content>
/// The pump: bytes of one side to the other, for TCP, tunnels and HTTP bodies alike. A direction never reads while its
/// receiver has bytes unsent, so memory is bounded by one read per direction. A direction is done when its source ended
/// and all was sent, or its receiver cannot be written to any more; a stream is over when both are.
/// </content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>Full reads in a row after which a direction is spliced.</summary>
    private const int SpliceAfter = 3;

    /// <summary>A body with more than this to come is spliced at once.</summary>
    private const int SpliceFrom = 65536;

    /// <summary>Below this a splice costs more than a copy.</summary>
    private const int SpliceMinimum = 8192;

    private void OnClient(Conn* c, uint events)
    {
        switch (c->State)
        {
            case StreamState.Request:
                ReadRequest(c);
                break;
            case StreamState.Handshake:
                ReadProxyHeader(c);
                break;
            case StreamState.Queued:
            case StreamState.Connecting:
            case StreamState.RetryWait:
                if (c->Has(ConnFlags.Error) || (events & EPOLLHUP) != 0
                    || (c->Has(ConnFlags.ReadHangUp) && _config.Proxies[c->Backend].AbortOnClose))
                {
                    AbortedByClient(c, c->State == StreamState.Queued ? 'Q' : 'C');
                }

                break;
            case StreamState.Joined:
                OnJoinedClient(c, events);
                break;
            case StreamState.Local:
                OnLocalClient(c);
                break;
            case StreamState.Held:
                OnHeld(c, events);
                break;
            case StreamState.Closing:
                OnClosing(c);
                break;
            default:
                throw new InvalidOperationException($"unknown state {c->State}");
        }
    }

    private void OnJoinedClient(Conn* c, uint events)
    {
        var s = c->Peer;
        if ((events & EPOLLOUT) != 0 && (c->OutLength > 0 || s->PipeBytes > 0))
        {
            Pump(s);
            if (c->Has(ConnFlags.Dead) || c->Peer != s)
            {
                return;
            }
        }

        if (!c->Has(ConnFlags.ReadReady))
        {
            return;
        }

        if (c->Mode is InMode.Raw or InMode.Body && !c->Has(ConnFlags.InEnd))
        {
            Pump(c);
            return;
        }

        if ((events & EPOLLERR) != 0
            || (c->Mode == InMode.Done && ((events & EPOLLHUP) != 0 || AbortsOnClose(c))))
        {
            AbortedByClient(c, c->Has(ConnFlags.Answered) || !c->Has(ConnFlags.Http) ? 'D' : 'H');
        }
    }

    private bool AbortsOnClose(Conn* c) =>
        c->Has(ConnFlags.ReadHangUp) && !c->Has(ConnFlags.Answered) && _config.Proxies[c->Backend].AbortOnClose;

    private void AbortedByClient(Conn* c, char phase)
    {
        c->FrontendCounters[(int)Counter.ClientAborts]++;
        if (c->Has(ConnFlags.InBackend))
        {
            c->BackendCounters[(int)Counter.ClientAborts]++;
        }

        if (c->Server >= 0)
        {
            c->ServerCounters[(int)Counter.ClientAborts]++;
        }

        Fail(c, 0, 'C', phase);
    }

    private void OnServer(Conn* s, uint events)
    {
        if (s->Has(ConnFlags.Idle))
        {
            // "Readable" may be an event of this batch for bytes that were read before the connection became idle.
            if ((events & ~(EPOLLOUT | EPOLLIN)) != 0
                || ((events & EPOLLIN) != 0 && _poller.Receive(s->Fd, _scratch, 1) != -EAGAIN))
            {
                CloseIdle(s);
            }

            return;
        }

        var c = s->Peer;
        if (!s->Has(ConnFlags.Connected))
        {
            if ((events & (EPOLLERR | EPOLLHUP)) != 0)
            {
                ConnectFailed(c, timedOut: false, resources: false);
            }
            else if ((events & EPOLLOUT) != 0)
            {
                Connected(s);
            }

            return;
        }

        if ((events & EPOLLOUT) != 0 && (s->OutLength > 0 || c->PipeBytes > 0))
        {
            Pump(c);
            if (s->Has(ConnFlags.Dead) || s->Peer != c)
            {
                return;
            }
        }

        if (s->Has(ConnFlags.ReadReady))
        {
            OnServerReadable(s);
        }
    }

    private void OnServerReadable(Conn* s)
    {
        switch (s->Mode)
        {
            case InMode.Raw:
            case InMode.Body:
                Pump(s);
                break;
            case InMode.Head:
                ReadResponse(s);
                break;
            case InMode.Done:
                TryFinish(s->Peer);
                break;
            case InMode.Inspect:
                ReadInspected(s);
                break;
            case InMode.Drain:
            case InMode.Collect:
            default:
                break;
        }
    }

    private void Pump(Conn* src)
    {
        var dst = src->Peer;
        var c = src->Kind == ConnKind.Client ? src : dst;
        for (int reads = 0; ;)
        {
            if ((dst->OutLength > 0 && !Flush(dst)) || (src->PipeBytes > 0 && !PipeOut(src, dst)))
            {
                return;
            }

            if (src->Mode == InMode.Body && src->Body.Done)
            {
                src->Mode = InMode.Done;
            }

            if (src->Mode is not (InMode.Raw or InMode.Body))
            {
                break;
            }

            if (src->Has(ConnFlags.InEnd))
            {
                if (OnInEnd(src, dst, c))
                {
                    return;
                }

                break;
            }

            if (!src->Has(ConnFlags.ReadReady))
            {
                break;
            }

            if (++reads > FairReads)
            {
                Enqueue(src);
                break;
            }

            if (!(ShouldSplice(src) ? SpliceIn(src, c) : CopyIn(src, dst, c)))
            {
                return;
            }
        }

        if (src->Pipe >= 0 && src->PipeBytes == 0)
        {
            _pipes.Return(src->Pipe);
            src->Pipe = -1;
        }

        if (c->Has(ConnFlags.Http))
        {
            TryFinish(c);
        }
    }

    private bool ShouldSplice(Conn* src)
    {
        bool wanted = src->Mode == InMode.Raw || src->Body.Kind == BodyKind.Close
            ? src->FullReads >= SpliceAfter
            : src->Body.Kind == BodyKind.Length && src->Body.Left > SpliceFrom;
        if (!wanted || src->Pipe >= 0)
        {
            return wanted;
        }

        src->Pipe = _pipes.Rent(_now);
        return src->Pipe >= 0;
    }

    /// <summary>Socket to pipe. False when the stream is gone.</summary>
    private bool SpliceIn(Conn* src, Conn* c)
    {
        nint want = PipePool.PipeSize;
        if (src->Mode == InMode.Body && src->Body.Kind == BodyKind.Length)
        {
            want = (nint)Math.Min(want, src->Body.Left);
        }

        nint r = _poller.Splice(src->Fd, _pipes.WriteEnd(src->Pipe), want);
        if (r > 0)
        {
            src->PipeBytes = (int)r;
            src->Body.Skip(r);
            src->LastActivity = _now;
            if (r < SpliceMinimum)
            {
                src->FullReads = 0;
            }

            CountReceived(src, c, r);
            c->FrontendCounters[(int)Counter.BytesSpliced] += r;
            return true;
        }

        return Received(src, r);
    }

    /// <summary>Socket to scratch to the other socket. False when the stream is gone.</summary>
    private bool CopyIn(Conn* src, Conn* dst, Conn* c)
    {
        nint want = ScratchSize;
        if (src->Mode == InMode.Body && src->Body.Kind == BodyKind.Length)
        {
            want = (nint)Math.Min(want, src->Body.Left);
        }

        nint r = _poller.Receive(src->Fd, _scratch, want);
        if (r <= 0)
        {
            return Received(src, r);
        }

        src->LastActivity = _now;
        if (r < want)
        {
            src->FullReads = 0;
            if (!src->Has(ConnFlags.ReadHangUp))
            {
                src->Flags &= ~ConnFlags.ReadReady;
            }
        }
        else
        {
            src->FullReads++;
        }

        CountReceived(src, c, r);
        int n = (int)r;
        if (src->Mode == InMode.Body)
        {
            n = src->Body.Advance(_scratch, n);
            if (n < 0)
            {
                BadBody(src, c);
                return false;
            }

            if (n < r)
            {
                KeepBeyond(src, _scratch + n, (int)r - n);
            }
        }

        return SendTo(dst, _scratch, n);
    }

    /// <summary>Bytes behind a message: a client's next request, or a server's nonsense.</summary>
    private void KeepBeyond(Conn* src, byte* data, int length)
    {
        if (src->Kind == ConnKind.Client)
        {
            SaveIn(src, data, length);
            src->Flags |= ConnFlags.InFresh;
        }
        else
        {
            src->Flags |= ConnFlags.CloseAfter;
        }
    }

    /// <summary>Takes note of a read without bytes. Always true: the loop sees what came of it.</summary>
    private static bool Received(Conn* src, nint r)
    {
        if (r == -EAGAIN)
        {
            src->Flags &= ~ConnFlags.ReadReady;
        }
        else if (r == 0)
        {
            src->Flags |= ConnFlags.InEnd;
        }
        else if (r != -EINTR)
        {
            // Reset: nothing comes any more, and nothing can be sent there; what is in hand still goes to the other
            // side.
            src->Flags |= ConnFlags.InEnd | ConnFlags.OutEnd | ConnFlags.Error;
        }

        return true;
    }

    /// <summary>The source ended and everything of it was sent. True when the stream is gone.</summary>
    private bool OnInEnd(Conn* src, Conn* dst, Conn* c)
    {
        if (src->Mode == InMode.Body)
        {
            if (src->Body.Kind == BodyKind.Close && !src->Has(ConnFlags.Error))
            {
                src->Mode = InMode.Done;
                return false;
            }

            if (src == c)
            {
                AbortedByClient(c, 'D');
            }
            else
            {
                CountServerAbort(c);
                Fail(c, 0, 'S', 'D');
            }

            return true;
        }

        if (src->Has(ConnFlags.Error) && c->EndCause == 0)
        {
            c->EndCause = (byte)(src == c ? 'C' : 'S');
            c->EndPhase = (byte)'D';
            if (src == c)
            {
                c->FrontendCounters[(int)Counter.ClientAborts]++;
                c->BackendCounters[(int)Counter.ClientAborts]++;
                c->ServerCounters[(int)Counter.ClientAborts]++;
            }
            else
            {
                CountServerAbort(c);
            }
        }

        if (src->Has(ConnFlags.OutEnd) || (dst->Has(ConnFlags.InEnd) && src->OutLength == 0 && dst->PipeBytes == 0))
        {
            EndStream(c);
            return true;
        }

        if (!dst->Has(ConnFlags.OutEnd))
        {
            _ = shutdown(dst->Fd, SHUT_WR);
            dst->Flags |= ConnFlags.OutEnd;
            Arm(c);
        }

        return false;
    }

    private static void CountServerAbort(Conn* c)
    {
        c->BackendCounters[(int)Counter.ServerAborts]++;
        c->ServerCounters[(int)Counter.ServerAborts]++;
    }

    /// <summary>
    /// Sends now what can be sent, keeps the rest. False when the connection failed (the stream may be gone).
    /// </summary>
    private bool SendTo(Conn* dst, byte* data, int length)
    {
        if (length == 0)
        {
            return true;
        }

        int sent = 0;
        if (dst->OutLength == 0)
        {
            nint r = _poller.Send(dst->Fd, data, length);
            if (r == length)
            {
                dst->LastActivity = _now;
                return true;
            }

            if (r > 0)
            {
                dst->LastActivity = _now;
                sent = (int)r;
            }
            else if (r is not (-EAGAIN or -EINTR))
            {
                WriteFailed(dst);
                return false;
            }

            dst->Flags &= ~ConnFlags.WriteReady;
        }

        Append(dst, data + sent, length - sent);
        return true;
    }

    private void Append(Conn* dst, byte* data, int length)
    {
        if (dst->Out == null)
        {
            dst->Out = _buffers.Rent(length, out dst->OutCapacity);
            dst->OutOffset = 0;
        }
        else if (dst->OutOffset + dst->OutLength + length > dst->OutCapacity)
        {
            var larger = _buffers.Rent(dst->OutLength + length, out int capacity);
            Buffer.MemoryCopy(dst->Out + dst->OutOffset, larger, capacity, dst->OutLength);
            _buffers.Return(dst->Out, dst->OutCapacity);
            dst->Out = larger;
            dst->OutCapacity = capacity;
            dst->OutOffset = 0;
        }

        Buffer.MemoryCopy(data, dst->Out + dst->OutOffset + dst->OutLength, length, length);
        dst->OutLength += length;
    }

    /// <summary>Sends pending bytes. True when none are left.</summary>
    private bool Flush(Conn* dst)
    {
        while (dst->OutLength > 0)
        {
            nint r = _poller.Send(dst->Fd, dst->Out + dst->OutOffset, dst->OutLength);
            if (r > 0)
            {
                dst->LastActivity = _now;
                dst->OutOffset += (int)r;
                dst->OutLength -= (int)r;
            }
            else if (r == -EAGAIN)
            {
                dst->Flags &= ~ConnFlags.WriteReady;
                return false;
            }
            else if (r != -EINTR)
            {
                WriteFailed(dst);
                return false;
            }
        }

        ReleaseOut(dst);
        return true;
    }

    /// <summary>Pipe to socket. True when the pipe is empty.</summary>
    private bool PipeOut(Conn* src, Conn* dst)
    {
        while (src->PipeBytes > 0)
        {
            nint r = _poller.Splice(_pipes.ReadEnd(src->Pipe), dst->Fd, src->PipeBytes);
            if (r > 0)
            {
                src->PipeBytes -= (int)r;
                dst->LastActivity = _now;
            }
            else if (r == -EAGAIN)
            {
                dst->Flags &= ~ConnFlags.WriteReady;
                return false;
            }
            else if (r != -EINTR)
            {
                WriteFailed(dst);
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// A connection cannot be written to any more. What it sent before is still delivered: it is read to its end.
    /// </summary>
    private void WriteFailed(Conn* dst)
    {
        ReleaseOut(dst);
        dst->Flags |= ConnFlags.OutEnd;
        var src = dst->Peer;
        if (src == null || (dst->Kind == ConnKind.Client && src->Mode != InMode.Raw))
        {
            // A client that waits for nothing but our bytes.
            if (dst->State == StreamState.Closing)
            {
                CloseClient(dst);
            }
            else
            {
                AbortedByClient(dst, 'D');
            }

            return;
        }

        if (src->PipeBytes > 0)
        {
            _pipes.Discard(src->Pipe);
            src->Pipe = -1;
            src->PipeBytes = 0;
        }

        if (dst->Kind == ConnKind.Server)
        {
            dst->Flags |= ConnFlags.CloseAfter;
        }

        if (src->Mode == InMode.Body)
        {
            src->Flags |= ConnFlags.CloseAfter;
        }

        src->Mode = InMode.Drain;
        dst->Flags |= ConnFlags.ReadReady | ConnFlags.ReadHangUp;
        Enqueue(dst);
    }

    private void BadBody(Conn* src, Conn* c)
    {
        if (src == c)
        {
            c->FrontendCounters[(int)Counter.RequestErrors]++;
            Fail(c, 400, 'P', 'D');
        }
        else
        {
            c->BackendCounters[(int)Counter.ResponseErrors]++;
            c->ServerCounters[(int)Counter.ResponseErrors]++;
            Fail(c, 0, 'P', 'D');
        }
    }

    private void CountReceived(Conn* src, Conn* c, nint bytes)
    {
        if (src == c)
        {
            CountIn(c, bytes);
        }
        else
        {
            CountOut(c, bytes);
        }
    }

    private static void CountIn(Conn* c, nint bytes)
    {
        c->BytesIn += bytes;
        c->FrontendCounters[(int)Counter.BytesIn] += bytes;
        c->BindCounters[(int)Counter.BytesIn] += bytes;
        if (c->Has(ConnFlags.InBackend))
        {
            c->BackendCounters[(int)Counter.BytesIn] += bytes;
        }

        if (c->Server >= 0)
        {
            c->ServerCounters[(int)Counter.BytesIn] += bytes;
        }
    }

    private static void CountOut(Conn* c, nint bytes)
    {
        c->BytesOut += bytes;
        c->FrontendCounters[(int)Counter.BytesOut] += bytes;
        c->BindCounters[(int)Counter.BytesOut] += bytes;
        if (c->Has(ConnFlags.InBackend))
        {
            c->BackendCounters[(int)Counter.BytesOut] += bytes;
        }

        if (c->Server >= 0)
        {
            c->ServerCounters[(int)Counter.BytesOut] += bytes;
        }
    }
}
