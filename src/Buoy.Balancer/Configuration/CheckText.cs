using Buoy.Balancer.Health;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Configuration;

/// <summary>Text of a check: literal, or a log-format that is evaluated when it is needed (configuration manual 8.2.6).</summary>
/// <param name="Text">As written, for messages; a literal's value.</param>
public sealed record CheckText(string Text)
{
    /// <summary>The format; null = literal.</summary>
    internal IFormatString? Format { get; init; }

    /// <summary>The value at this moment of a check, Latin-1.</summary>
    internal string Evaluate(CheckSamples? samples) => Format is { } f && samples is not null ? samples.Text(f) : Text;
}
