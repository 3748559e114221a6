using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Linux;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.RealProcess;

/// <summary>One master with its workers, ours (this test program started again) or the original, on sockets of its own.</summary>
internal sealed partial class MasterStage : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly string? _original;
    private readonly List<string> _lines = [];
    private readonly List<Process> _processes = [];
    private readonly List<Thread> _readers = [];
    private readonly List<int> _daemons = [];

    private MasterStage(string? original)
    {
        _original = original;
        Port = Stage.FreePort();
        Echo = new EchoServer("echo");
        WriteConfig();
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("buoy-mw").FullName;
    public int Port { get; }
    public EchoServer Echo { get; }
    public string Config => Path.Combine(Folder, "cfg");
    public string PidFile => Path.Combine(Folder, "pid");
    public string Unix => Path.Combine(Folder, "fe.sock");

    /// <summary>The abstract name of the third listener.</summary>
    public string Abstract { get; } = "buoy-" + Guid.NewGuid().ToString("N")[..12];

    public static MasterStage Ours() => new(null);

    public static MasterStage Original() => new(SharedData.RequireProgram("haproxy"));

    /// <summary>The same scene with both programs; what it tells must be the same.</summary>
    public static void Compare(Func<MasterStage, string> scene)
    {
        using var original = Original();
        using var ours = Ours();
        Assert.Equal(scene(original), scene(ours));
    }

    public void WriteConfig(string global = "", string backend = "") => File.WriteAllText(Config, $"""
        global
         stats socket {Folder}/stats.sock level admin expose-fd listeners
         {global}
        defaults
         mode tcp
         timeout client 20s
         timeout server 20s
         timeout connect 3s
        frontend fa
         bind 127.0.0.1:{Port}
         bind unix@{Unix}
         bind abns@{Abstract}
         default_backend bb
        backend bb
         server s1 127.0.0.1:{Echo.Port}
         {backend}

        """);

    /// <summary>Starts the program; its messages are collected.</summary>
    public Process Start(string options = "-W", string? more = null)
    {
        string program = _original ?? Path.Combine(AppContext.BaseDirectory, "Buoy.Balancer.Tests");
        var info = new ProcessStartInfo(program)
        {
            RedirectStandardError = true, RedirectStandardOutput = true, RedirectStandardInput = true,
        };
        string[] first = _original is null ? ["balancer"] : [];
        foreach (string a in (string[])[.. first, .. options.Split(' '), "-f", Config, "-p", PidFile])
        {
            info.ArgumentList.Add(a);
        }

        if (_original is null)
        {
            info.Environment["BUOY_TEST_BALANCER"] = "real";
        }

        if (more is not null)
        {
            info.Environment["NOTIFY_SOCKET"] = more;
        }

        var p = Process.Start(info)!;
        _processes.Add(p);
        foreach (var stream in (StreamReader[])[p.StandardError, p.StandardOutput])
        {
            var reader = new Thread(() => Read(stream)) { IsBackground = true };
            _readers.Add(reader);
            reader.Start();
        }

        return p;
    }

    /// <summary>Starts a master with a socket and waits for its first worker.</summary>
    public Process StartMaster(string options = "")
    {
        var p = Start($"-W -S {Folder}/m.sock {options}".TrimEnd());
        WaitForMaster("0 [failed: 0]");
        return p;
    }

    /// <summary>
    /// Waits until the master serves: it says that it reloaded so and so often, and what it leaves is left. The original
    /// executes itself anew for a while after each start, and loses what it is sent then.
    /// </summary>
    public void WaitForMaster(string reloads)
    {
        string seen = "";
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    try
                    {
                        seen = Master("show proc");
                    }
                    catch (SocketException e)
                    {
                        seen = e.Message;
                    }

                    return seen.Contains(" " + reloads) && seen.Contains("worker  ");
                },
                Patience),
            $"the master does not say '{reloads}' but: {seen}\n{string.Join('\n', Lines())}");
    }

    /// <summary>Waits until a line was said <paramref name="times"/> times.</summary>
    public void WaitForLine(string text, int times = 1) => Assert.True(
        SpinWait.SpinUntil(() => Lines().Count(l => l.Contains(text)) >= times, Patience),
        $"'{text}' was not said {times} times:\n{string.Join('\n', Lines())}");

    public List<string> Lines()
    {
        lock (_lines)
        {
            return [.. _lines];
        }
    }

    /// <summary>Waits for the end: exit code and messages without process ids, versions and the order of processes.</summary>
    public string End(Process p)
    {
        Assert.True(p.WaitForExit(Patience), "the process did not end:\n" + string.Join('\n', Lines()));
        Assert.True(_readers.TrueForAll(r => r.Join(Patience)), "a worker outlived its master");
        var said = Lines().Select(l => Number().Replace(l, "(N)").Replace("/usr/sbin/haproxy.main", "haproxy.main")
                .Replace(Folder, "DIR"))
            .Where(l => !l.StartsWith("[NOTICE]") || l.Contains("worker") || l.Contains("Loading") || l.Contains("Reload"))
            .Where(l => !l.Contains("HTTPCLIENT")).Order(StringComparer.Ordinal);
        return $"{string.Join('\n', said)}\nexit {p.ExitCode}";
    }

    /// <summary>Asks the master.</summary>
    public string Master(string command) => Ask("m.sock", command);

    /// <summary>Asks the stats socket.</summary>
    public string Stats(string command) => Ask("stats.sock", command);

    /// <summary>"show proc" without process ids, times and versions.</summary>
    public string Processes() => Row().Replace(Master("show proc"), m => $"{m.Groups[1].Value}\n");

    /// <summary>Process id of the current worker.</summary>
    public int Worker() => int.Parse(
        Master("show proc").Split('\n').First(l => Row().IsMatch(l + "\n") && l.Contains("worker  ")).Split(' ')[0],
        CultureInfo.InvariantCulture);

    /// <summary>One exchange through the TCP listener.</summary>
    public static string Talk(Socket socket)
    {
        socket.ReceiveTimeout = 20_000;
        socket.Send("x"u8);
        var buffer = new byte[16];
        return Encoding.ASCII.GetString(buffer, 0, socket.Receive(buffer));
    }

    public Socket Connect()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(IPAddress.Loopback, Port);
        return socket;
    }

    public Socket ConnectUnix(bool isAbstract)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(isAbstract ? "\0" + Abstract.PadRight(107, '\0') : Unix));
        return socket;
    }

    /// <summary>Inodes of the sockets that listen on the TCP port.</summary>
    public string[] Listeners() => [.. File.ReadLines("/proc/net/tcp")
        .Where(l => l.Contains($"0100007F:{Port:X4} 00000000:0000 0A"))
        .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[9])];

    /// <summary>A process that this stage must end.</summary>
    public void Adopt(int pid) => _daemons.Add(pid);

    public void Dispose()
    {
        foreach (var p in _processes)
        {
            // A master's workers end when it does.
            if (!p.HasExited)
            {
                ProcessControl.Kill(p.Id, ProcessControl.SigTerm);
                if (!p.WaitForExit(2000))
                {
                    p.Kill();
                }
            }

            p.Dispose();
        }

        foreach (int pid in _daemons.Where(pid => Directory.Exists($"/proc/{pid}")))
        {
            ProcessControl.Kill(pid, ProcessControl.SigTerm);
        }

        Echo.Stop();
        Directory.Delete(Folder, recursive: true);
    }

    private string Ask(string name, string command)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        {
            ReceiveTimeout = 20_000,
        };
        socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(Folder, name)));
        socket.Send(Encoding.ASCII.GetBytes(command + "\n"));
        socket.Shutdown(SocketShutdown.Send);
        var all = new MemoryStream();
        var buffer = new byte[65536];
        for (int n; (n = socket.Receive(buffer)) > 0;)
        {
            all.Write(buffer, 0, n);
        }

        return Encoding.Latin1.GetString(all.ToArray());
    }

    private void Read(StreamReader from)
    {
        while (from.ReadLine() is { } line)
        {
            lock (_lines)
            {
                _lines.Add(line);
            }
        }
    }

    [GeneratedRegex(@"\(\d+\)")]
    private static partial Regex Number();

    [GeneratedRegex(@"\d+ +((master|worker) .*?) +0d00h\d\dm\d\ds .*\n")]
    private static partial Regex Row();
}
