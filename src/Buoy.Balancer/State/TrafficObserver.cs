using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.State;

/// <summary>
/// Counts consecutive errors of the traffic to servers with <c>observe</c> (configuration manual 5.2). Shards report; at a
/// server's <c>error-limit</c> the control thread is told, once. Where no server observes there is none of it.
/// </summary>
public sealed class TrafficObserver
{
    /// <summary>error-limit where none is given.</summary>
    public const int DefaultLimit = 10;

    private readonly ObserveMode[] _modes;
    private readonly int[] _limits;
    private readonly int[] _errors;

    /// <summary>Nobody observes yet.</summary>
    /// <param name="room">Servers there is room for.</param>
    public TrafficObserver(int room)
    {
        _modes = new ObserveMode[room];
        _limits = new int[room];
        _errors = new int[room];
    }

    /// <summary>Control thread only, before the server takes connections.</summary>
    public void Add(ServerConfig server)
    {
        _limits[server.Index] = server.ErrorLimit ?? DefaultLimit;
        _errors[server.Index] = 0;
        _modes[server.Index] = server.Observe;
    }

    /// <summary>Server, and what its last error was. Called on shards.</summary>
    public Action<int, string>? Reached { get; set; }

    /// <summary>Null where no server observes.</summary>
    public static TrafficObserver? For(BalancerConfig config, int room)
    {
        if (!config.Servers.Any(s => s.Observe != ObserveMode.None))
        {
            return null;
        }

        var observer = new TrafficObserver(room);
        foreach (var server in config.Servers)
        {
            observer.Add(server);
        }

        return observer;
    }

    /// <summary>A connection was opened.</summary>
    public void Connected(int server)
    {
        if (Mode(server) == ObserveMode.Layer4)
        {
            Volatile.Write(ref _errors[server], 0);
        }
    }

    /// <summary>A connection could not be opened.</summary>
    public void ConnectFailed(int server, bool timedOut)
    {
        if (Mode(server) != ObserveMode.None)
        {
            Count(server, timedOut ? "L4 timeout" : "L4 unsuccessful connection");
        }
    }

    /// <summary>A response came: 5xx but 501 and 505 are errors.</summary>
    public void Answered(int server, int status)
    {
        if (Mode(server) != ObserveMode.Layer7)
        {
            return;
        }

        if (status is >= 500 and not 501 and not 505)
        {
            Count(server, "Wrong http response");
        }
        else
        {
            Volatile.Write(ref _errors[server], 0);
        }
    }

    /// <summary>No response came: why.</summary>
    public void NoAnswer(int server, string why)
    {
        if (Mode(server) == ObserveMode.Layer7)
        {
            Count(server, why);
        }
    }

    private ObserveMode Mode(int server) => (uint)server < (uint)_modes.Length ? _modes[server] : ObserveMode.None;

    private void Count(int server, string error)
    {
        if (Interlocked.Increment(ref _errors[server]) >= _limits[server])
        {
            Volatile.Write(ref _errors[server], 0);
            Reached?.Invoke(server, error);
        }
    }
}
