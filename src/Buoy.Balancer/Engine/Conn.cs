using Buoy.Balancer.Engine.Http;

namespace Buoy.Balancer.Engine;

/// <summary>What a registered object is.</summary>
internal enum ConnKind : byte
{
    /// <summary>In the slab's free list.</summary>
    Free,

    /// <summary>A client's connection; it carries the stream.</summary>
    Client,

    /// <summary>A connection to a server; with a peer, or idle in the pool.</summary>
    Server,
    Listener,
    Mailbox,
}

/// <summary>How bytes received on a connection are taken.</summary>
internal enum InMode : byte
{
    /// <summary>TCP, or HTTP after an upgrade: all bytes go to the peer.</summary>
    Raw,

    /// <summary>A message head is awaited.</summary>
    Head,

    /// <summary>A message body of <see cref="Conn.Body"/> goes to the peer.</summary>
    Body,

    /// <summary>The message is complete; what follows stays in the kernel for now.</summary>
    Done,

    /// <summary>Read and thrown away until the end, so that a close does not reset what we sent.</summary>
    Drain,

    /// <summary>The body is collected for a local answer.</summary>
    Collect,

    /// <summary>Server, TCP: what it sends is looked at by tcp-response content rules before any of it goes on.</summary>
    Inspect,
}

/// <summary>Where a client's stream stands between client and server.</summary>
internal enum StreamState : byte
{
    /// <summary>HTTP: no complete request yet. The deadline is http-request's or http-keep-alive's.</summary>
    Request,

    /// <summary>Waits for a server with room (timeout queue).</summary>
    Queued,

    /// <summary>connect(2) in progress (timeout connect).</summary>
    Connecting,

    /// <summary>A connection attempt failed; the next one comes a second later.</summary>
    RetryWait,

    /// <summary>Client and server are joined.</summary>
    Joined,

    /// <summary>The balancer itself answers; its answer is awaited or being written.</summary>
    Local,

    /// <summary>A PROXY header is awaited; nothing is counted or logged as a request yet.</summary>
    Handshake,

    /// <summary>Rules wait: for bytes, or in a tarpit.</summary>
    Held,

    /// <summary>The last bytes go to the client, then the connection is closed.</summary>
    Closing,
}

[Flags]
internal enum ConnFlags : uint
{
    None = 0,

    /// <summary>An edge said readable, and EAGAIN was not met since.</summary>
    ReadReady = 1,
    WriteReady = 2,

    /// <summary>The peer announced its end: a short read does not mean "no more".</summary>
    ReadHangUp = 4,

    /// <summary>The end was read.</summary>
    InEnd = 8,

    /// <summary>shutdown(WR) was done, or writing failed for good.</summary>
    OutEnd = 0x10,

    /// <summary>Closed; freed at the end of the batch, since events of it may still be in the batch.</summary>
    Dead = 0x20,
    InRunQueue = 0x40,

    /// <summary>EPOLLERR was seen.</summary>
    Error = 0x80,

    /// <summary>Server: the connection is established.</summary>
    Connected = 0x100,

    /// <summary>Server: this connection came from the pool.</summary>
    Reused = 0x200,

    /// <summary>Server: waits in the pool.</summary>
    Idle = 0x400,

    /// <summary>Client: the connection is to end after this response. Server: it must not be used again.</summary>
    CloseAfter = 0x800,

    /// <summary>Client: the request was HEAD.</summary>
    HeadRequest = 0x1000,

    /// <summary>Client: the request was CONNECT.</summary>
    ConnectRequest = 0x2000,

    /// <summary>Client: the request's version is 1.0.</summary>
    Http10 = 0x4000,

    /// <summary>Client: not the first request of its connection.</summary>
    NotFirst = 0x8000,

    /// <summary>Client: HTTP stream (mode http).</summary>
    Http = 0x10000,

    /// <summary>Client: bytes in <see cref="Conn.In"/> were not looked at yet (pipelining).</summary>
    InFresh = 0x20000,

    /// <summary>Client: counted in the shared connection count of <see cref="Conn.Server"/>.</summary>
    HoldsServer = 0x40000,

    /// <summary>Client: the request asked for an upgrade.</summary>
    UpgradeRequest = 0x80000,

    /// <summary>Client: the stream is counted in its backend.</summary>
    InBackend = 0x100000,

    /// <summary>Client: another server took over after a failure.</summary>
    Redispatched = 0x200000,

    /// <summary>Client: the response's head has been sent (errors can no longer be answered).</summary>
    Answered = 0x400000,

    /// <summary>Listener: accepting is held back (maxconn, descriptors, disabled).</summary>
    Paused = 0x800000,

    /// <summary>Client: a request is under way, so its end is to be counted and logged.</summary>
    InTransaction = 0x1000000,

    /// <summary>Client: 101 or CONNECT made it a tunnel.</summary>
    Tunnel = 0x2000000,

    /// <summary>Listener shared by all shards: closed by the data plane, not by the shard.</summary>
    Shared = 0x4000000,

