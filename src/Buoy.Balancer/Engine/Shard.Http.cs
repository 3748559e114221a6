using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.Rules;
using Buoy.Balancer.State;
using Buoy.Balancer.StickTables;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <content>HTTP/1.1 requests: read, check, rewrite, send; and the end of an exchange.</content>
internal sealed unsafe partial class Shard<TPoller>
{
    private void ReadRequest(Conn* c)
    {
        while (true)
        {
            int have = c->InLength;
            if (have > 0)
            {
                Buffer.MemoryCopy(c->In, _scratch, ScratchSize, have);
            }

            if (!c->Has(ConnFlags.InFresh))
            {
                if (!c->Has(ConnFlags.ReadReady))
                {
                    return;
                }

                nint want = Math.Max(_headLimit, have + 1) - have;
                nint r = _poller.Receive(c->Fd, _scratch + have, want);
                if (r == -EAGAIN)
                {
                    c->Flags &= ~ConnFlags.ReadReady;
                    return;
                }

                if (r <= 0)
                {
                    ClientLeft(c, have, reset: r < 0);
                    return;
                }

                if (r < want && !c->Has(ConnFlags.ReadHangUp))
                {
                    c->Flags &= ~ConnFlags.ReadReady;
                }

                c->LastActivity = _now;
                if (have == 0)
                {
                    BeginRequest(c);
                }

                CountIn(c, r);
                have += (int)r;
            }
            else if (!c->Has(ConnFlags.InTransaction))
            {
                BeginRequest(c);
                c->BytesIn = have;
            }

            c->Flags &= ~ConnFlags.InFresh;
            switch (_head.ParseRequest(_scratch, have))
            {
                case ParseResult.Complete when WaitForBody(c, have):
                    SaveIn(c, _scratch, have);
                    Arm(c);
                    break;
                case ParseResult.Complete:
                    ReleaseIn(c);
                    HandleRequest(c, have);
                    return;
                case ParseResult.Incomplete when have < _headLimit:
                    SaveIn(c, _scratch, have);
                    Arm(c);
                    break;
                case ParseResult.Incomplete:
                case ParseResult.Bad:
                default:
                    BadRequest(c);
                    return;
            }
        }
    }

    private void BeginRequest(Conn* c)
    {
        c->Flags |= ConnFlags.InTransaction;
        c->StateSince = c->Begin = _now;
        NumberRequest(c);
    }

    private void ClientLeft(Conn* c, int have, bool reset)
    {
        if (have == 0 && _config.Proxies[c->Frontend].IgnoreProbes)
        {
            CloseClient(c);
            return;
        }

        if (have > 0 && !reset)
        {
            // It may still read: half a request is answered.
            c->FrontendCounters[(int)Counter.RequestErrors]++;
            CountBadRequest(c);
            KeepRequestLine(c, "<BADREQ>"u8);
            Fail(c, 400, StreamOf(c) is { Upgraded: not null } ? 'P' : 'C', 'R');
            return;
        }

        if (have > 0 || reset)
        {
            c->FrontendCounters[(int)Counter.RequestErrors]++;
            c->EndCause = (byte)'C';
            c->EndPhase = (byte)'R';
        }

        if (have > 0 || !c->Has(ConnFlags.NotFirst))
        {
            CountBadRequest(c);
        }

        EndTransaction(c);
        CloseClient(c);
    }

    /// <summary>What is tracked counts a request that came badly or not at all.</summary>
    private void CountBadRequest(Conn* c)
    {
        if (StreamOf(c) is { } st)
        {
            st.CountRequest(_now);
            st.Count(StickEvents.Error, _now);
        }
    }

    private void BadRequest(Conn* c)
    {
        CountBadRequest(c);
        c->FrontendCounters[(int)Counter.RequestErrors]++;
        c->FrontendCounters[(int)Counter.Requests]++;
        KeepRequestLine(c, "<BADREQ>"u8);
        Fail(c, 400, 'P', 'R');
    }

    private void KeepRequestLine(Conn* c, ReadOnlySpan<byte> text)
    {
        fixed (byte* p = text)
        {
            KeepRequestLine(c, p, text.Length);
        }
    }

