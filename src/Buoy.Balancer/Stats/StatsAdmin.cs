using System.Net;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Stats;

/// <summary>
/// What the form of the statistics page does (configuration manual 4.2, <c>stats admin</c>): actions on checked servers.
/// The answer is a redirection to the page, whose target says what came of it (<c>;st=DONE</c>).
/// </summary>
internal static class StatsAdmin
{
    /// <summary>Action to its title in the form; the order is the form's.</summary>
    public static IReadOnlyList<(string Action, string Title)> Actions { get; } =
    [
        ("ready", "Set state to READY"), ("drain", "Set state to DRAIN"), ("maint", "Set state to MAINT"),
        ("dhlth", "Health: disable checks"), ("ehlth", "Health: enable checks"), ("hrunn", "Health: force UP"),
        ("hnolb", "Health: force NOLB"), ("hdown", "Health: force DOWN"), ("dagent", "Agent: disable checks"),
        ("eagent", "Agent: enable checks"), ("arunn", "Agent: force UP"), ("adown", "Agent: force DOWN"),
        ("shutdown", "Kill Sessions"),
    ];

    /// <summary>What a result says on the page: its kind (a row's class) and text, as HTML.</summary>
    public static (string Kind, string Html)? Message(string? result) => result switch
    {
        null => null,
        "DONE" => ("up", "Action processed successfully."),
        "NONE" => ("half", "Nothing has changed."),
        "PART" => ("half", "Action partially processed.<br>Some server names are probably unknown or ambiguous "
            + "(duplicated names in the backend)."),
        "ERRP" => ("down", "Action not processed because of invalid parameters.<ul><li>The action is maybe unknown.</li>"
            + "<li>Invalid key parameter (empty or too long).</li><li>The backend name is probably unknown or ambiguous "
            + "(duplicated names).</li><li>Some server names are probably unknown or ambiguous (duplicated names in the "
            + "backend).</li></ul>"),
        "EXCD" => ("down", "<b>Action not processed : the buffer couldn't store all the data.<br>You should retry with less "
            + "servers at a time.</b>"),
        "DENY" => ("down", "<b>Action denied.</b>"),
        _ => ("off", "Unexpected result."),
    };

    /// <summary>May this request act? The first condition of the section that holds says yes.</summary>
    public static bool Allowed(StatsConfig stats, LocalRequest request)
    {
        return stats.Admin.Any(rule => Holds(rule.Condition) != rule.Unless);

        bool Holds(string condition) => condition switch
        {
            "TRUE" => true,
            "LOCALHOST" => request.Client is IPEndPoint { Address: var a } && IPAddress.IsLoopback(a),
            _ => false,
        };
    }

    /// <summary>Does what the form asks; returns DONE, NONE, PART or ERRP.</summary>
    public static string Act(ControlPlane plane, string form)
    {
        var fields = form.Split('&', StringSplitOptions.RemoveEmptyEntries).Select(f => f.Split('=', 2))
            .Select(f => (Key: Decode(f[0]), Value: f.Length > 1 ? Decode(f[1]) : "")).ToList();
        string? action = Last("action"), backend = Last("b");
        var servers = fields.Where(f => f.Key == "s").Select(f => f.Value).ToList();
        if (action is not null && Command(action, "") is null)
        {
            return "ERRP";
        }

        var found = backend is null ? null : plane.Proxies.FirstOrDefault(p => p.Config.HasBackend
            && (p.Config.Name == backend || FormattableString.Invariant($"#{p.Config.Id}") == backend));
        if (backend is not null && found is null)
        {
            return "ERRP";
        }

        if (action is null || found is null || servers.Count == 0)
        {
            return "NONE";
        }

        int known = 0, done = 0;
        foreach (string name in servers)
        {
            if (found.Servers.Find(s => s.Config.Name == name) is { } server)
            {
                known++;
                if (Concerns(action, server))
                {
                    plane.Cli.Run(Command(action, server.FullName)!);
                    done++;
                }
            }
        }

        plane.Flush();
        return known < servers.Count ? done > 0 ? "PART" : "ERRP" : done > 0 ? "DONE" : "NONE";

        string? Last(string key) => fields.FindLast(f => f.Key == key).Value;
    }

    /// <summary>Has the server what the action is about: health checks, agent checks, another state?</summary>
    private static bool Concerns(string action, ServerRuntime server) => action switch
    {
        "enable" or "disable" => server.Health.InMaintenance == (action == "enable"),
        "dhlth" or "ehlth" => server.Config.Check,
        "dagent" or "eagent" or "arunn" or "adown" => server.Agent is not null,
        _ => true,
    };

    /// <summary>The command of the runtime API that does the same; null = there is no such action.</summary>
    private static string[]? Command(string action, string server) => action switch
    {
        "ready" or "drain" or "maint" => ["set", "server", server, "state", action],
        "enable" => ["set", "server", server, "state", "ready"],
        "disable" => ["set", "server", server, "state", "maint"],
        "dhlth" => ["disable", "health", server],
        "ehlth" => ["enable", "health", server],
        "hrunn" => ["set", "server", server, "health", "up"],
        "hnolb" => ["set", "server", server, "health", "stopping"],
        "hdown" => ["set", "server", server, "health", "down"],
        "dagent" => ["disable", "agent", server],
        "eagent" => ["enable", "agent", server],
        "arunn" => ["set", "server", server, "agent", "up"],
        "adown" => ["set", "server", server, "agent", "down"],
        "shutdown" => ["shutdown", "sessions", "server", server],
        _ => null,
    };

    private static string Decode(string text) => WebUtility.UrlDecode(text);
}
