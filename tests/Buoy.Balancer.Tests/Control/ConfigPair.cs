using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Tests.Control;

/// <summary>HAProxy and our control plane, each on the same configuration text but with servers of its own.</summary>
internal sealed class ConfigPair : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly HaproxyRig _haproxy;
    private readonly ControlRig _rig;

    /// <summary>Starts both.</summary>
    /// <param name="sections">The sections after global and defaults; the argument is 0 for HAProxy, 1 for ours.</param>
    /// <param name="global">More lines of the global section.</param>
    public ConfigPair(Func<int, string> sections, string global = "")
    {
        _haproxy = new HaproxyRig(_scratch, Sockets(0), Text(0, sections, global));
        try
        {
            string file = _scratch["ours.cfg"];
            File.WriteAllText(file, Text(1, sections, global));
            var loaded = ConfigurationLoader.Load([file]);
            Assert.True(loaded.Config is not null, string.Join('\n', loaded.Diagnostics.Select(d => d.Text)));
            _rig = new ControlRig(loaded.Config!).Start();
        }
        catch
        {
            _haproxy.Dispose();
            throw;
        }
    }

    /// <summary>HAProxy's log and ours.</summary>
    public UdpLog[] Log { get; } = [new UdpLog(), new UdpLog()];

    public ControlRig Ours => _rig;

    /// <summary>Path of the stats socket of HAProxy (0) or ours (1).</summary>
    public string Sockets(int which) => _scratch[which == 0 ? "hs" : "os"];

    public string Path(string name) => _scratch[name];

    /// <summary>The same question to both.</summary>
    public string[] Ask(string command) => [CliClient.Ask(Sockets(0), command), CliClient.Ask(Sockets(1), command)];

    /// <summary>Waits until both have logged this.</summary>
    public void WaitForBoth(string text)
    {
        Log[0].WaitFor(text);
        Log[1].WaitFor(text);
    }

    /// <summary>The first line of a log that matches, without times; waits for it.</summary>
    public string First(int which, string text) => Comparable(Log[which].WaitFor(text));

    /// <summary>A line without date, process id and durations.</summary>
    public static string Comparable(string line) => Regex.Replace(
        Regex.Replace(line, @"^(<\d+>)\w{3} [ \d]\d \d\d:\d\d:\d\d \S+?\[\d+\]: ", "$1"), @"duration: \d+ms", "duration: Nms");

    public void Dispose()
    {
        _haproxy.Dispose();
        _rig.Dispose();
        Array.ForEach(Log, l => l.Dispose());
        _scratch.Dispose();
    }

    private string Text(int which, Func<int, string> sections, string global) => $"""
        global
          nbthread 1
          log 127.0.0.1:{Log[which].Port} local0
          stats socket {Sockets(which)} mode 600 level admin
          node here
        {global}
        defaults
          log global
          timeout client 20s
          timeout server 20s
          timeout connect 1s
          option log-health-checks
        {sections(which)}

        """;
}

/// <summary>A syslog server over UDP: hundreds of lines at once fit into its buffer, a Unix socket takes ten.</summary>
internal sealed class UdpLog : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly List<string> _lines = [];
    private readonly Thread _thread;

    public UdpLog()
    {
        _socket.ReceiveBufferSize = 1 << 22;
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _thread = new Thread(Receive) { IsBackground = true };
        _thread.Start();
    }

    public int Port => ((IPEndPoint)_socket.LocalEndPoint!).Port;

    /// <summary>All lines so far.</summary>
    public string[] Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    /// <summary>The first line with this text, from a position on; fails after a generous deadline.</summary>
    public string WaitFor(string text, int from = 0)
    {
        var until = DateTime.UtcNow + Patience;
        lock (_lines)
        {
            while (true)
            {
                for (; from < _lines.Count; from++)
                {
                    if (_lines[from].Contains(text, StringComparison.Ordinal))
                    {
                        return _lines[from];
                    }
                }

                var left = until - DateTime.UtcNow;
                if (left <= TimeSpan.Zero || !Monitor.Wait(_lines, left))
                {
                    throw new InvalidOperationException(
                        $"no log line with '{text}' came; there were:\n{string.Join('\n', _lines)}");
                }
            }
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        _thread.Join();
    }

    private void Receive()
    {
        var buffer = new byte[65536];
        try
        {
            while (true)
            {
                int n = _socket.Receive(buffer);
                lock (_lines)
                {
                    _lines.Add(Encoding.Latin1.GetString(buffer, 0, n).TrimEnd('\n'));
                    Monitor.PulseAll(_lines);
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Disposed: the test is over.
            return;
        }
    }
}
