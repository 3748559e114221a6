using CsCheck;

namespace Buoy.Scheduler.Tests.Generated;

/// <summary>Choices of one generated input, all from one seed.</summary>
internal sealed class Dice(PCG source)
{
    /// <summary>A number from 0 up to, not including, the limit.</summary>
    public int Below(int limit) => (int)source.Next((uint)limit);

    /// <summary>A number between two, both included.</summary>
    public int Between(int low, int high) => low + Below(high - low + 1);

    /// <summary>True in so many of a hundred cases.</summary>
    public bool Chance(int percent) => Below(100) < percent;

    public T Pick<T>(params ReadOnlySpan<T> of) => of[Below(of.Length)];

    public T Of<T>(IReadOnlyList<T> of) => of[Below(of.Count)];
}
