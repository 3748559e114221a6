using System.Globalization;

namespace Buoy.Balancer.Health;

/// <summary>
/// A line of an agent (configuration manual 5.2 <c>agent-check</c>): words in any order, separated by commas, spaces and
/// tabs; what follows "#" is told to the operator.
/// </summary>
public sealed record AgentReply
{
    private static readonly char[] Separators = [' ', '\t', ',', '\r', '\n'];

    /// <summary>up, down, stopped or fail: passed, failed; otherwise unchanged.</summary>
    public CheckStatus Status { get; init; } = CheckStatus.Checked;

    /// <summary>The words and the comment as they are shown.</summary>
    public string Info { get; init; } = "";

    /// <summary>ready, drain or maint; null = none of them.</summary>
    public string? Admin { get; init; }

    /// <summary>Percent of the initial weight; null = unchanged.</summary>
    public int? Percent { get; init; }

    /// <summary>Limit of connections; null = unchanged.</summary>
    public int? MaxConn { get; init; }

    /// <summary>Reads a line. Never fails: what it does not know, it reports.</summary>
    public static AgentReply Read(string line)
    {
        string comment = "";
        int hash = line.IndexOf('#');
        if (hash >= 0)
        {
            comment = line[(hash + 1)..].Trim(' ', '\t');
            line = line[..hash];
        }

        string? state = null, admin = null, error = null, warning = null, extra = null;
        int? percent = null, max = null;
        foreach (string word in line.Split(Separators, StringSplitOptions.RemoveEmptyEntries))
        {
            string w = word.ToLowerInvariant();
            if (w is "up" or "down" or "stopped" or "fail")
            {
                state = word;
            }
            else if (w is "ready" or "drain" or "maint")
            {
                admin = w;
            }
            else if (w.EndsWith('%') && char.IsAsciiDigit(w[0]))
            {
                if (int.TryParse(w.AsSpan(0, w.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out int n))
                {
                    percent = n;
                }
                else
                {
                    warning = "Relative weight must be positive.";
                }
            }
            else if (w.StartsWith("maxconn:", StringComparison.Ordinal))
            {
                if (int.TryParse(w.AsSpan(8), NumberStyles.None, CultureInfo.InvariantCulture, out int n))
                {
                    max = n;
                }
                else
                {
                    warning = "maxconn string empty or preceded by garbage";
                }
            }
            else if (state is not null)
            {
                extra ??= word;
            }
            else
            {
                error ??= word;
            }
        }

        string more = comment.Length > 0 ? comment : extra ?? "";
        string info = warning is not null ? $"agent warns : {warning}"
            : error is not null && state is null ? $"agent reports an error : {error}{Bracket(comment)}"
            : state is not null ? $"via agent : {state}{Bracket(more)}" : "";
        return new AgentReply
        {
            Info = info, Admin = admin, Percent = percent, MaxConn = max,
            Status = state?.ToLowerInvariant() switch
            {
                "up" => CheckStatus.L7Ok, null => CheckStatus.Checked, _ => CheckStatus.L7Status,
            },
        };
    }

    private static string Bracket(string text) => text.Length > 0 ? $" ({text})" : "";
}
