using System.Globalization;
using System.Text;
using Buoy.Balancer.Control;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Stats;

/// <summary>The process's figures (<c>show info</c>, management manual 9.3). 0 where the notion does not exist
/// here.</summary>
public sealed class ProcessInfo(BalancerState state, ControlOptions options, string node)
{
    private readonly FrequencyCounter _connections = new(), _sessions = new(), _bytes = new();
    private readonly long _begun = EventLoop.Now;
    private readonly long _startTime = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>What lies outside: asked on every print.</summary>
    public sealed record Situation(
        int CurrentConnections, int Listeners, bool Stopping, long DroppedLogs, long FailedResolutions, int MaxConn)
    {
        /// <summary>Connections per second that are taken, 0 = any number.</summary>
        public int ConnectionRateLimit { get; init; }

        /// <inheritdoc cref="ConnectionRateLimit"/>
        public int SessionRateLimit { get; init; }
    }

    /// <summary>One figure.</summary>
    public sealed record Item(int Position, string Name, string Tags, string Type, string Value, string Description);

    /// <summary>Once a second.</summary>
    public void Tick(long now)
    {
        _connections.Tick(Sum(Counter.ConnectionsTotal), now);
        _sessions.Tick(Sum(Counter.SessionsTotal), now);
        _bytes.Tick(Sum(Counter.BytesOut), now);
    }

    /// <summary>"clear counters".</summary>
    public void ClearMax()
    {
        _connections.ClearMax();
        _sessions.ClearMax();
    }

