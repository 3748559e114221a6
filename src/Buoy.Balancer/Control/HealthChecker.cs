using System.Globalization;
using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Health;
using Buoy.Linux;

namespace Buoy.Balancer.Control;

/// <summary>
/// Runs the health checks of all servers on the control loop (configuration manual 5.2 <c>check</c>, <c>option
/// httpchk</c>): at
/// most one at a time per server, the first ones spread over the shortest interval.
/// </summary>
public sealed class HealthChecker : IDisposable
{
    private readonly EventLoop _loop;
    private readonly Action<ServerRuntime, CheckStatus, int, string, long> _done;
    private readonly Dictionary<ServerRuntime, Check> _checks = [];

    /// <summary>Reports each check's end: server, status, code, info, duration in ms.</summary>
    public HealthChecker(EventLoop loop, Action<ServerRuntime, CheckStatus, int, string, long> done)
    {
        _loop = loop;
        _done = done;
    }

    private sealed class Check(ServerRuntime server)
    {
        public ServerRuntime Server { get; } = server;
        public EventLoop.LoopTimer? Next { get; set; }
        public EventLoop.LoopTimer? Deadline { get; set; }
        public int Fd { get; set; } = -1;
        public long Began { get; set; }
        public bool Connected { get; set; }
        public byte[] Request { get; set; } = [];
        public int Sent { get; set; }
        public List<byte> Response { get; } = [];
    }

    /// <summary>Begins all checks.</summary>
    public void Start(IReadOnlyList<ServerRuntime> servers)
    {
        var checkedOnes = servers.Where(s => s.Config.Check).ToList();
        if (checkedOnes.Count == 0)
        {
            return;
        }

        long shortest = checkedOnes.Min(s => s.Config.Inter);
        for (int i = 0; i < checkedOnes.Count; i++)
        {
            var c = new Check(checkedOnes[i]);
            _checks.Add(c.Server, c);
            Plan(c, shortest * i / checkedOnes.Count);
        }
    }

    /// <summary>Checks a server now instead of at its next time.</summary>
    public void CheckNow(ServerRuntime server)
    {
        if (_checks.TryGetValue(server, out var c) && c.Fd < 0)
        {
            Plan(c, 0);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var c in _checks.Values)
        {
            c.Next?.Cancel();
            Close(c);
        }
    }

    private void Plan(Check c, long delay)
    {
        c.Next?.Cancel();
        c.Next = _loop.Schedule(delay, () => Begin(c));
    }

    private void Begin(Check c)
    {
        var s = c.Server;
        var address = s.CheckAddress ?? s.Address;
        if (s.Health.InMaintenance || !s.CheckEnabled || address is null)
        {
            Plan(c, s.Config.Inter);
            return;
        }

        c.Began = EventLoop.NowMicros;
        c.Connected = false;
        c.Sent = 0;
        c.Response.Clear();
        c.Request = RequestOf(s);
        s.CheckRunning = true;
        int port = s.CheckPort > 0 ? s.CheckPort : s.Port;
        c.Fd = ControlSocket.ConnectTcp(new IPEndPoint(address, port));
        if (c.Fd < 0)
        {
            int errno = -c.Fd;
            c.Fd = -1;
            End(c, CheckStatus.L4Connect, 0, Info(s, ControlSocket.ErrorText(errno)));
            return;
        }

        var t = s.Backend.Config.Timeouts;
        long connect = t.Check is null ? s.Config.Inter : Math.Min(t.Connect ?? s.Config.Inter, s.Config.Inter);
        c.Deadline = _loop.Schedule(connect, () => OnTimeout(c));
        _loop.Add(c.Fd, PollEvents.Writable, e => OnReady(c, e));
    }

    private void OnReady(Check c, PollEvents events)
    {
        if (!c.Connected)
        {
            int errno = ControlSocket.ConnectError(c.Fd);
            if (errno != 0)
            {
                End(c, CheckStatus.L4Connect, 0, Info(c.Server, ControlSocket.ErrorText(errno)));
                return;
            }

            if (c.Request.Length == 0)
            {
                End(c, CheckStatus.L4Ok, 0, "");
                return;
            }

            c.Connected = true;
            if (c.Server.Backend.Config.Timeouts.Check is { } read)
            {
                c.Deadline?.Cancel();
                c.Deadline = _loop.Schedule(read, () => OnTimeout(c));
            }
        }

        if (c.Sent < c.Request.Length)
        {
            int n = ControlSocket.Send(c.Fd, c.Request.AsSpan(c.Sent));
            if (n < 0 && n != -ControlSocket.EAgain)
            {
                End(c, CheckStatus.SocketError, 0, ControlSocket.ErrorText(-n));
                return;
            }

            c.Sent += Math.Max(0, n);
            if (c.Sent == c.Request.Length)
            {
                _loop.Modify(c.Fd, PollEvents.Readable);
            }

            return;
        }

        Read(c);
    }

