using Buoy.Cib;
using Buoy.Control;
using CsCheck;

namespace Buoy.Cluster.Tests;

/// <summary>Random lives of clusters: whatever happens, members of one view hold the same CIB and come to
/// rest.</summary>
public sealed class ReplicaProperties
{
    private static readonly string[] Resources = ["vip", "lb", "third"];

    private sealed record Step(int Kind, uint Node, int What, int Wait, int Cut);

    private static readonly Gen<Step[]> Lives = Gen.Select(Gen.Int[0, 10], Gen.UInt[1, 3], Gen.Int[0, 2], Gen.Int[0, 40], Gen.Int[0, 5])
        .Select((k, n, w, t, c) => new Step(k, n, w, t, c)).Array[1, 25];

    [Fact]
    public void RandomLife_OfThreeNodes_ReplicasAreEqualAndAtRest() => Lives.Sample(steps => Live(steps), iter: 400);

    private static void Live(Step[] steps)
    {
        var c = new SimulatedCluster { ExpectedVotes = 3 };
        int cut = 0;
        c.RecoveredInOld = n => Math.Min(n, cut);
        var parts = new Dictionary<uint, int> { [1] = 0, [2] = 0, [3] = 0 };
        for (uint i = 1; i <= 3; i++)
        {
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
        foreach (string r in Resources)
        {
            Assert.True(c.Nodes.Values.Count(n => n.Running.Contains(r)) <= 1, $"{r} runs on several nodes:\n{string.Join('\n', c.Log)}");
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
                    Xml: $"""<primitive id="{r}" class="ocf" provider="heartbeat" type="Dummy"/>"""));
                break;
            case 5 when here:
                c.Apply(s.Node, new CibOperation(CibOperationKind.Replace, "nodes", Xml:
                    $"""<node id="{s.Node}" uname="node{s.Node}"><instance_attributes id="nodes-{s.Node}"><nvpair id="nodes-{s.Node}-standby" name="standby" value="{(s.Wait % 2 == 0 ? "on" : "off")}"/></instance_attributes></node>"""));
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
