using System.Xml.Linq;
using Buoy.Cluster.Controller;
using Buoy.Scheduler;

namespace Buoy.Composition;

/// <summary>The scheduler as the controller asks for it.</summary>
internal sealed class SchedulerSeam : ISchedulerSeam
{
    /// <inheritdoc/>
    public Transition Compute(XElement cib, DateTimeOffset now) => Scheduler.Scheduler.Compute(cib, now);

    /// <inheritdoc/>
    public IReadOnlyList<string> UnsupportedFeatures(XElement cib) => Scheduler.UnsupportedFeatures.Find(cib);

    /// <inheritdoc/>
    public string? Explain(XElement cib, DateTimeOffset now, string resource) => Scheduler.Explain.Resource(cib, now, resource);
}