    private void RequestTimedOut(Conn* c)
    {
        if (c->InLength == 0 && (c->Has(ConnFlags.NotFirst) || _config.Proxies[c->Frontend].IgnoreProbes))
        {
            CloseClient(c);
            return;
        }

        c->Flags |= ConnFlags.InTransaction;
        c->FrontendCounters[(int)Counter.RequestErrors]++;
        StreamOf(c)?.CountRequest(_now);
        KeepRequestLine(c, "<BADREQ>"u8);
        Fail(c, 408, 'c', 'R');
    }

    /// <summary>A complete head stands in the scratch buffer, perhaps with bytes behind it.</summary>
    private void HandleRequest(Conn* c, int have)
    {
        var ruled = StreamOf(c);
        if (ruled is not null && ruled.Phase != RulePhase.None)
        {
            RunRequest(c, have, ruled);
            return;
        }

        var data = _scratch;
        var proxy = _config.Proxies[c->Frontend];
        c->RequestAt = _now;
        c->FrontendCounters[(int)Counter.Requests]++;
        KeepRequestLine(c, data + _head.Method, _head.Target + _head.TargetLength + 9 - _head.Method);
        var method = new ReadOnlySpan<byte>(data + _head.Method, _head.MethodLength);
        bool http10 = _head.Minor == 0;
        bool close = _head.Close || (http10 && !_head.KeepAlive) || _draining
            || proxy.HttpConnection == HttpConnectionMode.Close;
        SetFlag(c, ConnFlags.Http10, http10);
        SetFlag(c, ConnFlags.CloseAfter, close);
        SetFlag(c, ConnFlags.HeadRequest, method.SequenceEqual("HEAD"u8));
        SetFlag(c, ConnFlags.PostRequest, method.SequenceEqual("POST"u8));
        SetFlag(c, ConnFlags.ConnectRequest, method.SequenceEqual("CONNECT"u8));
        SetFlag(c, ConnFlags.UpgradeRequest, _head.HasUpgrade && _head.UpgradeToken && !http10);
        c->Flags &= ~(ConnFlags.Answered | ConnFlags.Complete);
        c->Body = _head.Chunked ? BodyTracker.Chunks
            : _head.ContentLength > 0 ? BodyTracker.OfLength(_head.ContentLength) : BodyTracker.None;
        if (ruled is not null)
        {
            RunRequest(c, have, ruled);
            return;
        }

        var target = new ReadOnlySpan<byte>(data + _head.Target, _head.TargetLength);
        if (_plane.Local is { } local && IsLocal(local, c, proxy, target))
        {
            StartLocal(c, have);
            return;
        }

        SendOn(c, have, proxy.DefaultBackend ?? (proxy.HasBackend ? proxy.Index : -1));
    }

    /// <summary>The request goes to a backend (-1: there is none, which is answered).</summary>
    private void SendOn(Conn* c, int have, int backend)
    {
        var data = _scratch;
        int headLength = _head.Length;
        int body = c->Body.Advance(data + headLength, have - headLength);
        if (body < 0)
        {
            BadRequest(c);
            return;
        }

        int named = backend < 0 ? c->Frontend : backend;
        TakeKey(c, named, have);
        TakeCookie(c, named);

        // Rewritten first: what is behind the body is saved from where it stands.
        int written = WriteRequestHead(c, _config.Proxies[c->Frontend], _config.Proxies[named]);
        if (headLength + body < have)
        {
            KeepBeyond(c, data + headLength + body, have - headLength - body);
        }

        var start = data + headLength - written;
        Buffer.MemoryCopy(_headOut, start, written, written);
        c->Mode = c->Body.Done ? InMode.Done : InMode.Body;
        RouteTo(c, backend, start, written + body);
    }

    private static bool IsLocal(ILocalService local, Conn* c, ProxyConfig proxy, ReadOnlySpan<byte> target) =>
        local.Matches(c->Frontend, target)
        || (proxy.DefaultBackend is int b && b != c->Frontend && local.Matches(b, target));

    private static void SetFlag(Conn* c, ConnFlags flag, bool on) => c->Flags = on ? c->Flags | flag : c->Flags & ~flag;