    private void Read(Check c)
    {
        Span<byte> buffer = stackalloc byte[4096];
        int n = ControlSocket.Receive(c.Fd, buffer);
        if (n == -ControlSocket.EAgain)
        {
            return;
        }

        if (n > 0)
        {
            c.Response.AddRange(buffer[..n]);
        }

        int line = c.Response.IndexOf((byte)'\n');
        if (line < 0 && n > 0 && c.Response.Count < 4096)
        {
            return;
        }

        if (line < 0)
        {
            End(
                c, n < 0 ? CheckStatus.SocketError : CheckStatus.L7Response, 0, n < 0 ? ControlSocket.ErrorText(-n)
                    : "");
            return;
        }

        string status = Encoding.Latin1.GetString([.. c.Response[..line]]).TrimEnd('\r');
        (int code, string text) = Parse(status);
        if (code < 0)
        {
            End(c, CheckStatus.L7Response, 0, "");
        }
        else
        {
            bool good = code is >= 200 and <= 399;
            End(c, good ? CheckStatus.L7Ok : CheckStatus.L7Status, code, good ? "" : text);
        }
    }

    private void OnTimeout(Check c)
    {
        if (!c.Connected)
        {
            End(
                c, CheckStatus.L4Timeout, 0, c.Server.Backend.Config.TcpCheckOption
                    ? " at initial connection step of tcp-check" : "");
        }
        else
        {
            End(c, CheckStatus.L7Timeout, 0, "");
        }
    }

    private void End(Check c, CheckStatus status, int code, string info)
    {
        Close(c);
        c.Server.CheckRunning = false;
        long duration = (EventLoop.NowMicros - c.Began) / 1000;
        _done(c.Server, status, code, info, duration);
        var s = c.Server;
        Plan(c, s.Health.NextInterval(s.Config.Inter, s.Config.FastInter, s.Config.DownInter));
    }

    private void Close(Check c)
    {
        c.Deadline?.Cancel();
        if (c.Fd >= 0)
        {
            _loop.Remove(c.Fd);
            ControlSocket.ResetOnClose(c.Fd);
            ControlSocket.Close(c.Fd);
            c.Fd = -1;
        }
    }

    /// <summary>HTTP/x.y CODE REASON; (-1, "") for anything else.</summary>
    private static (int Code, string Text) Parse(string line)
    {
        if (line.Length < 12 || !line.StartsWith("HTTP/", StringComparison.Ordinal) || line[8] != ' '
            || !int.TryParse(line.AsSpan(9, 3), NumberStyles.None, CultureInfo.InvariantCulture, out int code)
                || code < 100)
        {
            return (-1, "");
        }

        string text = line.Length > 13 ? line[13..] : "";
        return (code, new string([.. text.Where(ch => ch is >= ' ' and <= '~' and not '"')]));
    }

    private static byte[] RequestOf(ServerRuntime s)
    {
        if (s.Backend.Config.Check != CheckKind.Http)
        {
            return [];
        }

        var h = s.Backend.Config.HttpCheck ?? new HttpCheckConfig("OPTIONS", "/", "HTTP/1.0");
        string version = h.Version.Length > 0 ? h.Version : "HTTP/1.0";
        bool host = version != "HTTP/1.0" && !version.Contains("\\r\\n", StringComparison.Ordinal);
        string lines =
            version.Replace("\\r\\n", "\r\n", StringComparison.Ordinal).Replace("\\ ", " ", StringComparison.Ordinal);
        return Encoding.Latin1.GetBytes(
            $"{h.Method} {h.Uri} {lines}\r\n{(host ? $"Host: {s.Config.Host}\r\n" : "")}Connection: close\r\n\r\n");
    }

    private static string Info(ServerRuntime s, string error) =>
        s.Backend.Config.TcpCheckOption ? error + " at initial connection step of tcp-check" : error;
}
