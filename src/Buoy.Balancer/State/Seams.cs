using System.Net;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.State;

/// <summary>What the parts of a running balancer share. Immutable but for the tables it points to.</summary>
public sealed record BalancerState(BalancerConfig Config, Counters Counters, ServerTable Servers, int Shards)
{
    /// <summary>Stick tables, shared by all shards.</summary>
    internal StickTables.StickTableSet Tables { get; } = new(Config);

    /// <summary>Pipes for splice.</summary>
    public PipeGauge Pipes { get; } = new(Shards);

    /// <summary>Variables of the process, shared by shards and checks.</summary>
    internal Rules.Samples.ProcessVariables Variables { get; } = new();

    /// <summary>Counts the errors of the traffic; null where no server observes.</summary>
    public TrafficObserver? Observer { get; internal set; } = TrafficObserver.For(Config, Servers.Count);
}

/// <summary>A listening socket on its way between processes.</summary>
/// <param name="Interface">The interface it is bound to, empty = any.</param>
public readonly record struct ListeningSocket(int Fd, string Interface);

/// <summary>
/// The data plane as the control thread sees it. Calls are thread-safe: they are posted to the shards' mailboxes.
/// </summary>
public interface IDataPlane : IDisposable
{
    /// <summary>Opens and binds all listeners. Returns one message per failure in HAProxy's words ("cannot bind socket (Address already in use) for [0.0.0.0:6443]"), empty = all bound.</summary>
    IReadOnlyList<(ProxyConfig Proxy, BindConfig Bind, string Error)> Bind();

    /// <summary>
    /// Before <see cref="Bind"/>: listening sockets of an older process. They are used where a bind line means their
    /// address and closed where none does.
    /// </summary>
    void Adopt(IReadOnlyList<ListeningSocket> sockets)
    {
    }

    /// <summary>The listening sockets, to be handed over to a younger process; empty after <see cref="StopListening"/>.</summary>
    IReadOnlyList<ListeningSocket> Listening => [];

    /// <summary>Starts the shards' threads and accepts.</summary>
    void Start();

    /// <summary>Slots of <see cref="BalancerState.Servers"/> changed: every shard looks anew.</summary>
    void ServersChanged();

    /// <summary>Before its slot is published: a server that was added at run time.</summary>
    void ServerAdded(ServerConfig server)
    {
    }

    /// <summary>Closes all connections to a server (on-marked-down shutdown-sessions, <c>shutdown sessions server</c>).</summary>
    void ShutdownSessions(int server);

    /// <summary>Soft stop: closes the listeners; connections live on.</summary>
    void StopListening();

    /// <summary>Pauses or resumes one proxy's listeners (disable/enable frontend).</summary>
    void SetFrontend(int proxy, bool enabled);

    /// <summary>Sets the limit of connections of a frontend, or with -1 of the process.</summary>
    void SetMaxConn(int proxy, int maxConn)
    {
    }

    /// <summary>Sets how many connections per second the process takes, 0 = any number.</summary>
    void SetAcceptRate(int perSecond)
    {
    }

    /// <summary>Asks all shards for their streams; the answer comes on any thread.</summary>
    void Sessions(Action<IReadOnlyList<SessionInfo>> answer) => answer([]);

    /// <summary>Ends one stream; the answer, on any thread, is whether it was still there.</summary>
    void ShutdownSession(long id, Action<bool> answer) => answer(false);

    /// <summary>Connections open now, clients' side.</summary>
    int ActiveConnections { get; }

    /// <summary>Asks every shard to answer; the callback runs (on any thread) when all did: the heartbeat.</summary>
    void Ping(Action allAnswered);
}

/// <summary>A request in HTTP mode that the balancer answers itself. Complete head, and the body where there is a short one.</summary>
public sealed record LocalRequest(
    int Proxy, string Method, string Target, IReadOnlyList<KeyValuePair<string, string>> Headers, byte[] Body, EndPoint? Client)
{
    /// <summary>The service that a rule names (<c>http-request use-service</c>); null = the statistics page.</summary>
    public string? Service { get; init; }
}

/// <summary>Answers requests that do not go to a server: the stats page. Called on shards (decide) and on the control thread (answer).</summary>
public interface ILocalService
{
    /// <summary>On a shard, must be quick: is this request (its target as received) answered locally?</summary>
    bool Matches(int proxy, ReadOnlySpan<byte> target);

