namespace Buoy.Lab;

/// <summary>The seven pages that the seed's errorfile lines name, for machines where no package brings them.</summary>
internal static class LabErrorPages
{
    /// <summary>Status and the complete response.</summary>
    public static IEnumerable<(int Code, string Text)> All =>
        from page in new (int Code, string Reason, string Words)[]
        {
            (400, "Bad request", "Your browser sent an invalid request."),
            (403, "Forbidden", "Request forbidden by administrative rules."),
            (408, "Request Time-out", "Your browser didn't send a complete request in time."),
            (500, "Internal Server Error", "An internal server error occurred."),
            (502, "Bad Gateway", "The server returned an invalid or incomplete response."),
            (503, "Service Unavailable", "No server is available to handle this request."),
            (504, "Gateway Time-out", "The server didn't respond in time."),
        }
        select (page.Code,
            $"HTTP/1.0 {page.Code} {page.Reason}\r\nCache-Control: no-cache\r\nConnection: close\r\nContent-Type: text/html\r\n\r\n" +
            $"<html><body><h1>{page.Code} {page.Reason}</h1>\n{page.Words}\n</body></html>\n");
}
