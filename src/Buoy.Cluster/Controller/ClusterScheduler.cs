using System.Xml.Linq;
using Buoy.Scheduler;

namespace Buoy.Cluster.Controller;

/// <summary>The scheduler of real clusters.</summary>
public sealed class ClusterScheduler : ISchedulerSeam
{
    /// <inheritdoc/>
    public Transition Compute(XElement cib, DateTimeOffset now) => Scheduler.Scheduler.Compute(cib, now);

    /// <inheritdoc/>
    public IReadOnlyList<string> UnsupportedFeatures(XElement cib) => Buoy.Scheduler.UnsupportedFeatures.Find(cib);

    /// <inheritdoc/>
    public string? Explain(XElement cib, DateTimeOffset now, string resource) =>
        Buoy.Scheduler.Explain.Resource(cib, now, resource);
}
