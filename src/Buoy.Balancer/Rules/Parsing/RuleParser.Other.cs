using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>Kinds of rules in the order they are run, for the warning about misplaced ones.</summary>
internal enum RuleKind : byte
{
    Connection,
    Session,
    Content,
    Monitor,
    HttpRequest,
    Redirect,
    UseBackend,
    UseServer,
}

/// <content>Monitoring, captures, and the warning about order.</content>
internal sealed partial class RuleParser
{
    private static readonly string[] KindNames =
    [
        "tcp-request connection", "tcp-request session", "tcp-request content", "monitor fail", "http-request", "redirect",
        "use_backend", "use-server",
    ];

    private void Other(string k)
    {
        switch (k)
        {
            case "monitor":
                Monitor();
                break;
            case "monitor-uri":
                if (section.Proxy is { HasFrontend: false })
                {
                    WarnOfSide("monitor-uri", frontend: true);
                }
                else if (!_context.AtMost(1))
                {
                    break;
                }
                else if (_context[1].Length == 0)
                {
                    _context.Alert("'monitor-uri' expects an URI.");
                    break;
                }

                section.Rules.MonitorUri = _context[1];
                break;
            case "capture":
                Capture();
                break;
            default:
                Declare();
                break;
        }
    }

    private void Monitor()
    {
        if (InDefaults("monitor"))
        {
            return;
        }

        WarnOfSide("monitor", frontend: true);
        if (_context[1] != "fail")
        {
            _context.Alert("'monitor' only supports 'fail'.");
            return;
        }

        if (_context[2] is not ("if" or "unless"))
        {
            _context.Alert("'monitor fail' requires either 'if' or 'unless' followed by a condition.");
            return;
        }

        WarnOfOrder(RuleKind.Monitor);
        if (AclParser.Condition(section, _context.Words, 2, SamplePlaces.None, "monitor", out string error) is { } condition)
        {
            section.Rules.MonitorFail.Add(condition);
        }
        else
        {
            _context.Alert($"error detected while parsing a '{_context[1]}' condition : {error}.".Replace("a 'fail'", "a 'monitor fail'"));
        }
    }

    private void Capture()
    {
        string direction = _context[1];
        if (InDefaults($"capture {direction}"))
        {
            return;
        }

        if (direction is "request" or "response")
        {
            WarnOfSide("capture", frontend: true);
            if (_context[2] != "header" || _context[3].Length == 0 || _context[4] != "len" || _context[5].Length == 0)
            {
                _context.Alert($"'capture {direction}' expects 'header' <header_name> 'len' <len>.");
                return;
            }

            if (!_context.AtMostAfter(5, $"capture {direction}"))
            {
                return;
            }

            var slots = direction == "request" ? section.Rules.RequestCaptures : section.Rules.ResponseCaptures;
            slots.Add(new CaptureSlot(_context[3].ToLowerInvariant(), Units.Atoi(_context[5])));
            return;
        }

        if (direction == "cookie" && section.Proxy is { HasFrontend: false })
        {
            WarnOfSide("capture", frontend: true);
        }
        else if (direction == "cookie" && _context[3] == "len" && _context[4].Length > 0)
        {
            section.Rules.Cookie = new CaptureSlot(_context[2], Units.Atoi(_context[4]));
        }
        else
        {
            _context.Alert(direction == "cookie" ? "'capture' expects 'cookie' <cookie_name> 'len' <len>."
                : "'capture' expects 'cookie' or 'request header' or 'response header'.");
        }
    }

    private void Declare()
    {
        if (section.Proxy is null)
        {
            _context.Alert("'declare' not available in default section");
            return;
        }

        if (_context[1] != "capture")
        {
            _context.Alert("'declare' supports only 'capture'.");
            return;
        }

        string direction = _context[2];
        if (direction is not ("request" or "response"))
        {
            _context.Alert("'declare capture' requires a direction ('request' or 'response')");
            return;
        }

        if (_context[3] != "len")
        {
            _context.Alert("'declare capture' requires a capture length ('len')");
            return;
        }

        if (_context[4].Length == 0)
        {
            _context.Alert("'declare capture': 'len' requires a numeric value that represents the capture length");
            return;
        }

        long length = Units.Atol(_context[4], out string rest);
        if (rest.Length > 0 || length < 0)
        {
            _context.Alert("'declare capture': cannot parse the length 'len'.");
            return;
        }

        if (!section.HasFrontend)
        {
            _context.Alert($"proxy '{section.Name}' has no frontend capability");
            return;
        }

        var slots = direction == "request" ? section.Rules.RequestCaptures : section.Rules.ResponseCaptures;
        slots.Add(new CaptureSlot(null, (int)length));
    }

    /// <summary>A rule behind one that is run later is suspicious.</summary>
    private void WarnOfOrder(RuleKind kind)
    {
        var r = section.Rules;
        Span<int> counts =
        [
            r.Connection.Count, r.Session.Count, r.Content.Count, r.MonitorFail.Count, r.Request.Count, r.Redirect.Count,
            r.Backends.Count, r.Servers.Count,
        ];
        for (int later = (int)kind + 1; later < counts.Length; later++)
        {
            if (counts[later] > 0)
            {
                section.Warn(
                    $"a '{(kind <= RuleKind.Content ? "tcp-request" : KindNames[(int)kind])}' rule placed after {(KindNames[later][0] == 'h' ? "an" : "a")} '{KindNames[later]}' rule "
                    + "will still be processed before.", parsing: true);
                return;
            }
        }
    }
}
