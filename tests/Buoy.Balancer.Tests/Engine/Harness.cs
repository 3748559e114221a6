using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Balancer.Engine;
using Buoy.Balancer.State;

namespace Buoy.Balancer.Tests.Engine;

/// <summary>A data plane with one frontend and one backend on loopback, and what tests ask of it.</summary>
internal sealed class Harness : IDisposable
{
    private static readonly SourcePlace Place = new("test", 1);
    private readonly Counters _counters;
    private readonly ServerTable _table;

    public Harness(
        int[] servers, ProxyMode mode = ProxyMode.Tcp, int shards = 1, Func<ProxyConfig, ProxyConfig>? frontend = null,
        Func<ProxyConfig, ProxyConfig>? backend = null, Func<ServerConfig, ServerConfig>? server = null,
        ILocalService? local = null, GlobalConfig? global = null, Func<BindConfig, BindConfig>? listener = null)
    {
        Port = FreePort();
        var bind = new BindConfig
        {
            Index = 0,
            Proxy = 0,
            Text = $"127.0.0.1:{Port}",
            EndPoint = new IPEndPoint(IPAddress.Loopback, Port),
            Place = Place,
        };
        bind = listener?.Invoke(bind) ?? bind;
        var list = servers.Select((p, i) => new ServerConfig
        {
            Index = i,
            Proxy = 1,
            Id = i + 1,
            Name = $"s{i + 1}",
            Host = "127.0.0.1",
            Port = p,
            Address = IPAddress.Loopback,
            Place = Place,
        }).Select(server ?? (s => s)).ToArray();
        var timeouts = new TimeoutsConfig { Connect = 2000, Client = 20_000, Server = 20_000 };
        var fe = new ProxyConfig
        {
            Index = 0, Id = 2, Name = "fe", Kind = ProxyKind.Frontend, Mode = mode, Place = Place, Binds = [bind],
            DefaultBackend = 1, Timeouts = timeouts,
        };
        var be = new ProxyConfig
        {
            Index = 1, Id = 3, Name = "be", Kind = ProxyKind.Backend, Mode = mode, Place = Place, Servers = list,
            Timeouts = timeouts,
        };
        Config = new BalancerConfig
        {
            Global = global ?? new GlobalConfig(),
            Proxies = [(frontend ?? (p => p))(fe), (backend ?? (p => p))(be)],
            Servers = list,
            Binds = [bind],
        };
        _counters = new Counters(shards, 2, list.Length, 1);
        _table = new ServerTable(list.Length);
        foreach (var s in list)
        {
            _table.SetAddress(s.Index, s.Address, s.Port);
            _table[s.Index].Weight = s.Weight;
            _table[s.Index].MaxConn = s.MaxConn ?? 0;
            _table[s.Index].Backup = s.Backup ? 1 : 0;
            _table[s.Index].Eligible = 1;
        }

        Plane = new DataPlane(new BalancerState(Config, _counters, _table, shards), Logs, local);
        Assert.Empty(Plane.Bind());
        Plane.Start();
    }

    public BalancerConfig Config { get; }

    public DataPlane Plane { get; }

    public LogRecorder Logs { get; } = new();

    public int Port { get; }

    public ref ServerSlot Slot(int server) => ref _table[server];

    public long Frontend(Counter c) => _counters.Sum(_counters.Frontend(0), c);

    public long Backend(Counter c) => _counters.Sum(_counters.Backend(1), c);

    public long Server(int s, Counter c) => _counters.Sum(_counters.Server(s), c);

    public static int FreePort()
    {
        while (true)
        {
            using var s = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            s.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            int port = ((IPEndPoint)s.LocalEndPoint!).Port;

            // Listeners share ports (SO_REUSEPORT): two tests with the same one would get each other's connections.
            if (PortsGiven.TryAdd(port, true))
            {
                return port;
            }
        }
    }

    private static readonly System.Collections.Concurrent.ConcurrentDictionary<int, bool> PortsGiven = new();

    /// <summary>Runs beside the test; join it.</summary>
    public static Thread Spawn(Action work)
    {
        var t = new Thread(() => work()) { IsBackground = true };
        t.Start();
        return t;
    }

    public Socket Connect(int? receiveBuffer = null)
    {
        var s = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
            ReceiveTimeout = 15_000,
            SendTimeout = 15_000,
        };
        if (receiveBuffer is int size)
        {
            s.ReceiveBufferSize = size;
        }

