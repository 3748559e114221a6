using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control;
using Buoy.Balancer.Engine;
using Buoy.Balancer.State;
using Buoy.Balancer.Tests.Control;
using Buoy.Balancer.Tests.Engine;

namespace Buoy.Balancer.Tests.Balance;

/// <summary>
/// The installed HAProxy and our balancer on one configuration, with the same servers. The text holds <c>PORT</c>,
/// <c>PORT2</c>, … for ports to bind; everything else is taken as it is. Global and timeouts come before it.
/// </summary>
internal sealed class Twin : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly HaproxyRig _haproxy;
    private readonly Counters _counters;
    private readonly ServerTable _table;
    private readonly ControlPlane _control;
    private readonly DataPlane _plane;

    public Twin(string text, int shards = 1, string global = "", string defaults = "  mode http\n")
    {
        HaproxyLog = new LogListener(_scratch["hlog"]);
        OurLog = new LogListener(_scratch["olog"]);
        int ports = Enumerable.Range(2, 8).Count(i => text.Contains($"PORT{i}", StringComparison.Ordinal)) + 1;
        Haproxy = new Side(_scratch["hs"], [.. Enumerable.Range(0, ports).Select(_ => Harness.FreePort())]);
        Ours = new Side(_scratch["os"], [.. Enumerable.Range(0, ports).Select(_ => Harness.FreePort())]);
        _haproxy = new HaproxyRig(_scratch, _scratch["hs"], Text(Haproxy, "hlog", text, global, defaults));
        string file = _scratch["ours.cfg"];
        File.WriteAllText(file, Text(Ours, "olog", text, global, defaults));
        var loaded = ConfigurationLoader.Load([file]);
        Assert.True(loaded.Config is not null, string.Join('\n', loaded.Diagnostics));
        var config = loaded.Config!;
        _counters = new Counters(shards, config.Proxies.Count, config.Servers.Count, config.Binds.Count);
        _table = new ServerTable(config.Servers.Count);
        var state = new BalancerState(config, _counters, _table, shards);
        _control = new ControlPlane(
            state, [.. config.Servers.Select(s => s.Address)], new ControlOptions { Name = "HAProxy", MaxConn = 2000 });
        _plane = new DataPlane(state, _control.Logs, _control.Local);
        Assert.Empty(_plane.Bind());
        Assert.Empty(_control.Prepare());
        _control.Start(_plane);
        _plane.Start();
        foreach (var side in Both)
        {
            Assert.True(
                SpinWait.SpinUntil(() => side.Answers, TimeSpan.FromSeconds(15)), "a balancer does not accept");
        }
    }

    public Side Haproxy { get; }
    public Side Ours { get; }
    public Side[] Both => [Haproxy, Ours];
    public LogListener HaproxyLog { get; }
    public LogListener OurLog { get; }

    /// <summary>Both sides do the same; what they tell must be equal.</summary>
    public string Same(Func<Side, string> scene)
    {
        string theirs = scene(Haproxy);
        string ours = scene(Ours);
        if (theirs != ours)
        {
            var a = theirs.Split('\n');
            var b = ours.Split('\n');
            int at = 0;
            while (at < a.Length && at < b.Length && a[at] == b[at])
            {
                at++;
            }

            string Around(string[] lines) => string.Join("\n  ", lines.Skip(Math.Max(0, at - 6)).Take(14));
            Assert.Fail($"line {at + 1} differs; the original:\n  {Around(a)}\nours:\n  {Around(b)}");
        }

        return theirs;
    }

    /// <summary>A command on both runtime APIs, answers not compared.</summary>
    public void Tell(string command)
    {
        foreach (var side in Both)
        {
            CliClient.Ask(side.Socket, command);
        }
    }

    public void Dispose()
    {
        _haproxy.Dispose();
        _control.Dispose();
        _plane.Dispose();
        _counters.Dispose();
        _table.Dispose();
        HaproxyLog.Dispose();
        OurLog.Dispose();
        _scratch.Dispose();
    }

    private string Text(Side side, string log, string text, string global, string defaults)
    {
        for (int i = side.Ports.Length; i > 1; i--)
        {
            text = text.Replace($"PORT{i}", $"{side.Ports[i - 1]}", StringComparison.Ordinal);
        }

        return $"global\n  nbthread 1\n  maxconn 2000\n  log {_scratch[log]} len 4096 local0\n"
            + $"  stats socket {side.Socket} mode 600 level admin\n{global}"
            + $"defaults\n  log global\n  timeout client 15s\n  timeout server 15s\n  timeout connect 2s\n{defaults}\n"
            + text.Replace("PORT", $"{side.Port}", StringComparison.Ordinal) + "\n";
    }
}

