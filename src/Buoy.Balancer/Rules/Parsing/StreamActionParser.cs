using Buoy.Balancer.Rules.Actions;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>Actions on the stream as a whole: its place in a queue, its protocol, its target's normal form.</summary>
internal static class StreamActionParser
{
    private static readonly string[] Protocols = ["h1", "h2", "fcgi", "none"];

    public static RuleAction? NormalizeUri(ActionReader r)
    {
        if (!r.Section.State.Experimental)
        {
            r.Section.Context.Abort(
                "'normalize-uri' action is experimental, must be allowed via a global 'expose-experimental-directives'");
            r.Told = true;
            return null;
        }

        if (r[0].Length == 0)
        {
            return r.Fail("missing argument <normalizer>");
        }

        string name = r.Take();
        UriNormalization? kind = name switch
        {
            "fragment-encode" => UriNormalization.FragmentEncode,
            "fragment-strip" => UriNormalization.FragmentStrip,
            "path-merge-slashes" => UriNormalization.PathMergeSlashes,
            "path-strip-dot" => UriNormalization.PathStripDot,
            "path-strip-dotdot" => UriNormalization.PathStripDotDot,
            "percent-decode-unreserved" => UriNormalization.PercentDecodeUnreserved,
            "percent-to-uppercase" => UriNormalization.PercentToUppercase,
            "query-sort-by-name" => UriNormalization.QuerySortByName,
            _ => null,
        };
        if (kind is null)
        {
            return r.Fail($"unknown normalizer '{name}'");
        }

        string? extra = kind switch
        {
            UriNormalization.PathStripDotDot => "full",
            UriNormalization.PercentDecodeUnreserved or UriNormalization.PercentToUppercase => "strict",
            _ => null,
        };
        if (extra is null || r.Ended)
        {
            return new NormalizeUriAction(kind.Value);
        }

        string option = r.Take();
        return option == extra ? new NormalizeUriAction(kind.Value + 1)
            : r.Fail($"unknown argument '{option}' for '{name}' normalizer");
    }

    public static RuleAction? Priority(ActionReader r, bool offset) =>
        r.PlacedExpression() is { } expression ? new PriorityAction(expression, offset) : null;

    public static RuleAction? SwitchMode(ActionReader r)
    {
        if (!r.Section.HasFrontend)
        {
            return r.Fail($"'tcp-request switch-mode' not allowed because {r.Section.Title} has no frontend capability");
        }

        if (r[0].Length == 0)
        {
            return r.Fail("'tcp-request switch-mode' expects a mode as argument.");
        }

        string mode = r.Take();
        if (mode != "http")
        {
            return r.Fail($"'tcp-request switch-mode' expects a valid mode (got '{mode}').");
        }

        if (r[0] == "proto")
        {
            r.At++;
            if (r[0].Length == 0)
            {
                return r.Fail("'tcp-request switch-mode': 'proto' expects a protocol as argument.");
            }

            string protocol = r.Take();
            if (!Protocols.Contains(protocol))
            {
                return r.Fail($"'tcp-request switch-mode': 'proto' expects a valid MUX protocol, if specified (got '{protocol}')");
            }

            if (protocol != "h1")
            {
                return r.Fail($"'tcp-request content switch-mode http proto {protocol}' is not supported yet");
            }
        }

        if (!r.Ended)
        {
            return r.Fail($"'tcp-request content switch-mode' only accepts 'if' or 'unless', in {r.Section.Title} (got '{r[0]}')");
        }

        r.Section.Rules.SwitchesMode = true;
        return new EndAction(RuleResult.Upgrade);
    }

    public static RuleAction? ExpectProxy(ActionReader r)
    {
        if (r.Ruleset != "tcp-request connection")
        {
            return r.Fail($"'expect-proxy {r[0]}' is not allowed in '{r.Ruleset}' rules in {r.Section.Title}");
        }

        if (r[0] != "layer4")
        {
            return r.Fail($"'tcp-request connection expect-proxy' only supports 'layer4' in {r.Section.Title} (got '{r[0]}')");
        }

        r.At++;
        return r.Ended ? new ExpectProxyAction()
            : r.Fail($"'tcp-request connection expect-proxy' only accepts 'if' or 'unless', in {r.Section.Title} (got '{r[0]}')");
    }
}
