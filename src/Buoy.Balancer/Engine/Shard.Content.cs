using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules;
using Buoy.Balancer.State;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <content>
/// Content rules of TCP streams, both ways (manual 4.2, "tcp-request content", "tcp-response content"), and the upgrade of
/// a TCP stream to HTTP (manual 4, "Proxies"): by switch-mode, or by a backend in HTTP mode.
/// </content>
internal sealed unsafe partial class Shard<TPoller>
{
    private static int Held(Conn* c) => c->InLength;

    /// <summary>TCP: content rules before a backend is chosen. False when they wait or the stream is gone.</summary>
    private void StartContent(Conn* c, byte* first, int length)
    {
        var st = StreamOf(c);
        if (st is null)
        {
            if (_config.Proxies[c->Frontend].DefaultBackend is int backend
                && _config.Proxies[backend].Mode == ProxyMode.Http)
            {
                if (length > 0)
                {
                    SaveIn(c, first, length);
                }

                Upgrade(c, null, backend);
                return;
            }

            Route(c, first, length);
            return;
        }

        if (length > 0)
        {
            SaveIn(c, first, length);
        }

        st.NextRequest();
        st.Phase = RulePhase.FrontendContent;
        st.Captures.Reset(
            _config.Proxies[c->Frontend].Rules?.RequestCaptures.Length ?? 0,
            _config.Proxies[c->Frontend].Rules?.ResponseCaptures.Length ?? 0);
        RunContent(c, length, ended: false);
    }

    private void ReadContent(Conn* c)
    {
        int have = c->InLength;
        if (!c->Has(ConnFlags.ReadReady))
        {
            return;
        }

        if (have > 0)
        {
            Buffer.MemoryCopy(c->In, _scratch, ScratchSize, have);
        }

        nint r = _poller.Receive(c->Fd, _scratch + have, _headLimit - have);
        if (r == -EAGAIN)
        {
            c->Flags &= ~ConnFlags.ReadReady;
            return;
        }

        if (r < 0)
        {
            c->EndCause = (byte)'C';
            c->EndPhase = (byte)'D';
            EndTransaction(c);
            CloseClient(c);
            return;
        }

        c->LastActivity = _now;
        if (r > 0)
        {
            CountIn(c, r);
        }

        if (r < _headLimit - have && !c->Has(ConnFlags.ReadHangUp))
        {
            c->Flags &= ~ConnFlags.ReadReady;
        }

        SaveIn(c, _scratch, have + (int)r);
        RunContent(c, have + (int)r, ended: r == 0);
    }

    private void RunContent(Conn* c, int have, bool ended)
    {
        var st = StreamOf(c)!;
        if (have > 0)
        {
            Buffer.MemoryCopy(c->In, _scratch, ScratchSize, have);
        }

        var run = FillScope(c, st);
        run.Scope.RequestBytes = _scratch;
        run.Scope.RequestLength = have;
        run.Begin(run.Scope.Request, st);
        bool last = ended || have >= _headLimit || (st.WaitSince > 0 && _now >= st.WaitUntil);
        var result = RuleResult.Continue;
        int backend = st.Phase >= RulePhase.BackendContent ? c->Backend : -1;
        for (; st.Phase is RulePhase.FrontendContent or RulePhase.BackendContent;)
        {
            int proxy = st.Phase == RulePhase.FrontendContent ? c->Frontend : backend;
            var rules = proxy >= 0 ? _config.Proxies[proxy].Rules : null;
            run.Scope.Final = last || rules is null || rules.InspectDelay == 0;
            run.Scope.CurrentProxy = proxy;
            result = rules is null ? RuleResult.Continue : run.Run(rules.Content, st.Rule);
            if (result == RuleResult.Wait)
            {
                st.Rule = run.Index;
                HoldContent(c, st, rules!.InspectDelay);
                return;
            }

            if (result is not (RuleResult.Continue or RuleResult.Stop))
            {
                break;
            }

            st.Rule = 0;
            st.WaitSince = 0;
            run.Scope.Final = true;
            if (st.Phase == RulePhase.FrontendContent)
            {
                run.Scope.Backend = c->Backend = backend = ChooseBackend(c, run);
                if (backend >= 0 && _config.Proxies[backend].Mode == ProxyMode.Http)
                {
                    result = RuleResult.Upgrade;
                    break;
                }

                st.Phase = backend >= 0 && backend != c->Frontend ? RulePhase.BackendContent : RulePhase.Done;
                last = ended;
            }
            else
            {
                st.Phase = RulePhase.Done;
            }
        }

        ApplySettings(c, run);
        if (result == RuleResult.Upgrade)
        {
            Upgrade(c, st, backend >= 0 ? backend : StreamRules.OpenBackend);
            return;
        }

        if (result is RuleResult.Reject or RuleResult.SilentDrop)
        {
            c->FrontendCounters[(int)Counter.DeniedRequests]++;
            c->Backend = -1;
            c->RequestAt = 0;
            EndUnanswered(c, result == RuleResult.SilentDrop, 'R');
            return;
        }

        ChooseServer(run, st, backend);
        NoteSticks(run, st, backend);
        ReleaseIn(c);
        c->Mode = InMode.Raw;
        c->Backend = -1;
        c->RequestAt = _now;
        if (ended)
        {
            c->Flags |= ConnFlags.InEnd;
        }

        RouteTo(c, backend, _scratch, have);
    }

