using Buoy.Balancer.Configuration;
using Buoy.Balancer.Logging;
using Buoy.Balancer.State;
using static Buoy.Linux.DataSyscalls;

namespace Buoy.Balancer.Engine;

/// <content>
/// The PROXY protocol: read before anything else on a connection of a bind with <c>accept-proxy</c>, sent before anything
/// else to a server with <c>send-proxy</c> or <c>send-proxy-v2</c>.
/// </content>
internal sealed unsafe partial class Shard<TPoller>
{
    /// <summary>Where clients went by their PROXY header, by connection; empty where no bind takes one.</summary>
    private SocketAddressBytes[] _destinations = [];

    /// <summary>The first bytes of a client that has to say who it is. The header must come in one piece.</summary>
    private void ReadProxyHeader(Conn* c)
    {
        if (!c->Has(ConnFlags.ReadReady))
        {
            return;
        }

        nint want = Math.Min(ScratchSize, ProxyProtocol.Longest);
        nint r = _poller.Receive(c->Fd, _scratch, want);
        if (r == -EAGAIN)
        {
            c->Flags &= ~ConnFlags.ReadReady;
            return;
        }

        if (r <= 0)
        {
            HandshakeFailed(c, ConnectionError.ProxyAbort);
            return;
        }

        if (r < want && !c->Has(ConnFlags.ReadHangUp))
        {
            c->Flags &= ~ConnFlags.ReadReady;
        }

        c->LastActivity = _now;
        var result = ProxyProtocol.Read(
            new ReadOnlySpan<byte>(_scratch, (int)r), out int length, out var source, out var destination);
        switch (result)
        {
            case ProxyHeaderResult.Addresses:
                c->Address = source;
                KeepDestination(c, destination);
                break;
            case ProxyHeaderResult.Own:
                break;
            default:
                HandshakeFailed(c, result switch
                {
                    ProxyHeaderResult.Truncated => ConnectionError.ProxyTruncated,
                    ProxyHeaderResult.NotOne => ConnectionError.ProxyNotHeader,
                    ProxyHeaderResult.UnhandledProtocol => ConnectionError.ProxyBadProtocol,
                    _ => ConnectionError.ProxyInvalid,
                });
                return;
        }

        c->HandshakeMs = (int)(_now - c->Begin);
        c->IdleFrom = c->Begin = c->StateSince = _now;
        int rest = (int)r - length;
        if (rest > 0 && c->Has(ConnFlags.Http))
        {
            SaveIn(c, _scratch + length, rest);
            c->Flags |= ConnFlags.InFresh;
            CountIn(c, rest);
        }

        StartStream(c, _scratch + length, rest);
    }

    private void KeepDestination(Conn* c, in SocketAddressBytes destination)
    {
        if (_destinations.Length <= c->Index)
        {
            Array.Resize(ref _destinations, Math.Max(c->Index + 1, _slab.Capacity));
        }

        _destinations[c->Index] = destination;
    }

    /// <summary>Where the client connected to: by its PROXY header, else its socket's own address.</summary>
    private System.Net.IPEndPoint? Destination(Conn* c)
    {
        if (c->Index < _destinations.Length)
        {
            var kept = _destinations[c->Index];
            if (Sockets.Read(&kept) is { } destination)
            {
                return destination;
            }
        }

        return Sockets.Local(c->Fd);
    }

    /// <summary>Why a connection came to nothing before its stream (fc_err of the manual, 7.3.3).</summary>
    private enum ConnectionError
    {
        ProxyAbort = 11,
        ProxyTruncated = 13,
        ProxyNotHeader = 15,
        ProxyInvalid = 16,
        ProxyBadProtocol = 17,
    }

    private static string Text(ConnectionError error) => error switch
    {
        ConnectionError.ProxyTruncated => "Truncated PROXY protocol header received",
        ConnectionError.ProxyNotHeader => "Received something which does not look like a PROXY protocol header",
        ConnectionError.ProxyInvalid => "Received an invalid PROXY protocol header",
        ConnectionError.ProxyBadProtocol => "Received an unhandled protocol in the PROXY protocol header",
        _ => "Connection closed while waiting for PROXY protocol header",
    };

