namespace Buoy.Balancer.Rules.Samples;

/// <summary>
/// Where an expression stands, one bit each, in the order of the columns of <c>haproxy -dKsmp</c>. A rule of a listen
/// section stands in the frontend's and the backend's place at once.
/// </summary>
[Flags]
internal enum SamplePlaces : uint
{
    None = 0,
    FrontendConnection = 1 << 0,
    FrontendSession = 1 << 1,
    FrontendTcpContent = 1 << 2,
    FrontendHttpRequest = 1 << 3,
    FrontendHttpRequestBody = 1 << 4,
    UseBackend = 1 << 5,
    BackendTcpContent = 1 << 6,
    BackendHttpRequest = 1 << 7,
    BackendHttpRequestBody = 1 << 8,

    /// <summary>use-server, balance, stick match.</summary>
    SetServer = 1 << 9,

    /// <summary>source … of a server.</summary>
    ServerSource = 1 << 10,
    BackendTcpResponse = 1 << 11,
    BackendHttpResponse = 1 << 12,
    BackendHttpResponseBody = 1 << 13,
    StickStore = 1 << 14,
    FrontendTcpResponse = 1 << 15,
    FrontendHttpResponse = 1 << 16,
    FrontendHttpResponseBody = 1 << 17,
    Log = 1 << 18,
    Check = 1 << 19,

    /// <summary>global set-var.</summary>
    Configuration = 1 << 20,
    Cli = 1 << 21,
}

/// <summary>What a fetch looks at: it decides in which places it may stand, and messages name it.</summary>
internal enum SampleSource : byte
{
    /// <summary>Constants, the clock: everywhere.</summary>
    Constant,
    InternalState,
    Frontend,
    ClientAddress,
    ClientConnection,
    RequestBuffer,
    RequestHeaders,

    /// <summary>What is kept of a request: captures, method.</summary>
    Request,
    Backend,
    Server,
    ServerConnection,
    ResponseBuffer,
    ResponseHeaders,
    Response,

    /// <summary>Request or response, whichever the rule is about: cookie, hdr in converters.</summary>
    EitherHeaders,

    /// <summary>The buffer of request or response: payload.</summary>
    EitherBuffer,
}

/// <summary>Facts about <see cref="SampleSource"/>.</summary>
internal static class SampleSources
{
    private const SamplePlaces Requests = SamplePlaces.FrontendTcpContent | SamplePlaces.FrontendHttpRequest
        | SamplePlaces.FrontendHttpRequestBody | SamplePlaces.UseBackend | SamplePlaces.BackendTcpContent
        | SamplePlaces.BackendHttpRequest | SamplePlaces.BackendHttpRequestBody | SamplePlaces.SetServer
        | SamplePlaces.ServerSource;

    private const SamplePlaces Responses = SamplePlaces.BackendTcpResponse | SamplePlaces.BackendHttpResponse
        | SamplePlaces.BackendHttpResponseBody | SamplePlaces.StickStore | SamplePlaces.FrontendTcpResponse
        | SamplePlaces.FrontendHttpResponse | SamplePlaces.FrontendHttpResponseBody;

    private const SamplePlaces Session = SamplePlaces.FrontendConnection | SamplePlaces.FrontendSession | Requests
        | Responses | SamplePlaces.Log;

    private const SamplePlaces InBackend = SamplePlaces.BackendTcpContent | SamplePlaces.BackendHttpRequest
        | SamplePlaces.BackendHttpRequestBody | SamplePlaces.SetServer | SamplePlaces.ServerSource;

