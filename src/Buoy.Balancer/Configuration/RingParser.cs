using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary>A ring section (configuration manual 3.9).</summary>
internal sealed class RingParser(ParseContext context, string name)
{
    private readonly List<RingServer> _servers = [];
    private RingConfig _ring = new() { Name = name, Description = name, Place = context.Place };

    public string Name => name;

    public RingConfig Build() => _ring with { Servers = _servers };

    public void Parse()
    {
        string a = context[1];
        switch (context.Keyword)
        {
            case "description" when a.Length == 0:
                context.Alert("missing ring description text.");
                break;
            case "description":
                _ring = _ring with { Description = a };
                break;
            case "format" when !LogParser.IsFormat(a):
                context.Alert($"unknown format '{a}'.");
                break;
            case "format":
                _ring = _ring with { Format = a };
                break;
            case "size" or "maxlen" when Units.Atoi(a) <= 0:
                context.Alert($"invalid size '{a}' for new sink buffer.");
                break;
            case "size" when Units.Atoi(a) < _ring.Size:
                context.Warning($"ignoring new size '{Units.Atoi(a)}' that is smaller than current size '{_ring.Size}' "
                    + $"for ring '{name}'.");
                break;
            case "size":
                _ring = _ring with { Size = Units.Atoi(a) };
                break;
            case "maxlen":
                _ring = _ring with { MaxLength = Units.Atoi(a) };
                break;
            case "timeout":
                Timeout(a);
                break;
            case "server":
                Server(a, context[2]);
                break;
            case "backing-file":
                context.NotSupported("backing-file");
                break;
            default:
                context.Alert($"unknown statement '{context.Keyword}'.");
                break;
        }
    }

    /// <summary>What can only be said at the end of the section.</summary>
    public void End()
    {
        if (_ring.MaxLength > _ring.Size)
        {
            context.Add(Severity.Warning, $"config : ring '{name}' event max length '{_ring.MaxLength}' exceeds size, forced to "
                + $"size '{_ring.Size}'.");
            _ring = _ring with { MaxLength = _ring.Size };
        }

        if (_servers.Count > 0 && (_ring.ConnectTimeout is null || _ring.ServerTimeout is null))
        {
            context.Add(Severity.Warning, $"config : missing timeouts for backend '{name}'.\n"
                + "   | While not properly invalid, you will certainly encounter various problems\n"
                + "   | with such a configuration. To fix this, please ensure that all following\n"
                + "   | timeouts are set to a non-zero value: 'client', 'connect', 'server'.");
        }
    }

    private void Timeout(string which)
    {
        if (which is not ("connect" or "server"))
        {
            return; // as in the original
        }

        if (context[2].Length == 0)
        {
            context.Alert($"'timeout {which}' expects <time> as argument.");
            return;
        }

        var error = context.Time(context[2], out int ms, out string bad);
        if (error != Units.TimeError.None)
        {
            context.AlertTight(error == Units.TimeError.Unexpected
                ? $"unexpected character '{bad}' in argument to <timeout {which}>."
                : $"timer overflow in argument <{context[2]}> to <timeout {which}>, maximum value is 2147483647 ms (~24.8 days).");
            return;
        }

        _ring = which == "connect" ? _ring with { ConnectTimeout = ms } : _ring with { ServerTimeout = ms };
    }

    private void Server(string server, string text)
    {
        string place = $"config : [{context.Place}] : ";
        if (server.Length == 0 || text.Length == 0)
        {
            context.Add(Severity.Alert, $"{place}'server' expects <name> and <addr>[:<port>] as arguments.");
            return;
        }

        try
        {
            var a = AddressParser.Parse(text, range: false, names: false, portNeeded: false, descriptors: false);
            bool octets = false;
            for (int i = 3; i < context.Words.Count; i++)
            {
                octets = context[i] != "log-proto" ? throw new ConfigurationException($"'{context[i]}' is not supported yet")
                    : context[++i] switch
                    {
                        "octet-count" => true,
                        "legacy" => false,
                        var other => throw new ConfigurationException(
                            $"'log-proto' expects one of 'legacy' or 'octet-count' but got '{other}'."),
                    };
            }

            const int SyslogPort = 514;
            var end = a.Address is null ? null : new IPEndPoint(a.Address, a.Port == 0 ? SyslogPort : a.Port);
            _servers.Add(new RingServer(server, end, a.UnixPath, octets));
        }
        catch (ConfigurationException e)
        {
            context.Add(Severity.Alert, $"{place}'server {name}/{server}' : {e.Message}");
        }
    }
}
