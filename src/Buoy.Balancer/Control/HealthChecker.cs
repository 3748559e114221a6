using System.Net;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Health;
using Buoy.Balancer.Rules.Samples;
using Buoy.Balancer.State;
using Buoy.Linux;

namespace Buoy.Balancer.Control;

/// <summary>
/// Runs the health checks and agents of all servers on the control loop (configuration manual 5.2 <c>check</c>,
/// <c>agent-check</c>): at most one of each at a time per server, the first ones spread over the shortest interval. What
/// is sent and what is a good answer is decided by a <see cref="CheckRun"/>; here is the connection.
/// </summary>
public sealed partial class HealthChecker : IDisposable
{
    /// <summary>Bytes read at once.</summary>
    private const int ReadSize = 16384;

    private readonly EventLoop _loop;
    private readonly BalancerConfig _config;
    private readonly Action<ServerRuntime, CheckReport, long> _checked;
    private readonly Action<ServerRuntime, CheckReport, long> _answered;
    private readonly Func<ServerRuntime, string> _stateHeader;
    private readonly Dictionary<ServerRuntime, Check> _checks = [];
    private readonly Dictionary<ServerRuntime, Check> _agents = [];
    private readonly Dictionary<int, CheckScript> _scripts = [];

    /// <summary>Reports each check's end: server, how it ended, duration in ms.</summary>
    /// <param name="loop">The control loop.</param>
    /// <param name="state">For global settings and scripts, and what expressions of checks ask for.</param>
    /// <param name="whenChecked">A health check ended.</param>
    /// <param name="answered">An agent was asked.</param>
    /// <param name="stateHeader">What <c>http-check send-state</c> sends about a server.</param>
    public HealthChecker(
        EventLoop loop, BalancerState state, Action<ServerRuntime, CheckReport, long> whenChecked,
        Action<ServerRuntime, CheckReport, long> answered, Func<ServerRuntime, string> stateHeader)
    {
        _loop = loop;
        _config = state.Config;
        _scope = new SampleScope { Config = state.Config, State = state, ProcessVariables = state.Variables };
        _checked = whenChecked;
        _answered = answered;
        _stateHeader = stateHeader;
    }

    /// <summary>Where expressions of checks are evaluated: one after the other, on the control thread.</summary>
    private readonly SampleScope _scope;

    private sealed class Check(ServerRuntime server, bool agent)
    {
        public ServerRuntime Server => server;
        public bool IsAgent => agent;
        public EventLoop.LoopTimer? Next { get; set; }
        public EventLoop.LoopTimer? Deadline { get; set; }

        /// <summary>When <see cref="Deadline"/> is due, ms.</summary>
        public long DeadlineAt { get; set; }
        public int Fd { get; set; } = -1;
        public PidFd? Process { get; set; }

        /// <summary>When it began, µs.</summary>
        public long Began { get; set; }
        public CheckRun? Run { get; set; }
        public bool Connected { get; set; }
        public bool Linger { get; set; }
        public bool SendProxy { get; set; }

        /// <summary>The other side sends no more.</summary>
        public bool Ended { get; set; }
        public byte[] Out { get; set; } = [];
        public int Sent { get; set; }

        /// <summary>The run waits to hear that <see cref="Out"/> is sent.</summary>
        public bool TellSent { get; set; }
        public bool Under => Run is not null || Process is not null;
    }

    /// <summary>Begins all checks.</summary>
    public void Start(IReadOnlyList<ServerRuntime> servers)
    {
        var all = servers.Where(s => s.Config.Check).Select(s => New(s, false))
            .Concat(servers.Where(s => s.Agent is not null).Select(s => New(s, true))).ToList();
        if (all.Count == 0)
        {
            return;
        }

        long shortest = all.Min(Interval);
        if (_config.Global.MaxSpreadChecks is { } most)
        {
            shortest = Math.Min(shortest, most);
        }

        for (int i = 0; i < all.Count; i++)
        {
            Plan(all[i], shortest * i / all.Count);
        }
    }

    /// <summary>A server that was added at run time; its first check comes at once.</summary>
    public void Add(ServerRuntime server)
    {
        if (server.Config.Check)
        {
            Plan(New(server, false), 0);
        }

        if (server.Agent is not null)
        {
            Plan(New(server, true), 0);
        }
    }

    /// <summary>A server that is taken away: nothing is reported of it any more.</summary>
    public void Remove(ServerRuntime server)
    {
        foreach (var table in (Dictionary<ServerRuntime, Check>[])[_checks, _agents])
        {
            if (table.Remove(server, out var c))
            {
                c.Next?.Cancel();
                Close(c);
            }
        }
    }

    /// <summary>Checks a server now instead of at its next time.</summary>
    public void CheckNow(ServerRuntime server)
    {
        if (_checks.TryGetValue(server, out var c) && !c.Under)
        {
            Plan(c, 0);
        }
    }

