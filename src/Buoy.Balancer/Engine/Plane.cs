using System.Runtime.InteropServices;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Balance;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Engine;

/// <summary>What a mailbox message asks of a shard.</summary>
internal enum CommandKind
{
    ServersChanged,
    ShutdownSessions,
    StopListening,
    SetFrontend,
    Ping,

    /// <summary>Room came free: paused listeners and queues look again.</summary>
    Resume,

    /// <summary>A local answer: connection index, generation, bytes.</summary>
    Reply,
    Stop,

    /// <summary>List the streams into the payload, then answer.</summary>
    Sessions,

    /// <summary>End a stream, then answer whether it was here.</summary>
    KillSession,
}

/// <summary>A question to all shards about their streams.</summary>
internal sealed record SessionQuestion(List<SessionInfo> Found, long Id, Action<bool> Answered);

/// <summary>A mailbox message.</summary>
internal readonly record struct Command(
    CommandKind Kind, int A = 0, int B = 0, bool Flag = false, object? Payload = null);

/// <summary>A shard as the other shards and the control thread see it: something one can post to.</summary>
internal interface IMailbox
{
    void Post(in Command command);
}

/// <summary>A shard, whatever poller it uses.</summary>
internal interface IShard : IMailbox, IDisposable
{
    void AddListener(int fd, BindConfig bind, bool shared);

    void Start();
}

/// <summary>
/// What the shards of one data plane share. The few cells that are written by more than one are named so.
/// </summary>
internal sealed unsafe class Plane : IServerLoad, IDisposable
{
    /// <summary>Ints between two shards' cells: one pair of cache lines each.</summary>
    private const int Pad = 32;
    private readonly int* _active;
    private readonly int* _serverConnections;
    private readonly uint* _lastChange;
    private readonly uint* _turns;
    private readonly bool[] _counted;
    private readonly bool[] _stamped;
    private readonly int* _serverQueue;
    private readonly int[] _minConn;
    private readonly int[] _fullConn;
    private uint _changes;
    private uint _requests;

    public Plane(BalancerState state, ILogSink logs, ILocalService? local)
    {
        State = state;
        MaxConn = state.Config.Global.MaxConn ?? 0;
        SessionRates = [.. state.Config.Proxies.Select(_ => new SecondRate())];
        FrontendMaxConn = [.. state.Config.Proxies.Select(p => p.MaxConn)];
        Logs = logs;
        Local = local;
        SetVariables(state.Config);
        _active = Alloc(state.Shards * Pad);
        Waiting = Alloc(state.Config.Proxies.Count + 1);
        Paused = Alloc(state.Shards * Pad);
        int servers = state.Servers.Count;
        _serverConnections = Alloc(servers + 1);
        _lastChange = (uint*)Alloc(servers + 1);
        _turns = (uint*)Alloc(state.Config.Proxies.Count * Pad);
        _counted = new bool[servers];
        _stamped = new bool[servers];
        _serverQueue = Alloc(servers + 1);
        _minConn = new int[servers];
        _fullConn = [.. state.Config.Proxies.Select(p => p.FullConn ?? DefaultFullConn(state.Config, p.Index))];
        foreach (var s in state.Config.Servers)
        {
            Prepare(s);
        }
    }

    /// <summary>Before a server takes its first connection: what is counted of it.</summary>
    public void Prepare(ServerConfig s)
    {
        var backend = State.Config.Proxies[s.Proxy];
        _counted[s.Index] = s.Dynamic || s.MaxConn > 0 || s.MinConn > 0 || backend.BalanceFactor > 0
            || backend.Balance.Algorithm is "leastconn" or "random" or "first";
        _stamped[s.Index] = backend.Balance.Algorithm == "leastconn";
        _minConn[s.Index] = s.MinConn ?? 0;
        _lastChange[s.Index] = Interlocked.Increment(ref _changes);
    }

    private void SetVariables(BalancerConfig config)
    {
        if (config.Variables.Count == 0)
        {
            return;
        }

        using var run = new Rules.RuleRun();
        using var stream = new Rules.StreamRules();
        run.Scope.Config = config;
        run.Scope.ProcessVariables = ProcessVariables;
        run.Begin(run.Scope.Request, stream);
        _ = run.Run([.. config.Variables]);
    }

    public BalancerState State { get; }

    /// <summary>Limit of connections of the process, as the runtime API left it; 0 = none.</summary>
    public int MaxConn;

    /// <summary>Connections per second that the process may take, 0 = any number.</summary>
    public int AcceptRate;

    /// <summary>Until then (ms) no shard says again that descriptors are exhausted: they all see it at once.</summary>
    public long ExhaustedQuietUntil;

    private readonly SecondRate _rate = new();

    /// <summary>rate-limit sessions: what frontends took in this second, by proxy.</summary>
    public SecondRate[] SessionRates { get; }

    /// <summary>Limits of connections of the frontends, by proxy; 0 = none.</summary>
    public int[] FrontendMaxConn { get; }

