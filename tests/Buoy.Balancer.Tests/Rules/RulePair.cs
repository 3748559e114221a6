using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine;
using Buoy.Balancer.State;
using Buoy.Tests;

namespace Buoy.Balancer.Tests.Rules;

/// <summary>
/// One scenario file: a configuration, then requests, each behind a line <c>>>></c>. It is played on our data plane and on
/// the original, and what client and server saw is compared as text. In the configuration, @PORT@ is the balancer's, @S1@
/// and @S2@ are servers that answer with the head they got (or with what x-respond says), @CLOSED@ refuses, @DIR@ holds the
/// scenario's files (<c>=== name</c> blocks before the first request).
/// Words behind <c>>>></c>: <c>silent</c> (nothing comes back within a moment), <c>end</c> (half-close after sending),
/// <c>raw</c> (as it stands, with escapes), <c>split</c> (a pause before the line "~~~").
/// </summary>
internal sealed partial class RulePair
{
    private const int Patience = 10_000;
    private readonly string _configuration;
    private readonly List<(string Options, string Text)> _requests = [];
    private readonly Dictionary<string, string> _files = [];

    private RulePair(string text)
    {
        string[] blocks = text.ReplaceLineEndings("\n").Split("\n>>>");
        string[] parts = blocks[0].Split("\n=== ");
        _configuration = parts[0];
        foreach (string part in parts.Skip(1))
        {
            int line = part.IndexOf('\n');
            _files[part[..line].Trim()] = part[(line + 1)..].TrimEnd('\n') + "\n";
        }

        foreach (string block in blocks.Skip(1))
        {
            int line = block.IndexOf('\n');
            _requests.Add((block[..line].Trim(), block[(line + 1)..]));
        }
    }

    public static string Folder { get; } = Path.Combine(SharedData.Repository, "tests", "Buoy.Balancer.Tests", "Rules", "scenarios");

    /// <summary>What both programs made of the scenario: ours and the original's transcript.</summary>
    public static (string Ours, string Original) Play(string name)
    {
        string haproxy = SharedData.RequireProgram("haproxy");
        var pair = new RulePair(File.ReadAllText(Path.Combine(Folder, name + ".txt")));
        return (pair.PlayOurs(), pair.PlayOriginal(haproxy));
    }

    private string PlayOurs() => Stage((config, port) =>
    {
        var result = ConfigurationLoader.Load([config]);
        Assert.True(result.Config is not null, string.Join('\n', result.Diagnostics.Select(d => d.Text)));
        var c = result.Config;
        var table = new ServerTable(c.Servers.Count);
        foreach (var s in c.Servers)
        {
            table.SetAddress(s.Index, s.Address!, s.Port);
            table[s.Index].Weight = s.Weight;
            table[s.Index].Eligible = s.Disabled ? 0 : 1;
        }

        var counters = new Counters(1, c.Proxies.Count, c.Servers.Count, c.Binds.Count);
        using var plane = new DataPlane(new BalancerState(c, counters, table, 1), new NoLogs(), null);
        Assert.Empty(plane.Bind());
        plane.Start();
        return Converse(port);
    });

