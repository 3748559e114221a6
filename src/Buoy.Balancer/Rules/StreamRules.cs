using Buoy.Balancer.Engine;
using Buoy.Balancer.Rules.Samples;
using Buoy.Balancer.StickTables;

namespace Buoy.Balancer.Rules;

/// <summary>Where the rules of a request stand when they wait.</summary>
internal enum RulePhase : byte
{
    /// <summary>Not begun.</summary>
    None,
    FrontendContent,
    Frontend,
    FrontendRedirect,
    BackendContent,
    Backend,
    BackendRedirect,
    Done,
}

/// <summary>What rules keep of one client's connection and its current request. Pooled per shard.</summary>
internal sealed class StreamRules : IDisposable
{
    public VariableStore Session { get; } = new();

    public VariableStore Transaction { get; } = new();

    public VariableStore Request { get; } = new();

    public VariableStore Response { get; } = new();

    public CaptureStore Captures { get; } = new();

    /// <summary>What the connection tracks, and what the current stream does.</summary>
    public TrackedCounters SessionCounters { get; } = new();

    public TrackedCounters Counters { get; } = new();

    /// <summary>Keys of the backend's stick rules.</summary>
    public StickKeyStore StickKeys { get; } = new();

    /// <summary>The current HTTP request is counted: what is tracked from now on counts it, too.</summary>
    public bool RequestCounted { get; set; }

    /// <summary>The client's address as the connection has it, and as the session's rules left it.</summary>
    public SocketAddressBytes ConnectionSource;
    public SocketAddressBytes SessionSource;

    /// <summary>The rule at which it goes on, and since when it waits (ms; 0 = it does not).</summary>
    public RulePhase Phase { get; set; }

    public int Rule { get; set; }

    public long WaitSince { get; set; }

    /// <summary>When patience ends, ms.</summary>
    public long WaitUntil { get; set; }

    /// <summary>The reply to send when a tarpit is over.</summary>
    public byte[]? Tarpit { get; set; }

    /// <summary>Level of the log line: -1 = as configured, <see cref="Silent"/> = no line.</summary>
    public int LogLevel { get; set; } = -1;

    public const int Silent = 8;

    /// <summary>set-timeout, ms; null = as configured.</summary>
    public int? ServerTimeout { get; set; }

    public int? TunnelTimeout { get; set; }

    /// <summary>The server use-server asks for, -1 = none.</summary>
    public int Server { get; set; } = -1;

    public bool Strict { get; set; }

    /// <summary>Counts for all that is tracked.</summary>
    public void Count(StickEvents events, long now)
    {
        SessionCounters.Count(events, now);
        Counters.Count(events, now);
    }

    /// <summary>An HTTP request is there, good or bad; counted once.</summary>
    public void CountRequest(long now)
    {
        if (!RequestCounted)
        {
            RequestCounted = true;
            Count(StickEvents.Request, now);
        }
    }

    /// <summary>A stream is over: its bytes are counted, and it tracks nothing more.</summary>
    public void EndStream(long fromClient, long toClient, long now)
    {
        SessionCounters.CountBytes(fromClient, toClient, now);
        Counters.CountBytes(fromClient, toClient, now);
        Counters.Release(now);
        RequestCounted = false;
    }

    /// <summary>disable-l7-retry.</summary>
    public bool NoReplay { get; set; }

    /// <summary>The place in a queue: lower classes first, and in a class who came first, later by the offset (ms).</summary>
    public int PriorityClass { get; set; }

    public int PriorityOffset { get; set; }

    /// <summary>What <c>capture cookie</c> found, for the log; null = nothing.</summary>
    public string? RequestCookie { get; set; }

    public string? ResponseCookie { get; set; }

    /// <summary>A rule of the connection asks for a PROXY header (expect-proxy).</summary>
    public bool ExpectsProxy { get; set; }

    /// <summary>
    /// The connection was TCP and became HTTP; its first request is still to come. <see cref="OpenBackend"/>: a rule
    /// switched, before a backend was chosen; else the backend whose mode asked for it.
    /// </summary>
    public int? Upgraded { get; set; }

    public const int OpenBackend = -2;

    /// <summary>tcp-response content: the rule at which it goes on, and when patience ends (ms; 0 = it does not wait).</summary>
    public int ResponseRule { get; set; }

    public long ResponseUntil { get; set; }

    /// <summary>Forgets the request; the session's variables and addresses stay.</summary>
    public void NextRequest()
    {
        Transaction.Clear();
        Request.Clear();
        Response.Clear();
        Phase = RulePhase.None;
        Rule = 0;
        WaitSince = 0;
        Tarpit = null;
        LogLevel = -1;
        ServerTimeout = TunnelTimeout = null;
        Server = -1;
        StickKeys.Reset(0);
        Strict = NoReplay = false;
        PriorityClass = PriorityOffset = 0;
        RequestCookie = ResponseCookie = null;
        ResponseRule = 0;
        ResponseUntil = 0;
    }

    /// <summary>Forgets everything: ready for another connection.</summary>
    public void Reset()
    {
        NextRequest();
        Session.Clear();
        ExpectsProxy = false;
        Upgraded = null;
        ConnectionSource = default;
        SessionSource = default;
    }

    public void Dispose()
    {
        Session.Dispose();
        Transaction.Dispose();
        Request.Dispose();
        Response.Dispose();
    }
}
