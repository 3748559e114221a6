using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.Rules.Patterns;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>
/// Actions by name: which rulesets know them, and their parsers. A name with <c>(</c> behind it takes an argument there.
/// To add an action: a class derived from <see cref="RuleAction"/>, and an entry below.
/// </summary>
internal static class ActionTable
{
    private const string Request = "http-request";
    private const string Response = "http-response";
    private const string After = "http-after-response";
    private const string Connection = "tcp-request connection";
    private const string Session = "tcp-request session";
    private const string Content = "tcp-request content";
    private const string TcpResponse = "tcp-response content";

    /// <summary>A number follows.</summary>
    private const string TrackPrefix = "track-sc";
    private static readonly string[] Http = [Request, Response, After];
    private static readonly string[] Tcp = [Connection, Session, Content];
    private static readonly string[] All = [.. Http, .. Tcp, TcpResponse];
    private static readonly string[] Counting = [Request, Response, .. Tcp, TcpResponse];
    private static readonly string[] Levels = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "silent"];

    private static readonly Dictionary<string, (string[] Rulesets, Func<ActionReader, RuleAction?> Parse)> Table =
        new(StringComparer.Ordinal)
        {
            ["allow"] = (Http, _ => new EndAction(RuleResult.Stop)),
            ["accept"] = ([.. Tcp, TcpResponse], _ => new EndAction(RuleResult.Stop)),
            ["reject"] = ([Request, .. Tcp, TcpResponse], _ => new EndAction(RuleResult.Reject)),
            ["close"] = ([TcpResponse], _ => new EndAction(RuleResult.Close)),
            ["silent-drop"] = ([Request, Response, .. Tcp, TcpResponse], _ => new EndAction(RuleResult.SilentDrop)),
            ["deny"] = ([Request, Response], ReplyParser.Deny),
            ["tarpit"] = ([Request], ReplyParser.Deny),
            ["return"] = ([Request, Response], ReplyParser.Return),
            ["redirect"] = ([Request, Response], r => RedirectParser.Parse(r)),
            ["auth"] = ([Request], Auth),
            ["early-hint"] = ([Request], EarlyHint),
            ["add-header"] = (Http, r => Header(r, replace: false)),
            ["set-header"] = (Http, r => Header(r, replace: true)),
            ["del-header"] = (Http, DeleteHeader),
            ["replace-header"] = (Http, r => ReplaceHeader(r, values: false)),
            ["replace-value"] = (Http, r => ReplaceHeader(r, values: true)),
            ["set-method"] = ([Request], r => Line(r, LinePart.Method)),
            ["set-path"] = ([Request], r => Line(r, LinePart.Path)),
            ["set-pathq"] = ([Request], r => Line(r, LinePart.PathAndQuery)),
            ["set-query"] = ([Request], r => Line(r, LinePart.Query)),
            ["set-uri"] = ([Request], r => Line(r, LinePart.Uri)),
            ["replace-path"] = ([Request], r => ReplaceLine(r, LinePart.Path)),
            ["replace-pathq"] = ([Request], r => ReplaceLine(r, LinePart.PathAndQuery)),
            ["replace-uri"] = ([Request], r => ReplaceLine(r, LinePart.Uri)),
            ["set-status"] = ([Response, After], Status),
            ["set-var("] = (All, SetVariable),
            ["set-var-fmt("] = (All, SetVariableFormat),
            ["unset-var("] = (All, UnsetVariable),
            ["set-map("] = ([Request, Response], r => Map(r, MapChange.SetMap)),
            ["del-map("] = ([Request, Response], r => Map(r, MapChange.DeleteMap)),
            ["add-acl("] = ([Request, Response], r => Map(r, MapChange.AddAcl)),
            ["del-acl("] = ([Request, Response], r => Map(r, MapChange.DeleteAcl)),
            ["capture"] = ([Request, Response, After, Content], Capture),
            ["set-src"] = ([Request, .. Tcp], r => Address(r, source: true, port: false)),
            ["set-src-port"] = ([Request, .. Tcp], r => Address(r, source: true, port: true)),
            ["set-dst"] = ([Request, .. Tcp], r => Address(r, source: false, port: false)),
            ["set-dst-port"] = ([Request, .. Tcp], r => Address(r, source: false, port: true)),
            ["set-log-level"] = ([Request, Response, Content, TcpResponse], LogLevel),
            ["set-nice"] = ([Request, Response, Content, TcpResponse], Nice),
            ["set-mark"] = ([Request, Response, .. Tcp, TcpResponse], r => Packet(r, mark: true)),
            ["set-tos"] = ([Request, Response, .. Tcp, TcpResponse], r => Packet(r, mark: false)),
            ["set-timeout"] = ([Request], Timeout),
            ["strict-mode"] = (Http, StrictMode),
            ["wait-for-handshake"] = ([Request], _ => new NoAction()),
            ["wait-for-body"] = ([Request], WaitForBody),
            ["use-service"] = ([Request], Service),
            ["track-sc"] = ([Request, Response, .. Tcp], StickActionParser.Track),
            ["sc-inc-gpc0"] = (Counting, StickActionParser.Increment),
            ["sc-inc-gpc1"] = (Counting, StickActionParser.Increment),
            ["sc-inc-gpc"] = (Counting, StickActionParser.IncrementElement),
            ["sc-set-gpt0"] = (Counting, StickActionParser.SetTag),
            ["sc-set-gpt"] = (Counting, StickActionParser.SetElement),
            ["normalize-uri"] = ([Request], StreamActionParser.NormalizeUri),
            ["disable-l7-retry"] = ([Request], _ => new NoReplayAction()),
            ["set-priority-class"] = ([Request, Content], r => StreamActionParser.Priority(r, offset: false)),
            ["set-priority-offset"] = ([Request, Content], r => StreamActionParser.Priority(r, offset: true)),
            ["switch-mode"] = ([Content], StreamActionParser.SwitchMode),
            ["expect-proxy"] = (Tcp, StreamActionParser.ExpectProxy),
        };

    /// <summary>The parser of a ruleset's action; null = none of ours.</summary>
    public static Func<ActionReader, RuleAction?>? Find(string ruleset, string name)
    {
        int open = name.IndexOf('(');
        string key = name.StartsWith(TrackPrefix, StringComparison.Ordinal) ? TrackPrefix
            : open < 0 ? name : name.StartsWith("sc-", StringComparison.Ordinal) ? name[..open] : name[..(open + 1)];
        if (open < 0 && name is "set-var" or "set-var-fmt" or "unset-var" && open < 0)
        {
            return r => r.Fail($"invalid or incomplete action '{name}'. Expects 'set-var(<var-name>)', "
                + "'set-var-fmt(<var-name>)' or 'unset-var(<var-name>)'");
        }

        return Table.TryGetValue(key, out var entry) && entry.Rulesets.Contains(ruleset) ? entry.Parse : null;
    }

    private static RuleAction? Auth(ActionReader r)
    {
        string realm = r.Section.Name;
        if (r[0] == "realm" && r[1].Length > 0)
        {
            realm = r[1];
            r.At += 2;
        }

        return new AuthAction(realm);
    }

    private static RuleAction? EarlyHint(ActionReader r)
    {
        if (r[0].Length == 0 || r[1].Length == 0)
        {
            return r.Fail("expects exactly 2 arguments");
        }

        string name = r.Take();
        return r.Format(r.Take()) is { } format ? new EarlyHintAction(name, format) : null;
    }

    private static RuleAction? Header(ActionReader r, bool replace)
    {
        if (r[0].Length == 0 || r[1].Length == 0)
        {
            return r.Fail("expects exactly 2 arguments");
        }

        string name = r.Take();
        return r.Format(r.Take()) is { } format ? new HeaderAction(name, format, replace) : null;
    }

    private static RuleAction? DeleteHeader(ActionReader r)
    {
        if (r[0].Length == 0)
        {
            return r.Fail("expects at least 1 argument");
        }

        string name = r.Take();
        var method = MatchMethod.Str;
        ByteRegex? regex = null;
        if (r[0] == "-m")
        {
            if (r[1].Length == 0)
            {
                return r.Fail("-m flag expects exactly 1 argument");
            }

            r.At++;
            string text = r.Take();
            if (MatchMethods.Find(text) is not (MatchMethod.Str or MatchMethod.Beg or MatchMethod.End or MatchMethod.Sub
                or MatchMethod.Reg) || MatchMethods.Find(text) is not { } found)
            {
                return r.Fail($"-m with unsupported matching method '{text}'");
            }

            method = found;
        }

        if (method == MatchMethod.Reg && (regex = r.Regex(name, capture: false)) is null)
        {
            return null;
        }

        return new DeleteHeaderAction(name, method, regex);
    }

    private static RuleAction? ReplaceHeader(ActionReader r, bool values)
    {
        if (r[0].Length == 0 || r[1].Length == 0 || r.At + 2 >= r.Words.Count)
        {
            return r.Fail("expects exactly 3 arguments");
        }

        string name = r.Take();
        return r.Regex(r.Take()) is { } regex && r.Format(r.Take()) is { } format
            ? new ReplaceHeaderAction(name, regex, format, values) : null;
    }

    private static RuleAction? Line(ActionReader r, LinePart part)
    {
        if (r[0].Length == 0 || (r[1].Length > 0 && r[1] is not ("if" or "unless")))
        {
            return r.Fail("expects exactly 1 argument <format>");
        }

        return r.Format(r.Take()) is { } format ? new LineAction(part, null, format) : null;
    }

    private static RuleAction? ReplaceLine(ActionReader r, LinePart part)
    {
        if (r[0].Length == 0 || r.At + 1 >= r.Words.Count || (r[2].Length > 0 && r[2] is not ("if" or "unless")))
        {
            return r.Fail("expects exactly 2 arguments <match-regex> and <replace-format>");
        }

        return r.Regex(r.Take()) is { } regex && r.Format(r.Take()) is { } format ? new LineAction(part, regex, format) : null;
    }

    private static RuleAction? Status(ActionReader r)
    {
        if (r[0].Length == 0)
        {
            return r.Fail("expects 1 argument: <status>; or 3 arguments: <status> reason <fmt>");
        }

        string text = r.Take();
        long status = Units.Atol(text, out string rest);
        if (rest.Length > 0 || status is < 100 or > 999)
        {
            return r.Fail("expects an integer status code between 100 and 999");
        }

        IFormatString? reason = null;
        if (r[0] == "reason" && r[1].Length > 0 && r[1] is not ("if" or "unless"))
        {
            r.At++;
            if ((reason = r.Format(r.Take())) is null)
            {
                return null;
            }
        }

        return new StatusAction((int)status, reason);
    }

    private static VariableName? Variable(ActionReader r)
    {
        string name = r.Inside;
        if (name.Length == 0)
        {
            r.Fail("Empty variable name cannot be accepted");
            return null;
        }

        var variable = VariableName.Parse(name, out string error);
        if (variable is null)
        {
            r.Fail(error.StartsWith("invalid syntax", StringComparison.Ordinal) ? error[..^1] + ")'" : error.TrimEnd('.'));
        }

        return variable;
    }

    private static RuleAction? SetVariable(ActionReader r) =>
        Variable(r) is { } name && r.PlacedExpression() is { } expression ? new SetVariableAction(name, expression) : null;

    private static RuleAction? SetVariableFormat(ActionReader r) =>
        Variable(r) is { } name && r.Format(r.Take()) is { } format ? new SetVariableFormatAction(name, format) : null;

    private static RuleAction? UnsetVariable(ActionReader r) =>
        Variable(r) is { } name ? new UnsetVariableAction(name) : null;

    private static RuleAction? Map(ActionReader r, MapChange change)
    {
        bool two = change == MapChange.SetMap;
        if (r[0].Length == 0 || (two && r[1].Length == 0))
        {
            return r.Fail(two ? "expects exactly 2 arguments" : "expects exactly 1 arguments");
        }

        var key = r.Format(r.Take());
        var value = key is not null && two ? r.Format(r.Take()) : null;
        return key is null || (two && value is null) ? null
            : new MapAction(r.Section.Context.Patterns, r.Inside, change, key, value);
    }

    private static RuleAction? Capture(ActionReader r)
    {
        const string Usage = "expects <expression> [ 'len' <length> | id <idx> ]";
        if (r.Ended)
        {
            return r.Fail(Usage);
        }

        if (r.Expression() is not { } expression)
        {
            return null;
        }

        if (SampleParser.CheckPlace(expression, r.Places, r.Name) is { } wrong)
        {
            return r.Fail(wrong);
        }

        string kind = r[0];
        if (kind is not ("len" or "id") || r[1].Length == 0)
        {
            return r.Fail(Usage);
        }

        string number = r[1];
        r.At += 2;
        int value = Units.Atoi(number);
        var rules = r.Section.Rules;
        if (kind == "len")
        {
            if (!r.Section.HasFrontend)
            {
                return r.Fail($"proxy '{r.Section.Name}' has no frontend capability");
            }

            if (r.Response)
            {
                return r.Fail(Usage);
            }

            if (value <= 0)
            {
                return r.Fail("length must be > 0");
            }

            rules.RequestCaptures.Add(new CaptureSlot(null, value));
            return new CaptureAction(expression, rules.RequestCaptures.Count - 1, value, response: false);
        }

        bool response = r.Response;
        var section = r.Section;
        string what = r.Ruleset;
        if (section.Proxy is { HasFrontend: true } proxy)
        {
            section.State.Later.Add(_ => (response ? proxy.Settings.Rules.ResponseCaptures : proxy.Settings.Rules.RequestCaptures)
                .Count > value ? null
                    : $"config : Proxy '{proxy.Name}': unable to find capture id '{value}' referenced by {what} capture rule.");
        }

        return new CaptureAction(expression, value, 0, response);
    }

    private static RuleAction? Address(ActionReader r, bool source, bool port) =>
        r.PlacedExpression() is { } expression ? new AddressAction(expression, source, port) : null;

    private static RuleAction? LogLevel(ActionReader r)
    {
        int level = Array.IndexOf(Levels, r[0]);
        if (level < 0)
        {
            return r.Fail("expects exactly 1 argument (log level name or 'silent')");
        }

        r.At++;
        return new LogLevelAction(level == Levels.Length - 1 ? StreamRules.Silent : level);
    }

    private static RuleAction? Nice(ActionReader r)
    {
        if (r[0].Length == 0)
        {
            return r.Fail("expects exactly 1 argument (integer value)");
        }

        r.At++;
        return new NoAction();
    }

    private static RuleAction? Packet(ActionReader r, bool mark)
    {
        string text = r[0];
        if (text.Length == 0)
        {
            return r.Fail("expects exactly 1 argument (integer/hex value)");
        }

        r.At++;
        bool hex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        int end = hex ? 2 : 0;
        long value = 0;
        while (end < text.Length && (hex ? char.IsAsciiHexDigit(text[end]) : char.IsAsciiDigit(text[end])))
        {
            value = Math.Min(uint.MaxValue, (value * (hex ? 16 : 10)) + Convert.ToInt32(text[end].ToString(), 16));
            end++;
        }

        return end < text.Length
            ? r.Fail($"invalid character starting at '{text[end..]}' (integer/hex value expected)")
            : new PacketAction((uint)value, mark);
    }

    private static RuleAction? Timeout(ActionReader r)
    {
        string which = r[0];
        if (which.Length == 0 || r[1].Length == 0)
        {
            return r.Fail("expects exactly 2 arguments");
        }

        if (!r.Section.HasBackend)
        {
            return r.Fail($"proxy '{r.Section.Name}' has no backend capability");
        }

        if (which is not ("server" or "tunnel"))
        {
            return r.Fail($"'set-timeout' rule supports 'server'/'tunnel' (got '{which}')");
        }

        r.At++;
        if (Units.Time(r[0], out int ms, out _) == Units.TimeError.None)
        {
            r.At++;
            return ms > 0 ? new TimeoutAction(which == "tunnel", ms, null)
                : r.Fail("null value is not valid for a 'set-timeout' rule");
        }

        return r.PlacedExpression() is { } expression ? new TimeoutAction(which == "tunnel", null, expression) : null;
    }

    private static RuleAction? StrictMode(ActionReader r)
    {
        if (r[0].Length == 0)
        {
            return r.Fail("expects exactly 1 arguments");
        }

        string mode = r.Take();
        return mode is "on" or "off" ? new StrictModeAction(mode == "on")
            : r.Fail($"Unexpected value '{mode}'. Only 'on' and 'off' are supported");
    }

    private static RuleAction? Service(ActionReader r)
    {
        if (r[0].Length == 0)
        {
            return r.Fail("'use-service' expects a service name.");
        }

        string name = r.Take();
        return name == ServiceAction.Prometheus ? new ServiceAction(name) : r.Fail($"'{name}' unknown service name.");
    }

    private static RuleAction? WaitForBody(ActionReader r)
    {
        int? time = null;
        long least = 0;
        while (!r.Ended)
        {
            string word = r.Take();
            if (word is not ("time" or "at-least"))
            {
                return r.Fail($"'{word}': expects 'time' or 'at-least'");
            }

            if (r[0].Length == 0)
            {
                return r.Fail($"missing argument for '{word}'");
            }

            string value = r.Take();
            if (word == "time")
            {
                if (Units.Time(value, out int ms, out string bad) != Units.TimeError.None)
                {
                    return r.Fail($"unexpected character '{bad}' in 'time'");
                }

                time = ms;
            }
            else
            {
                least = Units.Atol(value, out _);
            }
        }

        return time is null ? r.Fail("expects time <time> [ at-least <bytes> ]") : new WaitForBodyAction(time.Value, least);
    }
}