    /// <summary>Listener: its frontend is disabled.</summary>
    Disabled = 0x8000000,

    /// <summary>Client: its request was read to the end, nothing more is expected of it.</summary>
    Complete = 0x10000000,

    /// <summary>Client: the request was POST.</summary>
    PostRequest = 0x20000000,

    /// <summary>Client: its log line was written before its end (option logasap).</summary>
    Logged = 0x40000000,
}

/// <summary>
/// One socket in a shard's slab: a client's connection with its stream, a server's, or a listener. Its address never
/// changes; it is the poller's key. The field groups say who uses what.
/// </summary>
internal unsafe struct Conn
{
    public ConnKind Kind;
    public InMode Mode;
    public StreamState State;

    /// <summary>Client: what is to be logged as termination cause and session state, 0 = none yet.</summary>
    public byte EndCause;
    public byte EndPhase;
    public byte AddressLength;
    public short Status;
    public int Fd;
    public ConnFlags Flags;

    /// <summary>Position in the slab.</summary>
    public int Index;

    /// <summary>Grows with each use, so that late answers to an earlier user are noticed.</summary>
    public int Generation;

    /// <summary>The other side: null for a client without server, an idle server, a listener.</summary>
    public Conn* Peer;

    /// <summary>Run queue and free list.</summary>
    public Conn* RunNext;

    /// <summary>Wheel.</summary>
    public Conn* TimerNext;
    public Conn* TimerPrevious;
    public long Due;
    public int TimerSlot;

    /// <summary>Reads in a row that filled the buffer: three switch to splice.</summary>
    public int FullReads;

    /// <summary>Last byte received or sent, ms.</summary>
    public long LastActivity;

    /// <summary>Bytes that could not be sent on this connection yet.</summary>
    public byte* Out;
    public int OutOffset;
    public int OutLength;

    /// <summary>Bytes received and kept: an incomplete head, a pipelined request, a body for a local answer.</summary>
    public byte* In;
    public int InLength;
    public int OutCapacity;
    public int InCapacity;

    /// <summary>Pipe with bytes from this connection to its peer, -1 = none.</summary>
    public int Pipe;
    public int PipeBytes;
    public BodyTracker Body;

    /// <summary>List of idle servers, or queue of a backend.</summary>
    public Conn* ListNext;
    public Conn* ListPrevious;

    public int Frontend;
    public int Bind;
    public int Backend;
    public int Server;
    public int Retries;

    /// <summary>Streams that were before it in the backend's queue.</summary>
    public int QueuePosition;

    /// <summary>Server to avoid at the next attempt (redispatch), -1 = none.</summary>
    public int Avoid;

    /// <summary>Client: is there a key for the choice of a server, and its hash (balance uri, hdr …).</summary>
    public bool HasKey;
    public uint KeyHash;

    /// <summary>Server: how often the connection was used again.</summary>
    public int Uses;

    /// <summary>Client: server of the request before this one, plus one, 0 = none (option prefer-last-server).</summary>
    public int LastServer;

    /// <summary>Client: the server that persistence wants, -1 = none; it is not asked for again after a failure.</summary>
    public int Persist;

    /// <summary>Client: the log's letters for the persistence cookie (manual 8.5), 0 = not applicable.</summary>
    public byte RequestCookie;
    public byte ResponseCookie;

    /// <summary>Client: dates in the persistence cookie, seconds since 1970, 0 = none.</summary>
    public long CookieFirst;
    public long CookieLast;

    /// <summary>Queued for this server only, -1 = for any of the backend.</summary>
    public int WaitsFor;

    /// <summary>When <see cref="State"/> was entered.</summary>
    public long StateSince;
    public long* FrontendCounters;
    public long* BackendCounters;
    public long* ServerCounters;
    public long* BindCounters;

    /// <summary>
    /// Times of this session or request, ms: begin, request complete, queue left, connected, response begun.
    /// </summary>
    public long Begin;

    /// <summary>Accepted, or the request before ended: what comes until <see cref="Begin"/> is idle time.</summary>
    public long IdleFrom;

    /// <summary>Time its PROXY header took, ms.</summary>
    public int HandshakeMs;

    /// <summary>%rt of its session or request.</summary>
    public uint Number;
    public long RequestAt;
    public long QueueAt;
    public long ConnectAt;
    public long ResponseAt;
    public long BytesIn;
    public long BytesOut;

    /// <summary>Client, HTTP: the request's bytes until a server is connected.</summary>
    public byte* Hold;
    public int HoldLength;
    public int HoldCapacity;

    /// <summary>Client's sockaddr as accept gave it.</summary>
    public SocketAddressBytes Address;

    public readonly bool Has(ConnFlags flags) => (Flags & flags) != 0;
}

/// <summary>sockaddr_in or sockaddr_in6.</summary>
[System.Runtime.CompilerServices.InlineArray(28)]
internal struct SocketAddressBytes
{
    private byte _first;
}