/// <summary>One of the two balancers, as clients see it.</summary>
internal sealed class Side(string socket, int[] ports)
{
    public string Socket => socket;
    public int[] Ports => ports;
    public int Port => ports[0];

    public bool Answers
    {
        get
        {
            try
            {
                using var s = Open();
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        }
    }

    public Socket Open(string? from = null, int port = 0)
    {
        var s = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true, ReceiveTimeout = 15_000, SendTimeout = 15_000,
        };
        if (from is not null)
        {
            s.Bind(new IPEndPoint(IPAddress.Parse(from), 0));
        }

        s.Connect(IPAddress.Loopback, port == 0 ? Port : port);
        return s;
    }

    public string Cli(string command) => CliClient.Ask(socket, command);

    /// <summary>A whole exchange on a connection of its own, until the balancer closes.</summary>
    public string Exchange(string request, string? from = null, int port = 0)
    {
        using var s = Open(from, port);
        s.Send(Encoding.Latin1.GetBytes(request));
        try
        {
            return Harness.ReadToEnd(s);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            return "(reset)";
        }
    }

    /// <summary>Sends requests one after the other on one connection and gives the bodies.</summary>
    public IReadOnlyList<string> Bodies(IEnumerable<string> requests)
    {
        var all = new List<string>();
        using var s = Open();
        foreach (string r in requests)
        {
            all.Add(Ask(s, r).Body);
        }

        return all;
    }

    /// <summary>One request on an open connection; the response must have a Content-Length.</summary>
    public static (string Head, string Body) Ask(Socket s, string request)
    {
        s.Send(Encoding.Latin1.GetBytes(request));
        return Answer(s);
    }

    public static (string Head, string Body) Answer(Socket s)
    {
        string head = Harness.ReadUntil(s, "\r\n\r\n");
        int at = head.IndexOf("content-length:", StringComparison.OrdinalIgnoreCase);
        int length = at < 0 ? 0 : int.Parse(
            head[(at + 15)..head.IndexOf('\r', at)], System.Globalization.CultureInfo.InvariantCulture);
        return (head, Encoding.Latin1.GetString(Harness.ReadExactly(s, length)));
    }
}

/// <summary>HTTP servers that answer with their name.</summary>
internal sealed class Farm : IDisposable
{
    private readonly Backend[] _servers;

    public Farm(int count, Func<string, string, string>? answer = null) => _servers =
    [
        .. Enumerable.Range(1, count).Select(i => Backend.Http(head => answer?.Invoke($"s{i}", head)
            ?? $"HTTP/1.1 200 OK\r\ncontent-length: {$"s{i}".Length}\r\n\r\ns{i}")),
    ];

    public int this[int i] => _servers[i].Port;

    /// <summary>Server lines s1, s2, …; each may have options.</summary>
    public string Lines(params string[] options) => string.Concat(_servers.Select((s, i) =>
        $"  server s{i + 1} 127.0.0.1:{s.Port} {(i < options.Length ? options[i] : "")}\n"));

    public void Dispose() => Array.ForEach(_servers, s => s.Dispose());
}