        s.Connect(IPAddress.Loopback, Port);
        return s;
    }

    /// <summary>Sends, then reads until the balancer closes.</summary>
    public string Exchange(string request)
    {
        using var s = Connect();
        s.Send(Encoding.Latin1.GetBytes(request));
        return ReadToEnd(s);
    }

    public static string ReadToEnd(Socket s)
    {
        var all = new MemoryStream();
        var buffer = new byte[65536];
        while (true)
        {
            int n = s.Receive(buffer);
            if (n == 0)
            {
                return Encoding.Latin1.GetString(all.ToArray());
            }

            all.Write(buffer, 0, n);
        }
    }

    public static string ReadUntil(Socket s, string end)
    {
        var text = new StringBuilder();
        var one = new byte[1];
        while (!text.ToString().EndsWith(end, StringComparison.Ordinal))
        {
            Assert.True(s.Receive(one) == 1, $"closed after: {text}");
            text.Append((char)one[0]);
        }

        return text.ToString();
    }

    public static byte[] ReadExactly(Socket s, int count)
    {
        var data = new byte[count];
        for (int at = 0; at < count;)
        {
            int n = s.Receive(data, at, count - at, SocketFlags.None);
            Assert.True(n > 0, $"closed after {at} of {count} bytes");
            at += n;
        }

        return data;
    }

    public void Dispose()
    {
        Plane.Dispose();
        _counters.Dispose();
        _table.Dispose();
    }
}

internal sealed class LogRecorder : ILogSink
{
    public BlockingCollection<SessionLog> Sessions { get; } = [];

    public ConcurrentQueue<string> Messages { get; } = [];

    public bool Wants(int frontend) => true;

    public void Session(in SessionLog log) => Sessions.Add(log);

    public void Message(int proxy, int level, string text) => Messages.Enqueue(text);

    public SessionLog Next()
    {
        Assert.True(Sessions.TryTake(out var log, 15_000), "no log line came");
        return log;
    }
}

/// <summary>A server on loopback: every connection is handed to a function on a thread of its own.</summary>
internal sealed class Backend : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly ConcurrentBag<Socket> _open = [];
    private int _connections;

    public Backend(Action<Socket> serve)
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(256);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        new Thread(() =>
        {
            while (true)
            {
                Socket s;
                try
                {
                    s = _listener.Accept();
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
                {
                    return;
                }

                Interlocked.Increment(ref _connections);
                _open.Add(s);
                s.NoDelay = true;
                new Thread(() =>
                {
                    try
                    {
                        serve(s);
                    }
                    catch (Exception e) when (e is SocketException or ObjectDisposedException or Xunit.Sdk.XunitException)
                    {
                        // The other side went away: tests see that on their own end.
                    }
                    finally
                    {
                        s.Dispose();
                    }
                }) { IsBackground = true }.Start();
            }
        }) { IsBackground = true }.Start();
    }

    public int Port { get; }

    public int Connections => Volatile.Read(ref _connections);

    public static Backend Echo() => new(s =>
    {
        var buffer = new byte[65536];
        int n;
        while ((n = s.Receive(buffer)) > 0)
        {
            s.Send(buffer, n, SocketFlags.None);
        }

        s.Shutdown(SocketShutdown.Send);
    });

    /// <summary>Sends its name and closes.</summary>
    public static Backend Named(string name) => new(s =>
    {
        s.Send(Encoding.ASCII.GetBytes(name));
        s.Shutdown(SocketShutdown.Send);
        s.Receive(new byte[16]);
    });

    /// <summary>HTTP: answers each head that ends with an empty line by what the function makes of it.</summary>
    public static Backend Http(Func<string, string> answer) => new(s =>
    {
        var text = new StringBuilder();
        var buffer = new byte[65536];
        int n;
        while ((n = s.Receive(buffer)) > 0)
        {
            text.Append(Encoding.Latin1.GetString(buffer, 0, n));
            int end;
            while ((end = text.ToString().IndexOf("\r\n\r\n", StringComparison.Ordinal)) >= 0)
            {
                string head = text.ToString(0, end + 4);
                text.Remove(0, end + 4);
                string reply = answer(head);
                s.Send(Encoding.Latin1.GetBytes(reply));
                if (reply.Contains("connection: close", StringComparison.OrdinalIgnoreCase))
                {
                    s.Shutdown(SocketShutdown.Send);
                    return;
                }
            }
        }
    });

    public void StopAccepting() => _listener.Dispose();

    public void Dispose()
    {
        _listener.Dispose();
        foreach (var s in _open)
        {
            s.Dispose();
        }
    }
}
