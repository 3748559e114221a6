namespace Buoy.Balancer.Rules.Samples;

/// <summary>
/// A log-format string as an argument of an action (manual 8.2.6): the seam between rules and the log-format compiler.
/// </summary>
internal unsafe interface IFormatString
{
    /// <summary>
    /// Writes the text; returns its length, cut at <paramref name="capacity"/>. Allocates nothing where the parts do
    /// not.
    /// </summary>
    int Write(SampleScope scope, byte* into, int capacity);
}
