namespace Buoy.Balancer.Logging;

/// <summary>Variables of log formats (configuration manual 8.2.6); the members' comments are their names there.</summary>
internal enum LogVariable : byte
{
    /// <summary>No variable: text, a separator, or a sample.</summary>
    None,

    /// <summary>B</summary>
    BytesRead,

    /// <summary>CC</summary>
    RequestCookie,

    /// <summary>CS</summary>
    ResponseCookie,

    /// <summary>H</summary>
    HostName,

    /// <summary>HM</summary>
    Method,

    /// <summary>HP</summary>
    Path,

    /// <summary>HPO</summary>
    PathOnly,

    /// <summary>HQ</summary>
    Query,

    /// <summary>HU</summary>
    Uri,

    /// <summary>HV</summary>
    Version,

    /// <summary>ID</summary>
    UniqueId,

    /// <summary>ST</summary>
    Status,

    /// <summary>T</summary>
    DateGmt,

    /// <summary>Ta</summary>
    ActiveTime,

    /// <summary>Tc</summary>
    ConnectTime,

    /// <summary>Td</summary>
    DataTime,

    /// <summary>Tl</summary>
    DateLocal,

    /// <summary>Th</summary>
    HandshakeTime,

    /// <summary>Ti</summary>
    IdleTime,

    /// <summary>Tq</summary>
    QueryTime,

    /// <summary>TR</summary>
    RequestTime,

    /// <summary>Tr</summary>
    ResponseTime,

    /// <summary>Ts</summary>
    Timestamp,

    /// <summary>Tt</summary>
    TotalTime,

    /// <summary>Tu</summary>
    UserTime,

    /// <summary>Tw</summary>
    QueueTime,

    /// <summary>U</summary>
    BytesUploaded,

    /// <summary>ac</summary>
    ActiveConnections,

    /// <summary>b</summary>
    Backend,

    /// <summary>bc</summary>
    BackendConnections,

    /// <summary>bi</summary>
    BackendSourceIp,

    /// <summary>bp</summary>
    BackendSourcePort,

    /// <summary>bq</summary>
    BackendQueue,

    /// <summary>ci</summary>
    ClientIp,

    /// <summary>cp</summary>
    ClientPort,

    /// <summary>f</summary>
    Frontend,

    /// <summary>fc</summary>
    FrontendConnections,

    /// <summary>fi</summary>
    FrontendIp,

    /// <summary>fp</summary>
    FrontendPort,

    /// <summary>ft</summary>
    FrontendTransport,

    /// <summary>lc</summary>
    LogCounter,

    /// <summary>hr</summary>
    RequestHeaders,

    /// <summary>hrl</summary>
    RequestHeadersClf,

    /// <summary>hs</summary>
    ResponseHeaders,

    /// <summary>hsl</summary>
    ResponseHeadersClf,

    /// <summary>ms</summary>
    Milliseconds,

    /// <summary>pid</summary>
    Pid,

    /// <summary>r</summary>
    Request,

    /// <summary>rc</summary>
    Retries,

    /// <summary>rt</summary>
    RequestCounter,

    /// <summary>s</summary>
    Server,

    /// <summary>sc</summary>
    ServerConnections,

    /// <summary>si</summary>
    ServerIp,

    /// <summary>sp</summary>
    ServerPort,

    /// <summary>sq</summary>
    ServerQueue,

    /// <summary>sslc, sslv</summary>
    Ssl,

    /// <summary>t</summary>
    Date,

    /// <summary>tr</summary>
    RequestDate,

    /// <summary>trg</summary>
    RequestDateGmt,

    /// <summary>trl</summary>
    RequestDateLocal,

    /// <summary>ts</summary>
    Termination,

    /// <summary>tsc</summary>
    TerminationCookie,
}

