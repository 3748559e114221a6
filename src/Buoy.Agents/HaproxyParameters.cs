using System.Net;

namespace Buoy.Agents;

/// <summary>The parameters of ocf:heartbeat:haproxy. Pure.</summary>
internal sealed record HaproxyParameters
{
    private static readonly string[] Known = ["binpath", "conffile", "extraconf", "pidfile", "statusurl"];

    /// <summary>A real HAProxy; null: our balancer.</summary>
    public string? BinPath { get; init; }

    public string ConfFile { get; init; } = "/etc/haproxy/haproxy.cfg";

    /// <summary>Arguments after <c>-f CONFFILE</c>: a second file, or options as they stand.</summary>
    public IReadOnlyList<string> Extra { get; init; } = [];

    public required string PidFile { get; init; }

    /// <summary>Asked by monitor; null: not.</summary>
    public Uri? StatusUrl { get; init; }

    /// <summary>Names that are no parameters of this agent.</summary>
    public IReadOnlyList<string> Unknown { get; init; } = [];

    public static HaproxyParameters? Read(AgentRequest request, AgentExecutorOptions options, out Outcome failure)
    {
        var r = new ParameterReader(request.Attributes);
        string own = options.BalancerPidFile
            ?? Path.Combine(options.StateDirectory, request.ResourceId.Replace(':', '-').Replace('/', '-') + ".pid");
        var result = new HaproxyParameters
        {
            BinPath = Absolute(r, "binpath"),
            ConfFile = Absolute(r, "conffile") ?? "/etc/haproxy/haproxy.cfg",
            Extra = ReadExtra(r.Text("extraconf")),
            PidFile = Absolute(r, "pidfile") ?? own,
            StatusUrl = ReadUrl(r),
            Unknown = [.. r.Unknown(Known)],
        };
        failure = r.Failure ?? default;
        return r.Failure is null ? result : null;
    }

    /// <summary><c>-f CONFFILE</c> and what follows it.</summary>
    public List<string> FileArguments() => ["-f", ConfFile, .. Extra];

    private static string? Absolute(ParameterReader r, string name)
    {
        string? text = r.Text(name);
        if (text is not null && text[0] != '/')
        {
            r.Wrong(name, text, "an absolute path");
        }

        return text;
    }

    private static string[] ReadExtra(string? text) => text switch
    {
        null => [],
        _ when text[0] == '-' => text.Split(' ', StringSplitOptions.RemoveEmptyEntries),
        _ => ["-f", text],
    };

    private static Uri? ReadUrl(ParameterReader r)
    {
        if (r.Text("statusurl") is not { } text)
        {
            return null;
        }

        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme == "http" && url.UserInfo.Length == 0
            && IPAddress.TryParse(url.Host.Trim('[', ']'), out _))
        {
            return url;
        }

        r.Wrong("statusurl", text, "http://ADDRESS[:PORT]/PATH (neither https nor a host name nor a password)");
        return null;
    }
}
