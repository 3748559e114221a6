using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.Rules;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;
using Buoy.Balancer.State;
using Buoy.Balancer.StickTables;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <content>
/// Rules on the way of a request: connection, session, content, the frontend's, the choice of a backend, the backend's.
/// Where no section has rules, <see cref="_run"/> is null and that is all that is looked at.
/// </content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>Tarpit without a time-out of its own nor of connections, ms.</summary>
    private const int TarpitDefault = 0;

    private RuleRun? _run;

    /// <summary>Frontends whose streams must be looked at.</summary>
    private bool[] _ruled = [];
    private StreamRules?[] _streams = [];
    private readonly Stack<StreamRules> _freeStreams = new();
    private Dictionary<string, int> _backendNames = [];

    private void InitRules()
    {
        var proxies = _config.Proxies;
        if (proxies.All(p => p.Rules is null))
        {
            return;
        }

        _run = new RuleRun();
        _run.Scope.Config = _config;
        _run.Scope.State = _plane.State;
        _run.Scope.Shard = _id;
        _run.Scope.Seed((uint)((_id * 31337) + 1));
        _run.Scope.ProcessVariables = _plane.ProcessVariables;
        _ruled = [.. proxies.Select(p => p.HasFrontend
            && (p.Rules is not null || (p.DefaultBackend is int b && proxies[b].Rules is not null)))];
        foreach (var p in proxies.Where(p => p.HasBackend))
        {
            _backendNames.TryAdd(p.Name, p.Index);
        }
    }

    /// <summary>What rules keep of a connection; null where nothing is ruled.</summary>
    private StreamRules? StreamOf(Conn* c) =>
        _run is not null && c->Index < _streams.Length ? _streams[c->Index] : null;

    /// <summary>A new connection: its first rules. False when it is gone.</summary>
    private bool StartRules(Conn* c)
    {
        if (!_ruled[c->Frontend])
        {
            return true;
        }

        if (_streams.Length <= c->Index)
        {
            Array.Resize(ref _streams, Math.Max(c->Index + 1, _slab.Capacity));
        }

        var st = _streams[c->Index] = _freeStreams.TryPop(out var free) ? free : new StreamRules();
        st.ConnectionSource = st.SessionSource = c->Address;
        return _config.Proxies[c->Frontend].Rules is not { } rules || RunSession(c, st, rules.Connection);
    }

    /// <summary>The session begins, after a PROXY header where one is awaited. False when it is gone.</summary>
    private bool StartSession(Conn* c)
    {
        if (StreamOf(c) is not { } st)
        {
            return true;
        }

        bool lives = _config.Proxies[c->Frontend].Rules is not { } rules || RunSession(c, st, rules.Session);
        st.ConnectionSource = st.SessionSource = c->Address;
        if (lives)
        {
            st.SessionCounters.Count(StickEvents.Session, _now);
        }

        return lives;
    }

    /// <summary>The connection's end: what rules kept is given back.</summary>
    private void EndRules(Conn* c)
    {
        if (StreamOf(c) is { } st)
        {
            _streams[c->Index] = null;
            st.Counters.Release(_now);
            st.SessionCounters.Release(_now);
            st.Reset();
            _freeStreams.Push(st);
        }
    }

    private bool RunSession(Conn* c, StreamRules st, Rule[] rules)
    {
        if (rules.Length == 0)
        {
            return true;
        }

        var run = FillScope(c, st);
        run.Begin(run.Scope.Request, st);
        var result = run.Run(rules);
        ApplySettings(c, run);
        if (result is not (RuleResult.Reject or RuleResult.SilentDrop))
        {
            return true;
        }

        c->FrontendCounters[(int)Counter.DeniedConnections]++;
        if (result == RuleResult.SilentDrop)
        {
            DropSilently(c);
        }

        CloseClient(c);
        return false;
    }

    /// <summary>Fills the scope for a client's stream; made-up text of the evaluation before is gone.</summary>
    private RuleRun FillScope(Conn* c, StreamRules st)
    {
        var run = _run!;
        var s = run.Scope;
        s.Temporary.Reset();
        s.Now = _now;
        s.Frontend = c->Frontend;
        s.Backend = c->Backend;
        s.Bind = c->Bind;
        s.Server = c->Server;
        s.CurrentProxy = c->Frontend;
        s.ConnectionSource = st.ConnectionSource;
        s.Source = c->Address;
        s.ConnectionDestination = default;
        s.Destination = c->Index < _destinations.Length ? _destinations[c->Index] : default;
        s.ClientFd = c->Fd;
        s.ServerFd = c->Peer != null ? c->Peer->Fd : -1;
        s.Http = c->Has(ConnFlags.Http);
        s.FirstRequest = !c->Has(ConnFlags.NotFirst);
        s.Request.Present = false;
        s.Response.Present = false;
        s.RequestBytes = s.ResponseBytes = null;
        s.RequestLength = s.ResponseLength = 0;
        s.Final = true;
        s.IsResponse = false;
        s.SessionVariables = st.Session;
        s.TransactionVariables = st.Transaction;
        s.RequestVariables = st.Request;
        s.ResponseVariables = st.Response;
        s.Captures = st.Captures;
        s.SessionCounters = st.SessionCounters;
        s.StreamCounters = st.Counters;
        s.RequestNumber = c->Number;
        s.UniqueId = UniqueId(c);
        return run;
    }

    private void ApplySettings(Conn* c, RuleRun run)
    {
        if (run.AddressChanged)
        {
            c->Address = run.Scope.Source;
            if (SampleScope.Family(run.Scope.Destination) != 0)
            {
                KeepDestination(c, run.Scope.Destination);
            }
        }

        if (run.Tos >= 0)
        {
            int tos = (int)run.Tos;
            _ = setsockopt(c->Fd, IPPROTO_IP, IP_TOS, &tos, sizeof(int));
            _ = setsockopt(c->Fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(int));
        }

        if (run.Mark >= 0)
        {
            uint mark = (uint)run.Mark;
            _ = setsockopt(c->Fd, SOL_SOCKET, SO_MARK, &mark, sizeof(uint));
        }
    }

    /// <summary>
    /// The close that follows sends nothing: the socket is put into repair mode; without the privilege its packets get a
    /// time to live that does not reach the client.
    /// </summary>
    private static void DropSilently(Conn* c)
    {
        int one = 1;
        if (setsockopt(c->Fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(int)) == 0)
        {
            return;
        }

        _ = setsockopt(c->Fd, IPPROTO_IP, IP_TTL, &one, sizeof(int));
        _ = setsockopt(c->Fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &one, sizeof(int));
    }

    // HTTP requests.

    /// <summary>
    /// A complete request head stands in the scratch buffer, parsed: the first time, or again after a wait.
    /// </summary>
    private void RunRequest(Conn* c, int have, StreamRules st)
    {
        bool again = st.Phase != RulePhase.None;
        var data = _scratch;
        int headLength = _head.Length;
        c->Body = _head.Chunked ? BodyTracker.Chunks
            : _head.ContentLength > 0 ? BodyTracker.OfLength(_head.ContentLength) : BodyTracker.None;
        int body = c->Body.Advance(data + headLength, have - headLength);
        if (body < 0)
        {
            BadRequest(c);
            return;
        }

        var run = FillScope(c, st);
        var m = run.Scope.Request;
        m.LoadRequest(_head, data);
        if (!LoadBody(run.Scope, m, data + headLength, body, c->Body.Done, _head.Chunked))
        {
            BadRequest(c);
            return;
        }

        if (!again)
        {
            if (st.Upgraded is null)
            {
                st.NextRequest();
                c->Address = run.Scope.Source = st.SessionSource;
            }

            BeginCaptures(c, st, m);
            st.Rule = 0;
            st.WaitSince = 0;
            st.Phase = st.Upgraded is null ? RulePhase.FrontendContent : RulePhase.Frontend;
            if (Monitor(c, run, st, m))
            {
                st.CountRequest(_now);
                FinishReply(c, st, have, headLength + body, 'L', 'R', silent: true);
                return;
            }
        }

        run.TimedOut = again && st.WaitUntil <= _now;
        run.LastChance = run.TimedOut || have >= _headLimit;
        int backend = RunPhases(c, run, st, out var result);
        if (run.Hints.Count > 0 && !SendHints(c, run))
        {
            return;
        }

        ApplySettings(c, run);
        switch (result)
        {
            case RuleResult.Continue:
                Forward(c, st, m, have, backend);
                break;
            case RuleResult.Wait:
                WaitForMore(c, run, st, m, have, headLength);
                break;
            case RuleResult.Service:
                st.Phase = RulePhase.None;
                StartLocal(c, have, run.Service);
                break;
            case RuleResult.Reject or RuleResult.SilentDrop:
                c->FrontendCounters[(int)Counter.DeniedRequests]++;
                EndUnanswered(c, result == RuleResult.SilentDrop, 'R');
                break;
            case RuleResult.Reply or RuleResult.Tarpit:
                if (run.ReplyCause == 'P')
                {
                    c->FrontendCounters[(int)Counter.DeniedRequests]++;
                }

                if (run.ReplyCause == 'P' || run.ReplyHeader is not null)
                {
                    // Denied, or asked to authenticate.
                    st.Count(StickEvents.Error, _now);
                }

                if (!run.BuildReply(status => ErrorPage(c, status)))
                {
                    Fail(c, 500, 'P', 'R');
                }
                else if (result == RuleResult.Tarpit)
                {
                    BeginTarpit(c, run, st, have, headLength + body);
                }
                else
                {
                    FinishReply(c, st, have, headLength + body, run.ReplyCause, run.ReplyCause == 'c' ? 'D' : 'R');
                }

                break;
            case RuleResult.Upgrade:
                EndUnanswered(c, silent: false, 'R', 'I');
                break;
            case RuleResult.Error:
            case RuleResult.Stop:
            default:
                c->FrontendCounters[(int)Counter.RequestErrors]++;
                Fail(c, 500, 'P', 'R');
                break;
        }
    }

    private static bool LoadBody(
        SampleScope scope, HttpMessage m, byte* body, int length, bool complete, bool chunked)
    {
        if (!chunked)
        {
            m.SetBody(body, length, complete);
            return true;
        }

        byte* plain = scope.Temporary.Take(Math.Max(1, length));
        if (plain == null)
        {
            return false;
        }

        m.SetBody(plain, ChunkReader.Decode(body, length, plain), complete);
        return true;
    }

    private void BeginCaptures(Conn* c, StreamRules st, HttpMessage m)
    {
        var rules = _config.Proxies[c->Frontend].Rules;
        if (rules is null || rules.RequestCaptures.Length + rules.ResponseCaptures.Length == 0)
        {
            st.Captures.Reset(0, 0);
            return;
        }

        st.Captures.Reset(rules.RequestCaptures.Length, rules.ResponseCaptures.Length);
        CaptureHeaders(rules.RequestCaptures, m, st.Captures.Request);
    }

    private static void CaptureHeaders(CaptureSlot[] slots, HttpMessage m, byte[]?[] into)
    {
        for (int i = 0; i < slots.Length; i++)
        {
            if (slots[i].Header is not { } name)
            {
                continue;
            }

            for (int l = 0; l < m.Count; l++)
            {
                if (System.Text.Ascii.Equals(m.Lines[l].NameBytes, name))
                {
                    var value = m.Lines[l].ValueBytes;
                    into[i] = value[..Math.Min(value.Length, slots[i].Length)].ToArray();
                }
            }
        }
    }

    /// <summary>capture cookie: the pair whose beginning is as asked for, cut; null = there is none.</summary>
    private static string? CapturedCookie(CaptureSlot slot, HttpMessage m, ReadOnlySpan<byte> field)
    {
        for (int l = m.Find(field); l >= 0; l = m.Find(field, l + 1))
        {
            var rest = m.Lines[l].ValueBytes;
            while (!rest.IsEmpty)
            {
                int end = rest.IndexOf((byte)';');
                var pair = HttpHead.Trim(end < 0 ? rest : rest[..end]);
                rest = end < 0 || field.Length > "cookie".Length ? default : rest[(end + 1)..];
                if (pair.Length >= slot.Header!.Length && System.Text.Ascii.Equals(pair[..slot.Header.Length], slot.Header))
                {
                    return System.Text.Encoding.Latin1.GetString(pair[..Math.Min(pair.Length, slot.Length)]);
                }
            }
        }

        return null;
    }

    /// <summary>monitor-uri: answered before everything else, and not logged.</summary>
    private bool Monitor(Conn* c, RuleRun run, StreamRules st, HttpMessage m)
    {
        var rules = _config.Proxies[c->Frontend].Rules;
        if (rules?.MonitorUri is not { } uri || !m.UriBytes.SequenceEqual(uri))
        {
            return false;
        }

        run.Begin(m, st);
        bool fails = false;
        foreach (var condition in rules.MonitorFail)
        {
            fails |= condition.Evaluate(run.Scope) == Verdict.True;
        }

        return ErrorPage(c, fails ? 503 : 200).Write(run);
    }

    /// <summary>Runs the lists in order; returns the backend where they all let the request pass.</summary>
    private int RunPhases(Conn* c, RuleRun run, StreamRules st, out RuleResult result)
    {
        var m = run.Scope.Request;
        var frontend = _config.Proxies[c->Frontend];
        int backend = -1;
        run.Begin(m, st);
        run.Scope.CurrentProxy = frontend.Index;
        while (true)
        {
            var rules = st.Phase < RulePhase.BackendContent ? frontend.Rules
                : backend >= 0 ? _config.Proxies[backend].Rules : null;
            bool content = st.Phase is RulePhase.FrontendContent or RulePhase.BackendContent;
            var list = rules is null ? [] : st.Phase switch
            {
                RulePhase.FrontendContent or RulePhase.BackendContent => rules.Content,
                RulePhase.Frontend or RulePhase.Backend => rules.Request,
                RulePhase.FrontendRedirect or RulePhase.BackendRedirect => rules.Redirect,
                _ => [],
            };
            run.Scope.Final = !content || rules is null || rules.InspectDelay == 0 || run.LastChance;
            result = list.Length == 0 ? RuleResult.Continue : run.Run(list, st.Rule);
            if (content && result == RuleResult.Upgrade)
            {
                // It is HTTP already.
                result = RuleResult.Stop;
            }

            if (result == RuleResult.Wait)
            {
                run.WaitTime = content ? rules!.InspectDelay : run.WaitTime;
                st.Rule = run.Index;
                return -1;
            }

            if (result is not (RuleResult.Continue or RuleResult.Stop))
            {
                return -1;
            }

            result = RuleResult.Continue;
            run.LastChance = run.TimedOut = false;
            st.WaitSince = 0;
            st.Rule = 0;
            st.Phase++;
            if (st.Phase == RulePhase.Frontend)
            {
                st.CountRequest(_now);
            }

            if (st.Phase == RulePhase.BackendContent)
            {
                run.Scope.Final = true;
                backend = st.Upgraded is >= 0 and int chosen ? chosen : ChooseBackend(c, run);
                st.Upgraded = null;
                run.Scope.Backend = c->Backend = backend;
                if (backend >= 0 && _config.Proxies[backend].Mode == ProxyMode.Tcp)
                {
                    // A stream that became HTTP cannot go to a TCP server.
                    result = RuleResult.Upgrade;
                    return -1;
                }

                if (backend < 0 || backend == frontend.Index)
                {
                    st.Phase = RulePhase.Done;
                }
                else
                {
                    run.Scope.CurrentProxy = backend;
                }
            }
            else if (st.Phase > RulePhase.BackendContent && backend < 0)
            {
                // Resumed after a wait in the backend's rules.
                backend = c->Backend;
            }

            if (st.Phase == RulePhase.Done)
            {
                ChooseServer(run, st, backend);
                NoteSticks(run, st, backend);
                return backend;
            }
        }
    }

    /// <summary>use_backend, else the default; -1 = none.</summary>
    private int ChooseBackend(Conn* c, RuleRun run)
    {
        var frontend = _config.Proxies[c->Frontend];
        foreach (var rule in frontend.Rules?.Backends ?? [])
        {
            if (rule.Condition is { } condition && condition.Evaluate(run.Scope) != Verdict.True)
            {
                continue;
            }

            if (rule.Format is null)
            {
                return rule.Backend;
            }

            // A name that no backend has: the default, and no further rule (manual 4.2, "use_backend").
            string name = System.Text.Encoding.Latin1.GetString(run.FormatOnce(rule.Format));
            if (_backendNames.TryGetValue(name, out int found) && (_config.Proxies[found].Mode == frontend.Mode || _config.Proxies[found].Mode == ProxyMode.Http))
            {
                return found;
            }

            break;
        }

        return frontend.DefaultBackend ?? (frontend.HasBackend ? frontend.Index : -1);
    }

    private void ChooseServer(RuleRun run, StreamRules st, int backend)
    {
        st.Server = -1;
        if (backend < 0 || _config.Proxies[backend].Rules is not { } rules)
        {
            return;
        }

        foreach (var rule in rules.Servers)
        {
            if (rule.Condition is { } condition && condition.Evaluate(run.Scope) != Verdict.True)
            {
                continue;
            }

            int server = rule.Server;
            if (rule.Format is not null)
            {
                string name = System.Text.Encoding.Latin1.GetString(run.FormatOnce(rule.Format));
                server = _config.Proxies[backend].Servers.FirstOrDefault(s => s.Name == name)?.Index ?? -1;
                if (server < 0)
                {
                    return;
                }
            }

            if (_servers[server].Eligible != 0)
            {
                st.Server = server;
                return;
            }
        }
    }

    /// <summary>Rules let it pass: it goes to the backend.</summary>
    private void Forward(Conn* c, StreamRules st, HttpMessage m, int have, int backend)
    {
        st.Phase = RulePhase.None;
        c->Backend = -1;
        if (_config.Proxies[c->Frontend].Rules?.Cookie is { } cookie)
        {
            st.RequestCookie = CapturedCookie(cookie, m, "cookie"u8);
        }

        if (!RewriteHead(m, response: false, ref have))
        {
            c->FrontendCounters[(int)Counter.RequestErrors]++;
            Fail(c, 500, 'P', 'R');
            return;
        }

        c->Body = _head.Chunked ? BodyTracker.Chunks
            : _head.ContentLength > 0 ? BodyTracker.OfLength(_head.ContentLength) : BodyTracker.None;
        var target = new ReadOnlySpan<byte>(_scratch + _head.Target, _head.TargetLength);
        if (_plane.Local is { } local && (local.Matches(c->Frontend, target)
            || (backend >= 0 && backend != c->Frontend && local.Matches(backend, target))))
        {
            StartLocal(c, have);
            return;
        }

        c->State = StreamState.Request;
        SendOn(c, have, backend);
    }
}
