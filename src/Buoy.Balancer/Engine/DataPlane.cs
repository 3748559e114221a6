using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <summary>
/// The data plane: <see cref="BalancerState.Shards"/> threads, each with listeners, connections and a poller of its
/// own. Life: construct, <see cref="Bind"/>, <see cref="Start"/>, …, <see cref="StopListening"/>, wait until
/// <see cref="ActiveConnections"/> is 0, <see cref="Dispose"/>. The state's tables are the caller's and must outlive
/// it.
/// </summary>
public sealed class DataPlane : IDataPlane
{
    private readonly BalancerState _state;
    private readonly Plane _plane;
    private readonly IShard[] _shards;
    private readonly List<int> _shared = [];
    private readonly List<ListeningSocket> _listening = [];
    private InheritedListeners? _inherited;
    private bool _started;
    private bool _stopped;
    private int _disposed;

    /// <summary>
    /// Throws <see cref="NotSupportedException"/> for what the engine lacks and the parser refuses: balance algorithms
    /// other than roundrobin, static-rr, leastconn, first, source, random.
    /// </summary>
    /// <param name="local">Answers requests in HTTP mode itself (stats); null = none.</param>
    public DataPlane(BalancerState state, ILogSink logs, ILocalService? local)
    {
        _state = state;
        _plane = new Plane(state, logs, local);
        int[] cpus = AllowedCpus();
        bool pin = state.Shards > 1 && cpus.Length > 1;
        _shards = new IShard[state.Shards];
        var poller = Pollers.Choose(state.Config.Global);
        for (int i = 0; i < _shards.Length; i++)
        {
            int cpu = pin ? cpus[i % cpus.Length] : -1;
            _shards[i] = poller == PollerKind.IoUring
                ? new Shard<UringPoller>(_plane, i, cpu)
                : new Shard<EpollPoller>(_plane, i, cpu);
        }

        _plane.Mailboxes = [.. _shards];
    }

    /// <inheritdoc/>
    public int ActiveConnections => _plane.ActiveConnections;

    /// <inheritdoc/>
    public IReadOnlyList<(ProxyConfig Proxy, BindConfig Bind, string Error)> Bind()
    {
        var errors = new List<(ProxyConfig, BindConfig, string)>();
        var config = _state.Config;
        foreach (var bind in config.Binds)
        {
            if (config.Proxies[bind.Proxy].Disabled)
            {
                continue;
            }

            var inherited = _inherited?.Take(config, bind) ?? [];
            _listening.AddRange(inherited.Select(fd => new ListeningSocket(fd, bind.Interface ?? "")));
            if (ListenerFactory.PerShard(bind))
            {
                // More than there are shards: all of them must go on being accepted from, connections wait in each.
                for (int i = 0; i < inherited.Count; i++)
                {
                    _shards[i % _shards.Length].AddListener(inherited[i], bind, shared: false);
                }

                foreach (var shard in _shards.Skip(inherited.Count))
                {
                    int fd = ListenerFactory.Open(config, bind, out string error);
                    if (fd < 0)
                    {
                        errors.Add((config.Proxies[bind.Proxy], bind, error));
                        break;
                    }

                    _listening.Add(new ListeningSocket(fd, bind.Interface ?? ""));
                    shard.AddListener(fd, bind, shared: false);
                }

                continue;
            }

            string problem = "";
            int one = inherited.Count > 0 ? inherited[0] : ListenerFactory.Open(config, bind, out problem);
            if (one < 0)
            {
                errors.Add((config.Proxies[bind.Proxy], bind, problem));
                continue;
            }

            if (inherited.Count == 0)
            {
                _listening.Add(new ListeningSocket(one, ""));
            }

            _shared.Add(one);
            foreach (var shard in _shards)
            {
                shard.AddListener(one, bind, shared: true);
            }
        }

        _inherited?.CloseRest();
        return errors;
    }

    /// <inheritdoc/>
    public void Adopt(IReadOnlyList<ListeningSocket> sockets) => (_inherited ??= new InheritedListeners()).Add(sockets);

    /// <inheritdoc/>
    public IReadOnlyList<ListeningSocket> Listening => Volatile.Read(ref _stopped) ? [] : _listening;

    /// <inheritdoc/>
    public void Start()
    {
        _started = true;
        foreach (var shard in _shards)
        {
            shard.Start();
        }
    }

    /// <inheritdoc/>
    public void ServersChanged() => PostAll(new Command(CommandKind.ServersChanged));

    /// <inheritdoc/>
    public void ServerAdded(ServerConfig server) => _plane.Prepare(server);

    /// <inheritdoc/>
    public void ShutdownSessions(int server) => PostAll(new Command(CommandKind.ShutdownSessions, server));

    /// <inheritdoc/>
    public void StopListening()
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        if (!_started)
        {
            CloseShared();
            return;
        }

        int left = _shards.Length;
        PostAll(new Command(CommandKind.StopListening, Payload: (Action)(() =>
        {
            if (Interlocked.Decrement(ref left) == 0)
            {
                CloseShared();
            }
        })));
    }

    /// <inheritdoc/>
    public void SetFrontend(int proxy, bool enabled) =>
        PostAll(new Command(CommandKind.SetFrontend, proxy, Flag: enabled));

    /// <inheritdoc/>
    public void SetMaxConn(int proxy, int maxConn)
    {
        Volatile.Write(ref proxy < 0 ? ref _plane.MaxConn : ref _plane.FrontendMaxConn[proxy], maxConn);
        PostAll(new Command(CommandKind.Resume));
    }

    /// <inheritdoc/>
    public void SetAcceptRate(int perSecond)
    {
        Volatile.Write(ref _plane.AcceptRate, perSecond);
        PostAll(new Command(CommandKind.Resume));
    }

    /// <inheritdoc/>
    public void Sessions(Action<IReadOnlyList<SessionInfo>> answer)
    {
        var found = new List<SessionInfo>();
        int left = _shards.Length;
        PostAll(new Command(CommandKind.Sessions, Payload: new SessionQuestion(found, 0, _ =>
        {
            if (Interlocked.Decrement(ref left) == 0)
            {
                answer(found);
            }
        })));
    }

    /// <inheritdoc/>
    public void ShutdownSession(long id, Action<bool> answer)
    {
        int left = _shards.Length;
        int there = 0;
        PostAll(new Command(CommandKind.KillSession, Payload: new SessionQuestion([], id, found =>
        {
            if (found)
            {
                Interlocked.Exchange(ref there, 1);
            }

            if (Interlocked.Decrement(ref left) == 0)
            {
                answer(there != 0);
            }
        })));
    }

    /// <inheritdoc/>
    public void Ping(Action allAnswered)
    {
        int left = _shards.Length;
        PostAll(new Command(CommandKind.Ping, Payload: (Action)(() =>
        {
            if (Interlocked.Decrement(ref left) == 0)
            {
                allAnswered();
            }
        })));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        foreach (var shard in _shards)
        {
            shard.Dispose();
        }

        CloseShared();
        _plane.Dispose();
    }

    private void PostAll(in Command command)
    {
        foreach (var shard in _shards)
        {
            shard.Post(command);
        }
    }

    private void CloseShared()
    {
        lock (_shared)
        {
            foreach (int fd in _shared)
            {
                _ = close(fd);
            }

            _shared.Clear();
        }
    }
}