    /// <summary>The places in which such a fetch may stand.</summary>
    public static SamplePlaces Places(this SampleSource source) => source switch
    {
        SampleSource.Constant => (SamplePlaces)0x3fffff,
        SampleSource.InternalState => Session | SamplePlaces.Check | SamplePlaces.Cli,
        SampleSource.Frontend => Session,
        SampleSource.ClientAddress => Session | SamplePlaces.Check,
        SampleSource.ClientConnection => Session & ~SamplePlaces.FrontendConnection,
        SampleSource.RequestBuffer or SampleSource.RequestHeaders => Requests,
        SampleSource.Request => Requests | Responses | SamplePlaces.Log,
        SampleSource.Backend => InBackend | Responses | SamplePlaces.Log | SamplePlaces.Check,
        SampleSource.Server => SamplePlaces.ServerSource | Responses | SamplePlaces.Log | SamplePlaces.Check,
        SampleSource.ServerConnection or SampleSource.Response => Responses | SamplePlaces.Log | SamplePlaces.Check,
        SampleSource.ResponseBuffer or SampleSource.ResponseHeaders => Responses | SamplePlaces.Check,
        SampleSource.EitherHeaders or SampleSource.EitherBuffer => Requests | Responses | SamplePlaces.Check,
        _ => SamplePlaces.None,
    };

    /// <summary>Its name in messages.</summary>
    public static string Text(this SampleSource source) => source switch
    {
        SampleSource.InternalState => "internal state",
        SampleSource.Frontend => "frontend",
        SampleSource.ClientAddress => "client address",
        SampleSource.ClientConnection => "client-side connection",
        SampleSource.RequestBuffer => "request buffer",
        SampleSource.RequestHeaders => "HTTP request headers",
        SampleSource.Request => "HTTP request",
        SampleSource.Backend => "backend",
        SampleSource.Server => "server",
        SampleSource.ServerConnection => "server-side connection",
        SampleSource.ResponseBuffer => "response buffer",
        SampleSource.ResponseHeaders => "HTTP response headers",
        SampleSource.Response => "HTTP response",
        SampleSource.EitherHeaders => "HTTP request headers,HTTP response headers",
        SampleSource.EitherBuffer => "request buffer,response buffer",
        _ => "unknown",
    };

    /// <summary>The name of a place in messages; of several, the first.</summary>
    public static string PlaceText(SamplePlaces places) => (SamplePlaces)((uint)places & (0 - (uint)places)) switch
    {
        SamplePlaces.FrontendConnection => "frontend tcp-request connection rule",
        SamplePlaces.FrontendSession => "frontend tcp-request session rule",
        SamplePlaces.FrontendTcpContent => "frontend tcp-request content rule",
        SamplePlaces.FrontendHttpRequest => "frontend http-request header rule",
        SamplePlaces.FrontendHttpRequestBody => "frontend http-request body rule",
        SamplePlaces.UseBackend => "frontend use-backend rule",
        SamplePlaces.BackendTcpContent => "backend tcp-request content rule",
        SamplePlaces.BackendHttpRequest => "backend http-request header rule",
        SamplePlaces.BackendHttpRequestBody => "backend http-request body rule",
        SamplePlaces.SetServer => "backend use-server, balance or stick-match rule",
        SamplePlaces.ServerSource => "server source selection",
        SamplePlaces.BackendTcpResponse => "backend tcp-response content rule",
        SamplePlaces.BackendHttpResponse => "backend http-response header rule",
        SamplePlaces.BackendHttpResponseBody => "backend http-response body rule",
        SamplePlaces.StickStore => "backend stick-store rule",
        SamplePlaces.FrontendTcpResponse => "frontend tcp-response content rule",
        SamplePlaces.FrontendHttpResponse => "frontend http-response header rule",
        SamplePlaces.FrontendHttpResponseBody => "frontend http-response body rule",
        SamplePlaces.Log => "logs",
        SamplePlaces.Check => "backend tcp-check rule",
        SamplePlaces.Configuration => "configuration parser",
        _ => "CLI parser",
    };

    /// <summary>Everywhere a request's head can be looked at.</summary>
    public static bool IsRequest(this SamplePlaces places) => (places & Requests) != 0;

    /// <summary>Everywhere a response's head can be looked at.</summary>
    public static bool IsResponse(this SamplePlaces places) => (places & Responses) != 0;
}
