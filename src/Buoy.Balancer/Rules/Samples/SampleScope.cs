using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>
/// What a fetch may look at. A shard has one and fills it before it runs rules, without allocating; a check or a test
/// makes its own. What is absent stays null, 0 or -1, and a fetch that needs it finds no sample.
/// </summary>
internal sealed unsafe class SampleScope : IDisposable
{
    private uint _random = 2463534242;

    /// <summary>What is configured, and the running tables; null in a test without them.</summary>
    public BalancerConfig? Config { get; set; }

    public BalancerState? State { get; set; }

    /// <summary>Number of the shard.</summary>
    public int Shard { get; set; }

    /// <summary>Monotonic time, ms.</summary>
    public long Now { get; set; }

    /// <summary>The wall clock; a test sets its own.</summary>
    public Func<DateTimeOffset> Clock { get; init; } = static () => DateTimeOffset.UtcNow;

    public int Frontend { get; set; } = -1;

    public int Backend { get; set; } = -1;

    /// <summary>Index of the listener among all binds.</summary>
    public int Bind { get; set; } = -1;

    public int Server { get; set; } = -1;

    /// <summary>The proxy whose rule is being run: names without a section mean this one.</summary>
    public int CurrentProxy { get; set; } = -1;

    /// <summary>Client's address, as PROXY or set-src may have changed it; family 0 = none.</summary>
    public SocketAddressBytes Source;

    /// <summary>The address the client connected to; family 0 = none. See <see cref="NeedDestination"/>.</summary>
    public SocketAddressBytes Destination;

    /// <summary>The connection's own addresses, whatever PROXY or rules say.</summary>
    public SocketAddressBytes ConnectionSource;
    public SocketAddressBytes ConnectionDestination;

    /// <summary>Own and the server's address of the connection to the server.</summary>
    public SocketAddressBytes ServerSource;
    public SocketAddressBytes ServerDestination;

    /// <summary>The client's socket: its local address is asked for when a fetch needs it. -1 = none.</summary>
    public int ClientFd { get; set; } = -1;

    /// <summary>The server's socket, -1 = none.</summary>
    public int ServerFd { get; set; } = -1;

    /// <summary>Is this stream in HTTP mode?</summary>
    public bool Http { get; set; }

    /// <summary>The request is the first of its connection.</summary>
    public bool FirstRequest { get; set; }

    public HttpMessage Request { get; } = new();

    public HttpMessage Response { get; } = new();

    /// <summary>What was received of the client and not yet sent on (TCP content rules); HTTP: the request's body.</summary>
    public byte* RequestBytes { get; set; }

    public int RequestLength { get; set; }

    public byte* ResponseBytes { get; set; }

    public int ResponseLength { get; set; }

    /// <summary>
    /// No more bytes are waited for (the peer ended, the inspect delay is over, the buffer is full): what is absent now
    /// stays absent.
    /// </summary>
    public bool Final { get; set; } = true;

    /// <summary>The expression is asked for all values one after the other (ACLs), not for the one that stands for all.</summary>
    public bool Iterate { get; set; }

    /// <summary>Which message rules of this moment are about.</summary>
    public bool IsResponse { get; set; }

    /// <summary>%rt and %ID of a format that stands in a rule.</summary>
    public uint RequestNumber { get; set; }

    public string? UniqueId { get; set; }

    public ProcessVariables? ProcessVariables { get; set; }

    public VariableStore? SessionVariables { get; set; }

    public VariableStore? TransactionVariables { get; set; }

    public VariableStore? RequestVariables { get; set; }

    public VariableStore? ResponseVariables { get; set; }

    public VariableStore? CheckVariables { get; set; }

    /// <summary>Values of <c>capture request</c> and <c>response</c> slots; null where nothing is captured.</summary>
    public CaptureStore? Captures { get; set; }

    /// <summary>What the connection and its stream track; null where there are no streams.</summary>
    public StickTables.TrackedCounters? SessionCounters { get; set; }

    public StickTables.TrackedCounters? StreamCounters { get; set; }

    /// <summary>Memory for made-up text, emptied by the owner before each evaluation.</summary>
    public SampleMemory Temporary { get; } = new();

    /// <summary>The message that <c>hdr</c> and <c>cookie</c> without direction mean.</summary>
    public HttpMessage CurrentMessage => IsResponse ? Response : Request;

    /// <summary>Asks the socket for the address the client connected to, once.</summary>
    public bool NeedDestination()
    {
        if (Family(Destination) == 0 && ClientFd >= 0)
        {
            Ask(ClientFd, ref Destination);
        }

        return Family(Destination) != 0;
    }

    /// <summary>Asks the server's socket for both its addresses; without a socket there are none.</summary>
    public void AskServerAddresses()
    {
        ServerSource = ServerDestination = default;
        if (ServerFd >= 0)
        {
            Ask(ServerFd, ref ServerSource);
            SocketAddressBytes peer = default;
            uint length = (uint)sizeof(SocketAddressBytes);
            ServerDestination = Linux.DataSyscalls.getpeername(ServerFd, &peer, &length) == 0 ? peer : default;
        }
    }

    public static int Family(in SocketAddressBytes address)
    {
        fixed (SocketAddressBytes* p = &address)
        {
            return *(ushort*)p;
        }
    }

    /// <summary>A pseudo-random number; not for secrets.</summary>
    public uint NextRandom()
    {
        _random ^= _random << 13;
        _random ^= _random >> 17;
        _random ^= _random << 5;
        return _random;
    }

    public void Seed(uint seed) => _random = seed | 1;

    /// <summary>The tracked counter of a number, the connection's before the stream's; without an entry where there is none.</summary>
    public StickTables.TrackedCounter Tracked(long number) =>
        SessionCounters is { Any: true } session && session[number] is { Entry: not null } counter
            ? counter : StreamCounters?[number] ?? default;

    /// <summary>The store of a scope; null where there is none here.</summary>
    public VariableStore? Variables(VariableScope scope) => scope switch
    {
        VariableScope.Session => SessionVariables,
        VariableScope.Transaction => TransactionVariables,
        VariableScope.Request => RequestVariables,
        VariableScope.Response => ResponseVariables,
        VariableScope.Check => CheckVariables,
        _ => null,
    };

    public bool TryGetVariable(VariableName name, ref Sample sample) => name.Scope == VariableScope.Process
        ? ProcessVariables is { } p && p.TryGet(this, name.Id, ref sample)
        : Variables(name.Scope) is { } store && store.TryGet(name.Id, ref sample);

    public bool SetVariable(VariableName name, in Sample value)
    {
        if (name.Scope == VariableScope.Process)
        {
            ProcessVariables?.Set(name.Id, value);
            return ProcessVariables is not null;
        }

        var store = Variables(name.Scope);
        store?.Set(name.Id, value);
        return store is not null;
    }

    public void UnsetVariable(VariableName name)
    {
        if (name.Scope == VariableScope.Process)
        {
            ProcessVariables?.Unset(name.Id);
        }
        else
        {
            Variables(name.Scope)?.Unset(name.Id);
        }
    }

    public void Dispose() => Temporary.Dispose();

    private static void Ask(int fd, ref SocketAddressBytes into)
    {
        SocketAddressBytes address = default;
        uint length = (uint)sizeof(SocketAddressBytes);
        if (Linux.DataSyscalls.getsockname(fd, &address, &length) == 0)
        {
            into = address;
        }
    }
}