    private int WriteRequestHead(Conn* c, ProxyConfig frontend, ProxyConfig backend)
    {
        var w = new HeadWriter(_headOut);
        w.Raw(_scratch + _head.Method, _head.Target + _head.TargetLength + 9 - _head.Method);
        w.Raw("\r\n"u8);
        w.Fields(_head, _scratch);
        if ((backend.ForwardFor ?? frontend.ForwardFor) is { } forward)
        {
            WriteForwardFor(ref w, c, forward);
        }

        if ((backend.OriginalTo ?? frontend.OriginalTo) is { } original && Destination(c) is { } destination)
        {
            WriteAddress(ref w, original, destination.Address);
        }

        if (!backend.PretendKeepAlive && (frontend.HttpConnection != HttpConnectionMode.KeepAlive
            || backend.HttpConnection != HttpConnectionMode.KeepAlive))
        {
            w.Raw("connection: close\r\n"u8);
        }
        else if (c->Has(ConnFlags.Http10))
        {
            w.Raw("connection: keep-alive\r\n"u8);
        }

        WriteUniqueId(ref w, c, frontend);
        w.End();
        return w.Length;
    }

    private void WriteForwardFor(ref HeadWriter w, Conn* c, ForwardForConfig forward)
    {
        if (Sockets.Read(&c->Address) is { } client)
        {
            WriteAddress(ref w, forward, client.Address);
        }
    }

    private void WriteAddress(ref HeadWriter w, ForwardForConfig forward, System.Net.IPAddress address)
    {
        if (forward.Except is { } except && Excepts(except, address))
        {
            return;
        }

        string name = forward.Header.ToLowerInvariant();
        if (forward.IfNone)
        {
            for (int i = 0; i < _head.Count; i++)
            {
                if (System.Text.Ascii.Equals(HttpHead.Name(_scratch, _head.Fields[i]), name))
                {
                    return;
                }
            }
        }

        w.Raw(System.Text.Encoding.ASCII.GetBytes($"{name}: {address}\r\n"));
    }

    private static bool Excepts(string network, System.Net.IPAddress address) =>
        System.Net.IPNetwork.TryParse(network, out var n)
            ? n.Contains(address)
            : System.Net.IPAddress.TryParse(network, out var a) && a.Equals(address);

    /// <summary>Ends the exchange where request and response are complete and sent.</summary>
    private void TryFinish(Conn* c)
    {
        var s = c->Peer;
        if (c->State != StreamState.Joined || s == null || c->Has(ConnFlags.Tunnel) || s->Mode != InMode.Done
            || c->OutLength > 0 || s->PipeBytes > 0)
        {
            return;
        }

        bool requestDone = c->Mode == InMode.Done && s->OutLength == 0 && c->PipeBytes == 0;
        if (!requestDone)
        {
            if (c->Mode != InMode.Drain && !s->Has(ConnFlags.ReadHangUp))
            {
                return;
            }

            // The server has answered and listens no more: the rest of the request is of no use to anyone.
            c->Flags |= ConnFlags.CloseAfter;
            s->Flags |= ConnFlags.CloseAfter;
        }

        DetachServer(c, keep: !s->Has(ConnFlags.CloseAfter | ConnFlags.ReadHangUp) && MayPool(c));
        EndTransaction(c);
        if (c->Has(ConnFlags.CloseAfter))
        {
            CloseGracefully(c);
            return;
        }

        NextRequest(c);
    }

    private void NextRequest(Conn* c)
    {
        c->Flags = (c->Flags | ConnFlags.NotFirst)
            & ~(ConnFlags.Answered | ConnFlags.Redispatched | ConnFlags.Complete | ConnFlags.HeadRequest);
        c->State = StreamState.Request;
        c->Mode = InMode.Head;
        c->StateSince = c->IdleFrom = c->Begin = _now;
        c->HandshakeMs = 0;
        c->LastServer = c->Server + 1;
        c->Backend = c->Server = c->Avoid = c->Persist = -1;
        c->Retries = 0;
        c->QueuePosition = 0;
        c->Status = 0;
        c->EndCause = 0;
        c->RequestAt = c->QueueAt = c->ConnectAt = c->ResponseAt = 0;
        c->BytesIn = c->BytesOut = 0;
        Arm(c);
        if (c->Has(ConnFlags.InFresh | ConnFlags.ReadReady))
        {
            Enqueue(c);
        }
    }
}
