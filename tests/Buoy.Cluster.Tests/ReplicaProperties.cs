using Buoy.Cib;
using Buoy.Cluster.Controller;
using Buoy.Control;
using CsCheck;

namespace Buoy.Cluster.Tests;

/// <summary>Random lives of clusters: whatever happens, members of one view hold the same CIB and come to
/// rest.</summary>
public sealed class ReplicaProperties
{
    private static readonly string[] Resources = ["vip", "lb", "third"];

    private sealed record Step(int Kind, uint Node, int What, int Wait, int Cut);

    private static readonly Gen<Step[]> Lives =
        Gen.Select(Gen.Int[0, 10], Gen.UInt[1, 3], Gen.Int[0, 2], Gen.Int[0, 40], Gen.Int[0, 5])
            .Select((k, n, w, t, c) => new Step(k, n, w, t, c)).Array[1, 25];

    /// <summary>
    /// The seeds are fixed, so that a failure is a failure for all; BUOY_SEEDS says how many (else 400 and 100),
    /// BUOY_SEED_FROM with which to begin.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void RandomLife_OfThreeNodes_ReplicasAreEqualAndAtRest(bool realScheduler)
    {
        int from = Number("BUOY_SEED_FROM", 0);
        // The real scheduler takes fifty times as long as the scripted one.
        int count = Number("BUOY_SEEDS", realScheduler ? 100 : 400);
        for (int seed = from; seed < from + count; seed++)
        {
            var steps = Lives.Generate(new PCG(7, (ulong)seed), null, out _);
            if (Failure(steps, realScheduler) is { } failure)
            {
                string told = Shrink(steps, realScheduler, ref failure);
                Assert.Fail($"seed {seed}: {told}\n{failure}");
            }
        }
    }

    private static int Number(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out int n) ? n : otherwise;

    private static string? Failure(Step[] steps, bool realScheduler)
    {
        try
        {
            Live(steps, realScheduler);
            return null;
        }
        catch (Xunit.Sdk.XunitException e)
        {
            return e.Message;
        }
    }

    /// <summary>Leaves steps out while it still fails; what is left, as text.</summary>
    private static string Shrink(Step[] steps, bool realScheduler, ref string failure)
    {
        for (int i = 0; i < steps.Length;)
        {
            Step[] less = [.. steps[..i], .. steps[(i + 1)..]];
            if (Failure(less, realScheduler) is { } still)
            {
                (steps, failure, i) = (less, still, 0);
            }
            else
            {
                i++;
            }
        }

        return string.Join("\n", steps.Select(s => s.ToString()));
    }

    private static void Live(Step[] steps, bool realScheduler)
    {
        var c = new SimulatedCluster { ExpectedVotes = 3 };
        if (realScheduler)
        {
            c.Scheduler = static () => new ClusterScheduler();
            c.Editor = CibEditing.Apply;
        }

        int cut = 0;
        c.RecoveredInOld = n => Math.Min(n, cut);
        var parts = new Dictionary<uint, int> { [1] = 0, [2] = 0, [3] = 0 };
        for (uint i = 1; i <= 3; i++)
        {
            c.Disk[i] = DangerTests.Disk("", 1, 2, 3).Replace("\"ignore\"", "\"stop\"", StringComparison.Ordinal);
            c.Boot(i);
        }

        Views(c, parts);
        c.Run(100);
        foreach (var s in steps)
        {
            cut = s.Cut;
            Take(c, s, parts);
            c.Run(s.Wait);
        }

        // In the end all are together again.
        for (uint i = 1; i <= 3; i++)
        {
            parts[i] = 0;
            if (!c.Nodes.ContainsKey(i))
            {
                c.Boot(i);
            }
        }

        Views(c, parts);
        c.Run(5);
        c.RunUntil(() => c.Nodes.Values.All(n => n.Controller.Idle), 400_000);
        c.AssertReplicasEqual();
        Assert.Single(c.Nodes.Values.Select(n => n.Controller.Digest()).Distinct());
        Assert.Single(c.Nodes.Values.Select(n => n.Controller.Dc).Distinct());
        var cib = c.Nodes[1].Controller.Cib;
        bool able = cib.Descendants("node").Any(n => !n.Descendants("nvpair")
            .Any(p => (string?)p.Attribute("name") == "standby" && (string?)p.Attribute("value") == "on"));
        foreach (string r in Resources)
        {
            int holders = c.Nodes.Values.Count(n => n.Running.Contains(r));
            Assert.True(holders <= 1, $"{r} runs on several nodes:\n{string.Join('\n', c.Log)}");
            bool wanted = able && cib.Descendants("primitive").Any(p => (string?)p.Attribute("id") == r);
            Assert.True(holders == 1 || !wanted, $"{r} runs nowhere:\n{string.Join('\n', c.Log)}\n{cib}");
        }
    }

    private static void Views(SimulatedCluster c, Dictionary<uint, int> parts)
    {
        foreach (var g in parts.Where(p => c.Nodes.ContainsKey(p.Key)).GroupBy(p => p.Value, p => p.Key))
        {
            c.View([.. g]);
        }
    }

    private static void Take(SimulatedCluster c, Step s, Dictionary<uint, int> parts)
    {
        bool here = c.Nodes.TryGetValue(s.Node, out var node) && !node.Left;
        string r = Resources[s.What];
        switch (s.Kind)
        {
            case 0 when here:
                c.Crash(s.Node);
                Views(c, parts);
                break;
            case 1 when !here:
                c.Crash(s.Node, missingIsFine: true);
                c.Boot(s.Node);
                Views(c, parts);
                break;
            case 2:
                parts[s.Node] = s.What;
                Views(c, parts);
                break;
            case 3 or 4 when here:
                c.Apply(s.Node, new CibOperation(CibOperationKind.Create, "resources",
                    Xml: $"""
                        <primitive id="{r}" class="ocf" provider="heartbeat" type="Dummy">
                          <operations><op name="monitor" interval="20s" timeout="60s" id="{r}-monitor"/></operations>
                        </primitive>
                        """));
                break;
            case 5 when here:
                string value = s.Wait % 2 == 0 ? "on" : "off";
                c.Apply(s.Node, new CibOperation(CibOperationKind.Replace, "nodes", Xml: $"""
                    <node id="{s.Node}" uname="node{s.Node}">
                      <instance_attributes id="nodes-{s.Node}">
                        <nvpair id="nodes-{s.Node}-standby" name="standby" value="{value}"/>
                      </instance_attributes>
                    </node>
                    """));
                break;
            case 6 when here:
                node!.Kill(r);
                break;
            case 7 when here:
                c.Ask(s.Node, ControlCommand.Cleanup, null, ("resource", r));
                break;
            case 8 when here:
                c.Ask(s.Node, ControlCommand.Shutdown);
                c.RunUntil(() => node!.Left, 400_000);
                c.Crash(s.Node);
                Views(c, parts);
                break;
            case 10 when here:
                // Back before anyone missed it.
                c.Crash(s.Node);
                c.Boot(s.Node);
                Views(c, parts);
                break;
            case 9:
                Views(c, parts);
                break;
        }
    }
}
