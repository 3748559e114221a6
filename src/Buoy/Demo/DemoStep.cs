using Buoy.Lab;

namespace Buoy.Demo;

/// <summary>One event of the demo: what happens, and how its end is seen.</summary>
/// <param name="Name">For the table.</param>
/// <param name="What">A sentence for the person who watches.</param>
/// <param name="Act">Makes it happen.</param>
/// <param name="Until">Returns when the world is well again; false = it did not become so.</param>
internal sealed record DemoStep(string Name, string What, Action Act, Func<bool> Until);

/// <summary>How one event went.</summary>
internal sealed record DemoOutcome(string Name, bool Recovered, LabInterval Seen);
