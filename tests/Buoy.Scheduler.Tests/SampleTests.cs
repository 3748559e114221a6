using System.Xml.Linq;
using Buoy.Tests;

namespace Buoy.Scheduler.Tests;

/// <summary>CIBs of living clusters of the original: all is done there, so nothing may be left to do.</summary>
public sealed class SampleTests
{
    [Theory]
    [InlineData("samples/pacemaker-2node/cibadmin-Q.xml")]
    [InlineData("samples/pacemaker-3node/cibadmin-Q.xml")]
    public void Compute_LiveCib_FindsNothingToDo(string sample)
    {
        XElement cib = XElement.Load(SharedData.Require(sample));

        Transition transition = Scheduler.Compute(cib, new DateTimeOffset(2026, 11, 22, 14, 0, 0, TimeSpan.Zero));

        Assert.Equal([], transition.Synapses.Select(s => s.Action.Key));
        Assert.Equal([], transition.Summary);
    }
}
