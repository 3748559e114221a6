using Buoy.Balancer.State;

namespace Buoy.Balancer.Rules.Samples;

/// <summary>Sections, servers and their load (manual 7.3.2, 7.3.3), read from the counters and slots of the
/// process.</summary>
internal static unsafe class StateFetches
{
    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("be_conn", "backend", SampleType.Sint, SampleSource.InternalState,
            (SampleScope c, SampleArguments a, ref Sample s) => Current(c, Proxy(a), backend: true, ref s)),
        new("fe_conn", "frontend", SampleType.Sint, SampleSource.InternalState,
            (SampleScope c, SampleArguments a, ref Sample s) => Current(c, Proxy(a), backend: false, ref s)),
        new("nbsrv", "backend", SampleType.Sint, SampleSource.InternalState,
            (SampleScope c, SampleArguments a, ref Sample s) => Usable(c, Proxy(a), ref s)),
        new("queue", "backend", SampleType.Sint, SampleSource.InternalState,
            (SampleScope c, SampleArguments a, ref Sample s) => Queued(c, Proxy(a), ref s)),
        new("avg_queue", "backend", SampleType.Sint, SampleSource.InternalState, AverageQueue),
        new("connslots", "backend", SampleType.Sint, SampleSource.InternalState, Slots),
        new("srv_conn", "server", SampleType.Sint, SampleSource.InternalState,
            (SampleScope c, SampleArguments a, ref Sample s) => ServerCounter(c, a, Counter.SessionsCurrent, ref s)),
        new("srv_queue", "server", SampleType.Sint, SampleSource.InternalState,
            (SampleScope c, SampleArguments a, ref Sample s) => ServerCounter(c, a, Counter.QueueCurrent, ref s)),
        new("srv_is_up", "server", SampleType.Bool, SampleSource.InternalState, IsUp),
        new("srv_weight", "server", SampleType.Sint, SampleSource.InternalState, Weight),
        new("srv_iweight", "server", SampleType.Sint, SampleSource.InternalState, InitialWeight),
        new("fe_id", "", SampleType.Sint, SampleSource.Frontend,
            (SampleScope c, SampleArguments _, ref Sample s) => ProxyId(c, c.Frontend, ref s)),
        new("be_id", "", SampleType.Sint, SampleSource.Backend,
            (SampleScope c, SampleArguments _, ref Sample s) => ProxyId(c, c.Backend, ref s)),
        new("srv_id", "", SampleType.Sint, SampleSource.Server, ServerId),
        new("so_id", "", SampleType.Sint, SampleSource.Frontend, ListenerId),
        new("so_name", "", SampleType.Str, SampleSource.Frontend, ListenerName),
        new("dst_conn", "", SampleType.Sint, SampleSource.Frontend, ListenerConnections),
    ];

    /// <summary>Converters that find a section or server by a name that is only known now.</summary>
    public static IEnumerable<ConverterEntry> Converters() =>
    [
        new("nbsrv", "", SampleType.Str, SampleType.Sint, UsableOfName),
        new("srv_queue", "", SampleType.Str, SampleType.Sint, QueueOfName),
    ];

    private static int Proxy(SampleArguments arguments) => arguments[0]?.Index ?? -1;

    private static bool Current(SampleScope scope, int proxy, bool backend, ref Sample sample)
    {
        if (scope.State is not { } state || proxy < 0)
        {
            return false;
        }

        var c = state.Counters;
        sample.SetInteger(c.Sum(backend ? c.Backend(proxy) : c.Frontend(proxy), Counter.SessionsCurrent));
        return true;
    }

    private static bool Usable(SampleScope scope, int proxy, ref Sample sample)
    {
        if (scope.State is not { } state || proxy < 0)
        {
            return false;
        }

        sample.SetInteger(UsableServers(state, proxy));
        return true;
    }

    private static int UsableServers(BalancerState state, int proxy)
    {
        int count = 0;
        int backups = 0;
        foreach (var s in state.Config.Proxies[proxy].Servers)
        {
            ref var slot = ref state.Servers[s.Index];
            int up = Volatile.Read(ref slot.Eligible);
            count += slot.Backup == 0 ? up : 0;
            backups += slot.Backup != 0 ? up : 0;
        }

        return count > 0 ? count : state.Config.Proxies[proxy].AllBackups ? backups : Math.Min(1, backups);
    }

    private static long Queue(BalancerState state, int proxy)
    {
        var c = state.Counters;
        long queued = c.Sum(c.Backend(proxy), Counter.QueueCurrent);
        foreach (var s in state.Config.Proxies[proxy].Servers)
        {
            queued += c.Sum(c.Server(s.Index), Counter.QueueCurrent);
        }

        return queued;
    }

    private static bool Queued(SampleScope scope, int proxy, ref Sample sample)
    {
        if (scope.State is not { } state || proxy < 0)
        {
            return false;
        }

        sample.SetInteger(Queue(state, proxy));
        return true;
    }

    /// <summary>Queued requests per usable server, rounded up; without a server, the queue itself.</summary>
    private static bool AverageQueue(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        int proxy = Proxy(arguments);
        if (scope.State is not { } state || proxy < 0)
        {
            return false;
        }

        long queued = Queue(state, proxy);
        int servers = UsableServers(state, proxy);
        sample.SetInteger(servers > 0 ? (queued + servers - 1) / servers : queued * 2);
        return true;
    }

    /// <summary>Connections and queue places that servers with maxconn have left; -1 where one has no limit.</summary>
    private static bool Slots(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        int proxy = Proxy(arguments);
        if (scope.State is not { } state || proxy < 0)
        {
            return false;
        }

        long free = 0;
        foreach (var s in state.Config.Proxies[proxy].Servers)
        {
            ref var slot = ref state.Servers[s.Index];
            if (Volatile.Read(ref slot.Eligible) == 0)
            {
                continue;
            }

            if (slot.MaxConn == 0)
            {
                sample.SetInteger(-1);
                return true;
            }

            var c = state.Counters;
            free += slot.MaxConn - c.Sum(c.Server(s.Index), Counter.SessionsCurrent);
        }

        sample.SetInteger(free);
        return true;
    }

    private static bool ServerCounter(SampleScope scope, SampleArguments arguments, Counter counter, ref Sample sample)
    {
        int server = arguments[0]?.Index ?? -1;
        if (scope.State is not { } state || server < 0)
        {
            return false;
        }

        sample.SetInteger(state.Counters.Sum(state.Counters.Server(server), counter));
        return true;
    }

    private static bool IsUp(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        int server = arguments[0]?.Index ?? -1;
        if (scope.State is not { } state || server < 0)
        {
            return false;
        }

        sample.SetBool(Volatile.Read(ref state.Servers[server].Eligible) != 0);
        return true;
    }

    private static bool Weight(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        int server = arguments[0]?.Index ?? -1;
        if (scope.State is not { } state || server < 0)
        {
            return false;
        }

        sample.SetInteger(Volatile.Read(ref state.Servers[server].Weight));
        return true;
    }

    private static bool InitialWeight(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        int server = arguments[0]?.Index ?? -1;
        if (scope.Config is not { } config || server < 0)
        {
            return false;
        }

        sample.SetInteger(config.Servers[server].Weight);
        return true;
    }

    private static bool ProxyId(SampleScope scope, int proxy, ref Sample sample)
    {
        if (scope.Config is not { } config || proxy < 0)
        {
            return false;
        }

        sample.SetInteger(config.Proxies[proxy].Id);
        return true;
    }

    private static bool ServerId(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (scope.Config is not { } config || scope.Server < 0)
        {
            return false;
        }

        sample.SetInteger(config.Servers[scope.Server].Id);
        return true;
    }

    private static bool ListenerId(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (scope.Config is not { } config || scope.Bind < 0)
        {
            return false;
        }

        sample.SetInteger(config.Binds[scope.Bind].Id);
        return true;
    }

    private static bool ListenerName(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        scope.Config is { } config && scope.Bind >= 0 && config.Binds[scope.Bind].Name is { } name
        && sample.SetCopy(scope, System.Text.Encoding.Latin1.GetBytes(name));

    private static bool ListenerConnections(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (scope.State is not { } state || scope.Bind < 0)
        {
            return false;
        }

        sample.SetInteger(state.Counters.Sum(state.Counters.Bind(scope.Bind), Counter.SessionsCurrent));
        return true;
    }

    private static bool UsableOfName(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (scope.State is not { } state)
        {
            return false;
        }

        foreach (var p in state.Config.Proxies)
        {
            if (p.HasBackend && Is(p.Name, sample.Bytes))
            {
                sample.SetInteger(UsableServers(state, p.Index));
                return true;
            }
        }

        return false;
    }

    private static bool QueueOfName(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        if (scope.State is not { } state)
        {
            return false;
        }

        int slash = sample.Bytes.IndexOf((byte)'/');
        var section = slash < 0 ? default : sample.Bytes[..slash];
        var server = sample.Bytes[(slash + 1)..];
        foreach (var p in state.Config.Proxies)
        {
            if (p.HasBackend && (slash < 0 ? p.Index == scope.Backend : Is(p.Name, section)))
            {
                foreach (var s in p.Servers)
                {
                    if (Is(s.Name, server))
                    {
                        sample.SetInteger(state.Counters.Sum(state.Counters.Server(s.Index), Counter.QueueCurrent));
                        return true;
                    }
                }
            }
        }

        return false;
    }

    private static bool Is(string name, ReadOnlySpan<byte> text)
    {
        if (name.Length != text.Length)
        {
            return false;
        }

        for (int i = 0; i < text.Length; i++)
        {
            if (name[i] != text[i])
            {
                return false;
            }
        }

        return true;
    }
}
