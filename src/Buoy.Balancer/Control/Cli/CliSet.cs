using System.Globalization;
using System.Net;
using Buoy.Balancer.Health;
using Buoy.Balancer.Resolvers;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Control.Cli;

/// <summary>The commands that change something (management manual 9.3).</summary>
internal static class CliSet
{
    private const string Usage =
        "usage: set server <backend>/<server> addr | agent | agent-addr | agent-port | agent-send | " +
            "check-addr | check-port | fqdn | health | ssl | state | weight";

    private const int Warning = 4;

    /// <summary>set server BACKEND/SERVER …</summary>
    public static CliReply Server(CliContext c, string[] words)
    {
        if (!FindServer(c, At(words, 2), out var s, out var error))
        {
            return error;
        }

        long now = EventLoop.Now;
        string value = At(words, 4);
        switch (At(words, 3))
        {
            case "state":
                return State(c, s, value, now);
            case "weight":
                return Weight(c, s, value, now);
            case "health":
                return ForceHealth(c, s, value, now);
            case "addr":
                return Address(c, s, words, now);
            case "fqdn":
                return Name(c, s, value);
            case "check-port":
                return CheckPort(s, value);
            case "check-addr":
                return CheckAddress(s, words);
            case "agent" or "agent-addr" or "agent-port" or "agent-send":
                return CliAgent.Set(c, s, words);
            case "ssl" when s.Config.Dynamic:
                return CliReply.Error("'set server <srv> ssl' not supported on dynamic servers");
            case "ssl":
                return CliReply.Error(
                    "'set server <srv> ssl' cannot be set.  default-server should define ssl settings");
            default:
                return CliReply.Error(Usage);
        }
    }

    /// <summary>enable server: out of maintenance, drain stays.</summary>
    public static CliReply EnableServer(CliContext c, string[] words)
    {
        if (!FindServer(c, At(words, 2), out var s, out var error))
        {
            return error;
        }

        c.Plane.Operations.Ready(s, EventLoop.Now);
        return CliReply.Done;
    }

    public static CliReply Health(CliContext c, string[] words, bool enabled)
    {
        if (!FindServer(c, At(words, 2), out var s, out var error))
        {
            return error;
        }

        if (enabled && !s.Config.Check)
        {
            return CliReply.Error("Health check was not configured on this server, cannot enable.");
        }

        s.CheckEnabled = enabled && s.Config.Check;
        return CliReply.Done;
    }

    public static CliReply GetWeight(CliContext c, string[] words) =>
        FindServer(c, At(words, 2), out var s, out var error)
        ? new CliReply(FormattableString.Invariant($"{s.UserWeight} (initial {s.Config.Weight})\n")) : error;

    public static CliReply MaxConnServer(CliContext c, string[] words)
    {
        if (!FindServer(c, At(words, 3), out var s, out var error))
        {
            return error;
        }

        string value = At(words, 4);
        if (value.Length == 0)
        {
            return CliReply.Error("Require <maxconn>.");
        }

        if (!int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int n))
        {
            return new CliReply("maxconn string empty or preceded by garbage", 3);
        }