    private string PlayOriginal(string haproxy) => Stage((config, port) =>
    {
        using var process = Process.Start(new ProcessStartInfo(haproxy, ["-f", config, "-db"])
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
        })!;
        try
        {
            var said = process.StandardError.ReadToEndAsync();
            _ = process.StandardOutput.ReadToEndAsync();
            bool up = SpinWait.SpinUntil(() => process.HasExited || Connects(port), Patience);
            Assert.True(up && !process.HasExited, process.HasExited ? said.Result : "the original does not listen");
            return Converse(port);
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }
    });

    private string Stage(Func<string, int, string> play)
    {
        string folder = Directory.CreateTempSubdirectory("buoy-rules").FullName;
        using var one = new AnsweringServer("s1");
        using var two = new AnsweringServer("s2");
        try
        {
            int port = FreePort();
            string Filled(string text) => text.Replace("@PORT@", $"{port}").Replace("@S1@", $"127.0.0.1:{one.Port}")
                .Replace("@S2@", $"127.0.0.1:{two.Port}").Replace("@DIR@", folder).Replace("@MAPS@", ExpressionFile.Files).Replace("@CLOSED@", $"127.0.0.1:{FreePort()}");
            foreach (var (file, text) in _files)
            {
                File.WriteAllText(Path.Combine(folder, file), Filled(text).Replace("\n", file.EndsWith(".http") ? "\r\n" : "\n"));
            }

            string config = Path.Combine(folder, "haproxy.cfg");
            File.WriteAllText(config, Filled(_configuration) + "\n");
            string text2 = play(config, port);
            return Volatile().Replace(text2.Replace($"{port}", "PORT").Replace(folder, "DIR").Replace($"{one.Port}", "S1PORT")
                .Replace($"{two.Port}", "S2PORT"), "");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private string Converse(int port)
    {
        var text = new StringBuilder();
        foreach (var (options, request) in _requests)
        {
            string sent = options.Contains("raw") ? Unescape(request.TrimEnd('\n')) : Complete(request);
            text.Append($"---- {request.Split('\n')[0]}\n");
            using var socket = Open(port);
            foreach (string part in sent.Split("~~~"))
            {
                socket.Send(Encoding.Latin1.GetBytes(part));
                if (options.Contains("split"))
                {
                    // What follows must come in another segment.
                    socket.Poll(50_000, SelectMode.SelectRead);
                }
            }

            if (options.Contains("end"))
            {
                socket.Shutdown(SocketShutdown.Send);
            }

            text.Append(options.Contains("silent") ? Silence(socket)
                : Receive(socket, sent, options.Contains("raw"))).Append('\n');
        }

        return text.ToString();
    }

    private static string Complete(string request)
    {
        request = request.TrimEnd('\n');
        int empty = request.IndexOf("\n\n", StringComparison.Ordinal);
        string head = empty < 0 ? request : request[..empty];
        string body = empty < 0 ? "" : request[(empty + 2)..];
        return head.Replace("\n", "\r\n") + "\r\n\r\n" + Unescape(body);
    }

    private static string Unescape(string text) => Regex.Unescape(text);

    private static string Silence(Socket socket)
    {
        try
        {
            return !socket.Poll(300_000, SelectMode.SelectRead) ? "<silence>" : socket.Receive(new byte[1]) == 0 ? "<end>" : "<data>";
        }
        catch (SocketException)
        {
            return "<reset>";
        }
    }

    /// <summary>Reads the responses to all requests sent, and how the connection stands after them.</summary>
    private static string Receive(Socket socket, string sent, bool raw)
    {
        int expected = raw ? int.MaxValue : Math.Max(1, Requests().Count(sent));
        var all = new MemoryStream();
        var buffer = new byte[65536];
        while (true)
        {
            string text = Encoding.Latin1.GetString(all.ToArray());
            if (Responses(text, sent.StartsWith("HEAD", StringComparison.Ordinal)) >= expected)
            {
                return text + "<open>";
            }

            int n;
            try
            {
                n = socket.Receive(buffer);
            }
            catch (SocketException e)
            {
                // A close with bytes unread resets; who is faster decides whether there are any.
                return text + (e.SocketErrorCode == SocketError.TimedOut ? "<time-out>" : text.Length == 0 ? "<end>" : "<reset>");
            }

            if (n == 0)
            {
                return text + "<end>";
            }

            all.Write(buffer, 0, n);
        }
    }

    /// <summary>Complete final responses in a text, of those whose connection stays.</summary>
    private static int Responses(string text, bool head)
    {
        int count = 0;
        for (int at = 0; ;)
        {
            int end = text.IndexOf("\r\n\r\n", at, StringComparison.Ordinal);
            if (end < 0)
            {
                return count;
            }

            string fields = text[at..end].ToLowerInvariant();
            bool interim = fields.StartsWith("http/1.1 1", StringComparison.Ordinal);
            var length = Length().Match(fields);
            if (fields.Contains("connection: close") || (!length.Success && !interim && !fields.Contains(" 204 ")
                && !fields.Contains(" 304 ")))
            {
                return count - 1000;
            }

            at = end + 4 + (head || !length.Success ? 0 : int.Parse(length.Groups[1].Value));
            if (at > text.Length)
            {
                return count;
            }

            count += interim ? 0 : 1;
        }
    }

    private static bool Connects(int port)
    {
        try
        {
            using var s = Open(port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static Socket Open(int port)
    {
        var s = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = Patience };
        s.Connect(IPAddress.Loopback, port);
        return s;
    }

    public static int FreePort()
    {
        using var l = new TcpListener(IPAddress.Loopback, 0);
        l.Start();
        return ((IPEndPoint)l.LocalEndpoint).Port;
    }

    [GeneratedRegex(@"(?<=x-volatile: )[^\r]*")]
    private static partial Regex Volatile();

    [GeneratedRegex(@"content-length: (\d+)")]
    private static partial Regex Length();

    [GeneratedRegex(@" HTTP/1\.[01]\r\n")]
    private static partial Regex Requests();

    private sealed class NoLogs : ILogSink
    {
        public bool Wants(int frontend) => false;

        public void Session(in SessionLog log)
        {
        }

        public void Message(int proxy, int level, string text)
        {
        }
    }
}

/// <summary>
/// Answers an HTTP request with the head it got as body, or with what its field x-respond says (escaped); other bytes with
/// its name before them.
/// </summary>
internal sealed partial class AnsweringServer : IDisposable
{
    private readonly string _name;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    public AnsweringServer(string name)
    {
        _name = name;
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public int Port { get; }

    public void Dispose() => _listener.Stop();

    private void Accept()
    {
        try
        {
            while (true)
            {
                var client = _listener.AcceptSocket();
                new Thread(() => Serve(client)) { IsBackground = true }.Start();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // Stopped.
        }
    }

    private void Serve(Socket client)
    {
        var buffer = new byte[65536];
        string have = "";
        try
        {
            for (int n; (n = client.Receive(buffer)) > 0;)
            {
                have += Encoding.Latin1.GetString(buffer, 0, n);
                if (!have.Contains(" HTTP/1."))
                {
                    client.Send(Encoding.Latin1.GetBytes($"{_name}:{have}"));
                    have = "";
                    continue;
                }

                while (Take(ref have) is { } request)
                {
                    client.Send(Encoding.Latin1.GetBytes(Answer(request)));
                }
            }
        }
        catch (SocketException)
        {
            // The client is gone.
        }

        client.Dispose();
    }

    private static string? Take(ref string have)
    {
        int end = have.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (end < 0)
        {
            return null;
        }

        int stop = end + 4;
        var length = Length().Match(have[..stop]);
        if (length.Success)
        {
            stop += int.Parse(length.Groups[1].Value);
        }
        else if (have[..stop].Contains("transfer-encoding: chunked"))
        {
            int last = have.IndexOf("0\r\n\r\n", end, StringComparison.Ordinal);
            stop = last < 0 ? int.MaxValue : last + 5;
        }

        if (have.Length < stop)
        {
            return null;
        }

        string request = have[..stop];
        have = have[stop..];
        return request;
    }

    private string Answer(string request)
    {
        var respond = Respond().Match(request);
        if (respond.Success)
        {
            return Regex.Unescape(respond.Groups[1].Value);
        }

        string body = request.StartsWith("HEAD", StringComparison.Ordinal) ? "" : request;
        return $"HTTP/1.1 200 OK\r\nX-Server: {_name}\r\nContent-Length: {body.Length}\r\n\r\n{body}";
    }

    [GeneratedRegex(@"x-respond: ([^\r]*)\r")]
    private static partial Regex Respond();

    [GeneratedRegex(@"content-length: (\d+)")]
    private static partial Regex Length();
}
