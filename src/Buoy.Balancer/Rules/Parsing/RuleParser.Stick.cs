using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <content><c>stick on|match|store-request|store-response</c> (manual 4.2).</content>
internal sealed partial class RuleParser
{
    private void Stick()
    {
        if (section.Proxy is null)
        {
            _context.Alert("'stick' not allowed in 'defaults' section.");
            return;
        }

        if (!section.HasBackend)
        {
            _context.Warning($"'stick' ignored because {section.Title} has no backend capability.");
            return;
        }

        string kind = _context[1];
        if (kind is not ("on" or "match" or "store-request" or "store-response"))
        {
            _context.Alert("'stick' expects 'on', 'match', or 'store'.");
            return;
        }

        if (_context[2].Length == 0)
        {
            _context.Alert("'stick' expects a fetch method.");
            return;
        }

        bool response = kind == "store-response";
        var places = response ? SamplePlaces.StickStore : SamplePlaces.SetServer;
        int at = 2;
        var key = SampleParser.Parse(_context.Words, ref at, section.Samples(places, "stick rule"), out string error);
        if (key is null)
        {
            _context.Alert($"'stick': {error}");
            return;
        }

        if (SampleParser.CheckPlace(key, places, key.Fetch.Name) is { } wrong)
        {
            string here = response ? "for 'store-response'" : "during request";
            _context.Alert($"'stick': {wrong[..^"here".Length]}{here}.");
            return;
        }

        string? table = null;
        if (_context[at] == "table")
        {
            table = _context[at + 1];
            at += 2;
        }

        Condition? condition = null;
        if (_context[at] is "if" or "unless")
        {
            condition = AclParser.Condition(section, _context.Words, at, places, "stick rule", out error);
            if (condition is null)
            {
                _context.Alert($"'stick': error detected while parsing sticking condition : {error}.");
                return;
            }
        }
        else if (_context[at].Length > 0)
        {
            _context.Alert($"'stick': unknown keyword '{_context[at]}'.");
            return;
        }

        section.Rules.Sticks.Add(
            new StickRule(kind is "on" or "match", kind != "match", response, key, condition, table));
    }
}
