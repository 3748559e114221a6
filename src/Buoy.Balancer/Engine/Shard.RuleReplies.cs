using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.Rules;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.Rules.Samples;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Engine;

/// <content>Answers that rules ask for, waits, and rules on responses.</content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>The page of a status: of the backend where it is chosen, of the frontend, or the built-in one.</summary>
    private Reply ErrorPage(Conn* c, int status)
    {
        if (c->Backend >= 0 && _config.Proxies[c->Backend].Rules is { } own && own.Errors.TryGetValue(status, out var page))
        {
            return page;
        }

        return _config.Proxies[c->Frontend].Rules is { } rules && rules.Errors.TryGetValue(status, out page)
            ? page : StatusTexts.Page(status);
    }

    /// <summary>
    /// The reply stands in the scope's response: after-response rules, then it is sent. <paramref name="used"/> bytes of
    /// the scratch buffer are this request's.
    /// </summary>
    private void FinishReply(Conn* c, StreamRules st, int have, int used, char cause, char phase, bool silent = false)
    {
        if (used < have)
        {
            KeepBeyond(c, _scratch + used, have - used);
        }

        c->Mode = c->Body.Done ? InMode.Done : InMode.Body;
        SendReply(c, st, cause, phase, silent);
    }

    /// <summary>Runs http-after-response rules of both sides on the response; false where one fails.</summary>
    private bool RunAfterResponse(Conn* c, RuleRun run, StreamRules st)
    {
        run.Scope.IsResponse = true;
        run.Begin(run.Scope.Response, st);
        if (c->Backend >= 0 && c->Backend != c->Frontend && _config.Proxies[c->Backend].Rules is { } backend
            && run.Run(backend.AfterResponse) == RuleResult.Error)
        {
            return false;
        }

        return _config.Proxies[c->Frontend].Rules is not { } rules || run.Run(rules.AfterResponse) != RuleResult.Error;
    }

    /// <summary>An empty page (<c>errorfile 503 /dev/null</c>): the connection ends without an answer.</summary>
    private void SendNothing(Conn* c, char cause, char phase)
    {
        if (c->EndCause == 0)
        {
            c->EndCause = (byte)cause;
            c->EndPhase = (byte)phase;
        }

        EndTransaction(c);
        CloseClient(c);
    }

    private void SendReply(Conn* c, StreamRules st, char cause, char phase, bool silent = false)
    {
        var run = _run!;
        var m = run.Scope.Response;
        st.Phase = RulePhase.None;
        if (m.Status == 0)
        {
            SendNothing(c, cause, phase);
            return;
        }

        if (!RunAfterResponse(c, run, st))
        {
            run.Scope.Temporary.Reset();
            _ = ErrorPage(c, 500).Write(run);
            cause = 'P';
        }

        if (c->EndCause == 0)
        {
            c->EndCause = (byte)cause;
            c->EndPhase = (byte)phase;
        }

        int bodyLength = c->Has(ConnFlags.HeadRequest) ? 0 : m.BodyLength;
        bool framed = m.Find("content-length"u8) >= 0 || m.Status is 204 or 304 or < 200;
        bool close = m.Closes || c->Has(ConnFlags.CloseAfter) || c->Mode != InMode.Done || !framed || _draining;
        SetFlag(c, ConnFlags.CloseAfter, close);
        int size = RuledHead.Size(m) + RuledHead.Reserve;
        byte* into = size + bodyLength <= ScratchSize ? _headOut : null;
        if (into == null)
        {
            Fail(c, 0, cause, phase);
            return;
        }

        var w = new HeadWriter(into);
        RuledHead.WriteResponse(ref w, m);
        if (close && m.Minor == 1)
        {
            w.Raw("connection: close\r\n"u8);
        }
        else if (!close && c->Has(ConnFlags.Http10))
        {
            w.Raw("connection: keep-alive\r\n"u8);
        }

        w.End();
        if (bodyLength > 0)
        {
            w.Raw(m.Body, bodyLength);
        }

        c->Status = (short)m.Status;
        c->Flags |= ConnFlags.Answered;
        CountStatus(c, m.Status);
        CountOut(c, w.Length);
        if (silent)
        {
            st.EndStream(c->BytesIn, c->BytesOut, _now);
            c->Flags &= ~ConnFlags.InTransaction;
        }

        SendOwn(c, into, w.Length);
    }

    /// <summary>Sends a complete answer of ours; the transaction is over, the connection perhaps not.</summary>
    private void SendOwn(Conn* c, byte* data, int length)
    {
        if (c->State == StreamState.Queued)
        {
            LeaveQueue(c);
        }

        EndTransaction(c);
        c->State = StreamState.Local;
        if (!SendTo(c, data, length))
        {
            return;
        }

        if (c->OutLength == 0)
        {
            LocalDone(c);
        }
        else
        {
            Arm(c);
        }
    }

    private void EndUnanswered(Conn* c, bool silent, char phase, char cause = 'P')
    {
        c->EndCause = (byte)cause;
        c->EndPhase = (byte)phase;
        if (c->Has(ConnFlags.Http))
        {
            c->RequestAt = c->QueueAt = c->ConnectAt = 0;
        }

        DetachServer(c, keep: false);
        EndTransaction(c);
        if (silent)
        {
            DropSilently(c);
        }

        CloseClient(c);
    }

    private bool SendHints(Conn* c, RuleRun run)
    {
        var w = new HeadWriter(_headOut);
        foreach (byte[] line in run.Hints)
        {
            if (w.Length + line.Length > HeadRoom)
            {
                break;
            }

            w.Raw("HTTP/1.1 103 Early Hints\r\n"u8);
            w.Raw(line);
            w.End();
        }

        run.Hints.Clear();
        CountOut(c, w.Length);
        return SendTo(c, _headOut, w.Length);
    }

    // For the log.

    private static string?[]? Captured(byte[]?[] slots) =>
        slots.Length == 0 ? null : [.. slots.Select(s => s is null ? null : System.Text.Encoding.Latin1.GetString(s))];

    // Waiting.

    /// <summary>
    /// A rule needs more of the request: the head as rules left it and what is there of the body are kept, and read again
    /// with what comes.
    /// </summary>
    private void WaitForMore(Conn* c, RuleRun run, StreamRules st, HttpMessage m, int have, int headLength)
    {
        if (st.WaitSince == 0)
        {
            st.WaitSince = _now;
            st.WaitUntil = _now + run.WaitTime;
        }

        int size = RuledHead.Size(m) + RuledHead.Reserve;
        if (size + have - headLength > ScratchSize)
        {
            Fail(c, 500, 'P', 'R');
            return;
        }

        var w = new HeadWriter(_headOut);
        RuledHead.WriteAsReceived(ref w, m);
        w.Raw(_scratch + headLength, have - headLength);
        SaveIn(c, _headOut, w.Length);
        c->State = StreamState.Held;
        c->Mode = InMode.Head;
        Arm(c);
        if (c->Has(ConnFlags.ReadReady))
        {
            Enqueue(c);
        }
    }

    private void BeginTarpit(Conn* c, RuleRun run, StreamRules st, int have, int used)
    {
        if (used < have)
        {
            KeepBeyond(c, _scratch + used, have - used);
        }

        c->Mode = c->Body.Done ? InMode.Done : InMode.Body;
        var m = run.Scope.Response;
        var w = new HeadWriter(_headOut);
        if (RuledHead.Size(m) + RuledHead.Reserve + m.BodyLength > ScratchSize)
        {
            Fail(c, 500, 'P', 'R');
            return;
        }

        RuledHead.WriteResponse(ref w, m);
        w.Raw(m.Closes ? "connection: close\r\n"u8 : default);
        w.End();
        w.Raw(m.Body, m.BodyLength);
        st.Tarpit = new ReadOnlySpan<byte>(_headOut, w.Length).ToArray();
        var timeouts = _config.Proxies[c->Frontend].Timeouts;
        st.WaitSince = _now;
        st.WaitUntil = _now + (timeouts.Tarpit ?? timeouts.Connect ?? TarpitDefault);
        c->State = StreamState.Held;
        c->StateSince = _now;
        Arm(c);
    }

    /// <summary>A stream that waits for rules is readable.</summary>
    private void OnHeld(Conn* c, uint events)
    {
        var st = StreamOf(c)!;
        if (st.Tarpit is not null)
        {
            if (c->Has(ConnFlags.Error) || (events & Linux.DataSyscalls.EPOLLHUP) != 0)
            {
                EndUnanswered(c, silent: false, 'T');
            }

            return;
        }

        if (c->Has(ConnFlags.Http))
        {
            ReadRequest(c);
        }
        else
        {
            ReadContent(c);
        }
    }

    private void OnHeldTimer(Conn* c)
    {
        var st = StreamOf(c)!;
        if (st.Tarpit is { } reply)
        {
            st.Tarpit = null;
            st.Phase = RulePhase.None;
            var run = FillScope(c, st);
            var page = Reply.FromFile(reply, out _);
            c->RequestAt = 0;
            if (page is null || !WriteTarpit(run, page, st))
            {
                EndUnanswered(c, silent: false, 'T');
                return;
            }

            SendReply(c, st, 'P', 'T');
            return;
        }

        c->Flags |= ConnFlags.InFresh;
        if (c->Has(ConnFlags.Http))
        {
            ReadRequest(c);
        }
        else
        {
            RunContent(c, Held(c), ended: false);
        }
    }

    private static bool WriteTarpit(RuleRun run, Reply page, StreamRules st)
    {
        run.Begin(run.Scope.Response, st);
        return page.Write(run);
    }

    // Responses.

    /// <summary>
    /// Rules on a response whose head was just parsed; false when something else was answered or the stream is gone.
    /// Afterwards the head in the scratch buffer is what goes to the client.
    /// </summary>
    private bool RunResponse(Conn* c, StreamRules st, ref int have)
    {
        st.Request.Clear();
        var run = FillScope(c, st);
        var m = run.Scope.Response;
        run.Scope.IsResponse = true;
        m.LoadResponse(_head, _scratch);
        var body = c->Peer->Body;
        int length = body.Kind == BodyKind.Close ? have - _head.Length : body.Advance(_scratch + _head.Length, have - _head.Length);
        if (length >= 0)
        {
            _ = LoadBody(run.Scope, m, _scratch + _head.Length, length, body.Done, _head.Chunked);
        }

        var frontend = _config.Proxies[c->Frontend].Rules;
        if (frontend is { ResponseCaptures.Length: > 0 })
        {
            CaptureHeaders(frontend.ResponseCaptures, m, st.Captures.Response);
        }

        run.Begin(m, st);
        NoteResponseSticks(c, run, st);
        StoreStick(c);
        var result = RuleResult.Continue;
        if (c->Backend != c->Frontend && _config.Proxies[c->Backend].Rules is { } backend)
        {
            run.Scope.CurrentProxy = c->Backend;
            result = RunResponseLists(run, backend, content: true);
        }

        if (result is RuleResult.Continue or RuleResult.Stop && frontend is not null)
        {
            run.Scope.CurrentProxy = c->Frontend;
            result = RunResponseLists(run, frontend, content: c->Backend == c->Frontend);
        }

        ApplySettings(c, run);
        switch (result)
        {
            case RuleResult.Continue or RuleResult.Stop:
                break;
            case RuleResult.Reject or RuleResult.SilentDrop or RuleResult.Close:
                c->BackendCounters[(int)Counter.DeniedResponses]++;
                EndUnanswered(c, result == RuleResult.SilentDrop, 'H');
                return false;
            case RuleResult.Reply when run.BuildReply(status => ErrorPage(c, status)):
                if (run.ReplyCause == 'P')
                {
                    c->BackendCounters[(int)Counter.DeniedResponses]++;
                }

                char cause = run.ReplyCause;
                DetachServer(c, keep: false);
                SendReply(c, st, cause, 'H');
                return false;
            default:
                Fail(c, result == RuleResult.Error ? 500 : 502, 'P', 'H');
                return false;
        }

        if (frontend?.Cookie is { } cookie)
        {
            st.ResponseCookie = CapturedCookie(cookie, m, "set-cookie"u8);
        }

        bool good = RunAfterResponse(c, run, st);
        if (good && RewriteHead(m, response: true, ref have))
        {
            return true;
        }

        Fail(c, good ? 502 : 500, 'P', 'H');
        return false;
    }

    /// <summary>
    /// Puts the head as rules left it before the bytes behind it in the scratch buffer, and parses it: what follows
    /// works as if it had come so. False where it does not fit or is no head any more.
    /// </summary>
    private bool RewriteHead(HttpMessage m, bool response, ref int have)
    {
        int behind = have - _head.Length;
        if (RuledHead.Size(m) + RuledHead.Reserve > Math.Min(_headLimit, ScratchSize - behind))
        {
            return false;
        }

        var w = new HeadWriter(_headOut);
        if (response)
        {
            RuledHead.WriteResponse(ref w, m, hopByHop: true);
            w.End();
        }
        else
        {
            RuledHead.WriteAsReceived(ref w, m);
        }

        Buffer.MemoryCopy(_scratch + _head.Length, _scratch + w.Length, ScratchSize - w.Length, behind);
        Buffer.MemoryCopy(_headOut, _scratch, ScratchSize, w.Length);
        have = w.Length + behind;
        return (response ? _head.ParseResponse(_scratch, have) : _head.ParseRequest(_scratch, have)) == ParseResult.Complete
            && _head.Length == w.Length;
    }

    /// <summary>The lists of one side; tcp-response content rules are the backend's only.</summary>
    private static RuleResult RunResponseLists(RuleRun run, ProxyRules rules, bool content)
    {
        var result = content ? run.Run(rules.ResponseContent) : RuleResult.Continue;
        return result is RuleResult.Continue or RuleResult.Stop ? run.Run(rules.Response) : result;
    }

    /// <summary>A failure of a ruled stream that is answered: its pages and its after-response rules apply.</summary>
    private void FailRuled(Conn* c, StreamRules st, int status)
    {
        var run = FillScope(c, st);
        if (c->HoldLength > 0 && c->Has(ConnFlags.Http)
            && _head.ParseRequest(c->Hold, c->HoldLength) == Http.ParseResult.Complete)
        {
            // The request was not sent yet: its page may speak of it.
            run.Scope.Request.LoadRequest(_head, c->Hold);
        }

        run.Begin(run.Scope.Response, st);
        if (!ErrorPage(c, status).Write(run))
        {
            EndTransaction(c);
            CloseClient(c);
            return;
        }

        SendReply(c, st, (char)c->EndCause, (char)c->EndPhase);
    }
}
