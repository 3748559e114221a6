using System.Globalization;
using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Control.Cli;

/// <summary>The streams on the runtime API (management manual 9.3, <c>show sess</c>, <c>shutdown session</c>).</summary>
internal static class CliSessions
{
    /// <summary>How long the control thread waits for the shards, ms: they answer within a turn of their loop.</summary>
    private const int Patience = 1000;

    /// <summary>show sess [ID | all]: one line per stream, or all there is to say.</summary>
    public static CliReply Show(CliContext c, string[] words)
    {
        string which = words.Length > 2 ? words[2] : "";
        long? id = null;
        if (which.Length > 0 && which != "all" && char.IsAsciiDigit(which[0]))
        {
            id = IdOf(which);
        }

        var sessions = Ask(c);
        var s = new StringBuilder();
        if (id is not null || which == "all")
        {
            foreach (var one in sessions.Where(x => id is null || x.Id == id))
            {
                Detail(s, c, one);
            }

            return s.Length == 0 && id is not null ? CliReply.Error("Session not found.") : new CliReply(s.ToString());
        }

        foreach (var one in sessions)
        {
            Line(s, c, one);
        }

        s.Append("0x1: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00 epoch=0 age=0s calls=1 rate=0 ")
            .Append("cpu=0 lat=0 rq[f=0h,i=0,an=00h,rx=,wx=,ax=] rp[f=0h,i=0,an=00h,rx=,wx=,ax=] scf=[8,0h,fd=-1] ")
            .Append("scb=[8,0h,fd=-1] exp= rc=0 c_exp=\n");
        return new CliReply(s.ToString());
    }

    /// <summary>shutdown session ID.</summary>
    public static CliReply Shutdown(CliContext c, string[] words)
    {
        if (words.Length < 3)
        {
            return CliReply.Error("Session pointer expected (use 'show sess').");
        }

        using var answered = new ManualResetEventSlim();
        bool there = false;
        c.Plane.DataPlane?.ShutdownSession(IdOf(words[2]), found =>
        {
            there = found;
            answered.Set();
        });
        return answered.Wait(Patience) && there ? CliReply.Done : CliReply.Error("No such session (use 'show sess').");
    }

    private static IReadOnlyList<SessionInfo> Ask(CliContext c)
    {
        // Not disposed: an answer may still come after the wait was given up.
        var answered = new ManualResetEventSlim();
        IReadOnlyList<SessionInfo> found = [];
        c.Plane.DataPlane?.Sessions(all =>
        {
            found = all;
            answered.Set();
        });
        return answered.Wait(Patience) ? [.. found.OrderByDescending(x => x.Age)] : [];
    }

    private static long IdOf(string text) =>
        long.TryParse(
            text.StartsWith("0x", StringComparison.Ordinal) ? text.AsSpan(2) : text, NumberStyles.HexNumber,
            CultureInfo.InvariantCulture, out long id) ? id : 0;

    private static string Protocol(IPEndPoint? e) =>
        e is null ? "unix_stream" : e.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? "tcpv6" : "tcpv4";

    private static string Address(IPEndPoint? e) =>
        e is null ? "unix:1" : string.Create(CultureInfo.InvariantCulture, $"{e.Address}:{e.Port}");

    private static string Seconds(long ms) => ms < 0 ? "" : FormattableString.Invariant($"{ms / 1000}s");

    private static void Line(StringBuilder s, CliContext c, in SessionInfo x)
    {
        var config = c.Plane.State.Config;
        s.Append(CultureInfo.InvariantCulture,
            $"0x{x.Id:x}: proto={Protocol(x.Source)} src={Address(x.Source)} fe={config.Proxies[x.Frontend].Name} ");
        s.Append(CultureInfo.InvariantCulture,
            $"be={(x.Backend < 0 ? "<NONE>" : config.Proxies[x.Backend].Name)} srv={ServerName(c, x)} ");
        s.Append(CultureInfo.InvariantCulture,
            $"ts=00 epoch=0 age={Seconds(x.Age)} calls=0 rate=0 cpu=0 lat=0 ");
        s.Append(CultureInfo.InvariantCulture, $"rq[f=0h,i=0,an=00h,rx={Seconds(x.Expires)},wx=,ax=] ");
        s.Append(CultureInfo.InvariantCulture, $"rp[f=0h,i=0,an=00h,rx={Seconds(x.Expires)},wx=,ax=] ");
        s.Append(CultureInfo.InvariantCulture, $"scf=[8,0h,fd={x.Fd}] ");
        s.Append(CultureInfo.InvariantCulture,
            $"scb=[{(x.ServerFd < 0 ? 0 : 8)},1h,fd={x.ServerFd}] exp={Seconds(x.Expires)} rc={x.Retries} c_exp=\n");
    }

