using System.Globalization;
using System.Net;
using Buoy.Balancer.Configuration;
using Buoy.Linux;

namespace Buoy.Balancer.Control.Cli;

/// <summary>What a connection may do (configuration manual 3.1, <c>stats socket … level</c>).</summary>
public enum CliLevel
{
    User,
    Operator,
    Admin,
}

/// <summary>The stats sockets: binds them, accepts, keeps the sessions.</summary>
public sealed class CliServer(EventLoop loop, ControlPlane plane) : IDisposable
{
    /// <summary>Sessions at once without <c>stats maxconn</c>; HAProxy's default.</summary>
    private const int DefaultMaxSessions = 10;

    private readonly List<Listener> _listeners = [];
    private readonly HashSet<CliSession> _sessions = [];
    private bool _listening;
    private bool _paused;

    /// <summary>After a failed accept (no descriptors left) the sockets rest for this long, in ms.</summary>
    private const int RestAfterFailure = 100;

    private sealed record Listener(int Fd, StatsSocketConfig Config, string? Path);

    /// <summary>Sockets that accept.</summary>
    public int Listeners => _listeners.Count;

    /// <summary>The sockets as <c>show cli sockets</c> names them, with their level.</summary>
    public IEnumerable<(string Name, string Level)> Sockets => _listeners.Select(l =>
        (l.Path is not null ? "unix@" + l.Path : l.Config.Address, l.Config.Level));

    /// <summary>Binds every <c>stats socket</c>; returns what failed.</summary>
    public IReadOnlyList<string> Bind()
    {
        var errors = new List<string>();
        foreach (var c in plane.State.Config.Global.StatsSockets)
        {
            int fd = CliListener.Open(c, plane.Options.Pid, out string? error);
            if (error is not null)
            {
                errors.Add($"Binding [{c.Place}] for frontend GLOBAL: {error}");
                continue;
            }

            _listeners.Add(new Listener(fd, c, CliListener.PathOf(c)));
        }

        return errors;
    }

    /// <summary>Begins to accept.</summary>
    public void Listen()
    {
        _listening = true;
        Resume();
    }

    /// <summary>No new sessions; those that are there go on.</summary>
    public void StopListening()
    {
        foreach (var l in _listeners)
        {
            loop.Remove(l.Fd);

            ControlSocket.Close(l.Fd);
        }

        _listeners.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The path stays: a successor may already have put its own socket there.
        StopListening();
        foreach (var s in _sessions.ToArray())
        {
            s.Close();
        }
    }

    /// <summary>
    /// Takes connections from the master over <paramref name="channel"/>; <paramref name="gone"/> is called when the master
    /// has closed it.
    /// </summary>
    public void AttachMaster(int channel, Action gone)
    {
        _ = ControlSocket.Adopt(channel);
        loop.Add(channel, PollEvents.Readable, events =>
        {
            if (MasterChannel.Accept(channel) is not { } connections)
            {
                loop.Remove(channel);
                ControlSocket.Close(channel);
                gone();
                return;
            }

            foreach (int fd in connections)
            {
                _ = ControlSocket.Adopt(fd);
                Start(fd, CliLevel.Admin, exposed: true);
            }
        });
    }

    /// <summary>Runs one command with all rights, for other ways in: the statistics page.</summary>
    public CliReply Run(string[] words) =>
        CliCommands.Run(new CliContext(plane, new CliSession(loop, plane, -1, CliLevel.Admin)), words);

    private void Start(int fd, CliLevel level, bool exposed)
    {
        var s = new CliSession(loop, plane, fd, level) { Exposed = exposed };
        _sessions.Add(s);
        s.Begin();
    }

    internal void Closed(CliSession s)
    {
        _sessions.Remove(s);
        if (_paused)
        {
            Resume();
        }
    }

    private void Resume()
    {
        _paused = false;
        foreach (var l in _listening ? _listeners : [])
        {
            loop.Remove(l.Fd);
            loop.Add(l.Fd, PollEvents.Readable, _ => Accept(l));
        }
    }

    /// <summary>Stops to look at the sockets, which stay readable: the loop would turn without end.</summary>
    private void Pause()
    {
        _paused = true;
        foreach (var l in _listeners)
        {
            loop.Remove(l.Fd);
        }
    }

    private void Accept(Listener l)
    {
        int most = plane.State.Config.Global.StatsMaxConn ?? DefaultMaxSessions;
        while (_sessions.Count < most)
        {
            int fd = ControlSocket.Accept(l.Fd);
            if (fd < 0)
            {
                if (fd != -ControlSocket.EAgain)
                {
                    Pause();
                    loop.Schedule(RestAfterFailure, Resume);
                }

                return;
            }

            Start(fd, CliListener.LevelOf(l.Config), l.Config.ExposeListeners);
        }

        Pause();
    }
}
