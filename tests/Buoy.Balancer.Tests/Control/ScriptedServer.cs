using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Buoy.Balancer.Tests.Control;

/// <summary>A server of a test that follows a script: what it says first, what it says to each thing it hears, and how it
/// ends. Texts are Latin-1.</summary>
internal sealed class ScriptedServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly List<StringBuilder> _heard = [];
    private readonly List<TcpClient> _clients = [];
    private readonly string? _greeting;
    private readonly string[] _replies;
    private readonly ScriptEnd _end;

    public ScriptedServer(string? greeting = null, string[]? replies = null, ScriptEnd end = ScriptEnd.Close)
    {
        (_greeting, _replies, _end) = (greeting, replies ?? [], end);
        Greeting = greeting;
        _listener.Start();
        _ = Serve();
    }

    /// <summary>What is said first from now on.</summary>
    public string? Greeting { get; set; }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>All that was heard on the connections so far, in order.</summary>
    public IReadOnlyList<string> Heard
    {
        get
        {
            lock (_heard)
            {
                return [.. _heard.Select(h => h.ToString())];
            }
        }
    }

    public void Dispose()
    {
        _listener.Stop();
        lock (_heard)
        {
            _clients.ForEach(c => c.Dispose());
        }
    }

    private async Task Serve()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync();
                var heard = new StringBuilder();
                lock (_heard)
                {
                    _heard.Add(heard);
                    _clients.Add(client);
                }

                _ = Talk(client, heard);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
            return;
        }
    }

    private async Task Talk(TcpClient client, StringBuilder heard)
    {
        try
        {
            var stream = client.GetStream();
            if (Greeting is not null)
            {
                await stream.WriteAsync(Encoding.Latin1.GetBytes(Greeting));
            }

            foreach (string reply in _replies)
            {
                if (!await Hear(stream, heard))
                {
                    break;
                }

                await stream.WriteAsync(Encoding.Latin1.GetBytes(reply));
            }

            if (_end == ScriptEnd.Reset)
            {
                client.Client.Close(0);
                return;
            }

            if (_end == ScriptEnd.Close)
            {
                client.Client.Shutdown(SocketShutdown.Send);
            }

            while (await Hear(stream, heard))
            {
            }

            client.Dispose();
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            client.Dispose();
        }
    }

    private static async Task<bool> Hear(NetworkStream stream, StringBuilder heard)
    {
        var buffer = new byte[8192];
        int n = await stream.ReadAsync(buffer);
        lock (heard)
        {
            heard.Append(Encoding.Latin1.GetString(buffer, 0, n));
        }

        return n > 0;
    }
}

/// <summary>How a script ends.</summary>
internal enum ScriptEnd
{
    /// <summary>Nothing more is sent; an orderly end.</summary>
    Close,

    /// <summary>The connection stays open, in silence.</summary>
    Open,

    /// <summary>A reset.</summary>
    Reset,
}
