namespace Buoy.Balancer.Metrics;

/// <summary>
/// The metrics of the original's Prometheus exporter (2.6), one per line: name without "haproxy_" and its scope, c for
/// counter or g for gauge, source, help. The source of a process metric is a name of <c>show info</c>; of the others a
/// column of the statistics, with a sign before it: ^ = HTTP mode only, / = milliseconds that are told in seconds,
/// ? = only for servers with checks, ! = not a plain column. A line that begins with "+ " goes on with the help.
/// </summary>
internal static class MetricTable
{
    /// <summary>Scope process.</summary>
    public const string Process =
        """
        nbthread|g|Nbthread|Number of started threads (global.nbthread)
        nbproc|g|Nbproc|Number of started worker processes (historical, always 1)
        relative_process_id|g|Process_num|Relative worker process number (1)
        uptime_seconds|g|Uptime_sec|How long ago this worker process was started (seconds)
        pool_failures_total|c|PoolFailed|Number of failed pool allocations since this worker was started
        max_fds|g|Ulimit-n|Hard limit on the number of per-process file descriptors
        max_sockets|g|Maxsock|Hard limit on the number of per-process sockets
        max_connections|g|Maxconn|Hard limit on the number of per-process connections (configured or imposed by
        + Ulimit-n)
        hard_max_connections|g|Hard_maxconn|Hard limit on the number of per-process connections (imposed by
        + Memmax_MB or Ulimit-n)
        current_connections|g|CurrConns|Current number of connections on this worker process
        connections_total|c|CumConns|Total number of connections on this worker process since started
        requests_total|c|CumReq|Total number of requests on this worker process since started
        max_ssl_connections|g|MaxSslConns|Hard limit on the number of per-process SSL endpoints (front+back),
        + 0=unlimited
        current_ssl_connections|g|CurrSslConns|Current number of SSL endpoints on this worker process (front+back)
        ssl_connections_total|c|CumSslConns|Total number of SSL endpoints on this worker process since started
        + (front+back)
        max_pipes|g|Maxpipes|Hard limit on the number of pipes for splicing, 0=unlimited
        pipes_used_total|c|PipesUsed|Current number of pipes in use in this worker process
        pipes_free_total|c|PipesFree|Current number of allocated and available pipes in this worker process
        current_connection_rate|g|ConnRate|Number of front connections created on this worker process over the last
        + second
        limit_connection_rate|g|ConnRateLimit|Hard limit for ConnRate (global.maxconnrate)
        max_connection_rate|g|MaxConnRate|Highest ConnRate reached on this worker process since started (in
        + connections per second)
        current_session_rate|g|SessRate|Number of sessions created on this worker process over the last second
        limit_session_rate|g|SessRateLimit|Hard limit for SessRate (global.maxsessrate)
        max_session_rate|g|MaxSessRate|Highest SessRate reached on this worker process since started (in sessions
        + per second)
        current_ssl_rate|g|SslRate|Number of SSL connections created on this worker process over the last second
        limit_ssl_rate|g|SslRateLimit|Hard limit for SslRate (global.maxsslrate)
        max_ssl_rate|g|MaxSslRate|Highest SslRate reached on this worker process since started (in connections per
        + second)
        current_frontend_ssl_key_rate|g|SslFrontendKeyRate|Number of SSL keys created on frontends in this worker
        + process over the last second
        max_frontend_ssl_key_rate|g|SslFrontendMaxKeyRate|Highest SslFrontendKeyRate reached on this worker process
        + since started (in SSL keys per second)
        frontend_ssl_reuse|g|SslFrontendSessionReuse_pct|Percent of frontend SSL connections which did not require
        + a new key
        current_backend_ssl_key_rate|g|SslBackendKeyRate|Number of SSL keys created on backends in this worker
        + process over the last second
        max_backend_ssl_key_rate|g|SslBackendMaxKeyRate|Highest SslBackendKeyRate reached on this worker process
        + since started (in SSL keys per second)
        ssl_cache_lookups_total|c|SslCacheLookups|Total number of SSL session ID lookups in the SSL session cache
        + on this worker since started
        ssl_cache_misses_total|c|SslCacheMisses|Total number of SSL session ID lookups that didn't find a session
        + in the SSL session cache on this worker since started
        http_comp_bytes_in_total|c|CompressBpsIn|Number of bytes submitted to the HTTP compressor in this worker
        + process over the last second
        http_comp_bytes_out_total|c|CompressBpsOut|Number of bytes emitted by the HTTP compressor in this worker
        + process over the last second
        limit_http_comp|g|CompressBpsRateLim|Limit of CompressBpsOut beyond which HTTP compression is automatically
        + disabled
        current_zlib_memory|g|ZlibMemUsage|Amount of memory currently used by HTTP compression on the current
        + worker process (in bytes)
        max_zlib_memory|g|MaxZlibMemUsage|Limit on the amount of memory used by HTTP compression above which it is
        + automatically disabled (in bytes, see global.maxzlibmem)
        current_tasks|g|Tasks|Total number of tasks in the current worker process (active + sleeping)
        current_run_queue|g|Run_queue|Total number of active tasks+tasklets in the current worker process
        idle_time_percent|g|Idle_pct|Percentage of last second spent waiting in the current worker thread
        stopping|g|Stopping|1 if the worker process is currently stopping, otherwise zero
        jobs|g|Jobs|Current number of active jobs on the current worker process (frontend connections, master
        + connections, listeners)
        unstoppable_jobs|g|Unstoppable Jobs|Current number of unstoppable jobs on the current worker process
        + (master connections)
        listeners|g|Listeners|Current number of active listeners on the current worker process
        active_peers|g|ActivePeers|Current number of verified active peers connections on the current worker process
        connected_peers|g|ConnectedPeers|Current number of peers having passed the connection step on the current
        + worker process
        dropped_logs_total|c|DroppedLogs|Total number of dropped logs for current worker process since started
        busy_polling_enabled|g|BusyPolling|1 if busy-polling is currently in use on the worker process, otherwise
        + zero (config.busy-polling)
        failed_resolutions|c|FailedResolutions|Total number of failed DNS resolutions in current worker process
        + since started
        bytes_out_total|c|TotalBytesOut|Total number of bytes emitted by current worker process since started
        spliced_bytes_out_total|c|TotalSplicdedBytesOut|Total number of bytes emitted by current worker process
        + through a kernel pipe since started
        bytes_out_rate|g|BytesOutRate|Number of bytes emitted by current worker process over the last second
        recv_logs_total|c|CumRecvLogs|Total number of log messages received by log-forwarding listeners on this
        + worker process since started
        build_info|g|Build info|Build info
        max_memory_bytes|g|Memmax_bytes|Worker process's hard limit on memory usage in byes (-m on command line)
        pool_allocated_bytes|g|PoolAlloc_bytes|Amount of memory allocated in pools (in bytes)
        pool_used_bytes|g|PoolUsed_bytes|Amount of pool memory currently used (in bytes)
        start_time_seconds|g|Start_time_sec|Start time in seconds
        """;

