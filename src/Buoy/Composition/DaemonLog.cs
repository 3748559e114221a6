using System.Net.Sockets;
using System.Text;
using Buoy.Membership.Configuration;
using Microsoft.Extensions.Logging;

namespace Buoy.Composition;

/// <summary>
/// Where the cluster daemon's lines go: what the logging section of corosync.conf says (file, standard error, syslog). A target
/// that fails is left out with one line on standard error; it never stops the daemon.
/// </summary>
internal sealed class DaemonLog : IDisposable
{
    private static readonly string[] Facilities =
    [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert",
        "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    ];

    private readonly LoggingSettings _settings;
    private readonly int _facility;
    private StreamWriter? _file;
    private Socket? _syslog;

    public DaemonLog(LoggingSettings settings)
    {
        _settings = settings;
        _facility = Math.Max(0, Array.IndexOf(Facilities, settings.SyslogFacility));
        Open();
    }

    /// <summary>Opens the file anew (SIGHUP after log rotation) and connects to syslog.</summary>
    public void Open()
    {
        _file?.Dispose();
        _file = null;
        if (_settings is { ToLogfile: true, Logfile: { } path })
        {
            try
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                _file = new StreamWriter(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true };
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Console.Error.WriteLine($"buoy cluster: logging.logfile {path} cannot be written: {e.Message}");
            }
        }

        _syslog?.Dispose();
        _syslog = null;
        if (_settings.ToSyslog)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
            try
            {
                socket.Connect(new UnixDomainSocketEndPoint("/dev/log"));
                _syslog = socket;
            }
            catch (SocketException)
            {
                // No syslog runs here. Corosync stays silent about that too; the other targets are written.
                socket.Dispose();
            }
        }
    }

    /// <summary>Writes a line to every target.</summary>
    public void Write(LogLevel level, string line)
    {
        if (_settings.ToStderr)
        {
            Console.Error.WriteLine(line);
        }

        try
        {
            _file?.WriteLine(line);
        }
        catch (IOException e)
        {
            // A full disk must not take the address down. Said once, then the file is left out until the next reload.
            _file = null;
            Console.Error.WriteLine($"buoy cluster: the log file cannot be written any more: {e.Message}");
        }

        if (_syslog is not null)
        {
            int severity = level switch
            {
                LogLevel.Critical => 2,
                LogLevel.Error => 3,
                LogLevel.Warning => 4,
                LogLevel.Information => 6,
                _ => 7,
            };
            try
            {
                _syslog.Send(Encoding.UTF8.GetBytes($"<{(_facility * 8) + severity}>{line}"));
            }
            catch (SocketException)
            {
                // Its buffer is full or it restarts: a datagram log loses lines then, by nature.
                return;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file?.Dispose();
        _syslog?.Dispose();
    }
}
