using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Actions;
using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules.Parsing;

/// <summary>What the rules of all sections share while a configuration is read.</summary>
internal sealed class RuleState
{
    /// <summary>Arguments of samples that name sections.</summary>
    public List<PendingArgument> Pending { get; } = [];

    /// <summary>global expose-experimental-directives was seen.</summary>
    public bool Experimental { get; set; }

    /// <summary>global set-var and set-var-fmt, in order.</summary>
    public List<Rule> Variables { get; } = [];

    /// <summary>http-errors sections by name.</summary>
    public Dictionary<string, Dictionary<int, Reply>> ErrorGroups { get; } = new(StringComparer.Ordinal);

    /// <summary>Actions that name something; done when all sections are read. A message where it is not there.</summary>
    public List<Func<IReadOnlyList<ProxyBuilder>, string?>> Later { get; } = [];
}

/// <summary>A reference of a section to an http-errors section: all its pages, or those of some codes.</summary>
internal sealed record ErrorGroupReference(string Name, IReadOnlyList<int> Codes, SourcePlace Place);

/// <summary>The rules of one section as they are read; copied from named defaults.</summary>
internal sealed class RuleSettings
{
    public List<Acl> Acls { get; private set; } = [];

    public List<Rule> Connection { get; private set; } = [];

    public List<Rule> Session { get; private set; } = [];

    public List<Rule> Content { get; private set; } = [];

    public List<Rule> ResponseContent { get; private set; } = [];

    public int InspectDelay { get; set; }

    public int ResponseInspectDelay { get; set; }

    public List<Rule> Request { get; private set; } = [];

    public List<Rule> Redirect { get; private set; } = [];

    public List<Rule> Response { get; private set; } = [];

    public List<Rule> AfterResponse { get; private set; } = [];

    public List<BackendRule> Backends { get; private set; } = [];

    public List<ServerRule> Servers { get; private set; } = [];

    public List<Condition> MonitorFail { get; private set; } = [];

    /// <summary>stick lines; they are not inherited.</summary>
    public List<StickRule> Sticks { get; } = [];

    public string? MonitorUri { get; set; }

    /// <summary>There is a switch-mode rule: HTTP rules make sense in a TCP frontend.</summary>
    public bool SwitchesMode { get; set; }

    /// <summary>capture cookie: the beginning of a name, and how much of pair is kept.</summary>
    public CaptureSlot? Cookie { get; set; }

    public List<CaptureSlot> RequestCaptures { get; private set; } = [];

    public List<CaptureSlot> ResponseCaptures { get; private set; } = [];

    public Dictionary<int, Reply> Errors { get; private set; } = [];

    public List<ErrorGroupReference> ErrorGroups { get; private set; } = [];

    /// <summary>Are there TCP or HTTP rules? They limit who may inherit from a defaults section.</summary>
    public bool HasRules => Connection.Count + Session.Count + Content.Count + ResponseContent.Count + Request.Count
        + Response.Count + AfterResponse.Count > 0;

    /// <summary>Is there anything that must be looked at when traffic comes?</summary>
    public bool Any => Connection.Count + Session.Count + Content.Count + ResponseContent.Count + Request.Count + Redirect.Count
        + Response.Count + AfterResponse.Count + Backends.Count + Servers.Count + MonitorFail.Count + RequestCaptures.Count
        + ResponseCaptures.Count + Errors.Count > 0 || MonitorUri is not null || InspectDelay > 0 || ResponseInspectDelay > 0
        || Sticks.Exists(s => !s.Plain)
        || Cookie is not null;

    /// <summary>What a section takes over from its defaults: rules, but not their ACLs.</summary>
    public RuleSettings Copy() => new()
    {
        Connection = [.. Connection], Session = [.. Session], Content = [.. Content], ResponseContent = [.. ResponseContent],
        InspectDelay = InspectDelay, ResponseInspectDelay = ResponseInspectDelay, Request = [.. Request],
        Redirect = [.. Redirect], Response = [.. Response], AfterResponse = [.. AfterResponse], Backends = [.. Backends],
        Servers = [.. Servers], MonitorFail = [.. MonitorFail], MonitorUri = MonitorUri,
        SwitchesMode = SwitchesMode, Cookie = Cookie,
        RequestCaptures = [.. RequestCaptures], ResponseCaptures = [.. ResponseCaptures], Errors = new(Errors),
        ErrorGroups = [.. ErrorGroups],
    };

    public ProxyRules? Build() => !Any ? null : new ProxyRules
    {
        Connection = [.. Connection], Session = [.. Session], Content = [.. Content], ResponseContent = [.. ResponseContent],
        InspectDelay = InspectDelay, ResponseInspectDelay = ResponseInspectDelay, Request = [.. Request],
        Redirect = [.. Redirect], Response = [.. Response], AfterResponse = [.. AfterResponse], Backends = [.. Backends],
        Servers = [.. Servers], MonitorFail = [.. MonitorFail], Cookie = Cookie,
        MonitorUri = MonitorUri is null ? null : System.Text.Encoding.Latin1.GetBytes(MonitorUri),
        RequestCaptures = [.. RequestCaptures], ResponseCaptures = [.. ResponseCaptures], Errors = Errors,
    };
}
