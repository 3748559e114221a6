namespace Buoy.Scheduler;

/// <summary>Capacity comparisons (SCHEDULER 3.8).</summary>
internal static class Utilization
{
    /// <summary>Positive when <paramref name="a"/> has more free capacity.</summary>
    public static int CompareCapacity(Node a, Node b)
    {
        int points = 0;
        foreach (string name in a.Capacity.Keys.Union(b.Capacity.Keys))
        {
            points += Math.Sign(a.Capacity.GetValueOrDefault(name) - b.Capacity.GetValueOrDefault(name));
        }

        return points;
    }
}
