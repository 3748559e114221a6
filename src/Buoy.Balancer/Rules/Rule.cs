using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Conditions;

namespace Buoy.Balancer.Rules;

/// <summary>What an action asks for.</summary>
internal enum RuleResult
{
    /// <summary>The next rule.</summary>
    Continue,

    /// <summary>No further rule of this list.</summary>
    Stop,

    /// <summary>The balancer answers with <see cref="RuleRun.Reply"/>, which stands in the scope's response.</summary>
    Reply,

    /// <summary>As Reply, after timeout tarpit.</summary>
    Tarpit,

    /// <summary>The connection ends without an answer.</summary>
    Reject,

    /// <summary>The connection ends unseen by the client, as far as the system allows.</summary>
    SilentDrop,

    /// <summary>The server's connection ends; what it sent so far still goes to the client.</summary>
    Close,

    /// <summary>The connection's bytes are HTTP from here on (switch-mode).</summary>
    Upgrade,

    /// <summary>A service of the balancer answers: <see cref="RuleRun.Service"/>.</summary>
    Service,

    /// <summary>More bytes are needed before this rule can be run; it comes again.</summary>
    Wait,

    /// <summary>Something failed that must not: answered with 500 (requests) or 502 (responses).</summary>
    Error,
}

/// <summary>What a rule does. Immutable; one object serves all shards.</summary>
internal abstract class RuleAction
{
    public abstract RuleResult Run(RuleRun run);
}

/// <summary>An action, its condition (null = always) and where it is written.</summary>
internal sealed record Rule(RuleAction Action, Condition? Condition, SourcePlace Place)
{
    /// <summary>Nothing behind it in its list is ever run; the original warns of that for some actions only.</summary>
    public bool Final { get; init; }
}
