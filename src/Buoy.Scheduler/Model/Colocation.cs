namespace Buoy.Scheduler;

/// <summary>One colocation: the dependent goes where the primary is (SCHEDULER 3.5).</summary>
internal sealed class Colocation
{
    public required string Id { get; init; }
    public required Resource Dependent { get; init; }
    public required Resource Primary { get; init; }
    public required int Score { get; init; }
    public ResourceRole DependentRole { get; init; }
    public ResourceRole PrimaryRole { get; init; }
    public string NodeAttribute { get; init; } = "#uname";

    /// <summary>Configured influence; null = the dependent's <c>critical</c>.</summary>
    public bool? Influence { get; init; }

    /// <summary>Whether the dependent's wishes count for the primary, given their state now.</summary>
    public bool HasInfluence(Resource dependent) =>
        (Influence ?? dependent.Critical) || !Primary.ActiveNodes().Any();

    public bool IsMandatory => Math.Abs(Score) >= Scheduler.InfinityScore;
}