    /// <summary>The metrics of frontends, backends and servers; which of them a scope has is told below.</summary>
    public const string Proxies =
        """
        current_sessions|g|scur|Number of current sessions on the frontend, backend or server
        max_sessions|g|smax|Highest value of current sessions encountered since process started
        limit_sessions|g|slim|Frontend/listener/server's maxconn, backend's fullconn
        sessions_total|c|stot|Total number of sessions since process started
        bytes_in_total|c|bin|Total number of request bytes since process started
        bytes_out_total|c|bout|Total number of response bytes since process started
        requests_denied_total|c|dreq|Total number of denied requests since process started
        responses_denied_total|c|dresp|Total number of denied responses since process started
        request_errors_total|c|ereq|Total number of invalid requests since process started
        status|g|!status|Current status of the service, per state label value.
        limit_session_rate|g|rate_lim|Limit on the number of sessions accepted in a second (frontend only,
        + 'rate-limit sessions' setting)
        max_session_rate|g|rate_max|Highest value of sessions per second observed since the worker process started
        http_responses_total|c|!code|Total number of HTTP responses with status 100-199 returned by this object
        + since the worker process started
        http_requests_rate_max|g|^req_rate_max|Highest value of http requests observed since the worker process
        + started
        http_requests_total|c|^req_tot|Total number of HTTP requests processed by this object since the worker
        + process started
        http_comp_bytes_in_total|c|^comp_in|Total number of bytes submitted to the HTTP compressor for this object
        + since the worker process started
        http_comp_bytes_out_total|c|^comp_out|Total number of bytes emitted by the HTTP compressor for this object
        + since the worker process started
        http_comp_bytes_bypassed_total|c|^comp_byp|Total number of bytes that bypassed HTTP compression for this
        + object since the worker process started (CPU/memory/bandwidth limitation)
        http_comp_responses_total|c|^comp_rsp|Total number of HTTP responses that were compressed for this object
        + since the worker process started
        connections_rate_max|g|conn_rate_max|Highest value of connections per second observed since the worker
        + process started
        connections_total|c|conn_tot|Total number of new connections accepted on this frontend since the worker
        + process started
        intercepted_requests_total|c|^intercepted|Total number of HTTP requests intercepted on the frontend
        + (redirects/stats/services) since the worker process started
        denied_connections_total|c|dcon|Total number of incoming connections blocked on a listener/frontend by a
        + tcp-request connection rule since the worker process started
        denied_sessions_total|c|dses|Total number of incoming sessions blocked on a listener/frontend by a
        + tcp-request connection rule since the worker process started
        failed_header_rewriting_total|c|wrew|Total number of failed HTTP header rewrites since the worker process
        + started
        http_cache_lookups_total|c|^cache_lookups|Total number of HTTP requests looked up in the cache on this
        + frontend/backend since the worker process started
        http_cache_hits_total|c|^cache_hits|Total number of HTTP requests not found in the cache on this
        + frontend/backend since the worker process started
        internal_errors_total|c|eint|Total number of internal errors since process started
        current_queue|g|qcur|Number of current queued connections
        max_queue|g|qmax|Highest value of queued connections encountered since process started
        connection_errors_total|c|econ|Total number of failed connections to server since the worker process started
        response_errors_total|c|eresp|Total number of invalid responses since the worker process started
        retry_warnings_total|c|wretr|Total number of server connection retries since the worker process started
        redispatch_warnings_total|c|wredis|Total number of server redispatches due to connection failures since the
        + worker process started
        weight|g|weight|Server's effective weight, or sum of active servers' effective weights for a backend
        active_servers|g|act|Total number of active UP servers with a non-zero weight
        backup_servers|g|bck|Total number of backup UP servers with a non-zero weight
        check_up_down_total|c|chkdown|Total number of failed checks causing UP to DOWN server transitions, per
        + server/backend, since the worker process started
        check_last_change_seconds|g|lastchg|How long ago the last server state changed, in seconds
        downtime_seconds_total|c|downtime|Total time spent in DOWN state, for server or backend
        loadbalanced_total|c|lbtot|Total number of requests routed by load balancing since the worker process
        + started (ignores queue pop and stickiness)
        client_aborts_total|c|cli_abrt|Total number of requests or connections aborted by the client since the
        + worker process started
        server_aborts_total|c|srv_abrt|Total number of requests or connections aborted by the server since the
        + worker process started
        last_session_seconds|g|lastsess|How long ago some traffic was seen on this object on this worker process, in
        + seconds
        queue_time_average_seconds|g|/qtime|Avg. queue time for last 1024 successful connections.
        connect_time_average_seconds|g|/ctime|Avg. connect time for last 1024 successful connections.
        response_time_average_seconds|g|/rtime|Avg. response time for last 1024 successful connections.
        total_time_average_seconds|g|/ttime|Avg. total time for last 1024 successful connections.
        connection_attempts_total|c|connect|Total number of outgoing connection attempts on this backend/server
        + since the worker process started
        connection_reuses_total|c|reuse|Total number of reused connection on this backend/server since the worker
        + process started
        max_queue_time_seconds|g|/qtime_max|Maximum observed time spent in the queue
        max_connect_time_seconds|g|/ctime_max|Maximum observed time spent waiting for a connection to complete
        max_response_time_seconds|g|/rtime_max|Maximum observed time spent waiting for a server response
        max_total_time_seconds|g|/ttime_max|Maximum observed total request+response time
        + (request+queue+connect+response+processing)
        uweight|g|uweight|Server's user weight, or sum of active servers' user weights for a backend
        agg_server_status|g|!agg_status|Backend's aggregated gauge of servers' status
        agg_server_check_status|g|!agg_status|Backend's aggregated gauge of servers' state check status
        agg_check_status|g|!agg_check|Backend's aggregated gauge of servers' state check status
        check_failures_total|c|chkfail|Total number of failed individual health checks per server/backend, since the
        + worker process started
        queue_limit|g|qlimit|Limit on the number of connections in queue, for servers only (maxqueue argument)
        current_throttle|g|throttle|Throttling ratio applied to a server's maxconn and weight during the slowstart
        + period (0 to 100%)
        check_status|g|!check_status|Status of last health check, per state label value.
        check_code|g|?check_code|layer5-7 code, if available of the last health check.
        check_duration_seconds|g|?/check_duration|Total duration of the latest server health check, in seconds.
        idle_connections_current|g|srv_icur|Current number of idle connections available for reuse on this server
        idle_connections_limit|g|src_ilim|Limit on the number of available idle connections on this server (server
        + 'pool_max_conn' directive)
        unsafe_idle_connections_current|g|idle_conn_cur|Current number of unsafe idle connections
        safe_idle_connections_current|g|safe_conn_cur|Current number of safe idle connections
        used_connections_current|g|used_conn_cur|Current number of connections in use
        need_connections_current|g|need_conn_est|Estimated needed number of connections
        """;

