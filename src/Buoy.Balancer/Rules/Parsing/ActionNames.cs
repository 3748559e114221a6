namespace Buoy.Balancer.Rules.Parsing;

/// <summary>The names of all actions the original knows, as its messages list them.</summary>
internal static class ActionNames
{
    private static readonly Dictionary<string, string> Lists = new(StringComparer.Ordinal)
    {
        ["http-request"] =
            "'wait-for-handshake', 'ot-group', 'set-log-level', 'set-nice', 'use-service', 'sc-inc-gpc(*)', "
            + "'sc-inc-gpc0(*)', 'sc-inc-gpc1(*)', 'sc-set-gpt(*)', 'sc-set-gpt0(*)', 'send-spoe-group', "
            + "'do-resolve(*)', 'cache-use', 'add-acl(*)', 'add-header', 'allow', 'auth', 'capture', 'del-acl(*)', "
            + "'del-header', 'del-map(*)', 'deny', 'disable-l7-retry', 'early-hint', 'normalize-uri', 'redirect', "
            + "'reject', 'replace-header', 'replace-path', 'replace-pathq', 'replace-uri', 'replace-value', "
            + "'return', 'set-header', 'set-map(*)', 'set-method', 'set-path', 'set-pathq', 'set-query', "
            + "'set-uri', 'strict-mode', 'tarpit', 'track-sc(*)', 'set-timeout', 'wait-for-body', "
            + "'set-var-fmt(*)', 'set-var(*)', 'unset-var(*)', 'set-dst', 'set-dst-port', 'set-mark', 'set-src', "
            + "'set-src-port', 'set-tos', 'silent-drop', 'set-priority-class', 'set-priority-offset'",
        ["http-response"] =
            "'ot-group', 'set-log-level', 'set-nice', 'sc-inc-gpc(*)', 'sc-inc-gpc0(*)', 'sc-inc-gpc1(*)', "
            + "'sc-set-gpt(*)', 'sc-set-gpt0(*)', 'send-spoe-group', 'cache-store', 'add-acl(*)', 'add-header', "
            + "'allow', 'capture', 'del-acl(*)', 'del-header', 'del-map(*)', 'deny', 'redirect', 'replace-header', "
            + "'replace-value', 'return', 'set-header', 'set-map(*)', 'set-status', 'strict-mode', 'track-sc(*)', "
            + "'wait-for-body', 'set-var-fmt(*)', 'set-var(*)', 'unset-var(*)', 'set-mark', 'set-tos', "
            + "'silent-drop'",
        ["http-after-response"] =
            "'ot-group', 'add-header', 'allow', 'capture', 'del-header', 'replace-header', 'replace-value', "
            + "'set-header', 'set-status', 'strict-mode', 'set-var-fmt(*)', 'set-var(*)', 'unset-var(*)'",
        ["tcp-request connection"] =
            "'accept', 'reject', 'capture', 'expect-proxy', 'expect-netscaler-cip', 'track-sc0' ... 'track-sc2', "
            + "'sc-inc-gpc(*)', 'sc-inc-gpc0(*)', 'sc-inc-gpc1(*)', 'sc-set-gpt(*)', 'sc-set-gpt0(*)', "
            + "'set-var-fmt(*)', 'set-var(*)', 'unset-var(*)', 'set-dst', 'set-dst-port', 'set-mark', 'set-src', "
            + "'set-src-port', 'set-tos', 'silent-drop'",
        ["tcp-request content"] =
            "'accept', 'reject', 'capture', 'expect-proxy', 'expect-netscaler-cip', 'track-sc0' ... 'track-sc2', "
            + "'ot-group', 'set-log-level', 'set-nice', 'switch-mode', 'use-service', 'sc-inc-gpc(*)', "
            + "'sc-inc-gpc0(*)', 'sc-inc-gpc1(*)', 'sc-set-gpt(*)', 'sc-set-gpt0(*)', 'send-spoe-group', "
            + "'do-resolve(*)', 'set-var-fmt(*)', 'set-var(*)', 'unset-var(*)', 'set-src', 'set-src-port', "
            + "'set-dst', 'set-dst-port', 'set-mark', 'set-tos', 'silent-drop', 'set-priority-class', "
            + "'set-priority-offset'",
        ["tcp-response content"] =
            "'accept', 'close', 'reject', 'ot-group', 'set-log-level', 'set-nice', 'sc-inc-gpc(*)', "
            + "'sc-inc-gpc0(*)', 'sc-inc-gpc1(*)', 'sc-set-gpt(*)', 'sc-set-gpt0(*)', 'send-spoe-group', "
            + "'set-var-fmt(*)', 'set-var(*)', 'unset-var(*)', 'set-mark', 'set-tos', 'silent-drop'",
    };

    public static string List(string ruleset) => Lists[ruleset == "tcp-request session" ? "tcp-request connection" : ruleset];

    /// <summary>Does the original know that action? Then it is refused by name where we do not.</summary>
    public static bool Knows(string ruleset, string name)
    {
        int open = name.IndexOf('(');
        string key = open < 0 ? name : name[..open];
        string list = List(ruleset);
        if (key.Length == 0)
        {
            return false;
        }

        return list.Contains($"'{key}'", StringComparison.Ordinal) || list.Contains($"'{key}(*)'", StringComparison.Ordinal)
            || (key.StartsWith("track-sc", StringComparison.Ordinal) && list.Contains("'track-sc", StringComparison.Ordinal))
            || key is "cache-use" or "cache-store" || key.StartsWith("sc-", StringComparison.Ordinal);
    }
}
