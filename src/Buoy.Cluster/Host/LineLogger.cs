using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Buoy.Cluster.Host;

/// <summary>
/// A logger that hands each message as one line to a writer: corosync.conf's <c>logging</c> section decides what the
/// writer is
/// (file, standard error, syslog), whether a time stands before it (<c>timestamp</c>), and the lowest level
/// (<c>debug</c>).
/// </summary>
public sealed class LineLogger(Action<LogLevel, string> write, LogLevel lowest = LogLevel.Information,
    bool timestamp = true) : ILogger
{
    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel >= lowest && logLevel != LogLevel.None;

    /// <inheritdoc/>
    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?,
            string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        string level = logLevel switch
        {
            LogLevel.Trace or LogLevel.Debug => "debug",
            LogLevel.Information => "info",
            LogLevel.Warning => "warning",
            LogLevel.Error => "error",
            _ => "crit",
        };
        string text = formatter(state, exception).Replace('\n', ' ');
        string time = timestamp
            ? DateTimeOffset.Now.ToString("MMM dd HH:mm:ss.fff ", CultureInfo.InvariantCulture)
            : "";
        write(logLevel, $"{time}buoy cluster [{eventId.Id}] {level}: {text}");
    }
}
