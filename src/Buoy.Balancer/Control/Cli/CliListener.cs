using System.Globalization;
using System.Net;
using Buoy.Balancer.Configuration;
using Buoy.Linux;

namespace Buoy.Balancer.Control.Cli;

/// <summary>Opens the sockets of the runtime API: a path, host:port, or an inherited descriptor.</summary>
internal static class CliListener
{
    private const int Backlog = 10;

    /// <summary>What a connection to it may do.</summary>
    public static CliLevel LevelOf(StatsSocketConfig c) =>
        c.Level switch { "admin" => CliLevel.Admin, "operator" => CliLevel.Operator, _ => CliLevel.User };

    /// <summary>Its path in the file system; null = it has none.</summary>
    public static string? PathOf(StatsSocketConfig c) =>
        c.Address.StartsWith('/') ? c.Address
        : c.Address.StartsWith("unix@", StringComparison.Ordinal) ? c.Address[5..] : null;

    /// <summary>Binds and listens; returns the descriptor, or what went wrong.</summary>
    public static int Open(StatsSocketConfig c, int pid, out string? error)
    {
        int fd = -1;
        error = Bind(c, pid, ref fd);
        return error is null ? fd : -1;
    }

    private static string? Bind(StatsSocketConfig c, int pid, ref int fd)
    {
        string a = c.Address;
        if (a.StartsWith("fd@", StringComparison.Ordinal))
        {
            if (!int.TryParse(a.AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out fd)
                || ControlSocket.Adopt(fd) < 0)
            {
                return $"cannot use inherited descriptor [{a}]";
            }

            return null;
        }

        if (PathOf(c) is { } path)
        {
            return BindUnix(c, path, pid, ref fd);
        }

        if (EndPointOf(a) is not { } at)
        {
            return $"'{a}' is not a supported address for a stats socket";
        }

        fd = ControlSocket.ListenTcp(at, Backlog);
        return fd < 0 ? $"cannot bind socket ({ControlSocket.ErrorText(-fd)}) for [{at}]" : null;
    }

    /// <summary>Binds beside the path and renames, so that there is a socket at the path at every moment of a
    /// restart.</summary>
    private static string? BindUnix(StatsSocketConfig c, string path, int pid, ref int fd)
    {
        string temporary = string.Create(CultureInfo.InvariantCulture, $"{path}.{pid}.tmp");
        if (File.Exists(temporary))
        {
            File.Delete(temporary);
        }

        fd = ControlSocket.ListenUnix(temporary, Backlog);
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
}
