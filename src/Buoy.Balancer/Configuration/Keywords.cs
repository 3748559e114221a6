namespace Buoy.Balancer.Configuration;

/// <summary>What becomes of a keyword of the configuration manual.</summary>
public enum KeywordStatus
{
    /// <summary>Read, checked and acted upon.</summary>
    Supported,

    /// <summary>Allowed, kept, without effect here: a tuning of the original's internals.</summary>
    Accepted,

    /// <summary>Known by name: an alert says that it is not supported yet.</summary>
    Refused,
}

/// <summary>Every keyword of the configuration manual (2.6) by section; docs/haproxy-keywords.md is printed from it.</summary>
public static class Keywords
{
    /// <summary>Sections of the language.</summary>
    public static IReadOnlyDictionary<string, KeywordStatus> Sections { get; } = Table(
        "ring log-forward "
        + "global defaults frontend backend listen resolvers userlist http-errors",
        "",
        "peers mailers cache program fcgi-app");

    /// <summary>Keywords of the global section.</summary>
    public static IReadOnlyDictionary<string, KeywordStatus> Global { get; } = Table(
        "max-spread-checks external-check server-state-file "
        + "unix-bind default-path "
        + "grace master-worker mworker-max-reloads log log-tag log-send-hostname chroot user group uid gid daemon pidfile nbthread maxconn ulimit-n stats ca-base "
        + "crt-base node description hard-stop-after spread-checks setenv presetenv unsetenv resetenv localpeer quiet "
        + "zero-warning tune.bufsize set-var set-var-fmt expose-experimental-directives",
        "ssl-default-bind-ciphers ssl-default-bind-ciphersuites ssl-default-bind-curves ssl-default-bind-options "
        + "ssl-default-server-ciphers ssl-default-server-ciphersuites ssl-default-server-options ssl-dh-param-file "
        + "ssl-server-verify ssl-load-extra-files ssl-load-extra-del-ext ssl-skip-self-issued-ca issuers-chain-path "
        + "ssl-mode-async maxsslconn maxsslrate maxpipes maxzlibmem maxcompcpuusage maxcomprate "
        + "no-memory-trimming noepoll noevports nogetaddrinfo nokqueue nopoll noreuseport nosplice profiling.tasks "
        + "busy-polling set-dumpable strict-limits insecure-fork-wanted insecure-setuid-wanted numa-cpu-mapping cpu-map "
        + "thread-group thread-groups fd-hard-limit close-spread-time "
        + "server-state-base "
        + "tune.buffers.limit tune.buffers.reserve tune.chksize tune.comp.maxlevel tune.fail-alloc tune.fd.edge-triggered "
        + "tune.h2.header-table-size tune.h2.initial-window-size tune.h2.max-concurrent-streams tune.h2.max-frame-size "
        + "tune.http.cookielen tune.http.logurilen tune.http.maxhdr tune.idle-pool.shared tune.idletimer "
        + "tune.listener.multi-queue tune.lua.forced-yield tune.lua.maxmem tune.lua.service-timeout "
        + "tune.lua.session-timeout tune.lua.task-timeout tune.maxaccept tune.maxpollevents tune.maxrewrite "
        + "tune.pattern.cache-size tune.peers.max-updates-at-once tune.pipesize tune.pool-high-fd-ratio "
        + "tune.pool-low-fd-ratio tune.rcvbuf.client tune.rcvbuf.server tune.recv_enough tune.runqueue-depth "
        + "tune.sched.low-latency tune.sndbuf.client tune.sndbuf.server tune.ssl.cachesize tune.ssl.capture-buffer-size "
        + "tune.ssl.capture-cipherlist-size tune.ssl.default-dh-param tune.ssl.force-private-cache "
        + "tune.ssl.hard-maxrecord tune.ssl.keylog tune.ssl.lifetime tune.ssl.maxrecord tune.ssl.ssl-ctx-cache-size "
        + "tune.vars.check-max-size tune.vars.global-max-size tune.vars.proc-max-size tune.vars.reqres-max-size "
        + "tune.vars.sess-max-size tune.vars.txn-max-size tune.zlib.memlevel tune.zlib.windowsize",
        "51degrees-cache-size 51degrees-data-file 51degrees-property-name-list 51degrees-property-separator "
        + "cluster-secret deviceatlas-json-file deviceatlas-log-level deviceatlas-properties-cookie "
        + "deviceatlas-separator h1-accept-payload-with-any-method h1-case-adjust "
        + "h1-case-adjust-file h2-workaround-bogus-websocket-clients httpclient.resolvers.id "
        + "httpclient.resolvers.prefer httpclient.ssl.ca-file httpclient.ssl.verify lua-load lua-load-per-thread "
        + "lua-prepend-path maxconnrate maxsessrate pp2-never-send-local "
        + "ssl-engine ssl-propquery ssl-provider ssl-provider-path nbproc wurfl-cache-size wurfl-data-file "
        + "wurfl-information-list wurfl-information-list-separator");

