using Buoy.Balancer.Rules.Conditions;
using Buoy.Balancer.Rules.Samples;

namespace Buoy.Balancer.Rules;

/// <summary>A stick line (configuration manual 4.2, "stick match", "stick on", "stick store-request").</summary>
/// <param name="Match">The server stored for the key takes the stream.</param>
/// <param name="Store">The server that took the stream is stored.</param>
/// <param name="OnResponse">The key is in the response (store-response).</param>
/// <param name="Key">What is looked up and stored.</param>
/// <param name="Table">Section whose table it is; null = the own one.</param>
internal sealed record StickRule(
    bool Match, bool Store, bool OnResponse, SampleExpression Key, Condition? Condition, string? Table)
{
    /// <summary>Stores at once per request or response (manual 4.2, "stick store-response").</summary>
    public const int MaxStores = 8;

    /// <summary>Only the client's address: such rules need no request, and no other rule, to be looked at.</summary>
    public bool Plain => !OnResponse && Condition is null && Key.Fetch.Name == "src" && Key.Converters.Count == 0;
}
