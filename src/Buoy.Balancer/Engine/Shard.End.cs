using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Logging;
using Buoy.Balancer.Rules;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Engine;

/// <content>The end of a session or request: counters, times, the log.</content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>Request lines for the log, by connection index; only of frontends that log.</summary>
    private string?[] _requestLines;

    private void KeepRequestLine(Conn* c, byte* data, int length)
    {
        if (!_plane.Logs.Wants(c->Frontend))
        {
            return;
        }

        if (_requestLines.Length <= c->Index)
        {
            Array.Resize(ref _requestLines, Math.Max(c->Index + 1, _slab.Capacity));
        }

        _requestLines[c->Index] = Encoding.Latin1.GetString(data, length);
    }

    private static void CountStatus(Conn* c, int status)
    {
        var counter = status switch
        {
            < 200 => Counter.Http1xx,
            < 300 => Counter.Http2xx,
            < 400 => Counter.Http3xx,
            < 500 => Counter.Http4xx,
            < 600 => Counter.Http5xx,
            _ => Counter.HttpOther,
        };
        c->FrontendCounters[(int)counter]++;
        if (c->Has(ConnFlags.InBackend))
        {
            c->BackendCounters[(int)counter]++;
            if (c->Server >= 0)
            {
                c->ServerCounters[(int)counter]++;
            }
        }
    }

    /// <summary>Counts and logs what ends here. Once per TCP session, once per HTTP request.</summary>
    private void EndTransaction(Conn* c)
    {
        if (!c->Has(ConnFlags.InTransaction))
        {
            return;
        }

        c->Flags &= ~ConnFlags.InTransaction;
        int queue = c->QueueAt > 0 ? (int)(c->QueueAt - c->RequestAt) : -1;
        int connect = c->ConnectAt > 0 ? (int)(c->ConnectAt - c->QueueAt) : -1;
        int response = c->ResponseAt > 0 ? (int)(c->ResponseAt - c->ConnectAt) : -1;
        int total = (int)(_now - c->Begin);
        if (c->Has(ConnFlags.InBackend))
        {
            CountTimes(c->BackendCounters, queue, connect, response, total);
            if (c->Server >= 0)
            {
                CountTimes(c->ServerCounters, queue, connect, response, total);
            }
        }

        if (_plane.Logs.Wants(c->Frontend) && !c->Has(ConnFlags.Logged))
        {
            Log(c, queue, connect, response, total, early: false);
        }

        c->Flags &= ~ConnFlags.Logged;

        if (c->Has(ConnFlags.InBackend))
        {
            c->BackendCounters[(int)Counter.SessionsCurrent]--;
            c->Flags &= ~ConnFlags.InBackend;
        }

        StreamOf(c)?.EndStream(c->BytesIn, c->BytesOut, _now);
    }

    /// <summary>
    /// option logasap: the line is written once the server is connected (TCP) or its response head is here (HTTP), with "+"
    /// before what still grows. Nothing without the option.
    /// </summary>
    private void LogEarly(Conn* c)
    {
        if (!_config.Proxies[c->Frontend].LogAsap || !_plane.Logs.Wants(c->Frontend))
        {
            return;
        }

        int response = c->ResponseAt > 0 ? (int)(c->ResponseAt - c->ConnectAt) : -1;
        Log(
            c, (int)(c->QueueAt - c->RequestAt), (int)(c->ConnectAt - c->QueueAt), response, (int)(_now - c->Begin),
            early: true);
        c->Flags |= ConnFlags.Logged;
    }

    private static void CountTimes(long* b, int queue, int connect, int response, int total)
    {
        b[(int)Counter.TimedSessions]++;
        AddTime(b, Counter.QueueTimeSum, Counter.QueueTimeMax, queue);
        AddTime(b, Counter.ConnectTimeSum, Counter.ConnectTimeMax, connect);
        AddTime(b, Counter.ResponseTimeSum, Counter.ResponseTimeMax, response);
        AddTime(b, Counter.TotalTimeSum, Counter.TotalTimeMax, total);
    }

    private static void AddTime(long* b, Counter sum, Counter max, int time)
    {
        if (time > 0)
        {
            b[(int)sum] += time;
            b[(int)max] = Math.Max(b[(int)max], time);
        }
    }

    private static string CookieLetters(Conn* c) => c->RequestCookie == 0
        ? "--" : $"{(char)c->RequestCookie}{(char)c->ResponseCookie}";

    private void Log(Conn* c, int queue, int connect, int response, int total, bool early)
    {
        var st = StreamOf(c);
        if (st is { LogLevel: StreamRules.Silent })
        {
            return;
        }

        bool http = c->Has(ConnFlags.Http);
        var proxy = _config.Proxies[c->Frontend];
        bool normal = c->EndCause == 0 && c->Retries == 0 && !c->Has(ConnFlags.Redispatched);
        if ((proxy.DontLogNormal && normal && c->Status < 500)
            || (proxy.DontLogNull && c->BytesIn == 0 && c->BytesOut == 0
                && c->EndCause is 0 or (byte)'C' or (byte)'c'))
        {
            return;
        }

        string end = c->EndCause == 0 ? "--" : $"{(char)c->EndCause}{(char)c->EndPhase}";
        var counters = _counters;
        var needs = Needs(c);
        var ends = (needs & LogNeeds.ServerAddresses) != 0 && c->ConnectAt > 0 && c->Index < _serverEnds.Length
            ? _serverEnds[c->Index] : default;
        _plane.Logs.Session(new SessionLog
        {
            Frontend = c->Frontend,
            Early = early,
            Level = st?.LogLevel ?? -1,
            Bind = c->Bind,
            Backend = c->Backend,
            Server = c->State == StreamState.Local ? SessionLog.Stats : c->Server,
            Client = Sockets.Read(&c->Address),
            Local = Destination(c),
            RequestCookie = st?.RequestCookie,
            ResponseCookie = st?.ResponseCookie,
            RequestCaptures = st is null ? null : Captured(st.Captures.Request),
            ResponseCaptures = st is null ? null : Captured(st.Captures.Response),
            Accepted = DateTimeOffset.UtcNow.AddMilliseconds(c->Begin - _now),
            HandshakeMs = c->HandshakeMs,
            IdleMs = http ? (int)(c->Begin - c->IdleFrom) : 0,
            ServerSource = ends.Source,
            ServerAddress = ends.Server,
            UniqueId = http && c->RequestAt == 0 ? null : UniqueId(c),
            Samples = (needs & LogNeeds.Samples) != 0 ? SessionLine.Of(proxy).Samples(LogScope(c)) : null,
            StructuredSamples = (needs & LogNeeds.Samples) != 0 ? proxy.Formats?.Structured?.Samples(LogScope(c)) : null,
            RequestNumber = c->Number,
            BindId = _config.Binds[c->Bind].Id,
            RequestMs = http && c->RequestAt > 0 ? (int)(c->RequestAt - c->Begin) : -1,
            QueueMs = queue,
            ConnectMs = connect,
            ResponseMs = response,
            TotalMs = total,

            // What was never a request counts nothing, as in the original, where it ends below the stream.
            BytesFromClient = http && c->RequestAt == 0 ? 0 : c->BytesIn,
            BytesToClient = http && c->RequestAt == 0 ? 0 : c->BytesOut,
            Termination = http ? end + CookieLetters(c) : end,
            ActiveConnections = _plane.ActiveConnections,
            FrontendConnections = (int)counters.Sum(counters.Frontend(c->Frontend), Counter.SessionsCurrent),
            BackendConnections = c->Backend < 0
                ? 0 : Math.Max(0, (int)counters.Sum(counters.Backend(c->Backend), Counter.SessionsCurrent) - 1),
            ServerConnections = c->Server < 0
                ? 0 : (int)counters.Sum(counters.Server(c->Server), Counter.SessionsCurrent),
            Retries = c->Retries,
            Redispatched = c->Has(ConnFlags.Redispatched),
            BackendQueue = c->QueuePosition,
            Status = c->Status == 0 ? -1 : c->Status,
            Request = http && c->Index < _requestLines.Length ? _requestLines[c->Index] : null,
        });
        if (http && c->Index < _requestLines.Length)
        {
            _requestLines[c->Index] = null;
        }
    }
}
