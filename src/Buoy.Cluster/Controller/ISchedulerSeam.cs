using System.Xml.Linq;
using Buoy.Scheduler;

namespace Buoy.Cluster.Controller;

/// <summary>What the controller needs of the scheduler: a pure function and its company.</summary>
public interface ISchedulerSeam
{
    /// <summary>Decides: the CIB with status and the time in, the transition out.</summary>
    Transition Compute(XElement cib, DateTimeOffset now);

    /// <summary>Sentences about what in this CIB the scheduler cannot honour; empty = nothing.</summary>
    IReadOnlyList<string> UnsupportedFeatures(XElement cib);

    /// <summary>Why a resource is where it is, for people; null where the CIB has no such resource.</summary>
    string? Explain(XElement cib, DateTimeOffset now, string resource);
}
