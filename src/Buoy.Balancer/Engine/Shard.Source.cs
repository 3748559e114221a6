using Buoy.Balancer.Configuration;
using Buoy.Linux;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <content>
/// Where a connection to a server goes to and comes from, when that is not the server's address and the kernel's choice:
/// the client's port or destination (configuration manual 4.2 "server"), and <c>source</c>.
/// </content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>Ports of a range that are tried for one connection.</summary>
    private const int MostPorts = 64;

    /// <summary>Next port of ranges, as an offset; shards begin at different ones.</summary>
    private uint _nextPort;

    /// <summary>Until then (ms) a refusal of the kernel is not logged again.</summary>
    private long _sourceQuietUntil;

    /// <summary>
    /// The address to connect to for a server that takes its port, or its address, from where the client connected to;
    /// 0 where there is none (a Unix socket's client).
    /// </summary>
    private uint FollowedTarget(Conn* c, in State.ServerSlot slot, SocketAddressBytes* into)
    {
        if (Destination(c) is not { } destination)
        {
            return 0;
        }

        int port = slot.MapPort != 0 ? (destination.Port + slot.Port) & ushort.MaxValue : slot.Port;
        if (slot.AnyAddress != 0)
        {
            return Sockets.Write(destination.Address, port, into);
        }

        fixed (byte* a = slot.Address)
        {
            return Sockets.Write(slot.Family, a, port, into);
        }
    }

    /// <summary>
    /// A socket on its way to the server of a stream. Negative where that failed; <paramref name="resources"/> tells
    /// whether it failed here, so that trying again is of no use.
    /// </summary>
    private int OpenTo(Conn* c, int family, SocketAddressBytes* address, uint size, out bool resources)
    {
        var source = size > 0 ? SourceOf(c->Server) : null;
        for (int left = Range(source); ; left--)
        {
            resources = true;
            int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            if (fd < 0)
            {
                LogExhausted(c->Backend, _poller.Errno);
                return fd;
            }

            int one = 1;
            _ = setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(int));
            if (_config.Proxies[c->Backend].TcpKeepAliveServer)
            {
                _ = setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(int));
            }

            if (_config.Proxies[c->Backend].NoLinger)
            {
                long reset = 1; // struct linger: on, for no time
                _ = setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(long));
            }

            if (source is not null && !BindSource(c, fd, family, source))
            {
                _ = close(fd);
                return -1;
            }

            resources = false;
            int failed = size == 0 ? ConnectUnix(fd, _config.Servers[c->Server].UnixPath!) : connect(fd, address, size);
            if (failed >= 0 || _poller.Errno == EINPROGRESS)
            {
                return fd;
            }

            // A port of the range that has a connection to this server already.
            bool next = _poller.Errno == EADDRNOTAVAIL && left > 1;
            _ = close(fd);
            if (!next)
            {
                return -1;
            }
        }
    }

    /// <summary>Ports that are tried: those of the range, or the one that the kernel chooses.</summary>
    private static int Range(SourceConfig? source) =>
        source is null || source.Port == 0 ? 1 : Math.Min(MostPorts, source.LastPort - source.Port + 1);

    /// <summary>A connection to this server is one client's own: nobody else may use it again.</summary>
    private bool IsClientsOwn(int server)
    {
        ref var slot = ref _servers[server];
        return (slot.MapPort | slot.AnyAddress) != 0 || SourceOf(server) is { IsClients: true };
    }

    private SourceConfig? SourceOf(int server)
    {
        var s = _config.Servers[server];
        return s.Source ?? _config.Proxies[s.Proxy].Source;
    }

    /// <summary>Before connect: interface and own address. False, with the reason logged, where the kernel refuses.</summary>
    private bool BindSource(Conn* c, int fd, int family, SourceConfig source)
    {
        if (source.Interface is { } name)
        {
            byte[] text = [.. System.Text.Encoding.ASCII.GetBytes(name), 0];
            fixed (byte* p = text)
            {
                if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, p, (uint)text.Length) < 0)
                {
                    return Refuse(c, $"bind to interface '{name}'", _poller.Errno);
                }
            }
        }

        SocketAddressBytes own = default;
        uint length;
        switch (source.Use)
        {
            case UseSource.Client or UseSource.ClientIp when Sockets.Read(&c->Address) is { } client:
                length = Sockets.Write(client.Address, source.Use == UseSource.Client ? client.Port : 0, &own);
                return *(ushort*)&own == family && BindForeign(c, fd, family, &own, length);
            case UseSource.Address:
                length = Sockets.Write(source.UseAddress!.Address, source.UseAddress.Port, &own);
                return BindForeign(c, fd, family, &own, length);
            default:
                return BindOwn(c, fd, family, source);
        }
    }

    private bool BindForeign(Conn* c, int fd, int family, SocketAddressBytes* address, uint length)
    {
        int one = 1;
        bool six = family == AF_INET6;
        _ = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(int));
        return (setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TRANSPARENT : IP_TRANSPARENT, &one, sizeof(int)) == 0
            && bind(fd, address, length) == 0)
            || Refuse(c, "bind to tproxy source address before connect()", _poller.Errno);
    }

    private bool BindOwn(Conn* c, int fd, int family, SourceConfig source)
    {
        bool any = source.Address.Equals(System.Net.IPAddress.Any) || source.Address.Equals(System.Net.IPAddress.IPv6Any);
        if (any && source.Port == 0)
        {
            return true;
        }

        int one = 1;
        if (source.Port == 0)
        {
            _ = setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(int));
        }
        else
        {
            _ = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(int));
        }

        uint range = (uint)(source.LastPort - source.Port + 1);
        int errno = 0;
        for (int i = Range(source); i > 0; i--)
        {
            int port = source.Port == 0 ? 0 : source.Port + (int)(_nextPort++ % range);
            SocketAddressBytes own;
            uint length = any && family == AF_INET6 ? Sockets.Write(System.Net.IPAddress.IPv6Any, port, &own)
                : Sockets.Write(source.Address, port, &own);
            if (bind(fd, &own, length) == 0)
            {
                return true;
            }

            errno = _poller.Errno;
        }

        return Refuse(c, "bind to source address before connect()", errno);
    }

    /// <summary>Logs once a second at most why connections of a backend cannot be made; always false.</summary>
    private bool Refuse(Conn* c, string what, int errno)
    {
        if (_now >= _sourceQuietUntil)
        {
            _sourceQuietUntil = _now + 1000;
            const int Emergency = 0;
            _plane.Logs.Message(c->Backend, Emergency,
                $"Cannot {what} for backend {_config.Proxies[c->Backend].Name} ({ControlSocket.ErrorText(errno)}). Aborting.");
        }

        return false;
    }

}
