using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <content>tcp-request and tcp-response (manual 4.2).</content>
internal sealed partial class RuleParser
{
    private void Tcp(string keyword)
    {
        bool request = keyword == "tcp-request";
        string kind = _context[1];
        if (kind.Length == 0)
        {
            _context.Alert($"missing argument for '{keyword}' in {section.Title}");
            return;
        }

        bool known = request ? kind is "inspect-delay" or "connection" or "session" or "content"
            : kind is "inspect-delay" or "content";
        if (!known)
        {
            _context.Alert(request
                ? $"'tcp-request' expects 'inspect-delay', 'connection', or 'content' in {section.Title} (got '{kind}')"
                : $"'tcp-response' expects 'inspect-delay' or 'content' in {section.Title} (got '{kind}')");
            return;
        }

        if (section.Proxy is null && !section.NamedDefaults && request)
        {
            _context.Alert($"{keyword} {kind} is not allowed in anonymous 'defaults' sections");
            return;
        }

        if (!request && !(section.Proxy?.HasBackend ?? section.NamedDefaults))
        {
            _context.Alert($"tcp-response {kind} is only allowed in 'backend' sections or 'defaults' section with a name");
            return;
        }

        if (request && kind is "connection" or "session" && request && !section.HasFrontend)
        {
            _context.Alert($"tcp-request {kind} is not allowed because {section.Title.Replace("'", "")} is not a frontend");
            return;
        }

        if (kind == "inspect-delay")
        {
            Delay(keyword, request);
            return;
        }

        TcpRule($"{keyword} {kind}", request);
    }

    private void Delay(string keyword, bool request)
    {
        string value = _context[2];
        string bad = "";
        if (value.Length == 0 || Units.Time(value, out int ms, out bad) != Units.TimeError.None)
        {
            _context.Alert($"'{keyword} inspect-delay' expects a positive delay in milliseconds, in {section.Title}"
                + (bad.Length > 0 ? $" (unexpected character '{bad}')" : ""));
            return;
        }

        if (request)
        {
            section.Rules.InspectDelay = ms;
        }
        else
        {
            section.Rules.ResponseInspectDelay = ms;
        }
    }

    private void TcpRule(string ruleset, bool request)
    {
        string name = _context[2];
        if (name is "capture" && ruleset is "tcp-request connection" or "tcp-request session" && name is "capture")
        {
            _context.Alert($"'{name} {_context[3]}' is not allowed in '{ruleset}' rules in {section.Title}");
            return;
        }

        if (ActionTable.Find(ruleset, name) is not { } parse)
        {
            if (ActionNames.Knows(ruleset, name))
            {
                NotYet(ruleset, name);
            }
            else
            {
                _context.Alert($"'{ruleset}' expects {ActionNames.List(ruleset)} in {section.Title} (got '{name}').");
            }

            return;
        }

        var (places, list, kind) = ruleset switch
        {
            "tcp-request connection" => (SamplePlaces.FrontendConnection, section.Rules.Connection, RuleKind.Connection),
            "tcp-request session" => (SamplePlaces.FrontendSession, section.Rules.Session, RuleKind.Session),
            "tcp-request content" => (
                section.Sides(SamplePlaces.FrontendTcpContent, SamplePlaces.BackendTcpContent), section.Rules.Content,
                RuleKind.Content),
            _ => (
                section.Sides(SamplePlaces.FrontendTcpResponse, SamplePlaces.BackendTcpResponse),
                section.Rules.ResponseContent, RuleKind.UseServer),
        };
        var reader = new ActionReader(section, _context.Words, 2, ruleset) { Places = places };
        if (parse(reader) is not { } action)
        {
            bool tracks = name.StartsWith("track-sc", StringComparison.Ordinal);
            _context.Alert(tracks ? $"'{ruleset} {name}' : {reader.Error}" : reader.Error);
            return;
        }

        Condition? condition = null;
        if (reader.At < reader.Words.Count)
        {
            if (!reader.Ended)
            {
                _context.Alert(
                    $"'{ruleset} {name}' only accepts 'if' or 'unless', in {section.Title} (got '{reader[0]}')");
                return;
            }

            condition = AclParser.Condition(section, reader.Words, reader.At, places, ruleset, out string error);
            if (condition is null)
            {
                _context.Alert($"'{ruleset} {name}' : error detected in {section.Title} while parsing '{reader[0]}' condition : "
                    + error);
                return;
            }
        }

        if (request)
        {
            WarnOfOrder(kind);
        }

        list.Add(new Rule(action, condition, _context.Place));
    }
}
