namespace Buoy.Balancer.Configuration;

/// <summary>After which failures a request is tried again (configuration manual 4.2 "retry-on").</summary>
[Flags]
public enum RetryOn
{
    None = 0,
    ConnectFailure = 1,
    EmptyResponse = 2,
    JunkResponse = 4,
    ResponseTimeout = 8,
    EarlyDataRejected = 0x10,
    Status401 = 0x20,
    Status403 = 0x40,
    Status404 = 0x80,
    Status408 = 0x100,
    Status425 = 0x200,
    Status500 = 0x400,
    Status501 = 0x800,
    Status502 = 0x1000,
    Status503 = 0x2000,
    Status504 = 0x4000,
    AllRetryable = ConnectFailure | EmptyResponse | JunkResponse | ResponseTimeout | EarlyDataRejected | Status500
        | Status502 | Status503 | Status504,

    /// <summary>What needs the request to be kept until the response has begun.</summary>
    NeedsRequest = ~ConnectFailure,
}

/// <summary><c>retry-on WORD …</c> and <c>fullconn</c>.</summary>
internal static class RetryParser
{
    public static void Parse(ParseContext context, ProxyBuilder? proxy, ProxySettings settings)
    {
        if (proxy is { HasBackend: false })
        {
            context.Alert("'retry-on' only available in backend or listen section");
            return;
        }

        if (context[1].Length == 0)
        {
            context.Alert("'retry-on' needs at least one keyword to specify when to retry");
            return;
        }

        var on = RetryOn.None;
        for (int i = 1; i < context.Words.Count; i++)
        {
            if (context[i] == "none")
            {
                if (context.Words.Count > 2)
                {
                    context.Alert("'retry-on' 'none' keyworld only usable alone");
                    return;
                }

                continue;
            }

            if (Word(context[i]) is not { } word)
            {
                context.Alert($"'retry-on': unknown keyword '{context[i]}'");
                return;
            }

            on |= word;
        }

        settings.RetryOn = on;
    }

    public static void FullConn(ParseContext context, ProxyBuilder? proxy, ProxySettings settings)
    {
        if (proxy is { HasBackend: false })
        {
            context.Warning($"'fullconn' ignored because {proxy.TypeName} '{proxy.Name}' has no backend capability. "
                + "Maybe you want 'maxconn' instead ?");
        }
        else if (context[1].Length == 0)
        {
            context.Alert("'fullconn' expects an integer argument.");
        }
        else
        {
            settings.FullConn = Math.Max(0, Units.Atoi(context[1]));
        }
    }

    /// <summary>The bit of a status, None = it is never retried.</summary>
    public static RetryOn OfStatus(int status) => status switch
    {
        401 => RetryOn.Status401, 403 => RetryOn.Status403, 404 => RetryOn.Status404, 408 => RetryOn.Status408,
        425 => RetryOn.Status425, 500 => RetryOn.Status500, 501 => RetryOn.Status501, 502 => RetryOn.Status502,
        503 => RetryOn.Status503, 504 => RetryOn.Status504, _ => RetryOn.None,
    };

    private static RetryOn? Word(string word) => word switch
    {
        "conn-failure" => RetryOn.ConnectFailure, "empty-response" => RetryOn.EmptyResponse,
        "junk-response" => RetryOn.JunkResponse, "response-timeout" => RetryOn.ResponseTimeout,
        "0rtt-rejected" => RetryOn.EarlyDataRejected, "all-retryable-errors" => RetryOn.AllRetryable,
        _ => int.TryParse(word, out int status) && OfStatus(status) is not RetryOn.None and var bit ? bit : null,
    };
}
