namespace Buoy.Balancer.Health;

/// <summary>Outcome of a health check; the numbers are those of <c>show servers state</c> (srv_check_status).</summary>
public enum CheckStatus
{
    Unknown = 0,
    Initializing = 1,

    /// <summary>An agent answered, and changed nothing.</summary>
    Checked = 3,

    /// <summary>Errors of the traffic counted as a failed check (<c>observe</c>).</summary>
    Analyzed = 4,
    SocketError = 5,
    L4Ok = 6,
    L4Timeout = 7,
    L4Connect = 8,
    L6Ok = 9,
    L6Timeout = 10,
    L6Response = 11,
    L7Timeout = 12,
    L7Response = 13,
    L7Ok = 15,
    L7OkConditional = 16,
    L7Status = 17,
    ProcessError = 18,
    ProcessTimeout = 19,
    ProcessOk = 20,
}

/// <summary>srv_check_result of <c>show servers state</c>.</summary>
public enum CheckResult
{
    Unknown = 0,
    Neutral = 1,
    Failed = 2,
    Passed = 3,
    ConditionallyPassed = 4,
}

/// <summary>Names and texts of the outcomes (management manual 9.1, check_status).</summary>
public static class CheckStatusText
{
    /// <summary>The short code: L4OK, L7STS …</summary>
    public static string Code(this CheckStatus s) => s switch
    {
        CheckStatus.Initializing => "INI",
        CheckStatus.Checked => "CHECKED",
        CheckStatus.Analyzed => "HANA",
        CheckStatus.SocketError => "SOCKERR",
        CheckStatus.L4Ok => "L4OK",
        CheckStatus.L4Timeout => "L4TOUT",
        CheckStatus.L4Connect => "L4CON",
        CheckStatus.L6Ok => "L6OK",
        CheckStatus.L6Timeout => "L6TOUT",
        CheckStatus.L6Response => "L6RSP",
        CheckStatus.L7Timeout => "L7TOUT",
        CheckStatus.L7Response => "L7RSP",
        CheckStatus.L7Ok => "L7OK",
        CheckStatus.L7OkConditional => "L7OKC",
        CheckStatus.L7Status => "L7STS",
        CheckStatus.ProcessError => "PROCERR",
        CheckStatus.ProcessTimeout => "PROCTOUT",
        CheckStatus.ProcessOk => "PROCOK",
        _ => "UNK",
    };

    /// <summary>The sentence of logs and of <c>check_desc</c>.</summary>
    public static string Description(this CheckStatus s) => s switch
    {
        CheckStatus.Initializing => "Initializing",
        CheckStatus.Checked => "No status change",
        CheckStatus.Analyzed => "Health analyze",
        CheckStatus.SocketError => "Socket error",
        CheckStatus.L4Ok => "Layer4 check passed",
        CheckStatus.L4Timeout => "Layer4 timeout",
        CheckStatus.L4Connect => "Layer4 connection problem",
        CheckStatus.L6Ok => "Layer6 check passed",
        CheckStatus.L6Timeout => "Layer6 timeout",
        CheckStatus.L6Response => "Layer6 invalid response",
        CheckStatus.L7Timeout => "Layer7 timeout",
        CheckStatus.L7Response => "Layer7 invalid response",
        CheckStatus.L7Ok => "Layer7 check passed",
        CheckStatus.L7OkConditional => "Layer7 check conditionally passed",
        CheckStatus.L7Status => "Layer7 wrong status",
        CheckStatus.ProcessError => "External check error",
        CheckStatus.ProcessTimeout => "External check timeout",
        CheckStatus.ProcessOk => "External check passed",
        _ => "Unknown",
    };

    /// <summary>Passed or failed.</summary>
    public static CheckResult Result(this CheckStatus s) => s switch
    {
        CheckStatus.Unknown or CheckStatus.Initializing => CheckResult.Unknown,
        CheckStatus.Checked => CheckResult.Neutral,
        CheckStatus.L4Ok or CheckStatus.L6Ok or CheckStatus.L7Ok or CheckStatus.ProcessOk => CheckResult.Passed,
        CheckStatus.L7OkConditional => CheckResult.ConditionallyPassed,
        _ => CheckResult.Failed,
    };

    /// <summary>True where a code (an HTTP status, an exit code, 0) belongs to the outcome.</summary>
    public static bool HasCode(this CheckStatus s) => s is CheckStatus.L7Ok or CheckStatus.L7OkConditional
        or CheckStatus.L7Status or CheckStatus.ProcessError or CheckStatus.ProcessTimeout or CheckStatus.ProcessOk;
}