    /// <summary>All figures in HAProxy's order and with its positions.</summary>
    public IReadOnlyList<Item> Items(Situation at, long now)
    {
        var list = new List<Item>(72);
        long up = (now - _begun) / 1000, limit = ControlSocket.DescriptorLimit();
        void Text(int pos, string name, string tags, string value, string about) =>
            list.Add(new Item(pos, name, tags, "str", value, about));
        void Number(int pos, string name, string tags, long value, string about, string type = "u32") =>
            list.Add(new Item(pos, name, tags, type, value.ToString(CultureInfo.InvariantCulture), about));
        void Absent(string tags, int first, params string[] names)
        {
            foreach (string n in names)
            {
                Number(first++, n, tags, 0, "not applicable");
            }
        }

        Text(0, "Name", "POS", options.Name, "Product");
        Text(1, "Version", "POS", options.Version, "Version");
        Text(2, "Release_date", "POS", options.ReleaseDate, "Date of the release");
        Number(3, "Nbthread", "CGS", state.Shards, "Shards, one thread each");
        Number(4, "Nbproc", "CGS", 1, "Worker processes, always 1");
        Number(5, "Process_num", "KGP", 1, "Number of this worker, always 1");
        Number(6, "Pid", "SGP", options.Pid, "Process id");
        Text(7, "Uptime", "MDP", FormattableString.Invariant(
            $"{up / 86400}d {up / 3600 % 24}h{up / 60 % 60:00}m{up % 60:00}s"), "Time since the start");
        Number(8, "Uptime_sec", "MDP", up, "Seconds since the start");
        Number(9, "Memmax_MB", "CLP", 0, "Memory limit in MB, 0 = none");
        long heap = GC.GetTotalMemory(false);
        Number(10, "PoolAlloc_MB", "MGP", heap >> 20, "Managed memory in MB");
        Number(11, "PoolUsed_MB", "MGP", heap >> 20, "Managed memory in use in MB");
        Number(12, "PoolFailed", "MCP", 0, "Failed allocations");
        Number(13, "Ulimit-n", "CLP", limit, "Limit of open descriptors");
        Number(14, "Maxsock", "CLP", limit, "Limit of sockets");
        Number(15, "Maxconn", "CLP", at.MaxConn, "Limit of connections");
        Number(16, "Hard_maxconn", "CLP", options.MaxConn, "Limit of connections at start");
        Number(17, "CurrConns", "MGP", at.CurrentConnections, "Connections now");
        Number(18, "CumConns", "MCP", Sum(Counter.ConnectionsTotal), "Connections since the start");
        Number(19, "CumReq", "MCP", Sum(Counter.Requests), "Requests since the start");
        Number(20, "MaxSslConns", "MMP", 0, "TLS is not spoken");
        Number(21, "CurrSslConns", "MGP", 0, "TLS is not spoken");
        Number(22, "CumSslConns", "MCP", 0, "TLS is not spoken");
        Number(23, "Maxpipes", "CLP", 0, "Limit of pipes, 0 = none");
        Number(24, "PipesUsed", "MGP", state.Pipes.Used, "Pipes that hold bytes of a connection");
        Number(25, "PipesFree", "MGP", state.Pipes.Free, "Empty pipes kept for later");
        Number(
            26, "ConnRate", "MRP", _connections.Read(Sum(Counter.ConnectionsTotal), now),
                "Connections in the last second");
        Number(27, "ConnRateLimit", "CLP", at.ConnectionRateLimit, "Limit of ConnRate, 0 = none");
        Number(28, "MaxConnRate", "MMP", _connections.Max, "Highest ConnRate");
        Number(29, "SessRate", "MRP", _sessions.Read(Sum(Counter.SessionsTotal), now), "Sessions in the last second");
        Number(30, "SessRateLimit", "CLP", at.SessionRateLimit, "Limit of SessRate, 0 = none");
        Number(31, "MaxSessRate", "MRP", _sessions.Max, "Highest SessRate");
        Number(32, "SslRate", "MRP", 0, "TLS is not spoken");
        Number(33, "SslRateLimit", "CLP", 0, "TLS is not spoken");
        Number(34, "MaxSslRate", "MMP", 0, "TLS is not spoken");
        Number(35, "SslFrontendKeyRate", "MGP", 0, "TLS is not spoken");
        Number(36, "SslFrontendMaxKeyRate", "MMP", 0, "TLS is not spoken");
        Number(37, "SslFrontendSessionReuse_pct", "MGP", 0, "TLS is not spoken");
        Number(38, "SslBackendKeyRate", "MRP", 0, "TLS is not spoken");
        Number(39, "SslBackendMaxKeyRate", "MMP", 0, "TLS is not spoken");
        Absent("MCP", 40, "SslCacheLookups", "SslCacheMisses");
        Absent("MRP", 42, "CompressBpsIn", "CompressBpsOut");
        Absent("CLP", 44, "CompressBpsRateLim");
        Absent("MGP", 47, "Tasks", "Run_queue");
        Number(49, "Idle_pct", "MaP", 100, "Not measured");
        Text(50, "node", "COS", node, "Name of the node");
        Number(52, "Stopping", "MGP", at.Stopping ? 1 : 0, "1 while a soft stop is under way");
        Number(53, "Jobs", "MGP", at.CurrentConnections + at.Listeners, "Connections and listeners");
        Absent("MGP", 54, "Unstoppable Jobs");
        Number(55, "Listeners", "MGP", at.Listeners, "Listeners that accept");
        Absent("MGP", 56, "ActivePeers", "ConnectedPeers");
        Number(58, "DroppedLogs", "MGP", at.DroppedLogs, "Log lines lost");
        Absent("MGP", 59, "BusyPolling");
        Number(60, "FailedResolutions", "MGP", at.FailedResolutions, "Name resolutions without an address");
        Number(61, "TotalBytesOut", "MGP", Sum(Counter.BytesOut), "Bytes sent to clients", "u64");
        Number(62, "TotalSplicdedBytesOut", "MGP", Sum(Counter.BytesSpliced), "Of these, through a pipe", "u64");
        Number(
            63, "BytesOutRate", "MRP", _bytes.Read(Sum(Counter.BytesOut), now), "Bytes sent in the last second", "u64");
        Absent("MGP", 64, "DebugCommandsIssued");
        Absent("MCP", 65, "CumRecvLogs");
        Text(66, "Build info", "POS", options.Version, "Version");
        Number(67, "Memmax_bytes", "CLP", 0, "Memory limit, 0 = none");
        Number(68, "PoolAlloc_bytes", "MGP", heap, "Managed memory", "u64");
        Number(69, "PoolUsed_bytes", "MGP", heap, "Managed memory in use", "u64");
        Number(70, "Start_time_sec", "MDP", _startTime, "Unix time of the start");
        Text(71, "Tainted", "SGP", "0", "Experimental features in use");
        return list;
    }

    /// <summary>As <c>show info</c> prints it.</summary>
    public static string Print(IEnumerable<Item> items, bool typed, bool json, bool description)
    {
        var s = new StringBuilder();
        if (json)
        {
            s.Append('[');
            foreach (var i in items)
            {
                s.Append(s.Length > 1 ? "," : "").Append('{');
                StatFormats.JsonField(s, i.Position, i.Name, i.Tags, i.Type, i.Value);
                s.Append('}');
            }

            return s.Append("]\n").ToString();
        }

        foreach (var i in items)
        {
            s.Append(
                typed ? FormattableString.Invariant($"{i.Position}.{i.Name}.1:{i.Tags}:{i.Type}:{i.Value}")
                    : $"{i.Name}: {i.Value}");
            s.Append(description ? $":\"{Descriptions.Info(i.Name) ?? i.Description}\"\n" : "\n");
        }

        return s.ToString();
    }

    private long Sum(Counter counter)
    {
        long sum = 0;
        for (int p = 0; p < state.Config.Proxies.Count; p++)
        {
            sum += state.Counters.Sum(state.Counters.Frontend(p), counter);
        }

        return sum;
    }
}