    /// <summary>
    /// Answers from any thread through <paramref name="reply"/>: a complete HTTP/1.1 response with Content-Length, and whether
    /// the connection is to be closed after it.
    /// </summary>
    void Answer(LocalRequest request, Action<byte[], bool> reply);
}

/// <summary>A finished connection or request, for the log line. Times in ms, -1 = never reached.</summary>
public readonly record struct SessionLog
{
    /// <summary>Index of the frontend's section, or <see cref="Checks"/>.</summary>
    public required int Frontend { get; init; }

    /// <summary>Value of <see cref="Frontend"/> in a format that a check evaluates: it has neither section nor client.</summary>
    public const int Checks = -1;
    public required int Bind { get; init; }

    /// <summary>-1: no backend reached ("&lt;NOSRV&gt;" with the frontend's name).</summary>
    public required int Backend { get; init; }

    /// <summary>Value of <see cref="Server"/> for a request that the balancer answered itself ("&lt;STATS&gt;").</summary>
    public const int Stats = -2;

    /// <summary>-1: no server ("&lt;NOSRV&gt;"), or <see cref="Stats"/>.</summary>
    public required int Server { get; init; }
    public required IPEndPoint? Client { get; init; }
    public required IPEndPoint? Local { get; init; }
    public required DateTimeOffset Accepted { get; init; }

    /// <summary>Before the request's first byte: PROXY header, then waiting (Th, Ti). Counted before <see cref="Accepted"/>.</summary>
    public int HandshakeMs { get; init; }
    public int IdleMs { get; init; }
    public int RequestMs { get; init; }
    public int QueueMs { get; init; }
    public int ConnectMs { get; init; }
    public int ResponseMs { get; init; }
    public int TotalMs { get; init; }
    public long BytesFromClient { get; init; }
    public long BytesToClient { get; init; }

    /// <summary>Two characters for TCP, four for HTTP (manual 8.5): "--", "CD", "SC", "sD", "PR--" …</summary>
    public required string Termination { get; init; }
    public int ActiveConnections { get; init; }
    public int FrontendConnections { get; init; }
    public int BackendConnections { get; init; }
    public int ServerConnections { get; init; }
    public int Retries { get; init; }
    public bool Redispatched { get; init; }
    public int ServerQueue { get; init; }
    public int BackendQueue { get; init; }

    /// <summary>HTTP: -1 for none.</summary>
    public int Status { get; init; }

    /// <summary>Own and the server's address of the connection to the server, only where the format wants them.</summary>
    public IPEndPoint? ServerSource { get; init; }
    public IPEndPoint? ServerAddress { get; init; }

    /// <summary>Values of the format's samples, null = no sample.</summary>
    public IReadOnlyList<string?>? Samples { get; init; }

    /// <summary>As <see cref="Samples"/>, of log-format-sd.</summary>
    public IReadOnlyList<string?>? StructuredSamples { get; init; }

    /// <summary>capture request/response header, in order; null where nothing is to be captured.</summary>
    public IReadOnlyList<string?>? RequestCaptures { get; init; }
    public IReadOnlyList<string?>? ResponseCaptures { get; init; }

    /// <summary>capture cookie.</summary>
    public string? RequestCookie { get; init; }
    public string? ResponseCookie { get; init; }
    public string? UniqueId { get; init; }

    /// <summary>%rt</summary>
    public uint RequestNumber { get; init; }

    /// <summary>Logged before its end: <c>option logasap</c>.</summary>
    public bool Early { get; init; }

    /// <summary>Severity that a rule asked for (<c>set-log-level</c>), 0 (emerg) … 7 (debug); -1 = as configured.</summary>
    public int Level { get; init; } = -1;

    public SessionLog()
    {
    }

    /// <summary>Id of the listener: stands for the ports of a Unix socket.</summary>
    public int BindId { get; init; }

    /// <summary>HTTP: the request line, null if none was read.</summary>
    public string? Request { get; init; }
}

/// <summary>Where log lines go. Thread-safe, never blocks: a full queue drops and counts.</summary>
public interface ILogSink
{
    /// <summary>Does this frontend log at all? Lets a shard skip making a <see cref="SessionLog"/>.</summary>
    bool Wants(int frontend);

    /// <summary>A finished session.</summary>
    void Session(in SessionLog log);

    /// <summary>A message of the balancer itself about a proxy (index; -1 = global targets). Level 0 (emerg) … 7 (debug).</summary>
    void Message(int proxy, int level, string text);
}