    /// <summary>Scope frontend: names in the order in which they are told.</summary>
    public const string Frontend =
        """
        current_sessions max_sessions limit_sessions sessions_total bytes_in_total bytes_out_total
        requests_denied_total responses_denied_total request_errors_total status limit_session_rate max_session_rate
        http_responses_total http_requests_rate_max http_requests_total http_comp_bytes_in_total
        http_comp_bytes_out_total http_comp_bytes_bypassed_total http_comp_responses_total connections_rate_max
        connections_total intercepted_requests_total denied_connections_total denied_sessions_total
        failed_header_rewriting_total http_cache_lookups_total http_cache_hits_total internal_errors_total
        """;

    /// <summary>Scope backend.</summary>
    public const string Backend =
        """
        current_queue max_queue current_sessions max_sessions limit_sessions sessions_total bytes_in_total
        bytes_out_total requests_denied_total responses_denied_total connection_errors_total response_errors_total
        retry_warnings_total redispatch_warnings_total status weight active_servers backup_servers
        check_up_down_total check_last_change_seconds downtime_seconds_total loadbalanced_total max_session_rate
        http_responses_total http_requests_total client_aborts_total server_aborts_total http_comp_bytes_in_total
        http_comp_bytes_out_total http_comp_bytes_bypassed_total http_comp_responses_total last_session_seconds
        queue_time_average_seconds connect_time_average_seconds response_time_average_seconds
        total_time_average_seconds failed_header_rewriting_total connection_attempts_total connection_reuses_total
        http_cache_lookups_total http_cache_hits_total max_queue_time_seconds max_connect_time_seconds
        max_response_time_seconds max_total_time_seconds internal_errors_total uweight agg_server_status
        agg_server_check_status agg_check_status
        """;

    /// <summary>Scope server.</summary>
    public const string Server =
        """
        current_queue max_queue current_sessions max_sessions limit_sessions sessions_total bytes_in_total
        bytes_out_total responses_denied_total connection_errors_total response_errors_total retry_warnings_total
        redispatch_warnings_total status weight check_failures_total check_up_down_total check_last_change_seconds
        downtime_seconds_total queue_limit current_throttle loadbalanced_total max_session_rate check_status
        check_code check_duration_seconds http_responses_total client_aborts_total server_aborts_total
        last_session_seconds queue_time_average_seconds connect_time_average_seconds response_time_average_seconds
        total_time_average_seconds failed_header_rewriting_total connection_attempts_total connection_reuses_total
        idle_connections_current idle_connections_limit max_queue_time_seconds max_connect_time_seconds
        max_response_time_seconds max_total_time_seconds internal_errors_total unsafe_idle_connections_current
        safe_idle_connections_current used_connections_current need_connections_current uweight
        """;
}
