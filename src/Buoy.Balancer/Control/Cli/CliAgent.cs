using System.Globalization;
using System.Net;
using System.Text;
using Buoy.Linux;

namespace Buoy.Balancer.Control.Cli;

/// <summary>The commands about agents (management manual 9.3, <c>set server … agent…</c>, <c>enable agent</c>).</summary>
internal static class CliAgent
{
    private const string NotEnabled = "agent checks are not enabled on this server";

    /// <summary>set server B/S agent | agent-addr | agent-port | agent-send.</summary>
    public static CliReply Set(CliContext c, ServerRuntime s, string[] words)
    {
        string which = words[3], value = words.Length > 4 ? words[4] : "";
        var agent = s.Agent is { Enabled: true } enabled ? enabled : null;
        switch (which)
        {
            case "agent" when agent is null:
            case "agent-send" when agent is null:
                return CliReply.Error(NotEnabled + ".");
            case "agent" when value is "up" or "down":
                c.Plane.Operations.ForceAgent(s, value == "up", EventLoop.Now);
                return CliReply.Done;
            case "agent":
                return CliReply.Error("'set server <srv> agent' expects 'up' or 'down'.");
            case "agent-send":
                agent!.Send = Encoding.Latin1.GetBytes(value);
                return CliReply.Done;
            case "agent-addr" when value.Length == 0:
                return CliReply.Error("set server <b>/<s> agent-addr requires an address and optionally a port.");
            case "agent-port" when value.Length == 0:
                return CliReply.Error("set server <b>/<s> agent-port requires a port.");
            case var _ when agent is null:
                return new CliReply(NotEnabled, 3);
            case "agent-port":
                return Port(agent, value);
            default:
                return Address(agent, words);
        }
    }

    /// <summary>enable agent, disable agent.</summary>
    public static CliReply Enable(CliContext c, string[] words, bool enabled)
    {
        if (!CliSet.FindServer(c, words.Length > 2 ? words[2] : "", out var s, out var error))
        {
            return error;
        }

        if (s.Agent is not { } agent)
        {
            return enabled ? CliReply.Error("Agent was not configured on this server, cannot enable.") : CliReply.Done;
        }

        agent.Enabled = s.Health.HasAgent = enabled;
        return CliReply.Done;
    }

    private static CliReply Port(AgentState agent, string value)
    {
        if (!int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int port))
        {
            return new CliReply("provided port is not an integer", 3);
        }

        if (port > 65535)
        {
            return new CliReply("provided port is invalid", 3);
        }

        agent.Port = port;
        return CliReply.Done;
    }

    private static CliReply Address(AgentState agent, string[] words)
    {
        if (!IPAddress.TryParse(words[4], out var address))
        {
            return new CliReply($"invalid addr '{words[4]}'", 3);
        }

        if (words.Length > 5 && words[5] == "port")
        {
            var port = Port(agent, words.Length > 6 ? words[6] : "");
            if (port.Severity is not null)
            {
                return port;
            }
        }

        agent.Address = address;
        return CliReply.Done;
    }
}