/// <summary>The table of names.</summary>
internal static class LogVariables
{
    private static readonly Dictionary<string, (LogVariable Variable, bool HttpOnly)> Names = new(StringComparer.Ordinal)
    {
        ["B"] = (LogVariable.BytesRead, false), ["CC"] = (LogVariable.RequestCookie, true),
        ["CS"] = (LogVariable.ResponseCookie, true), ["H"] = (LogVariable.HostName, false),
        ["HM"] = (LogVariable.Method, true), ["HP"] = (LogVariable.Path, true), ["HPO"] = (LogVariable.PathOnly, true),
        ["HQ"] = (LogVariable.Query, true), ["HU"] = (LogVariable.Uri, true), ["HV"] = (LogVariable.Version, true),
        ["ID"] = (LogVariable.UniqueId, false), ["ST"] = (LogVariable.Status, false), ["T"] = (LogVariable.DateGmt, false),
        ["Ta"] = (LogVariable.ActiveTime, true), ["Tc"] = (LogVariable.ConnectTime, false),
        ["Td"] = (LogVariable.DataTime, false), ["Tl"] = (LogVariable.DateLocal, false),
        ["Th"] = (LogVariable.HandshakeTime, false), ["Ti"] = (LogVariable.IdleTime, true),
        ["Tq"] = (LogVariable.QueryTime, true), ["TR"] = (LogVariable.RequestTime, true),
        ["Tr"] = (LogVariable.ResponseTime, true), ["Ts"] = (LogVariable.Timestamp, false),
        ["Tt"] = (LogVariable.TotalTime, false), ["Tu"] = (LogVariable.UserTime, false),
        ["Tw"] = (LogVariable.QueueTime, false), ["U"] = (LogVariable.BytesUploaded, false),
        ["ac"] = (LogVariable.ActiveConnections, false), ["b"] = (LogVariable.Backend, false),
        ["bc"] = (LogVariable.BackendConnections, false), ["bi"] = (LogVariable.BackendSourceIp, false),
        ["bp"] = (LogVariable.BackendSourcePort, false), ["bq"] = (LogVariable.BackendQueue, false),
        ["ci"] = (LogVariable.ClientIp, false), ["cp"] = (LogVariable.ClientPort, false),
        ["f"] = (LogVariable.Frontend, false), ["fc"] = (LogVariable.FrontendConnections, false),
        ["fi"] = (LogVariable.FrontendIp, false), ["fp"] = (LogVariable.FrontendPort, false),
        ["ft"] = (LogVariable.FrontendTransport, false), ["lc"] = (LogVariable.LogCounter, false),
        ["hr"] = (LogVariable.RequestHeaders, false), ["hrl"] = (LogVariable.RequestHeadersClf, false),
        ["hs"] = (LogVariable.ResponseHeaders, false), ["hsl"] = (LogVariable.ResponseHeadersClf, false),
        ["ms"] = (LogVariable.Milliseconds, false), ["pid"] = (LogVariable.Pid, false), ["r"] = (LogVariable.Request, true),
        ["rc"] = (LogVariable.Retries, false), ["rt"] = (LogVariable.RequestCounter, false),
        ["s"] = (LogVariable.Server, false), ["sc"] = (LogVariable.ServerConnections, false),
        ["si"] = (LogVariable.ServerIp, false), ["sp"] = (LogVariable.ServerPort, false),
        ["sq"] = (LogVariable.ServerQueue, false), ["sslc"] = (LogVariable.Ssl, false), ["sslv"] = (LogVariable.Ssl, false),
        ["t"] = (LogVariable.Date, false), ["tr"] = (LogVariable.RequestDate, true),
        ["trg"] = (LogVariable.RequestDateGmt, true), ["trl"] = (LogVariable.RequestDateLocal, true),
        ["ts"] = (LogVariable.Termination, false), ["tsc"] = (LogVariable.TerminationCookie, true),
    };

    /// <summary>The variable of a name, and whether it needs mode http; None = there is no such variable.</summary>
    public static (LogVariable Variable, bool HttpOnly) Find(string name) => Names.GetValueOrDefault(name);
}
