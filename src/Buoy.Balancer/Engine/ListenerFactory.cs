using System.Net;
using System.Net.Sockets;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Linux;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <summary>Opens listening sockets; failures are told in HAProxy's words.</summary>
internal static unsafe class ListenerFactory
{
    /// <summary>
    /// Backlog of a bind: its own, its proxy's, its proxy's maxconn, the process's, else SOMAXCONN's 4096.
    /// </summary>
    public static int Backlog(BalancerConfig config, BindConfig bind)
    {
        var proxy = config.Proxies[bind.Proxy];
        int n = bind.Backlog ?? proxy.Backlog ?? (proxy.MaxConn > 0 ? proxy.MaxConn : config.Global.MaxConn ?? 4096);
        return Math.Max(n, 64);
    }

    /// <summary>May each shard have a socket of its own? Not for Unix sockets and inherited ones.</summary>
    public static bool PerShard(BindConfig bind) => bind.EndPoint is not null;

    /// <summary>The listening descriptor, or -1 and the message.</summary>
    public static int Open(BalancerConfig config, BindConfig bind, out string error)
    {
        error = "";
        if (bind.Fd is int inherited)
        {
            int flags = fcntl(inherited, F_GETFL, 0);
            if (flags < 0 || fcntl(inherited, F_SETFL, flags | SOCK_NONBLOCK) < 0)
            {
                error = $"cannot use inherited socket ({ErrorText(*ErrnoLocation())}) for [fd@{inherited}]";
                return -1;
            }

            return inherited;
        }

        return bind.UnixPath is { } path
            ? OpenUnix(path, bind, Backlog(config, bind), out error)
            : OpenInternet(config, bind, out error);
    }