    /// <summary>Logs in the format of the manual, 8.2.5, and closes. A probe that sent nothing is a null connection.</summary>
    private void HandshakeFailed(Conn* c, ConnectionError error)
    {
        var proxy = _config.Proxies[c->Frontend];
        if (error != ConnectionError.ProxyAbort || !proxy.DontLogNull)
        {
            int level = proxy.LogSeparateErrors ? SessionLine.ErrorLevel : SessionLine.Level;
            var bind = _config.Binds[c->Bind];
            var client = Sockets.Read(&c->Address);
            string from = client is null ? $"unix:{bind.Id}" : client.ToString();
            string at = DateTimeOffset.Now.AddMilliseconds(c->Begin - _now)
                .ToString("dd/MMM/yyyy:HH:mm:ss.fff", System.Globalization.CultureInfo.InvariantCulture);
            string name = bind.Name ?? bind.Id.ToString(System.Globalization.CultureInfo.InvariantCulture);
            string text = proxy.Formats?.Error is { } format ? ErrorLine(c, format)
                : $"{from} [{at}] {proxy.Name}/{name}: {Text(error)}";
            _plane.Logs.Message(c->Frontend, level, text);
        }

        CloseClient(c);
    }

    private string ErrorLine(Conn* c, LogFormat format)
    {
        byte[] buffer = new byte[SessionLine.Longest];
        var text = new LogText(buffer);
        var log = new SessionLog
        {
            Frontend = c->Frontend, Bind = c->Bind, Backend = -1, Server = -1, Client = Sockets.Read(&c->Address),
            Local = Sockets.Local(c->Fd), Accepted = DateTimeOffset.UtcNow.AddMilliseconds(c->Begin - _now),
            Termination = c->Has(ConnFlags.Http) ? "----" : "--", RequestMs = -1, QueueMs = -1, ConnectMs = -1, ResponseMs = -1,
            Status = -1, BindId = _config.Binds[c->Bind].Id, ActiveConnections = _plane.ActiveConnections,
            FrontendConnections = (int)_counters.Sum(_counters.Frontend(c->Frontend), Counter.SessionsCurrent),
            Samples = format.Samples(LogScope(c)),
        };
        format.Write(ref text, new LogContext(_config, Environment.MachineName, Environment.ProcessId), log, 0);
        return System.Text.Encoding.Latin1.GetString(text.Written);
    }

    /// <summary>Sends the header before anything else; false where the connection did not survive it.</summary>
    private bool SendProxyHeader(Conn* c, Conn* s)
    {
        var server = _config.Servers[c->Server];
        if (server.SendProxy == 0)
        {
            return true;
        }

        byte* header = stackalloc byte[ProxyProtocolWriter.Longest];
        var into = new Span<byte>(header, ProxyProtocolWriter.Longest);
        var source = Sockets.Read(&c->Address);
        var destination = source is null ? null : Destination(c);
        string? id = (server.ProxyOptions & ProxyHeaderOptions.UniqueId) != 0 ? UniqueId(c) : null;
        int length = server.SendProxy == 1 ? ProxyProtocolWriter.WriteLine(into, source, destination)
            : ProxyProtocolWriter.WriteBinary(into, source, destination, server.ProxyOptions, id);
        s->Address = c->Address; // whose connection it is: kept, it serves that client only
        return SendTo(s, header, length);
    }

    /// <summary>May a kept connection serve this client? One that told the server of a client serves only that client.</summary>
    private bool Serves(Conn* s, Conn* c) => _config.Servers[c->Server].SendProxy == 0
        || new ReadOnlySpan<byte>(&s->Address, sizeof(SocketAddressBytes))
            .SequenceEqual(new ReadOnlySpan<byte>(&c->Address, sizeof(SocketAddressBytes)));
}
