using System.Globalization;
using System.Net;
using System.Text;
using Buoy.Balancer.Configuration;
using Buoy.Linux;

namespace Buoy.Balancer.Logging;

/// <summary>Who we are in a line's header.</summary>
/// <param name="Tag">log-tag, "haproxy".</param>
/// <param name="HostName">Of <c>log-send-hostname</c>; null = lines carry none.</param>
/// <param name="Pid">Our process id.</param>
public sealed record LogIdentity(string Tag, string? HostName, int Pid);

/// <summary>
/// One target of a <c>log</c> line (configuration manual 4.2). It connects once, before chroot, and keeps that
/// connection; a
/// datagram that cannot go out at once is lost and counted, never waited for. Used by the logging thread only, but for
/// <see cref="Connect"/>.
/// </summary>
public sealed class LogTarget(LogTargetConfig config, LogIdentity identity, LogRing? ring = null) : IDisposable
{
    /// <summary>A lost target is connected anew at most this often, in ms.</summary>
    private const long ReconnectEvery = 1000;

    private int _fd = -1;
    private bool _stream;
    private long _nextConnect;
    private long _seen;

    /// <summary>The format of its lines: its ring's own, or the log line's.</summary>
    public string Format => ring?.Config.Format is { Length: > 0 } own ? own : config.Format;

    /// <summary>The line of the configuration.</summary>
    public LogTargetConfig Config => config;

    /// <summary>Opens the target. Null, or why it will never work; one that is merely not there is tried again
    /// later.</summary>
    public string? Connect()
    {
        string a = config.Address;
        if (ring is not null || a.StartsWith("ring@", StringComparison.Ordinal))
        {
            return null; // a ring nobody declared takes nothing, as in the original
        }

        _stream = a is "stdout" or "stderr" || a.StartsWith("fd@", StringComparison.Ordinal);
        if (_stream)
        {
            _fd = a switch { "stdout" => 1, "stderr" => 2, _ => int.TryParse(a.AsSpan(3), out int n) ? n : -1 };
            return _fd < 0 ? $"'log' : '{a}' is not a descriptor." : null;
        }

        if (a.StartsWith('/') || a.StartsWith("unix@", StringComparison.Ordinal))
        {
            _fd = ControlSocket.ConnectUnixDatagram(a.StartsWith('/') ? a : a[5..]);
            return null;
        }

        if (EndPointOf(a) is not { } to)
        {
            return $"'log' : '{a}' is not an address.";
        }

        _fd = ControlSocket.ConnectUdp(to);
        return null;
    }

    /// <summary>Sends one line. False: it was lost.</summary>
    /// <param name="tag">log-tag of the section, null = the global one.</param>
    /// <param name="data">Structured data of rfc5424, null = none.</param>
    public bool Send(int level, DateTimeOffset at, string text, long now, string? tag = null, string? data = null)
    {
        return Send(Line(level, at, text, tag, data), now);
    }

    /// <summary>Is this message, the next one for this target, in its sample?</summary>
    public bool Samples() => config.Sampling is not { } sampling || sampling.Takes(_seen++);

    /// <summary>Sends a complete line, cut to the target's length. False: it was lost.</summary>
    internal bool Send(string whole, long now)
    {
        byte[] line = Encoding.Latin1.GetBytes(whole);
        if (ring is not null)
        {
            ring.Write(line.AsSpan().TrimEnd((byte)'\n'));
            return true;
        }

        if (config.Address.StartsWith("ring@", StringComparison.Ordinal))
        {
            return false;
        }

        if (line.Length > config.Length && config.Length > 1)
        {
            line = [.. line.AsSpan(0, config.Length - 1), (byte)'\n'];
        }

        if (_stream)
        {
            return ControlSocket.WriteIfReady(_fd, line) == line.Length;
        }

        int sent = _fd < 0 ? -ControlSocket.ENotConn : ControlSocket.Send(_fd, line);
        if (sent >= 0)
        {
            return true;
        }

        // An ICMP error reported for an earlier datagram says nothing about this one: once more on the same socket.
        if (sent == -ControlSocket.EConnRefused && !IsUnix && ControlSocket.Send(_fd, line) >= 0)
        {
            return true;
        }

        if (sent != -ControlSocket.EAgain && now >= _nextConnect)
        {
            _nextConnect = now + ReconnectEvery;
            return Reconnect() && ControlSocket.Send(_fd, line) >= 0;
        }

        return false;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_stream && _fd >= 0)
        {
            ControlSocket.Close(_fd);
            _fd = -1;
        }
    }

    private bool IsUnix =>
        config.Address.StartsWith('/') || config.Address.StartsWith("unix@", StringComparison.Ordinal);

    /// <summary>Inside a chroot the path is usually out of reach: then the old socket is kept, a restarted syslogd may
    /// reuse it.</summary>
    private bool Reconnect()
    {
        int old = _fd;
        Connect();
        if (_fd < 0)
        {
            _fd = old;
            return false;
        }

        if (old >= 0)
        {
            ControlSocket.Close(old);
        }

        return true;
    }

    /// <summary>Header and text, in the target's format.</summary>
    public string Line(int level, DateTimeOffset at, string text, string? tag = null, string? data = null)
    {
        tag ??= identity.Tag;
        level = Math.Max(level, config.MinLevel);
        int priority = (config.Facility * 8) + level;
        return Format switch
        {
            "rfc5424" =>
                $"<{priority}>1 {Iso(at)} {identity.HostName ?? "-"} {tag} {identity.Pid} - {data ?? "-"} {text}\n",
            "short" => $"<{level}>{text}\n",
            "timed" => $"<{level}>{Iso(at)} {text}\n",
            "iso" => $"{Iso(at)} {text}\n",
            "priority" => $"<{priority}>{text}\n",
            "raw" => text + "\n",
            _ => $"<{priority}>{Bsd(at)} {Host()}{tag}[{identity.Pid}]: {text}\n",
        };
    }

    /// <summary>
    /// An rfc3164 header names the host, a local one does not; where no format is given it is local, or rfc3164 with
    /// <c>log-send-hostname</c> (configuration manual 3.1 "log").
    /// </summary>
    private string Host() => config.Format switch
    {
        "local" => "",
        "rfc3164" => (identity.HostName ?? Environment.MachineName) + " ",
        _ => identity.HostName is { } h ? h + " " : "",
    };

    private static string Bsd(DateTimeOffset at)
    {
        var l = at.ToLocalTime();
        return string.Create(CultureInfo.InvariantCulture, $"{l:MMM} {l.Day,2} {l:HH:mm:ss}");
    }

    private static string Iso(DateTimeOffset at) =>
        at.ToLocalTime().ToString("yyyy-MM-ddTHH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture);

    private static IPEndPoint? EndPointOf(string address)
    {
        string a = address;
        foreach (string p in (string[])["udp@", "ipv4@", "ipv6@"])
        {
            a = a.StartsWith(p, StringComparison.Ordinal) ? a[p.Length..] : a;
        }

        int colon = a.LastIndexOf(':');
        if (IPAddress.TryParse(a, out var alone) && (colon < 0 || a.StartsWith('[')))
        {
            return new IPEndPoint(alone, 514);
        }

        return colon > 0 && IPAddress.TryParse(a.AsSpan(0, colon), out var ip)
            && ushort.TryParse(a.AsSpan(colon + 1), out ushort port)
            ? new IPEndPoint(ip, port) : null;
    }
}
