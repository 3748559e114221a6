using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Linux;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.RealProcess;

/// <summary>
/// The seed's configuration on this machine's loopback: three servers that echo, a DNS server that answers from a script, a
/// log socket, and one balancer, ours or the original, as a real process. All times of the seed are shortened.
/// </summary>
internal sealed partial class Stage : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly string _program;
    private readonly string[] _first;
    private readonly Socket _dns = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly List<Socket> _logs = [];
    private readonly Dictionary<string, EchoServer> _servers = [];
    private readonly BlockingCollection<string> _lines = [];
    private readonly List<int> _pids = [];
    private readonly List<(string Text, string Name)> _own = [];

    private Stage(string program, string[] first)
    {
        (_program, _first) = (program, first);
        Folder = Directory.CreateTempSubdirectory("buoy-seed").FullName;
        string inside = Path.Combine(Folder, "root" + Folder);
        Directory.CreateDirectory(inside);
        foreach (string path in (string[])[Folder, Path.Combine(Folder, "root"), inside])
        {
            File.SetUnixFileMode(path, (UnixFileMode)0x1ED);
        }

        // The original opens a log's path when the first line is due, which is inside the chroot; ours before.
        foreach (string at in (string[])[Path.Combine(Folder, "log"), Path.Combine(inside, "log")])
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            socket.Bind(new UnixDomainSocketEndPoint(at));
            File.SetUnixFileMode(at, (UnixFileMode)0x1B6);
            _logs.Add(socket);
            new Thread(() => Receive(socket, d => _lines.Add(Plain(Encoding.UTF8.GetString(d))))) { IsBackground = true }.Start();
        }

        _dns.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        new Thread(() => ReceiveFrom(_dns)) { IsBackground = true }.Start();
        foreach (string name in Names)
        {
            _servers[name] = new EchoServer(name);
            Answers[name + ".buoy.invalid"] = true;
        }

        (ApiPort, StatsPort, HttpPort) = (FreePort(), FreePort(), FreePort());
        _own.AddRange([(Folder, "DIR"), ($":{ApiPort}", ":API"), ($":{StatsPort}", ":STATS"), ($":{HttpPort}", ":HTTP")]);
        _own.AddRange(Names.Select(n => ($"{_servers[n].Port}", n.ToUpperInvariant())));
        foreach (int code in (int[])[400, 403, 408, 500, 502, 503, 504])
        {
            File.WriteAllText(
                Path.Combine(Folder, $"{code}.http"), $"HTTP/1.0 {code} Own\r\nConnection: close\r\n\r\nown {code}\n");
        }

        Config = Path.Combine(Folder, "haproxy.cfg");
        File.WriteAllText(Config, Rewritten(File.ReadAllText(SharedData.Require("seed/haproxy.cfg"))));
    }

    public static string[] Names { get; } = ["kube-mast01", "kube-mast02", "kube-mast03"];

    public string Folder { get; }
    public string Config { get; }
    public int ApiPort { get; }
    public int StatsPort { get; }
    public int HttpPort { get; }

    /// <summary>Names the DNS server knows.</summary>
    public ConcurrentDictionary<string, bool> Answers { get; } = new();

    /// <summary>A stage for our program, or a skip where it is not built.</summary>
    public static Stage Ours()
    {
        string program = Environment.GetEnvironmentVariable("BUOY_PROGRAM") is { Length: > 0 } named
            ? named : Path.Combine(SharedData.Repository, "out", "buoy");
        Assert.SkipUnless(File.Exists(program), "the program is not built: ./buoy build, or BUOY_PROGRAM");
        return new Stage(program, ["balancer"]);
    }

    /// <summary>A stage for the original, or a skip where it is not installed.</summary>
    public static Stage Original() => new(SharedData.RequireProgram("haproxy"), []);

    /// <summary>Runs a scene on both stages and compares what it tells.</summary>
    public static void Compare(Func<Stage, string> scene)
    {
        Assert.SkipUnless(ProcessControl.EffectiveUser == 0, "chroot and user of the seed's configuration need root");
        using var ours = Ours();
        using var original = Original();
        Assert.Equal(scene(original), scene(ours));
    }

    /// <summary>Runs to the end: exit code, output and messages, made comparable.</summary>
    public string Run(params string[] arguments)
    {
        using var process = Start(arguments);
        return End(process);
    }

    public Process Start(params string[] arguments) => Process.Start(new ProcessStartInfo(_program, [.. _first, .. arguments])
    {
        RedirectStandardOutput = true, RedirectStandardError = true,
    })!;

    /// <summary>The link to the program by the original's name.</summary>
    public ProcessStartInfo AsHaproxy(params string[] arguments)
    {
        string link = Path.Combine(Folder, "haproxy");
        if (!File.Exists(link))
        {
            File.CreateSymbolicLink(link, _program);
        }

        return new ProcessStartInfo(link, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
    }

    public string End(Process process)
    {
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Patience))
        {
            process.Kill();
            Assert.Fail("the process did not end: " + error.Result);
        }

        return $"{Plain(output.Result)}{Plain(error.Result)}exit {process.ExitCode}\n";
    }

    /// <summary>Starts the daemon as the seed does and waits until all three servers are up; returns its process id.</summary>
    public int Daemon()
    {
        string pidFile = Path.Combine(Folder, "pid");
        string said = Run("-f", Config, "-D", "-p", pidFile);
        Assert.EndsWith("exit 0\n", said);
        int pid = int.Parse(File.ReadAllText(pidFile).Split('\n')[0], CultureInfo.InvariantCulture);
        _pids.Add(pid);
        WaitForStatus("UP UP UP");
        return pid;
    }

    /// <summary>Waits until the servers' states are these.</summary>
    public void WaitForStatus(string wanted)
    {
        string seen = "";
        Assert.True(SpinWait.SpinUntil(() => (seen = Status()) == wanted, Patience), $"servers are {seen}, not {wanted}");
    }

    /// <summary>States of the three servers as the runtime API tells them.</summary>
    public string Status() => string.Join(' ', Ask("show stat 3 4 -1").Split('\n').Where(l => l.StartsWith("kubernetes-master"))
        .Select(l => l.Split(',')[17].Replace(' ', '_')));

    /// <summary>One command on the stats socket.</summary>
    public string Ask(string command)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(Folder, "admin.sock")));
        return Exchange(socket, command + "\n");
    }

    /// <summary>One exchange over TCP, until the other side closes.</summary>
    public static string Talk(int port, string request)
    {
        using var socket = Connect(port);
        return Exchange(socket, request);
    }

    public static Socket Connect(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 20_000 };
        socket.Connect(IPAddress.Loopback, port);
        return socket;
    }

    /// <summary>Sends a line through a connection and reads what comes back.</summary>
    public static string Echo(Socket socket, string text)
    {
        socket.Send(Encoding.ASCII.GetBytes(text));
        var buffer = new byte[256];
        return Encoding.ASCII.GetString(buffer, 0, socket.Receive(buffer));
    }

    public void StopServer(string name) => _servers[name].Stop();

    public void RestartServer(string name) => _servers[name].Listen();

    /// <summary>The next log line that holds the text; those before it are passed over.</summary>
    public string WaitForLog(string text)
    {
        var passed = new StringBuilder();
        var until = Stopwatch.StartNew();
        while (until.Elapsed < Patience)
        {
            if (_lines.TryTake(out string? line, Patience - until.Elapsed))
            {
                if (line.Contains(text, StringComparison.Ordinal))
                {
                    return line;
                }

                passed.Append(line);
            }
        }

        Assert.Fail($"no log line says '{text}'; there were:\n{passed}");
        return "";
    }

    /// <summary>Waits for a process that is not our child to be gone.</summary>
    public static bool Gone(int pid) => SpinWait.SpinUntil(() => !Directory.Exists($"/proc/{pid}"), Patience);

    /// <summary>Text without process ids, ports, folders, times and versions.</summary>
    public string Plain(string text)
    {
        foreach (var (own, name) in _own)
        {
            text = text.Replace(own, name);
        }

        text = ProcessId().Replace(text, "");
        text = Caller().Replace(text, "[haproxy.main()]");
        text = LogHead().Replace(text, "$1 ");
        text = Client().Replace(text, "127.0.0.1:N [T]");
        var lines = text.Split('\n').Where(l => !l.StartsWith("[NOTICE]", StringComparison.Ordinal));
        return string.Join('\n', lines);
    }

    public void Dispose()
    {
        foreach (int pid in _pids.Where(p => Directory.Exists($"/proc/{p}")))
        {
            ProcessControl.Kill(pid, ProcessControl.SigTerm);
            Gone(pid);
        }

        _dns.Dispose();
        _logs.ForEach(l => l.Dispose());
        foreach (var server in _servers.Values)
        {
            server.Stop();
        }

        Directory.Delete(Folder, recursive: true);
    }

    public static int FreePort()
    {
        using var l = new TcpListener(IPAddress.Loopback, 0);
        l.Start();
        return ((IPEndPoint)l.LocalEndpoint).Port;
    }

    private string Rewritten(string seed)
    {
        int dns = ((IPEndPoint)_dns.LocalEndPoint!).Port;
        string text = seed.Replace("/dev/log", $"{Folder}/log").Replace("/var/lib/haproxy", $"{Folder}/root")
            .Replace("/run/haproxy/admin.sock", $"{Folder}/admin.sock").Replace("user haproxy", "user nobody")
            .Replace("group haproxy", "group nogroup").Replace("/etc/haproxy/errors/", $"{Folder}/")
            .Replace("192.168.4.1:53", $"127.0.0.1:{dns}").Replace("*:6443", $"127.0.0.1:{ApiPort}")
            .Replace("*:32700", $"127.0.0.1:{StatsPort}").Replace("timeout retry 1s", "timeout retry 200ms\n  timeout resolve 200ms")
            .Replace("fall 3 rise 2", "fall 3 rise 2 inter 200");
        text = Names.Aggregate(text, (t, n) => t.Replace($" {n}:6443", $" {n}.buoy.invalid:{_servers[n].Port}"));
        return Hold().Replace(text, "hold $1 400ms") + $"""

            listen http
              bind 127.0.0.1:{HttpPort}
              timeout http-request 300ms
              errorfile 400 {Folder}/400.http
              errorfile 408 {Folder}/408.http
              retries 0
              server none 127.0.0.1:1

            """;
    }

    private static string Exchange(Socket socket, string request)
    {
        socket.ReceiveTimeout = 20_000;
        socket.Send(Encoding.ASCII.GetBytes(request));
        var all = new MemoryStream();
        var buffer = new byte[65536];
        for (int n; (n = socket.Receive(buffer)) > 0;)
        {
            all.Write(buffer, 0, n);
        }

        return Encoding.Latin1.GetString(all.ToArray());
    }

    private static void Receive(Socket socket, Action<byte[]> got)
    {
        var buffer = new byte[8192];
        try
        {
            while (true)
            {
                int n = socket.Receive(buffer);
                got(buffer[..n]);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The stage was taken down.
        }
    }

    /// <summary>Answers A questions for known names with 127.0.0.1, AAAA with nothing, unknown names with NXDOMAIN.</summary>
    private void ReceiveFrom(Socket socket)
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                EndPoint from = new IPEndPoint(IPAddress.Any, 0);
                _ = socket.ReceiveFrom(buffer, ref from);
                socket.SendTo(Answer(buffer), from);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The stage was taken down.
        }
    }

    private byte[] Answer(byte[] question)
    {
        const int Header = 12;
        int at = Header;
        var labels = new List<string>();
        for (; question[at] != 0; at += question[at] + 1)
        {
            labels.Add(Encoding.ASCII.GetString(question, at + 1, question[at]));
        }

        int end = at + 5;
        bool known = Answers.ContainsKey(string.Join('.', labels));
        bool address = known && question[at + 2] == 1;
        byte[] head = [question[0], question[1], 0x81, (byte)(known ? 0x80 : 0x83), 0, 1, 0, (byte)(address ? 1 : 0), 0, 0, 0, 0];
        byte[] record = address ? [0xC0, Header, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1] : [];
        return [.. head, .. question[Header..end], .. record];
    }

    [GeneratedRegex(@"\[[^\] ]*haproxy\.main\(\)\]")]
    private static partial Regex Caller();

    [GeneratedRegex(@" *\(\d+\)(?= : )")]
    private static partial Regex ProcessId();

    [GeneratedRegex(@"(<\d+>)\w+ +\d+ [\d:]+ haproxy\[\d+\]:\s")]
    private static partial Regex LogHead();

    [GeneratedRegex(@"127\.0\.0\.1:\d+ \[[^\]]*\]")]
    private static partial Regex Client();

    [GeneratedRegex(@"hold (\w+) \d+s")]
    private static partial Regex Hold();
}

/// <summary>Answers what it is sent with its name before it; stopping closes the port, restarting opens the same one.</summary>
internal sealed class EchoServer
{
    private readonly string _name;
    private Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public EchoServer(string name)
    {
        _name = name;
        Listen();
    }

    public int Port { get; private set; }

    public void Listen()
    {
        _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, Port));
        _listener.Listen(64);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        var listener = _listener;
        new Thread(() => Accept(listener)) { IsBackground = true }.Start();
    }

    public void Stop() => _listener.Dispose();

    private void Accept(Socket listener)
    {
        try
        {
            while (true)
            {
                var client = listener.Accept();
                new Thread(() => Serve(client)) { IsBackground = true }.Start();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    private void Serve(Socket client)
    {
        var buffer = new byte[4096];
        try
        {
            for (int n; (n = client.Receive(buffer)) > 0;)
            {
                client.Send([.. Encoding.ASCII.GetBytes(_name + ":"), .. buffer.AsSpan(0, n)]);
            }
        }
        catch (SocketException)
        {
            // Checks end with a reset.
        }

        client.Dispose();
    }
}
