using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Tests.RealProcess;

namespace Buoy.Balancer.Tests.Reliability;

/// <summary>
/// One balancer, a real process, to be treated badly; it knows what it held before and tells whether all of it came back.
/// BUOY_LONG=1 makes the tests longer and larger.
/// </summary>
internal sealed class Victim : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly MasterStage _stage = MasterStage.Ours();
    private readonly Process _process;
    private int _files;
    private long _memory;

    public Victim(string config, string global = "")
    {
        HttpPort = Stage.FreePort();
        string text = $"""
            global
             nbthread 2
             stats socket {_stage.Folder}/stats.sock level admin
             {global}
            defaults
             timeout client 20s
             timeout server 20s
             timeout connect 2s
            {config}
            """;
        File.WriteAllText(
            _stage.Config,
            text.Replace(":TCP", $":{_stage.Port}").Replace(":HTTP", $":{HttpPort}").Replace("DIR", _stage.Folder));
        _process = _stage.Start("-db");
        Assert.True(SpinWait.SpinUntil(Answers, Patience), "it did not start:\n" + string.Join('\n', _stage.Lines()));
    }

    /// <summary>Is this a long run?</summary>
    public static bool Long => Environment.GetEnvironmentVariable("BUOY_LONG") == "1";

    public int TcpPort => _stage.Port;
    public int HttpPort { get; }
    public string Folder => _stage.Folder;

    public string Ask(string command) => _stage.Stats(command);

    /// <summary>A figure of <c>show info</c>.</summary>
    public long Info(string name) => long.Parse(
        Ask("show info").Split('\n').First(l => l.StartsWith(name + ":", StringComparison.Ordinal)).Split(' ')[^1],
        CultureInfo.InvariantCulture);

    public static Socket Connect(int port)
    {
        var s = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            ReceiveTimeout = 30_000, NoDelay = true,
        };
        s.Connect(IPAddress.Loopback, port);
        return s;
    }

    /// <summary>A request and all of its answer up to the end of the connection.</summary>
    public static string Get(int port, string target = "/")
    {
        using var s = Connect(port);
        s.Send(Encoding.ASCII.GetBytes($"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        return Engine.Harness.ReadToEnd(s);
    }

    /// <summary>Remembers what it holds when nothing is connected.</summary>
    public void Remember()
    {
        Assert.True(SpinWait.SpinUntil(() => Info("CurrConns") == 0, Patience));
        (_files, _memory) = (Files(), Memory());
    }

    /// <summary>Nothing is left: connections, descriptors; memory grew by less than <paramref name="megabytes"/>.</summary>
    public void MustBeAsBefore(int megabytes = 48)
    {
        Assert.False(_process.HasExited, "it ended:\n" + string.Join('\n', _stage.Lines()));
        Assert.True(SpinWait.SpinUntil(() => Info("CurrConns") == 0, Patience), $"{Info("CurrConns")} connections are left");
        Assert.True(
            SpinWait.SpinUntil(() => Files() <= _files, Patience), $"{Files()} descriptors are open, before {_files}");
        Assert.True(Memory() - _memory < megabytes << 20, $"it took {(Memory() - _memory) >> 20} MB more");
        Assert.True(SpinWait.SpinUntil(() => Left() is null, Patience), $"queue or sessions are left: {Left()}");
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _stage.Dispose();
    }

    /// <summary>A row of the statistics that tells of a queue or of sessions; null: none does.</summary>
    private string? Left() => Ask("show stat").Split('\n').Where(static l => l.Length > 0 && l[0] != '#')
        .FirstOrDefault(static row => row.Split(',') is var f && !(f[2] is "" or "0" && f[4] is "0"));

    private bool Answers()
    {
        try
        {
            return Ask("show info").Length > 0;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Descriptors that belong to traffic: sockets and pipes, without the empty pipes that shards keep.</summary>
    private int Files() => OpenFiles() - (int)(2 * Info("PipesFree"));

    private int OpenFiles() => Directory.GetFiles($"/proc/{_process.Id}/fd").Count(f =>
    {
        try
        {
            return new FileInfo(f).LinkTarget is { } t && (t.StartsWith("socket:") || t.StartsWith("pipe:"));
        }
        catch (IOException)
        {
            return false;
        }
    });

    private long Memory() => long.Parse(
        File.ReadAllText($"/proc/{_process.Id}/statm").Split(' ')[1], CultureInfo.InvariantCulture) * 4096;
}