    /// <summary>The interval changed (errors of the traffic): the next check comes no later than this, ms.</summary>
    public void CheckWithin(ServerRuntime server, long milliseconds)
    {
        if (_checks.TryGetValue(server, out var c) && !c.Under && c.DeadlineAt > EventLoop.Now + milliseconds)
        {
            Plan(c, milliseconds);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var c in _checks.Values.Concat(_agents.Values))
        {
            c.Next?.Cancel();
            Close(c);
        }

        _scope.Dispose();
    }

    private Check New(ServerRuntime server, bool agent)
    {
        var c = new Check(server, agent);
        (agent ? _agents : _checks).Add(server, c);
        return c;
    }

    private static long Interval(Check c) => c.IsAgent ? c.Server.Agent!.Config.Inter ?? c.Server.Config.Inter
        : c.Server.Config.Inter;

    private void Plan(Check c, long delay)
    {
        c.Next?.Cancel();
        c.DeadlineAt = EventLoop.Now + delay;
        c.Next = _loop.Schedule(delay, () => Begin(c));
    }

    private CheckScript Script(Check c)
    {
        if (c.IsAgent)
        {
            return CheckScript.OfAgent(c.Server.Agent!.Send);
        }

        var proxy = c.Server.Backend.Config;
        if (!_scripts.TryGetValue(proxy.Index, out var script))
        {
            _scripts[proxy.Index] = script = CheckScript.Of(proxy, _config.Global.BufferSize);
        }

        return script;
    }

    private void Begin(Check c)
    {
        var s = c.Server;
        bool off = c.IsAgent ? !s.Agent!.Enabled : s.Health.InMaintenance || !s.CheckEnabled;
        if (off || (s.Address is null && s.Config.UnixPath is null))
        {
            Plan(c, Interval(c));
            return;
        }

        c.Began = EventLoop.NowMicros;
        c.Ended = c.Connected = false;
        Mark(c, true);
        var t = s.Backend.Config.Timeouts;
        long inter = Interval(c);
        SetDeadline(c, t.Check is null ? inter : Math.Min(t.Connect ?? inter, inter));
        if (!c.IsAgent && s.Backend.Config.Check == CheckKind.External)
        {
            BeginExternal(c);
            return;
        }

        var script = Script(c);
        c.Run = new CheckRun(script, s.Health.State == OperationalState.Stopped, () => _stateHeader(s))
        {
            Samples = script.Evaluates ? new CheckSamples(_scope, s.Backend.Config.Index, s.Config.Index)
            {
                Now = () => EventLoop.Now, Socket = () => c.Connected ? c.Fd : -1,
            } : null,
        };
        Act(c, c.Run.Begin());
    }

    private static void Mark(Check c, bool running)
    {
        if (c.IsAgent)
        {
            c.Server.Agent!.Running = running;
        }
        else
        {
            c.Server.CheckRunning = running;
        }
    }

    private void SetDeadline(Check c, long delay)
    {
        c.Deadline?.Cancel();
        c.DeadlineAt = EventLoop.Now + delay;
        c.Deadline = _loop.Schedule(delay, () => OnExpired(c));
    }

    /// <summary>Never sooner than it is due already.</summary>
    private void Extend(Check c, long delay)
    {
        if (EventLoop.Now + delay > c.DeadlineAt)
        {
            SetDeadline(c, delay);
        }
    }

    private void OnExpired(Check c)
    {
        if (c.Process is not null)
        {
            EndExternal(c, null);
        }
        else if (c.Run is { } run)
        {
            Act(c, run.OnExpired());
        }
    }

    private void Act(Check c, CheckEffect effect)
    {
        while (true)
        {
            switch (effect.Act)
            {
                case CheckAct.Connect:
                    if (Connect(c, effect.Connect) is not { } failed)
                    {
                        return;
                    }

                    effect = failed;
                    break;
                case CheckAct.Send:
                    c.Out = c.Sent < c.Out.Length ? [.. c.Out.AsSpan(c.Sent), .. effect.Data!] : effect.Data!;
                    c.Sent = 0;
                    c.TellSent = true;
                    if (Flush(c) is not { } after)
                    {
                        return;
                    }

                    effect = after;
                    break;
                case CheckAct.Read when c.Ended:
                    effect = c.Run!.OnClosed(null);
                    break;
                case CheckAct.Read:
                    Watch(c);
                    return;
                default:
                    End(c, effect.Report!);
                    return;
            }
        }
    }

