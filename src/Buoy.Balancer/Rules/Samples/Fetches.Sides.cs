namespace Buoy.Balancer.Rules.Samples;

/// <summary>Both connections, the time-outs in force, and what is kept of a request for later (manual 7.3.2,
/// 7.3.3).</summary>
internal static unsafe class SideFetches
{
    private const int HttpMajor = 1;

    public static IEnumerable<FetchEntry> Entries() =>
    [
        new("fc_dst", "", SampleType.Ipv4, SampleSource.ClientAddress, ClientDestination),
        new("fc_dst_port", "", SampleType.Sint, SampleSource.ClientAddress, ClientDestinationPort),
        new("fc_http_major", "", SampleType.Sint, SampleSource.ClientAddress, Major),
        new("bc_http_major", "", SampleType.Sint, SampleSource.ServerConnection, Major),
        new("bc_src", "", SampleType.Sint, SampleSource.ServerConnection,
            (SampleScope c, SampleArguments _, ref Sample s) => ConnectionFetches.Address(c.ServerSource, ref s)),
        new("bc_src_port", "", SampleType.Sint, SampleSource.ServerConnection,
            (SampleScope c, SampleArguments _, ref Sample s) => ConnectionFetches.Port(c.ServerSource, ref s)),
        new("bc_dst", "", SampleType.Sint, SampleSource.ServerConnection,
            (SampleScope c, SampleArguments _, ref Sample s) => ConnectionFetches.Address(c.ServerDestination, ref s)),
        new("bc_dst_port", "", SampleType.Sint, SampleSource.ServerConnection,
            (SampleScope c, SampleArguments _, ref Sample s) => ConnectionFetches.Port(c.ServerDestination, ref s)),
        new("fe_client_timeout", "", SampleType.Sint, SampleSource.Frontend, ClientTimeout),
        new("be_server_timeout", "", SampleType.Sint, SampleSource.Backend, ServerTimeout),
        new("be_tunnel_timeout", "", SampleType.Sint, SampleSource.Backend, TunnelTimeout),
        new("fe_defbe", "", SampleType.Str, SampleSource.Frontend, DefaultBackend),
        new("capture.req.method", "", SampleType.Str, SampleSource.Request, KeptMethod),
        new("capture.req.uri", "", SampleType.Str, SampleSource.Request, KeptUri),
        new("capture.req.ver", "", SampleType.Str, SampleSource.Request,
            (SampleScope c, SampleArguments _, ref Sample s) => Version(c, c.Request, ref s)),
        new("capture.res.ver", "", SampleType.Str, SampleSource.Request,
            (SampleScope c, SampleArguments _, ref Sample s) => Version(c, c.Response, ref s)),
    ];

    /// <summary>The address the connection itself came to.</summary>
    private static bool ClientDestination(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        SampleScope.Family(scope.ConnectionDestination) != 0
            ? ConnectionFetches.Address(scope.ConnectionDestination, ref sample)
            : scope.NeedDestination() && ConnectionFetches.Address(scope.Destination, ref sample);

    private static bool ClientDestinationPort(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        SampleScope.Family(scope.ConnectionDestination) != 0
            ? ConnectionFetches.Port(scope.ConnectionDestination, ref sample)
            : scope.NeedDestination() && ConnectionFetches.Port(scope.Destination, ref sample);

    private static bool Major(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        sample.SetInteger(HttpMajor);
        return true;
    }

    private static bool ClientTimeout(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        scope.Frontend >= 0 && Timeout(scope.Config?.Proxies[scope.Frontend].Timeouts.Client, ref sample);

    private static bool ServerTimeout(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        scope.Backend >= 0 && Timeout(scope.Config?.Proxies[scope.Backend].Timeouts.Server, ref sample);

    private static bool TunnelTimeout(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        scope.Backend >= 0 && Timeout(scope.Config?.Proxies[scope.Backend].Timeouts.Tunnel, ref sample);

    private static bool Timeout(int? milliseconds, ref Sample sample)
    {
        sample.SetInteger(milliseconds ?? 0);
        return milliseconds is not null;
    }

    private static bool DefaultBackend(SampleScope scope, SampleArguments arguments, ref Sample sample) =>
        scope.Config is { } config && scope.Frontend >= 0
        && config.Proxies[scope.Frontend].DefaultBackend is { } backend && backend >= 0
        && sample.SetCopy(scope, System.Text.Encoding.Latin1.GetBytes(config.Proxies[backend].Name));

    private static bool KeptMethod(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var m = scope.Request;
        sample.SetText(m.Method, m.MethodLength);
        return m.Present;
    }

    private static bool KeptUri(SampleScope scope, SampleArguments arguments, ref Sample sample)
    {
        var m = scope.Request;
        sample.SetText(m.Uri, m.UriLength);
        return m.Present;
    }

    private static bool Version(SampleScope scope, HttpMessage m, ref Sample sample) =>
        m.Present && sample.SetCopy(scope, m.Minor == 0 ? "HTTP/1.0"u8 : "HTTP/1.1"u8);
}
