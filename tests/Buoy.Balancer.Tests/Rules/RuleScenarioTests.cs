namespace Buoy.Balancer.Tests.Rules;

/// <summary>Scenario files: what rules do to traffic, compared with the original over real sockets.</summary>
public sealed class RuleScenarioTests
{
    public static TheoryData<string> Scenarios() =>
        [.. Directory.GetFiles(RulePair.Folder, "*.txt").Order(StringComparer.Ordinal).Select(f => Path.GetFileNameWithoutExtension(f)!)];

    [Theory]
    [MemberData(nameof(Scenarios))]
    public void Traffic_UnderRules_IsAsInTheOriginal(string name)
    {
        var (ours, original) = RulePair.Play(name);
        if (ours != original && Environment.GetEnvironmentVariable("BUOY_TRANSCRIPTS") is { Length: > 0 } folder)
        {
            File.WriteAllText(Path.Combine(folder, name + ".ours"), ours);
            File.WriteAllText(Path.Combine(folder, name + ".original"), original);
        }

        Assert.Equal(original, ours);
    }
}
