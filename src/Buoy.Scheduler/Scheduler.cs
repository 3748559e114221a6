using System.Xml.Linq;

namespace Buoy.Scheduler;

/// <summary>Options of one run that the CIB does not hold.</summary>
public sealed record SchedulerOptions
{
    /// <summary>Quorum, whatever the CIB says.</summary>
    public bool? HasQuorum { get; init; }

    /// <summary>The CIB is a saved copy whose secret parameters may be hidden: they do not count as changed.</summary>
    public bool Sanitized { get; init; }

    /// <summary>Take the CIB's <c>execution-date</c> as the time, where it has one.</summary>
    public bool UseExecutionDate { get; init; }
}

/// <summary>
/// Decides where every resource shall run and in which role, and what is to be done for it, in which order. A pure function:
/// the same CIB and time give the same transition. Steps are numbered as in SCHEDULER.
/// </summary>
public static class Scheduler
{
    internal const int InfinityScore = Score.Infinity;

    /// <summary>The transition for a CIB (configuration and status) at a time.</summary>
    /// <param name="cib">The <c>cib</c> element; it is only read.</param>
    /// <param name="now">The time that expiries, rules and limits are judged by.</param>
    /// <param name="o">Options of the run; null = the CIB alone decides.</param>
    public static Transition Compute(XElement cib, DateTimeOffset now, SchedulerOptions? o = null)
    {
        Run run = Run.Unpack(cib, now, o);
        run.Decide();
        return run.ToTransition();
    }
}
