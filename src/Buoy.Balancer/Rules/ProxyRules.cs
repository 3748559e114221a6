using Buoy.Balancer.Configuration;
using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules;

/// <summary>use_backend: a fixed backend, or a name made at run time.</summary>
internal sealed class BackendRule(string name, IFormatString? format, Condition? condition, SourcePlace place)
{
    public string Name { get; } = name;

    /// <summary>Null where the name is fixed.</summary>
    public IFormatString? Format { get; } = format;

    public Condition? Condition { get; } = condition;

    public SourcePlace Place { get; } = place;

    /// <summary>Index of the proxy, -1 for a name made at run time.</summary>
    public int Backend { get; set; } = -1;
}

/// <summary>use-server: a fixed server, or a name made at run time.</summary>
internal sealed class ServerRule(string name, IFormatString? format, Condition? condition, SourcePlace place)
{
    public string Name { get; } = name;

    public IFormatString? Format { get; } = format;

    public Condition? Condition { get; } = condition;

    public SourcePlace Place { get; } = place;

    /// <summary>Index of the server, -1 for a name made at run time.</summary>
    public int Server { get; set; } = -1;
}

/// <summary>A slot of captured text: of a header field, or declared for actions (name null). Length in bytes.</summary>
internal sealed record CaptureSlot(string? Header, int Length);

/// <summary>
/// All rules of one section in the order they are run, those of its defaults first. Null in a
/// <see cref="ProxyConfig"/> means: no rule at all, and nothing is paid.
/// </summary>
internal sealed class ProxyRules
{
    public Rule[] Connection { get; init; } = [];

    public Rule[] Session { get; init; } = [];

    public Rule[] Content { get; init; } = [];

    public Rule[] ResponseContent { get; init; } = [];

    /// <summary>tcp-request inspect-delay, ms; 0 = none.</summary>
    public int InspectDelay { get; init; }

    public int ResponseInspectDelay { get; init; }

    public Rule[] Request { get; init; } = [];

    public Rule[] Redirect { get; init; } = [];

    public Rule[] Response { get; init; } = [];

    public Rule[] AfterResponse { get; init; } = [];

    public BackendRule[] Backends { get; init; } = [];

    public ServerRule[] Servers { get; init; } = [];

    public Condition[] MonitorFail { get; init; } = [];

    public byte[]? MonitorUri { get; init; }

    public CaptureSlot[] RequestCaptures { get; init; } = [];

    public CaptureSlot[] ResponseCaptures { get; init; } = [];

    /// <summary>capture cookie; its header is the beginning of the cookie's <c>name=</c>.</summary>
    public CaptureSlot? Cookie { get; init; }

    /// <summary>Status code to the reply of errorfile, errorloc, http-error and errorfiles.</summary>
    public IReadOnlyDictionary<int, Actions.Reply> Errors { get; init; } = new Dictionary<int, Actions.Reply>();
}
