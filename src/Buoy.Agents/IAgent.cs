namespace Buoy.Agents;

/// <summary>Exit statuses of the OCF Resource Agent API 1.1 section 4.</summary>
internal static class Ocf
{
    public const int Ok = 0, Error = 1, BadArguments = 2, Unimplemented = 3, NoPermission = 4, NotInstalled = 5;
    public const int NotConfigured = 6, NotRunning = 7;

    /// <summary>The truth values that agents' shell functions know; null: it is none.</summary>
    public static bool? Boolean(string text) => text.ToLowerInvariant() switch
    {
        "yes" or "true" or "1" or "ja" or "on" or "y" => true,
        "no" or "false" or "0" or "nein" or "off" or "n" => false,
        _ => null,
    };
}

/// <summary>What an agent says at the end of an operation.</summary>
internal readonly record struct Outcome(
    int Rc, string Reason = "", OperationStatus Status = OperationStatus.Done, string Output = "");

/// <summary>An operation that has not ended yet.</summary>
internal interface IRunningOperation
{
    /// <summary>Ends it early; the outcome still comes, once nothing of it is left.</summary>
    void Abort();
}

/// <summary>
/// A kind of agent. <c>end</c> is called exactly once, possibly before <see cref="Start"/> returns (then with null).
/// </summary>
internal interface IAgent
{
    IRunningOperation? Start(AgentRequest request, Action<Outcome> end);
}