    private static string ServerName(CliContext c, in SessionInfo x) =>
        x.Server < 0 ? "<none>" : c.Plane.State.Config.Servers[x.Server].Name;

    private static void Detail(StringBuilder s, CliContext c, in SessionInfo x)
    {
        var config = c.Plane.State.Config;
        var frontend = config.Proxies[x.Frontend];
        var bind = config.Binds[x.Bind];
        var begun = DateTimeOffset.Now.AddMilliseconds(-x.Age);
        s.Append(CultureInfo.InvariantCulture, $"0x{x.Id:x}: [{begun:dd/MMM/yyyy:HH:mm:ss.ffffff}] id={x.Id & 0xffffff} ");
        s.Append(CultureInfo.InvariantCulture, $"proto={Protocol(x.Source)} source={Address(x.Source)}\n");
        s.Append(CultureInfo.InvariantCulture, $"  flags=0x0, conn_retries={x.Retries}, conn_exp=<NEVER> conn_et=0x000 ");
        s.Append(CultureInfo.InvariantCulture, $"srv_conn={(x.Server < 0 ? "(nil)" : $"0x{x.Server + 1:x}")}, ");
        s.Append(CultureInfo.InvariantCulture, $"pend_pos={(x.State == "Queued" ? "0x1" : "(nil)")} waiting=0 epoch=0\n");
        s.Append(CultureInfo.InvariantCulture,
            $"  frontend={frontend.Name} (id={frontend.Id} mode={Mode(frontend)}), ");
        s.Append(CultureInfo.InvariantCulture, $"listener={bind.Name ?? "?"} (id={bind.Id}) addr={Address(x.Local)}\n");
        if (x.Backend < 0)
        {
            s.Append("  backend=<NONE> (id=-1 mode=-)\n");
        }
        else
        {
            var backend = config.Proxies[x.Backend];
            s.Append(CultureInfo.InvariantCulture, $"  backend={backend.Name} (id={backend.Id} mode={Mode(backend)})");
            s.Append(x.ServerLocal is null ? "\n" : $" addr={Address(x.ServerLocal)}\n");
        }

        s.Append(x.Server < 0 ? "  server=<NONE> (id=-1)\n" : FormattableString.Invariant(
            $"  server={ServerName(c, x)} (id={config.Servers[x.Server].Id}) addr={ServerAddress(c, x.Server)}\n"));
        s.Append(CultureInfo.InvariantCulture, $"  task=0x{x.Id:x} (state=0x00 nice=0 calls=0 rate=0 ");
        s.Append(CultureInfo.InvariantCulture, $"exp={(x.Expires < 0 ? "<NEVER>" : Seconds(x.Expires))} tmask=0x");
        s.Append(CultureInfo.InvariantCulture, $"{1L << (int)((x.Id >> 48) - 1):x} age={Seconds(x.Age)})\n");
        s.Append(CultureInfo.InvariantCulture, $"  scf=0x{x.Id:x} flags=0x00000000 state={x.State} fd={x.Fd} ");
        s.Append(CultureInfo.InvariantCulture, $"idle={Seconds(x.Idle.Client)}\n");
        if (x.ServerFd >= 0)
        {
            s.Append(CultureInfo.InvariantCulture, $"  scb=0x{x.Id:x} flags=0x00000000 state={x.State} fd={x.ServerFd} ");
            s.Append(CultureInfo.InvariantCulture, $"idle={Seconds(x.Idle.Server)}\n");
        }

        s.Append(CultureInfo.InvariantCulture, $"  req=0x{x.Id:x} (f=0x0 an=0x0 pipe=0 tofwd=-1 total={x.BytesIn})\n");
        s.Append(CultureInfo.InvariantCulture, $"  res=0x{x.Id:x} (f=0x0 an=0x0 pipe=0 tofwd=-1 total={x.BytesOut})\n");
    }

    private static string Mode(ProxyConfig p) => p.Mode == ProxyMode.Http ? "http" : "tcp";

    private static string ServerAddress(CliContext c, int server) =>
        Stats.StatCollector.EndPoint(c.Plane.ServerAt(server)) ?? "<none>";
}