        s.MaxConn = n;
        c.Plane.Operations.Publish(s, EventLoop.Now);
        return CliReply.Done;
    }

    public static CliReply MaxConnFrontend(CliContext c, string[] words)
    {
        if (!FindFrontend(c, At(words, 3), out var p, out var error))
        {
            return error;
        }

        if (At(words, 4).Length == 0)
        {
            return CliReply.Error("Integer value expected.");
        }

        int n = Configuration.Units.Atoi(words[4]);
        if (n < 0)
        {
            return CliReply.Error("Value out of range.");
        }

        p.MaxConn = n;
        c.Plane.DataPlane?.SetMaxConn(p.Config.Index, n);
        return CliReply.Done;
    }

    public static CliReply MaxConnGlobal(CliContext c, string[] words)
    {
        if (At(words, 3).Length == 0)
        {
            return CliReply.Error("Expects an integer value.");
        }

        int n = Configuration.Units.Atoi(words[3]);
        if (n < 0 || n > c.Plane.Options.MaxConn)
        {
            return CliReply.Error("Value out of range.");
        }

        c.Plane.MaxConn = n == 0 ? c.Plane.Options.MaxConn : n;
        c.Plane.DataPlane?.SetMaxConn(-1, c.Plane.MaxConn);
        return CliReply.Done;
    }

    public static CliReply Timeout(CliContext c, string[] words)
    {
        if (At(words, 2) != "cli")
        {
            return CliReply.Error("'set timeout' only supports 'cli'.");
        }

        if (At(words, 3).Length == 0)
        {
            return CliReply.Error("Expects an integer value.");
        }

        if (Delay(At(words, 3)) is not { } ms)
        {
            return CliReply.Error("Invalid timeout value.");
        }

        c.Session.Timeout = ms;
        return CliReply.Done;
    }

    public static CliReply SeverityOutput(CliContext c, string[] words)
    {
        if (At(words, 2) is not ("none" or "number" or "string"))
        {
            return CliReply.Error("one of 'none', 'number', 'string' is a required argument");
        }

        c.Session.SeverityOutput = words[2];
        return CliReply.Done;
    }

    /// <summary>"clear counters": the maxima; "all" (administrators only): everything but what is open now.</summary>
    public static CliReply ClearCounters(CliContext c, string[] words)
    {
        bool all = At(words, 2) == "all";
        if (all && c.Session.Level < CliLevel.Admin)
        {
            return CliReply.Error("Permission denied");
        }

        var k = c.Plane.State.Counters;
        Counter[] maxima =
        [
            Counter.SessionsMax, Counter.QueueMax, Counter.QueueTimeMax, Counter.ConnectTimeMax,
                Counter.ResponseTimeMax, Counter.TotalTimeMax,
        ];
        Counter[] gauges =
            [Counter.SessionsCurrent, Counter.QueueCurrent, Counter.IdleConnections, Counter.LastSession,
                Counter.Count];
        var chosen = all ? Enum.GetValues<Counter>().Except(gauges) : maxima;
        var entities = c.Plane.Proxies.SelectMany(p => (int[])[k.Frontend(p.Config.Index), k.Backend(p.Config.Index)])
            .Concat(c.Plane.Servers.Select(s => k.Server(s.Config.Index)))
            .Concat(c.Plane.State.Config.Binds.Select(b => k.Bind(b.Index)));
        foreach (int e in entities)
        {
            foreach (var counter in chosen)
            {
                k.Clear(e, counter);
            }
        }

        foreach (var p in c.Plane.Proxies)
        {
            p.FrontendSessionsMax = p.BackendSessionsMax = 0;
            p.FrontendRate.ClearMax();
            p.ConnectionRate.ClearMax();
            p.RequestRate.ClearMax();
            p.BackendRate.ClearMax();
            p.Downs = all ? 0 : p.Downs;
        }

        foreach (var s in c.Plane.Servers)
        {
            s.SessionsMax = 0;
            s.Rate.ClearMax();
            if (all)
            {
                s.Health.ClearCounters();
            }
        }

        c.Plane.Info.ClearMax();
        return CliReply.Done;
    }

    public static CliReply DisableFrontend(CliContext c, string[] words) => Pause(c, words, true);

    public static CliReply EnableFrontend(CliContext c, string[] words) => Pause(c, words, false);

    public static CliReply ShutdownFrontend(CliContext c, string[] words)
    {
        if (!FindFrontend(c, At(words, 2), out var p, out var error))
        {
            return error;
        }

        if (p.Stopped)
        {
            return CliReply.Error("Frontend was already shut down.");
        }

        c.Plane.DataPlane?.SetFrontend(p.Config.Index, false);
        c.Plane.StopProxy(p);
        return CliReply.Done;
    }

    public static CliReply ShutdownSessions(CliContext c, string[] words)
    {
        if (!FindServer(c, At(words, 3), out var s, out var error))
        {
            return error;
        }

        c.Plane.DataPlane?.ShutdownSessions(s.Config.Index);
        return CliReply.Done;
    }

    private static CliReply Pause(CliContext c, string[] words, bool pause)
    {
        if (!FindFrontend(c, At(words, 2), out var p, out var error))
        {
            return error;
        }

        if (p.Stopped)
        {
            return CliReply.Error($"Frontend was previously shut down, cannot {(pause ? "disable" : "enable")}.");
        }

        if (p.Paused == pause)
        {
            return CliReply.Error($"All sockets are already {(pause ? "disabled" : "enabled")}.");
        }

        p.Paused = pause;
        c.Plane.DataPlane?.SetFrontend(p.Config.Index, !pause);
        c.Plane.Report(p.Config.Index, Warning, $"{(pause ? "Paused" : "Resumed")} frontend {p.Config.Name}.");
        return CliReply.Done;
    }

    private static CliReply State(CliContext c, ServerRuntime s, string value, long now)
    {
        switch (value)
        {
            case "ready":
                c.Plane.Operations.Ready(s, now);
                return CliReply.Done;
            case "drain":
                c.Plane.Operations.Drain(s, now);
                return CliReply.Done;
            case "maint":
                c.Plane.Operations.Maintain(s, now);
                return CliReply.Done;
            default:
                return CliReply.Error("'set server <srv> state' expects 'ready', 'drain' and 'maint'.");
        }
    }

    private static CliReply ForceHealth(CliContext c, ServerRuntime s, string value, long now)
    {
        if (s.Tracked is not null)
        {
            return CliReply.Error("cannot change health on a tracking server.");
        }

        OperationalState? wanted = value switch
        {
            "up" => OperationalState.Running,
            "stopping" => OperationalState.Stopping,
            "down" => OperationalState.Stopped,
            _ => null,
        };
        if (wanted is not { } w)
        {
            return CliReply.Error("'set server <srv> health' expects 'up', 'stopping', or 'down'.");
        }

        c.Plane.Operations.Force(s, w, now);
        return CliReply.Done;
    }

    /// <summary>N = absolute, 0…256; N% = of the initial weight.</summary>
    private static CliReply Weight(CliContext c, ServerRuntime s, string value, long now)
    {
        if (value.Length == 0)
        {
            return CliReply.Error("Require <weight> or <weight%>.");
        }

        long n = Configuration.Units.Atol(value, out string rest);
        bool relative = rest == "%";
        if (rest.Length > 0 && !relative)
        {
            // HAProxy's texts as they are, without a line end of their own.
            return new CliReply(rest == value ? "Empty weight string empty or preceded by garbage"
                : "Trailing garbage in weight string", 3);
        }

        if (relative ? n < 0 : n is < 0 or > 256)
        {
            return CliReply.Error(
                relative ? "Relative weight must be positive."
                    : "Absolute weight can only be between 0 and 256 inclusive.");
        }

        int weight = (int)Math.Min(256, relative ? s.Config.Weight * n / 100 : n);
        var proxy = s.Backend.Config;
        if (!proxy.Balance.IsDynamic(proxy.HashType) && weight != 0 && weight != s.Config.Weight)
        {
            return CliReply.Error("Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.");
        }

        s.UserWeight = weight;
        c.Plane.Operations.Publish(s, now);
        c.Plane.Operations.Backend(s, now);
        return CliReply.Done;
    }

    private static CliReply Address(CliContext c, ServerRuntime s, string[] words, long now)
    {
        const string By = " by 'stats socket command'";
        string value = At(words, 4);
        if (value.Length == 0)
        {
            return CliReply.Error("set server <b>/<s> addr requires an address and optionally a port.");
        }

        if (!IPAddress.TryParse(value, out var address))
        {
            return CliReply.Error($"Invalid addr '{value}'" + By);
        }

        bool sameAddress = address.Equals(s.Address);
        string text = sameAddress ? "no need to change the addr"
            : $"IP changed from '{s.Address?.ToString() ?? "(none)"}' to '{address}'";
        int port = s.Port;
        if (At(words, 5) == "port")
        {
            string p = At(words, 6);
            long number = Configuration.Units.Atol(p, out string rest);
            if (rest == p)
            {
                return CliReply.Note($"{text}, problem converting port '{p}' to an int" + By);
            }

            // What follows the digits, and what is above 16 bits, is cut off without a word, as in the original.
            port = (int)(number & ushort.MaxValue);

            text += port == s.Port ? ", no need to change the port"
                : FormattableString.Invariant($", port changed from '{s.Port}' to '{port}'");
        }

        if (!sameAddress || port != s.Port)
        {
            s.Address = address;
            s.Port = port;
            c.Plane.Operations.Publish(s, now);
        }

        return CliReply.Note(text + By);
    }

    private static CliReply Name(CliContext c, ServerRuntime s, string value)
    {
        if (value.Length == 0)
        {
            return CliReply.Error("set server <b>/<s> fqdn requires a FQDN.");
        }

        if (!DnsMessage.IsName(value))
        {
            return CliReply.Error($"invalid fqdn '{value}' by 'stats socket command'");
        }

        string? old = s.Fqdn;
        if (s.Resolution is null || !c.Plane.Resolve(s, value))
        {
            return CliReply.Error("set server <b>/<s> fqdn failed because no resolution is configured.");
        }

        return CliReply.Note(old == value
            ? $"no need to change the FDQN by 'stats socket command'"
            : $"{s.FullName} changed its FQDN from {old ?? "(null)"} to {value} by 'stats socket command'");
    }

    private static CliReply CheckPort(ServerRuntime s, string value)
    {
        if (!s.Config.Check)
        {
            return new CliReply("health checks are not enabled on this server", 3);
        }

        if (value.Length == 0)
        {
            return CliReply.Error("set server <b>/<s> check-port requires a port.");
        }

        if (!int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int port))
        {
            return new CliReply("provided port is not an integer", 3);
        }

        if (port > 65535)
        {
            return new CliReply("provided port is invalid", 3);
        }

        s.CheckPort = port;
        return CliReply.Done;
    }

    private static CliReply CheckAddress(ServerRuntime s, string[] words)
    {
        if (!s.Config.Check)
        {
            return new CliReply("health checks are not enabled on this server", 3);
        }

        if (At(words, 4).Length == 0)
        {
            return CliReply.Error("set server <b>/<s> check-addr requires an address and optionally a port.");
        }

        if (!IPAddress.TryParse(At(words, 4), out var address))
        {
            return new CliReply($"invalid addr '{At(words, 4)}'", 3);
        }

        if (At(words, 5) == "port")
        {
            var port = CheckPort(s, At(words, 6));
            if (port.Severity is not null)
            {
                return port;
            }
        }

        s.CheckAddress = address;
        return CliReply.Done;
    }

    internal static bool FindServer(CliContext c, string name, out ServerRuntime server, out CliReply error)
    {
        server = null!;
        int slash = name.IndexOf('/');
        if (slash < 0)
        {
            error = CliReply.Error("Require 'backend/server'.");
            return false;
        }

        var backend = CliShow.Find(c, name[..slash]);
        if (backend is null || !backend.Config.HasBackend)
        {
            error = CliReply.Error("No such backend.");
            return false;
        }

        string wanted = name[(slash + 1)..];
        var found = backend.Servers.FirstOrDefault(s => s.Config.Name == wanted)
            ?? (int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                ? backend.Servers.FirstOrDefault(s => s.Config.Id == id) : null);
        error = found is null ? CliReply.Error("No such server.") : CliReply.Done;
        server = found!;
        return found is not null;
    }

    private static bool FindFrontend(CliContext c, string name, out ProxyRuntime proxy, out CliReply error)
    {
        proxy = null!;
        if (name.Length == 0)
        {
            error = CliReply.Error("A frontend name is expected.");
            return false;
        }

        var found = c.Plane.Proxies.FirstOrDefault(p => p.Config.HasFrontend && p.Config.Name == name);
        error = found is null ? CliReply.Error("No such frontend.") : CliReply.Done;
        proxy = found!;
        return found is not null;
    }

    /// <summary>A time in ms from text in HAProxy's units (default here: seconds); null = not one, or zero.</summary>
    private static int? Delay(string text)
    {
        int digits = text.TakeWhile(char.IsAsciiDigit).Count();
        if (digits == 0
                || !long.TryParse(text.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out long n))
        {
            return null;
        }

        long? ms = text[digits..] switch
        {
            "" or "s" => n * 1000,
            "ms" => n,
            "us" => n / 1000,
            "m" => n * 60_000,
            "h" => n * 3_600_000,
            "d" => n * 86_400_000,
            _ => null,
        };
        return ms is > 0 and <= int.MaxValue ? (int)ms : null;
    }

    private static string At(string[] words, int i) => i < words.Length ? words[i] : "";
}
