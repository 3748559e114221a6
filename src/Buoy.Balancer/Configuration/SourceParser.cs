using System.Net;

namespace Buoy.Balancer.Configuration;

/// <summary>
/// <c>source ADDR[:PORT[-PORT]] [usesrc …] [interface NAME]</c>, as a line of a backend (configuration manual 4.2) and as an
/// option of a server (5.2), which say the same things in other words.
/// </summary>
internal static class SourceParser
{
    private const string Needs = "'source' expects <addr>[:<port>], and optionally 'usesrc' <addr>, and 'interface' <name>.";

    /// <summary>The option at <paramref name="i"/>, which is afterwards at its last word.</summary>
    public static SourceConfig OfServer(ParseContext context, ref int i)
    {
        string text = context[++i];
        if (text.Length == 0)
        {
            throw new ConfigurationException("'source' expects <addr>[:<port>[-<port>]], and optionally 'usesrc' <addr>, and "
                + "'interface' <name> as argument..");
        }

        SourceConfig source;
        try
        {
            source = Address(text, range: true);
        }
        catch (ConfigurationException e)
        {
            bool address = e.Message.StartsWith("invalid address", StringComparison.Ordinal);
            throw new ConfigurationException(address ? $"\n  'source {text}' : {e.Message}\n  \n." : $"'source {text}' : {e.Message}.");
        }

        try
        {
            while (context[i + 1] is "usesrc" or "interface")
            {
                source = More(context, source, ref i, "', 'clientip', or 'hdr_ip(name,#)' as argument.", "'server' : missing interface name.");
            }

            return source;
        }
        catch (ConfigurationException e)
        {
            string which = e.Message.Contains("interface", StringComparison.Ordinal) ? "interface" : "usesrc";
            throw new ConfigurationException(e.Message) { Also = $"config : error encountered while processing '{which}'." };
        }
    }

    /// <summary>The line in <paramref name="context"/>; null after an alert.</summary>
    public static SourceConfig? OfBackend(ParseContext context)
    {
        if (context[1].Length == 0)
        {
            context.Alert(Needs);
            return null;
        }

        try
        {
            var source = Address(context[1], range: false);
            int i = 1;
            while (context[i + 1] is "usesrc" or "interface")
            {
                source = More(context, source, ref i, "', or 'clientip' as argument.", "'source' : missing interface name.");
            }

            if (context[i + 1].Length == 0)
            {
                return source;
            }

            context.Alert("'source' only supports optional keywords 'interface' and 'usesrc'.");
        }
        catch (ConfigurationException e)
        {
            bool own = e.Message.StartsWith('\'');
            context.Alert(own ? e.Message : $"'source {context[1]}' : {e.Message}");
        }

        return null;
    }

    private static SourceConfig Address(string text, bool range)
    {
        var a = AddressParser.Parse(text, range, names: false, portNeeded: false, descriptors: false);
        return new SourceConfig(a.Address ?? throw new ConfigurationException($"the address '{text}' is not supported yet"),
            a.Port, a.LastPort);
    }

    private static SourceConfig More(ParseContext context, SourceConfig source, ref int i, string kinds, string noInterface)
    {
        string a = context[i + 2];
        bool use = context[i + 1] == "usesrc";
        i += 2;
        if (a.Length == 0)
        {
            throw new ConfigurationException(use ? $"'usesrc' expects <addr>[:<port>], 'client{kinds}" : noInterface);
        }

        if (!use)
        {
            return source with { Interface = a };
        }

        if (a is "client" or "clientip")
        {
            return source with { Use = a == "client" ? UseSource.Client : UseSource.ClientIp };
        }

        if (a.StartsWith("hdr_ip(", StringComparison.Ordinal))
        {
            throw new ConfigurationException($"'usesrc {a}' is not supported yet");
        }

        try
        {
            var address = Address(a, range: false);
            return source with { Use = UseSource.Address, UseAddress = new IPEndPoint(address.Address, address.Port) };
        }
        catch (ConfigurationException e)
        {
            throw new ConfigurationException($"'usesrc {a}' : {e.Message}");
        }
    }
}
