using System.Net;
using System.Text;

namespace Buoy.Balancer.Configuration;

/// <summary><c>tcp-check …</c> and <c>http-check …</c> (configuration manual 4.2).</summary>
internal static class CheckRuleParser
{
    /// <summary>Reads the line in <paramref name="context"/> into the rules of <paramref name="settings"/>.</summary>
    /// <param name="proxy">Name of the section, empty in defaults.</param>
    public static void Parse(ParseContext context, ProxySettings settings, string proxy)
    {
        var formats = new CheckFormats(context, proxy, settings.Mode == ProxyMode.Http);
        bool http = context.Keyword == "http-check";
        string action = context[1];
        string verb = Verb(action);
        string head = $"'{context.Keyword} {action}' : ";
        if (http && verb is "disable-on-404" or "send-state")
        {
            if (context.AtMost(1))
            {
                settings.CheckRules = verb == "send-state" ? settings.CheckRules with { SendState = true }
                    : settings.CheckRules with { DisableOn404 = true };
            }

            return;
        }

        try
        {
            switch (verb)
            {
                case "comment":
                    string comment = context[2].Length > 0 ? context[2]
                        : throw new ConfigurationException("expects a string as argument.");
                    Add(settings, http, new CheckComment { Comment = comment });
                    break;
                case "connect":
                    Add(settings, http, Connect(context, formats, Rules(settings, http)));
                    break;
                case "send" when http:
                    HttpSend(context, formats, settings);
                    break;
                case "send" or "send-binary" or "send-lf" or "send-binary-lf" when !http:
                    Add(settings, http, Send(context, formats, verb));
                    break;
                case "expect":
                    Add(settings, http, new CheckExpectParser(context, formats, http).Parse());
                    break;
                case "set-var" or "set-var-fmt" or "unset-var":
                    Add(settings, http, formats.Variable(verb));
                    break;
                default:
                    string send = http ? "'disable-on-404', 'send-state', " : "";
                    string binary = http ? "" : "'send-binary', ";
                    context.Alert($"'{context.Keyword}' only supports {send}'comment', 'connect', 'send', {binary}'expect', "
                        + $"'set-var-fmt(*)', 'set-var(*)', 'unset-var(*)'. but got '{action}'");
                    break;
            }
        }
        catch (ConfigurationException e)
        {
            context.Alert(head + e.Message);
        }
    }

    /// <summary>A proxy's own rules take the place of those of its defaults section, all of them.</summary>
    public static void BeginOwn(ProxySettings settings, bool http)
    {
        if (http && settings.InheritedHttpRules)
        {
            settings.InheritedHttpRules = false;
            settings.HttpCheck = null;
            settings.CheckRules = settings.CheckRules with { Http = [] };
        }
        else if (!http && settings.InheritedTcpRules)
        {
            settings.InheritedTcpRules = false;
            settings.CheckRules = settings.CheckRules with { Tcp = [] };
        }
    }

    private static string Verb(string action)
    {
        int open = action.IndexOf('(');
        return open > 0 && action[..open] is "set-var" or "set-var-fmt" or "unset-var" ? action[..open] : action;
    }

    private static IReadOnlyList<CheckStep> Rules(ProxySettings settings, bool http) =>
        http ? settings.InheritedHttpRules ? [] : settings.CheckRules.Http
        : settings.InheritedTcpRules ? [] : settings.CheckRules.Tcp;

    private static void Add(ProxySettings settings, bool http, CheckStep step)
    {
        BeginOwn(settings, http);
        settings.CheckRules = http ? settings.CheckRules with { Http = [.. settings.CheckRules.Http, step] }
            : settings.CheckRules with { Tcp = [.. settings.CheckRules.Tcp, step] };
    }

