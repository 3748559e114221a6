using System.Globalization;
using System.Xml.Linq;
using Buoy.Cib;
using Buoy.Scheduler;

namespace Buoy.Shell.Status;

/// <summary>The state as the scheduler reads it, so that what is shown and what is decided never disagree; only what is
/// recorded word for word (attributes, operations) is taken from the CIB itself.</summary>
public sealed class StatusView : IStatusView
{
    private readonly Dictionary<string, NodeView> _byName;

    public StatusView(CibDocument cib, DateTimeOffset now)
    {
        XElement root = cib.Root;
        Status = ClusterStatus.Unpack(root, now);
        List<XElement> states = [.. root.Element("status")?.Elements("node_state") ?? []];
        Nodes = [.. Status.Nodes.Select(n => Node(n, states, StatusText.NodeList(Status)))];
        _byName = Nodes.DistinctBy(n => n.Name).ToDictionary(n => n.Name, StringComparer.Ordinal);
        Resources = [.. Status.Resources.Where(IsKnown).Select(r => Resource(r, false))];
        Operations = [.. states.SelectMany(Recorded)];
        Failures = [.. Status.FailedActions.Select(Failure)];
    }

    /// <inheritdoc/>
    public ClusterStatus Status { get; }

    /// <inheritdoc/>
    public IReadOnlyList<NodeView> Nodes { get; }

    /// <inheritdoc/>
    public IReadOnlyList<ResourceView> Resources { get; }

    /// <inheritdoc/>
    public IReadOnlyList<OperationView> Failures { get; }

    /// <inheritdoc/>
    public IReadOnlyList<OperationView> Operations { get; }

    /// <summary>What was removed from the configuration is told only while it is active.</summary>
    private static bool IsKnown(ResourceStatus r) => !r.Removed || r.ActiveOn.Count > 0;

    private static NodeView Node(NodeStatus n, List<XElement> states, IReadOnlyList<string> lines)
    {
        XElement? state = states.FirstOrDefault(s => (string?)s.Attribute("id") == n.Id);

        // The list names a node on a line of its own where health or another condition is to be told.
        string own = $"* Node {n.Name}: ";
        string words = lines.FirstOrDefault(l => l.StartsWith(own, StringComparison.Ordinal))?[own.Length..]
            ?? n.StateText;
        return new NodeView(
            n.Id, n.Name, n.Online, n.Standby, n.Maintenance, n.Unclean, n.Pending, n.IsDc, n.ShuttingDown,
            (string?)state?.Attribute("expected") == "member",
            n.Attributes.GetValueOrDefault("#feature-set"),
            [.. n.Attributes.Where(a => !a.Key.StartsWith('#')).Select(a => (a.Key, a.Value))])
        {
            StandbyOnFail = n.StandbyOnFail, ResourcesRunning = n.ResourcesRunning, State = words, Kind = n.Kind,
            History = [.. (state?.Elements("lrm").Elements("lrm_resources").Elements("lrm_resource") ?? [])
                .Select(r => (string?)r.Attribute("id") ?? "")],
        };
    }

    private ResourceView Resource(ResourceStatus r, bool promotable)
    {
        promotable |= r.Promotable;
        string kind = r.Kind == "leaf" ? "primitive" : r.Kind;
        bool disabled = r.TargetRole?.ToLowerInvariant() == "stopped";
        List<(NodeView, string)> on = [];
        if (kind == "primitive")
        {
            ResourceRole role = r.Role == ResourceRole.Started && promotable ? ResourceRole.Unpromoted : r.Role;
            on.AddRange(r.ActiveOn.Where(_byName.ContainsKey).Select(n => (_byName[n], role.ToString())));
        }

        return new ResourceView(
            r.Id, kind, r.Agent ?? "", on, disabled, r.Managed, r.Maintenance, r.Failed, r.Blocked, promotable,
            r.Unique, [.. r.Children.Where(IsKnown).Select(c => Resource(c, promotable))])
        {
            Removed = r.Removed, FailureIgnored = r.FailureIgnored, PendingTask = r.Pending, TargetRole = r.TargetRole,
        };
    }

    private static IEnumerable<OperationView> Recorded(XElement state)
    {
        string node = (string?)state.Attribute("uname") ?? (string?)state.Attribute("id") ?? "";
        foreach (XElement rsc in state.Elements("lrm").Elements("lrm_resources").Elements("lrm_resource"))
        {
            string id = (string?)rsc.Attribute("id") ?? "";
            foreach (OperationView o in rsc.Elements("lrm_rsc_op").Select(o => Operation(node, id, o))
                .OrderBy(o => o.CallId < 0 ? int.MaxValue : o.CallId))
            {
                yield return o;
            }
        }
    }

    private static OperationView Operation(string node, string rsc, XElement o)
    {
        string[] key = ((string?)o.Attribute("transition-key") ?? "").Split(':');
        return new OperationView(
            node, rsc, (string?)o.Attribute("operation") ?? "", Number("interval"), (int)Number("call-id"),
            (int)Number("rc-code"), key.Length > 2 && int.TryParse(key[2], out int target) ? target : 0,
            (int)Number("op-status"), (string?)o.Attribute("exit-reason") ?? "",
            DateTimeOffset.FromUnixTimeSeconds(Number("last-rc-change")), Number("exec-time"), Number("queue-time"),
            (string?)o.Attribute("operation_key") ?? (string?)o.Attribute("id") ?? "")
        {
            HasTimes = o.Attribute("exec-time") is not null,
        };

        long Number(string name) => long.TryParse(
            (string?)o.Attribute(name), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture,
                out long n) ? n : 0;
    }

    /// <summary>The record of a failed action; the history adds what the scheduler does not need.</summary>
    private OperationView Failure(FailedAction f)
    {
        OperationView? recorded = Operations.FirstOrDefault(
            o => o.Node == f.Node && o.Key == f.Key && o.CallId == f.CallId);
        string suffix = $"_{f.Task}_{f.IntervalMs}";
        string name = f.Key.EndsWith(suffix, StringComparison.Ordinal) ? f.Key[..^suffix.Length] : f.Resource;
        return new OperationView(
            f.Node, name, f.Task, f.IntervalMs, f.CallId, f.Rc, recorded?.TargetRc ?? 0,
            recorded?.OpStatus ?? f.Status, f.ExitReason,
            DateTimeOffset.FromUnixTimeSeconds(f.LastRcChange), f.ExecTimeMs, recorded?.QueueTime ?? 0, f.Key);
    }
}
