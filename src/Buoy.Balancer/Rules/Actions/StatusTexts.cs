using System.Text;

namespace Buoy.Balancer.Rules.Actions;

/// <summary>Reason phrases and the pages of the original for its own errors.</summary>
internal static class StatusTexts
{
    private static readonly Dictionary<int, string> Known = new()
    {
        [100] = "Continue", [101] = "Switching Protocols", [102] = "Processing", [103] = "Early Hints", [200] = "OK",
        [201] = "Created", [202] = "Accepted", [203] = "Non-Authoritative Information", [204] = "No Content",
        [205] = "Reset Content", [206] = "Partial Content", [207] = "Multi-Status", [210] = "Content Different",
        [226] = "IM Used", [300] = "Multiple Choices", [301] = "Moved Permanently", [302] = "Moved Temporarily",
        [303] = "See Other", [304] = "Not Modified", [305] = "Use Proxy", [307] = "Temporary Redirect",
        [308] = "Permanent Redirect", [310] = "Too many Redirects", [400] = "Bad Request", [401] = "Unauthorized",
        [402] = "Payment Required", [403] = "Forbidden", [404] = "Not Found", [405] = "Method Not Allowed",
        [406] = "Not Acceptable", [407] = "Proxy Authentication Required", [408] = "Request Time-out", [409] = "Conflict",
        [410] = "Gone", [411] = "Length Required", [412] = "Precondition Failed", [413] = "Request Entity Too Large",
        [414] = "Request-URI Too Long", [415] = "Unsupported Media Type", [416] = "Requested range unsatisfiable",
        [417] = "Expectation failed", [418] = "I'm a teapot", [421] = "Misdirected Request",
        [422] = "Unprocessable Content", [423] = "Locked", [424] = "Method failure", [425] = "Too Early",
        [426] = "Upgrade Required", [428] = "Precondition Required", [429] = "Too Many Requests",
        [431] = "Request Header Fields Too Large", [449] = "Retry With", [450] = "Blocked by Windows Parental Controls",
        [451] = "Unavailable For Legal Reasons", [456] = "Unrecoverable Error", [499] = "client has closed connection",
        [500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway or Proxy Error",
        [503] = "Service Unavailable", [504] = "Gateway Time-out", [505] = "HTTP Version not supported",
        [506] = "Variant also negociate", [507] = "Insufficient storage", [508] = "Loop detected",
        [509] = "Bandwidth Limit Exceeded", [510] = "Not extended", [511] = "Network authentication required",
        [520] = "Web server is returning an unknown error",
    };

    /// <summary>Status, reason and text of the built-in pages.</summary>
    private static readonly (int Status, string Reason, string Text)[] Texts =
    [
        (200, "OK", "Service ready."),
        (400, "Bad request", "Your browser sent an invalid request."),
        (401, "Unauthorized", "You need a valid user and password to access this content."),
        (403, "Forbidden", "Request forbidden by administrative rules."),
        (404, "Not Found", "The resource could not be found."),
        (405, "Method Not Allowed", "A request was made of a resource using a request method not supported by that resource"),
        (407, "Unauthorized", "You need a valid user and password to access this content."),
        (408, "Request Time-out", "Your browser didn't send a complete request in time."),
        (410, "Gone", "The resource is no longer available and will not be available again."),
        (413, "Payload Too Large", "The request entity exceeds the maximum allowed."),
        (421, "Misdirected Request", "Request sent to a non-authoritative server."),
        (422, "Unprocessable Content", "The server cannot process the contained instructions."),
        (425, "Too Early", "Your browser sent early data."),
        (429, "Too Many Requests", "You have sent too many requests in a given amount of time."),
        (500, "Internal Server Error", "An internal server error occurred."),
        (501, "Not Implemented", ".The server does not support the functionality required to fulfill the request."),
        (502, "Bad Gateway", "The server returned an invalid or incomplete response."),
        (503, "Service Unavailable", "No server is available to handle this request."),
        (504, "Gateway Time-out", "The server didn't respond in time."),
    ];

    private static readonly Dictionary<int, Reply> BuiltIn = Texts.ToDictionary(t => t.Status, Page);

    /// <summary>Are pages of that status replaceable (errorfile and its kind)?</summary>
    public static bool HasPage(int status) => BuiltIn.ContainsKey(status);

    /// <summary>The page of a status; of one that has none, that of 500.</summary>
    public static Reply Page(int status) => BuiltIn.TryGetValue(status, out var page) ? page : BuiltIn[500];

    public static string Reason(int status) => Known.TryGetValue(status, out string? reason) ? reason : (status / 100) switch
    {
        1 => "Informational",
        2 => "Success",
        3 => "Redirection",
        4 => "Client Error",
        5 => "Server Error",
        _ => "Other",
    };

    private static Reply Page((int Status, string Reason, string Text) page)
    {
        string body = $"<html><body><h1>{page.Status} {page.Reason}</h1>\n{page.Text}\n</body></html>\n";
        string text = $"HTTP/1.1 {page.Status} {page.Reason}\r\ncontent-length: {body.Length}\r\ncache-control: no-cache\r\n"
            + $"content-type: text/html\r\n{(page.Status is 400 or 408 ? "connection: close\r\n" : "")}\r\n{body}";
        return Reply.FromFile(Encoding.ASCII.GetBytes(text), out _)!;
    }
}
