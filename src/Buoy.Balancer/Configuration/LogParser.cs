namespace Buoy.Balancer.Configuration;

/// <summary><c>log</c> lines of the global section and of proxies (configuration manual 3.1 and 4.2).</summary>
internal static class LogParser
{
    private const int DefaultLength = 1024;
    private static readonly string[] Facilities =
        ("kern user mail daemon auth syslog lpr news uucp cron auth2 ftp ntp audit alert cron2 "
        + "local0 local1 local2 local3 local4 local5 local6 local7").Split(' ');

    private static readonly string[] Levels = "emerg alert crit err warning notice info debug".Split(' ');

    /// <summary>The targets the line adds, null after an alert. <paramref name="globalTargets"/> is null in the global section.</summary>
    public static IReadOnlyList<LogTargetConfig>? Parse(
        ParseContext context, IReadOnlyList<LogTargetConfig> before, Func<IReadOnlyList<LogTargetConfig>>? globalTargets)
    {
        try
        {
            return context[1] == "global" && context.Words.Count == 2
                ? globalTargets?.Invoke() ?? throw new ConfigurationException("'global' is not supported for a global syslog server")
                : [Target(context, globalTargets is null)];
        }
        catch (ConfigurationException e)
        {
            context.Alert($"log : {e.Message}");
            return null;
        }
    }

    private static LogTargetConfig Target(ParseContext context, bool global)
    {
        if (context[1].Length == 0 || context[2].Length == 0)
        {
            throw new ConfigurationException(global
                ? "expects <address> and <facility>  as arguments"
                : "expects <address> and <facility> or global as arguments");
        }

        int length = DefaultLength;
        string format = "";
        Logging.LogSampling? sampling = null;
        int i = 2;
        for (; ; i += 2)
        {
            string value = context[i + 1];
            if (context[i] == "len")
            {
                length = Units.Atoi(value);
                if (length is < 80 or > 65535)
                {
                    throw new ConfigurationException($"invalid log length '{value}', must be between 80 and 65535");
                }
            }
            else if (context[i] == "format")
            {
                format = IsFormat(value) ? value : throw new ConfigurationException($"unknown log format '{value}'");
            }
            else if (context[i] == "sample")
            {
                sampling = Logging.LogSampling.Parse(value);
            }
            else
            {
                break;
            }
        }

        int facility = Array.IndexOf(Facilities, context[i]);
        if (facility < 0)
        {
            throw new ConfigurationException($"unknown log facility '{context[i]}'");
        }

        int max = Level(context[i + 1], "optional log level", Levels.Length - 1);
        int min = Level(context[i + 2], "optional minimum log level", 0);
        if (context.Words.Count > i + 3)
        {
            throw new ConfigurationException($"cannot handle unexpected argument '{context[i + 3]}'");
        }

        string address = Address(context[1]);
        return new LogTargetConfig(address, format, facility, max, min, length, context.Place) { Sampling = sampling };
    }

    private static int Level(string text, string what, int absent)
    {
        int level = Array.IndexOf(Levels, text);
        return text.Length == 0 ? absent : level >= 0 ? level : throw new ConfigurationException($"unknown {what} '{text}'");
    }

    private static string Address(string text)
    {
        if (text is "stdout" or "stderr")
        {
            return text;
        }

        if (text.StartsWith("ring@", StringComparison.Ordinal))
        {
            return text;
        }

        if (text.StartsWith("tcp@", StringComparison.Ordinal) || text.StartsWith("tcp4@", StringComparison.Ordinal)
            || text.StartsWith("tcp6@", StringComparison.Ordinal))
        {
            var tcp = AddressParser.Parse(text, range: false, names: false, portNeeded: false, descriptors: false);
            return $"tcp@{Bracketed(tcp)}:{(tcp.Port == 0 ? 514 : tcp.Port)}";
        }

        if (text.StartsWith("fd@", StringComparison.Ordinal) && int.TryParse(text.AsSpan(3), out int open))
        {
            return $"fd@{open}"; // a pipe or file, not only a socket
        }

        string plain = text.StartsWith("udp@", StringComparison.Ordinal) ? text[4..]
            : text.StartsWith("udp4@", StringComparison.Ordinal) || text.StartsWith("udp6@", StringComparison.Ordinal)
                ? $"ipv{text[3]}@{text[5..]}" : text.StartsWith("uxdg@", StringComparison.Ordinal) ? $"unix@{text[5..]}" : text;
        var a = AddressParser.Parse(plain, range: false, names: false, portNeeded: false, descriptors: true);
        return a.UnixPath ?? (a.Fd is { } fd ? $"fd@{fd}" : $"{Bracketed(a)}:{(a.Port == 0 ? 514 : a.Port)}");
    }

    /// <summary>Is it a format of log lines?</summary>
    public static bool IsFormat(string text) =>
        text is "local" or "rfc3164" or "rfc5424" or "priority" or "short" or "timed" or "iso" or "raw";

    private static string Bracketed(ParsedAddress a) => a.Address!.ToString() is var s && s.Contains(':') ? $"[{s}]" : s;
}
