using System.Runtime.CompilerServices;
using System.Xml.Linq;
using Buoy.Tests;

namespace Buoy.Scheduler.Tests;

/// <summary>What is accepted must be proven: no case may be both accepted and failing.</summary>
public sealed class UnsupportedFeaturesTests
{
    /// <summary>Accepted cases that do not match yet, each with the reason why its features are accepted all the same.</summary>
    private static readonly Dictionary<string, string> Exceptions = new(StringComparer.Ordinal)
    {
        ["cloned-group-stop"] = "two of a group's stops show another reason",
        ["11-a-then-bm-b-move-a-clone-starting"] = "a probe is not waited for by a stop that it cannot disturb",
        ["bug-1572-1"] = "a restart shows another of its two reasons",
        ["clone-requires-quorum-recovery"] = "the revised status lacks a line of stopped instances",
        ["order_constraint_stops_promoted"] = "an old history on another node is not cleaned up",
        ["remote-orphaned"] = "a remote node that only the status knows, its configuration is gone, is not cleaned up",
        ["failcount"] = "one recurring monitor of a running instance is started once more",
    };

    [Fact]
    public void Find_AcceptedCases_AllMatchTheOriginal()
    {
        string folder = SharedData.Require("scheduler-cases");
        var passing = File.ReadAllLines(Path.Combine(Path.GetDirectoryName(Here())!, "passing.txt")).ToHashSet();
        var wrong = new List<string>();
        foreach (SchedulerCase test in SchedulerCase.All(folder))
        {
            XElement cib = XElement.Load(Path.Combine(folder, "xml", test.Name + ".xml"));
            bool accepted = UnsupportedFeatures.Find(cib).Count == 0;
            if (accepted && !passing.Contains(test.Name) && !Exceptions.ContainsKey(test.Name))
            {
                wrong.Add($"{test.Name}: accepted, but does not match");
            }

            if (Exceptions.ContainsKey(test.Name) && (!accepted || passing.Contains(test.Name)))
            {
                wrong.Add($"{test.Name}: needs no exception any more");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    private static string Here([CallerFilePath] string path = "") => path;
}