    /// <summary>Keywords of defaults, frontend, backend and listen.</summary>
    public static IReadOnlyDictionary<string, KeywordStatus> Proxy { get; } = Table(
        "acl capture declare errorfiles errorloc errorloc302 errorloc303 http-after-response http-error "
        + "http-request http-response monitor monitor-uri redirect tcp-request tcp-response use_backend use-server "
        + "tcp-check http-check external-check server-template load-server-state-from-file server-state-file-name "
        + "log-format log-format-sd error-log-format unique-id-format unique-id-header log-tag bind server "
        + "default-server mode id description disabled enabled default_backend balance log option timeout maxconn "
        + "backlog retries errorfile stats http-reuse hash-type hash-balance-factor cookie retry-on fullconn stick "
        + "stick-table source http-send-name-header rate-limit",
        "bind-process max-keep-alive-queue clitcpka-cnt clitcpka-idle clitcpka-intvl srvtcpka-cnt srvtcpka-idle "
        + "srvtcpka-intvl",
        "appsession block clitimeout compression contimeout dispatch email-alert filter force-persist grace "
        + "ignore-persist monitor-net persist srvtimeout transparent "
        + "use-fcgi-app dynamic-cookie-key");

    /// <summary>What may follow <c>option</c>.</summary>
    public static IReadOnlyDictionary<string, KeywordStatus> Options { get; } = Table(
        "ssl-hello-chk mysql-check pgsql-check redis-check smtpchk ldap-check external-check "
        + "httpslog "
        + "log-separate-errors abortonclose allbackups clitcpka srvtcpka tcpka dontlog-normal dontlognull logasap "
        + "log-health-checks splice-auto splice-request splice-response redispatch httplog tcplog httpchk "
        + "tcp-check forwardfor originalto nolinger http-ignore-probes http-keep-alive http-server-close httpclose persist http-buffer-request "
        + "http-pretend-keepalive http-no-delay prefer-last-server idle-close-on-response",
        "contstats independent-streams socket-stats tcp-smart-accept tcp-smart-connect",
        "accept-invalid-http-request accept-invalid-http-response checkcache disable-h2-upgrade "
        + "h1-case-adjust-bogus-client h1-case-adjust-bogus-server http-restrict-req-hdr-names "
        + "http-use-htx http-use-proxy-header spop-check transparent");

    /// <summary>Options of a <c>bind</c> line.</summary>
    public static IReadOnlyDictionary<string, KeywordStatus> Bind { get; } = Table(
        "accept-proxy "
        + "name interface v4v6 v6only transparent maxconn backlog tfo defer-accept mode user group uid gid",
        "id level expose-fd severity-output nice shards thread process",
        "accept-netscaler-cip mss namespace proto tcp-ut ssl allow-0rtt alpn ca-file ca-ignore-err ca-sign-file "
        + "ca-sign-pass ca-verify-file ciphers ciphersuites crl-file crt crt-ignore-err crt-list curves ecdhe "
        + "force-sslv3 force-tlsv10 force-tlsv11 force-tlsv12 force-tlsv13 generate-certificates no-ca-names no-sslv3 "
        + "no-tls-tickets no-tlsv10 no-tlsv11 no-tlsv12 no-tlsv13 npn prefer-client-ciphers ssl-max-ver ssl-min-ver "
        + "strict-sni tls-ticket-keys verify");