    private void HoldContent(Conn* c, StreamRules st, int delay)
    {
        if (st.WaitSince == 0)
        {
            st.WaitSince = _now;
            st.WaitUntil = _now + delay;
        }

        if (c->State != StreamState.Held)
        {
            c->State = StreamState.Held;
            c->StateSince = _now;
            c->Mode = InMode.Head;
        }

        Arm(c);
        if (c->Has(ConnFlags.ReadReady))
        {
            Enqueue(c);
        }
    }

    /// <summary>
    /// A TCP stream becomes HTTP: what was received is the beginning of its first request. The frontend's HTTP rules and
    /// settings count from here on, as if it had been an HTTP frontend; the next requests choose their backends anew.
    /// </summary>
    private void Upgrade(Conn* c, StreamRules? st, int backend)
    {
        if (st is not null)
        {
            st.Upgraded = backend;
            st.Phase = RulePhase.None;
        }

        c->Flags = (c->Flags | ConnFlags.Http) & ~ConnFlags.InTransaction;
        c->Backend = -1;
        c->RequestAt = 0;
        c->State = StreamState.Request;
        c->Mode = InMode.Head;
        c->StateSince = c->IdleFrom = _now;
        SetFlag(c, ConnFlags.InFresh, c->InLength > 0);
        Arm(c);
        if (c->Has(ConnFlags.InFresh | ConnFlags.ReadReady))
        {
            Enqueue(c);
        }
    }

    // tcp-response content.

    /// <summary>Has the stream's backend rules for what a server sends?</summary>
    private bool Inspects(Conn* c) => StreamOf(c) is not null
        && _config.Proxies[c->Backend].Rules is { ResponseContent.Length: > 0 };

    private void ReadInspected(Conn* s)
    {
        var c = s->Peer;
        while (s->Mode == InMode.Inspect && s->Has(ConnFlags.ReadReady))
        {
            int have = s->InLength;
            if (have > 0)
            {
                Buffer.MemoryCopy(s->In, _scratch, ScratchSize, have);
            }

            nint r = _poller.Receive(s->Fd, _scratch + have, _headLimit - have);
            if (r > 0)
            {
                s->LastActivity = _now;
                CountOut(c, r);
                SaveIn(s, _scratch, have + (int)r);
            }
            else
            {
                _ = Received(s, r);
            }

            if (r is -EAGAIN or -EINTR)
            {
                continue;
            }

            if (!InspectResponse(c, s))
            {
                return;
            }
        }
    }

    /// <summary>
    /// Runs tcp-response content rules on what the server sent so far; once they let it pass, it goes to the client.
    /// False when the stream is gone.
    /// </summary>
    private bool InspectResponse(Conn* c, Conn* s)
    {
        var st = StreamOf(c)!;
        var rules = _config.Proxies[c->Backend].Rules!;
        var run = FillScope(c, st);
        run.Scope.CurrentProxy = c->Backend;
        run.Scope.IsResponse = true;
        run.Scope.ResponseBytes = s->In;
        run.Scope.ResponseLength = s->InLength;
        run.Scope.Final = s->Has(ConnFlags.InEnd) || s->InLength >= _headLimit || rules.ResponseInspectDelay == 0
            || (st.ResponseUntil > 0 && _now >= st.ResponseUntil);
        run.Begin(run.Scope.Response, st);
        var result = run.Run(rules.ResponseContent, st.ResponseRule);
        ApplySettings(c, run);
        switch (result)
        {
            case RuleResult.Wait:
                st.ResponseRule = run.Index;
                if (st.ResponseUntil == 0)
                {
                    st.ResponseUntil = _now + rules.ResponseInspectDelay;
                    Arm(c);
                }

                return true;
            case RuleResult.Reject or RuleResult.SilentDrop:
                c->BackendCounters[(int)Counter.DeniedResponses]++;
                c->ServerCounters[(int)Counter.DeniedResponses]++;
                EndUnanswered(c, result == RuleResult.SilentDrop, 'D');
                return false;
            case RuleResult.Close:
                s->Flags |= ConnFlags.InEnd | ConnFlags.OutEnd;
                break;
        }

        s->Mode = InMode.Raw;
        int have = s->InLength;
        if (have > 0)
        {
            Buffer.MemoryCopy(s->In, _scratch, ScratchSize, have);
            ReleaseIn(s);
            if (!SendTo(c, _scratch, have))
            {
                return false;
            }
        }

        Pump(s);
        return !c->Has(ConnFlags.Dead) && c->Peer == s;
    }
}