    private static CheckConnect Connect(ParseContext context, CheckFormats formats, IReadOnlyList<CheckStep> before)
    {
        if (before.FirstOrDefault(s => s is not (CheckComment or CheckSetVariable or CheckUnsetVariable)) is { } first && first is not CheckConnect)
        {
            throw new ConfigurationException("first step MUST also be a 'connect', optionally preceded by a 'set-var', an "
                + "'unset-var' or a 'comment', when there is a 'connect' step in the tcp-check ruleset.");
        }

        var connect = new CheckConnect();
        for (int i = 2; i < context.Words.Count; i++)
        {
            string a = context[i + 1];
            switch (context[i])
            {
                case "default":
                    connect = connect with { Default = true };
                    break;
                case "send-proxy":
                    connect = connect with { SendProxy = true };
                    break;
                case "linger":
                    connect = connect with { Linger = true };
                    break;
                case "port":
                    connect = Port(a) is { } fixedPort ? connect with { Port = fixedPort, PortExpression = null }
                        : connect with { Port = null, PortExpression = formats.Expression(a, "port") };
                    i++;
                    break;
                case "addr":
                    connect = connect with { Address = Address(a) };
                    i++;
                    break;
                case "comment":
                    connect = connect with { Comment = Text(context[i], a) };
                    i++;
                    break;
                case "proto" when a.Length == 0:
                    throw new ConfigurationException("'proto' expects a MUX protocol as argument..");
                case "sni" or "alpn" when a.Length == 0:
                    throw new ConfigurationException($"'{context[i]}' expects a string as argument..");
                case "ssl" or "sni" or "alpn" or "via-socks4" or "proto":
                    throw new ConfigurationException($"'{context[i]}' is not supported yet");
                default:
                    throw new ConfigurationException("expects 'comment', 'port', 'addr', 'send-proxy', 'ssl', 'sni', 'alpn' "
                        + $"or 'via-socks4', 'linger', 'default' but got '{context[i]}' as argument..");
            }
        }

        return connect;
    }

    /// <summary>null = it is an expression.</summary>
    private static int? Port(string a)
    {
        if (a.Length == 0)
        {
            throw new ConfigurationException("'port' expects a port number or a sample expression as argument..");
        }

        long port = Units.Atol(a, out string rest);
        if (rest.Length > 0)
        {
            return null;
        }

        return port is > 0 and < 65536 ? (int)port : throw new ConfigurationException(
            $"expects a valid TCP port (from range 1 to 65535) or a sample expression, got {a}..");
    }

    private static IPAddress Address(string a)
    {
        if (a.Length == 0)
        {
            throw new ConfigurationException("'addr' expects <ipv4|ipv6> as argument..");
        }

        try
        {
            return AddressParser.Parse(a, range: false, names: false, portNeeded: false, descriptors: false).Address
                ?? throw new ConfigurationException($"the address '{a}' is not supported yet");
        }
        catch (ConfigurationException e)
        {
            throw new ConfigurationException($"'addr' : {e.Message}\n..");
        }
    }

    private static string Text(string word, string a) =>
        a.Length > 0 ? a : throw new ConfigurationException($"'{word}' expects a string as argument..");

    private static CheckSend Send(ParseContext context, CheckFormats formats, string verb)
    {
        string data = context[2].Length > 0 ? context[2] : throw new ConfigurationException(
            $"'{(verb == "send-binary" ? "binary string" : "string")}' expects a {verb} as argument.");
        bool format = verb.EndsWith("-lf", StringComparison.Ordinal);
        byte[] bytes = format ? [] : verb == "send" ? Encoding.Latin1.GetBytes(data)
            : Hex(data, out string wrong) ?? throw new ConfigurationException($"'{data}' invalid binary string ({wrong}).\n.");
        string? comment = null;
        if (context[3].Length > 0)
        {
            comment = context[3] == "comment" ? Text("comment", context[4])
                : throw new ConfigurationException($"expects 'comment' but got '{context[3]}' as argument..");
        }

        return new CheckSend(bytes)
        {
            Comment = comment, Text = format ? formats.Text(data, data) : null, Hexadecimal = verb == "send-binary-lf",
        };
    }

    /// <summary>Bytes of a string of hexadecimal digits; null with the reason where it is not one.</summary>
    public static byte[]? Hex(string text, out string wrong)
    {
        wrong = "an even number of hex digit is expected";
        if (text.Length % 2 != 0)
        {
            return null;
        }

        foreach (char c in text)
        {
            if (!char.IsAsciiHexDigit(c))
            {
                wrong = $"an hex digit is expected (found '{c}')";
                return null;
            }
        }

        return Convert.FromHexString(text);
    }