    /// <summary>Options of a <c>server</c> or <c>default-server</c> line.</summary>
    public static IReadOnlyDictionary<string, KeywordStatus> Server { get; } = Table(
        "agent-addr agent-check agent-inter agent-port agent-send no-agent-check check-send-proxy "
        + "no-check-send-proxy track observe error-limit on-error resolve-net resolve-opts "
        + "no-send-proxy-v2-ssl no-send-proxy-v2-ssl-cn "
        + "send-proxy send-proxy-v2 send-proxy-v2-ssl send-proxy-v2-ssl-cn proxy-v2-options addr backup check "
        + "cookie disabled downinter enabled fall fastinter id init-addr inter maxconn no-backup no-check "
        + "no-send-proxy no-send-proxy-v2 on-marked-down on-marked-up port resolve-prefer resolvers rise slowstart "
        + "weight maxqueue minconn pool-max-conn pool-purge-delay max-reuse pool-low-conn source usesrc",
        "no-check-ssl no-ssl no-ssl-reuse no-sslv3 no-tfo no-tls-tickets no-tlsv10 no-tlsv11 no-tlsv12 no-tlsv13 "
        + "ssl-reuse stick tls-tickets tfo",
        "allow-0rtt alpn ca-file check-alpn check-proto check-sni check-ssl check-via-socks4 ciphers "
        + "ciphersuites crl-file crt force-sslv3 force-tlsv10 force-tlsv11 force-tlsv12 force-tlsv13 log-proto "
        + "namespace non-stick npn proto redir sni socks4 ssl ssl-max-ver "
        + "ssl-min-ver tcp-ut verify verifyhost ws");

    /// <summary>Options of a server line that take a value; the others of <see cref="Server"/> are switches.</summary>
    internal static IReadOnlySet<string> ServerWithValue { get; } = new HashSet<string>(
        "max-reuse pool-low-conn pool-max-conn pool-purge-delay".Split(' '));

    /// <summary>Options that a server may have that is added at run time (management manual 9.3 <c>add server</c>).</summary>
    internal static IReadOnlySet<string> DynamicServer { get; } = new HashSet<string>((
        "agent-addr agent-check agent-inter agent-port agent-send allow-0rtt alpn addr backup ca-file check check-alpn "
        + "check-proto check-send-proxy check-sni check-ssl check-via-socks4 ciphers ciphersuites crl-file crt disabled "
        + "downinter enabled error-limit fall fastinter force-sslv3 force-tlsv10 force-tlsv11 force-tlsv12 force-tlsv13 id "
        + "inter maxconn maxqueue minconn no-ssl-reuse no-sslv3 no-tlsv10 no-tlsv11 no-tlsv12 no-tlsv13 no-tls-tickets npn "
        + "observe on-error on-marked-down on-marked-up pool-low-conn pool-max-conn pool-purge-delay port proto "
        + "proxy-v2-options rise send-proxy send-proxy-v2 send-proxy-v2-ssl send-proxy-v2-ssl-cn slowstart sni source ssl "
        + "ssl-max-ver ssl-min-ver tfo tls-tickets track usesrc verify verifyhost weight ws").Split(' '));

    /// <summary>Accepted options of a bind line that take a value.</summary>
    internal static IReadOnlySet<string> BindWithValue { get; } = new HashSet<string>(
        "level severity-output nice shards thread process".Split(' '));

    /// <summary>Keywords of a resolvers section.</summary>
    public static IReadOnlyDictionary<string, KeywordStatus> Resolvers { get; } = Table(
        "nameserver resolve_retries timeout hold accepted_payload_size parse-resolv-conf", "", "");

    /// <summary>Keywords of a userlist section.</summary>
    public static IReadOnlyDictionary<string, KeywordStatus> UserList { get; } = Table("user group", "", "");

    /// <summary>What may follow <c>stats</c> in a proxy.</summary>
    public static IReadOnlyDictionary<string, KeywordStatus> Stats { get; } = Table(
        "admin enable uri realm auth refresh scope hide-version show-node show-desc show-legends",
        "", "http-request show-modules");

    /// <summary>Algorithms of <c>balance</c>.</summary>
    public static IReadOnlyDictionary<string, KeywordStatus> Balance { get; } = Table(
        "roundrobin static-rr leastconn first source random uri url_param hdr rdp-cookie", "", "");

    /// <summary>All tables with their titles, in the order of the document.</summary>
    public static IReadOnlyList<(string Title, IReadOnlyDictionary<string, KeywordStatus> Table)> All { get; } =
    [
        ("Sections", Sections), ("global", Global), ("defaults, frontend, backend, listen", Proxy), ("option", Options),
        ("balance", Balance), ("stats", Stats), ("bind options", Bind), ("server and default-server options", Server),
        ("resolvers", Resolvers), ("userlist", UserList),
    ];

    private static Dictionary<string, KeywordStatus> Table(string supported, string accepted, string refused)
    {
        var table = new Dictionary<string, KeywordStatus>(StringComparer.Ordinal);
        Add(supported, KeywordStatus.Supported);
        Add(accepted, KeywordStatus.Accepted);
        Add(refused, KeywordStatus.Refused);
        return table;

        void Add(string words, KeywordStatus status)
        {
            foreach (string w in words.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                table.Add(w, status);
            }
        }
    }
}
