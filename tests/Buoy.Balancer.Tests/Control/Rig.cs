using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Control;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Tests.Control;

/// <summary>A data plane that only remembers what it was told.</summary>
internal sealed class FakeDataPlane : IDataPlane
{
    public List<string> Calls { get; } = [];
    public int ActiveConnections => 0;

    public IReadOnlyList<(ProxyConfig Proxy, BindConfig Bind, string Error)> Bind() => [];
    public void Start() => Note("start");
    public void ServersChanged() => Note("changed");
    public void ShutdownSessions(int server) => Note($"shutdown {server}");
    public void StopListening() => Note("stop");
    public void SetFrontend(int proxy, bool enabled) => Note($"frontend {proxy} {enabled}");
    public void Ping(Action allAnswered) => allAnswered();
    public void SetMaxConn(int proxy, int maxConn) => Note($"maxconn {proxy} {maxConn}");
    public void SetAcceptRate(int perSecond) => Note($"rate {perSecond}");
    public void Dispose() => Note("dispose");

    public string[] Take()
    {
        lock (Calls)
        {
            return [.. Calls];
        }
    }

    private void Note(string call)
    {
        lock (Calls)
        {
            Calls.Add(call);
        }
    }
}

/// <summary>A folder for sockets with a short path, removed at the end.</summary>
internal sealed class Scratch : IDisposable
{
    private static int _next;

    public string Folder { get; } = Directory.CreateDirectory(
        Path.Combine(Path.GetTempPath(), $"bctl{Environment.ProcessId}-{Interlocked.Increment(ref _next)}")).FullName;

    public string this[string name] => Path.Combine(Folder, name);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}

/// <summary>A syslog daemon that keeps lines, without header for comparing.</summary>
internal sealed class LogListener : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly byte[] _buffer = new byte[65536];

    public LogListener(string path)
    {
        _socket.Bind(new UnixDomainSocketEndPoint(path));
        _socket.ReceiveBufferSize = 1 << 20;
    }

    public List<string> Lines { get; } = [];

    /// <summary>Receives until a line contains the text; fails after a generous deadline.</summary>
    public string WaitFor(string text, int from = 0)
    {
        while (true)
        {
            for (; from < Lines.Count; from++)
            {
                if (Lines[from].Contains(text, StringComparison.Ordinal))
                {
                    return Lines[from];
                }
            }

            _socket.ReceiveTimeout = 15000;
            try
            {
                Lines.Add(Encoding.UTF8.GetString(_buffer, 0, _socket.Receive(_buffer)));
            }
            catch (SocketException e)
            {
                throw new InvalidOperationException(
                    $"no log line with '{text}' came; there were:\n{string.Concat(Lines)}", e);
            }
        }
    }

    /// <summary>Priority and text of the lines so far, without date and pid; times of checks made equal.</summary>
    public IReadOnlyList<string> Comparable() => [.. Lines.Select(l => Regex.Replace(
        Regex.Replace(l, @"^(<\d+>)\w{3} [ \d]\d \d\d:\d\d:\d\d haproxy\[\d+\]: ", "$1"), @"duration: \d+ms",
            "duration: Nms"))];

    public void Dispose() => _socket.Dispose();
}

/// <summary>A server to check: answers HTTP with a status line, or nothing at all; can go down and come back on its
/// port.</summary>
internal sealed class TestServer : IDisposable
{
    private TcpListener? _listener;

    public TestServer(string status = "200 OK")
    {
        Status = status;
        Up();
    }

    public int Port { get; private set; }
    public string Status { get; set; }

    public void Up()
    {
        _listener = new TcpListener(IPAddress.Loopback, Port);
        _listener.Server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _ = Serve(_listener);
    }

    public void Down()
    {
        _listener?.Stop();
        _listener = null;
    }

    public void Dispose() => Down();

    private async Task Serve(TcpListener listener)
    {
        while (true)
        {
            try
            {
                var client = await listener.AcceptTcpClientAsync();
                _ = Answer(client);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task Answer(TcpClient client)
    {
        try
        {
            using (client)
            {
                var buffer = new byte[2048];
                if (await client.GetStream().ReadAsync(buffer) > 0)
                {
                    await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.0 {Status}\r\n\r\n"));
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // The checker closes with a reset once it knows enough.
            return;
        }
    }
}

/// <summary>The runtime API's client.</summary>
internal static class CliClient
{
    public static string Ask(string path, string command)
    {
        using var s =
            new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 15000 };
        s.Connect(new UnixDomainSocketEndPoint(path));
        s.Send(Encoding.UTF8.GetBytes(command + "\n"));
        return ReadAll(s);
    }

    public static string ReadAll(Socket s)
    {
        var all = new MemoryStream();
        var buffer = new byte[65536];
        for (int n; (n = s.Receive(buffer)) > 0;)
        {
            all.Write(buffer, 0, n);
        }

        return Encoding.UTF8.GetString(all.ToArray());
    }

    /// <summary>Asks again, at every event of the clock's smallest step, until the answer is as wanted.</summary>
    public static string AskUntil(string path, string command, Func<string, bool> wanted)
    {
        string last = "";
        bool good = SpinWait.SpinUntil(() => wanted(last = Ask(path, command)), TimeSpan.FromSeconds(15));
        Assert.True(good, $"'{command}' never answered as wanted; last: {last}");
        return last;
    }
}
