using Buoy.Balancer.Configuration;

namespace Buoy.Balancer.Host;

/// <summary>Writes start-up messages as HAProxy does: the first one is preceded by the version.</summary>
internal sealed class Messages(TextWriter output, bool quiet)
{
    private bool _headWritten;

    /// <summary>The process that speaks: a worker speaks for its master until it runs.</summary>
    public int ProcessId { get; set; } = Environment.ProcessId;

    /// <summary>Were there warnings?</summary>
    public bool HasWarnings { get; private set; }

    public void Write(IEnumerable<Diagnostic> diagnostics)
    {
        foreach (var d in diagnostics)
        {
            Write(d.Severity, d.Text);
        }
    }

    /// <summary>A new start begins: its first warning or alert is preceded by the version again.</summary>
    public void Begin() => _headWritten = false;

    /// <summary>The start is over and this process speaks for itself; the version need not be said again.</summary>
    public void Started()
    {
        _headWritten = true;
        ProcessId = Environment.ProcessId;
    }

    public void Write(Severity severity, string text)
    {
        HasWarnings |= severity == Severity.Warning;
        if (quiet)
        {
            return;
        }

        if (!_headWritten && severity >= Severity.Warning)
        {
            _headWritten = true;
            Line(Severity.Notice, $"haproxy version is {BalancerVersion.Compatible}");
            Line(Severity.Notice, $"path to executable is {Environment.ProcessPath}");
        }

        Line(severity, text);
    }

    private void Line(Severity severity, string text) =>
        output.WriteLine(new Diagnostic(severity, text).Format(ProcessId));
}

/// <summary>What this program says it is.</summary>
internal static class BalancerVersion
{
    /// <summary>The version of HAProxy whose language and interfaces this speaks.</summary>
    public const string Compatible = "2.6.12-compatible";

    /// <summary>Buoy's own.</summary>
    public static string Own => typeof(BalancerVersion).Assembly.GetName().Version?.ToString(3) ?? "0";

    public static string Text => $"HAProxy version {Compatible}\nBuoy version {Own}";

    public static string BuildOptions =>
        "Build options :\n  TARGET  = linux-glibc\n\n"
        + "Feature list : +EPOLL +GETADDRINFO +LINUX_SPLICE +LINUX_TPROXY +NS -OPENSSL +TFO +THREAD +BACKTRACE\n\n"
        + $"Built with multi-threading support (default={Environment.ProcessorCount}).\n\n"
        + "Available polling systems :\n      epoll : pref=300,  test result OK\n"
        + $"   io_uring : pref=200,  test result {(Linux.IoUring.IsAllowed() ? "OK" : "FAILED")}\n"
        + $"Total: 2, will use {(Engine.Pollers.Forced == Engine.PollerKind.IoUring ? "io_uring" : "epoll")}.\n\n"
        + "Available services : prometheus-exporter\n\n"
        + "Available filters : none";

    public const string Usage =
        """
        Usage : haproxy [-f <cfgfile|cfgdir>]* [ -vdVD ] [ -n <maxconn> ] [ -N <maxpconn> ]
                [ -p <pidfile> ] [ -m <max megs> ] [ -C <dir> ] [-- <cfgfile>*]
                -v displays version ; -vv shows known build options.
                -d enters debug mode ; -db only disables background mode.
                -V enters verbose mode (disables quiet mode)
                -D goes daemon ; -C changes to <dir> before loading files.
                -W master-worker mode.
                -Ws master-worker mode with systemd notify support.
                -q quiet mode : don't display messages
                -c check mode : only check config files and exit
                -cc check condition : evaluate a condition and exit
                -n sets the maximum total # of connections (uses ulimit -n)
                -N sets the default, per-proxy maximum # of connections (0)
                -L set local peer name (default to hostname)
                -p writes pids of all children to this file
                -dr ignores server address resolution failures
                -dW fails if any warning is emitted
                -sf/-st [pid ]* finishes/terminates old pids.
                -x <unix_socket> get listening sockets from a unix socket
                -S <bind>[,<bind options>...] new master CLI
                -m, -de, -dp, -dS, -dG, -dR, -dL, -dV, -dD, -dI, -dM are accepted without effect.
        """;
}