    private CheckEffect? Connect(Check c, CheckConnect? rule)
    {
        var s = c.Server;
        CloseSocket(c);
        bool server = rule is null or { Default: true };
        var address = rule?.Address ?? (c.IsAgent ? s.Agent!.Address : s.CheckAddress) ?? s.Address;
        int port = rule?.Port ?? (c.IsAgent ? s.Agent!.Port : s.CheckPort > 0 ? s.CheckPort : s.Port);
        bool elsewhere = s.CheckAddress is not null || s.CheckPort > 0 || rule is { Port: not null } or { Address: not null };
        c.Linger = rule?.Linger ?? false;
        c.SendProxy = !c.IsAgent && (rule is { SendProxy: true }
            || (server && (s.Config.CheckSendProxy || (s.Config.SendProxy > 0 && !elsewhere))));
        c.Out = [];
        c.Sent = 0;
        c.TellSent = c.Connected = c.Ended = false;
        var t = s.Backend.Config.Timeouts;
        if (t.Check is not null)
        {
            long inter = Interval(c);
            Extend(c, Math.Min(t.Connect ?? inter, inter));
        }

        c.Fd = address is null ? ControlSocket.ConnectUnix(s.Config.UnixPath!)
            : ControlSocket.ConnectTcp(new IPEndPoint(address, port));
        if (c.Fd < 0)
        {
            int errno = -c.Fd;
            c.Fd = -1;
            return c.Run!.OnConnectFailed(ControlSocket.ErrorText(errno));
        }

        _loop.Add(c.Fd, PollEvents.Writable, _ => OnReady(c));
        return null;
    }

    private void Watch(Check c) => _loop.Modify(c.Fd, (c.Sent < c.Out.Length ? PollEvents.Writable : 0)
        | (c.Ended ? 0 : PollEvents.Readable));

    private void OnReady(Check c)
    {
        var run = c.Run!;
        if (!c.Connected)
        {
            int errno = ControlSocket.ConnectError(c.Fd);
            if (errno != 0)
            {
                Act(c, run.OnConnectFailed(ControlSocket.ErrorText(errno)));
                return;
            }

            c.Connected = true;
            if (c.Server.Backend.Config.Timeouts.Check is { } read)
            {
                Extend(c, read);
            }

            if (c.SendProxy)
            {
                c.Out = ProxyHeader(c);
                _ = Flush(c);
            }

            Act(c, run.OnConnected());
            return;
        }

        if (c.Sent < c.Out.Length)
        {
            if (Flush(c) is { } after)
            {
                Act(c, after);
            }

            return;
        }

        Read(c, run);
    }

    /// <summary>Sends what it can; an effect where the run is to go on.</summary>
    private CheckEffect? Flush(Check c)
    {
        int n = ControlSocket.Send(c.Fd, c.Out.AsSpan(c.Sent));
        if (n < 0 && n != -ControlSocket.EAgain)
        {
            c.Ended = true;
            c.Sent = c.Out.Length;
            return c.Run!.OnClosed(ControlSocket.ErrorText(-n));
        }

        c.Sent += Math.Max(0, n);
        if (c.Sent < c.Out.Length || !c.TellSent)
        {
            Watch(c);
            return null;
        }

        c.TellSent = false;
        return c.Run!.OnSent();
    }

    private void Read(Check c, CheckRun run)
    {
        Span<byte> buffer = stackalloc byte[ReadSize];
        int n = ControlSocket.Receive(c.Fd, buffer);
        if (n == -ControlSocket.EAgain)
        {
            return;
        }

        c.Ended = n <= 0;
        Act(c, n > 0 ? run.OnData(buffer[..n]) : run.OnClosed(n < 0 ? ControlSocket.ErrorText(-n) : null));
    }

    private void End(Check c, CheckReport report)
    {
        Close(c);
        Mark(c, false);
        long duration = (EventLoop.NowMicros - c.Began) / 1000;
        var s = c.Server;
        (c.IsAgent ? _answered : _checked)(s, report, duration);
        if ((c.IsAgent ? _agents : _checks).ContainsKey(s))
        {
            Plan(c, Spread(c.IsAgent ? Interval(c)
                : s.Health.NextInterval(s.Config.Inter, s.Config.FastInter, s.Config.DownInter)));
        }
    }

    /// <summary>An interval, made longer or shorter by chance (<c>spread-checks</c>).</summary>
    private long Spread(long interval)
    {
        int percent = _config.Global.SpreadChecks;
        return percent <= 0 ? interval
            : interval + (interval * percent * (KernelRandom.UInt16() - 32768) / (100L * 32768));
    }

    private void Close(Check c)
    {
        c.Deadline?.Cancel();
        c.Run?.Dispose();
        c.Run = null;
        CloseSocket(c);
        CloseProcess(c);
    }

    private void CloseSocket(Check c)
    {
        if (c.Fd < 0)
        {
            return;
        }

        _loop.Remove(c.Fd);
        if (!c.Linger)
        {
            ControlSocket.ResetOnClose(c.Fd);
        }

        ControlSocket.Close(c.Fd);
        c.Fd = -1;
    }

    private static byte[] ProxyHeader(Check c)
    {
        if (c.Server.Config.SendProxy == 2)
        {
            return [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x20, 0, 0, 0];
        }

        var from = ControlSocket.LocalEndPoint(c.Fd);
        var to = ControlSocket.RemoteEndPoint(c.Fd);
        string family = from?.Address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? "TCP6" : "TCP4";
        return System.Text.Encoding.ASCII.GetBytes(from is null || to is null ? "PROXY UNKNOWN\r\n"
            : FormattableString.Invariant($"PROXY {family} {from.Address} {to.Address} {from.Port} {to.Port}\r\n"));
    }
}
