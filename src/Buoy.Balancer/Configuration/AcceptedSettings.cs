namespace Buoy.Balancer.Configuration;

/// <summary>
/// What the lines of accepted global settings must look like, although they have no effect here: a file that the original
/// refuses must not be taken for a valid one.
/// </summary>
internal static class AcceptedSettings
{
    private const string Switches = " no-memory-trimming noepoll noevports nogetaddrinfo nokqueue nopoll noreuseport nosplice "
        + "busy-polling set-dumpable strict-limits insecure-fork-wanted insecure-setuid-wanted ";

    private const string Integers = " maxsslconn maxsslrate maxpipes maxzlibmem fd-hard-limit tune.buffers.limit "
        + "tune.buffers.reserve tune.http.cookielen tune.http.logurilen tune.maxaccept tune.maxpollevents tune.maxrewrite "
        + "tune.pipesize tune.rcvbuf.client tune.rcvbuf.server tune.recv_enough tune.runqueue-depth tune.sndbuf.client "
        + "tune.sndbuf.server tune.ssl.cachesize tune.ssl.capture-buffer-size tune.ssl.default-dh-param ";

    private const string Choices = " tune.idle-pool.shared tune.listener.multi-queue tune.sched.low-latency ";

    private const string OneWord = " ssl-default-bind-ciphers ssl-default-bind-ciphersuites ssl-default-server-ciphers "
        + "ssl-default-server-ciphersuites ssl-default-bind-curves ssl-server-verify profiling.tasks "
        + "tune.h2.initial-window-size tune.h2.max-concurrent-streams tune.http.maxhdr ";

    /// <summary>Checks the line; false, with an alert, where it is not as it must be.</summary>
    public static bool Check(ParseContext context)
    {
        string k = context.Keyword;
        string a = context[1];
        if (In(Switches, k))
        {
            return context.AtMost(0);
        }

        if ((In(Integers, k) || In(Choices, k) || In(OneWord, k)) && !context.AtMost(1))
        {
            return false;
        }

        string? wrong = null;
        if (k is "ssl-default-bind-options" or "ssl-default-server-options")
        {
            wrong = a.Length == 0 ? $"global statement '{k}' expects an option as an argument."
                : context.Words.Skip(1).FirstOrDefault(option => !SslOption(option)) is { } option
                    ? $"unknown option '{option}' on global statement '{k}'." : null;
        }
        else if (In(Choices, k) || k == "profiling.tasks")
        {
            bool known = a is "on" or "off" || (a == "auto" && k == "profiling.tasks");
            wrong = known ? null : $"'{k}' expects either 'on'{(k == "profiling.tasks" ? ", 'auto'," : "")} or 'off' but got '{a}'.";
        }
        else if (k == "ssl-server-verify" && a.Length > 0 && a is not ("none" or "required"))
        {
            wrong = $"'{k}' expects 'none' or 'required' as argument.";
        }
        else if (k == "tune.http.maxhdr" && a.Length > 0 && Units.Atoi(a) is < 1 or > 32767)
        {
            wrong = $"'{k}' expects a numeric value between 1 and 32767";
        }
        else if (a.Length == 0)
        {
            wrong = In(Integers, k) || k is "ssl-server-verify" or "tune.http.maxhdr" ? $"'{k}' expects an integer argument."
                : k == "ssl-default-bind-curves" ? $"global statement '{k}' expects a curves suite as an arguments."
                : k.Contains("-ciphers", StringComparison.Ordinal) ? $"global statement '{k}' expects a cipher suite as an argument."
                : k == "server-state-base" ? $"'{k}' expects one argument: a directory path." : null;
        }

        if (wrong is not null)
        {
            context.Alert(wrong);
        }

        return wrong is null;
    }

    private static bool In(string list, string word) => list.Contains($" {word} ", StringComparison.Ordinal);

    private static bool SslOption(string option) =>
        option is "no-sslv3" or "no-tlsv10" or "no-tlsv11" or "no-tlsv12" or "no-tlsv13" or "no-tls-tickets"
            or "prefer-client-ciphers" or "force-sslv3" or "force-tlsv10" or "force-tlsv11" or "force-tlsv12"
            or "force-tlsv13" or "ssl-min-ver" or "ssl-max-ver" or "SSLv3" or "TLSv1.0" or "TLSv1.1" or "TLSv1.2"
            or "TLSv1.3" or "allow-0rtt";
}
