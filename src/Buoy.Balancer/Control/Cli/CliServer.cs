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
            if (BindOne(c) is { } error)
            {
                errors.Add($"Binding [{c.Place}] for frontend GLOBAL: {error}");
            }
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

    private string? BindOne(StatsSocketConfig c)
    {
        string a = c.Address;
        if (a.StartsWith("fd@", StringComparison.Ordinal))
        {
            if (!int.TryParse(a.AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out int fd)
                    || ControlSocket.Adopt(fd) < 0)
            {
                return $"cannot use inherited descriptor [{a}]";
            }

            _listeners.Add(new Listener(fd, c, null));
            return null;
        }

        string? path = a.StartsWith('/') ? a : a.StartsWith("unix@", StringComparison.Ordinal) ? a[5..] : null;
        if (path is not null)
        {
            return BindUnix(c, path);
        }

        if (EndPointOf(a) is not { } at)
        {
            return $"'{a}' is not a supported address for a stats socket";
        }

        int tcp = ControlSocket.ListenTcp(at, 10);
        if (tcp < 0)
        {
            return $"cannot bind socket ({ControlSocket.ErrorText(-tcp)}) for [{at}]";
        }

        _listeners.Add(new Listener(tcp, c, null));
        return null;
    }

    /// <summary>Binds beside the path and renames, so that there is a socket at the path at every moment of a
    /// restart.</summary>
    private string? BindUnix(StatsSocketConfig c, string path)
    {
        string temporary = string.Create(CultureInfo.InvariantCulture, $"{path}.{plane.Options.Pid}.tmp");
        if (File.Exists(temporary))
        {
            File.Delete(temporary);
        }

        int fd = ControlSocket.ListenUnix(temporary, 10);
        if (fd < 0)
        {
            return $"cannot bind UNIX socket ({ControlSocket.ErrorText(-fd)}) [{path}]";
        }

        if (Own(c, temporary) is { } problem)
        {
            ControlSocket.Close(fd);
            File.Delete(temporary);
            return $"{problem} [{path}]";
        }

        try
        {
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            ControlSocket.Close(fd);
            File.Delete(temporary);
            return $"cannot switch final and temporary UNIX sockets ({e.Message}) [{path}]";
        }

        _listeners.Add(new Listener(fd, c, path));
        return null;
    }

    private static string? Own(StatsSocketConfig c, string path)
    {
        int uid = IdOf("/etc/passwd", c.User), gid = IdOf("/etc/group", c.Group);
        if (uid == -2 || gid == -2)
        {
            return $"unknown user or group '{(uid == -2 ? c.User : c.Group)}'";
        }

        int rc = uid < 0 && gid < 0 ? 0 : ControlSocket.ChangeOwner(path, uid, gid);
        if (rc == 0 && c.Mode is { } mode)
        {
            rc = ControlSocket.ChangeMode(path, mode);
        }

        return rc == 0 ? null : $"cannot change UNIX socket ownership ({ControlSocket.ErrorText(-rc)})";
    }

    /// <summary>An id from a name of passwd(5) or group(5), or a number; -1 = none wanted, -2 = unknown.</summary>
    private static int IdOf(string file, string? name)
    {
        if (name is null)
        {
            return -1;
        }

        if (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
        {
            return number;
        }

        var entry =
            File.Exists(file) ? File.ReadLines(file).Select(l => l.Split(':')).FirstOrDefault(f => f[0] == name) : null;
        return entry is { Length: > 2 } && int.TryParse(entry[2], out int id) ? id : -2;
    }

    private static IPEndPoint? EndPointOf(string address)
    {
        string a = address;
        foreach (string p in (string[])["ipv4@", "ipv6@"])
        {
            a = a.StartsWith(p, StringComparison.Ordinal) ? a[p.Length..] : a;
        }

        int colon = a.LastIndexOf(':');
        if (colon < 0
                || !ushort.TryParse(
                    a.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            return null;
        }

        string host = a[..colon];
        return host is "" or "*" ? new IPEndPoint(IPAddress.Any, port)
            : IPAddress.TryParse(host, out var ip) ? new IPEndPoint(ip, port) : null;
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

            var level =
                l.Config.Level switch { "admin" => CliLevel.Admin, "operator" => CliLevel.Operator, _ =>
                    CliLevel.User };
            var s = new CliSession(loop, plane, fd, level);
            _sessions.Add(s);
            s.Begin();
        }

        Pause();
    }
}
