using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary>A log-forward section (configuration manual 3.10).</summary>
internal sealed class LogForwardParser(ParseContext context, string name, Func<IReadOnlyList<LogTargetConfig>> globalLogs)
{
    private readonly List<LogListenConfig> _datagrams = [];
    private readonly List<LogListenConfig> _streams = [];
    private readonly List<LogTargetConfig> _logs = [];
    private LogForwardConfig _section = new() { Name = name, Place = context.Place };

    public string Name => name;

    public SourcePlace Place => _section.Place;

    public LogForwardConfig Build() => _section with { Datagrams = _datagrams, Streams = _streams, Logs = _logs };

    /// <summary>What can only be said when all is read.</summary>
    public void End()
    {
        if (_datagrams.Count + _streams.Count == 0)
        {
            context.Add(Severity.Warning, $"config : frontend '{name}' has no 'bind' directive. Please declare it as a backend if "
                + "this was intended.");
        }
    }

    public void Parse()
    {
        string k = context.Keyword;
        string a = context[1];
        switch (k)
        {
            case "bind" or "dgram-bind":
                Listen(a, k == "bind");
                break;
            case "log" when context.Negated:
                _logs.Clear();
                break;
            case "log":
                if (LogParser.Parse(context, _logs, globalLogs) is { } logs)
                {
                    _logs.AddRange(logs);
                }

                break;
            case "maxconn" or "backlog" when a.Length == 0:
                context.Alert($"'{k}' expects an integer argument.");
                break;
            case "maxconn":
                _section = _section with { MaxConn = Units.Atoi(a) };
                break;
            case "backlog":
                break;
            case "timeout" when a != "client":
                context.Alert($"unknown keyword 'timeout {a}' in log-forward section.");
                break;
            case "timeout" when context[2].Length == 0:
                context.Alert("missing timeout client value.");
                break;
            case "timeout":
                if (context.Time(context[2], out int ms, out string bad) != Units.TimeError.None)
                {
                    context.Alert($"unexpected character '{bad}' in 'timeout client'");
                    break;
                }

                _section = _section with { ClientTimeout = ms == 0 ? null : ms };
                break;
            default:
                context.Abort($"unknown keyword '{k}' in log-forward section.");
                break;
        }
    }

    private void Listen(string text, bool stream)
    {
        try
        {
            string plain = text;
            foreach (string prefix in stream ? Array.Empty<string>() : ["udp@", "udp4@", "udp6@"])
            {
                plain = plain.StartsWith(prefix, StringComparison.Ordinal)
                    ? (prefix == "udp@" ? "" : $"ipv{prefix[3]}@") + plain[prefix.Length..] : plain;
            }

            if (!stream && plain.StartsWith("tcp", StringComparison.Ordinal))
            {
                throw new ConfigurationException($"stream-type address not acceptable in '{text}'");
            }

            foreach (string one in plain.Split(',', StringSplitOptions.RemoveEmptyEntries))
            {
                var a = AddressParser.Parse(one, range: false, names: false, portNeeded: true, descriptors: true);
                if (a.UnixPath is not null)
                {
                    throw new ConfigurationException($"the UNIX socket '{one}' is not supported yet here");
                }

                var end = a.Address is null ? null : new IPEndPoint(a.Address, a.Port);
                (stream ? _streams : _datagrams).Add(new LogListenConfig(end, a.Fd, one, context.Place));
            }
        }
        catch (ConfigurationException e)
        {
            context.Alert($"'{context.Keyword} {text}' : {e.Message}");
            return;
        }

        for (int i = 2; i < context.Words.Count; i += 2)
        {
            string option = context[i];
            if (!Keywords.Bind.ContainsKey(option))
            {
                string head = stream ? $"'bind {text}' in section 'log-forward': " : "";
                string where = stream ? "" : " in 'log-forward' section";
                context.Alert($"{head}unknown keyword '{option}'{where}{Suggestions.For(option, Keywords.Bind.Keys)}");
            }
            else if (option != "name")
            {
                context.NotSupported(option);
            }
        }
    }
}
