using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine.Balance;
using Buoy.Balancer.Engine.Http;
using Buoy.Balancer.State;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <summary>
/// One thread of the data plane with everything it owns. One turn: (1) wait for events, (2) read the clock, (3) handle
/// the events, (4) run those that used up their share before, (5) fire what is due, (6) free what was closed: not
/// earlier, since events of it may still stand in the batch.
/// </summary>
internal sealed unsafe partial class Shard<TPoller> : IShard
    where TPoller : struct, IPoller
{
    private const int MaxEvents = 256;
    private const int HeadRoom = 16384;
    private const int ScratchSize = 65536;

    /// <summary>Reads per connection and turn; who has more to read waits for the others (run queue).</summary>
    private const int FairReads = 16;

    private readonly Plane _plane;
    private readonly BalancerConfig _config;
    private readonly Counters _counters;
    private readonly ServerTable _servers;
    private readonly int _id;
    private readonly int _cpu;
    private readonly ConcurrentQueue<Command> _mail = new();
    private readonly ConnSlab _slab = new();
    private readonly BufferPool _buffers = new();
    private readonly PipePool _pipes;
    private readonly HttpHead _head = new();
    private readonly ServerPicker?[] _pickers;
    private readonly nint[] _idle;
    private readonly nint[] _queueHead;
    private readonly nint[] _queueTail;
    private readonly List<nint> _listeners = [];
    private readonly byte* _scratchBase;
    private readonly byte* _scratch;
    private readonly byte* _headOut;
    private readonly int _wakeFd;
    private readonly int _headLimit;
    private readonly TimerWheel _wheel;
    private TPoller _poller;
    private Conn* _runHead;
    private Conn* _runTail;
    private Conn* _dead;
    private Thread? _thread;
    private long _now;
    private int _wakePending;
    private bool _stop;

    /// <summary>By proxy: the version of its list of servers that tables of this shard were made of.</summary>
    private readonly int[] _listed;

    /// <summary>
    /// Guarded by <see cref="_mail"/>: a late poster must not write into a descriptor that is someone else's by now.
    /// </summary>
    private bool _closed;

    public Shard(Plane plane, int id, int cpu)
    {
        _plane = plane;
        _config = plane.State.Config;
        _counters = plane.State.Counters;
        _servers = plane.State.Servers;
        _id = id;
        _cpu = cpu;
        _pipes = new PipePool(plane.State.Pipes, id);
        _poller = new TPoller();
        _now = MonotonicMs();
        _wheel = new TimerWheel(_now);
        _headLimit = Math.Min(_config.Global.BufferSize, ScratchSize - 1024);
        uint seed = (uint)((id * 7919) + 1);
        _cookies = [.. _config.Proxies.Select(CookieOf)];
        _sticks = [.. _config.Proxies.Select(SticksOf)];
        _serverIds = [.. _config.Proxies.Select(ServerIdsOf)];
        _serverNames = [.. _config.Proxies.Select(ServerNamesOf)];
        _serverAddresses = new string?[_servers.Count];
        _keyKinds = [.. _config.Proxies.Select(KeyKindOf)];
        _pickers = [.. _config.Proxies.Select(p => p.HasBackend ? ServerPicker.Create(p, seed) : null)];
        _idle = new nint[_servers.Count];
        (_peak, _peakBefore) = (new int[_servers.Count], new int[_servers.Count]);
        _listed = [.. _config.Proxies.Select(p => p.Servers.Version)];
        _queueHead = new nint[_config.Proxies.Count];
        _queueTail = new nint[_config.Proxies.Count];
        _requestLines = [];
        PrepareLogs();
        _wakeFd = eventfd(0, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (_wakeFd < 0)
        {
            throw new Linux.LinuxException("eventfd", *ErrnoLocation());
        }

        _scratchBase = (byte*)NativeMemory.AlignedAlloc(HeadRoom + ScratchSize + 64, 4096);
        _scratch = _scratchBase + HeadRoom;
        _headOut = (byte*)NativeMemory.AlignedAlloc(ScratchSize + HeadRoom, 4096);
        InitRules();
    }

    /// <summary>A listener this shard accepts on. Before <see cref="Start"/> only.</summary>
    public void AddListener(int fd, BindConfig bind, bool shared)
    {
        var l = _slab.Take(ConnKind.Listener);
        l->Fd = fd;
        l->Frontend = bind.Proxy;
        l->Bind = bind.Index;
        l->BindCounters = _counters.Block(_id, _counters.Bind(bind.Index));
        l->FrontendCounters = _counters.Block(_id, _counters.Frontend(bind.Proxy));
        l->Flags = shared ? ConnFlags.Shared : ConnFlags.None;
        _listeners.Add((nint)l);
    }

    public void Start()
    {
        _thread = new Thread(Run, 512 * 1024) { IsBackground = true, Name = $"shard {_id}" };
        _thread.Start();
    }

    /// <inheritdoc/>
    public void Post(in Command command)
    {
        _mail.Enqueue(command);
        if (Interlocked.Exchange(ref _wakePending, 1) != 0)
        {
            return;
        }

        lock (_mail)
        {
            if (!_closed)
            {
                ulong one = 1;
                _ = write(_wakeFd, &one, 8);
            }
        }
    }

    /// <summary>Ends the thread, closes every connection and frees all memory.</summary>
    public void Dispose()
    {
        Post(new Command(CommandKind.Stop));
        if (_thread is null)
        {
            CloseListeners();
        }

        _thread?.Join();
        lock (_mail)
        {
            _closed = true;
            _ = close(_wakeFd);
        }

        _pipes.Dispose();
        _buffers.Dispose();
        _slab.Dispose();
        NativeMemory.AlignedFree(_scratchBase);
        NativeMemory.AlignedFree(_headOut);
    }

    private void Run()
    {
        if (_cpu >= 0)
        {
            _ = PinThread(_cpu);
        }

        _poller.Open();
        var mailbox = _slab.Take(ConnKind.Mailbox);
        mailbox->Fd = _wakeFd;
        Require(_poller.WatchReadable(_wakeFd, (nint)mailbox, false));
        RebuildPickers();
        foreach (nint p in _listeners)
        {
            var l = (Conn*)p;
            Require(_poller.WatchReadable(l->Fd, p, l->Has(ConnFlags.Shared)));
        }

        var events = stackalloc Readiness[MaxEvents];
        while (!_stop)
        {
            int n = _poller.Wait(events, MaxEvents, _runHead != null ? 0 : _wheel.NextWait(_now));
            _now = MonotonicMs();
            for (int i = 0; i < n; i++)
            {
                OnEvent((Conn*)events[i].Key, events[i].Events);
            }

            RunQueued();
            Conn* due;
            while ((due = _wheel.Expire(_now)) != null)
            {
                OnTimer(due);
            }

            FreeDead();
        }

        CloseAll();
        _poller.Close();
    }

    private void OnEvent(Conn* c, uint events)
    {
        if (c->Has(ConnFlags.Dead))
        {
            return;
        }

        switch (c->Kind)
        {
            case ConnKind.Client:
                Note(c, events);
                OnClient(c, events);
                break;
            case ConnKind.Server:
                Note(c, events);
                OnServer(c, events);
                break;
            case ConnKind.Listener:
                c->Flags |= ConnFlags.ReadReady;
                Accept(c);
                break;
            case ConnKind.Mailbox:
                ReadMail();
                break;
            case ConnKind.Free:
            default:
                break;
        }
    }

    private static void Note(Conn* c, uint events)
    {
        if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        {
            c->Flags |= ConnFlags.ReadReady;
            if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
            {
                c->Flags |= ConnFlags.ReadHangUp;
                if ((events & EPOLLERR) != 0)
                {
                    c->Flags |= ConnFlags.Error;
                }
            }
        }

        if ((events & EPOLLOUT) != 0)
        {
            c->Flags |= ConnFlags.WriteReady;
        }
    }

    /// <summary>Puts a connection behind the others that still have work this turn or the next.</summary>
    private void Enqueue(Conn* c)
    {
        if (c->Has(ConnFlags.InRunQueue))
        {
            return;
        }

        c->Flags |= ConnFlags.InRunQueue;
        c->RunNext = null;
        if (_runTail != null)
        {
            _runTail->RunNext = c;
        }
        else
        {
            _runHead = c;
        }

        _runTail = c;
    }

    private void RunQueued()
    {
        var c = _runHead;
        _runHead = null;
        _runTail = null;
        while (c != null)
        {
            var next = c->RunNext;
            c->Flags &= ~ConnFlags.InRunQueue;
            if (!c->Has(ConnFlags.Dead))
            {
                switch (c->Kind)
                {
                    case ConnKind.Client:
                        OnClient(c, EPOLLIN);
                        break;
                    case ConnKind.Server:
                        OnServer(c, EPOLLIN);
                        break;
                    case ConnKind.Listener:
                        Accept(c);
                        break;
                    case ConnKind.Mailbox:
                        ReadMail();
                        break;
                    case ConnKind.Free:
                    default:
                        break;
                }
            }

            c = next;
        }
    }

    private void ReadMail()
    {
        ulong count;
        _ = read(_wakeFd, &count, 8);
        Volatile.Write(ref _wakePending, 0);
        Interlocked.MemoryBarrier();
        while (_mail.TryDequeue(out var m))
        {
            switch (m.Kind)
            {
                case CommandKind.ServersChanged:
                    RebuildPickers();
                    ServeAllQueues();
                    break;
                case CommandKind.ShutdownSessions:
                    ShutdownServer(m.A);
                    break;
                case CommandKind.StopListening:
                    DrainListeners();
                    CloseListeners();
                    EndKeptClients();
                    Count((Action?)m.Payload);
                    break;
                case CommandKind.SetFrontend:
                    SetFrontend(m.A, m.Flag);
                    break;
                case CommandKind.Ping:
                    Count((Action?)m.Payload);
                    break;
                case CommandKind.Resume:
                    ResumeListeners();
                    ServeAllQueues();
                    break;
                case CommandKind.Reply:
                    OnLocalReply(m.A, m.B, (byte[])m.Payload!, m.Flag);
                    break;
                case CommandKind.Sessions:
                    ListSessions(((SessionQuestion)m.Payload!).Found);
                    ((SessionQuestion)m.Payload!).Answered(true);
                    break;
                case CommandKind.KillSession:
                    var question = (SessionQuestion)m.Payload!;
                    question.Answered(KillSession(question.Id));
                    break;
                case CommandKind.Stop:
                    _stop = true;
                    break;
                default:
                    throw new InvalidOperationException($"unknown command {m.Kind}");
            }
        }
    }

    private static void Count(Action? answered) => answered?.Invoke();

    private void RebuildPickers()
    {
        for (int i = 0; i < _pickers.Length; i++)
        {
            var backend = _config.Proxies[i];
            if (_listed[i] != backend.Servers.Version)
            {
                _listed[i] = backend.Servers.Version;
                _cookies[i] = CookieOf(backend);
                _serverIds[i] = ServerIdsOf(backend);
                _serverNames[i] = ServerNamesOf(backend);
            }

            _pickers[i]?.Rebuild(backend, _servers);
        }

        for (int server = 0; server < _idle.Length; server++)
        {
            if (_idle[server] != 0 && Volatile.Read(ref _servers[server].Eligible) == 0)
            {
                CloseIdleOf(server);
            }
        }
    }

    private void OnTimer(Conn* c)
    {
        switch (c->Kind)
        {
            case ConnKind.Client:
                OnClientTimer(c);
                break;
            case ConnKind.Server:
                OnIdleTimer(c);
                break;
            case ConnKind.Listener:
                Unpause(c);
                break;
            case ConnKind.Mailbox:
            case ConnKind.Free:
            default:
                break;
        }
    }

    private void FreeDead()
    {
        while (_dead != null)
        {
            var c = _dead;
            _dead = c->ListNext;
            if (c->Has(ConnFlags.InRunQueue))
            {
                RemoveFromRunQueue(c);
            }

            _slab.Return(c);
        }
    }

    private void RemoveFromRunQueue(Conn* c)
    {
        Conn* previous = null;
        for (var p = _runHead; p != null; previous = p, p = p->RunNext)
        {
            if (p != c)
            {
                continue;
            }

            if (previous == null)
            {
                _runHead = p->RunNext;
            }
            else
            {
                previous->RunNext = p->RunNext;
            }

            if (_runTail == c)
            {
                _runTail = previous;
            }

            return;
        }
    }

    /// <summary>
    /// Closes the socket and gives back what the connection holds; the struct lives to the end of the turn.
    /// </summary>
    private void CloseConn(Conn* c)
    {
        if (c->Has(ConnFlags.Dead))
        {
            return;
        }

        _poller.CloseDescriptor(c->Fd);
        _wheel.Remove(c);
        DropBuffers(c);
        c->Flags |= ConnFlags.Dead;
        c->ListNext = _dead;
        _dead = c;
    }

    private void DropBuffers(Conn* c)
    {
        ReleaseOut(c);
        ReleaseIn(c);
        ReleaseHold(c);
        if (c->Pipe >= 0)
        {
            if (c->PipeBytes > 0)
            {
                _pipes.Discard(c->Pipe);
            }
            else
            {
                _pipes.Return(c->Pipe);
            }

            c->Pipe = -1;
            c->PipeBytes = 0;
        }
    }

    private void ReleaseOut(Conn* c)
    {
        if (c->Out != null)
        {
            _buffers.Return(c->Out, c->OutCapacity);
            c->Out = null;
        }

        c->OutLength = 0;
        c->OutOffset = 0;
    }

    private void ReleaseIn(Conn* c)
    {
        if (c->In != null)
        {
            _buffers.Return(c->In, c->InCapacity);
            c->In = null;
        }

        c->InLength = 0;
    }

    private void ReleaseHold(Conn* c)
    {
        if (c->Hold != null)
        {
            _buffers.Return(c->Hold, c->HoldCapacity);
            c->Hold = null;
        }

        c->HoldLength = 0;
    }

    /// <summary>Keeps received bytes for later.</summary>
    private void SaveIn(Conn* c, byte* data, int length)
    {
        if (c->In != null && c->InCapacity < length)
        {
            ReleaseIn(c);
        }

        if (c->In == null)
        {
            c->In = _buffers.Rent(length, out c->InCapacity);
        }

        Buffer.MemoryCopy(data, c->In, c->InCapacity, length);
        c->InLength = length;
    }

    private void CloseAll()
    {
        CloseListeners();
        for (int i = 0; i < _slab.Capacity; i++)
        {
            var c = _slab[i];
            if (c->Kind is ConnKind.Client or ConnKind.Server && !c->Has(ConnFlags.Dead))
            {
                _poller.CloseDescriptor(c->Fd);
                ReleaseOut(c);
                ReleaseIn(c);
                ReleaseHold(c);
                c->Kind = ConnKind.Free;
            }
        }
    }

    private static void Require(int result)
    {
        if (result < 0)
        {
            throw new Linux.LinuxException("epoll_ctl", -result);
        }
    }
}