    /// <summary>Makes a socket that was handed over as one that <see cref="Open"/> returns. False: it cannot be used.</summary>
    public static bool Refresh(int fd, BalancerConfig config, BindConfig bind)
    {
        int flags = fcntl(fd, F_GETFL, 0);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | SOCK_NONBLOCK) < 0)
        {
            return false;
        }

        int backlog = Backlog(config, bind);
        if (bind.EndPoint is not null)
        {
            Set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
            Set(fd, SOL_SOCKET, SO_KEEPALIVE, config.Proxies[bind.Proxy].TcpKeepAliveClient ? 1 : 0);
            Linger(fd, config.Proxies[bind.Proxy].NoLinger);
            Set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, bind.DeferAccept ? 60 : 0);
            if (bind.TcpFastOpen)
            {
                Set(fd, IPPROTO_TCP, TCP_FASTOPEN, backlog);
            }
        }

        return listen(fd, backlog) == 0;
    }

    /// <summary>option nolinger, which accepted sockets inherit: closed by a reset.</summary>
    private static void Linger(int fd, bool reset)
    {
        long linger = reset ? 1 : 0; // struct linger: on or off, for no time
        _ = setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(long));
    }

    private static int OpenInternet(BalancerConfig config, BindConfig bind, out string error)
    {
        var end = bind.EndPoint!;
        bool six = end.AddressFamily == AddressFamily.InterNetworkV6;
        int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
        {
            return Fail(-1, "cannot create receiving socket", Name(end), out error);
        }

        Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        Set(fd, SOL_SOCKET, SO_REUSEPORT, 1);

        // Accepted sockets inherit these two, which saves a call per connection.
        Set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        if (config.Proxies[bind.Proxy].TcpKeepAliveClient)
        {
            Set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        }

        Linger(fd, config.Proxies[bind.Proxy].NoLinger);
        if (six)
        {
            Set(fd, IPPROTO_IPV6, IPV6_V6ONLY, bind.V6Only ? 1 : 0);
        }

        int level = six ? IPPROTO_IPV6 : IPPROTO_IP;
        if (bind.Transparent && Set(fd, level, six ? IPV6_TRANSPARENT : IP_TRANSPARENT, 1) < 0)
        {
            return Fail(fd, "cannot make receiving socket transparent", Name(end), out error);
        }

        if (bind.Interface is { } device)
        {
            byte[] name = Encoding.UTF8.GetBytes(device + "\0");
            fixed (byte* p = name)
            {
                if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, p, (uint)name.Length) < 0)
                {
                    return Fail(fd, $"cannot bind receiver to device '{device}'", Name(end), out error);
                }
            }
        }

        if (bind.DeferAccept)
        {
            Set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 60);
        }

        SocketAddressBytes address;
        uint length = Sockets.Write(end.Address, end.Port, &address);
        if (Buoy.Linux.DataSyscalls.bind(fd, &address, length) < 0)
        {
            return Fail(fd, "cannot bind socket", Name(end), out error);
        }

        int backlog = Backlog(config, bind);
        if (bind.TcpFastOpen)
        {
            Set(fd, IPPROTO_TCP, TCP_FASTOPEN, backlog);
        }

        if (listen(fd, backlog) < 0)
        {
            return Fail(fd, "cannot listen to socket", Name(end), out error);
        }

        error = "";
        return fd;
    }

    /// <summary>Bound under a temporary name and renamed, so that the path always leads to a listener.</summary>
    private static int OpenUnix(string path, BindConfig bind, int backlog, out string error)
    {
        const int PathOffset = 2;
        const int MaxPath = 107;
        bool isAbstract = path.StartsWith('\0');
        string temporary = isAbstract ? path : $"{path}.{Environment.ProcessId}.tmp";
        byte[] name = Encoding.UTF8.GetBytes(temporary);
        if (name.Length > MaxPath)
        {
            error = $"socket path too long (max {MaxPath}) for [{path}]";
            return -1;
        }

        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
        {
            return Fail(-1, "cannot create UNIX socket", path, out error, unix: true);
        }

        var address = stackalloc byte[PathOffset + MaxPath + 1];
        new Span<byte>(address, PathOffset + MaxPath + 1).Clear();
        *(ushort*)address = AF_UNIX;
        name.CopyTo(new Span<byte>(address + PathOffset, MaxPath));

        // The original's abstract names are as long as the address can be, filled up with zeros.
        int addressLength = PathOffset + (isAbstract ? MaxPath : name.Length) + 1;
        if (Buoy.Linux.DataSyscalls.bind(fd, address, (uint)addressLength) < 0)
        {
            return Fail(fd, "cannot bind UNIX socket", Shown(path), out error, unix: true);
        }

        if (listen(fd, backlog) < 0)
        {
            return Fail(fd, "cannot listen to UNIX socket", Shown(path), out error, unix: true);
        }

        error = "";
        if (isAbstract)
        {
            return fd;
        }

        int owner = bind.UnixUser is null && bind.UnixGroup is null ? 0
            : ControlSocket.ChangeOwner(temporary, bind.UnixUser ?? -1, bind.UnixGroup ?? -1);
        if (owner < 0 || (bind.UnixMode is { } mode && (owner = ControlSocket.ChangeMode(temporary, mode)) < 0))
        {
            _ = close(fd);
            File.Delete(temporary);
            error = $"cannot change UNIX socket ownership ({ControlSocket.ErrorText(-owner)}) [{path}]";
            return -1;
        }

        try
        {
            File.Move(temporary, path, overwrite: true);
        }
        catch (IOException e)
        {
            _ = close(fd);
            error = $"cannot bind UNIX socket ({e.Message}) [{path}]";
            return -1;
        }

        return fd;
    }

    private static int Fail(int fd, string what, string where, out string error, bool unix = false)
    {
        error = $"{what} ({ErrorText(*ErrnoLocation())}) {(unix ? "" : "for ")}[{where}]";
        if (fd >= 0)
        {
            _ = close(fd);
        }

        return -1;
    }

    private static string Shown(string path) => path.StartsWith('\0') ? "abns@" + path[1..] : path;

    private static string Name(IPEndPoint end) => $"{end.Address}:{end.Port}";

    private static int Set(int fd, int level, int name, int value) => setsockopt(fd, level, name, &value, sizeof(int));
}
