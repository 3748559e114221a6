using System.Globalization;
using System.Xml.Linq;
using Buoy.Cluster.Controller;
using Buoy.Scheduler;

namespace Buoy.Cluster.Tests;

/// <summary>
/// A scheduler just big enough to drive the controller: every primitive is probed everywhere, then runs on the first
/// node that is
/// online, not in standby and without too many failures; all primitives together, started in file order.
/// </summary>
internal sealed class ScriptedScheduler : ISchedulerSeam
{
    public int Runs { get; private set; }

    public IReadOnlyList<string> UnsupportedFeatures(XElement cib) =>
        [.. cib.Descendants("bundle").Select(b => $"bundle {(string?)b.Attribute("id")} is not supported")];

    public string? Explain(XElement cib, DateTimeOffset now, string resource) =>
        cib.Descendants("primitive").Any(p => (string?)p.Attribute("id") == resource) ? $"{resource} is where it is"
            : null;

    public Transition Compute(XElement cib, DateTimeOffset now)
    {
        Runs++;
        var synapses = new List<Synapse>();
        var nodes = cib.Element("status")!.Elements("node_state")
            .Where(n => (string?)n.Attribute("crmd") == "online" && (string?)n.Attribute("in_ccm") == "true")
            .OrderBy(n => (string?)n.Attribute("uname"), StringComparer.Ordinal).ToList();
        var probes = new List<int>();
        var resources = cib.Descendants("primitive").ToList();
        foreach (var (p, n) in resources.SelectMany(p => nodes.Select(n => (p, n))))
        {
            if (History(n, Id(p)) is null)
            {
                probes.Add(Add(p, "monitor", 0, Name(n), 7));
            }
        }

        var able = nodes.Where(n => Transient(n, "shutdown") is null && !Standby(cib, n)
            && resources.All(p => Failures(n, Id(p)) < 1_000_000)).ToList();
        if ((string?)cib.Attribute("have-quorum") != "1" && Option(cib, "no-quorum-policy") != "ignore")
        {
            able = [];
        }

        var current = nodes.Where(n => resources.Any(p => Active(n, Id(p)))).ToList();
        string? target = (current.FirstOrDefault(able.Contains) ?? able.FirstOrDefault()) is { } t ? Name(t) : null;
        var before = probes;
        foreach (var p in Enumerable.Reverse(resources))
        {
            foreach (var n in nodes.Where(n => Active(n, Id(p)) && (Name(n) != target || Broken(n, Id(p)))))
            {
                before = [Add(p, "stop", 0, Name(n), 0, before)];
            }
        }

        foreach (var p in resources.Where(_ => target is not null))
        {
            var n = nodes.First(x => Name(x) == target);
            if (!Active(n, Id(p)) || Broken(n, Id(p)))
            {
                before = [Add(p, "start", 0, target!, 0, before)];
                Add(p, "monitor", 20000, target!, 0, before);
            }
            else if (Op(n, Id(p), $"{Id(p)}_monitor_20000") is null)
            {
                Add(p, "monitor", 20000, target!, 0, before);
            }
        }

        foreach (var n in nodes.Where(n => Transient(n, "shutdown") is not null))
        {
            int id = synapses.Count + 1;
            synapses.Add(new Synapse(id, 0, new GraphAction
            {
                Id = id, Kind = ActionKind.Cluster, Task = "do_shutdown", Key = $"do_shutdown-{Name(n)}", Node =
                    Name(n),
            }, [.. synapses.Where(s => s.Action.Node == Name(n)).Select(s => s.Action.Id)]));
        }

        return new Transition { Synapses = synapses };

        int Add(XElement p, string task, long interval, string node, int rc, IReadOnlyList<int>? inputs = null)
        {
            int id = synapses.Count + 1;
            synapses.Add(new Synapse(id, 0, new GraphAction
            {
                Id = id,
                Kind = ActionKind.Resource,
                Task = task,
                Key = $"{Id(p)}_{task}_{interval.ToString(CultureInfo.InvariantCulture)}",
                IntervalMs = interval,
                Node = node,
                TargetRc = rc,
                Resource = new GraphResource(Id(p), null, "ocf", "heartbeat", (string)p.Attribute("type")!),
                Attributes = interval > 0
                    ? new Dictionary<string, string> { ["CRM_meta_timeout"] = "60000" }
                    : new Dictionary<string, string>(),
            }, inputs ?? []));
            return id;
        }
    }

    public static string Id(XElement e) => (string)e.Attribute("id")!;

    public static string Name(XElement n) => (string)n.Attribute("uname")!;

    public static XElement? History(XElement node, string id) =>
        node.Descendants("lrm_resource").FirstOrDefault(r => Id(r) == id);

    public static XElement? Op(XElement node, string resource, string id) =>
        History(node, resource)?.Elements("lrm_rsc_op").FirstOrDefault(o => Id(o) == id);

    /// <summary>The newest of last_0 and last_failure_0 decides.</summary>
    public static bool Active(XElement node, string id)
    {
        var last = Op(node, id, $"{id}_last_0");
        if (last is null)
        {
            return false;
        }

        int rc = (int)last.Attribute("rc-code")!;
        return (string)last.Attribute("operation")! switch
        {
            "stop" => rc != 0,
            "start" => rc == 0 || true,
            _ => rc == 0,
        };
    }

    public static bool Broken(XElement node, string id)
    {
        var last = Op(node, id, $"{id}_last_0")!;
        var failure = Op(node, id, $"{id}_last_failure_0");
        return failure is not null && (int)failure.Attribute("rc-code")! != 0
            && (long)failure.Attribute("call-id")! >= (long)last.Attribute("call-id")!;
    }

    private static string? Transient(XElement n, string name) =>
        (string?)n.Element("transient_attributes")?.Descendants("nvpair")
        .FirstOrDefault(p => (string?)p.Attribute("name") == name)?.Attribute("value");

    private static long Failures(XElement n, string id) =>
        (n.Element("transient_attributes")?.Descendants("nvpair") ?? [])
        .Where(p => ((string)p.Attribute("name")!).StartsWith($"fail-count-{id}#", StringComparison.Ordinal))
        .Sum(p => (string)p.Attribute("value")! == "INFINITY" ? 1_000_000 : (long)p.Attribute("value")!);

    private static bool Standby(XElement cib, XElement n) => cib.Descendants("node")
        .Where(x => (string?)x.Attribute("uname") == Name(n)).Descendants("nvpair")
        .Any(p => (string?)p.Attribute("name") == "standby" && (string?)p.Attribute("value") == "on");

    private static string? Option(XElement cib, string name) => (string?)cib.Descendants("crm_config")
        .Descendants("nvpair")
        .FirstOrDefault(p => (string?)p.Attribute("name") == name)?.Attribute("value");
}