    private static void HttpSend(ParseContext context, CheckFormats formats, ProxySettings settings)
    {
        var send = new CheckHttpSend();
        var headers = new List<(string, CheckText)>();
        for (int i = 2; i < context.Words.Count; i++)
        {
            string o = context[i];
            string a = context[i + 1];
            switch (o)
            {
                case "hdr":
                    string value = a.Length > 0 && context[i + 2].Length > 0 ? context[i + 2]
                        : throw new ConfigurationException("'hdr' expects <name> and <value> as arguments.");
                    var text = Header(formats, value);
                    if (!a.Equals("content-length", StringComparison.OrdinalIgnoreCase)
                        && !a.Equals("transfer-encoding", StringComparison.OrdinalIgnoreCase))
                    {
                        headers.Add((a, text));
                    }

                    i += 2;
                    break;
                case "meth" or "uri" or "ver" or "body" or "comment":
                    a = Text(o, a);
                    send = o switch
                    {
                        "meth" => send with { Method = a }, "uri" => send with { Uri = new CheckText(a) }, "ver" => send with { Version = a },
                        "body" => send with { Body = new CheckText(a) }, _ => send with { Comment = a },
                    };
                    i++;
                    break;
                case "uri-lf" or "body-lf":
                    var made = formats.Text(Text(o, a), a);
                    send = o == "uri-lf" ? send with { Uri = made } : send with { Body = made };
                    i++;
                    break;
                default:
                    throw new ConfigurationException("expects 'comment', 'meth', 'uri', 'uri-lf', 'ver', 'hdr', 'body' or "
                        + $"'body-lf' but got '{o}' as argument..");
            }
        }

        BeginOwn(settings, http: true);
        var rules = settings.CheckRules.Http;
        if (settings.Check == CheckKind.Http && settings.HttpCheck is null
            && rules.Any(r => r is CheckHttpSend) && !rules.Any(r => r is CheckConnect))
        {
            throw new ConfigurationException(
                $"unable to add http-check send rule at step {rules.Count + 1} (missing connect rule)..");
        }

        send = Over(send with { Headers = headers }, settings.HttpCheck);
        settings.HttpCheck = null;
        Add(settings, true, send);
    }

    private static CheckText Header(CheckFormats formats, string value)
    {
        try
        {
            return formats.Text(value);
        }
        catch (ConfigurationException e)
        {
            throw new ConfigurationException(e.Message + ".");
        }
    }

    /// <summary>What a send rule does not say, the option before it may have said.</summary>
    private static CheckHttpSend Over(CheckHttpSend send, HttpCheckConfig? option) => option is null ? send : send with
    {
        Method = send.Method ?? option.Method, Uri = send.Uri ?? new CheckText(option.Uri), Version = send.Version ?? option.Version,
        Headers = send.Headers.Count > 0 ? send.Headers : option.Headers, Body = send.Body ?? option.Body,
    };

    /// <summary>option httpchk: its request, into the first send rule where there is one already.</summary>
    public static void SetOption(ProxySettings settings, HttpCheckConfig? option)
    {
        var rules = settings.InheritedHttpRules ? [] : settings.CheckRules.Http.ToList();
        BeginOwn(settings, http: true);
        int first = rules.FindIndex(r => r is CheckHttpSend);
        if (first < 0)
        {
            settings.HttpCheck = option ?? new HttpCheckConfig("OPTIONS", "/", "HTTP/1.0");
            return;
        }

        settings.HttpCheck = null;
        if (option is not null)
        {
            var send = (CheckHttpSend)rules[first];
            rules[first] = send with
            {
                Method = option.Method, Uri = new CheckText(option.Uri), Version = option.Version,
                Headers = option.Headers.Count > 0 ? option.Headers : send.Headers, Body = option.Body ?? send.Body,
            };
            settings.CheckRules = settings.CheckRules with { Http = rules };
        }
    }
}