    /// <summary>Connections that <see cref="AcceptRate"/> leaves in this second of the clock (ms).</summary>
    public int RateRoom(long now) => _rate.Room(now, Volatile.Read(ref AcceptRate));

    /// <summary>One was taken while there is a rate.</summary>
    public void CountRate() => _rate.Count();

    public ILogSink Logs { get; }

    /// <summary>%rt: counts requests (HTTP) and sessions (TCP) from 0, only where a format shows it.</summary>
    public uint NextRequestNumber() => Interlocked.Increment(ref _requests) - 1;

    /// <summary>Variables of the scope "proc".</summary>
    public Rules.Samples.ProcessVariables ProcessVariables => State.Variables;

    public ILocalService? Local { get; }

    public IMailbox[] Mailboxes { get; set; } = [];

    /// <summary>Written by all shards (Interlocked): streams that wait in the queue of each backend.</summary>
    public int* Waiting { get; }

    /// <summary>Per shard: 1 while a listener of it waits for room.</summary>
    private int* Paused { get; }

    /// <summary>Clients connected on a shard; only that shard writes it.</summary>
    public ref int Active(int shard) => ref _active[shard * Pad];

    public ref int PausedOf(int shard) => ref Paused[shard * Pad];

    public int ActiveConnections
    {
        get
        {
            int sum = 0;
            for (int i = 0; i < State.Shards; i++)
            {
                sum += Volatile.Read(ref Active(i));
            }

            return sum;
        }
    }

    /// <inheritdoc/>
    public int Connections(int server) => _counted[server]
        ? Volatile.Read(ref _serverConnections[server])
        : (int)State.Counters.Sum(State.Counters.Server(server), Counter.SessionsCurrent);

    /// <inheritdoc/>
    public uint LastChange(int server) => Volatile.Read(ref _lastChange[server]);

    /// <inheritdoc/>
    public ref uint Turn(int backend) => ref _turns[backend * Pad];

    /// <inheritdoc/>
    public int NextTurn(int backend, int length, int loop)
    {
        ref uint turn = ref Turn(backend);
        while (true)
        {
            uint seen = Volatile.Read(ref turn);
            uint at = seen < (uint)length ? seen : (uint)loop;
            if (State.Shards == 1)
            {
                turn = at + 1;
                return (int)at;
            }

            if (Interlocked.CompareExchange(ref turn, at + 1, seen) == seen)
            {
                return (int)at;
            }
        }
    }

    /// <inheritdoc/>
    public int Limit(int server)
    {
        int max = State.Servers[server].MaxConn;
        int min = _minConn[server];
        return min == 0 || max == 0 ? max : Ramp(server, min, max);
    }

    /// <summary>Streams that wait for one server; written by all shards (Interlocked).</summary>
    public ref int ServerQueue(int server) => ref _serverQueue[server];

    /// <summary>minconn at no load, maxconn at fullconn, a straight line between (manual, "fullconn").</summary>
    private int Ramp(int server, int min, int max)
    {
        int proxy = State.Config.Servers[server].Proxy;
        int backend = State.Counters.Backend(proxy);
        long load = State.Counters.Sum(backend, Counter.SessionsCurrent)
            - State.Counters.Sum(backend, Counter.QueueCurrent);
        int full = _fullConn[proxy];
        return load >= full ? max : (int)Math.Max(min, max * load / full);
    }

    /// <summary>A tenth of the connections that may come to a backend.</summary>
    private static int DefaultFullConn(BalancerConfig config, int backend) => Math.Max(1, (config.Proxies
        .Where(p => p.HasFrontend && (p.DefaultBackend ?? p.Index) == backend)
        .Sum(p => p.MaxConn > 0 ? p.MaxConn : config.Global.MaxConn ?? 2000) + 9) / 10);

    public void AddConnection(int server)
    {
        if (_counted[server])
        {
            Interlocked.Increment(ref _serverConnections[server]);
            Stamp(server);
        }
    }

    public void RemoveConnection(int server)
    {
        if (_counted[server])
        {
            Interlocked.Decrement(ref _serverConnections[server]);
            Stamp(server);
        }
    }

    public void PostToOthers(int shard, in Command command)
    {
        for (int i = 0; i < Mailboxes.Length; i++)
        {
            if (i != shard)
            {
                Mailboxes[i].Post(command);
            }
        }
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_active);
        NativeMemory.AlignedFree(Waiting);
        NativeMemory.AlignedFree(Paused);
        NativeMemory.AlignedFree(_serverConnections);
        NativeMemory.AlignedFree(_serverQueue);
        NativeMemory.AlignedFree(_lastChange);
        NativeMemory.AlignedFree(_turns);
    }

    private void Stamp(int server)
    {
        if (_stamped[server])
        {
            Volatile.Write(ref _lastChange[server], Interlocked.Increment(ref _changes));
        }
    }

    private static int* Alloc(int count)
    {
        nuint bytes = (nuint)(Math.Max(1, count) * sizeof(int));
        var p = (int*)NativeMemory.AlignedAlloc(bytes, 128);
        NativeMemory.Clear(p, bytes);
        return p;
    }
}
